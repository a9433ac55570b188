package audit

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"lianmu/hub/bus"
)

func BenchmarkTrail(b *testing.B) {
	s, err := bus.Start(b.Context(), bus.Config{Dir: b.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Stop(context.Background()) }()
	trail, err := Open(b.Context(), s.JetStream, Config{Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = trail.Close(context.Background()) }()
	r := Record{Who: "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK", Role: "review", Via: "token", From: "192.0.2.1", Act: "space.admit",
		Object: "did:key:z6MkpTHR8VNsBxYAAWHut2Geadd9jSwuBV8xRoAnwWsdvktH", Outcome: Done, Detail: "descriptor 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}
	b.Run("put", func(b *testing.B) {
		for b.Loop() {
			if err := trail.Put(b.Context(), r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("refused", func(b *testing.B) {
		for b.Loop() {
			trail.Refused(r)
		}
	})
	b.Run("list one in all", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := trail.List(b.Context(), 0, 50, Filter{Who: "nobody"}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(trail.Head().Sequence), "records")
	})
	var export bytes.Buffer
	if err := trail.Export(b.Context(), &export, time.Time{}, time.Time{}); err != nil {
		b.Fatal(err)
	}
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			if _, err := Verify(bytes.NewReader(export.Bytes()), time.Now()); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(trail.Head().Sequence), "records")
		b.ReportMetric(float64(export.Len())/float64(trail.Head().Sequence), "bytes/record")
	})
}

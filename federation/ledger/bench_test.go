package ledger_test

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// big returns n entries of 3.8 KB.
func big(n int) []ledger.Entry {
	out := make([]ledger.Entry, n)
	raw := make([]byte, 2800)
	for i := range out {
		_, _ = rand.Read(raw)
		doc := fmt.Appendf(nil, `{"n":%q}`, base64.StdEncoding.EncodeToString(raw))
		out[i] = ledger.Entry{Document: doc, Fact: vocab.Fact{Kind: vocab.KindOffering, Space: "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
			ID: fmt.Sprintf("https://space.example/offerings/%d", i), Digest: vocab.DigestOf(doc), Content: vocab.DigestOf(doc[:9]), Created: time.Now()}}
	}
	return out
}

// BenchmarkAppend appends 3.8 KB entries with fsync always, by size of batch.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprint("batch=", n), func(b *testing.B) {
			w := newWorld(b)
			l := w.open("a")
			es := big(n)
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				appendAll(b, l, es)
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "entries/s")
			b.StopTimer()
			w.close(l)
		})
	}
}

// TestStartup prints what a start costs with LIANMU_STARTUP entries.
func TestStartup(t *testing.T) {
	var n int
	if _, err := fmt.Sscan(os.Getenv("LIANMU_STARTUP"), &n); err != nil {
		t.Skip("set LIANMU_STARTUP to a number of entries to measure a start")
	}
	w := newWorld(t)
	l := w.open("a")
	begin := time.Now()
	for done := 0; done < n; done += 1000 {
		appendAll(t, l, big(1000))
	}
	t.Logf("%d CPUs, %d entries of 3.8 KB appended in %v (generator included)", runtime.NumCPU(), n, time.Since(begin))
	w.close(l)
	w.stopBus()
	step := func(what string, f func()) {
		begin := time.Now()
		f()
		t.Logf("%-28s %v", what, time.Since(begin).Round(time.Millisecond))
	}
	step("bus start", w.startBus)
	step("open with cache", func() { l = w.open("a") })
	step("facts", func() {
		for _, err := range l.Facts(t.Context(), 0, l.Size()) {
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	step("read", func() {
		for _, err := range l.Read(t.Context(), 0, l.Size()) {
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	step("verify", func() {
		r, err := ledger.Verify(t.Context(), l.Source(), l.VerifierKey(), nil, nil)
		if err != nil || r.Faults > 0 || r.Checked != l.Size() {
			t.Fatal(r, err)
		}
	})
	w.close(l)
	if err := os.Remove(w.config("a").Dir + "/leaves"); err != nil {
		t.Fatal(err)
	}
	step("open without cache", func() { l = w.open("a") })
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	t.Logf("heap %d MB", m.HeapAlloc>>20)
}

// TestRedactionCost prints what 1,000 redactions among LIANMU_STARTUP entries
// cost, and what they cost a start.
func TestRedactionCost(t *testing.T) {
	var n int
	if _, err := fmt.Sscan(os.Getenv("LIANMU_STARTUP"), &n); err != nil || n < 1000 {
		t.Skip("set LIANMU_STARTUP to a number of entries, at least 1,000, to measure redactions")
	}
	const redacted = 1000
	w := newWorld(t)
	l := w.open("a")
	for done := 0; done < n; done += 1000 {
		appendAll(t, l, big(1000))
	}
	step := func(what string, f func()) {
		begin := time.Now()
		f()
		t.Logf("%-40s %v", what, time.Since(begin).Round(time.Millisecond))
	}
	var indexes []uint64
	for i := range uint64(redacted) {
		indexes = append(indexes, i*uint64(n)/redacted)
	}
	step("append redactions", func() { appendRedactions(t, l, indexes...) })
	step("delete bodies", func() {
		for _, i := range indexes {
			if err := l.Redact(t.Context(), i); err != nil {
				t.Fatal(err)
			}
		}
	})
	step("verify", func() {
		if r := verify(t, l); r.Faults != 0 || r.Redacted != redacted {
			t.Errorf("%+v", r)
		}
	})
	w.close(l)
	step("open with cache", func() { l = w.open("a") })
	w.close(l)
	if err := os.Remove(w.config("a").Dir + "/leaves"); err != nil {
		t.Fatal(err)
	}
	step("open without cache", func() { l = w.open("a") })
	if l.Size() != uint64(n+redacted) {
		t.Errorf("%d entries", l.Size())
	}
}

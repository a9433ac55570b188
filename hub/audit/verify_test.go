package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub/bus"
	"lianmu/vocab"
)

// rewrite makes the stored trail what change makes of its messages.
func rewrite(t *testing.T, b *bus.Bus, change func([][]byte) [][]byte) {
	t.Helper()
	s, err := b.JetStream.Stream(t.Context(), bus.AuditStream)
	if err != nil {
		t.Fatal(err)
	}
	var msgs [][]byte
	for seq := uint64(1); seq <= s.CachedInfo().State.LastSeq; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		msgs = append(msgs, m.Data)
	}
	cfg := s.CachedInfo().Config
	if err := b.JetStream.DeleteStream(t.Context(), bus.AuditStream); err != nil {
		t.Fatal(err)
	}
	if _, err := b.JetStream.CreateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	for _, m := range change(msgs) {
		if _, err := b.JetStream.Publish(t.Context(), bus.AuditPrefix+"done", m); err != nil {
			t.Fatal(err)
		}
	}
}

// rehash is a forger who knows how records are made: from record i on he makes
// every hash anew.
func rehash(t *testing.T, msgs [][]byte, i int, change func(*Record)) [][]byte {
	t.Helper()
	prev := vocab.Digest{}
	for n := range msgs {
		r, err := decode(msgs[n])
		if err != nil {
			t.Fatal(err)
		}
		if n >= i {
			if n == i {
				change(&r)
			}
			r.Prev = prev
			if err := r.seal(); err != nil {
				t.Fatal(err)
			}
			if msgs[n], err = encode(r); err != nil {
				t.Fatal(err)
			}
		}
		prev = r.Hash
	}
	return msgs
}

var tampering = map[string]func(t *testing.T, m [][]byte) [][]byte{
	"changed": func(_ *testing.T, m [][]byte) [][]byte {
		m[3] = bytes.Replace(m[3], []byte("did:key:3"), []byte("did:key:9"), 1)
		return m
	},
	"changed and sealed": func(t *testing.T, m [][]byte) [][]byte {
		r, err := decode(m[3])
		if err != nil {
			t.Fatal(err)
		}
		r.Who = "did:key:9"
		if err := r.seal(); err != nil {
			t.Fatal(err)
		}
		m[3], err = encode(r)
		if err != nil {
			t.Fatal(err)
		}
		return m
	},
	"dropped":    func(_ *testing.T, m [][]byte) [][]byte { return append(m[:3:3], m[4:]...) },
	"first gone": func(_ *testing.T, m [][]byte) [][]byte { return m[1:] },
	"swapped":    func(_ *testing.T, m [][]byte) [][]byte { m[3], m[4] = m[4], m[3]; return m },
	"repeated":   func(_ *testing.T, m [][]byte) [][]byte { return append(m[:4:4], m[3:]...) },
	"member added": func(_ *testing.T, m [][]byte) [][]byte {
		m[2] = bytes.Replace(m[2], []byte("{"), []byte(`{"x":1,`), 1)
		return m
	},
	"name twice": func(_ *testing.T, m [][]byte) [][]byte {
		m[2] = bytes.Replace(m[2], []byte("{"), []byte(`{"who":"did:key:8",`), 1)
		return m
	},
	"spaced": func(_ *testing.T, m [][]byte) [][]byte {
		m[2] = bytes.Replace(m[2], []byte(","), []byte(", "), 1)
		return m
	},
	"garbage":   func(_ *testing.T, m [][]byte) [][]byte { m[5] = []byte("???"); return m },
	"last gone": func(_ *testing.T, m [][]byte) [][]byte { return m[:len(m)-1] },
	"all made anew": func(t *testing.T, m [][]byte) [][]byte {
		return rehash(t, m, 3, func(r *Record) { r.Who = "did:key:9" })
	},
}

func TestTamperingIsFound(t *testing.T) {
	for name, tamper := range tampering {
		t.Run(name, func(t *testing.T) {
			b, c := newBus(t), &clock{t: start}
			trail := open(t, b, Config{Now: c.now})
			for i := range 8 {
				put(t, trail, Record{Who: fmt.Sprintf("did:key:%d", i), Act: "space.admit", Outcome: Done})
			}
			rewrite(t, b, func(m [][]byte) [][]byte { return m })
			if _, err := trail.Verify(t.Context()); err != nil {
				t.Fatalf("untouched: %v", err)
			}
			rewrite(t, b, func(m [][]byte) [][]byte { return tamper(t, m) })
			_, err := trail.Verify(t.Context())
			wantCode(t, err, "audit.broken")
		})
	}
}

func TestExport(t *testing.T) {
	b, c := newBus(t), &clock{t: start}
	key := identitytest.Key(t)
	trail := open(t, b, Config{Now: c.now, Signer: key})
	export := func(t *testing.T, from, until time.Time) [][]byte {
		t.Helper()
		var out bytes.Buffer
		if err := trail.Export(t.Context(), &out, from, until); err != nil {
			t.Fatal(err)
		}
		return bytes.Split(bytes.TrimSuffix(out.Bytes(), []byte("\n")), []byte("\n"))
	}
	verify := func(lines [][]byte) (Report, error) {
		return Verify(bytes.NewReader(append(bytes.Join(lines, []byte("\n")), '\n')), c.now())
	}
	if lines := export(t, time.Time{}, time.Time{}); len(lines) != 1 {
		t.Errorf("an empty trail has %d lines", len(lines))
	} else if r, err := verify(lines); err != nil || r.SignedBy != key.DID() {
		t.Errorf("%+v, %v", r, err)
	}
	for i := range 8 {
		c.move(time.Minute)
		put(t, trail, Record{Who: fmt.Sprintf("did:key:%d", i), Act: "space.admit", Outcome: Done})
	}
	whole := export(t, time.Time{}, time.Time{})
	report, err := verify(whole)
	if err != nil || report.Records != 8 || report.SignedBy != key.DID() || report.Hash != trail.Head().Hash {
		t.Fatalf("%+v, %v", report, err)
	}
	var closing Closing
	if err := json.Unmarshal(whole[8], &closing); err != nil || closing.Head != trail.Head() {
		t.Errorf("%+v, %v", closing, err)
	}
	part := export(t, start.Add(3*time.Minute), start.Add(6*time.Minute))
	if report, err := verify(part); err != nil || report.Records != 3 || report.First != 3 || report.Before != 2 {
		t.Errorf("%+v, %v", report, err)
	}

	for name, tamper := range tampering {
		t.Run(name, func(t *testing.T) {
			lines := make([][]byte, 0, 9)
			for _, l := range whole[:8] {
				lines = append(lines, bytes.Clone(l))
			}
			_, err := verify(append(tamper(t, lines), whole[8]))
			wantCode(t, err, "audit.broken")
		})
	}
	t.Run("another's last line", func(t *testing.T) {
		_, err := verify(append(whole[:8:8], part[3]))
		wantCode(t, err, "audit.broken")
	})
	t.Run("more after the last line", func(t *testing.T) {
		_, err := verify(append(whole[:9:9], whole[8]))
		wantCode(t, err, "audit.broken")
	})
	t.Run("last line changed", func(t *testing.T) {
		last := bytes.Replace(whole[8], []byte(`"records":8`), []byte(`"records":7`), 1)
		_, err := verify(append(whole[:7:7], last))
		wantCode(t, err, "proof.invalid")
	})
	t.Run("signed by another", func(t *testing.T) {
		other := identitytest.Key(t)
		bare, err := json.Marshal(closing)
		if err != nil {
			t.Fatal(err)
		}
		forged := identitytest.Sign(t, bare, other, identity.SignOptions{Created: c.now()})
		_, err = verify(append(whole[:8:8], forged))
		wantCode(t, err, "audit.signer")
	})
	t.Run("without its last line", func(t *testing.T) {
		if report, err := verify(whole[:6]); err != nil || report.SignedBy != "" {
			t.Errorf("%+v, %v", report, err)
		}
	})
	t.Run("a line without end", func(t *testing.T) {
		_, err := Verify(strings.NewReader(strings.Repeat("x", 1<<20)), c.now())
		wantCode(t, err, "audit.broken")
	})
}

// An export does not tell what came of itself, and is no act cut short for that;
// others are.
func TestAnExportIsNotItsOwnLooseEnd(t *testing.T) {
	key := identitytest.Key(t)
	c := &clock{t: start}
	trail := open(t, newBus(t), Config{Now: c.now, Signer: key})
	begin := func(r Record) { // and never end, as a process that was killed
		r.Outcome = Begun
		put(t, trail, r)
	}
	begin(Record{Who: "did:key:a", Act: exportAct})
	export := func(until time.Time) Report {
		t.Helper()
		var out bytes.Buffer
		err := trail.Do(t.Context(), Record{Who: "did:key:a", Act: exportAct}, func(ctx context.Context) (string, error) {
			begin(Record{Who: "did:key:b", Act: "space.admit"}) // another, at the same time
			return "", trail.Export(ctx, &out, time.Time{}, until)
		})
		if err != nil {
			t.Fatal(err)
		}
		report, err := Verify(&out, c.now())
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	for i, want := range [][]uint64{{1, 3}, {1, 3, 6}} { // 2 and 5 are these exports
		if report := export(time.Time{}); !slices.Equal(report.Unfinished, want) {
			t.Errorf("export %d: %v, want %v", i, report.Unfinished, want)
		}
	}
	if report := export(start); report.Records != 0 || len(report.Unfinished) != 0 {
		t.Errorf("of nothing: %+v", report)
	}
	var out bytes.Buffer
	if err := trail.Export(t.Context(), &out, time.Time{}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if report, err := Verify(&out, c.now()); err != nil || !slices.Equal(report.Unfinished, []uint64{1, 3, 6, 9}) {
		t.Errorf("afterwards: %+v, %v", report, err)
	}
	// That another act was the export's own beginning, even a signed line cannot say.
	r := Record{Sequence: 1, Time: start, Act: "space.admit", Outcome: Begun}
	if err := r.seal(); err != nil {
		t.Fatal(err)
	}
	line, err := encode(r)
	if err != nil {
		t.Fatal(err)
	}
	closing, err := json.Marshal(Closing{Type: closingType, Hub: key.DID(), Records: 1, First: 1, Last: 1, Hash: r.Hash, Exported: start, Begun: 1})
	if err != nil {
		t.Fatal(err)
	}
	signed := identitytest.Sign(t, closing, key, identity.SignOptions{Created: start})
	if report, err := Verify(bytes.NewReader(slices.Concat(line, []byte("\n"), signed, []byte("\n"))), start); err != nil || !slices.Equal(report.Unfinished, []uint64{1}) {
		t.Errorf("another act: %+v, %v", report, err)
	}
}

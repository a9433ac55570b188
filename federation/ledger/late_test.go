package ledger_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lianmu/federation/ledger"
	"lianmu/hub/bus"
)

func TestFill(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, entries(0, 8))
	appendRedactions(t, l, 5)
	es := mirrored(t, l, 0, 9)
	m := w.mirror(l.VerifierKey(), "m")
	full := entries(0, 8)
	es[5] = ledger.Mirrored{Leaf: es[5].Leaf, State: ledger.Withheld}
	for _, i := range []int{1, 2, 3, 7} {
		es[i] = in(ledger.Withheld, "", es[i])
	}
	es[4] = in(ledger.Missing, "nobody gave it", es[4])
	es[6] = in(ledger.Redacted, "", es[6])
	extend(t, m, es)
	verify(t, l)
	accept(t, m, l.Checkpoint())
	other := w.mirror(l.VerifierKey(), "n")

	body := func(i int) ledger.Mirrored {
		return ledger.Mirrored{Leaf: es[i].Leaf, Fact: full[i].Fact, Document: full[i].Document}
	}
	for range 2 { // repeating is harmless
		for _, i := range []int{2, 4} {
			if err := m.Fill(t.Context(), uint64(i), body(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.Fill(t.Context(), 3, in(ledger.Faulty, "the proof is not valid", body(3))); err != nil {
			t.Fatal(err)
		}
		if err := m.Fill(t.Context(), 7, ledger.Mirrored{Leaf: es[7].Leaf, State: ledger.Faulty, Fault: "it must be nowhere"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := other.Fill(t.Context(), 2, body(2)); err != nil {
		t.Errorf("another process, which has not heard of it: %v", err)
	}
	for name, tc := range map[string]struct {
		index uint64
		m     ledger.Mirrored
		want  error
	}{
		"beyond the end":      {9, body(1), fs.ErrNotExist},
		"another's leaf":      {1, body(2), ledger.ErrEntry},
		"no body":             {1, in(ledger.Withheld, "", body(1)), ledger.ErrEntry},
		"another document":    {1, ledger.Mirrored{Leaf: es[1].Leaf, Fact: full[1].Fact, Document: full[2].Document}, ledger.ErrEntry},
		"what is there":       {0, body(0), ledger.ErrEntry},
		"redacted":            {5, body(5), ledger.ErrRedaction},
		"said to be redacted": {6, body(6), ledger.ErrRedaction},
	} {
		if err := m.Fill(t.Context(), tc.index, tc.m); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	check := func(name string, m *ledger.Log) {
		t.Helper()
		for r, err := range m.Read(t.Context(), 0, 8) {
			i := int(r.Index)
			switch {
			case err != nil:
				t.Fatalf("%s: %v", name, err)
			case i == 3:
				if r.State != ledger.Faulty || r.Fault != "the proof is not valid" || !bytes.Equal(r.Evidence, full[3].Document) || r.Document != nil {
					t.Errorf("%s: entry 3 is %+v", name, r)
				}
			case i == 7:
				if r.State != ledger.Faulty || r.Fault != "it must be nowhere" || r.Evidence != nil || r.Document != nil {
					t.Errorf("%s: entry 7 is %+v", name, r)
				}
			case i == 1 || i == 5 || i == 6:
				if r.Document != nil || r.State == ledger.Held {
					t.Errorf("%s: entry %d is %+v", name, i, r)
				}
			case r.State != ledger.Held || r.Fault != "" || r.Fact != full[i].Fact || !bytes.Equal(r.Document, full[i].Document):
				t.Errorf("%s: entry %d is %+v", name, i, r)
			}
		}
		for r, err := range m.Facts(t.Context(), 2, 3) {
			if err != nil || r.Fact != full[2].Fact || r.Document != nil {
				t.Errorf("%s: %+v, %v", name, r, err)
			}
		}
		for state, want := range map[ledger.EntryState]int{ledger.Withheld: 1, ledger.Missing: 0, ledger.Faulty: 2, ledger.Redacted: 1} {
			if n := m.Count(state); n != want || len(m.First(state)) != n {
				t.Errorf("%s: %d are %s", name, n, state)
			}
		}
		r, err := ledger.Verify(t.Context(), m.Source(), m.VerifierKey(), nil, nil)
		if err != nil || r.Withheld != 2 || r.Redacted != 1 || r.Faults != 1 || !strings.HasPrefix(r.Problems[0], "entry 6") {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	check("at once", m)
	if err := other.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("another process", other)
	w.close(m)
	m = w.mirror(l.VerifierKey(), "m")
	check("restarted", m)
	w.close(m)
	if err := os.Remove(filepath.Join(w.dir, "m", "leaves")); err != nil {
		t.Fatal(err)
	}
	m = w.mirror(l.VerifierKey(), "m")
	check("without cache", m)

	// Dropped, nothing of it is left, and the next one begins without.
	w.close(m)
	w.close(other)
	if err := w.bus.DropMirror(t.Context(), w.name); err != nil {
		t.Fatal(err)
	}
	m = w.mirror(l.VerifierKey(), "m")
	extend(t, m, es)
	if n := m.Count(ledger.Withheld); n != 4 { // 5 is redacted by the log
		t.Errorf("%d are withheld", n)
	}
}

// A redaction whose document comes late ends all reading of what it names, in
// every process, and after a restart.
func TestLateRedactionInAMirror(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, entries(0, 4))
	appendRedactions(t, l, 1)
	es := mirrored(t, l, 0, 5)
	full := entries(0, 4)
	es[1] = ledger.Mirrored{Leaf: es[1].Leaf, Fact: full[1].Fact, Document: full[1].Document} // the body came, as nobody said that it is gone
	late := es[4]
	es[4] = in(ledger.Missing, "nobody gave it", es[4])
	m := w.mirror(l.VerifierKey(), "m")
	extend(t, m, es)
	other := w.mirror(l.VerifierKey(), "n")
	if err := m.Fill(t.Context(), 4, late); err != nil {
		t.Fatal(err)
	}
	if err := other.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]*ledger.Log{"this process": m, "another": other, "a later one": w.mirror(l.VerifierKey(), "o")} {
		at, ok := m.RedactedBy(1)
		if r, err := m.Get(t.Context(), 1); err != nil || !ok || at != 4 || !r.Redacted || r.Document != nil {
			t.Errorf("%s: by %d, %v: %+v, %v", name, at, ok, r, err)
		}
	}
}

func TestRedactInAMirror(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, entries(0, 10))
	es := mirrored(t, l, 0, 10)
	appendRedactions(t, l, 2, 3, 4, 6)
	es = append(es, mirrored(t, l, 10, 14)...)
	es[2].Document = entry(2).Document
	late := es[3]
	es[3] = in(ledger.Withheld, "", es[3])
	es[4] = in(ledger.Redacted, "", es[4]) // it was deleted before the mirror came
	es[13] = in(ledger.Faulty, "another key signed it", es[13])
	m := w.mirror(l.VerifierKey(), "m")
	extend(t, m, es[:10])
	if err := m.Fill(t.Context(), 3, late); err != nil {
		t.Fatal(err)
	}
	if n := m.Count(ledger.Redacted); n != 1 {
		t.Errorf("%d are redacted and unexplained", n)
	}
	if len(w.inMirror("数据产品 2\"")) == 0 || len(w.inMirror("数据产品 3\"")) == 0 {
		t.Fatal("the bodies are not there")
	}
	extend(t, m, es[10:])
	verify(t, l)
	accept(t, m, l.Checkpoint())
	if n := m.Count(ledger.Redacted); n != 0 {
		t.Errorf("%d are redacted and unexplained", n)
	}
	check := func(name string, m *ledger.Log) {
		t.Helper()
		wantRedacted(t, m, 10, 2, 3, 4) // but not 6: that redaction does not stand
	}
	check("before the deletion", m)
	if err := m.Redact(t.Context(), 6); !errors.Is(err, ledger.ErrRedaction) {
		t.Errorf("by a redaction that does not stand: %v", err)
	}
	// The process ends here: the next start deletes.
	w.close(m)
	m = w.mirror(l.VerifierKey(), "m")
	check("restarted", m)
	for _, text := range []string{"数据产品 2\"", "数据产品 3\""} {
		if found := w.inMirror(text); found != nil {
			t.Errorf("%s is still in %v", text, found)
		}
	}
	for _, i := range []uint64{2, 3, 4} {
		if err := m.Redact(t.Context(), i); err != nil {
			t.Error(err)
		}
	}
	w.close(m)
	if err := os.Remove(filepath.Join(w.dir, "m", "leaves")); err != nil {
		t.Fatal(err)
	}
	check("without cache", w.mirror(l.VerifierKey(), "m"))
}

// inMirror looks for text in the files of all streams but the log's own.
func (w *world) inMirror(text string) (found []string) {
	for _, path := range w.inStore([]byte(text)) {
		if !strings.Contains(path, bus.LogStream) {
			found = append(found, path)
		}
	}
	return found
}

// A mirror's batch without its commit is taken as it stands: the log is not
// ours to add an entry to.
func TestTornBatchInAMirror(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, entries(0, 10))
	verify(t, l)
	note, vkey := l.Checkpoint(), l.VerifierKey()
	es := mirrored(t, l, 0, 10)
	w.close(l)
	m := w.mirror(vkey, "m")
	extend(t, m, es[:3])
	extend(t, m, es[3:6])
	w.close(m)
	w.stopBus()
	w.cutLastOf(bus.MirrorStreams)
	w.startBus()
	m = w.mirror(vkey, "m")
	wantLog(t, m, 3)
	if err := m.Extend(t.Context(), 3, es[3:]); !errors.Is(err, ledger.ErrUnavailable) {
		t.Fatalf("over a torn batch: %v", err)
	}
	w.clock.move(time.Minute)
	if err := m.Extend(t.Context(), 3, es[3:]); !errors.Is(err, ledger.ErrConflict) || m.Size() != 5 {
		t.Fatalf("%d entries, %v", m.Size(), err)
	}
	extend(t, m, es[5:])
	accept(t, m, note)
	wantLog(t, m, 10)
	w.close(m)
	m = w.mirror(vkey, "n")
	wantLog(t, m, 10)
	wantClean(t, m, 10)
}

// The server is stopped and started again and again while a mirror grows: it
// ends up as the log is.
func TestExtendWhileTheServerRestarts(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	const each, batches = 40, 30
	for b := range batches {
		appendAll(t, l, entries(b*each, each))
	}
	verify(t, l)
	es := mirrored(t, l, 0, each*batches)
	note, vkey := l.Checkpoint(), l.VerifierKey()
	w.close(l)
	m := w.mirror(vkey, "m")
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 6 {
			if err := w.bus.Restart(t.Context()); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(time.Duration(i%7) * 9 * time.Millisecond)
		}
	})
	again := 0
	for at := m.Size(); at < each*batches; at = m.Size() {
		err := m.Extend(t.Context(), at, es[at:min(at+each, each*batches)])
		if err == nil {
			err = m.Accept(t.Context(), w.claim(m.Size(), root(t, m, m.Size()), w.clock.now()))
		}
		switch {
		case err == nil:
			continue
		case errors.Is(err, ledger.ErrConflict):
			err = m.Sync(t.Context())
		}
		if err != nil && m.ReadOnly() != nil {
			t.Fatal(err)
		}
		again++
		w.clock.move(time.Second) // so that a torn batch grows old
		time.Sleep(2 * time.Millisecond)
	}
	wg.Wait()
	t.Logf("%d tries did not succeed at once", again)
	for i := 0; ; i++ {
		err := m.Accept(t.Context(), note)
		if err == nil || errors.Is(err, ledger.ErrOlder) {
			break
		}
		if i > 1000 {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	wantLog(t, m, each*batches)
	w.close(m)
	m = w.mirror(vkey, "n")
	wantLog(t, m, each*batches)
	wantClean(t, m, each*batches)
}

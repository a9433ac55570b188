package ledger_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"lianmu/federation/ledger"
)

// eventually waits for something that happens by itself.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for i := 0; !ok(); i++ {
		if i > 2000 {
			t.Fatalf("it never came to %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestHeartbeat(t *testing.T) {
	w := newWorld(t)
	open := func(dir string, beat time.Duration) *ledger.Log {
		t.Helper()
		c := w.config(dir)
		c.CheckpointEvery, c.Heartbeat = 5*time.Millisecond, beat
		l, err := ledger.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close(t.Context()) })
		return l
	}
	l := open("a", 20*time.Millisecond)
	time.Sleep(60 * time.Millisecond)
	if l.Checkpoint() != nil {
		t.Fatal("an empty log was signed")
	}
	appendAll(t, l, entries(0, 5))
	eventually(t, "a checkpoint", func() bool { return l.Latest().Size == 5 })
	first := l.Latest()
	if !first.Time.Equal(w.clock.now().Truncate(time.Second)) {
		t.Errorf("signed at %v", first.Time)
	}
	time.Sleep(60 * time.Millisecond)
	if !bytes.Equal(l.Checkpoint(), first.Note) {
		t.Error("signed again while no time passed")
	}
	signedAt := func(at time.Time) func() bool {
		return func() bool { return l.Latest().Time.Equal(at.Truncate(time.Second)) }
	}
	w.clock.move(time.Minute)
	eventually(t, "a heartbeat", signedAt(w.clock.now()))
	if cp := l.Latest(); cp.Size != first.Size || cp.Root != first.Root {
		t.Errorf("a heartbeat says %+v", cp)
	}
	file, err := os.ReadFile(filepath.Join(w.dir, "a", "checkpoint"))
	if err != nil || !bytes.Equal(file, l.Checkpoint()) {
		t.Errorf("the folder has %q, %v", file, err)
	}
	// A clock that was far ahead does not silence the log once it is put right.
	w.clock.move(1000 * time.Hour)
	eventually(t, "a heartbeat of the future", signedAt(w.clock.now()))
	w.clock.move(-1000 * time.Hour)
	eventually(t, "a heartbeat of today", signedAt(w.clock.now()))

	// A mirror takes them.
	m := w.mirror(l.VerifierKey(), "m")
	level(t, l, m)
	w.clock.move(time.Minute)
	eventually(t, "another heartbeat", signedAt(w.clock.now()))
	accept(t, m, l.Checkpoint())
	if !m.Latest().Time.Equal(l.Latest().Time) {
		t.Errorf("the mirror has %v", m.Latest().Time)
	}
	// A second process does not sign what was just signed, and neither is hurt.
	o := open("b", 20*time.Millisecond)
	for range 20 {
		w.clock.move(10 * time.Second)
		appendAll(t, l, entries(int(l.Size()), 1))
		if err := o.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.clock.move(time.Minute)
	eventually(t, "both signed", func() bool {
		return l.Latest().Size == 25 && o.Latest().Size == 25 && l.Latest().Time.Equal(o.Latest().Time)
	})
	if err := errors.Join(l.ReadOnly(), o.ReadOnly()); err != nil {
		t.Error(err)
	}
}

// A growing log is signed at most every CheckpointEvery, one at rest when it grows.
func TestHowOftenALogIsSigned(t *testing.T) {
	w := newWorld(t)
	c := w.config("a")
	c.CheckpointEvery = 300 * time.Millisecond
	l, err := ledger.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close(l)
	appendAll(t, l, entries(0, 1))
	wantClean(t, l, 1)
	time.Sleep(400 * time.Millisecond) // at rest
	begin := time.Now()
	for n := uint64(2); n <= 4; n++ {
		appendAll(t, l, entries(int(n-1), 1))
		eventually(t, "a checkpoint", func() bool { return l.Latest().Size == n })
	}
	if d := time.Since(begin); d < 2*c.CheckpointEvery {
		t.Errorf("three checkpoints within %v", d)
	}
}

func TestWitness(t *testing.T) {
	w := newWorld(t)
	// Store and folder are restored together, and tell nothing.
	l := w.open("a")
	appendAll(t, l, entries(0, 20))
	verify(t, l)
	w.close(l)
	w.stopBus()
	w.backup("nats", "old")
	w.backup("a", "old-a")
	w.startBus()
	l = w.open("a")
	at20 := root(t, l, 20)
	appendAll(t, l, entries(20, 30))
	verify(t, l)
	later := l.Latest()
	if err := l.Witness(t.Context(), later); err != nil {
		t.Errorf("its own: %v", err)
	}
	w.close(l)
	restore := func() {
		t.Helper()
		w.stopBus()
		w.restore("old", "nats")
		w.restore("old-a", "a")
		w.startBus()
	}
	restore()
	l = w.open("a")
	if l.ReadOnly() != nil || l.Size() != 20 {
		t.Fatal("the copy is not as it was")
	}
	claim := func(size uint64, root tlog.Hash) ledger.Checkpoint {
		return ledger.Checkpoint{Note: w.claim(size, root, w.clock.now())}
	}
	for name, cp := range map[string]ledger.Checkpoint{
		"an older one": claim(20, at20), "unsigned": {Size: 50, Root: later.Root}, "another's": {Note: bytes.Replace(later.Note, []byte("\n50\n"), []byte("\n60\n"), 1)},
	} {
		if err := l.Witness(t.Context(), cp); l.ReadOnly() != nil || (err == nil) != (name == "an older one") {
			t.Errorf("%s: %v, %v", name, err, l.ReadOnly())
		}
	}
	if err := l.Witness(t.Context(), later); !errors.Is(err, ledger.ErrReadOnly) || !strings.Contains(err.Error(), "20 entries, but a checkpoint over 50") {
		t.Fatalf("got %v", err)
	}
	wantFrozen(t, w, l, "somebody holds", "50")
	wantFrozen(t, w, w.open("a"), "20", "50") // it stays so

	previous, err := ledger.StartEpoch(t.Context(), filepath.Join(w.dir, "a"), w.bus.State())
	if err != nil || !bytes.Equal(previous, later.Note) {
		t.Errorf("the epoch ends with %q, %v", previous, err)
	}
	w.name = "hub.example/log2"
	l = w.open("a")
	appendAll(t, l, entries(20, 1))
	verify(t, l)
	w.close(l)

	// The key signed another tree.
	w.name = "hub.example/log"
	restore()
	l = w.open("a")
	if err := l.Witness(t.Context(), claim(7, tlog.Hash{1})); !errors.Is(err, ledger.ErrReadOnly) {
		t.Fatalf("got %v", err)
	}
	wantFrozen(t, w, l, "the first 7")
	wantFrozen(t, w, w.open("a"), "the first 7")
}

// What another process of the hub signed a moment ago is no reason to stop.
func TestWitnessOfAnotherProcess(t *testing.T) {
	w := newWorld(t)
	a, b := w.open("a"), w.open("b")
	appendAll(t, a, entries(0, 10))
	verify(t, a)
	if err := b.Witness(t.Context(), a.Latest()); err != nil || b.Size() != 10 {
		t.Errorf("%d entries, %v", b.Size(), err)
	}
}

func TestParseCheckpoint(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	h := tlog.Hash{1, 2}
	head := fmt.Sprintf("%s\n7\n%s\n", w.name, h)
	at := time.Date(2025, 11, 24, 16, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		text string
		time time.Time
		ok   bool
	}{
		"no time":          {head, time.Time{}, true},
		"a time":           {head + "time 1764000000\n", at, true},
		"others before":    {head + "other line\ntime 1764000000\n", at, true},
		"others after":     {head + "time 1764000000\nother line\ntimer 5\n", at, true},
		"the epoch":        {head + "time 0\n", time.Unix(0, 0).UTC(), true},
		"twice":            {head + "time 1764000000\ntime 1764000000\n", at, false},
		"negative":         {head + "time -1\n", at, false},
		"fraction":         {head + "time 1764000000.5\n", at, false},
		"leading zero":     {head + "time 01764000000\n", at, false},
		"plus":             {head + "time +1764000000\n", at, false},
		"no number":        {head + "time \n", at, false},
		"beyond all years": {head + fmt.Sprintf("time %d\n", int64(math.MaxInt64)), at, false},
		"another log":      {"x" + head, at, false},
		"no root":          {w.name + "\n7\n", at, false},
		"a short root":     {w.name + "\n7\nAAAA\n", at, false},
		"a negative size":  {strings.Replace(head, "\n7\n", "\n-7\n", 1), at, false},
		"size 007":         {strings.Replace(head, "\n7\n", "\n007\n", 1), at, false},
		"a size of 2^64":   {strings.Replace(head, "\n7\n", "\n18446744073709551616\n", 1), at, false},
		"more than 4 KB":   {head + strings.Repeat("x\n", 2100), at, false},
	} {
		note, err := ledger.SignText(w.name, tc.text, w.seed)
		if err != nil {
			t.Fatal(err)
		}
		cp, err := ledger.ParseCheckpoint(note, l.VerifierKey())
		want := ledger.Checkpoint{Origin: w.name, Size: 7, Root: h, Time: tc.time, Note: note}
		if (err == nil) != tc.ok || tc.ok && (cp.Origin != want.Origin || cp.Size != 7 || cp.Root != h || !cp.Time.Equal(want.Time) || cp.Time.IsZero() != want.Time.IsZero() || !bytes.Equal(cp.Note, note)) {
			t.Errorf("%s: %+v, %v", name, cp, err)
		}
	}
	if _, err := ledger.ParseCheckpoint(nil, "nonsense"); err == nil {
		t.Error("a bad key passed")
	}
}

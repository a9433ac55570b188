package ledger_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/federation/ledger"
	"lianmu/hub/bus"
)

// The server is stopped and started again and again while batches are under
// way: every batch ends up in the log exactly once.
func TestAppendWhileTheServerRestarts(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	const restarts = 15
	var wg sync.WaitGroup
	var over atomic.Bool
	wg.Go(func() {
		defer over.Store(true)
		for i := range restarts {
			time.Sleep(time.Duration(i%7) * 9 * time.Millisecond)
			if err := w.bus.Restart(context.Background()); err != nil {
				t.Error(err)
				return
			}
		}
	})
	const each = 50
	unsure, b := 0, 0
	for ; !over.Load(); b++ {
		es := entries(b*each, each)
		for {
			_, err := l.Append(t.Context(), uint64(b*each), es)
			if err == nil {
				break
			}
			unsure++
			if errors.Is(err, ledger.ErrConflict) {
				if at, ok := l.Find(es[0].Fact.Digest); ok && at == uint64(b*each) {
					break // an earlier try went in after all
				}
			}
			if !errors.Is(err, ledger.ErrUnavailable) {
				t.Fatalf("batch %d: %v", b, err)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	wg.Wait()
	t.Logf("%d batches; %d appends did not succeed at once", b, unsure)
	wantLog(t, l, b*each)
	w.close(l)
	if err := os.Remove(filepath.Join(w.dir, "a", "leaves")); err != nil {
		t.Fatal(err)
	}
	wantLog(t, w.open("a"), b*each)
}

func TestCacheIsOnlyACache(t *testing.T) {
	damages := map[string]func(path string) error{
		"none":    func(string) error { return nil },
		"deleted": os.Remove,
		"empty":   func(p string) error { return os.Truncate(p, 0) },
		"cut":     func(p string) error { return os.Truncate(p, 79*40+13) },
		"longer": func(p string) error {
			raw, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			return os.WriteFile(p, append(raw, raw[:79*20]...), 0o600)
		},
		"a byte":     func(p string) error { return flip(p, 79*30+20) },
		"first byte": func(p string) error { return flip(p, 0) },
		"two records swapped": func(p string) error {
			raw, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			a, b := append([]byte{}, raw[:79]...), append([]byte{}, raw[79:158]...)
			copy(raw, b)
			copy(raw[79:], a)
			return os.WriteFile(p, raw, 0o600)
		},
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			l := w.open("a")
			appendAll(t, l, entries(0, 60))
			w.clock.move(time.Second)
			appendAll(t, l, entries(60, 40))
			w.close(l)
			before := l.Checkpoint()
			if err := damage(filepath.Join(w.dir, "a", "leaves")); err != nil {
				t.Fatal(err)
			}
			l = w.open("a")
			wantLog(t, l, 100)
			if string(l.Checkpoint()) != string(before) {
				t.Error("another checkpoint over the same log")
			}
			appendAll(t, l, entries(100, 7))
			w.close(l)
			wantLog(t, w.open("a"), 107)
		})
	}
}

func flip(path string, at int) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	raw[at] ^= 1
	return os.WriteFile(path, raw, 0o600)
}

// backup and restore copy a folder of the world.
func (w *world) backup(from, to string) {
	w.t.Helper()
	if err := os.CopyFS(filepath.Join(w.dir, to), os.DirFS(filepath.Join(w.dir, from))); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) restore(from, to string) {
	w.t.Helper()
	if err := os.RemoveAll(filepath.Join(w.dir, to)); err != nil {
		w.t.Fatal(err)
	}
	w.backup(from, to)
}

// wantFrozen checks that the log refuses to grow and is not signed again.
func wantFrozen(t *testing.T, w *world, l *ledger.Log, words ...string) {
	t.Helper()
	err := l.ReadOnly()
	if !errors.Is(err, ledger.ErrReadOnly) {
		t.Fatalf("not read-only: %v", err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
	path := filepath.Join(w.dir, "a", "checkpoint")
	shown := string(l.Checkpoint())
	file, _ := os.ReadFile(path)
	if _, err := l.Append(t.Context(), l.Size(), entries(5000, 2)); !errors.Is(err, ledger.ErrReadOnly) {
		t.Errorf("append: %v", err)
	}
	w.close(l)
	after, _ := os.ReadFile(path)
	if string(after) != string(file) || string(l.Checkpoint()) != shown {
		t.Error("it was signed again")
	}
}

func TestRollback(t *testing.T) {
	setup := func(t *testing.T) (*world, string) {
		w := newWorld(t)
		l := w.open("a")
		appendAll(t, l, entries(0, 20))
		w.close(l)
		w.stopBus()
		w.backup("nats", "old")
		w.startBus()
		l = w.open("a")
		appendAll(t, l, entries(20, 30))
		w.close(l)
		w.stopBus()
		w.restore("old", "nats")
		w.startBus()
		return w, string(l.Checkpoint())
	}
	t.Run("shorter stream", func(t *testing.T) {
		w, last := setup(t)
		l := w.open("a")
		if string(l.Checkpoint()) != last {
			t.Error("the last checkpoint is not shown")
		}
		wantFrozen(t, w, l, "20", "50")
	})
	t.Run("shorter stream without cache", func(t *testing.T) {
		w, _ := setup(t)
		if err := os.Remove(filepath.Join(w.dir, "a", "leaves")); err != nil {
			t.Fatal(err)
		}
		wantFrozen(t, w, w.open("a"), "20", "50")
	})
	t.Run("another history", func(t *testing.T) {
		w, _ := setup(t)
		forgetful := w.open("b") // a data folder that knows nothing
		appendAll(t, forgetful, entries(1000, 60))
		w.close(forgetful)
		wantFrozen(t, w, w.open("a"), "80", "50")
	})
	t.Run("new epoch", func(t *testing.T) {
		w, last := setup(t)
		previous, err := ledger.StartEpoch(t.Context(), filepath.Join(w.dir, "a"), w.bus.State())
		if err != nil {
			t.Fatal(err)
		}
		var archived []string
		for _, p := range []string{"epoch-1.checkpoint", "epoch-2.checkpoint"} {
			raw, err := os.ReadFile(filepath.Join(w.dir, "a", p))
			if err != nil {
				t.Fatal(err)
			}
			archived = append(archived, string(raw))
		}
		if archived[1] != last || string(previous) != last || archived[0] == last {
			t.Error("the checkpoints were not archived")
		}
		w.name, w.seed = "hub.example/log2", []byte(strings.Repeat("x", 32))
		l := w.open("a")
		appendAll(t, l, entries(20, 3))
		wantLog(t, l, 23)
		w.close(l)
		if !strings.HasPrefix(string(l.Checkpoint()), "hub.example/log2\n23\n") {
			t.Errorf("checkpoint %q", l.Checkpoint())
		}
		if again, err := ledger.StartEpoch(t.Context(), t.TempDir(), w.bus.State()); err != nil || string(again) != string(l.Checkpoint()) {
			t.Errorf("a further epoch: %v", err)
		}
	})
}

func TestOtherKeyOrOrigin(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, entries(0, 2))
	w.close(l)
	for _, dir := range []string{"a", "b"} { // the folder's copy, and the bucket's alone
		for name, change := range map[string]func(*ledger.Config){
			"another log key":  func(c *ledger.Config) { c.Seed = []byte(strings.Repeat("k", 32)) },
			"hub.example/log":  func(c *ledger.Config) { c.Origin = "elsewhere" },
			"a log's name has": func(c *ledger.Config) { c.Origin = "a b" },
			"bytes, not 32":    func(c *ledger.Config) { c.Seed = c.Seed[:5] },
		} {
			c := w.config(dir)
			change(&c)
			if _, err := ledger.Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(w.dir, "a", "checkpoint"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Open(t.Context(), w.config("a")); err == nil {
		t.Error("opened over a damaged checkpoint")
	}
}

// A batch without its commit stands at the end of the stream, as a full disk
// can leave it; here the end of the store's file is cut off.
func TestTornBatch(t *testing.T) {
	w := newWorld(t)
	c := w.config("a")
	c.CheckpointEvery = time.Hour
	l, err := ledger.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, entries(0, 3))
	appendAll(t, l, entries(3, 3))
	w.stopBus()
	if err := l.Close(t.Context()); err == nil {
		t.Error("signed without a store")
	}
	w.cutLast()
	w.startBus()
	s, err := w.bus.JetStream.Stream(t.Context(), bus.LogStream)
	if err != nil || s.CachedInfo().State.LastSeq != 5 {
		t.Fatalf("the stream ends at %d, %v", s.CachedInfo().State.LastSeq, err)
	}

	l = w.open("a")
	wantLog(t, l, 3)
	other := w.open("b")
	wantLog(t, other, 3)
	if _, err := l.Append(t.Context(), 3, entries(50, 1)); !errors.Is(err, ledger.ErrUnavailable) {
		t.Fatalf("over a torn batch: %v", err)
	}
	w.clock.move(time.Minute)
	if _, err := l.Append(t.Context(), 3, entries(50, 1)); !errors.Is(err, ledger.ErrConflict) {
		t.Fatalf("got %v", err)
	}
	// The two are in the log, the second of them twice.
	if l.Size() != 6 {
		t.Fatalf("size %d", l.Size())
	}
	appendAll(t, l, entries(6, 4))
	for i, want := range []int{0, 1, 2, 3, 4, 4, 6, 7, 8, 9} {
		r, err := l.Get(t.Context(), uint64(i))
		if err != nil || r.Fact != entry(want).Fact {
			t.Errorf("entry %d is %+v, %v", i, r.Fact, err)
		}
	}
	w.close(l)
	if err := other.Sync(t.Context()); err != nil || other.Size() != 10 {
		t.Errorf("the other has %d: %v", other.Size(), err)
	}
	wantClean(t, other, 10)
}

// cutLast damages the last message in the log's file, and removes what the
// server knows about it otherwise.
func (w *world) cutLast() { w.t.Helper(); w.cutLastOf(bus.LogStream) }

// cutLastOf is cutLast of the streams whose folder's name holds name.
func (w *world) cutLastOf(name string) {
	w.t.Helper()
	err := filepath.WalkDir(filepath.Join(w.dir, "nats"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.Contains(path, name) || d.IsDir() {
			return err
		}
		switch {
		case strings.HasSuffix(path, ".blk"):
			st, err := os.Stat(path)
			if err != nil {
				return err
			}
			return os.Truncate(path, st.Size()-5)
		case filepath.Base(path) == "index.db":
			return os.Remove(path)
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestForeignMessages(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, entries(0, 3))
	// A message that differs in one thing from an entry.
	genuine := func() *nats.Msg {
		s, err := w.bus.JetStream.Stream(t.Context(), bus.LogStream)
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.GetMsg(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		return &nats.Msg{Subject: m.Subject, Data: m.Data, Header: nats.Header{"Lianmu-Leaf": m.Header["Lianmu-Leaf"]}}
	}
	for name, change := range map[string]func(*nats.Msg){
		"no leaf record": func(m *nats.Msg) { m.Header = nil },
		"not base64":     func(m *nats.Msg) { m.Header["Lianmu-Leaf"] = []string{"%%"} },
		"bytes":          func(m *nats.Msg) { m.Header["Lianmu-Leaf"] = []string{"AAAA"} },
		"document":       func(m *nats.Msg) { m.Data = append(m.Data, ' ') },
		"kind":           func(m *nats.Msg) { m.Subject = bus.LogSubjects + "space" },
		"received":       func(m *nats.Msg) { w.clock.move(0) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.clock.move(time.Hour)
			l := w.open("a")
			appendAll(t, l, entries(0, 3))
			wantClean(t, l, 3) // what is signed from here on would be too much
			m := genuine()     // received an hour before
			change(m)
			if _, err := w.bus.JetStream.PublishMsg(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			if err := l.Sync(t.Context()); !errors.Is(err, ledger.ErrReadOnly) || !strings.Contains(err.Error(), "entry 3") || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v", err)
			}
			wantLog(t, l, 3)
			wantFrozen(t, w, l)
		})
	}
}

func TestDeletedMessage(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, entries(0, 10))
	s, err := w.bus.JetStream.Stream(t.Context(), bus.LogStream)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []uint64{0, 4, 5, 9} {
		if err := s.DeleteMsg(t.Context(), i+1); err != nil {
			t.Fatal(err)
		}
	}
	w.close(l)
	check := func(l *ledger.Log) {
		t.Helper()
		n := 0
		for r, err := range l.Read(t.Context(), 0, 10) {
			gone := n == 0 || n == 4 || n == 5 || n == 9
			if err != nil || r.Index != uint64(n) || (r.Document == nil) != gone || r.Leaf.SHA256 != entry(n).Fact.Digest {
				t.Fatalf("entry %d: %+v, %v", n, r, err)
			}
			n++
		}
		if r, err := l.Get(t.Context(), 4); err != nil || r.Document != nil || n != 10 {
			t.Errorf("%d entries; a deleted one: %v", n, err)
		}
		report, err := ledger.Verify(t.Context(), l.Source(), l.VerifierKey(), nil, nil)
		if err != nil || report.Faults != 4 || report.Checked != 10 || !strings.Contains(report.Problems[1], "entry 4") {
			t.Errorf("%+v, %v", report, err)
		}
	}
	check(l)
	l = w.open("a")
	check(l)
	appendAll(t, l, entries(10, 2))
	w.close(l)
	// Without the cache nobody knows the deleted entries' leaves.
	if err := os.Remove(filepath.Join(w.dir, "a", "leaves")); err != nil {
		t.Fatal(err)
	}
	wantFrozen(t, w, w.open("a"), "entry 0 is missing")
}

func TestDamagedStoreIsSeen(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, entries(0, 50))
	w.close(l)
	w.stopBus()
	hit := 0
	err := filepath.WalkDir(filepath.Join(w.dir, "nats"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.Contains(path, bus.LogStream) && strings.HasSuffix(path, ".blk") {
			raw, rerr := os.ReadFile(path)
			if rerr != nil {
				return rerr
			}
			raw[len(raw)/2] ^= 1
			hit++
			return os.WriteFile(path, raw, 0o600)
		}
		return err
	})
	if err != nil || hit != 1 {
		t.Fatal(hit, err)
	}
	w.startBus()
	l, err = ledger.Open(t.Context(), w.config("a"))
	if err != nil {
		return // refused to start: seen
	}
	defer w.close(l)
	r, err := ledger.Verify(t.Context(), l.Source(), l.VerifierKey(), nil, nil)
	if l.ReadOnly() == nil && err == nil && r.Faults == 0 {
		t.Error("a damaged store went unnoticed")
	}
	t.Log(l.ReadOnly(), r, err)
}

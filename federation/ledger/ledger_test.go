package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lianmu/federation/ledger"
	"lianmu/hub/bus"
	"lianmu/vocab"
)

func TestMain(m *testing.M) {
	// A server that stops while a batch is staged leaves that batch's store open.
	const store = "github.com/nats-io/nats-server/v2/server"
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(store+".(*msgBlock).flushLoop"),
		goleak.IgnoreAnyFunction(store+".(*fileStore).flushStreamStateLoop"), goleak.IgnoreAnyFunction(store+"/ats.Register.func1"))
}

// clock is a clock that stands still unless moved.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ms.Store(1_800_000_000_000)
	return c
}
func (c *clock) now() time.Time       { return time.UnixMilli(c.ms.Load()) }
func (c *clock) move(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// world is a bus and what a log on it needs.
type world struct {
	t     testing.TB
	dir   string
	bus   *bus.Bus
	clock *clock
	seed  []byte
	name  string
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, dir: t.TempDir(), clock: newClock(), seed: bytes.Repeat([]byte{7}, 32), name: "hub.example/log"}
	w.startBus()
	t.Cleanup(func() { w.stopBus() })
	return w
}

func (w *world) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func (w *world) startBus() {
	w.t.Helper()
	b, err := bus.Start(context.Background(), bus.Config{Dir: filepath.Join(w.dir, "nats"), Logger: w.logger(), Poll: 20 * time.Millisecond, Reserve: 1})
	if err != nil {
		w.t.Fatal(err)
	}
	w.bus = b
}

func (w *world) stopBus() {
	if w.bus == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := w.bus.Stop(ctx); err != nil {
		w.t.Error(err)
	}
	w.bus = nil
}

func (w *world) config(dir string) ledger.Config {
	return ledger.Config{
		JetStream: w.bus.JetStream, Stream: bus.LogStream, State: w.bus.State(), Dir: filepath.Join(w.dir, dir),
		Origin: w.name, Seed: w.seed, Now: w.clock.now, Logger: w.logger(),
		CheckpointEvery: 10 * time.Millisecond, AckWait: 5 * time.Second,
		Ready: w.bus.Healthy, Failed: w.bus.Report,
	}
}

func (w *world) open(dir string) *ledger.Log {
	w.t.Helper()
	l, err := ledger.Open(context.Background(), w.config(dir))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = l.Close(context.Background()) })
	return l
}

func (w *world) close(l *ledger.Log) {
	w.t.Helper()
	if err := l.Close(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

// entries are n made-up ones, numbered from from.
func entries(from, n int) []ledger.Entry {
	out := make([]ledger.Entry, n)
	for i := range out {
		out[i] = entry(from + i)
	}
	return out
}

func entry(i int) ledger.Entry {
	doc := fmt.Appendf(nil, `{"@id":"urn:offering:%d","title":"数据产品 %d"}`, i, i)
	kind := vocab.KindOffering
	if i%5 == 4 {
		kind = vocab.KindSpace
	}
	return ledger.Entry{Document: doc, Fact: vocab.Fact{
		Kind: kind, Space: "did:key:z6Mk" + fmt.Sprint(i%3), ID: fmt.Sprintf("urn:数据:%d\r\nEvil: 1", i),
		Digest: vocab.DigestOf(doc), Content: vocab.DigestOf([]byte{byte(i)}),
		Created: time.Date(2026, 1, 1, 0, 0, 0, i*1000, time.UTC),
	}}
}

func appendAll(t testing.TB, l *ledger.Log, es []ledger.Entry) time.Time {
	t.Helper()
	at, err := l.Append(context.Background(), l.Size(), es)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// wantLog checks that l holds exactly the entries 0..n−1.
func wantLog(t *testing.T, l *ledger.Log, n int) {
	t.Helper()
	if l.Size() != uint64(n) {
		t.Fatalf("size %d, want %d", l.Size(), n)
	}
	i := 0
	for r, err := range l.Read(t.Context(), 0, l.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		e := entry(i)
		if r.Index != uint64(i) || !bytes.Equal(r.Document, e.Document) || r.Fact != e.Fact || !r.Leaf.Matches(e.Document) {
			t.Fatalf("entry %d came back as %+v", i, r)
		}
		i++
	}
	if i != n {
		t.Fatalf("read %d of %d", i, n)
	}
}

func TestAppendAndRead(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	if l.Checkpoint() != nil || l.Size() != 0 || l.Origin() != w.name {
		t.Fatal("a new log is not empty")
	}
	grown := l.Changed()
	at := appendAll(t, l, entries(0, 1))
	select {
	case <-grown:
	default:
		t.Error("no change was announced")
	}
	if !at.Equal(w.clock.now()) {
		t.Errorf("received at %v", at)
	}
	appendAll(t, l, entries(1, ledger.MaxBatch))
	w.clock.move(-time.Hour)
	if back := appendAll(t, l, entries(1001, 3)); !back.Equal(at) {
		t.Errorf("receivedAt went back to %v", back)
	}
	w.clock.move(2 * time.Hour)
	if later := appendAll(t, l, entries(1004, 2)); !later.After(at) {
		t.Errorf("receivedAt stands at %v", later)
	}
	wantLog(t, l, 1006)

	i := 500
	for r, err := range l.Facts(t.Context(), 500, 1<<40, vocab.KindSpace) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Fact != entry(i).Fact || (r.Document != nil) != (r.Fact.Kind == vocab.KindSpace) {
			t.Fatalf("entry %d: %+v", i, r)
		}
		i++
	}
	if i != 1006 {
		t.Errorf("facts ended at %d", i)
	}
	for r, err := range l.Read(t.Context(), 3, 900) {
		if err != nil || r.Index == 5 {
			break // leaving early is allowed
		}
	}
	for _, i := range []int{0, 1, 700, 1005} {
		if at, ok := l.Find(entry(i).Fact.Digest); !ok || at != uint64(i) {
			t.Errorf("found %d at %d, %v", i, at, ok)
		}
		if r, err := l.Get(t.Context(), uint64(i)); err != nil || !bytes.Equal(r.Document, entry(i).Document) {
			t.Errorf("get %d: %v", i, err)
		}
	}
	if _, ok := l.Find(vocab.DigestOf([]byte("absent"))); ok {
		t.Error("found what is not there")
	}
	if _, err := l.Get(t.Context(), 1006); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	w.close(l)
	wantLog(t, w.open("a"), 1006)
}

func TestAppendRefuses(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	big := entry(0)
	big.Document = bytes.Repeat([]byte{' '}, ledger.MaxDocument+1)
	wrong := entry(0)
	wrong.Fact.Digest[0]++
	long := entry(0)
	long.Fact.ID = strings.Repeat("x", 1<<16)
	half := entry(0)
	half.Document = bytes.Repeat([]byte{' '}, 600<<10)
	half.Fact.Digest = vocab.Digest{}
	many := make([]ledger.Entry, 20)
	for i := range many {
		many[i] = half
	}
	unknown := entry(0)
	unknown.Fact.Kind = 99
	for name, es := range map[string][]ledger.Entry{
		"nothing": nil, "too many": entries(0, ledger.MaxBatch+1), "too large": {big}, "empty": {{Fact: entry(0).Fact}},
		"another digest": {wrong}, "a long id": {long}, "too many bytes": many, "unknown kind": {unknown},
	} {
		if _, err := l.Append(t.Context(), 0, es); !errors.Is(err, ledger.ErrEntry) {
			t.Errorf("%s: %v", name, err)
		}
	}
	largest := entry(0)
	largest.Document = bytes.Repeat([]byte{' '}, ledger.MaxDocument)
	largest.Fact.Digest = vocab.Digest{}
	largest.Fact.ID = strings.Repeat("x", 20<<10)
	if _, err := l.Append(t.Context(), 0, []ledger.Entry{largest}); err != nil {
		t.Errorf("the largest entry: %v", err)
	}
	if l.Size() != 1 {
		t.Errorf("size %d", l.Size())
	}
}

func TestConflict(t *testing.T) {
	w := newWorld(t)
	a, b := w.open("a"), w.open("b")
	appendAll(t, a, entries(0, 10))
	for _, n := range []int{1, 10} {
		if _, err := b.Append(t.Context(), 0, entries(100, n)); !errors.Is(err, ledger.ErrConflict) {
			t.Fatalf("got %v", err)
		}
	}
	// The refused append has already read what was in its way.
	wantLog(t, b, 10)
	appendAll(t, b, entries(10, 5))
	if err := a.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantLog(t, a, 15)
	if _, err := a.Append(t.Context(), 14, entries(0, 1)); !errors.Is(err, ledger.ErrConflict) {
		t.Errorf("got %v", err)
	}
}

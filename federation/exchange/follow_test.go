package exchange

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lianmu/federation/identity/identitytest"
	"lianmu/federation/judge"
	"lianmu/federation/ledger"
	"lianmu/vocab"
)

type states = map[ledger.EntryState]int

// advance copies p's log to its end.
func (f *follower) advance(t testing.TB, src Source, own bool, note []byte) Progress {
	t.Helper()
	p, err := f.Advance(context.Background(), src, own, note)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFollow(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	space := identitytest.Key(t)
	p.offer(space, 700)
	f := w.follow(p, true)
	got := f.advance(t, p, true, p.last())
	if got.Entries != 700 || got.Size != 700 || got.Bytes == 0 || got.Faulty+got.Withheld+got.Missing+got.Redacted != 0 {
		t.Errorf("%+v", got)
	}
	f.wantStates(p, 700, states{ledger.Held: 700})
	if f.reads != 700 || string(f.Log.Checkpoint()) != string(p.last()) {
		t.Errorf("%d readings, checkpoint\n%s", f.reads, f.Log.Checkpoint())
	}
	if s, ok := f.judge.Registry().Space(space.DID()); !ok || s.Offerings != 700 {
		t.Errorf("%+v", s)
	}

	// The same again, and a newer time over the same entries, move nothing.
	if got := f.advance(t, p, true, p.last()); got.Entries != 0 {
		t.Errorf("%+v", got)
	}
	later := p.noteAt(700, p.at.Add(time.Minute))
	f.advance(t, p, true, later)
	if f.Log.Accepted().Time != p.at.Add(time.Minute) {
		t.Errorf("accepted at %v", f.Log.Accepted().Time)
	}
	f.advance(t, p, true, p.note(300)) // an old one is no news, and no fault

	// What is new comes alone.
	p.offer(space, 40)
	asked := 0
	counting := &evil{Source: p, documents: func(ctx context.Context, digests []vocab.Digest) ([]Document, error) {
		asked += len(digests)
		return p.Documents(ctx, p.origin, digests)
	}}
	if got := f.advance(t, counting, true, p.last()); got.Entries != 40 || asked != 40 {
		t.Errorf("%+v, %d documents asked for", got, asked)
	}
	f.wantStates(p, 740, states{ledger.Held: 740})

	// And all of it is there after opening anew.
	if err := f.Log.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := w.follow(p, true)
	if n := again.judge.Registry().Position(); n != 740 || again.Log.Size() != 740 {
		t.Errorf("opened with %d entries, judged %d", again.Log.Size(), n)
	}
}

// An empty log can be followed too.
func TestFollowEmpty(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	f := w.follow(p, true)
	f.advance(t, p, true, p.last())
	p.offer(identitytest.Key(t), 1)
	f.advance(t, p, true, p.last())
	f.wantStates(p, 1, states{ledger.Held: 1})
}

// However a source breaks off, the mirror goes on at the exact entry, and is the
// log in the end; chunks smaller than the log need tiles.
func TestFollowWhateverBreaks(t *testing.T) {
	w := newWorld(t)
	space := identitytest.Key(t)
	all := newPaper(t).offer(space, 500)
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			draw := rand.New(rand.NewPCG(seed, 0))
			w.t = t
			p := all.anew(t)
			p = p.fork(1 + draw.IntN(500))
			f := w.follow(p, true)
			f.chunk, f.part = uint64(1+draw.IntN(4))*64, 1+draw.IntN(100)
			src := &evil{Source: p}
			src.leaves = func(from, to uint64) ([]byte, error) {
				return p.Leaves(context.Background(), p.origin, from, min(to, from+1+draw.Uint64N(200)))
			}
			var budget atomic.Int64 // documents are asked for by several at a time
			src.documents = func(ctx context.Context, digests []vocab.Digest) ([]Document, error) {
				if budget.Add(-1) < 0 {
					return nil, errors.New("cut")
				}
				return p.Documents(ctx, p.origin, digests[:(len(digests)+1)/2])
			}
			for tries := 0; ; tries++ {
				size := f.Log.Size() + draw.Uint64N(p.size()-f.Log.Size()+1)
				budget.Store(draw.Int64N(30))
				if tries > 20 {
					size = p.size()
					budget.Store(1 << 20)
				}
				_, err := f.Advance(t.Context(), src, true, p.note(size))
				var sf *SourceFault
				if err != nil && !errors.As(err, &sf) {
					t.Fatal(err)
				}
				if f.Log.Size() == p.size() && err == nil {
					break
				}
			}
			f.wantStates(p, p.size(), states{ledger.Held: int(p.size())})
			if err := f.Log.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A copy that is told to end keeps what it has judged, and can go on.
func TestFollowEnds(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	p.offer(identitytest.Key(t), 300)
	f := w.follow(p, true)
	f.chunk, f.part = 1024, 50
	ctx, cancel := context.WithCancel(t.Context())
	last := p.leaf(299).SHA256
	src := &evil{Source: p, documents: func(ctx context.Context, digests []vocab.Digest) ([]Document, error) {
		if digests[len(digests)-1] == last {
			cancel()
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return p.Documents(ctx, p.origin, digests)
	}}
	if _, err := f.Advance(ctx, src, true, p.last()); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if f.Log.Size() >= 300 {
		t.Fatalf("%d entries", f.Log.Size())
	}
	f.advance(t, p, true, p.last())
	f.wantStates(p, 300, states{ledger.Held: 300})
}

// Two that copy into one mirror at once get in each other's way, and nothing else:
// the mirror is the log, and both judge what it has.
func TestTwoFollowers(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	p.offer(identitytest.Key(t), 160)
	first := w.follow(p, true)
	second := &judging{judge.New(w.processor, w.reader, p.hub.DID(), math.MaxUint64), first.Log}
	other := &Follower{Log: first.Log, Judge: second, Now: w.clock.now, Logger: w.logger()}
	first.chunk, other.chunk = 16, 16
	var both sync.WaitGroup
	for _, f := range []*Follower{first.Follower, other} {
		both.Go(func() {
			for range 100 {
				_, err := f.Advance(context.Background(), p, true, p.last())
				if err == nil {
					return
				}
				if !errors.Is(err, ledger.ErrConflict) {
					t.Error(err)
					return
				}
			}
			t.Error("it never came to an end")
		})
	}
	both.Wait()
	if root, err := first.Log.Root(160); err != nil || root != p.root(160) || first.Log.Size() != 160 {
		t.Fatalf("%d entries, %v", first.Log.Size(), err)
	}
	for name, j := range map[string]*judge.Judge{"the first": first.judge, "the second": second.Judge} {
		if _, n := j.Registry().Digest(w.clock.now()); n != 160 || j.Registry().Position() != 160 {
			t.Errorf("%s judges %d of %d entries to stand", name, n, j.Registry().Position())
		}
	}
}

package access

import (
	"context"
	"sync"
	"time"

	"lianmu/vocab"
)

// Desk lets a few in at once and keeps the others in a short, fair line.
type Desk struct {
	atOnce int
	wait   time.Duration
	now    func() time.Time

	mu     sync.Mutex // guards the rest
	line   *Line[*ticket]
	inside int
}

// ticket is a place in line.
type ticket struct {
	claim Claim
	turn  chan struct{} // closed when its turn has come
	in    bool          // likewise; guarded by Desk.mu
	gone  bool          // who held it has stopped waiting; guarded by Desk.mu
}

// NewDesk returns a desk for atOnce callers, with room for waiting more, who
// wait at most so long.
func NewDesk(atOnce, waiting int, wait time.Duration, now func() time.Time) *Desk {
	n := atOnce + waiting
	return &Desk{atOnce: atOnce, wait: wait, now: now, line: NewLine[*ticket](Bounds{Items: n, Bytes: n, Parties: n})}
}

// Enter waits for c's turn; leave gives the place free. It fails at once where
// the line is full, and where the turn does not come in time: both are
// vocab.Problems with code "busy". Where ctx ends first it is ctx's error.
func (d *Desk) Enter(ctx context.Context, c Claim) (leave func(), err error) {
	t := &ticket{claim: c, turn: make(chan struct{})}
	d.mu.Lock()
	added := d.line.Add(c, 1, t)
	d.call()
	d.mu.Unlock()
	if !added {
		return nil, Busy()
	}
	patience := time.NewTimer(d.wait)
	defer patience.Stop()
	select {
	case <-t.turn:
	case <-ctx.Done():
		err = ctx.Err()
	case <-patience.C:
		err = Busy()
	}
	if err != nil {
		d.mu.Lock()
		t.gone = !t.in // else its turn came at the same moment
		d.mu.Unlock()
		if t.gone {
			return nil, err
		}
	}
	began := d.now()
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.leave(t, d.now().Sub(began))
	}, nil
}

// call lets in whose turn it is, as far as there is room. The caller holds mu.
func (d *Desk) call() {
	for d.inside < d.atOnce {
		t, ok := d.line.Next()
		if !ok {
			return
		}
		if t.gone {
			d.line.Done(t.claim, 1)
			continue
		}
		d.inside++
		t.in = true
		close(t.turn)
	}
}

// leave ends t's time at the desk. The caller holds mu.
func (d *Desk) leave(t *ticket, took time.Duration) {
	d.line.Charge(t.claim, took)
	d.line.Done(t.claim, 1)
	d.inside--
	d.call()
}

// Busy says that too much is asked for at the moment.
func Busy() vocab.Problems {
	return vocab.Problems{vocab.NewProblem("", "busy",
		"当前请求过多，请稍后再试。", "Too much is asked for at the moment; try again in a little while.")}
}

type claimKey struct{}

// WithClaim returns a context that says on whose account its work is done.
func WithClaim(ctx context.Context, c Claim) context.Context {
	return context.WithValue(ctx, claimKey{}, c)
}

// ClaimOf returns the context's claim; the zero Claim, which all such share,
// where none was given.
func ClaimOf(ctx context.Context) Claim {
	c, _ := ctx.Value(claimKey{}).(Claim)
	return c
}

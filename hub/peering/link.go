package peering

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lianmu/federation/exchange"
	"lianmu/vocab"
)

// Bounds of a link.
const (
	pollWait  = 25 * time.Second       // a long poll
	pollPause = 100 * time.Millisecond // between two, where there was something new
	idlePause = 10 * time.Second       // at most, where there was nothing and the answer came at once
	firstTry  = time.Second            // after a failure, doubled up to
	mostTries = 2 * time.Minute
)

// link keeps a connection to an approved peer and asks it, again and again, what
// it has. It is a goroutine of its own: a peer that is slow or silent holds up
// nobody else.
type link struct {
	p         *Peers
	did       string
	addresses []string
	relays    bool

	cancel context.CancelFunc
	done   chan struct{}
	slots  chan struct{} // one for each copy from this peer
	poke   chan struct{} // it need not wait any longer to dial
	in     atomic.Int64
	out    atomic.Int64

	mu     sync.Mutex
	status Link
	copied bool                        // status.Error is of copying a log: an answer alone does not end it
	source exchange.Source             // nil while there is no connection
	last   map[string]exchange.Offered // by origin's card
	full   map[string]exchange.Held    // what is offered and not mirrored
	// waiting gives up the question under way; nil where there is none.
	waiting context.CancelFunc
}

func newLink(p *Peers, peer Peer) *link {
	ctx, cancel := context.WithCancel(p.run)
	l := &link{
		p: p, did: peer.DID, addresses: slices.Clone(peer.Addresses), relays: peer.Relays, cancel: cancel,
		done: make(chan struct{}), slots: make(chan struct{}, copiesOfOne),
		poke: make(chan struct{}, 1),
	}
	go func() {
		defer close(l.done)
		l.run(ctx)
	}()
	return l
}

// fits reports whether the link is as a peer's record asks for.
func (l *link) fits(peer Peer) bool {
	return slices.Equal(l.addresses, peer.Addresses) && l.relays == peer.Relays
}

// again has the peer tell anew all that it has: other logs may be wanted now.
func (l *link) again() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.full = nil
	if l.waiting != nil {
		l.waiting()
	}
}

// askAgain has all peers tell anew what they have.
func (p *Peers) askAgain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.links {
		l.again()
	}
}

// stop ends the link; what it offered is forgotten.
func (l *link) stop() {
	l.cancel()
	<-l.done
}

// run dials one address after the other, with longer and longer pauses, and asks
// as long as it is connected.
func (l *link) run(ctx context.Context) {
	failures := 0
	for i := 0; ; i++ {
		address := l.addresses[i%len(l.addresses)]
		answered, err := l.ask(ctx, address)
		l.lost()
		if ctx.Err() != nil {
			return
		}
		if answered {
			failures, i = 0, i-1 // this address was good: once more
		}
		l.complain(err, false)
		pause := min(firstTry<<min(failures, 20), mostTries)
		failures++
		t := time.NewTimer(pause/2 + time.Duration(float64(pause/2)*l.p.c.Jitter()))
		select {
		case <-ctx.Done():
		case <-l.poke:
			failures = 0
		case <-t.C:
		}
		t.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// encourage has a peer dialled, and copied from, at once, whatever failed before:
// an officer has just approved it, or it has come back.
func (p *Peers) encourage(did string) {
	p.mu.Lock()
	l := p.links[did]
	p.mu.Unlock()
	if l != nil {
		select {
		case l.poke <- struct{}{}:
		default:
		}
	}
	for _, m := range p.open() {
		m.forgive(did)
	}
}

// ask asks at one address until that fails.
func (l *link) ask(ctx context.Context, address string) (answered bool, err error) {
	l.mu.Lock()
	l.status.Address = address
	l.mu.Unlock()
	w, err := l.p.dial(ctx, address, l.did, &l.in, &l.out)
	if err != nil {
		return false, err
	}
	defer w.hangUp()
	source := exchange.NewClient(w)
	for pause := pollPause; ; {
		began := l.p.c.Now()
		answer, err := l.poll(ctx, source, answered)
		if err != nil {
			return answered, err
		}
		if answer == nil { // all is to be told anew
			continue
		}
		card, err := l.p.cards.read(ctx, answer.Card)
		if err == nil && card.Hub != l.did {
			err = notOf(card, l.did)
		}
		if err != nil {
			return answered, err
		}
		answered = true
		l.heard(source)
		fresh := l.took(answer.Logs)
		l.p.take(ctx, l, card, answer.Logs)
		// Whoever answers a long poll at once and has nothing new is asked less often.
		switch {
		case fresh:
			pause = pollPause
		case l.p.c.Now().Sub(began) < time.Second:
			pause = min(2*pause, idlePause)
		}
		if !sleep(ctx, pause) {
			return answered, ctx.Err()
		}
	}
}

// poll asks which logs the peer has; the answer is nil where the question was given
// up. The first question is answered at once, so that there is something to copy.
func (l *link) poll(ctx context.Context, source exchange.Source, answered bool) (*exchange.LogsAnswer, error) {
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	l.mu.Lock()
	l.waiting = cancel
	l.mu.Unlock()
	r := exchange.LogsRequest{Card: l.p.Card(), Held: l.p.held(l, answered)}
	if answered {
		r.WaitMS = int(pollWait / time.Millisecond)
	}
	answer, err := source.Logs(asking, r)
	l.mu.Lock()
	l.waiting = nil
	l.mu.Unlock()
	if asking.Err() != nil && ctx.Err() == nil {
		return nil, nil
	}
	return answer, err
}

// heard notes that the peer has answered.
func (l *link) heard(source exchange.Source) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.source = source
	l.status.Connected, l.status.Heard = true, l.p.c.Now().UTC()
	l.recovered(false)
}

// recovered marks what was last wrong as over, where it is of the kind that has
// just worked; the caller holds mu.
func (l *link) recovered(copied bool) {
	if e := l.status.Error; e != nil && l.copied == copied {
		over := *e // the former one is in others' hands
		over.Over = true
		l.status.Error = &over
	}
}

// copiedFrom notes that a log was copied from the peer.
func (l *link) copiedFrom() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recovered(true)
}

// took reports whether an answer differs from the one before.
func (l *link) took(logs []exchange.Offered) (fresh bool) {
	now := make(map[string]exchange.Offered, len(logs))
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range logs {
		key := string(o.Card)
		now[key] = o
		before, ok := l.last[key]
		fresh = fresh || !ok || before.Checkpoint != o.Checkpoint
	}
	l.last = now
	return fresh
}

// lost forgets what the peer offered: nothing can be copied from it.
func (l *link) lost() {
	l.mu.Lock()
	l.source, l.status.Connected, l.last = nil, false, nil
	l.mu.Unlock()
	for _, m := range l.p.open() {
		m.withdraw(l.did)
	}
}

// complain keeps what was last wrong; copied: with copying a log.
func (l *link) complain(err error, copied bool) {
	if err == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.copied = copied
	l.status.Error = complaint(err, l.p.c.Now())
	l.p.c.Logger.Debug("a peer", "peer", l.did, "address", l.status.Address, "err", err)
}

func complaint(err error, now time.Time) *Complaint {
	return &Complaint{At: now.UTC(), Problem: vocab.ProblemsOf(err, "peer.failed")}
}

// from returns the connection to copy from; nil where there is none.
func (l *link) from() exchange.Source {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.source
}

// state tells how the link is.
func (l *link) state() *Link {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.status
	s.In, s.Out = l.in.Load(), l.out.Load()
	return &s
}

// unwant notes how much the peer has of a log that is not mirrored.
func (l *link) unwant(origin string, h exchange.Held) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full == nil {
		l.full = map[string]exchange.Held{}
	}
	if _, known := l.full[origin]; known || len(l.full) < maxLogs {
		l.full[origin] = h
	}
}

// unwanted lists those logs.
func (l *link) unwanted() map[string]exchange.Held {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.full)
}

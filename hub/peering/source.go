package peering

import (
	"cmp"
	"context"
	"time"
)

// offer is what a peer last showed of a log.
type offer struct {
	peer string // DID
	own  bool   // the log is the peer's own
	size uint64
	time time.Time // of the checkpoint; zero where it says none
	note []byte
	card []byte
}

// beyond reports whether an offer has something that a log of this size, whose
// last accepted checkpoint has this time, lacks.
func (o offer) beyond(size uint64, at time.Time) bool {
	return o.size > size || o.size == size && o.time.After(at)
}

// rest is when a source that failed may be asked again, and how often it did.
type rest struct {
	until    time.Time
	failures int
}

// Bounds of waiting between attempts.
const (
	firstRest = time.Second
	mostRest  = 5 * time.Minute
)

// fail puts a source off for longer and longer; jitter, from 0 to 1, keeps many
// from coming back at once.
func (r *rest) fail(now time.Time, jitter float64) {
	pause := min(firstRest<<min(r.failures, 20), mostRest)
	r.failures++
	r.until = now.Add(pause/2 + time.Duration(float64(pause/2)*jitter))
}

// choose picks from whom to copy: of those that have something new and need not
// rest, the log's own hub before relays, and then who has most. wait is how long
// until one that rests may be asked; 0 where nobody has anything new.
func choose(offers []offer, rests map[string]*rest, size uint64, at, now time.Time) (best *offer, wait time.Duration) {
	for i := range offers {
		o := &offers[i]
		if !o.beyond(size, at) {
			continue
		}
		if r := rests[o.peer]; r != nil && now.Before(r.until) {
			if d := r.until.Sub(now); wait == 0 || d < wait {
				wait = d
			}
			continue
		}
		if best == nil || better(*o, *best) {
			best = o
		}
	}
	return best, wait
}

func better(a, b offer) bool {
	if a.own != b.own {
		return a.own
	}
	return cmp.Or(cmp.Compare(a.size, b.size), a.time.Compare(b.time), cmp.Compare(b.peer, a.peer)) > 0
}

// sleep waits, or reports false once ctx ends.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

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

// level is how far a log is here.
type level struct {
	size uint64
	at   time.Time // in the last checkpoint accepted
	most time.Time // the latest in any accepted since the start, whatever clock wrote it
}

// clockSlack is how far ahead of the own clock a time may be that is believed.
const clockSlack = 5 * time.Minute

func ahead(t, now time.Time) bool { return t.After(now.Add(clockSlack)) }

// beyond reports whether an offer has something that is lacking here. A time from
// the future, once accepted, does not hold up those of a clock that is right again;
// and is not taken a second time, however often a relay hands it on.
func (o offer) beyond(have level, now time.Time) bool {
	switch {
	case o.size != have.size:
		return o.size > have.size
	case ahead(o.time, now):
		return o.time.After(have.most)
	}
	return o.time.After(have.at) || ahead(have.at, now) && !o.time.IsZero()
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
func choose(offers []offer, rests map[string]*rest, have level, now time.Time) (best *offer, wait time.Duration) {
	for i := range offers {
		o := &offers[i]
		if !o.beyond(have, now) {
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

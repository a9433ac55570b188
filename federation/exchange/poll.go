package exchange

import (
	"context"
	"sync"
	"time"
)

// lookEvery is how often the offered logs are looked at for those that wait: the
// delay that a long poll adds to news.
const lookEvery = 20 * time.Millisecond

// offer is a log as it is offered now.
type offer struct {
	origin string
	size   uint64
	note   []byte
	own    bool
}

// board shows what is offered. All who wait look at the same one, so that many of
// them cost little more than one.
type board struct {
	mu      sync.Mutex
	at      time.Time // when it was last brought up to date
	version uint64    // changes when a log has grown or there is another one
	offers  []offer   // replaced, never changed
}

// look returns the board, brought up to date if it is old.
func (s *Server) look() ([]offer, uint64) {
	b := &s.board
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now() // of a pause, not of anything that is kept
	if b.version > 0 && now.Sub(b.at) < lookEvery/2 {
		return b.offers, b.version
	}
	b.at = now
	sizes := make(map[string]uint64, len(b.offers))
	for _, o := range b.offers {
		sizes[o.origin] = o.size
	}
	var offers []offer
	changed := b.version == 0
	for i, l := range s.c.Logs() {
		cp := l.Latest()
		if cp.Note == nil {
			continue // nothing was ever signed
		}
		o := offer{origin: l.Origin(), size: cp.Size, note: cp.Note, own: i == 0}
		size, known := sizes[o.origin]
		changed = changed || !known || size != o.size
		offers = append(offers, o)
	}
	if changed || len(offers) != len(b.offers) {
		b.version++
	}
	b.offers = offers
	return b.offers, b.version
}

// await returns what is offered once there is something that r does not hold, or
// it has waited long enough: the own log first, then those with news.
func (s *Server) await(ctx context.Context, r LogsRequest) []offer {
	deadline := time.NewTimer(min(time.Duration(r.WaitMS)*time.Millisecond, MaxWait))
	defer deadline.Stop()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for seen := uint64(0); ; {
		offers, version := s.look()
		if version != seen {
			seen = version
			if sorted, news := sort(offers, r.Held); news || r.WaitMS == 0 {
				return sorted
			}
		}
		select {
		case <-tick.C:
			continue
		case <-deadline.C:
		case <-ctx.Done():
		case <-s.closed:
		}
		offers, _ = s.look()
		sorted, _ := sort(offers, r.Held)
		return sorted
	}
}

// sort puts the own log first, then those of which the asker lacks something; news
// tells whether there are any. At most MaxLogs are returned.
func sort(offers []offer, held map[string]Held) (sorted []offer, news bool) {
	var fresh, rest []offer
	for _, o := range offers {
		h, known := held[o.origin]
		isNew := !known || o.size > h.Size
		news = news || isNew
		switch {
		case o.own:
			sorted = append(sorted, o)
		case isNew:
			fresh = append(fresh, o)
		default:
			rest = append(rest, o)
		}
	}
	sorted = append(append(sorted, fresh...), rest...)
	return sorted[:min(len(sorted), MaxLogs)], news
}

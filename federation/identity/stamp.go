package identity

import (
	"sync"
	"time"
)

// Stamp hands out creation times, so that of two documents signed by one
// signer the later one is always ordered later. The zero value is ready; it is
// safe for concurrent use.
//
// Who signs more than a thousand documents a second runs ahead of the clock by
// the difference; beyond FutureSkew a hub refuses the proofs, so such a signer
// must pause.
type Stamp struct {
	mu   sync.Mutex
	last time.Time
}

// Next returns now in UTC to the millisecond, or, where that is not after the
// time returned before, one millisecond after it.
func (s *Stamp) Next(now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := now.UTC().Truncate(time.Millisecond)
	if !t.After(s.last) {
		t = s.last.Add(time.Millisecond)
	}
	s.last = t
	return t
}

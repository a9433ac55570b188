package access

import (
	"sync"
	"time"

	"lianmu/vocab"
)

// maxUsed is how many tokens can be remembered at a time. Only operators'
// tokens are, and each for ten minutes at most, so this is 160 requests a
// second without pause; about 10 MB.
const maxUsed = 100_000

// onceSet remembers tokens until they expire. When it is full of tokens that
// have not expired it takes no new one: forgetting one would let it be
// replayed.
type onceSet struct {
	limit int

	mu    sync.Mutex
	until map[vocab.Key]time.Time
	// swept is when expired tokens were last thrown out: a full set is looked
	// through once a second at most.
	swept time.Time
}

type onceResult int

const (
	onceNew onceResult = iota
	onceUsed
	onceFull
)

func newOnceSet(limit int) *onceSet {
	return &onceSet{limit: limit, until: map[vocab.Key]time.Time{}}
}

// add remembers k until expires, and tells whether it was there already.
func (s *onceSet) add(k vocab.Key, expires, now time.Time) onceResult {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.until[k]; ok {
		return onceUsed
	}
	if len(s.until) >= s.limit && now.Sub(s.swept).Abs() >= time.Second {
		s.swept = now
		for old, e := range s.until {
			if !now.Before(e) {
				delete(s.until, old)
			}
		}
	}
	if len(s.until) >= s.limit {
		return onceFull
	}
	s.until[k] = expires
	return onceNew
}

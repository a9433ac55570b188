package access

import (
	"sync"
	"time"

	"lianmu/vocab"
)

// How many used tokens can be remembered at a time, for ten minutes at most
// each: about 20 MB.
const (
	maxUsed           = 100_000
	maxUsedByOfficers = 20_000
)

// How many tokens may be remembered for one share, and for one address, before
// it counts as heavy (see onceSet).
const (
	heavyShare   = 32
	heavyAddress = 256
)

// onceSet remembers tokens until they expire. When it is full it takes no new
// one, as forgetting one would let it be replayed. So that nobody can fill it
// for the others, who holds many may only use the first half of the room: the
// last half is for those who hold few.
type onceSet struct {
	limit int

	mu        sync.Mutex // guards the rest
	tokens    map[vocab.Key]used
	shares    map[string]int // tokens remembered of each
	addresses map[string]int // likewise
	// swept is when expired tokens were last thrown out: the whole set is looked
	// through once a second at most.
	swept time.Time
}

// used is one token that has been used.
type used struct {
	expires        int64 // Unix seconds, rounded up
	share, address string
}

type onceResult int

const (
	onceNew onceResult = iota
	onceUsed
	onceFull
)

func newOnceSet(limit int) *onceSet {
	return &onceSet{limit: limit, tokens: map[vocab.Key]used{}, shares: map[string]int{}, addresses: map[string]int{}}
}

// add remembers k until expires on the account of a share and an address, and
// tells whether it was there already.
func (s *onceSet) add(k vocab.Key, share, address string, expires, now time.Time) onceResult {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.tokens[k]; ok {
		return onceUsed
	}
	if !s.room(share, address) {
		s.sweep(now)
		if !s.room(share, address) {
			return onceFull
		}
	}
	s.tokens[k] = used{expires.Unix() + 1, share, address}
	s.shares[share]++
	s.addresses[address]++
	return onceNew
}

func (s *onceSet) room(share, address string) bool {
	if s.shares[share] >= heavyShare || s.addresses[address] >= heavyAddress {
		return len(s.tokens) < s.limit/2
	}
	return len(s.tokens) < s.limit
}

// sweep throws out what has expired. The caller holds mu.
func (s *onceSet) sweep(now time.Time) {
	if now.Sub(s.swept).Abs() < time.Second {
		return
	}
	s.swept = now
	for k, u := range s.tokens {
		if now.Unix() >= u.expires {
			delete(s.tokens, k)
			less(s.shares, u.share)
			less(s.addresses, u.address)
		}
	}
}

func less(m map[string]int, key string) {
	if m[key]--; m[key] <= 0 {
		delete(m, key)
	}
}

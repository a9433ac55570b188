package registry

import (
	"cmp"
	"slices"

	"lianmu/vocab"
)

// home is which of a Union's logs counts for a space.
type home struct {
	kind      homeKind
	at        int   // settled: the log
	tells     int   // the log that tells what the space is; -1: none knows it
	keeps     bool  // disputed: the own log keeps what it has
	claimants []int // disputed: the logs that claim it
	// words are, where the space is free, the keys that it has of itself in each
	// log, by their numbers there; nil: all.
	words []map[uint32]bool
}

type homeKind uint8

const (
	free      homeKind = iota // it names no hub anywhere: all logs count
	settled                   // one log counts
	elsewhere                 // it has named a hub whose log is not held
	disputed
)

// counts reports whether what the log that tells of the space says may stand.
func (h home) counts() bool {
	return h.tells >= 0 && (h.kind == free || h.kind == settled || h.kind == disputed && h.keeps)
}

// claim is what one log says of where a space is at home.
type claim struct {
	known   bool
	entries bool
	admits  bool    // the hub does: what it has of the space may be shown
	named   bool    // the space itself has named a hub here, whatever became of that
	hub     string  // that the descriptor which stands names; "": none
	word    string  // that the one which stands of those names that the space itself signed
	version version // of the descriptor which stands
	signer  string  // DID that signed it
	text    int64   // when the last that can be read was created; 0: there is none
	keys    map[uint32]bool
}

// claim asks one log.
func (r *Registry) claim(did string) (c claim) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := r.named(did)
	if s == nil {
		return c
	}
	c.known, c.entries, c.admits = true, s.entries > 0, r.standingOf(s) == Admitted
	g, own := s.ring, s.ring
	if slices.ContainsFunc(g.events, func(e event) bool { return e.hub }) {
		own = g.own()
		c.keys = make(map[uint32]bool, len(own.keys))
		for _, k := range own.keys {
			c.keys[k.key] = true
		}
	}
	c.named = slices.ContainsFunc(own.events, func(e event) bool { return e.home != "" })
	if g.text >= 0 {
		c.text = g.events[g.text].created
	}
	if e, ok := g.says(own); ok {
		c.hub, c.version, c.signer = e.home, e.version, r.signer(e.signer).did
	}
	if e, ok := own.says(own); ok {
		c.word = e.home
	}
	return c
}

// says is the descriptor that stands. Where all are void, as after the theft of
// the first key, it is the last of them that the space signed: it is still at
// home where it was.
func (g ring) says(own ring) (last event, ok bool) {
	if g.stands >= 0 {
		return g.events[g.stands], true
	}
	for _, e := range own.events {
		if e.home != "" && (!ok || later(e.version, last.version)) {
			last, ok = e, true
		}
	}
	return last, ok
}

// own is the ring as the space alone made it: without the keys that the hub gave
// it, and what they signed.
func (g ring) own() ring {
	own := ring{name: g.name, thefts: g.thefts}
	own.refold()
	for _, e := range g.events {
		if !e.hub && own.key(e.signer).in {
			own.events = append(own.events, e)
			own.step(len(own.events) - 1)
		}
	}
	return own
}

// out reports whether a log says of a key that it is a space's no more.
func (r *Registry) out(did, key string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n, ok := r.find(key)
	if !ok || r.home(n).did != did {
		return false
	}
	i, ok := r.home(n).ring.place(n)
	return ok && (!r.home(n).ring.keys[i].in || r.home(n).ring.keys[i].stolen)
}

// homeOf decides which of the logs counts for a space.
func homeOf(did string, parts []part) home {
	h := home{tells: -1, words: make([]map[uint32]bool, len(parts))}
	claims := make([]claim, len(parts))
	var named bool
	var candidates []int
	lone := 0
	for i, p := range parts {
		c := p.claim(did)
		claims[i] = c
		if !c.known {
			continue
		}
		if c.entries {
			lone++
		}
		if !p.own {
			h.words[i] = c.keys
		}
		// The own hub's word that it gave keys on filed evidence is good here.
		word := c.word
		if p.own {
			word = c.hub
		}
		named = named || c.named || word != ""
		if word != "" && word == p.hub && c.hub == p.hub {
			candidates = append(candidates, i)
		}
	}
	if lone <= 1 {
		h.words = make([]map[uint32]bool, len(parts)) // nobody else speaks for it
	}
	h.tells = teller(claims)
	switch left := remaining(did, parts, claims, candidates); {
	case !named:
	case len(candidates) == 0:
		h.kind = elsewhere
	case len(left) == 1 || len(left) > 1 && claims[left[0]].version.created > claims[left[1]].version.created:
		h.kind, h.at, h.tells = settled, left[0], left[0]
	default:
		h.kind, h.claimants = disputed, candidates
		own := claims[0]
		if h.keeps = own.known && (own.hub == "" || own.hub == parts[0].hub); h.keeps {
			h.tells = 0
		}
	}
	return h
}

// remaining are the candidates whose descriptor no other one's log speaks
// against, the latest first.
func remaining(did string, parts []part, claims []claim, candidates []int) (left []int) {
	for _, i := range candidates {
		if !slices.ContainsFunc(candidates, func(j int) bool { return j != i && parts[j].out(did, claims[i].signer) }) {
			left = append(left, i)
		}
	}
	slices.SortStableFunc(left, func(a, b int) int { return cmp.Compare(claims[b].version.created, claims[a].version.created) })
	return left
}

// teller is the log that tells what a space is that has no home: the own one
// where it has something of it. Else one that admits it, and in which nobody but
// the space gave it keys, goes before others: a hub that copies what a space said
// can neither suspend nor describe it. Of those the one with the latest descriptor.
func teller(claims []claim) int {
	if claims[0].entries {
		return 0
	}
	best := -1
	for i, c := range claims {
		if c.known && (best < 0 || cmp.Or(
			ahead(c.entries, claims[best].entries), ahead(c.admits, claims[best].admits), ahead(c.keys == nil, claims[best].keys == nil),
			cmp.Compare(c.text, claims[best].text)) > 0) {
			best = i
		}
	}
	return best
}

// ahead compares: what is so comes after what is not.
func ahead(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// mayTakeDown reports whether a space's home says that a key speaks for it now:
// what the key signed in another log takes down then. When it signed that, or
// when the other log received it, proves nothing: whoever has the key chooses the
// one, the other log's hub the other.
func (r *Registry) mayTakeDown(did, key string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n, ok := r.find(key)
	if !ok || r.home(n).did != did {
		return false
	}
	k := r.home(n).ring.key(n)
	return k.in && !k.stolen
}

// barsContent reports whether a content that a space has elsewhere is not to be
// published here.
func (r *Registry) barsContent(did string, content vocab.Digest) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	number := ^uint32(0) // of no space
	if s := r.named(did); s != nil {
		number = s.number
	}
	return r.bars(contentKey{number, content})
}

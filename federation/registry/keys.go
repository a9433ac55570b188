package registry

import (
	"cmp"
	"slices"

	"lianmu/vocab"
)

// ring is a space's descriptors and the keys that they and the hub gave it. It
// is folded from its events in the order of the log. What a stolen key signed
// is void and leaves no trace but the keys it added, so when a theft becomes
// known the ring is folded anew.
type ring struct {
	name   uint32  // the key that the space is named after
	events []event // by position
	thefts []theft
	keys   []span // of every key that an event or theft named, by its number; nearly always one or two
	stands int    // event of the descriptor that stands; -1: none
	text   int    // event of the last descriptor that stood and can be read; -1: none
}

// event is a descriptor, or keys that the hub replaced.
type event struct {
	version
	keys []uint32     // that may sign from here on; none where redacted: they stay as they were
	text *vocab.Space // nil: not a descriptor, or redacted
	home string       // of a descriptor: DID of the hub that it names
	hub  bool         // a replacement by the hub, which nothing voids
}

// theft says that what a key signed from a position on is void.
type theft struct {
	key  uint32
	from uint64
}

// span is when one key was valid, as Key tells it.
type span struct {
	key            uint32
	from, until    uint64 // positions; until 0: not retired
	added, retired int64
	in             bool // among the keys that the descriptor or replacement in force names
	stolen         bool
	since          uint64 // stolen: from where what it signed is void
}

func newRing(name uint32) ring {
	g := ring{name: name}
	g.refold()
	return g
}

func (g ring) clone() ring {
	g.events, g.thefts = slices.Clip(g.events), slices.Clip(g.thefts)
	g.keys = slices.Clone(g.keys)
	return g
}

// add takes an event at its place and reports whether it changed what was
// before, as it can only where it comes late.
func (g *ring) add(e event) (changed bool) {
	at := g.find(e.position)
	g.events = slices.Insert(g.events, at, e)
	if at < len(g.events)-1 {
		g.refold()
		return true
	}
	g.step(at)
	return false
}

// find is where the event at a position is or would be.
func (g *ring) find(position uint64) int {
	at, _ := slices.BinarySearchFunc(g.events, position, func(e event, p uint64) int { return cmp.Compare(e.position, p) })
	return at
}

// at returns the descriptor at a position.
func (g *ring) at(position uint64) (event, bool) {
	i := g.find(position)
	if i == len(g.events) || g.events[i].position != position || g.events[i].hub {
		return event{}, false
	}
	return g.events[i], true
}

// readable is the descriptor that stands; nil where there is none, or its body
// is gone. Of one that was gone before it came, all that is known has no name.
func (g *ring) readable() *vocab.Space {
	if g.stands < 0 || g.events[g.stands].text == nil || len(g.events[g.stands].text.Name) == 0 {
		return nil
	}
	return g.events[g.stands].text
}

func (g *ring) refold() {
	g.keys = []span{{key: g.name, in: true}}
	g.stands, g.text = -1, -1
	for _, t := range g.thefts {
		g.steal(t.from, span{key: t.key})
	}
	for i := range g.events {
		g.step(i)
	}
}

func (g *ring) step(i int) {
	e := g.events[i]
	next := e.position + 1
	if !e.hub && g.void(e.signer, e.position) {
		// The thief's own keys. One that was valid anyhow is the space's.
		for _, k := range e.keys {
			s := g.key(k)
			if s.in {
				continue
			}
			if s.stolen && s.added == 0 && s.key != g.name { // named in a theft: this is where it came from
				s.from, s.added = next, e.received
				g.set(s)
			}
			g.steal(next, span{key: k, from: next, added: e.received})
		}
		return
	}
	if !e.hub {
		if g.stands >= 0 && !later(e.version, g.events[g.stands].version) {
			return
		}
		g.stands = i
		if e.text != nil {
			g.text = i
		}
		if len(e.keys) == 0 && e.marks&redacted != 0 {
			return
		}
	}
	for i := range g.keys {
		if s := &g.keys[i]; s.in && !slices.Contains(e.keys, s.key) {
			s.in, s.until, s.retired = false, next, e.received
		}
	}
	for _, k := range e.keys {
		if s := g.key(k); !s.in {
			g.set(span{key: k, in: true, from: next, added: e.received, stolen: s.stolen, since: s.since})
		}
	}
}

// steal marks a key as stolen from a position on; s is what is known of it
// where it was unknown.
func (g *ring) steal(from uint64, s span) {
	if i, known := g.place(s.key); known {
		s = g.keys[i]
	}
	if !s.stolen || from < s.since {
		s.stolen, s.since = true, from
	}
	g.set(s)
}

func (g *ring) place(key uint32) (int, bool) {
	return slices.BinarySearchFunc(g.keys, key, func(s span, key uint32) int { return cmp.Compare(s.key, key) })
}

// key returns what is known of a key; of an unknown one, that it is not in.
func (g *ring) key(key uint32) span {
	if i, ok := g.place(key); ok {
		return g.keys[i]
	}
	return span{key: key}
}

func (g *ring) set(s span) {
	i, ok := g.place(s.key)
	if ok {
		g.keys[i] = s
	} else {
		g.keys = slices.Insert(g.keys, i, s)
	}
}

func (g *ring) void(signer uint32, position uint64) bool {
	s := g.key(signer)
	return s.stolen && s.since <= position
}

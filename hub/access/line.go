package access

import "time"

// Claim says on whose account work is asked for. Client is the address it
// comes from, of which nobody has many; Party tells apart who shares it: a
// connection, a subject. Either may be "".
type Claim struct{ Client, Party string }

// Bounds limit a Line.
type Bounds struct {
	Items   int // in line, waiting or being worked on
	Bytes   int // of them together
	Parties int // who have something in line
}

// Line is a bounded waiting line that is fair in what work costs. Next takes
// from the client that has used least so far, and of its parties from the one
// that has used least: who comes anew waits for what is being worked on and for
// a turn of the others, however much they have in line. Nobody may hold more
// than a fair share of the room: with n others in line, about 1/(n+1) of it. A
// party that has nothing in line finds a place above its client's share, as long
// as there is one.
//
// It is not safe for concurrent use: a lock of its owner's guards it.
type Line[T any] struct {
	bounds  Bounds
	parties int
	turns   uint64
	root    node[T] // its children are the clients, theirs the parties
}

// node is what a client or a party has in line; it is forgotten with its last
// item.
type node[T any] struct {
	children map[string]*node[T]
	queue    []T // of a party
	held     int // in line, waiting or being worked on
	bytes    int // of them
	waiting  int
	used     time.Duration // of work, beside that of its siblings
	turn     uint64        // when it last came or was served; breaks ties
}

// NewLine returns an empty line.
func NewLine[T any](b Bounds) *Line[T] {
	return &Line[T]{bounds: b, root: node[T]{children: map[string]*node[T]{}}}
}

// Len is the number of items in line, waiting or being worked on.
func (l *Line[T]) Len() int { return l.root.held }

// Held is how many items a claim has in line, waiting or being worked on.
func (l *Line[T]) Held(c Claim) int {
	if client := l.root.children[c.Client]; client != nil {
		if party := client.children[c.Party]; party != nil {
			return party.held
		}
	}
	return 0
}

// Add puts v, of size bytes, in line; false if there is no room for it.
func (l *Line[T]) Add(c Claim, size int, v T) bool {
	client := l.root.children[c.Client]
	var party *node[T]
	if client != nil {
		party = client.children[c.Party]
	}
	if !l.room(client, party, size) {
		return false
	}
	if client == nil {
		client = l.enter(&l.root, c.Client)
		client.children = map[string]*node[T]{}
	}
	if party == nil {
		party = l.enter(client, c.Party)
		l.parties++
	}
	party.queue = append(party.queue, v)
	for _, n := range []*node[T]{&l.root, client, party} {
		n.held++
		n.bytes += size
		n.waiting++
	}
	return true
}

// room tells whether there is any, in all and of the shares of a client and a
// party; either is nil that has nothing in line.
func (l *Line[T]) room(client, party *node[T], size int) bool {
	if l.root.held >= l.bounds.Items || l.root.bytes+size > l.bounds.Bytes || party == nil && l.parties >= l.bounds.Parties {
		return false
	}
	if client == nil {
		return true
	}
	n := len(l.root.children)
	if party == nil {
		// Those who share its address must not keep it out, nor may many who come
		// there anew keep out other addresses.
		return client.held < l.bounds.Items*7/8 && client.bytes+size <= l.bounds.Bytes/8*7 &&
			len(client.children) < share(l.bounds.Parties, n, client)
	}
	items, bytes := share(l.bounds.Items, n, client), share(l.bounds.Bytes, n, client)
	if client.held >= items || client.bytes+size > bytes {
		return false
	}
	n = len(client.children)
	return party.held < share(items, n, party) && party.bytes+size <= share(bytes, n, party)
}

// share is what one of n may hold of some room; one alone leaves a quarter for
// whoever comes.
func share[T any](room, n int, one *node[T]) int {
	if n == 0 || n == 1 && one != nil {
		return max(room*3/4, 1)
	}
	return max(room/(n+1), 1)
}

// enter makes a child. It starts with what the least of its siblings has used:
// having been away earns no credit.
func (l *Line[T]) enter(parent *node[T], name string) *node[T] {
	n := &node[T]{}
	first := true
	for _, s := range parent.children {
		if first || s.used < n.used {
			n.used, first = s.used, false
		}
	}
	n.turn = l.next()
	parent.children[name] = n
	return n
}

func (l *Line[T]) next() uint64 { l.turns++; return l.turns }

// Next takes the item whose turn it is; false if none waits. It stays in line,
// being worked on, until Done.
func (l *Line[T]) Next() (v T, ok bool) {
	if l.root.waiting == 0 {
		return v, false
	}
	n := &l.root
	n.waiting--
	for n.children != nil {
		n = n.least()
		n.waiting--
		n.turn = l.next()
	}
	var none T
	v, n.queue[0] = n.queue[0], none
	n.queue = n.queue[1:]
	return v, true
}

func (n *node[T]) least() *node[T] {
	var least *node[T]
	for _, c := range n.children {
		if c.waiting > 0 && (least == nil || c.used < least.used || c.used == least.used && c.turn < least.turn) {
			least = c
		}
	}
	return least
}

// Charge notes that work for c, which has an item in line, took so long.
func (l *Line[T]) Charge(c Claim, cost time.Duration) {
	if client := l.root.children[c.Client]; client != nil {
		client.used += max(cost, 0)
		if party := client.children[c.Party]; party != nil {
			party.used += max(cost, 0)
		}
	}
}

// Done takes one item of c, of size bytes, which Next gave, out of the line.
func (l *Line[T]) Done(c Claim, size int) {
	client := l.root.children[c.Client]
	party := client.children[c.Party]
	for _, n := range []*node[T]{&l.root, client, party} {
		n.held--
		n.bytes -= size
	}
	if client.held == 0 {
		delete(l.root.children, c.Client)
	}
	if party.held == 0 {
		delete(client.children, c.Party)
		l.parties--
	}
}

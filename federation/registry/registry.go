// Package registry folds log entries into what stands: the version of every
// offering, the spaces and their descriptors. The fold is a commutative
// maximum, so whoever holds the same entries holds the same state, whatever
// came first.
//
// It keeps no bodies, does no I/O and never decides who may say something;
// intake and exchange have decided that before an entry comes here.
package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"sort"
	"sync"
	"time"

	"lianmu/vocab"
)

// Version is what stands under one (space, @id).
type Version struct {
	Position   uint64 // in the log
	First      uint64 // position of the first entry of all under this name
	Kind       vocab.EntryKind
	Created    time.Time
	Expires    time.Time // zero: never
	ReceivedAt time.Time
	Digest     vocab.Digest
	Content    vocab.Digest
	Final      bool // deregistered: nothing published later counts
}

// Published reports whether the version is an offering that stands; expiry is
// another question (see Shown).
func (v Version) Published() bool { return v.Kind == vocab.KindOffering && !v.Final }

// Shown reports whether the version may be shown at the time now: published,
// and its proof not expired. Only this uses the present time; which version
// stands never does.
func (v Version) Shown(now time.Time) bool {
	return v.Published() && (v.Expires.IsZero() || now.Before(v.Expires))
}

// Entry is one log entry as the fold takes it.
type Entry struct {
	Index      uint64
	ReceivedAt time.Time
	Fact       vocab.Fact
	Space      *vocab.Space // what a space descriptor says; nil for other kinds
}

// SpaceState is what is known of one space.
type SpaceState struct {
	Space     vocab.Space
	Offerings int // published versions that stand, expired ones included
	Entries   int
	LastEntry time.Time

	descriptor version // of the descriptor that stands
}

// Registry is the folded state of one log. One goroutine applies; any may ask.
type Registry struct {
	mu       sync.RWMutex
	position uint64 // entries folded
	versions map[vocab.Key]version
	contents map[contentKey]vocab.Key // of published versions that stand
	spaces   []*SpaceState            // by interned number
	numbers  map[string]uint32        // DID → number
	expiry   int64                    // no shown version expires before this; 0: unknown
}

// version is Version packed for a map of millions: times as UnixNano (0: none).
type version struct {
	position, first            uint64
	created, expires, received int64
	digest, content            vocab.Digest
	space                      uint32
	kind                       vocab.EntryKind
	final                      bool
}

type contentKey struct {
	space   uint32
	content vocab.Digest
}

// New returns an empty registry.
func New() *Registry {
	return &Registry{
		versions: map[vocab.Key]version{},
		contents: map[contentKey]vocab.Key{},
		numbers:  map[string]uint32{},
	}
}

// Position is the number of entries folded: the next index wanted.
func (r *Registry) Position() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.position
}

// Apply folds entries in log order. An entry already folded is skipped.
func (r *Registry) Apply(entries ...Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range entries {
		if e.Index < r.position {
			continue
		}
		r.apply(e)
		r.position = e.Index + 1
	}
}

func (r *Registry) apply(e Entry) {
	if e.Fact.Kind == vocab.KindEpoch {
		return // the hub's own; says nothing of a space
	}
	if e.Fact.Space == "" {
		return // its body is gone, and with it whose it was
	}
	n := r.number(e.Fact.Space)
	s := r.spaces[n]
	s.Entries++
	if e.ReceivedAt.After(s.LastEntry) {
		s.LastEntry = e.ReceivedAt
	}
	v := pack(e, n)
	if e.Fact.Kind == vocab.KindSpace {
		if e.Space != nil && later(v, s.descriptor) {
			s.Space, s.descriptor = *e.Space, v
			s.Space.DID = e.Fact.Space
		}
		return
	}
	key := vocab.KeyOf(e.Fact.Space, e.Fact.ID)
	old, known := r.versions[key]
	next := merge(old, v, known)
	if next == old {
		return
	}
	if known && old.published() {
		s.Offerings--
		if ck := (contentKey{n, old.content}); r.contents[ck] == key {
			delete(r.contents, ck)
		}
	}
	if next.published() {
		s.Offerings++
		r.contents[contentKey{n, next.content}] = key
		if next.expires != 0 && (r.expiry == 0 || next.expires < r.expiry) {
			r.expiry = next.expires
		}
	}
	r.versions[key] = next
}

// merge is the commutative maximum: the later of both, final once either is, and
// first where the earlier of both was.
func merge(old, v version, known bool) version {
	next := old
	if !known || later(v, old) {
		next = v
	}
	next.final = v.final || (known && old.final)
	next.first = v.first
	if known {
		next.first = min(v.first, old.first)
	}
	return next
}

// later orders versions by created, withdrawal before offering, digest.
func later(a, b version) bool {
	if a.created != b.created {
		return a.created > b.created
	}
	if a.kind != b.kind {
		return rank(a.kind) > rank(b.kind)
	}
	return bytes.Compare(a.digest[:], b.digest[:]) > 0
}

func rank(k vocab.EntryKind) int {
	switch k {
	case vocab.KindDeregistration:
		return 2
	case vocab.KindOffering:
		return 1
	}
	return 0
}

func (v version) published() bool { return v.kind == vocab.KindOffering && !v.final }

func (r *Registry) number(did string) uint32 {
	n, ok := r.numbers[did]
	if !ok {
		n = uint32(len(r.spaces))
		r.numbers[did] = n
		r.spaces = append(r.spaces, &SpaceState{Space: vocab.Space{DID: did}})
	}
	return n
}

// Version returns what stands under a key.
func (r *Registry) Version(k vocab.Key) (Version, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	v, ok := r.versions[k]
	return v.unpack(), ok
}

// Known returns the version that stands with this content in a space, if it is
// a published one.
func (r *Registry) Known(space string, content vocab.Digest) (Version, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n, ok := r.numbers[space]
	if !ok {
		return Version{}, false
	}
	k, ok := r.contents[contentKey{n, content}]
	if !ok {
		return Version{}, false
	}
	return r.versions[k].unpack(), true
}

// Space returns what is known of a space.
func (r *Registry) Space(did string) (SpaceState, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n, ok := r.numbers[did]
	if !ok {
		return SpaceState{}, false
	}
	return *r.spaces[n], true
}

// Spaces returns every space that has an entry, by DID.
func (r *Registry) Spaces() []SpaceState {
	r.mu.RLock()
	out := make([]SpaceState, len(r.spaces))
	for i, s := range r.spaces {
		out[i] = *s
	}
	r.mu.RUnlock()
	sort.Slice(out, func(i, j int) bool { return out[i].Space.DID < out[j].Space.DID })
	return out
}

// Expired returns the keys of published versions whose proof has expired at
// now, unless none can have since the last call.
func (r *Registry) Expired(now time.Time) []vocab.Key {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := now.UnixNano()
	if r.expiry == 0 || at < r.expiry {
		return nil
	}
	var keys []vocab.Key
	var next int64
	for k, v := range r.versions {
		switch {
		case !v.published() || v.expires == 0:
		case v.expires <= at:
			keys = append(keys, k)
		case next == 0 || v.expires < next:
			next = v.expires
		}
	}
	r.expiry = next
	return keys
}

// Digest is SHA-256 over the sorted lines "key digest\n" of all offerings
// shown at now, with their number: equal on every holder of the same entries.
func (r *Registry) Digest(now time.Time) (vocab.Digest, int) {
	r.mu.RLock()
	shown := make(map[vocab.Key]vocab.Digest, len(r.versions))
	for k, v := range r.versions {
		if v.unpack().Shown(now) {
			shown[k] = v.digest
		}
	}
	r.mu.RUnlock()
	return DigestOf(shown), len(shown)
}

// DigestOf is the digest that Digest returns, over any set of offerings shown.
func DigestOf(shown map[vocab.Key]vocab.Digest) vocab.Digest {
	keys := make([]vocab.Key, 0, len(shown))
	for k := range shown {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return bytes.Compare(keys[i][:], keys[j][:]) < 0 })
	h := sha256.New()
	line := make([]byte, 0, 130)
	for _, k := range keys {
		d := shown[k]
		line = hex.AppendEncode(line[:0], k[:])
		line = append(line, ' ')
		line = hex.AppendEncode(line, d[:])
		h.Write(append(line, '\n'))
	}
	return vocab.Digest(h.Sum(nil))
}

func pack(e Entry, space uint32) version {
	return version{
		position: e.Index, first: e.Index,
		created: nano(e.Fact.Created), expires: nano(e.Fact.Expires), received: nano(e.ReceivedAt),
		digest: e.Fact.Digest, content: e.Fact.Content,
		space: space, kind: e.Fact.Kind, final: e.Fact.Kind == vocab.KindDeregistration,
	}
}

func (v version) unpack() Version {
	return Version{
		Position: v.position, First: v.first, Kind: v.kind, Final: v.final,
		Created: instant(v.created), Expires: instant(v.expires), ReceivedAt: instant(v.received),
		Digest: v.digest, Content: v.content,
	}
}

func nano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func instant(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

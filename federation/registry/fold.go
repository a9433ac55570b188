package registry

import (
	"slices"

	"lianmu/vocab"
)

// fold is the state that entries are folded into, in the order of the log. A
// batch folds into a fold of its own that lies on the registry's and holds only
// what differs, so what is decided and what is later applied go the same way.
type fold struct {
	below *fold  // what this one is staged on; nil: nothing
	base  int    // signers below
	next  uint64 // index of the next entry
	hub   string // DID of the hub, which is no space; "": unknown
	log   string // origin of the log
	// openUntil: before this entry whoever has no act is admitted.
	openUntil uint64

	versions map[vocab.Key]version
	endings  map[vocab.Key][]ending // of versions marked ended
	// others are versions beside those that stand: see kept.
	others map[vocab.Key][]version
	// withdrawn are withdrawals, overtaken ones too, where counts are kept.
	withdrawn map[vocab.Key][]version
	// publics are, one more, positions of the first that everybody could see, where
	// others were before it.
	publics map[vocab.Key]uint64
	since   map[uint32]uint64   // signer → position from which what it signs is void
	signers []signer            // from number base on
	numbers map[string]uint32   // DID → signer
	changed map[uint32]*space   // spaces that are not as below, by the number of their name
	barred  map[contentKey]bool // what was redacted, and the space that had published it
	// banned tells of contents that were redacted on a ground that holds for every
	// space, and names of names under which nothing may be published since, until
	// that is lifted: with the positions of the entries that were redacted.
	banned map[vocab.Digest]bool
	names  map[vocab.Key]bool
	causes map[uint64]cause
	blanks map[uint64]blank // entries whose bodies are gone, until their redaction tells whose they were

	arrived bool // a space has had its first entry; whoever asks resets it

	// The lowest fold tells whoever keeps counts: of a version, before it goes
	// and after it has come; and of a space, when worth may have changed in any
	// of its versions.
	watch   func(k vocab.Key, come bool)
	recount func(s *space)
}

// signer is a key that has signed or was listed. It is of one space for ever.
type signer struct {
	did  string
	home *space // as it was made; see fold.home
}

// space is what is folded of one space. Copies of it are made in batches; what
// is counted is kept in the lowest fold only.
type space struct {
	did      string
	number   uint32   // of the signer that it is named after
	standing Standing // "": no act
	before   Standing // while suspended: what it goes back to
	reason   string
	decided  int64
	refused  vocab.Digest // rejected: the descriptor that was
	ring     ring

	offerings, participants, consents, entries int

	last    int64
	members map[vocab.Key]*member
}

// blank is what is known of an entry whose body is gone.
type blank struct {
	kind     vocab.EntryKind
	digest   vocab.Digest
	received int64
}

const noTheft = ^uint64(0) // in fold.since: nothing is void, whatever is said below

func newFold(below *fold) fold {
	f := fold{
		below: below, versions: map[vocab.Key]version{}, others: map[vocab.Key][]version{}, endings: map[vocab.Key][]ending{}, withdrawn: map[vocab.Key][]version{}, publics: map[vocab.Key]uint64{},
		since: map[uint32]uint64{}, numbers: map[string]uint32{}, changed: map[uint32]*space{}, blanks: map[uint64]blank{}, barred: map[contentKey]bool{},
		banned: map[vocab.Digest]bool{}, names: map[vocab.Key]bool{}, causes: map[uint64]cause{},
	}
	if below != nil {
		f.base, f.hub, f.log = below.base+len(below.signers), below.hub, below.log
		f.next, f.openUntil = below.next, below.openUntil
	}
	return f
}

// apply folds one entry.
func (f *fold) apply(e Entry) {
	switch {
	case e.Fact.Kind == vocab.KindEpoch: // says nothing of a space
	case e.Fact.Kind == vocab.KindAct:
		if e.Act != nil {
			f.act(e, e.Act)
		}
	case e.Fact.Kind == vocab.KindRedaction:
		if e.Redaction != nil {
			f.redact(e.Redaction)
		}
	case e.Fact.Space == "":
		f.blanks[e.Index] = blank{e.Fact.Kind, e.Fact.Digest, nano(e.ReceivedAt)}
	default:
		n := f.enrol(e.Fact.Key(), e.Fact.Space)
		s := f.home(n)
		f.count(s, nano(e.ReceivedAt))
		v := pack(e, n)
		if v.kind == vocab.KindSpace {
			if e.Space != nil {
				f.describe(f.edit(s), v, e.Space)
			}
			return
		}
		seen := f.seen(s, e)
		if seen {
			v.marks |= public
		}
		f.merge(vocab.KeyOf(s.did, e.Fact.ID), v, seen)
	}
}

// seen reports whether everybody may see an entry as it comes: by what it says
// or, where it leaves that to its space, by what that says now, or else the hub.
// Consents are for everybody.
func (f *fold) seen(s *space, e Entry) bool {
	switch {
	case !says(e.Fact.Kind):
		return false
	case e.Fact.Kind == vocab.KindConsent:
		return true
	case e.Fact.Audience != "" || e.Fact.Kind == vocab.KindParticipant:
		return e.Fact.Audience == vocab.AudiencePublic
	case s.ring.text >= 0 && s.ring.events[s.ring.text].text.Audience != "":
		return s.ring.events[s.ring.text].text.Audience == vocab.AudiencePublic
	}
	return e.Index < f.openUntil
}

// count notes an entry of a space, where counts are kept.
func (f *fold) count(s *space, received int64) {
	if f.below == nil {
		f.arrived = f.arrived || s.entries == 0
		s.entries++
		s.last = max(s.last, received)
	}
}

// merge folds a version, as a commutative maximum: the latest of those that are
// no thief's, ended once any is, and first where the earliest of all was. seen tells that
// everybody could see its entry.
func (f *fold) merge(k vocab.Key, v version, seen bool) {
	old, known := f.version(k)
	next := v
	if known {
		next = f.settle(k, remember(f.all(k), v))
		next.marks |= (v.marks | old.marks) & ended
		next.first = min(v.first, old.first)
	}
	at := f.publicOf(k, old)
	if seen && (at == 0 || v.position+1 < at) {
		at = v.position + 1
	}
	if next.marks &^= publicFirst; at == next.first+1 {
		next.marks |= publicFirst
	} else if at != 0 {
		f.publics[k] = at
	}
	if v.marks&ended != 0 {
		f.put(k, next, &ending{v.position, v.signer, v.marks&hubs != 0, v.received})
	} else if next != old {
		f.put(k, next, nil)
	}
	if f.below == nil && v.kind == vocab.KindWithdrawal && v.marks&hubs == 0 {
		f.takeDown(k, v)
	}
}

// takeDown remembers the latest withdrawal of each key that signed one, for
// those who hold the offering from another log.
func (f *fold) takeDown(k vocab.Key, v version) {
	all := f.withdrawn[k]
	i := slices.IndexFunc(all, func(w version) bool { return w.signer == v.signer })
	switch {
	case i < 0:
		f.withdrawn[k] = append(slices.Clip(all), v)
	case later(v, all[i]):
		all[i] = v
	}
}

// publicOf is one more than the position of the first entry under a name that
// everybody could see; 0: there is none. v is what stands there.
func (f *fold) publicOf(k vocab.Key, v version) uint64 {
	if v.marks&publicFirst != 0 {
		return v.first + 1
	}
	at, ok := f.publics[k]
	if !ok && f.below != nil {
		return f.below.publicOf(k, v)
	}
	return at
}

func (f *fold) put(k vocab.Key, v version, end *ending) {
	if f.watch != nil {
		f.watch(k, false)
	}
	if all := f.ends(k); end != nil && !slices.Contains(all, *end) {
		f.endings[k] = append(slices.Clip(all), *end)
	}
	f.versions[k] = v
	if f.watch != nil {
		f.watch(k, true)
	}
}

func (f *fold) describe(s *space, v version, d *vocab.Space) {
	text := *d
	text.DID = s.did
	keys := []uint32{v.signer}
	if len(d.Keys) > 0 {
		keys = f.own(s, d.Keys)
	}
	f.ring(s, s.ring.add(event{version: v, keys: keys, text: &text, home: d.Hub}))
}

// own enrols keys as the space's, and leaves out those that are another's.
func (f *fold) own(s *space, dids []string) []uint32 {
	keys := make([]uint32, 0, len(dids))
	for _, did := range dids {
		if n := f.enrol(did, s.did); f.home(n).number == s.number && !slices.Contains(keys, n) {
			keys = append(keys, n)
		}
	}
	return keys
}

// ring carries over what a space's ring says of thefts; changed tells that it
// may now be said of entries folded before.
func (f *fold) ring(s *space, changed bool) {
	moved := false
	for _, k := range s.ring.keys {
		since, was := f.theft(k.key)
		switch {
		case k.stolen:
			moved = moved || !was || since != k.since
			f.since[k.key] = k.since
		case was:
			moved = true
			f.since[k.key] = noTheft
		}
	}
	if changed && moved {
		f.chooseAnew(s)
	}
	if changed && f.recount != nil {
		f.recount(s)
	}
}

// version returns what stands under a key, whatever it is worth.
func (f *fold) version(k vocab.Key) (version, bool) {
	v, ok := f.versions[k]
	if !ok && f.below != nil {
		return f.below.version(k)
	}
	return v, ok
}

func (f *fold) ends(k vocab.Key) []ending {
	e, ok := f.endings[k]
	if !ok && f.below != nil {
		return f.below.ends(k)
	}
	return e
}

func (f *fold) blank(position uint64) (blank, bool) {
	b, ok := f.blanks[position]
	if !ok && f.below != nil {
		return f.below.blank(position)
	}
	return b, ok
}

// bars reports whether a content is not to be published: the space itself did and
// it was redacted, or it was redacted, whose ever it was, on a ground that holds
// for all.
func (f *fold) bars(ck contentKey) bool {
	return f.barred[ck] || f.banned[ck.content] || f.below != nil && f.below.bars(ck)
}

// theft returns from where on what a signer signs is void.
func (f *fold) theft(n uint32) (uint64, bool) {
	p, ok := f.since[n]
	if !ok && f.below != nil {
		return f.below.theft(n)
	}
	return p, ok && p != noTheft
}

// void reports whether a version only keeps its place.
func (f *fold) void(v version) bool {
	return v.marks&redacted != 0 || f.lost(v)
}

func (f *fold) stolen(signer uint32, position uint64) bool {
	from, ok := f.theft(signer)
	return ok && from <= position
}

// final reports whether what stands under a key was ended for good. That the
// body of the entry that ended it is gone changes nothing.
func (f *fold) final(k vocab.Key, v version) bool {
	return v.marks&ended != 0 && slices.ContainsFunc(f.ends(k), func(e ending) bool {
		return e.hubs || !f.stolen(e.signer, e.position)
	})
}

// stands reports whether a version is an offering, participant or consent that
// counts, but for its proof's expiry and its space's standing.
func (f *fold) stands(k vocab.Key, v version) bool {
	return says(v.kind) && !f.void(v) && !f.final(k, v)
}

func (f *fold) find(did string) (uint32, bool) {
	n, ok := f.numbers[did]
	if !ok && f.below != nil {
		return f.below.find(did)
	}
	return n, ok
}

func (f *fold) signer(n uint32) signer {
	if int(n) < f.base {
		return f.below.signer(n)
	}
	return f.signers[int(n)-f.base]
}

// home is the space that a signer belongs to, for reading.
func (f *fold) home(n uint32) *space { return f.latest(f.signer(n).home) }

func (f *fold) latest(s *space) *space {
	if c, ok := f.changed[s.number]; ok {
		return c
	}
	if f.below != nil {
		return f.below.latest(s)
	}
	return s
}

// edit returns the space for writing.
func (f *fold) edit(s *space) *space {
	s = f.latest(s)
	if _, own := f.changed[s.number]; own || f.below == nil {
		return s
	}
	c := *s
	c.ring = s.ring.clone()
	f.changed[s.number] = &c
	return &c
}

// enrol returns the number of a key. One that is new becomes a key of the space
// of that name, or, where it is that name itself, a space.
func (f *fold) enrol(did, name string) uint32 {
	if n, ok := f.find(did); ok {
		return n
	}
	var home *space
	if did != name {
		home = f.home(f.enrol(name, name))
	}
	n := uint32(f.base + len(f.signers))
	if home == nil {
		home = &space{did: did, number: n, ring: newRing(n)}
		if f.below != nil {
			f.changed[n] = home
		}
	}
	f.numbers[did] = n
	f.signers = append(f.signers, signer{did, home})
	return n
}

// standingOf is how a space stands, on an open hub or on one that is not.
func (f *fold) standingOf(s *space) Standing {
	switch {
	case s != nil && s.standing != "":
		return s.standing
	case f.next < f.openUntil:
		return Admitted
	}
	return Unadmitted
}

// Package registry folds log entries into what stands: spaces with their
// standing, their keys and descriptors, participants, consents, and the version of
// every offering. Versions are a commutative maximum, whatever came first; keys and
// standing go by the order of the log. So whoever holds the same log holds the
// same state, also where bodies of it have been redacted since.
//
// A key is valid by its place in the log, never by the times that a document
// gives. Decide says whether a key may sign for a space at all; who may decide
// about spaces is for others to say: acts and redactions are taken as the
// hub's own.
//
// It keeps no documents, does no I/O and knows no clock: the present time is
// passed in, and only what is shown or valid now depends on it.
package registry

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"lianmu/vocab"
)

// Entry is one log entry as the fold takes it. Of Space, Participant, Consent,
// Act and Redaction that of its kind is set, unless the body is gone; all are nil for
// other kinds.
type Entry struct {
	Index       uint64
	ReceivedAt  time.Time
	Fact        vocab.Fact // of an entry whose body is gone: Kind and Digest only
	Also        []string   // DIDs of the keys that signed it beside Fact.Key; Decide looks at them
	Space       *vocab.Space
	Participant *vocab.Participant
	Consent     *vocab.Consent
	Act         *vocab.Act
	Redaction   *vocab.Redaction
}

// Standing is whether a hub takes and shows what a space says.
type Standing string

// How a space can stand. On an open hub whoever has no act is admitted.
const (
	Unadmitted Standing = "unadmitted" // 未准入
	Admitted   Standing = "admitted"   // 已准入
	Rejected   Standing = "rejected"   // 不予准入: it may present another descriptor
	Suspended  Standing = "suspended"  // 已暂停: nothing is taken, nothing of it shown
)

// Key is a key that signs or signed for a space.
type Key struct {
	DID         string
	From, Until uint64    // valid for entries at From and later, before Until; Until 0: not retired
	Added       time.Time // zero: it is the one that the space is named after, valid from the beginning
	Retired     time.Time
	Compromised bool   // not valid, whatever Until says
	Since       uint64 // compromised: what it signed from this position on is void
}

// Valid reports whether the key may sign now.
func (k Key) Valid() bool { return k.Until == 0 && !k.Compromised }

// SpaceState is what is known of one space. What it points to is shared and
// must not be changed.
type SpaceState struct {
	Space        vocab.Space
	Standing     Standing
	Reason       string    // of the act that made it so
	Decided      time.Time // zero: there was no act
	Keys         []Key     // by From, then DID
	Offerings    int       // published versions that stand, expired ones and those of a suspended space included
	Participants int       // that stand, likewise
	Consents     int       // that stand, likewise
	Entries      int
	LastEntry    time.Time

	Descriptor         vocab.Digest // of the one that Space tells; zero: none
	DescriptorPosition uint64
	// Log is the origin of the log that all of this is of.
	Log string
}

// Registry is the folded state of one log. One goroutine applies; any may ask.
type Registry struct {
	mu       sync.RWMutex
	fold                              // owned by mu
	position uint64                   // entries folded
	contents map[contentKey]vocab.Key // of offerings that stand
	members  members
	expiry   int64 // no shown version expires before this; 0: none does

	// turns counts what may have changed which log is a space's home.
	turns atomic.Uint64
}

type contentKey struct {
	space   uint32
	content vocab.Digest
}

// New returns an empty registry, of a hub that admits nobody by itself.
func New() *Registry {
	r := &Registry{fold: newFold(nil), contents: map[contentKey]vocab.Key{}, members: newMembers()}
	r.watch, r.fold.recount = r.keepCount, r.countAnew
	return r
}

// Open makes it the registry of a hub that admits whoever signs. It must be
// called before anything is applied.
func (r *Registry) Open() { r.OpenUntil(math.MaxUint64) }

// Hub says whose log it is: the hub's own key is never a space's. It must be
// called before anything is applied.
func (r *Registry) Hub(did string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hub = did
}

// SetOrigin says which log it is the fold of: Version.Log. It must be called
// before anything is applied.
func (r *Registry) SetOrigin(origin string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = origin
}

// Origin is what SetOrigin said.
func (r *Registry) Origin() string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.log
}

// OpenUntil makes it the registry of a hub that admitted whoever signed until
// its log had so many entries. It must be called before anything is applied, or
// when a hub that was open is closed, with no fewer entries than were applied.
func (r *Registry) OpenUntil(entries uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.openUntil, r.expiry = entries, 1
	r.turns.Add(1)
}

// Position is the number of entries folded: the next index wanted.
func (r *Registry) Position() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.position
}

// Replace makes r what o is, at once for whoever asks r. Nothing may be asked of
// o, or applied to it, afterwards.
func (r *Registry) Replace(o *Registry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fold, r.position, r.contents, r.members, r.expiry = o.fold, o.position, o.contents, o.members, 1
	r.watch, r.fold.recount = r.keepCount, r.countAnew
	r.turns.Add(1)
}

// Skip tells that of the entries before index those that were not applied are
// not known.
func (r *Registry) Skip(index uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.position < index {
		r.position, r.next = index, index
	}
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
		r.next = r.position
	}
}

// apply folds an entry, and what it says of an organisation if it stands.
func (r *Registry) apply(e Entry) {
	r.fold.apply(e)
	switch k := e.Fact.Kind; {
	case r.arrived, k == vocab.KindSpace, k == vocab.KindAct, k == vocab.KindRedaction:
		r.turns.Add(1)
		r.arrived = false
	}
	switch {
	case e.Fact.Kind == vocab.KindAct || e.Fact.Kind == vocab.KindRedaction:
		r.expiry = 1 // what is shown may be other than it was: look anew
	case e.Participant != nil || e.Consent != nil:
		m := memberOf(e)
		if m == nil {
			return
		}
		n, _ := r.find(e.Fact.Key())
		s := r.home(n)
		m.space = s
		k := vocab.KeyOf(s.did, e.Fact.ID)
		r.members.aside[k] = append(r.members.aside[k], m)
		v := r.versions[k]
		r.members.level(s, k, v, r.others[k])
		if m := s.members[k]; m != nil {
			m.stands = r.stands(k, v)
		}
	}
}

// keepCount keeps counts, contents and members level with one version: it is
// called before it goes and after it has come.
func (r *Registry) keepCount(k vocab.Key, come bool) {
	v, ok := r.versions[k]
	if !ok {
		return
	}
	s, stands := r.home(v.signer), r.stands(k, v)
	if come {
		r.members.level(s, k, v, r.others[k])
		if m := s.members[k]; m != nil {
			m.stands = stands
		}
	}
	if !stands {
		return
	}
	by := 1
	if !come {
		by = -1
	}
	ck := contentKey{s.number, v.content}
	switch {
	case v.kind == vocab.KindParticipant:
		s.participants += by
	case v.kind == vocab.KindConsent:
		s.consents += by
	case come:
		s.offerings += by
		r.contents[ck] = k
		if v.expires != 0 && (r.expiry == 0 || v.expires < r.expiry) {
			r.expiry = v.expires
		}
	default:
		s.offerings += by
		if r.contents[ck] == k {
			delete(r.contents, ck)
		}
	}
}

// countAnew counts all of a space, when it has changed what its keys are worth.
func (r *Registry) countAnew(s *space) {
	for ck := range r.contents {
		if ck.space == s.number {
			delete(r.contents, ck)
		}
	}
	s.offerings, s.participants, s.consents = 0, 0, 0
	for k, v := range r.versions {
		if r.home(v.signer) != s {
			continue
		}
		stands := r.stands(k, v)
		if m := s.members[k]; m != nil {
			m.stands = stands
		}
		switch {
		case !stands:
		case v.kind == vocab.KindParticipant:
			s.participants++
		case v.kind == vocab.KindConsent:
			s.consents++
		default:
			s.offerings++
			r.contents[contentKey{s.number, v.content}] = k
		}
	}
}

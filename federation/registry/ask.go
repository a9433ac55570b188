package registry

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"slices"
	"sort"
	"strings"
	"time"

	"lianmu/vocab"
)

// Version returns what stands under a key.
func (r *Registry) Version(k vocab.Key) (Version, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	v, ok := r.versions[k]
	if !ok {
		return Version{}, false
	}
	return r.unpack(k, v), true
}

func (f *fold) unpack(k vocab.Key, v version) Version {
	return Version{
		Position: v.position, First: v.first, Kind: v.kind, Final: f.final(k, v), Void: f.void(v),
		Suspended: f.standingOf(f.home(v.signer)) != Admitted,
		Created:   instant(v.created), Expires: instant(v.expires), ReceivedAt: instant(v.received),
		Digest: v.digest, Content: v.content, Log: f.log,
	}
}

// PublicBefore reports whether what was published under a key before a position
// was for everybody at least once, so that what is said of it afterwards tells
// nobody of a hidden name.
func (r *Registry) PublicBefore(k vocab.Key, position uint64) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	v, ok := r.versions[k]
	at := r.publicOf(k, v)
	return ok && at > 0 && at <= position
}

// Known returns the version that stands with this content in a space, if it is
// a published one of a space that is admitted.
func (r *Registry) Known(space string, content vocab.Digest) (Version, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := r.named(space)
	if s == nil || r.standingOf(s) != Admitted {
		return Version{}, false
	}
	k, ok := r.contents[contentKey{s.number, content}]
	if !ok {
		return Version{}, false
	}
	return r.unpack(k, r.versions[k]), true
}

// Offerings yields every version of these spaces' offerings, published or not, in
// no order: those known when it begins, each as it stands when its turn comes.
// Withdrawals of participants and consents are among them.
func (r *Registry) Offerings(spaces ...string) iter.Seq2[vocab.Key, Version] {
	return func(yield func(vocab.Key, Version) bool) {
		for _, k := range r.offerings(spaces) {
			if v, ok := r.Version(k); ok && !ofOrganisation(v.Kind) && !yield(k, v) {
				return
			}
		}
	}
}

// offerings goes through all versions once, however many spaces are asked for.
func (r *Registry) offerings(spaces []string) []vocab.Key {
	r.mu.RLock()
	defer r.mu.RUnlock()
	of, n := make(map[*space]bool, len(spaces)), 0
	for _, did := range spaces {
		if s := r.named(did); s != nil {
			of[s] = true
			n += s.offerings
		}
	}
	if len(of) == 0 {
		return nil
	}
	keys := make([]vocab.Key, 0, n)
	for k, v := range r.versions {
		if !ofOrganisation(v.kind) && of[r.home(v.signer)] {
			keys = append(keys, k)
		}
	}
	return keys
}

// Expired returns the keys of shown versions whose proof has expired at now,
// unless none can have since the last call.
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
		case v.kind != vocab.KindOffering || v.expires == 0 || !r.stands(k, v) || r.standingOf(r.home(v.signer)) != Admitted:
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
	shown, _ := r.Shown(now)
	return DigestOf(shown), len(shown)
}

// Shown is what Digest is of, and the position up to which it was folded.
func (r *Registry) Shown(now time.Time) (shown map[vocab.Key]vocab.Digest, position uint64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	shown = make(map[vocab.Key]vocab.Digest, len(r.contents))
	for k, v := range r.versions {
		if v.kind == vocab.KindOffering && r.unpack(k, v).Shown(now) {
			shown[k] = v.digest
		}
	}
	return shown, r.position
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

// Space returns what is known of the space of that name.
func (r *Registry) Space(did string) (SpaceState, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := r.named(did)
	if s == nil {
		return SpaceState{}, false
	}
	return r.state(s), true
}

// Spaces returns every space that has an entry or an act, by DID.
func (r *Registry) Spaces() []SpaceState {
	r.mu.RLock()
	var out []SpaceState
	for n, k := range r.signers {
		if k.home.number == uint32(n) {
			out = append(out, r.state(k.home))
		}
	}
	r.mu.RUnlock()
	slices.SortFunc(out, func(a, b SpaceState) int { return strings.Compare(a.Space.DID, b.Space.DID) })
	return out
}

// named returns the space of a name; nil where there is none.
func (f *fold) named(did string) *space {
	n, ok := f.find(did)
	if !ok {
		return nil
	}
	if s := f.home(n); s.did == did {
		return s
	}
	return nil
}

func (r *Registry) state(s *space) SpaceState {
	st := SpaceState{
		Space: vocab.Space{DID: s.did}, Standing: r.standingOf(s), Reason: s.reason, Decided: instant(s.decided),
		Log: r.log, Offerings: s.offerings, Participants: s.participants, Consents: s.consents, Entries: s.entries, LastEntry: instant(s.last),
		Keys: make([]Key, 0, len(s.ring.keys)),
	}
	if s.ring.text >= 0 {
		d := s.ring.events[s.ring.text]
		st.Space, st.Descriptor, st.DescriptorPosition = *d.text, d.digest, d.position
	}
	for _, k := range s.ring.keys {
		st.Keys = append(st.Keys, Key{
			DID: r.signer(k.key).did, From: k.from, Until: k.until, Added: instant(k.added), Retired: instant(k.retired),
			Compromised: k.stolen, Since: k.since,
		})
	}
	slices.SortFunc(st.Keys, func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.From, b.From), strings.Compare(a.DID, b.DID))
	})
	return st
}

// SpaceOf returns the name of the space that a key is or was of; the key itself
// where it is none's.
func (r *Registry) SpaceOf(signer string) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.spaceOf(signer)
}

func (f *fold) spaceOf(signer string) string {
	if n, ok := f.find(signer); ok {
		return f.home(n).did
	}
	return signer
}

// SignedSince returns the positions, ascending, of what would be void if a key
// were stolen from a position on: of versions, deregistrations and descriptors
// that it signed, and of those that keys signed which would be a thief's with it,
// because it had added them. Versions that were overtaken are among them as far
// as they are remembered.
func (r *Registry) SignedSince(key string, from uint64) []uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n, ok := r.find(key)
	if !ok {
		return nil
	}
	ring := r.home(n).ring.clone()
	ring.thefts = append(ring.thefts, theft{n, from})
	ring.refold()
	var at []uint64
	look := func(signer uint32, position uint64, m mark) {
		if m&(hubs|redacted) == 0 && ring.void(signer, position) && !r.stolen(signer, position) {
			at = append(at, position)
		}
	}
	for _, v := range r.versions {
		look(v.signer, v.position, v.marks)
	}
	for _, all := range r.others {
		for _, v := range all {
			look(v.signer, v.position, v.marks)
		}
	}
	for _, list := range r.endings {
		for _, e := range list {
			if !e.hubs {
				look(e.signer, e.position, 0)
			}
		}
	}
	for _, e := range ring.events {
		if !e.hub {
			look(e.signer, e.position, e.marks)
		}
	}
	slices.Sort(at)
	return slices.Compact(at)
}

package registry

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"lianmu/vocab"
)

// story is a hub that takes submissions one after another, and keeps its log.
type story struct {
	t     testing.TB
	r     *Registry
	log   []Entry
	clock time.Time
	n     int // makes documents differ
}

func newStory(t testing.TB, open bool) *story {
	s := &story{t: t, r: New(), clock: day0}
	if open {
		s.r.Open()
	}
	return s
}

// did is a space's name or key in a story: "A" is did:key:zA.
func did(name string) string { return "did:key:z" + name }

func dids(names ...string) []string {
	for i, n := range names {
		names[i] = did(n)
	}
	return names
}

// doc is a document of a kind, signed by a key, created some hours after day0.
func (s *story) doc(kind vocab.EntryKind, key, id string, hour int) Entry {
	s.n++
	return Entry{Fact: vocab.Fact{
		Kind: kind, Space: did(key), ID: id, Created: day0.Add(time.Duration(hour) * time.Hour),
		Digest: vocab.DigestOf(fmt.Append(nil, s.n)), Content: vocab.DigestOf(fmt.Append(nil, "content", s.n)),
	}}
}

func (s *story) offering(key, id string, hour int) Entry { return s.doc(offer, key, id, hour) }

// descriptor is one of space name, signed by key, that lists keys.
func (s *story) descriptor(key, name string, hour int, keys ...string) Entry {
	e := s.doc(vocab.KindSpace, key, did(name), hour)
	e.Space = &vocab.Space{Name: vocab.Text{"zh": fmt.Sprint(key, hour)}, Keys: dids(keys...)}
	e.Also = e.Space.Keys
	return e
}

func (s *story) participant(key, id, code string, hour int) Entry {
	e := s.doc(vocab.KindParticipant, key, id, hour)
	e.Participant = &vocab.Participant{ID: id, Code: code, DID: did("P" + code)}
	return e
}

// consent is one of an organisation, with its own key, for the product P<code>
// and space B.
func (s *story) consent(key, id, code string, hour int) Entry {
	e := s.doc(vocab.KindConsent, key, id, hour)
	e.Consent = &vocab.Consent{ID: id, Holder: code, DID: did("P" + code), Products: []string{"P" + code}, Spaces: dids("B")}
	e.Also = []string{e.Consent.DID}
	return e
}

func (s *story) act(a vocab.Act) Entry {
	e := s.doc(vocab.KindAct, "hub", "urn:uuid:1", 0)
	e.Fact.Created = s.clock
	e.Act = &a
	return e
}

// withholding is the act that goes along with an entry that hides what was public.
func (s *story) withholding(e Entry) Entry {
	return s.act(vocab.Act{Verb: vocab.Withholding, Space: e.Fact.Space, Offerings: []string{e.Fact.ID}, From: e.Index, Created: e.Fact.Created, Key: e.Fact.Key()})
}

// redaction is one of an entry of the log, as the hub makes it.
func (s *story) redaction(index uint64) Entry {
	d, ok := s.r.Remains(index, s.log[index].Fact)
	if !ok {
		s.t.Fatalf("entry %d cannot be redacted", index)
	}
	e := s.doc(vocab.KindRedaction, "hub", "urn:uuid:2", 0)
	d.Ground, d.Barred = vocab.GroundRetention, false
	e.Redaction = &d
	return e
}

// put submits documents together and returns what was decided.
func (s *story) put(es ...Entry) []Decision {
	b := s.r.Begin()
	first := s.r.Position()
	var ds []Decision
	for _, e := range es {
		d := b.Decide(e)
		if d.Logged() {
			e.Index, e.Fact = first+uint64(b.Len()-1), d.Fact
			s.log = append(s.log, e)
		}
		if d.Withholds {
			act := s.withholding(e)
			if a := b.Decide(act); !a.Logged() {
				s.t.Fatalf("what is hidden cannot be said: %+v", a)
			}
			act.Index = e.Index + 1
			s.log = append(s.log, act)
		}
		ds = append(ds, d)
	}
	s.clock = s.clock.Add(time.Minute)
	for i := first; i < uint64(len(s.log)); i++ {
		s.log[i].ReceivedAt = s.clock
	}
	b.Commit(first, s.clock)
	if int(s.r.Position()) != len(s.log) {
		s.t.Fatalf("%d entries folded, %d in the log", s.r.Position(), len(s.log))
	}
	return ds
}

// is submits documents, each by itself, and wants an outcome of each: a status
// or the code of a problem.
func (s *story) is(want string, es ...Entry) {
	s.t.Helper()
	for _, e := range es {
		if got := outcome(s.put(e)[0]); got != want {
			s.t.Errorf("%s %s by %s: %s, want %s", e.Fact.Kind, e.Fact.ID, e.Fact.Key(), got, want)
		}
	}
}

func outcome(d Decision) string {
	switch {
	case len(d.Denied) > 0:
		return d.Denied[0].Code
	case d.Unknown:
		return "unknown"
	case d.Final:
		return "final"
	}
	return string(d.Status)
}

// shown are the ids among those given that space A shows, in one word.
func (s *story) shown(ids ...string) (got string) {
	for _, id := range ids {
		if v, ok := s.r.Version(vocab.KeyOf(did("A"), id)); ok && v.Shown(s.clock) {
			got += id
		}
	}
	return got
}

func (s *story) shows(want string, ids ...string) {
	s.t.Helper()
	if got := s.shown(ids...); got != want {
		s.t.Errorf("%q is shown, want %q", got, want)
	}
}

// valid are the keys of space A that may sign.
func (s *story) valid() (got string) {
	st, _ := s.r.Space(did("A"))
	for _, k := range st.Keys {
		if k.Valid() {
			got += k.DID[len("did:key:z"):]
		}
	}
	return got
}

func (s *story) keys(want string) {
	s.t.Helper()
	if got := s.valid(); got != want {
		s.t.Errorf("keys %q are valid, want %q", got, want)
	}
}

// restarted is the registry of the story's first n entries after a restart: of
// those that were redacted, kind and digest are left, and of descriptors what
// the redaction says of them.
func (s *story) restarted(n int, open bool) *Registry {
	r := New()
	if open {
		r.Open()
	}
	log := slices.Clone(s.log[:n])
	for _, e := range log {
		if d := e.Redaction; d != nil {
			gone := &log[d.Index]
			*gone = Entry{Index: gone.Index, ReceivedAt: gone.ReceivedAt, Fact: vocab.Fact{Kind: gone.Fact.Kind, Digest: gone.Fact.Digest}}
			if gone.Fact.Kind == vocab.KindSpace {
				gone.Fact.Space, gone.Fact.Signer, gone.Fact.ID, gone.Fact.Created = d.Space, d.Signer, d.Space, d.Created
				gone.Space = &vocab.Space{Keys: d.Keys, Audience: d.Audience, Hub: d.Hub}
			}
		}
	}
	r.Apply(log...)
	return r
}

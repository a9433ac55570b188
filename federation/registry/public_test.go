package registry

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lianmu/vocab"
)

// said gives an offering or participant an audience of its own.
func said(e Entry, a vocab.Audience) Entry {
	e.Fact.Audience = a
	return e
}

// peer is the registry of a hub that may read what is public in the story's log.
// What is not has left its leaf record.
func (s *story) peer(open bool) *Registry {
	r := New()
	if open {
		r.Open()
	}
	for _, e := range s.log {
		hidden := false
		before := func(space string, ids ...string) bool {
			return !slices.ContainsFunc(ids, func(id string) bool { return !s.r.PublicBefore(vocab.KeyOf(space, id), e.Index) })
		}
		switch k := e.Fact.Kind; {
		case says(k):
			hidden = !s.r.PublicBefore(vocab.KeyOf(e.Fact.Space, e.Fact.ID), e.Index+1) || !s.public(e)
		case k == down || k == dereg:
			hidden = !before(e.Fact.Space, e.Fact.ID)
		case e.Act != nil && e.Act.Verb == vocab.Removal:
			hidden = !before(e.Act.Space, e.Act.Offerings...)
		}
		if hidden {
			e = Entry{Index: e.Index, ReceivedAt: e.ReceivedAt, Fact: vocab.Fact{Kind: e.Fact.Kind, Digest: e.Fact.Digest}}
		}
		r.Apply(e)
	}
	return r
}

// public tells whether everybody could see an entry when it came: by a replay of
// the log up to it.
func (s *story) public(e Entry) bool {
	r := New()
	r.openUntil = s.r.openUntil
	r.Apply(s.log[:e.Index]...)
	sp := r.named(e.Fact.Space)
	if sp == nil {
		sp = &space{ring: newRing(0)}
	}
	return r.seen(sp, e)
}

// Whatever is published, hidden, withdrawn and taken back, by whichever keys:
// another hub that reads only what is public shows exactly what of it everybody
// can see at the origin, and never an older version.
func TestWhoReadsThePublicShowsThePublic(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		open := rapid.IntRange(0, 3).Draw(rt, "open") > 0
		s := newStory(t, open)
		for range rapid.IntRange(1, 14).Draw(rt, "batches") {
			var es []Entry
			first := len(s.log)
			for range rapid.IntRange(1, 4).Draw(rt, "size") {
				es = append(es, s.draw(rt, first))
			}
			s.put(es...)
		}
		peer := s.peer(open)
		for k, v := range s.r.versions {
			want := s.r.stands(k, v) && v.marks&public != 0
			there, ok := peer.versions[k]
			got := ok && peer.stands(k, there)
			if got && !want && slices.ContainsFunc(s.r.all(k), func(v version) bool { return !says(v.kind) && s.r.lost(v) }) {
				continue // a thief had withdrawn it, so what the space hid afterwards was told to nobody
			}
			if got != want || want && there.digest != v.digest {
				rt.Fatalf("entry %d (%s, public: %v) stands: %v; to a peer entry %d stands: %v", v.position, v.kind, v.marks&public != 0, s.r.stands(k, v), there.position, got)
			}
		}
		for k, v := range peer.versions {
			if _, ok := s.r.versions[k]; !ok {
				rt.Fatalf("a peer has a version of entry %d that is not in the log", v.position)
			}
		}
	})
}

func TestWithholding(t *testing.T) {
	for _, open := range []bool{true, false} {
		s := newStory(t, open)
		s.is("accepted", s.act(vocab.Act{Verb: vocab.Admission, Space: did("A")}))
		s.is("accepted",
			said(s.offering("A", "a", 1), vocab.AudiencePublic),     // 1
			said(s.offering("A", "a", 2), vocab.AudienceSpace),      // 2, and 3 says so
			said(s.offering("A", "a", 3), vocab.AudienceRecognised), // 4, and 5 says so: the one before may prove a thief's
			said(s.offering("A", "b", 1), vocab.AudienceSpace),      // 6: never public
			said(s.offering("A", "b", 2), vocab.AudiencePublic),     // 7
			s.doc(down, "A", "b", 3),                                // 8: for everybody
			said(s.offering("A", "b", 4), vocab.AudienceSpace),      // 9: nothing public stands
			s.offering("A", "c", 1),                                 // 10: as the hub has it
		)
		if len(s.log) != 11 || s.log[3].Act == nil || s.log[3].Act.From != 2 || s.log[5].Act == nil || s.log[5].Act.From != 4 {
			t.Fatalf("open %v: the log has %d entries", open, len(s.log))
		}
		peer := s.peer(open)
		for id, want := range map[string]struct {
			position uint64
			kind     vocab.EntryKind
			public   uint64 // position of the first; 99: none
		}{"a": {4, down, 1}, "b": {8, down, 7}} {
			k := vocab.KeyOf(did("A"), id)
			v, _ := peer.Version(k)
			if v.Position != want.position || v.Kind != want.kind || v.Published() {
				t.Errorf("open %v: to a peer %s is %+v", open, id, v)
			}
			if !s.r.PublicBefore(k, want.public+1) || s.r.PublicBefore(k, want.public) {
				t.Errorf("open %v: %s was not public at %d first", open, id, want.public)
			}
		}
		if v, _ := s.r.Version(vocab.KeyOf(did("A"), "a")); v.Position != 4 || !v.Published() {
			t.Errorf("at its own hub a is %+v", v)
		}
		if got := s.r.PublicBefore(vocab.KeyOf(did("A"), "c"), 11); got != open {
			t.Errorf("open %v: c was public: %v", open, got)
		}
		// A hidden entry that comes late takes the place that was kept for it.
		peer.fold.apply(s.log[4])
		if v, _ := peer.Version(vocab.KeyOf(did("A"), "a")); v.Position != 4 || !v.Published() {
			t.Errorf("late: %+v", v)
		}
	}
	s := newStory(t, true)
	for _, a := range []vocab.Act{{Offerings: []string{"a", "b"}, Created: day0}, {Offerings: []string{"a"}}, {Created: day0}} {
		a.Verb, a.Space = vocab.Withholding, did("A")
		s.is("act.incomplete", s.act(a))
	}
}

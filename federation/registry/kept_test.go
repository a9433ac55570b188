package registry

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lianmu/vocab"
)

// state is what is known of a space in a story.
func (s *story) state(name string) SpaceState {
	st, _ := s.r.Space(did(name))
	return st
}

func (s *story) theft(key string, from uint64) Entry {
	return s.act(vocab.Act{Verb: vocab.KeyCompromise, Space: did("A"), Key: did(key), From: from})
}

// What was good before a theft stands again, with all that was known of it.
func TestTheftGivesBackWhatWasGood(t *testing.T) {
	s := newStory(t, true)
	p := s.participant("A", "p", "1", 0)
	s.is("accepted",
		s.offering("A", "a", 0), p, // 0, 1
		s.offering("A", "b", 0), s.doc(down, "A", "b", 1), // 3: withdrawn by the space itself
		s.offering("A", "c", 0),                            // 4
		s.offering("A", "a", 2),                            // 5: from here on it is the thief, with the space's only key
		s.participant("A", "p", "9", 2),                    // 6
		s.offering("A", "b", 2),                            // 7
		s.doc(dereg, "A", "c", 2),                          // 8
		s.descriptor("A", "A", 2, "A", "T"),                // 9
		s.offering("T", "a", 3), s.doc(dereg, "T", "a", 4)) // 11
	if got := s.r.SignedSince(did("A"), 5); !slices.Equal(got, []uint64{5, 6, 7, 8, 9, 10, 11}) {
		t.Errorf("%v would be void", got)
	}
	s.is("accepted", s.theft("A", 5))
	s.shows("ac", "a", "b", "c")
	for id, want := range map[string]Version{
		"a": {Position: 0, First: 0, Kind: offer}, "b": {Position: 3, First: 2, Kind: down}, "c": {Position: 4, First: 4, Kind: offer},
	} {
		if v, _ := s.r.Version(vocab.KeyOf(did("A"), id)); v.Position != want.Position || v.First != want.First || v.Kind != want.Kind || v.Void || v.Final {
			t.Errorf("of %s there stands %+v", id, v)
		}
	}
	if got := s.r.ParticipantsOf(did("A")); len(got) != 1 || got[0].Code != "1" {
		t.Errorf("participants %+v", got)
	}
	if n := len(s.r.SpacesOfOrganisation("9", s.clock)); n != 0 {
		t.Errorf("what the thief said counts in %d spaces", n)
	}
	if v, ok := s.r.Known(did("A"), s.log[0].Fact.Content); !ok || v.Position != 0 {
		t.Errorf("by its content: %+v", v)
	}
	if st := s.state("A"); st.Offerings != 2 || st.Participants != 1 {
		t.Errorf("%d offerings, %d participants", st.Offerings, st.Participants)
	}
	same(t, "restarted", snapshot(s.r), snapshot(s.restarted(len(s.log), true)))

	// What the space withdrew does not come back by a late copy, nor what it had
	// before; what it publishes anew counts, also where its time is before the thief's.
	s.is("accepted", s.act(vocab.Act{Verb: vocab.KeyReplacement, Space: did("A"), Keys: dids("N")}))
	late := s.offering("N", "b", 0)
	late.Fact.Content = s.log[2].Fact.Content
	s.is("superseded", late, s.offering("N", "a", -1))
	s.is("accepted", s.offering("N", "a", 1))
	s.shows("ac", "a", "b", "c")
	if v, _ := s.r.Version(vocab.KeyOf(did("A"), "a")); v.First != 0 || v.Created.Hour() != day0.Hour()+1 {
		t.Errorf("%+v", v)
	}
}

// A thief who overtakes a name more often than versions are remembered leaves it
// empty, never with something older than what was known to be good; the space
// publishes anew.
func TestTheftBeyondWhatIsKept(t *testing.T) {
	for n := range 2 * kept {
		s := newStory(t, true)
		s.is("accepted", s.offering("A", "a", 0), s.doc(down, "A", "a", 1), s.offering("A", "a", 2), s.descriptor("A", "A", 0, "A", "B"))
		for i := range n {
			s.is("accepted", s.offering("B", "a", 3+i))
		}
		s.is("accepted", s.theft("B", 4))
		v, _ := s.r.Version(vocab.KeyOf(did("A"), "a"))
		if good := n <= kept; v.Void == good || good && v.Position != 2 {
			t.Errorf("overtaken %d times: %+v", n, v)
		}
		same(t, "restarted", snapshot(s.r), snapshot(s.restarted(len(s.log), true)))
		s.is("superseded", s.offering("A", "a", 0))
		s.is("accepted", s.offering("A", "a", 20))
		s.shows("a", "a")
	}
}

// What is redacted while it does not stand keeps its place when the version that
// overtook it goes.
func TestRedactedUnderATheft(t *testing.T) {
	s := newStory(t, true)
	s.is("accepted", s.descriptor("A", "A", 0, "A", "B"), s.participant("A", "p", "1", 0), s.participant("A", "p", "2", 1), s.participant("B", "p", "3", 2))
	s.is("accepted", s.redaction(2))
	s.is("accepted", s.theft("B", 3))
	if got := s.r.ParticipantsOf(did("A")); len(got) != 0 {
		t.Errorf("%+v stands", got)
	}
	if v, _ := s.r.Version(vocab.KeyOf(did("A"), "p")); v.Position != 2 || !v.Void {
		t.Errorf("%+v", v)
	}
	for _, m := range s.r.members.aside[vocab.KeyOf(did("A"), "p")] {
		if m.Code == "2" {
			t.Error("what was redacted is still in memory")
		}
	}
	same(t, "restarted", snapshot(s.r), snapshot(s.restarted(len(s.log), true)))
}

// Whatever comes in whatever order, and whenever the theft is declared, the same
// stands: the latest that is no thief's, where it is remembered.
func TestTheftCommutes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 9).Draw(rt, "entries")
		log := make([]Entry, n)
		s := newStory(t, true)
		for i := range log {
			key := rapid.SampledFrom([]string{"A", "B"}).Draw(rt, "key")
			kind := rapid.SampledFrom([]vocab.EntryKind{offer, offer, down}).Draw(rt, "kind")
			log[i] = s.doc(kind, key, "a", rapid.IntRange(0, 6).Draw(rt, "hour"))
			log[i].Fact.Space, log[i].Index = did("A"), uint64(1+i)
			if key != "A" {
				log[i].Fact.Signer = did(key)
			}
		}
		from := uint64(rapid.IntRange(1, n+1).Draw(rt, "from"))
		folded := func(order []int, when int) version {
			f := newFold(nil)
			f.openUntil = ^uint64(0)
			d := s.descriptor("A", "A", 0, "A", "B")
			f.apply(d)
			for i, at := range append(order, -1) {
				if i == when {
					e := s.theft("B", from)
					e.Index = uint64(n + 1)
					f.apply(e)
				}
				if at >= 0 {
					f.apply(log[at])
				}
			}
			v, _ := f.version(vocab.KeyOf(did("A"), "a"))
			return v
		}
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		want := folded(order, n)
		got := folded(rapid.Permutation(order).Draw(rt, "order"), rapid.IntRange(0, n).Draw(rt, "when"))
		if got != want {
			rt.Fatalf("%+v, want %+v", got, want)
		}
		// By hand: the latest few, and the first of them that is no thief's.
		sorted := slices.SortedFunc(slices.Values(log), func(a, b Entry) int {
			if later(pack(a, 0), pack(b, 0)) {
				return -1
			}
			return 1
		})
		sorted = sorted[:min(n, kept+1)]
		best := max(0, slices.IndexFunc(sorted, func(e Entry) bool { return e.Fact.Signer == "" || e.Index < from }))
		if want.position != sorted[best].Index {
			rt.Fatalf("entry %d stands, by hand %d", want.position, sorted[best].Index)
		}
	})
}

// Another hub, which never sees what a thief hid, shows again what that had
// taken from everybody, unless the space has hidden it too.
func TestTheftGivesBackWhatWasPublic(t *testing.T) {
	for _, hides := range []bool{false, true} {
		s := newStory(t, true)
		s.is("accepted", s.descriptor("A", "A", 0, "A", "B"), said(s.offering("A", "a", 1), vocab.AudiencePublic))
		from := uint64(len(s.log))
		s.is("accepted", said(s.offering("B", "a", 2), vocab.AudienceSpace))
		if hides {
			s.is("accepted", said(s.offering("A", "a", 3), vocab.AudienceSpace))
		}
		k := vocab.KeyOf(did("A"), "a")
		if v, _ := s.peer(true).Version(k); v.Published() {
			t.Errorf("hidden by the space too: %v: %+v is shown before the theft is known", hides, v)
		}
		s.is("accepted", s.theft("B", from))
		if v, _ := s.peer(true).Version(k); v.Published() == hides || !hides && v.Position != 1 {
			t.Errorf("hidden by the space too: %v: to a peer it is %+v", hides, v)
		}
	}
}

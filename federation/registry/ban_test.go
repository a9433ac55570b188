package registry

import (
	"testing"

	"lianmu/vocab"
)

// redactionOn is a redaction with a ground, as intake gets it.
func (s *story) redactionOn(index uint64, ground string) Entry {
	e := s.redaction(index)
	d, _ := s.r.Remains(index, s.log[index].Fact)
	d.Ground, d.Barred = ground, d.Barred && ground != vocab.GroundRetention
	e.Redaction = &d
	return e
}

// alike is what differs by its signature alone.
func (s *story) alike(e Entry, key, id string, hour int) Entry {
	n := s.doc(e.Fact.Kind, key, id, hour)
	n.Fact.Content, n.Participant = e.Fact.Content, e.Participant
	return n
}

func TestNothingUnderTheNameOfWhatWasRedacted(t *testing.T) {
	for _, ground := range []string{"authority", "personal", "classified"} {
		s := newStory(t, true)
		a := s.offering("A", "a", 1)
		s.is("accepted", s.offering("A", "x", 0), a, s.offering("A", "b", 1), s.offering("B", "a", 1))
		s.is("accepted", s.redactionOn(1, ground))
		check := func(want string) {
			t.Helper()
			s.is(want, s.offering("A", "a", 2), s.participant("A", "a", "1", 2))
		}
		check("name.banned")                                                                              // with another context, another form of a code, a member more
		s.is("entry.redacted", s.alike(a, "A", "b", 3), s.alike(a, "B", "a", 3), s.alike(a, "C", "c", 3)) // whoever publishes it
		s.is("accepted", s.offering("B", "a", 2), s.offering("A", "b", 2))                                // another space's name, and other names
		s.is("accepted", s.doc(down, "A", "a", 4))                                                        // what is gone may be said to be gone
		check("superseded")                                                                               // older than that; newer:
		s.is("name.banned", s.offering("A", "a", 5))

		s.is("release.none", s.act(vocab.Act{Verb: vocab.Release, Space: did("A"), From: 0}), s.act(vocab.Act{Verb: vocab.Release, Space: did("B"), From: 1}))
		s.is("accepted", s.act(vocab.Act{Verb: vocab.Release, Space: did("A"), From: 1}))
		s.is("release.done", s.act(vocab.Act{Verb: vocab.Release, Space: did("A"), From: 1}))
		s.is("entry.redacted", s.alike(a, "A", "a", 6)) // the very same never
		again := uint64(len(s.log))
		s.is("accepted", s.offering("A", "a", 6))
		s.shows("a", "a")
		same(t, "restarted", snapshot(s.r), snapshot(s.restarted(len(s.log), true)))

		s.is("accepted", s.redactionOn(again, ground)) // and once more
		s.is("name.banned", s.offering("A", "a", 7))
		r := s.restarted(len(s.log), true)
		if got := outcome(r.Begin().Decide(s.offering("A", "a", 7))); got != "name.banned" {
			t.Errorf("restarted: %s", got)
		}
	}
}

// What was kept long enough has nothing against it, and what the space had put
// right before is left alone.
func TestNamesThatAreNotBanned(t *testing.T) {
	s := newStory(t, true)
	a, b := s.offering("A", "a", 1), s.offering("A", "b", 1)
	s.is("accepted", a, b, s.offering("A", "b", 2))
	s.is("accepted", s.redactionOn(0, vocab.GroundRetention), s.redactionOn(1, "personal"))
	s.is("accepted", s.offering("A", "a", 2), s.offering("A", "b", 3), s.alike(a, "B", "a", 1))
	s.is("entry.redacted", s.alike(b, "A", "b", 4), s.alike(b, "B", "b", 4))
}

// A hub that redacted something does not show it from another hub's log either,
// whatever is signed under its name there.
func TestRedactedNameInAnotherLog(t *testing.T) {
	own, other := newStory(t, true), newStory(t, true)
	own.r.SetOrigin("own")
	for _, s := range []*story{own, other} {
		s.is("accepted", s.offering("A", "a", 1))
	}
	u := NewUnion(own.r)
	u.Add("other", did("hub2"), other.r)
	own.is("accepted", own.redactionOn(0, "authority"))
	other.is("accepted", other.offering("A", "a", 2))
	k := vocab.KeyOf(did("A"), "a")
	if v, ok := u.Version(k); !ok || v.Shown(own.clock) {
		t.Errorf("%+v", v)
	}
	own.is("accepted", own.act(vocab.Act{Verb: vocab.Release, Space: did("A"), From: 0}))
	if v, ok := u.Version(k); !ok || !v.Shown(own.clock) {
		t.Errorf("lifted: %+v", v)
	}
}

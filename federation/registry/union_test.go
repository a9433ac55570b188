package registry

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lianmu/vocab"
)

// hubStory is the story of a hub of its own name: its log is "log/<name>".
func hubStory(t testing.TB, name string, open bool) *story {
	s := newStory(t, open)
	s.r.Hub(did(name))
	s.r.SetOrigin("log/" + name)
	return s
}

// union is what the first of the stories' hubs sees.
func union(own *story, others ...*story) *Union {
	u := NewUnion(own.r)
	for _, s := range others {
		u.Add(s.r.Origin(), s.r.hub, s.r)
	}
	return u
}

// at is a descriptor that names a home hub, "" for none.
func (s *story) at(home string, e Entry) Entry {
	text := *e.Space
	if home != "" {
		text.Hub = did(home)
	}
	e.Space = &text
	return e
}

// copied is another hub's entry as it is submitted here too.
func copied(e Entry) Entry {
	e.Index, e.ReceivedAt, e.Fact.Space, e.Fact.Signer = 0, time.Time{}, e.Fact.Key(), ""
	return e
}

// standsIn tells what a union has under names of space A: of each that is shown
// its log, of the others a word.
func standsIn(u *Union, now time.Time, ids ...string) (got string) {
	for _, id := range ids {
		v, ok := u.Version(vocab.KeyOf(did("A"), id))
		word := "?"
		switch {
		case !ok:
		case v.Shown(now):
			word = v.Log[len("log/"):]
		case v.Final:
			word = "final"
		case v.Suspended:
			word = "hidden"
		case v.Void:
			word = "void"
		case v.Kind == down:
			word = "down"
		}
		got += id + ":" + word + " "
	}
	return got
}

// Each case is a story of two or three hubs; want is what hub X, which mirrors
// the others, has of space A in the end.
func TestUnion(t *testing.T) {
	day := 24
	for name, tc := range map[string]struct {
		tell      func(x, h, m *story)
		want      string
		home      string // of space A, to X
		conflicts int
	}{
		"a foreign space at home elsewhere": {func(x, h, m *story) {
			h.put(h.at("H", h.descriptor("A", "A", 0)), h.offering("A", "a", 1))
		}, "a:H ", "H", 0},
		"what another log has of it does not count": {func(x, h, m *story) {
			h.put(h.at("H", h.descriptor("A", "A", 0)), h.offering("A", "a", 1))
			m.put(m.descriptor("A", "A", 0), m.offering("A", "a", 2), m.offering("A", "b", 2))
		}, "a:H b:hidden ", "H", 0},
		"but what it takes down there does": {func(x, h, m *story) {
			h.put(h.at("H", h.descriptor("A", "A", 0)), h.offering("A", "a", 1), h.offering("A", "b", 1), h.offering("A", "c", 5))
			m.put(m.offering("A", "a", 2), m.offering("A", "b", 2), m.offering("A", "c", 2))
			m.put(m.doc(down, "A", "a", 3), m.doc(dereg, "A", "b", 3), m.doc(down, "A", "c", 3))
		}, "a:down b:final c:H ", "H", 0},
		"also where the newer version is hidden there": {func(x, h, m *story) {
			h.put(h.at("H", h.descriptor("A", "A", 0)), h.offering("A", "a", 1))
			m.put(m.offering("A", "a", 2))
			m.put(m.doc(down, "A", "a", 3))
			m.put(m.offering("A", "a", 4))
		}, "a:down ", "H", 0},
		"not with a key that is not the space's at home": {func(x, h, m *story) {
			h.put(h.at("H", h.descriptor("A", "A", 0)), h.offering("A", "a", 1))
			m.put(m.offering("A", "a", 1), m.descriptor("A", "A", 0, "A", "K"))
			m.put(m.doc(dereg, "K", "a", 3), m.act(vocab.Act{Verb: vocab.Removal, Space: did("A"), Offerings: []string{"a"}}))
		}, "a:H ", "H", 0},
		"nor with one that was retired there since": {func(x, h, m *story) {
			h.put(h.at("H", h.descriptor("A", "A", 0, "A", "K")), h.offering("A", "a", 1), h.offering("A", "b", 1))
			m.put(m.offering("A", "a", 1), m.offering("A", "b", 1))
			m.put(m.doc(down, "A", "a", 3))
			h.clock = m.clock
			h.put(h.at("H", h.descriptor("K", "A", 1, "K")))
			m.clock = h.clock.Add(time.Hour)
			m.put(m.doc(down, "A", "b", 3))
		}, "a:H b:H ", "H", 0},
		"nor where a hub says that it came before that": {func(x, h, m *story) {
			h.put(h.at("H", h.descriptor("A", "A", 0, "A", "K")), h.offering("A", "a", 1), h.offering("A", "b", 1))
			h.put(h.at("H", h.descriptor("K", "A", 2, "K")))
			m.clock = day0.AddDate(-1, 0, 0)
			m.put(m.offering("A", "a", 1), m.offering("A", "b", 1))
			m.put(m.doc(down, "A", "a", 3), m.doc(dereg, "A", "b", 3))
		}, "a:H b:H ", "H", 0},
		"but with one that it lists again": {func(x, h, m *story) {
			h.put(h.at("H", h.descriptor("A", "A", 0, "A", "K")), h.offering("A", "a", 1), h.offering("A", "b", 1))
			h.put(h.at("H", h.descriptor("K", "A", 2, "K")))
			m.put(m.offering("A", "a", 1), m.offering("A", "b", 1))
			m.put(m.doc(down, "A", "a", 3), m.doc(dereg, "A", "b", 3))
			h.put(h.at("H", h.descriptor("K", "A", 4, "A", "K")))
		}, "a:down b:final ", "H", 0},
		"suspended at home": {func(x, h, m *story) {
			h.put(h.at("H", h.descriptor("A", "A", 0)), h.offering("A", "a", 1))
			h.put(h.act(vocab.Act{Verb: vocab.Suspension, Space: did("A")}))
			m.put(m.offering("A", "a", 2), m.act(vocab.Act{Verb: vocab.Admission, Space: did("A")}))
		}, "a:hidden ", "H", 0},
		"moved: the later descriptor": {func(x, h, m *story) {
			h.put(h.at("H", h.descriptor("A", "A", 0)), h.offering("A", "a", 1))
			m.put(m.at("M", m.descriptor("A", "A", day)), m.offering("A", "b", 1))
		}, "a:hidden b:M ", "M", 0},
		"moved, and told both": {func(x, h, m *story) {
			h.put(h.at("H", h.descriptor("A", "A", 0)), h.offering("A", "a", 1))
			m.put(m.at("M", m.descriptor("A", "A", day)), m.offering("A", "b", 1))
			h.put(h.at("M", h.descriptor("A", "A", 2*day)))
		}, "a:hidden b:M ", "M", 0},
		"moved to a hub that is not known": {func(x, h, m *story) {
			h.put(h.at("H", h.descriptor("A", "A", 0)), h.offering("A", "a", 1))
			h.put(h.at("Z", h.descriptor("A", "A", 1)))
		}, "a:hidden ", "", 0},
		"two of one time": {func(x, h, m *story) {
			h.put(h.at("H", h.descriptor("A", "A", 1)), h.offering("A", "a", 1))
			m.put(m.at("M", m.descriptor("A", "A", 1)), m.offering("A", "b", 1))
		}, "a:hidden b:hidden ", "", 1},
		"two, and the own log keeps its own": {func(x, h, m *story) {
			x.put(x.at("X", x.descriptor("A", "A", 1)), x.offering("A", "a", 1))
			m.put(m.at("M", m.descriptor("A", "A", 1)), m.offering("A", "a", 2), m.offering("A", "b", 1))
		}, "a:X b:hidden ", "", 1},
		"a thief goes elsewhere, and home knows": {func(x, h, m *story) {
			h.put(h.at("H", h.descriptor("A", "A", 0, "A", "K")), h.offering("A", "a", 1))
			h.put(h.act(vocab.Act{Verb: vocab.KeyCompromise, Space: did("A"), Key: did("A"), From: 2}))
			h.put(h.at("H", h.descriptor("K", "A", 1, "K")))
			m.put(m.at("M", m.descriptor("A", "A", 9*day)), m.offering("A", "b", 1))
		}, "a:H b:hidden ", "H", 0},
		"a thief goes elsewhere, and all that the key signed at home is void": {func(x, h, m *story) {
			h.put(h.at("H", h.descriptor("A", "A", 0)), h.offering("A", "a", 1))
			h.put(h.act(vocab.Act{Verb: vocab.KeyCompromise, Space: did("A"), Key: did("A")}))
			m.put(m.at("M", m.descriptor("A", "A", 9*day)), m.offering("A", "b", 1))
		}, "a:void b:hidden ", "H", 0},
		"its descriptor was redacted at home": {func(x, h, m *story) {
			h.put(h.at("H", h.descriptor("A", "A", 0)), h.offering("A", "a", 1))
			h.put(h.redaction(0))
			m.put(m.offering("A", "a", 2))
		}, "a:H ", "H", 0},
		"keys that a hub gave make it no home": {func(x, h, m *story) {
			h.put(h.at("H", h.descriptor("A", "A", 0)), h.offering("A", "a", 1))
			m.put(m.act(vocab.Act{Verb: vocab.KeyReplacement, Space: did("A"), Keys: dids("K")}))
			m.put(m.at("M", m.descriptor("K", "A", 9*day, "K")), m.offering("K", "a", 99), m.offering("K", "b", 99))
		}, "a:H b:hidden ", "H", 0},
		"keys that its home gave do": {func(x, h, m *story) {
			h.put(h.at("H", h.descriptor("A", "A", 0)), h.offering("A", "a", 1))
			h.put(h.act(vocab.Act{Verb: vocab.KeyReplacement, Space: did("A"), Keys: dids("K")}))
			h.put(h.at("H", h.descriptor("K", "A", day, "K")), h.offering("K", "a", 2))
			m.put(m.offering("A", "a", 99))
		}, "a:H ", "H", 0},
		"no home: the latest of all": {func(x, h, m *story) {
			x.put(x.offering("A", "c", 1))
			h.put(h.offering("A", "a", 1), h.offering("A", "b", 2), h.offering("A", "c", 1))
			m.put(m.offering("A", "a", 2), m.offering("A", "b", 1))
		}, "a:M b:H ", "", 0},
		"no home: what is taken down anywhere": {func(x, h, m *story) {
			h.put(h.offering("A", "a", 1), h.offering("A", "b", 5))
			m.put(m.offering("A", "a", 2), m.offering("A", "b", 1))
			m.put(m.doc(down, "A", "a", 3), m.doc(dereg, "A", "b", 2))
			h.put(h.offering("A", "b", 9))
		}, "a:down b:final ", "", 0},
		"no home: keys that a hub gave": {func(x, h, m *story) {
			h.put(h.offering("A", "a", 1))
			m.put(m.act(vocab.Act{Verb: vocab.KeyReplacement, Space: did("A"), Keys: dids("K")}))
			m.put(m.offering("K", "a", 99), m.offering("K", "b", 99))
			m.put(m.act(vocab.Act{Verb: vocab.Removal, Space: did("A"), Offerings: []string{"a"}}))
		}, "a:H b:hidden ", "", 0},
		"no home: suspended where the latest is": {func(x, h, m *story) {
			h.put(h.offering("A", "a", 1))
			m.put(m.offering("A", "a", 2))
			m.put(m.act(vocab.Act{Verb: vocab.Suspension, Space: did("A")}))
		}, "a:hidden ", "", 0},
		"no home: what a hub does to its copies": {func(x, h, m *story) {
			m.put(m.offering("A", "a", 1), m.offering("A", "b", 1), m.offering("A", "c", 1))
			h.put(copied(m.log[0]), copied(m.log[1]), copied(m.log[2]))
			early := h.act(vocab.Act{Verb: vocab.Removal, Space: did("A"), Offerings: []string{"a", "c"}})
			early.Fact.Created = day0.Add(-time.Hour)
			h.put(early, h.act(vocab.Act{Verb: vocab.Suspension, Space: did("A")}))
			m.put(m.doc(down, "A", "c", 2))
		}, "a:M b:M c:down ", "", 0},
		"no home: suspended here": {func(x, h, m *story) {
			m.put(m.offering("A", "a", 1))
			x.put(copied(m.log[0]), x.act(vocab.Act{Verb: vocab.Suspension, Space: did("A")}))
		}, "a:hidden ", "", 0},
		"redacted here": {func(x, h, m *story) {
			e := x.offering("A", "a", 1)
			x.put(x.descriptor("A", "A", 0), e)
			x.put(x.redaction(1))
			h.put(h.at("H", h.descriptor("A", "A", 0)), e)
		}, "a:void ", "H", 0},
		"redacted at home": {func(x, h, m *story) {
			e := h.offering("A", "a", 1)
			h.put(h.at("H", h.descriptor("A", "A", 0)), e)
			h.put(h.redaction(1))
			m.put(copied(e))
		}, "a:void ", "H", 0},
	} {
		t.Run(name, func(t *testing.T) {
			x, h, m := hubStory(t, "X", true), hubStory(t, "H", true), hubStory(t, "M", true)
			tc.tell(x, h, m)
			for _, u := range []*Union{union(x, h, m), union(x, m, h)} {
				ids := []string{}
				for i := 0; i < len(tc.want); i++ {
					if tc.want[i] == ':' {
						ids = append(ids, tc.want[i-1:i])
					}
				}
				now := day0.Add(time.Hour)
				if got := standsIn(u, now, ids...); got != tc.want {
					t.Errorf("there is %q, want %q", got, tc.want)
				}
				home, ok := u.Home(did("A"))
				if ok != (tc.home != "") || ok && home != "log/"+tc.home {
					t.Errorf("at home in %q", home)
				}
				if got := u.Conflicts(); len(got) != tc.conflicts {
					t.Errorf("disputed: %+v", got)
				}
			}
		})
	}
}

// picture is all that a union answers.
type picture struct {
	Versions     map[vocab.Key]Version
	Homes        map[string]string
	Spaces       []SpaceState
	Conflicts    []HomeConflict
	Consents     []string
	Of           []string
	Members      [][]string
	Participants map[string][]vocab.Participant
	Offerings    map[string]int
}

func (u *Union) picture() picture {
	p := picture{
		Versions: map[vocab.Key]Version{}, Homes: map[string]string{}, Spaces: u.Spaces(), Conflicts: u.Conflicts(),
		Participants: map[string][]vocab.Participant{}, Offerings: map[string]int{},
	}
	for _, l := range u.logs() {
		for k := range l.versions {
			p.Versions[k], _ = u.Version(k)
		}
	}
	for _, s := range p.Spaces {
		p.Homes[s.Space.DID], _ = u.Home(s.Space.DID)
		p.Participants[s.Space.DID] = u.ParticipantsOf(s.Space.DID)
		for range u.Offerings(s.Space.DID) {
			p.Offerings[s.Space.DID]++
		}
	}
	for _, c := range u.Consents(day0.Add(time.Hour)) {
		p.Consents = append(p.Consents, fmt.Sprint(c.space, c.ID, c.Digest))
	}
	for _, key := range pool {
		p.Of = append(p.Of, u.SpaceOf(did(key)))
	}
	for _, code := range codes {
		p.Members = append(p.Members, u.SpacesOfOrganisation(code, day0), u.SpacesOfDID(did("P"+code), day0))
	}
	return p
}

// told draws batches of a hub's story; homes are the hubs that descriptors may
// name.
func (s *story) told(rt *rapid.T, homes ...string) {
	for range rapid.IntRange(1, 8).Draw(rt, "batches") {
		var es []Entry
		first := len(s.log)
		for range rapid.IntRange(1, 4).Draw(rt, "size") {
			e := s.draw(rt, first)
			if e.Space != nil {
				e = s.at(rapid.SampledFrom(homes).Draw(rt, "home"), e)
			}
			es = append(es, e)
		}
		s.put(es...)
	}
}

// In whatever order logs and their entries come to be known, a hub ends with the
// same state; and two hubs that hold the same logs show the same, but for what
// each keeps or redacts of its own.
func TestUnionOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		names := []string{"X", "H", "M"}
		var told []*story
		for _, name := range names {
			s := hubStory(t, name, rapid.IntRange(0, 3).Draw(rt, "open") > 0)
			s.told(rt, "", "X", "H", "M", "H", "M")
			told = append(told, s)
		}
		want := union(told[0], told[1:]...).picture()
		// The same again, log by log and piece by piece as chance has it, and asked
		// on the way.
		var again []*story
		for i, s := range told {
			r := New()
			r.Hub(did(names[i]))
			r.openUntil = s.r.openUntil
			again = append(again, &story{t: t, r: r})
		}
		again[0].r.SetOrigin("log/X")
		u := NewUnion(again[0].r)
		held := []bool{true, false, false}
		at := make([]int, len(told))
		for slices.Contains(held, false) || at[0]+at[1]+at[2] < len(told[0].log)+len(told[1].log)+len(told[2].log) {
			i := rapid.IntRange(0, len(told)-1).Draw(rt, "log")
			if !held[i] && rapid.Bool().Draw(rt, "known") {
				u.Add("log/"+names[i], did(names[i]), again[i].r)
				held[i] = true
			}
			n := min(len(told[i].log), at[i]+rapid.IntRange(0, 5).Draw(rt, "more"))
			again[i].r.Apply(told[i].log[at[i]:n]...)
			at[i] = n
			u.Home(did("A"))
			u.Version(vocab.KeyOf(did("A"), "x"))
		}
		if got := u.picture(); !reflect.DeepEqual(got, want) {
			rt.Fatalf("\n%+v\n%+v", got, want)
		}
		u.Add("log/H", did("H"), told[1].r) // in its own place
		u.Add("log/X", did("H"), told[1].r) // nobody takes the own log's
		if got := u.picture(); !reflect.DeepEqual(got, want) {
			rt.Fatalf("added again\n%+v\n%+v", got, want)
		}
		u.Remove("log/H")
		u.Remove("log/X")
		if got, want := u.picture(), union(told[0], told[2]).picture(); !reflect.DeepEqual(got, want) {
			rt.Fatalf("one taken out\n%+v\n%+v", got, want)
		}
	})
}

// removes reports whether an entry takes one offering down for its space.
func removes(e Entry) bool { return e.Fact.Kind == down || e.Fact.Kind == dereg }

// A hub that mirrors the home of space A takes in one more log, of a hub that is
// up to anything, and of whoever has any keys but A's: they copy what A signed,
// they decide, give keys, declare thefts. Nothing of A comes or changes by that,
// and nothing goes but what A itself took down with keys that are valid at its home.
func TestForeignLogsChangeNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		open := func() bool { return rapid.IntRange(0, 3).Draw(rt, "open") > 0 }
		x, h, m := hubStory(t, "X", open()), hubStory(t, "H", open()), hubStory(t, "M", open())
		h.put(h.act(vocab.Act{Verb: vocab.Admission, Space: did("A")}))
		h.put(h.at("H", h.descriptor("A", "A", -9, "A", "K")))
		h.told(rt, "H") // with whatever keys: all that A signs names H
		theirs, valid, out := map[string]bool{}, map[string]bool{}, []string{}
		s, _ := h.r.Space(did("A"))
		for _, k := range s.Keys {
			if theirs[k.DID], valid[k.DID] = true, k.Valid(); !k.Valid() {
				out = append(out, k.DID[len(did("")):])
			}
		}
		x.put(x.offering("N", "x", 1))
		down := map[vocab.Key]bool{}
		// The other hub gives the space a key of its own choice, besides its own or in
		// their place.
		keys := []string{"Z", "A", "K"}[:1+2*rapid.IntRange(0, 1).Draw(rt, "besides")]
		m.put(m.act(vocab.Act{Verb: vocab.Admission, Space: did("A")}), m.act(vocab.Act{Verb: vocab.KeyReplacement, Space: did("A"), Keys: dids(keys...)}))
		for range rapid.IntRange(1, 16).Draw(rt, "entries") {
			var e Entry
			switch id, hour := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(rt, "id"), rapid.IntRange(-2, 99).Draw(rt, "hour"); rapid.IntRange(0, 8).Draw(rt, "how") {
			case 0:
				e = m.at(rapid.SampledFrom([]string{"", "M", "X", "H"}).Draw(rt, "home"), m.descriptor("Z", "A", hour, "Z"))
			case 1:
				e = m.offering("Z", id, hour)
			case 2:
				e = m.doc(rapid.SampledFrom([]vocab.EntryKind{vocab.KindWithdrawal, dereg}).Draw(rt, "kind"), rapid.SampledFrom(append(out, "Z")).Draw(rt, "key"), id, hour)
			case 3, 4, 5:
				e = copied(rapid.SampledFrom(h.log).Draw(rt, "entry"))
				if e.Act != nil || e.Redaction != nil {
					continue
				}
			default:
				if e = m.draw(rt, len(m.log)); e.Space != nil {
					e = m.at(rapid.SampledFrom([]string{"", "M", "X", "H"}).Draw(rt, "home"), e)
				}
				if theirs[e.Fact.Key()] && e.Act == nil && e.Redaction == nil {
					continue
				}
			}
			for _, d := range m.put(e) {
				if d.Logged() && removes(e) && valid[e.Fact.Key()] {
					down[vocab.KeyOf(d.Fact.Space, d.Fact.ID)] = true
				}
			}
		}
		before, after := union(x, h), union(x, h, m)
		if home, ok := after.Home(did("A")); !ok || home != "log/H" {
			rt.Fatalf("A is at home in %q: %+v", home, after.Conflicts())
		}
		for k, v := range h.r.versions {
			if h.r.home(v.signer).did != did("A") {
				continue
			}
			was, _ := before.Version(k)
			is, _ := after.Version(k)
			switch {
			case was == is:
			case !down[k]:
				rt.Fatalf("entry %d was %+v, is %+v", v.position, was, is)
			case is.Published() && (!was.Published() || is.Digest != was.Digest):
				rt.Fatalf("entry %d came back: was %+v, is %+v", v.position, was, is)
			}
		}
		nothingInvented(rt, h.r, m.r, after)
		was, _ := before.Space(did("A"))
		is, _ := after.Space(did("A"))
		if !reflect.DeepEqual(was, is) || !reflect.DeepEqual(before.ParticipantsOf(did("A")), after.ParticipantsOf(did("A"))) {
			rt.Fatalf("A was %+v, is %+v", was, is)
		}
	})
}

// A hub that copies what a space without a home said in another log, and does to
// it what a hub can, hides nothing of it, says nothing of it, and says nobody else
// may see it: whatever its origin, among those of the others.
func TestCopiesHideNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		x, h := hubStory(t, "X", true), hubStory(t, "H", true)
		m := hubStory(t, rapid.SampledFrom([]string{"G", "M"}).Draw(rt, "name"), rapid.Bool().Draw(rt, "open"))
		id := func() string { return rapid.SampledFrom([]string{"x", "y", "z"}).Draw(rt, "id") }
		h.put(h.descriptor("A", "A", -9, "A", "K"))
		for range rapid.IntRange(1, 12).Draw(rt, "entries") {
			key, hour := rapid.SampledFrom([]string{"A", "K"}).Draw(rt, "key"), rapid.IntRange(0, 9).Draw(rt, "hour")
			switch rapid.IntRange(0, 9).Draw(rt, "what") {
			case 0:
				h.put(h.doc(rapid.SampledFrom([]vocab.EntryKind{down, dereg}).Draw(rt, "kind"), key, id(), hour))
			case 1:
				h.put(h.descriptor(key, "A", hour, "A", "K"))
			default:
				h.put(h.offering(key, id(), hour))
			}
		}
		before := union(x, h)
		m.put(m.act(vocab.Act{Verb: vocab.Admission, Space: did("A")}))
		for range rapid.IntRange(1, 24).Draw(rt, "acts") {
			verb := rapid.SampledFrom([]vocab.Verb{"", "", "", vocab.Suspension, vocab.Resumption, vocab.Rejection, vocab.Admission, vocab.Removal, vocab.KeyCompromise, vocab.KeyReplacement, "redaction", "descriptor"}).Draw(rt, "verb")
			e := copied(rapid.SampledFrom(h.log).Draw(rt, "entry"))
			switch verb {
			case "":
			case "descriptor":
				e = m.descriptor("Z", "A", 99, "Z")
			case "redaction":
				if len(m.log) == 0 {
					continue
				}
				i := uint64(rapid.IntRange(0, len(m.log)-1).Draw(rt, "redacted"))
				if _, ok := m.r.Remains(i, m.log[i].Fact); !ok {
					continue
				}
				e = m.redaction(i)
			default:
				a := vocab.Act{Verb: verb, Space: did("A")}
				switch verb {
				case vocab.Removal:
					a.Offerings = []string{id()}
				case vocab.KeyCompromise:
					a.Key, a.From = did(rapid.SampledFrom([]string{"A", "K"}).Draw(rt, "stolen")), uint64(rapid.IntRange(0, 9).Draw(rt, "from"))
				case vocab.KeyReplacement:
					a.Keys = dids("Z")
				}
				e = m.act(a)
				e.Fact.Created = day0.Add(time.Duration(rapid.IntRange(-99, 99).Draw(rt, "when")) * time.Hour)
			}
			m.put(e)
		}
		after := union(x, h, m)
		for k := range h.r.versions {
			was, _ := before.Version(k)
			is, _ := after.Version(k)
			if was.Shown(day0) != is.Shown(day0) || was.Digest != is.Digest {
				rt.Fatalf("was %+v, is %+v", was, is)
			}
			if is.Shown(day0) && is.Log != "log/H" && m.r.versions[k].marks&public == 0 {
				rt.Fatalf("%+v was for everybody, and is not", is)
			}
		}
		nothingInvented(rt, h.r, m.r, after)
		was, _ := before.Space(did("A"))
		is, _ := after.Space(did("A"))
		if is.Standing != Admitted || !reflect.DeepEqual(was.Space, is.Space) {
			rt.Fatalf("A was %+v, is %+v", was, is)
		}
	})
}

// What is gone stays gone, whatever another log goes on to say, the space's own
// keys included: only its home can show it again.
func TestGoneStaysGone(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		x, h, m := hubStory(t, "X", true), hubStory(t, "H", true), hubStory(t, "M", true)
		h.put(h.at("H", h.descriptor("A", "A", -9, "A", "K")))
		h.told(rt, "H")
		m.told(rt, "", "H")
		u := union(x, h, m)
		gone := map[vocab.Key]bool{}
		for k := range h.r.versions {
			if v, ok := u.Version(k); ok && !v.Published() {
				gone[k] = true
			}
		}
		m.told(rt, "", "H")
		if home, ok := u.Home(did("A")); !ok || home != "log/H" {
			rt.Fatalf("A is at home in %q", home)
		}
		for k := range gone {
			if v, _ := u.Version(k); v.Published() && !v.Suspended && u.SpaceOf(h.r.signer(h.r.versions[k].signer).did) == did("A") {
				rt.Fatalf("%+v is back", v)
			}
		}
	})
}

func TestUnionOfOneLog(t *testing.T) {
	x := hubStory(t, "X", true)
	x.put(x.descriptor("A", "A", 0), x.offering("A", "a", 1), x.participant("A", "p", "1", 1))
	u := NewUnion(x.r)
	v, ok := u.Version(vocab.KeyOf(did("A"), "a"))
	if !ok || v.Log != "log/X" || !v.Shown(day0) {
		t.Errorf("%+v", v)
	}
	if s, ok := u.Space(did("A")); !ok || s.Log != "log/X" || s.Standing != Admitted || s.Offerings != 1 {
		t.Errorf("%+v", s)
	}
	if got := u.SpacesOfDID(did("P1"), day0); !slices.Equal(got, []string{did("A")}) {
		t.Errorf("%v", got)
	}
	if _, ok := u.Version(vocab.KeyOf(did("A"), "none")); ok {
		t.Error("what nobody has")
	}
	if _, ok := u.Space(did("none")); ok {
		t.Error("a space that nobody knows")
	}
	// It says that it is at home elsewhere: nothing of it is shown here.
	x.put(x.at("H", x.descriptor("A", "A", 2)))
	if v, ok := u.Version(vocab.KeyOf(did("A"), "a")); !ok || v.Shown(day0) {
		t.Errorf("%+v", v)
	}
	e := x.offering("B", "b", 0)
	e.Fact.Expires = e.Fact.Created.Add(time.Hour)
	x.put(e)
	for hours, want := range map[int]int{0: 0, 2: 1} {
		if got := u.Expired(day0.Add(time.Duration(hours) * time.Hour)); len(got) != want {
			t.Errorf("after %d hours %d have expired, want %d", hours, len(got), want)
		}
	}
}

// nothingInvented fails where after shows something of space A that the log other
// has, and the home log of A has not.
func nothingInvented(rt *rapid.T, home, other *Registry, after *Union) {
	for k, v := range other.versions {
		if _, known := home.versions[k]; known || other.home(v.signer).did != did("A") {
			continue
		}
		if is, _ := after.Version(k); is.Shown(day0) {
			rt.Fatalf("%+v came from nowhere", is)
		}
	}
}

package registry

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"lianmu/vocab"
)

func TestKeysComeAndGo(t *testing.T) {
	s := newStory(t, true)
	s.is("accepted", s.offering("A", "a", 0))
	s.keys("A")
	s.is("accepted", s.descriptor("A", "A", 1, "A", "B"))
	s.keys("AB")
	s.is("accepted", s.offering("B", "b", 2))
	if f := s.log[2].Fact; f.Space != did("A") || f.Signer != did("B") {
		t.Errorf("an offering signed by B is written as %s's, signed by %q", f.Space, f.Signer)
	}
	s.is("accepted", s.offering("B", "a", 3)) // either key may change what the other published
	s.is("accepted", s.descriptor("B", "A", 4, "B"))
	s.is("key.retired", s.offering("A", "a", 5), s.offering("A", "a", -100), s.descriptor("A", "A", 5, "A"))
	s.is("accepted", s.descriptor("B", "A", 6)) // lists none: B alone, as it was
	s.keys("B")
	s.shows("ab", "a", "b")
	st, _ := s.r.Space(did("A"))
	if len(st.Keys) != 2 || st.Keys[0].DID != did("A") || st.Keys[0].From != 0 || st.Keys[0].Until != 5 || st.Keys[0].Retired.IsZero() ||
		st.Keys[1].From != 2 || st.Keys[1].Until != 0 || st.Keys[1].Added.IsZero() {
		t.Errorf("keys are %+v", st.Keys)
	}
	s.is("accepted", s.descriptor("B", "A", 7, "A", "B"))
	s.keys("BA")
}

// A stolen key that was retired long ago, and old documents that were never
// submitted: what they say of their time changes nothing.
func TestRetiredKeyCannotBackdate(t *testing.T) {
	s := newStory(t, true)
	s.is("accepted", s.offering("A", "a", 10), s.descriptor("A", "A", 10, "A", "B"), s.descriptor("A", "A", 11, "B"))
	for _, hour := range []int{-1000, 5, 10, 11, 12} {
		s.is("key.retired",
			s.offering("A", "a", hour), s.offering("A", "new", hour), s.doc(down, "A", "a", hour), s.doc(dereg, "A", "a", hour),
			s.participant("A", "p", "1", hour), s.descriptor("A", "A", hour, "A"))
	}
	s.shows("a", "a", "new")
	s.keys("B")
}

func TestKeysOfOthers(t *testing.T) {
	s := newStory(t, true)
	s.is("accepted", s.descriptor("A", "A", 0, "A", "K"), s.descriptor("A", "A", 1, "A"), s.offering("C", "c", 0))
	s.is("key.taken",
		s.descriptor("C", "C", 1, "C", "A"), // a space's name
		s.descriptor("C", "C", 1, "C", "K"), // a key that was another's
	)
	s.is("space.other", s.descriptor("C", "A", 2, "C"), s.descriptor("A", "C", 2, "A"))
	s.is("key.retired", s.offering("K", "k", 0)) // it cannot become a space of its own either
	s.is("key.taken", s.act(vocab.Act{Verb: vocab.KeyReplacement, Space: did("C"), Keys: dids("K")}))
	s.is("space.other", s.act(vocab.Act{Verb: vocab.Admission, Space: did("K")}))
	s.is("accepted", s.offering("C", "a", 5)) // its own "a"
	if v, ok := s.r.Version(vocab.KeyOf(did("A"), "a")); ok {
		t.Errorf("A has %+v", v)
	}
	if got := s.r.SpaceOf(did("K")); got != did("A") {
		t.Errorf("K is of %s", got)
	}
	if got := s.r.SpaceOf(did("nobody")); got != did("nobody") {
		t.Errorf("an unknown key is of %s", got)
	}
}

func TestBoundsOfKeys(t *testing.T) {
	s := newStory(t, true)
	many := s.descriptor("A", "A", 0)
	for i := range MaxKeys + 1 {
		many.Space.Keys = append(many.Space.Keys, did("A")+string(rune('a'+i%26))+string(rune('a'+i/26)))
	}
	many.Also = many.Space.Keys
	s.is("key.too_many", many)
	list := func(hour, n int) Entry {
		e := s.descriptor("A", "A", hour, "A")
		for i := range n {
			e.Space.Keys = append(e.Space.Keys, fmt.Sprint(did("A"), hour, "-", i))
		}
		e.Also = e.Space.Keys
		return e
	}
	const fresh = MaxKeys - 1
	hour := 0
	for ; (hour+1)*fresh < maxKeysEver; hour++ {
		s.is("accepted", list(hour, fresh))
	}
	s.is("key.too_many", list(hour, fresh))
	s.is("accepted", list(hour, maxKeysEver-1-hour*fresh))
	s.is("key.too_many", list(hour+1, 1))
	s.is("accepted", s.descriptor("A", "A", 100, "A"))
	if st, _ := s.r.Space(did("A")); len(st.Keys) != maxKeysEver {
		t.Errorf("the space has had %d keys", len(st.Keys))
	}
}

func TestBoundOfDescriptors(t *testing.T) {
	s := newStory(t, true)
	for i := range maxDescriptors {
		e := s.descriptor("A", "A", i, "A")
		e.Index = uint64(i)
		s.log = append(s.log, e)
		s.r.Apply(e)
	}
	s.is("space.too_often", s.descriptor("A", "A", maxDescriptors, "A"))
	s.is("accepted", s.offering("A", "a", 0))
}

// Of the documents of one batch, each counts for those that follow it.
func TestKeysInOneBatch(t *testing.T) {
	s := newStory(t, false)
	got := ""
	for _, d := range s.put(
		s.offering("A", "a", 0),
		s.descriptor("A", "A", 1, "B"),
		s.act(vocab.Act{Verb: vocab.Admission, Space: did("A")}),
		s.descriptor("A", "A", 2, "B"),
		s.offering("A", "a", 3),
		s.offering("B", "a", 4),
		s.descriptor("C", "C", 0, "B"),
		s.descriptor("B", "A", 3, "B", "D"),
		s.offering("D", "d", 0),
		s.act(vocab.Act{Verb: vocab.KeyCompromise, Space: did("A"), Key: did("D"), From: 4}),
		s.offering("D", "d", 1),
		s.act(vocab.Act{Verb: vocab.Suspension, Space: did("A")}),
		s.offering("B", "b", 0),
		s.act(vocab.Act{Verb: vocab.Resumption, Space: did("A")}),
		s.act(vocab.Act{Verb: vocab.Removal, Space: did("A"), Offerings: []string{"a"}}),
		s.offering("B", "a", 10),
		s.offering("B", "b", 0),
	) {
		got += outcome(d) + " "
	}
	const want = "space.unadmitted waiting accepted accepted key.retired accepted key.taken accepted accepted accepted " +
		"key.compromised accepted space.suspended accepted accepted final accepted "
	if got != want {
		t.Errorf("decided\n%s, want\n%s", got, want)
	}
	s.keys("B")
	s.shows("b", "a", "b", "d")
}

// What is decided and then not appended leaves nothing.
func TestDroppedBatch(t *testing.T) {
	s := newStory(t, true)
	s.is("accepted", s.descriptor("A", "A", 0, "A", "B"), s.offering("B", "b", 0), s.participant("A", "p", "1", 0))
	before := snapshot(s.r)
	b := s.r.Begin()
	for _, e := range []Entry{
		s.descriptor("A", "A", 1, "C"), s.offering("C", "b", 2), s.offering("D", "d", 0),
		s.act(vocab.Act{Verb: vocab.Suspension, Space: did("D")}),
		s.act(vocab.Act{Verb: vocab.KeyCompromise, Space: did("A"), Key: did("B"), From: 0}),
		s.act(vocab.Act{Verb: vocab.Removal, Space: did("A"), Offerings: []string{"b", "p"}}),
		s.redaction(0), s.redaction(2),
	} {
		if d := b.Decide(e); !d.Logged() {
			t.Errorf("%s: %s", e.Fact.Kind, outcome(d))
		}
	}
	same(t, "after a batch that was dropped", before, snapshot(s.r))
}

// stolen is a space with keys A and B, of which B was stolen: the thief added
// key T, retired A, and used both.
func stolen(t *testing.T) *story {
	s := newStory(t, true)
	s.is("accepted",
		s.descriptor("A", "A", 0, "A", "B"), // 0
		s.offering("A", "a", 0),             // 1
		s.offering("B", "b", 0),             // 2: before the theft
		s.offering("A", "c", 0),             // 3
		s.offering("A", "d", 0),             // 4
		s.participant("B", "p", "1", 0),     // 5: before the theft
		s.offering("B", "a", 5),             // 6: from here on it is the thief
		s.doc(dereg, "B", "c", -1),          // 7
		s.descriptor("B", "A", 5, "B", "T"), // 8
		s.doc(down, "T", "d", 5),            // 9
		s.offering("T", "t", 5),             // 10
		s.participant("T", "q", "1", 5),     // 11
	)
	s.is("key.retired", s.offering("A", "a", 6))
	s.is("final", s.offering("B", "c", 6))
	s.shows("abt", "a", "b", "c", "d", "t")
	return s
}

func TestCompromise(t *testing.T) {
	s := stolen(t)
	theft := s.log[10]
	if got := s.r.SignedSince(did("B"), 6); !slices.Equal(got, []uint64{6, 7, 8, 9, 10, 11}) { // T's with it
		t.Errorf("of B's since the theft %v would be void", got)
	}
	s.is("key.unknown", s.act(vocab.Act{Verb: vocab.KeyCompromise, Space: did("A"), Key: did("C"), From: 6}))
	s.is("accepted", s.act(vocab.Act{Verb: vocab.KeyCompromise, Space: did("A"), Key: did("B"), From: 6}))
	s.keys("A")                                  // it is back, the thief's is gone
	s.shows("abcd", "a", "b", "c", "d", "t")     // as before it: c is not deregistered, d not withdrawn
	s.is("superseded", s.offering("A", "a", -1)) // no old copy rises
	if v, _ := s.r.Version(vocab.KeyOf(did("A"), "a")); v.Position != 1 || v.Void || v.First != 1 {
		t.Errorf("of a there stands %+v", v)
	}
	s.is("key.compromised", s.offering("B", "b", 9), s.offering("T", "t", 9), theft, s.descriptor("A", "A", 9, "A", "T"))
	st, _ := s.r.Space(did("A"))
	if st.Space.Name["zh"] != "A0" || st.DescriptorPosition != 0 || st.Descriptor != s.log[0].Fact.Digest {
		t.Errorf("the descriptor that stands is %v of entry %d", st.Space.Name, st.DescriptorPosition)
	}
	if st.Offerings != 4 || st.Participants != 1 || len(s.r.ParticipantsOf(did("A"))) != 1 {
		t.Errorf("%d offerings, %d participants stand", st.Offerings, st.Participants)
	}
	for _, k := range st.Keys {
		if want := map[string]uint64{did("B"): 6, did("T"): 9}[k.DID]; k.Since != want || k.Compromised != (want != 0) {
			t.Errorf("key %+v", k)
		}
	}
	if v, _ := s.r.Version(vocab.KeyOf(did("A"), "t")); !v.Void || v.Final || v.Position != 10 {
		t.Errorf("what the thief published is %+v", v)
	}
	if got := s.r.SignedSince(did("B"), 0); len(got) != 2 || got[0] != 2 || got[1] != 5 {
		t.Errorf("of B there stands %v", got)
	}
	again := s.offering("A", "t", 6) // the thief's own content is news from the space
	again.Fact.Content = theft.Fact.Content
	s.is("accepted", again, s.doc(down, "A", "t", 7))
	s.is("accepted", s.descriptor("A", "A", 3, "A"), s.offering("A", "a", 6), s.offering("A", "c", 6), s.offering("A", "d", 6))
	s.shows("abcd", "a", "b", "c", "d", "t")
}

// The theft was earlier than first believed.
func TestCompromiseFromEarlier(t *testing.T) {
	s := stolen(t)
	s.is("accepted",
		s.act(vocab.Act{Verb: vocab.KeyCompromise, Space: did("A"), Key: did("T"), From: 9}),
		s.act(vocab.Act{Verb: vocab.KeyCompromise, Space: did("A"), Key: did("B"), From: 7}),
		s.act(vocab.Act{Verb: vocab.KeyCompromise, Space: did("A"), Key: did("B"), From: 8}))
	s.shows("abcd", "a", "b", "c", "d", "t")
	if v, _ := s.r.Version(vocab.KeyOf(did("A"), "a")); v.Position != 6 {
		t.Errorf("of a there stands %+v", v)
	}
	for _, key := range s.state("A").Keys {
		if key.DID == did("T") && (key.From != 9 || key.Added.IsZero()) {
			t.Errorf("the thief's key came with entry 8: %+v", key)
		}
	}
	s.is("accepted", s.act(vocab.Act{Verb: vocab.KeyCompromise, Space: did("A"), Key: did("B"), From: 0}))
	s.shows("acd", "a", "b", "c", "d", "t")
	if got := s.r.SpacesOfOrganisation("1", s.clock); len(got) != 0 {
		t.Errorf("the participant that B signed still counts in %v", got)
	}
	s.keys("A")
}

// A theft that becomes known later can clear a key that passed for the thief's.
func TestCompromiseClears(t *testing.T) {
	s := newStory(t, true)
	s.is("accepted",
		s.descriptor("A", "A", 0, "A", "B", "C", "X"),
		s.descriptor("B", "A", 1, "A", "B", "C"),      // retires X
		s.descriptor("C", "A", 2, "A", "B", "C", "X"), // lists it again
		s.offering("X", "x", 0), s.participant("X", "p", "1", 0))
	s.is("accepted", s.act(vocab.Act{Verb: vocab.KeyCompromise, Space: did("A"), Key: did("C"), From: 2}))
	s.keys("AB")
	s.shows("", "x")
	s.is("accepted", s.act(vocab.Act{Verb: vocab.KeyCompromise, Space: did("A"), Key: did("B"), From: 1}))
	s.keys("AX") // B had no right to retire X, so it was the space's all along
	s.shows("x", "x")
	if len(s.r.ParticipantsOf(did("A"))) != 1 {
		t.Error("the participant that X signed is not back")
	}
}

func TestReplacement(t *testing.T) {
	s := newStory(t, true)
	s.is("accepted", s.descriptor("A", "A", 0, "A", "B"), s.offering("A", "a", 0))
	s.is("key.none", s.act(vocab.Act{Verb: vocab.KeyReplacement, Space: did("A")}))
	s.is("accepted",
		s.act(vocab.Act{Verb: vocab.KeyCompromise, Space: did("A"), Key: did("B"), From: 9}),
		s.act(vocab.Act{Verb: vocab.KeyReplacement, Space: did("A"), Keys: dids("C", "D")}))
	s.keys("CD")
	s.is("key.compromised", s.act(vocab.Act{Verb: vocab.KeyReplacement, Space: did("A"), Keys: dids("B")}))
	s.is("key.retired", s.offering("A", "a", 1))
	s.is("accepted", s.offering("C", "a", 1), s.descriptor("D", "A", 1, "D"))
	s.keys("D")
	s.shows("a", "a")
	if st, _ := s.r.Space(did("A")); st.Space.DID != did("A") {
		t.Errorf("the space is called %s", st.Space.DID)
	}
}

// A key that was listed late, or not at all, by those who may.
func TestThiefBurnsNoKeyThatWasTheSpaces(t *testing.T) {
	s := newStory(t, true)
	s.is("accepted",
		s.descriptor("A", "A", 0, "A", "B", "C"),
		s.descriptor("B", "A", 1, "B", "C", "T"), // the thief keeps C, which is the space's, and retires A
		s.offering("C", "c", 0),
		s.act(vocab.Act{Verb: vocab.KeyCompromise, Space: did("A"), Key: did("B"), From: 1}))
	s.keys("AC")
	s.shows("c", "c")
}

func TestSuspendedKeepsWhatItHas(t *testing.T) {
	s := newStory(t, false)
	s.is("space.unadmitted", s.offering("A", "a", 0), s.doc(down, "A", "a", 0), s.participant("A", "p", "1", 0))
	d := s.descriptor("A", "A", 0)
	s.is("waiting", d, d)
	if _, ok := s.r.Space(did("A")); ok {
		t.Error("a space that only waits is known")
	}
	s.is("accepted", s.act(vocab.Act{Verb: vocab.Rejection, Space: did("A"), Descriptor: d.Fact.Digest, Reason: "名称不全"}))
	s.is("space.rejected", d, s.offering("A", "a", 0))
	s.is("waiting", s.descriptor("A", "A", 1))
	s.is("accepted", s.act(vocab.Act{Verb: vocab.Admission, Space: did("A")}), d, s.offering("A", "a", 0), s.participant("A", "p", "1", 0))
	s.shows("a", "a")
	counts := func(want int) {
		t.Helper()
		if a, b := len(s.r.SpacesOfOrganisation("1", s.clock)), len(s.r.SpacesOfDID(did("P1"), s.clock)); a != want || b != want {
			t.Errorf("the participant counts in %d and %d spaces, not %d", a, b, want)
		}
		if _, ok := s.r.Known(did("A"), s.log[3].Fact.Content); ok != (want == 1) {
			t.Errorf("the offering is known by its content: %v", ok)
		}
		if _, n := s.r.Digest(s.clock); n != want {
			t.Errorf("%d offerings are shown, not %d", n, want)
		}
	}
	counts(1)
	for range 2 {
		s.is("accepted", s.act(vocab.Act{Verb: vocab.Suspension, Space: did("A"), Reason: "核查"}))
		s.shows("", "a")
		counts(0)
		st, _ := s.r.Space(did("A"))
		if st.Standing != Suspended || st.Reason != "核查" || st.Decided.IsZero() || st.Offerings != 1 || st.Participants != 1 {
			t.Errorf("the space is %+v", st)
		}
		if _, err := s.r.MaySign(did("A")); err == nil {
			t.Error("a suspended space may sign")
		}
		s.is("space.suspended", s.descriptor("A", "A", 9), s.doc(dereg, "A", "a", 9), s.log[3])
	}
	s.is("accepted", s.act(vocab.Act{Verb: vocab.Resumption, Space: did("A")}))
	s.is("space.not_suspended", s.act(vocab.Act{Verb: vocab.Resumption, Space: did("A")}))
	s.shows("a", "a")
	counts(1)
	if name, err := s.r.MaySign(did("A")); err != nil || name != did("A") {
		t.Errorf("after the resumption: %s, %v", name, err)
	}
}

// Resuming is not admitting.
func TestResumptionGivesBackWhatWas(t *testing.T) {
	for _, row := range []struct {
		open bool
		acts []vocab.Verb
		want Standing
	}{
		{false, nil, Unadmitted},
		{true, nil, Admitted},
		{false, []vocab.Verb{vocab.Suspension, vocab.Resumption}, Unadmitted},
		{true, []vocab.Verb{vocab.Suspension, vocab.Resumption}, Admitted},
		{true, []vocab.Verb{vocab.Rejection}, Rejected},
		{false, []vocab.Verb{vocab.Rejection, vocab.Suspension, vocab.Suspension, vocab.Resumption}, Rejected},
		{false, []vocab.Verb{vocab.Rejection, vocab.Admission}, Admitted},
		{false, []vocab.Verb{vocab.Admission, vocab.Suspension}, Suspended},
		{false, []vocab.Verb{vocab.Admission, vocab.Suspension, vocab.Suspension, vocab.Resumption}, Admitted},
	} {
		s := newStory(t, row.open)
		s.r.Apply(Entry{Index: 0, Fact: fact(offer, "a", "1", 0, year)}) // from when the hub was open
		s.log = append(s.log, Entry{})
		for _, v := range row.acts {
			s.is("accepted", s.act(vocab.Act{Verb: v, Space: did("A")}))
		}
		st, _ := s.r.Space(did("A"))
		if v, _ := s.r.Version(vocab.KeyOf(did("A"), "a")); st.Standing != row.want || v.Shown(day0.Add(time.Hour)) != (row.want == Admitted) {
			t.Errorf("open %v, %v: %s, want %s", row.open, row.acts, st.Standing, row.want)
		}
	}
}

func TestRemoval(t *testing.T) {
	s := newStory(t, true)
	s.is("accepted", s.offering("A", "a", 50), s.offering("A", "b", 0), s.participant("A", "p", "1", 0))
	s.is("accepted", s.act(vocab.Act{Verb: vocab.Removal, Space: did("A"), Offerings: []string{"a", "p", "unknown"}}))
	s.shows("b", "a", "b")
	s.is("final", s.offering("A", "a", 60), s.offering("A", "unknown", 60), s.participant("A", "p", "1", 60))
	// No theft of the space's undoes what the hub did.
	s.is("accepted", s.act(vocab.Act{Verb: vocab.KeyCompromise, Space: did("A"), Key: did("A"), From: 0}),
		s.act(vocab.Act{Verb: vocab.KeyReplacement, Space: did("A"), Keys: dids("B")}))
	s.is("final", s.offering("B", "a", 70), s.participant("B", "p", "1", 70))
	s.is("act.offerings", s.act(vocab.Act{Verb: vocab.Removal, Space: did("A"), Offerings: make([]string, vocab.MaxRemoved+1)}))
	if v, _ := s.r.Version(vocab.KeyOf(did("A"), "unknown")); v.Void || !v.Final {
		t.Errorf("what the hub removed is %+v", v)
	}
	if st, _ := s.r.Space(did("A")); st.Offerings != 0 || st.Participants != 0 {
		t.Errorf("%d offerings, %d participants", st.Offerings, st.Participants)
	}
}

// A space lists only keys that it has: else it could take one whose owner has
// not been here yet, and all that the owner then publishes.
func TestListedKeysAreProven(t *testing.T) {
	s := newStory(t, true)
	grab := s.descriptor("A", "A", 0, "A", "V")
	grab.Also = nil
	s.is("key.unproven", grab)
	s.is("accepted", s.offering("V", "v", 1))
	if got := s.r.SpaceOf(did("V")); got != did("V") {
		t.Errorf("V is of %s", got)
	}
	s.is("accepted", s.descriptor("A", "A", 2, "A", "B")) // with B's proof
	again := s.descriptor("A", "A", 3, "A")
	again.Also = nil
	s.is("accepted", again)
	back := s.descriptor("A", "A", 4, "A", "B") // B is A's already
	back.Also = nil
	s.is("accepted", back)
}

// The hub's own key is never a space's, in whatever way it is brought.
func TestHubKeyIsNoSpaces(t *testing.T) {
	s := newStory(t, true)
	s.r.Hub(did("H"))
	s.is("key.hub", s.offering("H", "a", 0))
	s.is("key.hub", s.descriptor("H", "H", 0))
	s.is("key.hub", s.descriptor("A", "A", 1, "A", "H"))
	s.is("accepted", s.descriptor("A", "A", 2))
	s.is("key.hub", s.act(vocab.Act{Verb: vocab.KeyReplacement, Space: did("A"), Keys: dids("H")}))
	s.is("key.hub", s.act(vocab.Act{Verb: vocab.Admission, Space: did("H")}))
	if got := s.r.SpaceOf(did("H")); got != did("H") {
		t.Errorf("the hub's key is of %s", got)
	}
}

// An admitted space does not become another by a newer descriptor; with what it
// was admitted it goes on.
func TestNamesakes(t *testing.T) {
	s := newStory(t, false)
	said := func(key string, hour int, name, code string) Entry {
		e := s.descriptor(key, key, hour)
		e.Space.Name, e.Space.Operator.Code = vocab.Text{"zh": name}, code
		return e
	}
	for _, key := range []string{"A", "B", "C"} {
		s.is("accepted", s.act(vocab.Act{Verb: vocab.Admission, Space: did(key)}))
	}
	s.is("accepted", said("A", 0, "港口 数据空间", "91512081MA62K0260E"))
	s.is("accepted", said("B", 0, "某空间", "12430000MB0L046927"))
	s.is("space.namesake", said("B", 1, "港口数据空间", "12430000MB0L046927"))
	s.is("space.namesake", said("B", 2, "某空间", "91512081MA62K0260E"))
	s.is("accepted", said("B", 3, "另一空间", "12430000MB0L046927"))
	s.is("accepted", said("C", 4, "港口数据空间", "91512081MA62K0260E")) // decided on with its admission
	s.is("accepted", said("C", 5, "港口数据空间", "91512081MA62K0260E"))
	for i, name := range []string{"港口数据空间。", "港口数据空间·", "港口數據空間", "《港口》数据空间", "港口\u200b数据空间", " 港口　数据-空间 "} {
		s.is("space.namesake", said("B", 6+i, name, "12430000MB0L046927"))
	}
	s.is("accepted", said("B", 20, "港口数据空间二期", "12430000MB0L046927"), s.act(vocab.Act{Verb: vocab.Suspension, Space: did("A")}), s.act(vocab.Act{Verb: vocab.Suspension, Space: did("C")}))
	s.is("space.namesake", said("B", 21, "港口数据空间", "12430000MB0L046927"))
	s.is("space.namesake", said("B", 22, "某空间", "91512081MA62K0260E"))
	s.is("accepted", said("B", 23, "！！！", "12430000MB0L046927"))
}

// A descriptor has names in several languages, in no order. Whoever judges it,
// and however often, says the same: a name that the space was admitted with is
// its own, and no reason to let it take another.
func TestNamesakesAreJudgedAlike(t *testing.T) {
	for range 50 {
		s := newStory(t, false)
		said := func(key string, hour int, zh, en string) Entry {
			e := s.descriptor(key, key, hour)
			e.Space.Name = vocab.Text{"zh": zh, "en": en}
			return e
		}
		for _, key := range []string{"A", "B"} {
			s.is("accepted", s.act(vocab.Act{Verb: vocab.Admission, Space: did(key)}))
		}
		s.is("accepted", said("A", 0, "港口数据空间", "Port Space"))
		s.is("accepted", said("B", 0, "港口数据空间", "Zed")) // decided on with its admission
		s.is("space.namesake", said("B", 1, "港口数据空间", "Port Space"))
		s.is("accepted", said("B", 2, "港口数据空间", "Zed Space"))
		s.is("space.namesake", said("B", 3, "PORT-SPACE", "Zed Space"))
	}
}

// What nobody can read any more is held against nobody, so that whoever reads
// the log later, without the body, comes to the same.
func TestNamesakeOfWhatWasRedacted(t *testing.T) {
	s := newStory(t, false)
	said := func(key string, hour int, name string) Entry {
		e := s.descriptor(key, key, hour)
		e.Space.Name = vocab.Text{"zh": name}
		return e
	}
	for _, key := range []string{"A", "B"} {
		s.is("accepted", s.act(vocab.Act{Verb: vocab.Admission, Space: did(key)}))
	}
	s.is("accepted", said("A", 0, "甲"), said("B", 0, "乙"))
	second := len(s.log)
	s.is("accepted", said("A", 1, "丙"))
	s.is("accepted", said("B", 1, "甲")) // A is 丙 now
	s.is("accepted", s.redaction(uint64(second)))
	log := slices.Clone(s.log)
	late := newStory(t, false)
	for i, e := range log {
		if i == second { // whoever comes late gets the log without it
			d := log[len(log)-1].Redaction
			e = Entry{Index: e.Index, ReceivedAt: e.ReceivedAt, Fact: vocab.Fact{Kind: vocab.KindSpace, Digest: e.Fact.Digest, Space: d.Space, Signer: d.Signer, Created: d.Created, ID: d.Space}, Space: &vocab.Space{DID: d.Space, Keys: d.Keys}}
			late.r.Apply(e)
			continue
		}
		if d := late.r.Begin().Decide(e); len(d.Denied) > 0 {
			t.Fatalf("entry %d: %v", i, d.Denied)
		}
		late.r.Apply(e)
	}
}

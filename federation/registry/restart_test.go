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

// state is all that a registry answers, for comparing.
type state struct {
	Position     uint64
	Digests      []string
	Spaces       []SpaceState
	Participants map[string][]vocab.Participant
	Versions     map[vocab.Key]Version
	Of           map[string][]string
	May          map[string]string
	Signed       map[string][]uint64
	Barred       map[string]int // space → contents that were redacted
	Banned       map[vocab.Key]bool
	Public       map[vocab.Key]uint64
	Consents     []string
}

func snapshot(r *Registry) state {
	st := state{
		Position: r.Position(), Spaces: r.Spaces(), Participants: map[string][]vocab.Participant{},
		Versions: map[vocab.Key]Version{}, Of: map[string][]string{}, May: map[string]string{}, Signed: map[string][]uint64{}, Barred: map[string]int{}, Banned: map[vocab.Key]bool{}, Public: map[vocab.Key]uint64{},
	}
	for _, after := range []time.Duration{0, 5 * time.Hour} {
		d, n := r.Digest(day0.Add(after))
		st.Digests = append(st.Digests, fmt.Sprint(d, n))
	}
	for ck := range r.barred {
		st.Barred[r.signer(ck.space).did]++
	}
	for k := range r.names {
		st.Banned[k] = r.BansName(k)
	}
	for k := range r.versions {
		st.Versions[k], _ = r.Version(k)
		for st.Public[k] <= st.Position && !r.PublicBefore(k, st.Public[k]) {
			st.Public[k]++ // the position after the first that everybody could see
		}
	}
	for _, s := range st.Spaces {
		st.Participants[s.Space.DID] = r.ParticipantsOf(s.Space.DID)
		for _, k := range s.Keys {
			name, err := r.MaySign(k.DID)
			st.May[k.DID] = fmt.Sprint(name, err)
			st.Signed[k.DID] = r.SignedSince(k.DID, 2)
		}
	}
	for _, all := range []bool{false, true} {
		var some []string
		for _, c := range r.consents(day0.Add(3*time.Hour), all) {
			some = append(some, fmt.Sprint(c.space, c.position, c.ID, c.Holder, c.DID))
		}
		slices.Sort(some)
		st.Consents = append(st.Consents, fmt.Sprint(some))
	}
	for _, code := range codes {
		st.Of[code] = append(r.SpacesOfOrganisation(code, day0), r.SpacesOfDID(did("P"+code), day0)...)
	}
	return st
}

// same compares two states field by field, so that a difference can be read.
func same(t interface{ Fatalf(string, ...any) }, when string, want, got state) {
	a, b := reflect.ValueOf(want), reflect.ValueOf(got)
	for i := range a.NumField() {
		if x, y := a.Field(i).Interface(), b.Field(i).Interface(); !reflect.DeepEqual(x, y) {
			t.Fatalf("%s %s differ:\n%+v\n%+v", when, a.Type().Field(i).Name, x, y)
		}
	}
}

// counted holds what the registry counts against what stands.
func counted(t interface{ Fatalf(string, ...any) }, r *Registry) {
	offerings, participants, consents := map[*space]int{}, map[*space]int{}, map[*space]int{}
	for k, v := range r.versions {
		switch s := r.home(v.signer); {
		case !r.stands(k, v):
		case v.kind == vocab.KindParticipant, v.kind == vocab.KindConsent:
			if v.kind == vocab.KindParticipant {
				participants[s]++
			} else {
				consents[s]++
			}
			if s.members[k] == nil || !s.members[k].stands || s.members[k].position != v.position {
				t.Fatalf("what a space says of an organisation and stands at %d is kept as %+v", v.position, s.members[k])
			}
		default:
			offerings[s]++
			if _, ok := r.contents[contentKey{s.number, v.content}]; !ok {
				t.Fatalf("what stands at %d is not known by its content", v.position)
			}
		}
	}
	listed := 0
	for _, k := range r.signers {
		s := k.home
		if s.offerings != offerings[s] || s.participants != participants[s] || s.consents != consents[s] {
			t.Fatalf("%s counts %d offerings, %d participants and %d consents, %d, %d and %d stand", s.did, s.offerings, s.participants, s.consents, offerings[s], participants[s], consents[s])
		}
		if k.did != s.did {
			continue
		}
		for key, m := range s.members {
			listed++
			if m.consent != nil {
				if r.members.consents[key] != m {
					t.Fatalf("consent %s is not where it should be", m.consent.ID)
				}
			} else if r.members.codes[m.Code][m.inCodes] != m || r.members.dids[m.DID][m.inDID] != m {
				t.Fatalf("participant %s is not where it says", m.ID)
			}
			if v := r.versions[key]; m.stands != r.stands(key, v) || m.position != v.position || v.marks&redacted != 0 {
				t.Fatalf("participant %s of entry %d stands: %v, there is %+v", m.ID, m.position, m.stands, v)
			}
		}
	}
	for _, list := range r.members.codes {
		listed -= len(list)
	}
	listed -= len(r.members.consents)
	if listed != 0 {
		t.Fatalf("codes and spaces differ by %d participants", listed)
	}
	for ck, k := range r.contents {
		if v := r.versions[k]; v.content != ck.content || !r.stands(k, v) {
			t.Fatalf("a content is known that does not stand, of entry %d", v.position)
		}
	}
}

// entitled holds that whatever stands was signed by a key that, as is known
// now, was valid at its place in the log.
func entitled(t interface{ Fatalf(string, ...any) }, r *Registry) {
	for k, v := range r.versions {
		if !r.stands(k, v) {
			continue
		}
		now := r.home(v.signer).ring
		then := ring{name: now.name, thefts: now.thefts, events: now.events[:now.find(v.position)]}
		then.refold()
		if key := then.key(v.signer); !key.in || then.void(v.signer, v.position) {
			t.Fatalf("what %s signed at %d stands, its key was %+v then", r.signer(v.signer).did, v.position, key)
		}
	}
}

var (
	codes     = []string{"1", "2"}
	audiences = []vocab.Audience{"", "", vocab.AudiencePublic, vocab.AudiencePublic, vocab.AudienceSpace}
	names     = []string{"A", "B"}
	// Every key that the property draws. Those that are names are spaces unless
	// another space takes them first.
	pool = []string{"A", "B", "K", "L", "M", "N"}
)

// draw draws something that may be submitted, or that the hub may do.
func (s *story) draw(rt *rapid.T, first int) Entry {
	key := rapid.SampledFrom(pool).Draw(rt, "key")
	id := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(rt, "id")
	hour := first/4 + rapid.IntRange(-2, 6).Draw(rt, "hour") // later documents are mostly newer
	about := did(rapid.SampledFrom(names).Draw(rt, "space"))
	what := rapid.IntRange(0, 15).Draw(rt, "what")
	switch {
	case what < 4:
		e := s.offering(key, id, hour)
		if rapid.Bool().Draw(rt, "expires") {
			e.Fact.Expires = e.Fact.Created.Add(4 * time.Hour)
		}
		e.Fact.Audience = rapid.SampledFrom(audiences).Draw(rt, "audience")
		e.Fact.Content = vocab.DigestOf([]byte(id + rapid.SampledFrom([]string{"1", "2", "3"}).Draw(rt, "content")))
		return e
	case what == 4:
		return s.doc(down, key, id, hour)
	case what == 5:
		return s.doc(dereg, key, id, hour)
	case what == 6 && rapid.IntRange(0, 1).Draw(rt, "consents") == 0:
		e := s.consent(key, id, rapid.SampledFrom(codes).Draw(rt, "code"), hour)
		if rapid.Bool().Draw(rt, "by the space") {
			e.Consent.DID = ""
		}
		if rapid.Bool().Draw(rt, "ends") {
			e.Consent.ValidUntil = day0.Add(2 * time.Hour)
		}
		return e
	case what < 8:
		e := s.participant(key, id, rapid.SampledFrom(codes).Draw(rt, "code"), hour)
		e.Fact.Audience = rapid.SampledFrom(audiences).Draw(rt, "audience")
		return e
	case what < 11:
		name := s.r.SpaceOf(did(key))[len(did("")):]
		if rapid.IntRange(0, 9).Draw(rt, "other") == 0 {
			name = rapid.SampledFrom(names).Draw(rt, "name")
		}
		e := s.descriptor(key, name, hour, rapid.SliceOfNDistinct(rapid.SampledFrom(pool), 0, 3, rapid.ID).Draw(rt, "keys")...)
		e.Space.Audience = rapid.SampledFrom(audiences).Draw(rt, "audience")
		e.Space.Operator.Code = rapid.SampledFrom([]string{"1", "2", ""}).Draw(rt, "operator")
		return e
	case what == 11 && rapid.IntRange(0, 3).Draw(rt, "release") == 0:
		return s.act(vocab.Act{Verb: vocab.Release, Space: did(rapid.SampledFrom(names).Draw(rt, "name")), From: uint64(rapid.IntRange(0, first).Draw(rt, "released"))})
	case what == 11 && first > 0:
		index := uint64(rapid.IntRange(0, first-1).Draw(rt, "redacted"))
		if d, ok := s.r.Remains(index, s.log[index].Fact); ok {
			e := s.doc(vocab.KindRedaction, "hub", "r", hour)
			d.Ground = rapid.SampledFrom([]string{"personal", vocab.GroundRetention}).Draw(rt, "ground")
			d.Barred = d.Barred && d.Ground != vocab.GroundRetention
			e.Redaction = &d
			return e
		}
	case what == 12:
		from := uint64(rapid.IntRange(0, first+2).Draw(rt, "from"))
		return s.act(vocab.Act{Verb: vocab.KeyCompromise, Space: s.r.SpaceOf(did(key)), Key: did(key), From: from})
	case what == 13:
		return s.act(vocab.Act{Verb: vocab.KeyReplacement, Space: about, Keys: dids(rapid.SliceOfNDistinct(rapid.SampledFrom(pool), 1, 2, rapid.ID).Draw(rt, "keys")...)})
	case what == 14:
		return s.act(vocab.Act{Verb: vocab.Removal, Space: about, Offerings: []string{id}})
	}
	verb := rapid.SampledFrom([]vocab.Verb{vocab.Admission, vocab.Admission, vocab.Rejection, vocab.Suspension, vocab.Resumption}).Draw(rt, "verb")
	return s.act(vocab.Act{Verb: verb, Space: about, Reason: id})
}

// Whatever is submitted and in batches of whatever size: the log that comes of
// it gives the same state to who followed it, to who replays it, whole or in
// parts, and to who starts anew when bodies in it have been redacted. And in a
// batch things are decided as they are one by one.
func TestSameStateHoweverRead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		open := rapid.IntRange(0, 3).Draw(rt, "open") > 0
		s, single := newStory(t, open), newStory(t, open)
		ends := []int{}
		states := []state{}
		for range rapid.IntRange(1, 16).Draw(rt, "batches") {
			var es []Entry
			first := len(s.log)
			for range rapid.IntRange(1, 5).Draw(rt, "size") {
				es = append(es, s.draw(rt, first))
			}
			together := s.put(es...)
			single.clock = s.clock.Add(-time.Minute)
			for i, e := range es {
				alone := single.put(e)[0]
				single.clock = single.clock.Add(-time.Minute)
				if outcome(alone) != outcome(together[i]) || alone.Fact != together[i].Fact || alone.Stands.Position != together[i].Stands.Position {
					rt.Fatalf("%+v: in a batch %s %+v, by itself %s %+v", e.Fact, outcome(together[i]), together[i], outcome(alone), alone)
				}
			}
			counted(rt, s.r)
			entitled(rt, s.r)
			ends, states = append(ends, len(s.log)), append(states, snapshot(s.r))
		}
		same(rt, "one by one", states[len(states)-1], snapshot(single.r))
		for i, n := range ends {
			replayed := New()
			if open {
				replayed.Open()
			}
			replayed.Apply(s.log[:n]...)
			counted(rt, replayed)
			same(rt, "replayed", states[i], snapshot(replayed))
			restarted := s.restarted(n, open)
			counted(rt, restarted)
			same(rt, "restarted", states[i], snapshot(restarted))
		}
	})
}

// A log that nobody decided on, as a hostile hub might write it, must not make
// the fold stumble or miscount.
func TestUndecidedLog(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newStory(t, rapid.Bool().Draw(rt, "open"))
		for i := range rapid.IntRange(1, 30).Draw(rt, "entries") {
			e := s.draw(rt, i)
			e.Index, e.ReceivedAt = uint64(i), day0
			switch {
			case rapid.IntRange(0, 9).Draw(rt, "withholds") == 0:
				e = s.withholding(Entry{Index: uint64(rapid.IntRange(0, i+2).Draw(rt, "from")), Fact: e.Fact})
				e.Index, e.ReceivedAt = uint64(i), day0
			case e.Act != nil || e.Redaction != nil:
			case rapid.IntRange(0, 4).Draw(rt, "hint") == 0:
				e.Fact.Space, e.Fact.Signer = did(rapid.SampledFrom(pool).Draw(rt, "claimed")), e.Fact.Space
			case rapid.IntRange(0, 9).Draw(rt, "blank") == 0:
				e = Entry{Index: e.Index, ReceivedAt: day0, Fact: vocab.Fact{Kind: e.Fact.Kind, Digest: e.Fact.Digest}}
			}
			s.log = append(s.log, e)
			s.r.Apply(e)
			counted(rt, s.r)
		}
		snapshot(s.r)
	})
}

func TestRedaction(t *testing.T) {
	s := newStory(t, true)
	s.is("accepted",
		s.descriptor("A", "A", 0, "A", "B"), // 0
		s.offering("B", "a", 1),             // 1
		s.offering("B", "a", 2),             // 2
		s.offering("A", "b", 1),             // 3
		s.doc(dereg, "A", "b", 0),           // 4: older than what stands
		s.participant("B", "p", "1", 1),     // 5
		s.descriptor("B", "A", 1, "B"),      // 6: A is retired
	)
	for _, index := range []uint64{1, 2, 4, 5, 6} {
		s.is("accepted", s.redaction(index))
	}
	check := func(r *Registry, how string) {
		t.Helper()
		s.r = r
		if v, _ := r.Version(vocab.KeyOf(did("A"), "a")); !v.Void || v.Position != 2 || v.First != 1 || v.Created != day0.Add(2*time.Hour) || !v.Content.IsZero() {
			t.Errorf("%s: of the redacted offering there is %+v", how, v)
		}
		st, _ := r.Space(did("A"))
		if st.Space.Name["zh"] != "A0" || st.DescriptorPosition != 0 {
			t.Errorf("%s: the space tells %v from entry %d", how, st.Space.Name, st.DescriptorPosition)
		}
		s.keys("B")
		if r.ParticipantsOf(did("A")) != nil || r.SpacesOfOrganisation("1", day0) == nil && st.Participants != 0 {
			t.Errorf("%s: the participant is still there", how)
		}
		again := func(i int) string { return outcome(r.Begin().Decide(s.log[i])) }
		for i, want := range map[int]string{1: "superseded", 2: "entry.redacted", 5: "entry.redacted", 6: "entry.redacted", 3: "key.retired", 0: "key.retired"} {
			if got := again(i); got != want {
				t.Errorf("%s: entry %d again: %s, want %s", how, i, got, want)
			}
		}
		for want, e := range map[string]Entry{
			"accepted": s.offering("B", "a", 3), "final": s.offering("B", "b", 9), "superseded": s.descriptor("B", "A", 0, "B"),
		} {
			if got := outcome(r.Begin().Decide(e)); got != want {
				t.Errorf("%s: %s %s: %s, want %s", how, e.Fact.Kind, e.Fact.ID, got, want)
			}
		}
	}
	live := s.r
	check(live, "live")
	check(s.restarted(len(s.log), true), "restarted")
	s.r = live
	wrong := s.redaction(3)
	for _, change := range []func(d *vocab.Redaction){
		func(d *vocab.Redaction) { d.Space = did("C") },
		func(d *vocab.Redaction) { d.Space = "" },
		func(d *vocab.Redaction) { d.Signer = did("B") },
		func(d *vocab.Redaction) { d.Created = day0 },
		func(d *vocab.Redaction) { d.Content = vocab.Digest{} },
		func(d *vocab.Redaction) { d.Key = vocab.KeyOf(did("A"), "unknown") },
		func(d *vocab.Redaction) { d.Index, d.Keys = 0, nil },
	} {
		d := *wrong.Redaction
		change(&d)
		e := wrong
		e.Redaction = &d
		if got := outcome(s.put(e)[0]); got != "redaction.wrong" && got != "redaction.incomplete" {
			t.Errorf("%+v: %s", d, got)
		}
	}
	for _, i := range []int{7, 8} { // the hub's own cannot go
		if _, ok := s.r.Remains(uint64(i), s.log[i].Fact); ok {
			t.Errorf("entry %d can be redacted", i)
		}
	}
}

// A theft that becomes known after the redaction voids what it would have.
func TestTheftAfterRedaction(t *testing.T) {
	s := newStory(t, true)
	s.is("accepted",
		s.descriptor("A", "A", 0, "A", "B"), s.offering("A", "a", 1), s.doc(dereg, "B", "a", 0), // 2
		s.offering("A", "b", 1), s.doc(dereg, "B", "b", 2), // 4
		s.descriptor("B", "A", 3, "B", "T")) // 5
	s.is("accepted", s.redaction(2), s.redaction(4), s.redaction(5))
	s.keys("BT")
	s.is("final", s.offering("B", "a", 9), s.offering("B", "b", 9))
	s.is("accepted", s.act(vocab.Act{Verb: vocab.KeyCompromise, Space: did("A"), Key: did("B"), From: 2}))
	same(t, "restarted", snapshot(s.r), snapshot(s.restarted(len(s.log), true)))
	s.keys("A")
	s.shows("ab", "a", "b")
	s.is("accepted", s.offering("A", "a", 9), s.offering("A", "b", 9))
	s.is("key.compromised", s.offering("T", "a", 10))
}

// What was redacted is not signed anew, by whichever key of the space; what
// differs is taken, and so is what another space says.
func TestContentOfWhatIsRedacted(t *testing.T) {
	s := newStory(t, true)
	again := func(e Entry, key string, hour int) Entry {
		n := s.doc(e.Fact.Kind, key, e.Fact.ID, hour)
		n.Fact.Content, n.Participant = e.Fact.Content, e.Participant
		return n
	}
	a, p, b := s.offering("A", "a", 1), s.participant("A", "p", "1", 1), s.offering("A", "b", 1)
	s.is("accepted", s.descriptor("A", "A", 0, "A", "B"), a, p, b)
	s.is("unchanged", again(a, "A", 2))
	// In one batch, as one after another.
	ds := s.put(s.redaction(1), again(a, "A", 2))
	if got := outcome(ds[0]) + " " + outcome(ds[1]); got != "accepted entry.redacted" {
		t.Errorf("in a batch: %s", got)
	}
	s.is("accepted", s.redaction(2))
	check := func(r *Registry, how string) {
		t.Helper()
		for _, tc := range []struct {
			want string
			e    Entry
		}{
			{"entry.redacted", again(a, "A", 3)},
			{"entry.redacted", again(a, "B", 3)},
			{"entry.redacted", again(p, "B", 3)},
			{"accepted", again(a, "C", 3)},
			{"accepted", s.offering("A", "a", 3)},
			{"accepted", s.doc(down, "A", "a", 3)},
			{"unchanged", again(b, "A", 3)},
		} {
			if got := outcome(r.Begin().Decide(tc.e)); got != tc.want {
				t.Errorf("%s: %s %s by %s: %s, want %s", how, tc.e.Fact.Kind, tc.e.Fact.ID, tc.e.Fact.Key(), got, tc.want)
			}
		}
	}
	check(s.r, "live")
	check(s.restarted(len(s.log), true), "restarted")
	s.is("accepted", s.offering("A", "a", 4)) // nor once another version has come
	check2 := func(r *Registry, how string) {
		t.Helper()
		if got := outcome(r.Begin().Decide(again(a, "A", 5))); got != "entry.redacted" {
			t.Errorf("%s, after a new version: %s", how, got)
		}
	}
	check2(s.r, "live")
	check2(s.restarted(len(s.log), true), "restarted")
}

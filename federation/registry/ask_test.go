package registry

import (
	"errors"
	"slices"
	"testing"
	"time"

	"lianmu/vocab"
)

func TestMaySign(t *testing.T) {
	s := newStory(t, false)
	s.is("accepted", s.act(vocab.Act{Verb: vocab.Admission, Space: did("A")}), s.act(vocab.Act{Verb: vocab.Admission, Space: did("S")}),
		s.descriptor("A", "A", 0, "A", "B", "C"), s.descriptor("A", "A", 1, "A", "C"),
		s.act(vocab.Act{Verb: vocab.KeyCompromise, Space: did("A"), Key: did("C"), From: 100}),
		s.act(vocab.Act{Verb: vocab.Suspension, Space: did("S"), Reason: "核查中"}),
		s.act(vocab.Act{Verb: vocab.Rejection, Space: did("R")}))
	for key, want := range map[string][2]string{
		"A": {"A", ""}, "B": {"A", "key.retired"}, "C": {"A", "key.compromised"},
		"S": {"S", "space.suspended"}, "R": {"R", "space.rejected"}, "U": {"U", "space.unadmitted"},
	} {
		space, err := s.r.MaySign(did(key))
		var ps vocab.Problems
		code := ""
		if errors.As(err, &ps) {
			code = ps[0].Code
			if ps[0].Message["zh"] == "" || ps[0].Message["en"] == "" {
				t.Errorf("%s is refused with %v", key, ps[0].Message)
			}
		}
		if space != did(want[0]) || code != want[1] {
			t.Errorf("%s may sign for %s: %q, want %s: %q", key, space, code, want[0], want[1])
		}
	}
}

func TestOfferings(t *testing.T) {
	s := newStory(t, true)
	s.is("accepted", s.descriptor("A", "A", 0, "A", "B"), s.offering("A", "a", 0), s.offering("B", "b", 0), s.offering("C", "a", 0),
		s.doc(dereg, "A", "a", 1), s.participant("A", "p", "1", 0), s.act(vocab.Act{Verb: vocab.KeyCompromise, Space: did("A"), Key: did("B"), From: 0}))
	got := map[vocab.Key]Version{}
	for k, v := range s.r.Offerings(did("A")) {
		got[k] = v
	}
	a, b := got[vocab.KeyOf(did("A"), "a")], got[vocab.KeyOf(did("A"), "b")]
	if len(got) != 2 || !a.Final || a.Void || b.Final || !b.Void {
		t.Errorf("A has %+v", got)
	}
	for k := range s.r.Offerings(did("A")) { // whoever asks may ask on, and stop
		s.r.Version(k)
		s.is("accepted", s.offering("A", "late", 0))
		break
	}
	for range s.r.Offerings(did("unknown")) {
		t.Error("an unknown space has offerings")
	}
}

func TestParticipants(t *testing.T) {
	s := newStory(t, true)
	brief := s.participant("B", "q", "1", 0) // its proof ends
	brief.Fact.Expires = day0.Add(2 * time.Hour)
	until := s.participant("C", "r", "1", 0) // its admission ends
	until.Participant.ValidUntil = day0.Add(3 * time.Hour)
	s.is("accepted", s.participant("A", "z", "1", 0), s.participant("A", "y", "1", 0), s.participant("A", "x", "0", 0), brief, until)
	for hour, want := range [][]string{2: dids("A", "C"), 3: dids("A")} {
		if want == nil {
			want = dids("A", "B", "C")
		}
		now := day0.Add(time.Duration(hour) * time.Hour)
		if got := s.r.SpacesOfOrganisation("1", now); !slices.Equal(got, want) {
			t.Errorf("after %d h the code is in %v, not %v", hour, got, want)
		}
		if got := s.r.SpacesOfDID(did("P1"), now); !slices.Equal(got, want) {
			t.Errorf("after %d h the DID is in %v, not %v", hour, got, want)
		}
	}
	order := ""
	for _, p := range s.r.ParticipantsOf(did("A")) {
		order += p.ID
	}
	if order != "xyz" {
		t.Errorf("participants come as %s", order)
	}
	// The rules of offerings hold, @id by @id.
	s.is("superseded", s.doc(down, "A", "x", 0), s.participant("A", "x", "9", -1))
	s.is("accepted", s.participant("A", "x", "2", 1), s.doc(down, "A", "y", 1))
	if a, b := s.r.SpacesOfOrganisation("0", day0), s.r.SpacesOfOrganisation("2", day0); len(a) != 0 || len(b) != 1 {
		t.Errorf("the old code is in %v, the new one in %v", a, b)
	}
	s.is("accepted", s.doc(dereg, "A", "z", 1))
	s.is("final", s.participant("A", "z", "1", 5))
	if got := s.r.SpacesOfOrganisation("1", day0); !slices.Equal(got, dids("B", "C")) {
		t.Errorf("after withdrawals the code is in %v", got)
	}
	counted(t, s.r)
}

// Expired forgets nothing of what was away when it was asked.
func TestExpiredAfterASuspension(t *testing.T) {
	s := newStory(t, true)
	a := s.offering("A", "a", 0)
	a.Fact.Expires = day0.Add(3 * time.Hour)
	expired := func(hour, want int) {
		t.Helper()
		if got := len(s.r.Expired(day0.Add(time.Duration(hour) * time.Hour))); got != want {
			t.Errorf("after %d h %d have expired, not %d", hour, got, want)
		}
	}
	s.is("accepted", s.descriptor("A", "A", 0, "A", "B", "X"), a, s.act(vocab.Act{Verb: vocab.Suspension, Space: did("A")}))
	expired(4, 0)
	s.is("accepted", s.act(vocab.Act{Verb: vocab.Resumption, Space: did("A")}))
	expired(4, 1)
	s.is("accepted", s.act(vocab.Act{Verb: vocab.Suspension, Space: did("A")}))
	expired(5, 0)
}

// A batch that was begun before others were committed, and has nothing staged,
// decides on what stands now, as a question from beside does.
func TestBatchBegunEarly(t *testing.T) {
	s := newStory(t, true)
	b := s.r.Begin()
	a := s.offering("A", "a", 0)
	s.is("accepted", s.descriptor("A", "A", 0, "A", "B"), a)
	d := b.Decide(a)
	if d.Status != vocab.Unchanged || d.Stands.Position != 1 {
		t.Errorf("%+v", d)
	}
	if d := b.Decide(s.offering("B", "b", 0)); d.Fact.Space != did("A") || d.Fact.Signer != did("B") {
		t.Errorf("%+v", d.Fact)
	}
	b.Commit(2, day0)
	if v, ok := s.r.Version(vocab.KeyOf(did("A"), "b")); !ok || v.Position != 2 || s.r.Position() != 3 {
		t.Errorf("committed as %+v", v)
	}
}

// Of two versions of the same time the one that takes down yields, whatever
// their digests; the order is total.
func TestOrderOfVersions(t *testing.T) {
	order := []version{
		{created: 1, kind: vocab.KindOffering, digest: vocab.Digest{9}},
		{created: 2, kind: vocab.KindWithdrawal, digest: vocab.Digest{8}},
		{created: 2, kind: vocab.KindWithdrawal, digest: vocab.Digest{9}},
		{created: 2, kind: vocab.KindOffering, digest: vocab.Digest{3}},
		{created: 2, kind: vocab.KindParticipant, digest: vocab.Digest{4}},
		{created: 2, kind: vocab.KindOffering, digest: vocab.Digest{5}},
		{created: 2, kind: vocab.KindDeregistration, digest: vocab.Digest{1}},
		{created: 3, kind: vocab.KindWithdrawal, digest: vocab.Digest{0}},
	}
	for i, a := range order {
		for j, b := range order {
			if later(a, b) != (i > j) {
				t.Errorf("%+v is later than %+v: %v", a, b, later(a, b))
			}
		}
	}
}

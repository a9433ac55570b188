package registry

import (
	"fmt"
	"testing"
	"time"

	"lianmu/vocab"
)

// admitted puts space A into a hub's log, at home there, operated by an
// organisation of this code.
func (s *story) admitted(home, operator string) {
	e := s.at(home, s.descriptor("A", "A", 0, "A", "K"))
	e.Space.Operator.Code = operator
	s.is("accepted", s.act(vocab.Act{Verb: vocab.Admission, Space: did("A")}), e)
}

// Each case is a story of the hub H, where space A is at home, and of M, where it
// has something too; want is how many consents are in force for H itself, and for
// X, which has mirrors of both.
func TestConsents(t *testing.T) {
	own := func(e Entry) Entry {
		e.Consent.DID, e.Also = "", nil
		return e
	}
	for name, tc := range map[string]struct {
		operator string
		tell     func(h, m *story)
		want     string
	}{
		"of a participant": {"", func(h, m *story) {
			h.is("accepted", h.participant("A", "p", "1", 1), h.consent("A", "c", "1", 1))
		}, "1 1"},
		"who is not one any more": {"", func(h, m *story) {
			h.is("accepted", h.participant("A", "p", "1", 1), h.consent("A", "c", "1", 1), h.doc(down, "A", "p", 2))
		}, "0 1"},
		"who has another key by now": {"", func(h, m *story) {
			other := h.participant("A", "p", "1", 2)
			other.Participant.DID = did("Q")
			h.is("accepted", h.participant("A", "p", "1", 1), h.consent("A", "c", "1", 1), other)
		}, "0 1"},
		"of another code than the participant's": {"", func(h, m *story) {
			e := h.consent("A", "c", "1", 1)
			e.Consent.DID = did("P2")
			h.is("accepted", h.participant("A", "p", "2", 1), e)
		}, "0 1"}, // which H would not have taken
		"of the operator": {"1", func(h, m *story) {
			h.is("accepted", own(h.consent("A", "c", "1", 1)))
		}, "1 1"},
		"of who is not the operator": {"2", func(h, m *story) {
			h.is("accepted", own(h.consent("A", "c", "1", 1)))
		}, "0 0"},
		"of who operated it once": {"1", func(h, m *story) {
			h.is("accepted", own(h.consent("A", "c", "1", 1)), h.at("H", h.descriptor("A", "A", 1, "A", "K")))
		}, "0 0"},
		"withdrawn": {"1", func(h, m *story) {
			h.is("accepted", own(h.consent("A", "c", "1", 1)), h.doc(down, "A", "c", 2))
		}, "0 0"},
		"ended by its hub": {"1", func(h, m *story) {
			h.is("accepted", own(h.consent("A", "c", "1", 1)), h.act(vocab.Act{Verb: vocab.Removal, Space: did("A"), Offerings: []string{"c"}}))
			h.is("final", own(h.consent("A", "c", "1", 3)))
		}, "0 0"},
		"given again": {"1", func(h, m *story) {
			h.is("accepted", own(h.consent("A", "c", "1", 1)), h.doc(down, "A", "c", 2), own(h.consent("A", "c", "1", 3)))
		}, "1 1"},
		"withdrawn elsewhere": {"1", func(h, m *story) {
			h.is("accepted", own(h.consent("A", "c", "1", 1)))
			m.put(m.consent("A", "c", "1", 0), m.doc(down, "A", "c", 2))
		}, "1 0"},
		"in another log than its home's": {"1", func(h, m *story) {
			m.put(own(m.consent("A", "c", "1", 1)))
		}, "0 0"},
		"overtaken by an offering of its name": {"1", func(h, m *story) {
			h.is("accepted", own(h.consent("A", "c", "1", 1)), h.offering("A", "c", 2))
		}, "0 0"},
		"out of date": {"1", func(h, m *story) {
			e := own(h.consent("A", "c", "1", 1))
			e.Consent.ValidUntil = h.clock
			h.is("accepted", e)
		}, "0 0"},
		"its proof has expired": {"1", func(h, m *story) {
			e := own(h.consent("A", "c", "1", 1))
			e.Fact.Expires = e.Fact.Created.Add(time.Minute)
			h.is("accepted", e)
		}, "0 0"},
		"signed with a stolen key": {"1", func(h, m *story) {
			h.is("accepted", own(h.consent("K", "c", "1", 1)), own(h.consent("A", "d", "1", 1)))
			h.is("accepted", h.act(vocab.Act{Verb: vocab.KeyCompromise, Space: did("A"), Key: did("K")}))
		}, "1 1"},
		"overtaken by a thief": {"1", func(h, m *story) {
			h.is("accepted", own(h.consent("A", "c", "1", 1)), h.doc(down, "K", "c", 2))
			h.is("accepted", h.act(vocab.Act{Verb: vocab.KeyCompromise, Space: did("A"), Key: did("K"), From: 3}))
		}, "1 1"},
		"redacted": {"1", func(h, m *story) {
			h.is("accepted", own(h.consent("A", "c", "1", 1)))
			h.is("accepted", h.redaction(2))
		}, "0 0"},
		"of a suspended space": {"1", func(h, m *story) {
			h.is("accepted", own(h.consent("A", "c", "1", 1)), h.act(vocab.Act{Verb: vocab.Suspension, Space: did("A")}))
		}, "0 0"},
		"of a space that has gone elsewhere": {"1", func(h, m *story) {
			h.is("accepted", own(h.consent("A", "c", "1", 1)))
			m.put(m.at("M", m.descriptor("A", "A", 9, "A")))
		}, "1 0"},
		"too many": {"1", func(h, m *story) {
			for i := range vocab.MaxConsents {
				h.put(own(h.consent("A", fmt.Sprint(i), "1", 1)))
			}
			h.is("accepted", own(h.consent("A", "c", "1", 1)))
		}, "0 0"},
	} {
		x, h, m := hubStory(t, "X", false), hubStory(t, "H", false), hubStory(t, "M", true)
		h.admitted("H", tc.operator)
		tc.tell(h, m)
		now := day0.Add(24 * time.Hour)
		here, there := union(h).Consents(now), union(x, h, m).Consents(now)
		if got := fmt.Sprint(len(here), len(there)); got != tc.want {
			t.Errorf("%s: in force are %s, want %s", name, got, tc.want)
		}
		for _, c := range there {
			if v, _ := h.r.Version(vocab.KeyOf(did("A"), c.ID)); c.Holder != "1" || c.Digest != v.Digest || c.Digest.IsZero() {
				t.Errorf("%s: %+v of %s", name, c.Consent, c.Digest)
			}
		}
	}
}

// What nobody has decided on counts for nothing, as on a hub that is open.
func TestConsentsOfAnOpenHub(t *testing.T) {
	h := hubStory(t, "H", true)
	e := h.descriptor("A", "A", 0)
	e.Space.Operator.Code = "1"
	c := h.consent("A", "c", "1", 1)
	c.Consent.DID = ""
	h.is("accepted", h.at("H", e), c)
	may := func() string {
		if err := h.r.MayConsent(did("A"), "d", c.Consent, day0); err != nil {
			return vocab.ProblemsOf(err, "")[0].Code
		}
		return ""
	}
	if n := len(union(h).Consents(day0)); n != 0 || may() != "consent.undecided" {
		t.Errorf("%d, %q", n, may())
	}
	h.is("accepted", h.act(vocab.Act{Verb: vocab.Admission, Space: did("A")}))
	if n := len(union(h).Consents(day0)); n != 1 || may() != "" {
		t.Errorf("when it is admitted: %d, %q", n, may())
	}
	if err := h.r.MayConsent(did("Z"), "d", c.Consent, day0); vocab.ProblemsOf(err, "")[0].Code != "consent.undecided" {
		t.Errorf("of a space that is not known: %v", err)
	}
}

func TestMayConsent(t *testing.T) {
	h := hubStory(t, "H", false)
	if err := h.r.MayConsent(did("A"), "c", &vocab.Consent{Holder: "1"}, day0); err != nil {
		t.Errorf("that it is not admitted is for Decide to say: %v", err)
	}
	h.admitted("H", "1")
	p := h.participant("A", "p", "2", 1)
	p.Participant.ValidUntil = day0.Add(time.Hour)
	h.is("accepted", p)
	for name, tc := range map[string]struct {
		holder, did string
		now         time.Time
		want        string
	}{
		"the operator":             {"1", "", day0, ""},
		"another":                  {"2", "", day0, "consent.holder"},
		"a participant":            {"2", did("P2"), day0, ""},
		"under another DID":        {"2", did("P1"), day0, "consent.holder"},
		"whose time is over":       {"2", did("P2"), day0.Add(2 * time.Hour), "consent.holder"},
		"the operator, with a DID": {"1", did("P2"), day0, "consent.holder"},
	} {
		err, got := h.r.MayConsent(did("A"), "c", &vocab.Consent{Holder: tc.holder, DID: tc.did}, tc.now), ""
		if err != nil {
			got = vocab.ProblemsOf(err, "")[0].Code
		}
		if got != tc.want {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
	for i := range vocab.MaxConsents {
		h.put(h.consent("A", fmt.Sprint(i), "1", 1))
	}
	operator := &vocab.Consent{Holder: "1"}
	if err := h.r.MayConsent(did("A"), "c", operator, day0); err == nil || vocab.ProblemsOf(err, "")[0].Code != "consent.too_many" {
		t.Errorf("one more: %v", err)
	}
	if err := h.r.MayConsent(did("A"), "7", operator, day0); err != nil {
		t.Errorf("a new version of one: %v", err)
	}
	h.is("accepted", h.doc(down, "A", "7", 2))
	if err := h.r.MayConsent(did("A"), "c", operator, day0); err != nil {
		t.Errorf("in place of one: %v", err)
	}
}

// Ten spaces with as many consents as count, of 64 products and spaces each, in
// the own log and 20 mirrors.
func BenchmarkConsents(b *testing.B) {
	h := hubStory(b, "H", false)
	var products, spaces []string
	for i := range vocab.MaxConsented {
		products, spaces = append(products, fmt.Sprint("P", i)), append(spaces, did(fmt.Sprint("S", i)))
	}
	for s := range 10 {
		name := fmt.Sprint("A", s)
		d := h.at("H", h.descriptor(name, name, 0))
		d.Space.Operator.Code = "1"
		h.put(h.act(vocab.Act{Verb: vocab.Admission, Space: did(name)}), d)
		for i := range vocab.MaxConsents {
			e := h.consent(name, fmt.Sprint(i), "1", 1)
			e.Consent.DID, e.Consent.Products, e.Consent.Spaces = "", products, spaces
			h.put(e)
		}
	}
	u := NewUnion(h.r)
	for i := range 20 {
		u.Add(fmt.Sprint("log/", i), did(fmt.Sprint("M", i)), New())
	}
	now := day0.Add(time.Hour)
	for b.Loop() {
		if n := len(u.Consents(now)); n != 10*vocab.MaxConsents {
			b.Fatal(n)
		}
	}
}

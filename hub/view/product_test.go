package view

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/vocab"
)

const (
	company = "91512081MA62K0260E"
	code    = "691512081MA62K0260E31000000000A*"
	listed  = `,"audience":"public","productCode":"` + code + `"`
)

// admit has the hub decide about a space.
func (h *hub) admit(space *identity.Key) {
	h.t.Helper()
	h.put(h.key, `"@type":"Admission","@id":"`+uuid.New().URN()+`","space":"`+space.DID()+`","reason":"资料齐全","by":"did:key:zReviewer"`)
}

// listings are the hits' ids, with what else is in each and whether it conflicts.
func (s *shelf) listings() (hits []string) {
	t := s.hub.t
	t.Helper()
	a, err := s.Find(t.Context(), Question{Q: "泊位", Sort: "-modified"})
	if err != nil || int(a.Total) != len(a.Hits) {
		t.Fatalf("%+v, %v", a, err)
	}
	for _, h := range a.Hits {
		ids := []string{h.ID}
		for _, l := range h.Listings {
			if l.SpaceName["zh"] == "" || l.Hub == "" {
				t.Errorf("a listing says %+v", l)
			}
			ids = append(ids, l.ID)
		}
		slices.Sort(ids)
		text := ""
		for _, id := range ids {
			text += id + " "
		}
		if h.Conflict {
			text += "conflict"
		}
		hits = append(hits, text)
	}
	slices.Sort(hits)
	return hits
}

// wantListings compares them, once it was asked anew who may list what.
func (s *shelf) wantListings(when string, hits ...string) {
	s.hub.t.Helper()
	s.verifiedAt, s.expiredAt = time.Time{}, time.Time{}
	if err := s.maintain(s.hub.t.Context()); err != nil {
		s.hub.t.Fatal(err)
	}
	if got := s.listings(); !slices.Equal(got, hits) {
		s.hub.t.Errorf("%s: %q, not %q", when, got, hits)
	}
}

// The same product in several spaces of a hub is one hit where each of them has
// verified who provides it, and a conflict of codes where not, or at another hub; what a space says of its
// participants afterwards changes it.
func TestListingsOfAProduct(t *testing.T) {
	t.Parallel()
	s, b, theirs := beside(t)
	third, fourth := identitytest.Key(t), identitytest.Key(t)
	publisher := listed + `,"publisher":{"name":"示例公司","uscc":"` + company + `"}`
	s.put(s.space, descriptor(s.space, "甲空间", `,"operator":{"name":"示例公司","uscc":"`+company+`"}`))
	s.put(s.space, product("urn:a", "泊位数据", listed))
	b.put(theirs, descriptor(theirs, "乙空间", ""))
	b.put(theirs, product("urn:b", "泊位数据", publisher))
	b.put(fourth, descriptor(fourth, "丁空间", `,"operator":{"name":"示例公司","uscc":"`+company+`"}`))
	b.put(fourth, product("urn:d", "泊位数据", listed))
	s.admit(s.space)
	b.admit(theirs)
	b.admit(fourth)
	s.show(b)
	s.catchUp()

	// What two hubs say of one organisation is one hub's word against another's.
	want := s.wantListings
	want("its space does not know the provider", "urn:a conflict", "urn:b conflict", "urn:d conflict")

	participant := `"@type":"Participant","@id":"urn:p","subjectCode":"` + company + `","name":"示例公司"`
	b.put(theirs, participant+`,"validUntil":"`+time.Now().AddDate(0, 0, 10).Format(time.DateOnly)+`"`)
	s.catchUp()
	want("both spaces of that hub know the provider", "urn:a conflict", "urn:b urn:d conflict")
	s.restart()
	s.show(b)
	s.catchUp()
	want("after a restart", "urn:a conflict", "urn:b urn:d conflict")
	b.put(theirs, `"@type":"Withdrawal","@id":"urn:p"`)
	s.catchUp()
	want("the participant has left", "urn:a conflict", "urn:b conflict", "urn:d conflict")
	b.put(theirs, participant)
	s.catchUp()
	want("and is back", "urn:a conflict", "urn:b urn:d conflict")
	if err := s.Detach(t.Context(), "b.example", false); err != nil {
		t.Fatal(err)
	}
	want("its log is away", "urn:a ")
	b.put(theirs, `"@type":"Withdrawal","@id":"urn:p"`)
	s.show(b)
	s.catchUp()
	want("the participant left meanwhile", "urn:a conflict", "urn:b conflict", "urn:d conflict")
	b.put(theirs, participant)
	s.catchUp()
	want("and is back once more", "urn:a conflict", "urn:b urn:d conflict")

	// Another code's subject, or a publisher who is another, verifies nothing.
	s.put(third, descriptor(third, "丙空间", `,"operator":{"name":"别的公司","uscc":"12430000MB0L046927"}`))
	s.put(third, product("urn:c", "泊位数据", listed))
	s.catchUp()
	want("somebody else copies the code", "urn:a conflict", "urn:b urn:d conflict", "urn:c conflict")
	// Nor does what somebody says of himself where nobody has decided about him.
	s.put(third, descriptor(third, "丙空间", `,"operator":{"name":"示例公司","uscc":"`+company+`"}`))
	s.catchUp()
	want("somebody claims to be the provider", "urn:a conflict", "urn:b urn:d conflict", "urn:c conflict")
	s.admit(third)
	s.catchUp()
	want("a hub has decided that he is", "urn:a urn:c conflict", "urn:b urn:d conflict")
	s.put(third, descriptor(third, "丙空间", `,"operator":{"name":"别的公司","uscc":"12430000MB0L046927"}`))
	s.catchUp()
	s.put(s.space, product("urn:a", "泊位数据", listed+`,"publisher":{"name":"别的公司","uscc":"12430000MB0L046927"}`))
	s.catchUp()
	want("a listing names another publisher", "urn:a conflict", "urn:b urn:d conflict", "urn:c conflict")

	// An operator who is another now verifies nothing any more.
	s.put(s.space, product("urn:a", "泊位数据", listed))
	s.put(third, `"@type":"Withdrawal","@id":"urn:c"`)
	s.catchUp()
	want("as before", "urn:a conflict", "urn:b urn:d conflict")
	s.put(s.space, descriptor(s.space, "甲空间", ""))
	s.catchUp()
	want("the operator has gone", "urn:a conflict", "urn:b urn:d conflict")

	// A listing that the reader does not see is no conflict to him.
	s.put(s.space, product("urn:a", "泊位数据", `,"audience":"space","productCode":"`+code+`"`))
	s.catchUp()
	want("hidden", "urn:b urn:d ")
	if a, err := s.Find(t.Context(), Question{Q: "泊位", Reader: vocab.Reader{All: true}}); err != nil || a.Total != 2 || !a.Hits[0].Conflict {
		t.Errorf("who sees everything: %+v, %v", a, err)
	}
}

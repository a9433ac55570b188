package view

import (
	"maps"
	"slices"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
)

// What a holder lets a space list is shown with his own listing, on every hub that
// holds both logs, from when his consent comes to when it goes or ends.
func TestListingsWithConsent(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	b := s.neighbour("b.example")
	theirs, stranger, holder := identitytest.Key(t), identitytest.Key(t), identitytest.Key(t)
	spaceOf := func(k *identity.Key, name, operator string) string {
		return `"@type":"Space","@id":"` + k.DID() + `","name":"` + name + `","operator":{"name":"运营公司","uscc":"` + operator + `"}`
	}
	const other = "12430000MB0L046927"
	s.put(s.space, spaceOf(s.space, "甲空间", company))
	s.put(s.space, product("urn:a", "泊位数据", listed))
	b.put(theirs, spaceOf(theirs, "乙空间", other))
	b.put(theirs, product("urn:b", "泊位数据", listed)) // as its own: nobody knows its operator as the provider
	b.put(stranger, spaceOf(stranger, "丙空间", other))
	b.put(stranger, product("urn:c", "泊位数据", listed))
	s.admit(s.space)
	b.admit(theirs)
	s.show(b)
	s.catchUp()
	want := s.wantListings
	want("nobody has consented", "urn:a conflict", "urn:b conflict", "urn:c conflict")

	consent := func(spaces, more string) string {
		return `"@type":"ListingConsent","@id":"urn:consent","subjectCode":"` + company + `","productCode":"` + code + `","space":` + spaces + more
	}
	s.put(s.space, consent(`"`+theirs.DID()+`"`, ""))
	s.catchUp()
	want("he has for one of them", "urn:a urn:b conflict", "urn:c conflict")
	s.put(s.space, consent(`["`+theirs.DID()+`","`+stranger.DID()+`"]`, ""))
	s.catchUp()
	want("and for the other", "urn:a urn:b urn:c ")
	if left := s.edition().consents.stale; len(left) > 0 {
		t.Errorf("listings of %v are still to be read", left)
	}

	s.restart()
	s.show(b)
	s.catchUp()
	want("after a restart", "urn:a urn:b urn:c ")
	b.put(theirs, product("urn:b2", "泊位数据二", listed))
	s.catchUp()
	want("another listing of that space", "urn:a urn:b urn:b2 urn:c ")
	b.put(theirs, `"@type":"Withdrawal","@id":"urn:b2"`)
	if err := s.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("in an index built anew", "urn:a urn:b urn:c ")

	// A consent goes while the hub is not there to see it.
	s.put(s.space, consent(`"`+theirs.DID()+`"`, ""))
	s.restart()
	s.show(b)
	s.catchUp()
	want("one space less, over a restart", "urn:a urn:b conflict", "urn:c conflict")
	s.put(s.space, `"@type":"Withdrawal","@id":"urn:consent"`)
	s.catchUp()
	want("withdrawn", "urn:a conflict", "urn:b conflict", "urn:c conflict")
	if got := noted(t, s); got != "" {
		t.Errorf("noted are %q", got)
	}

	// It ends without an entry.
	s.put(s.space, consent(`["`+theirs.DID()+`","`+stranger.DID()+`"]`, `,"validUntil":"`+time.Now().Add(20*time.Minute).Format(time.RFC3339)+`"`))
	s.catchUp()
	want("for some minutes", "urn:a urn:b urn:c ")
	s.now = func() time.Time { return time.Now().Add(30 * time.Minute) }
	want("out of date", "urn:a conflict", "urn:b conflict", "urn:c conflict")
	s.now = time.Now
	want("by the right time again", "urn:a urn:b urn:c ")

	// By a participant of another log's space, which it lets list too.
	s.put(s.space, `"@type":"Withdrawal","@id":"urn:consent"`)
	b.put(theirs, `"@type":"Participant","@id":"urn:p","subjectCode":"`+company+`","name":"示例公司","did":"`+holder.DID()+`"`)
	b.put(theirs, `"@type":"ListingConsent","@id":"urn:theirs","did":"`+holder.DID()+`","subjectCode":"`+company+`","productCode":"`+code+`","space":"`+theirs.DID()+`"`, holder)
	s.catchUp()
	want("another hub says that he has, while his own space is here", "urn:a conflict", "urn:b conflict", "urn:c conflict")
	s.put(s.space, consent(`"`+theirs.DID()+`"`, ""))
	s.catchUp()
	want("he has here, too", "urn:a urn:b conflict", "urn:c conflict")
	b.put(b.key, `"@type":"Suspension","@id":"urn:uuid:0f3c2f6e-4f0a-4c56-9d7b-0d4f6a3d1c11","space":"`+theirs.DID()+`","reason":"整改","by":"x"`)
	s.catchUp()
	want("whose space is suspended", "urn:a conflict", "urn:c conflict")
	b.put(b.key, `"@type":"Resumption","@id":"urn:uuid:0f3c2f6e-4f0a-4c56-9d7b-0d4f6a3d1c12","space":"`+theirs.DID()+`","by":"x"`)
	s.catchUp()
	want("and back", "urn:a urn:b conflict", "urn:c conflict")
	s.put(s.space, `"@type":"Withdrawal","@id":"urn:consent"`)
	s.catchUp()
	if err := s.Detach(t.Context(), "b.example", false); err != nil {
		t.Fatal(err)
	}
	want("its log is not shown", "urn:a ")
	if in := slices.Collect(maps.Keys(s.edition().consents.products)); len(in) != 0 {
		t.Errorf("in force are %v", in)
	}
}

// noted is the note of an index about consents, once it has been written.
func noted(t *testing.T, s *shelf) string {
	t.Helper()
	s.put(s.space, product("urn:other", "别的数据", `,"audience":"public"`))
	s.catchUp()
	text, err := s.edition().Note(noteConsents)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// An offering is gone once its space says something else under its name.
func TestNameTakenByWhatIsNoOffering(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.put(s.space, descriptor(s.space, "甲空间", `,"operator":{"name":"示例公司","uscc":"`+company+`"}`))
	s.admit(s.space)
	s.put(s.space, product("urn:a", "泊位数据", listed))
	s.put(s.space, product("urn:b", "泊位数据", listed))
	s.catchUp()
	s.wantListings("both", "urn:a urn:b ")
	s.put(s.space, `"@type":"Participant","@id":"urn:a","subjectCode":"`+company+`","name":"示例公司"`)
	s.catchUp()
	s.wantListings("one is a participant", "urn:b ")
	s.put(s.space, `"@type":"ListingConsent","@id":"urn:b","subjectCode":"`+company+`","productCode":"`+code+`","space":"`+s.space.DID()+`"`)
	s.catchUp()
	s.wantListings("the other is a consent")
}

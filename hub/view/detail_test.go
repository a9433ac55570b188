package view

import (
	"errors"
	"strings"
	"testing"

	"lianmu/vocab"
)

// What a stranger may not see costs no more reading than what is not there:
// while it is on its way to the index, when it is there, and when its space is
// suspended and the index has let it go. Counted, not timed.
func TestHiddenCostsWhatAbsentDoes(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	did := s.space.DID()
	s.put(s.space, `"@type":"Space","@id":"`+did+`","name":"港口空间"`)
	s.put(s.space, `"@type":"DataProduct","@id":"urn:public","title":"港口吞吐量","audience":"public"`)
	s.put(s.space, `"@type":"DataProduct","@id":"urn:inner","title":"港口内部计划"`)
	stranger, own, regulator := vocab.Reader{Spaces: []string{"did:key:zOther"}}, vocab.Reader{Spaces: []string{did}}, vocab.Reader{All: true}

	check := func(phase string, fruitless uint64, public error, byKey bool) {
		t.Helper()
		ask := func(name, id string, reader vocab.Reader, want error, reads uint64) {
			t.Helper()
			ways := map[string]func() (*Detail, error){
				"by space": func() (*Detail, error) { return s.Offering(t.Context(), did, id, reader) },
				"by @id":   func() (*Detail, error) { return s.OfferingByKey(t.Context(), id, reader) },
			}
			if !byKey {
				delete(ways, "by @id")
			}
			for way, f := range ways {
				before := s.reads.Load()
				d, err := f()
				if n := s.reads.Load() - before; n != reads {
					t.Errorf("%s, %s, %s: %d documents were read, not %d", phase, name, way, n, reads)
				}
				var ps vocab.Problems
				switch {
				case want == nil && (err != nil || d.Offering.ID != id), errors.Is(want, ErrNotFound) && !errors.Is(err, ErrNotFound):
					t.Errorf("%s, %s, %s: %+v, %v", phase, name, way, d, err)
				case want != nil && !errors.Is(want, ErrNotFound) && (!errors.As(err, &ps) || ps[0].Code != want.Error()):
					t.Errorf("%s, %s, %s: %v", phase, name, way, err)
				}
			}
		}
		ask("hidden", "urn:inner", stranger, ErrNotFound, fruitless)
		ask("absent", "urn:none", stranger, ErrNotFound, fruitless)
		ask("absent and odd", strings.Repeat("x", 5000), stranger, ErrNotFound, 0)
		ask("public", "urn:public", stranger, public, 1)
		ask("hidden, to nobody", "urn:inner", vocab.Reader{}, ErrNotFound, fruitless)
		ask("hidden, to who sees everything", "urn:inner", regulator, public, 1)
		ask("hidden, to its space", "urn:inner", own, public, 1)
	}
	check("on its way", 0, nil, false)
	s.catchUp()
	check("in the index", 0, nil, true)

	s.put(s.key, `"@type":"Suspension","@id":"urn:uuid:6ba7b810-9dad-41d1-80b4-00c04fd430c8","space":"`+did+`","reason":"等待整改","by":"did:key:zReviewer"`)
	s.catchUp()
	check("suspended", 1, errors.New("space.suspended"), true)
	_, err := s.Offering(t.Context(), did, "urn:public", stranger)
	if ps := vocab.ProblemsOf(err, ""); !strings.Contains(ps[0].Message["zh"], "“港口空间”") || !strings.Contains(ps[0].Message["zh"], "等待整改") || !strings.Contains(ps[0].Message["en"], "等待整改") {
		t.Errorf("it says %v", ps[0].Message)
	}

	s.put(s.key, `"@type":"Resumption","@id":"urn:uuid:6ba7b811-9dad-41d1-80b4-00c04fd430c8","space":"`+did+`","by":"did:key:zReviewer"`)
	s.catchUp()
	check("resumed", 0, nil, true)
}

// A newer version that is for fewer is not shown by the word of the older one,
// which the index still has; and the other way round it is shown at once.
func TestAudienceOfWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	did := s.space.DID()
	s.put(s.space, `"@type":"DataProduct","@id":"urn:closing","title":"先公开","audience":"public"`)
	s.put(s.space, `"@type":"DataProduct","@id":"urn:opening","title":"先内部","audience":"space"`)
	s.catchUp()
	s.put(s.space, `"@type":"DataProduct","@id":"urn:closing","title":"后内部","audience":"space"`)
	s.put(s.space, `"@type":"DataProduct","@id":"urn:opening","title":"后公开","audience":"public"`)
	for range 2 { // before the index has them, and after
		if d, err := s.Offering(t.Context(), did, "urn:closing", vocab.Reader{}); !errors.Is(err, ErrNotFound) {
			t.Errorf("closing: %+v, %v", d, err)
		}
		if d, err := s.Offering(t.Context(), did, "urn:opening", vocab.Reader{}); err != nil || d.Offering.Title["zh"] != "后公开" {
			t.Errorf("opening: %+v, %v", d, err)
		}
		s.catchUp()
	}
}

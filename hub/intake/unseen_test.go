package intake

import (
	"testing"

	"lianmu/federation/registry"
	"lianmu/vocab"
	"lianmu/vocab/shape"
)

// Only what nobody has decided about is warned of, and only where others do not see it.
func TestUnseen(t *testing.T) {
	reg := registry.New()
	for _, tc := range []struct {
		name     string
		fallback vocab.Audience
		reading  shape.Reading
		warned   bool
	}{
		{"says nothing", vocab.AudienceSpace, shape.Reading{Offering: &vocab.Offering{}}, true},
		{"says it", vocab.AudienceSpace, shape.Reading{Offering: &vocab.Offering{Audience: vocab.AudienceSpace}}, false},
		{"public by default", vocab.AudiencePublic, shape.Reading{Offering: &vocab.Offering{}}, false},
		{"no offering", vocab.AudienceSpace, shape.Reading{Participant: &vocab.Participant{}}, false},
		{"nobody asked", "", shape.Reading{Offering: &vocab.Offering{}}, false},
	} {
		in := &Intake{c: Config{Registry: reg, Fallback: tc.fallback}}
		got := in.unseen(&tc.reading, "did:key:z6Mk")
		if (len(got) == 1) != tc.warned || tc.warned && got[0].Code != "audience.default" {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

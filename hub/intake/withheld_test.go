package intake

import (
	"testing"

	"lianmu/hub/access"
)

// A refused document is for who sees every audience and for the space that it
// says it is from; that one was refused, and why, is for all who may look.
func TestWithheld(t *testing.T) {
	const space = "did:key:zA"
	item := Quarantined{Sequence: 3, Space: space, Document: []byte("{}")}
	for name, tc := range map[string]struct {
		item  Quarantined
		who   access.Who
		shown bool
	}{
		"review":               {item, access.Who{Roles: []access.Role{access.Review}}, true},
		"regulator":            {item, access.Who{Roles: []access.Role{access.Regulator}}, true},
		"system":               {item, access.Who{Roles: []access.Role{access.System}}, false},
		"security":             {item, access.Who{Roles: []access.Role{access.Security}}, false},
		"the space":            {item, access.Who{Space: space, Roles: []access.Role{access.Space}}, true},
		"another space":        {item, access.Who{Space: "did:key:zB", Roles: []access.Role{access.Space, access.Security}}, false},
		"no space of no space": {Quarantined{Document: []byte("{}")}, access.Who{Roles: []access.Role{access.System}}, false},
	} {
		got := tc.item.For(tc.who)
		if (got.Document != nil) != tc.shown || got.Withheld == tc.shown || got.Sequence != tc.item.Sequence {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := (Quarantined{}).For(access.Who{}); got.Withheld {
		t.Error("what was never kept is not withheld")
	}
}

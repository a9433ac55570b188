package intake

import (
	"encoding/json"
	"strings"
	"testing"

	"lianmu/hub/access"
	"lianmu/vocab"
)

// A refused document is for who sees every audience and for the space that it
// says it is from; that one was refused, and why, is for all who may look.
func TestWithheld(t *testing.T) {
	const space = "did:key:zA"
	const words = "机场扩建"
	problems := vocab.Problems{vocab.NewProblem("/"+words, "shape.type", "不认识“"+words+"”", "“"+words+"” is not understood")}
	item := Quarantined{Sequence: 3, Space: space, ID: "https://space.example/" + words, Document: []byte("{}"), Problems: problems}
	receipt := vocab.Receipt{Status: vocab.Refused, Space: space, ID: item.ID, Problems: problems, Warnings: problems}
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
		told, err := json.Marshal([]any{got, RefusalFor(receipt, tc.who)})
		if err != nil {
			t.Fatal(err)
		}
		if tc.item.Space != "" && strings.Contains(string(told), words) != tc.shown {
			t.Errorf("%s is told %s", name, told)
		}
		if len(tc.item.Problems) > 0 && got.Problems[0].Code != "shape.type" {
			t.Errorf("%s does not hear what kind of fault it was: %+v", name, got.Problems)
		}
		if (got.Document != nil) != tc.shown || got.Withheld == tc.shown || got.Sequence != tc.item.Sequence {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := (Quarantined{}).For(access.Who{}); got.Withheld {
		t.Error("what was never kept is not withheld")
	}
}

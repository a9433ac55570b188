package access

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"lianmu/federation/identity"
	"lianmu/vocab"
)

// Operator gives an office to the holder of a key.
type Operator struct {
	DID  string `json:"did"`
	Role Role   `json:"role,omitempty"` // an office; "": system and review
	Name string `json:"name,omitempty"` // shown beside the DID; not a person's
}

// UnmarshalText reads DID or DID=ROLE, as on a command line.
func (o *Operator) UnmarshalText(b []byte) error {
	did, role, _ := strings.Cut(string(b), "=")
	*o = Operator{DID: did, Role: Role(role)}
	return nil // New judges what it says
}

// UnmarshalJSON reads an object, or a text as UnmarshalText. Unknown members
// are an error.
func (o *Operator) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte(`"`)) {
		var text string
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
		return o.UnmarshalText([]byte(text))
	}
	type plain Operator
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var p plain
	if err := dec.Decode(&p); err != nil {
		return errors.New(`an operator is a DID, or {did: "did:key:…", role: review, name: "…"}`)
	}
	*o = Operator(p)
	return nil
}

// officer is what an operator's key holds.
type officer struct {
	roles []Role
	name  string
}

// offices gives every office to a key. What nobody is named for stays with the
// hub's own key, so that a hub can be run by one person from the start: all but
// the regulator's, who is somebody else or nobody, and the audit, which leaves
// the hub's key as soon as there is any other operator.
func offices(hub string, operators []Operator) (map[string]*officer, error) {
	out := map[string]*officer{}
	var problems vocab.Problems
	refuse := func(zh, en string, args ...any) {
		problems = append(problems, vocab.NewProblem("/operators", "access.operators", zh, en, args...))
	}
	give := func(did string, role Role) {
		o := out[did]
		if o == nil {
			o = &officer{}
			out[did] = o
		}
		if !slices.Contains(o.roles, role) {
			o.roles = append(o.roles, role)
		}
	}
	named := 0
	for _, op := range operators {
		if op == (Operator{}) { // an empty setting
			continue
		}
		named++
		if _, err := identity.PublicKey(op.DID); err != nil {
			refuse("operators 中的 %[1]q 不是 did:key。请填写 lianmu key show 显示的 DID。",
				"%[1]q under operators is no did:key: give the DID that lianmu key show prints", op.DID)
			continue
		}
		switch {
		case op.Role == "":
			give(op.DID, System)
			give(op.DID, Review)
		case op.Role.Office():
			give(op.DID, op.Role)
		default:
			refuse("operators 中的角色 %[1]q 不存在，可用：system、security、audit、review、regulator。",
				"there is no office %[1]q for an operator: use system, security, audit, review or regulator", string(op.Role))
			continue
		}
		if op.Name != "" {
			out[op.DID].name = op.Name
		}
	}
	for did, o := range out {
		if !separate(o.roles) {
			refuse("%[1]s 同时担任了必须分开的职务：系统、安全、审计三员须由不同密钥担任，审计员不得兼任业务审核员。",
				"%[1]s holds offices that must be apart: system, security and audit are three keys', and the auditor is no reviewer", did)
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	var rest []Role
	for _, role := range []Role{System, Security, Review, Audit} {
		held := role == Audit && named > 0
		for _, o := range out {
			held = held || slices.Contains(o.roles, role)
		}
		if !held {
			rest = append(rest, role)
		}
	}
	if hub != "" {
		for _, role := range rest {
			give(hub, role)
		}
	}
	return out, nil
}

// separate reports whether one hand may hold these roles together.
func separate(roles []Role) bool {
	n := 0
	for _, r := range roles {
		if slices.Contains(admins, r) {
			n++
		}
	}
	return n <= 1 && !(slices.Contains(roles, Audit) && slices.Contains(roles, Review))
}

// Another reports whether anybody whose Identity is not this one may have all of
// these rights: by a key, or by a role that the identity provider gives, though
// the hub cannot know to whom it does.
func (g *Guard) Another(identity string, rights ...Right) bool {
	may := func(roles ...Role) bool {
		return !slices.ContainsFunc(rights, func(right Right) bool { return !(Who{Roles: roles}).May(right) })
	}
	for did, o := range g.officers {
		if did != identity && may(o.roles...) {
			return true
		}
	}
	if g.oidc != nil {
		for _, role := range g.oidc.Roles {
			if may(role) {
				return true
			}
		}
	}
	return false
}

// Holder is somebody who holds offices.
type Holder struct {
	DID   string `json:"did"`
	Name  string `json:"name,omitempty"` // as the operator named them
	Roles []Role `json:"roles"`          // in the order of the table
	Hub   bool   `json:"hub,omitempty"`  // the hub's own key: it holds what nobody is named for
}

// Holders returns who holds which office by a key, in the order of the table of
// roles, and the offices that an identity provider gives. They are for officers to
// see (RolesRead), not for everybody.
func (g *Guard) Holders() (keys []Holder, provided []Role) {
	for did, o := range g.officers {
		keys = append(keys, Holder{DID: did, Name: o.name, Roles: inOrder(o.roles), Hub: did == g.hub})
	}
	slices.SortFunc(keys, func(a, b Holder) int {
		return cmp.Or(slices.Compare(ranks(a.Roles), ranks(b.Roles)), cmp.Compare(a.DID, b.DID))
	})
	if g.oidc != nil {
		var roles []Role
		for _, role := range g.oidc.Roles {
			if role.Office() && !slices.Contains(roles, role) {
				roles = append(roles, role)
			}
		}
		provided = inOrder(roles)
	}
	return keys, provided
}

func inOrder(roles []Role) []Role {
	out := slices.Clone(roles)
	slices.SortFunc(out, func(a, b Role) int { return rank(a) - rank(b) })
	return out
}

func rank(role Role) int {
	return slices.IndexFunc(table, func(row Row) bool { return row.Role == role })
}

func ranks(roles []Role) []int {
	out := make([]int, len(roles))
	for i, r := range roles {
		out[i] = rank(r)
	}
	return out
}

package shape

import (
	"slices"
	"strings"

	"lianmu/vocab"
)

const (
	mostPolicyParts = 200 // rules read, and names kept, of one offering's policies
	mostOperands    = 6   // how deep constraints may nest
)

// policy reads what an offering's ODRL policies permit, forbid and name as
// purposes (ODRL 2.2, sections 2.6 and 2.5). It evaluates nothing: a purpose
// is listed whatever its operator says.
func (rd *reading) policy(s subject) vocab.Policy {
	var p vocab.Policy
	for _, v := range rd.values(s, "policy") {
		n, ok := rd.node(v)
		if !ok {
			if text, _, isText := v.text(); isText && looksLikeIRI(strings.TrimSpace(text)) {
				p.Present = true
				continue
			}
			rd.wrongType(v, "使用策略（对象或 IRI）", "a policy: an object or an IRI")
			continue
		}
		p.Present = true
		rd.rules(n, &p)
	}
	// Plain descriptions may put rules straight on the offering.
	if rd.has(s, "permission") || rd.has(s, "prohibition") {
		p.Present = true
		rd.rules(s, &p)
	}
	return p
}

func (rd *reading) rules(policy subject, p *vocab.Policy) {
	for _, kind := range []struct {
		field string
		into  *[]string
	}{{"permission", &p.Actions}, {"prohibition", &p.Prohibited}, {"obligation", nil}} {
		for i, v := range rd.values(policy, kind.field) {
			if i == mostPolicyParts {
				rd.warn(v.at, "shape.many", "规则超过 %d 条，其余未读入检索。", "There are more than %d rules; the others are not read for search.", mostPolicyParts)
				break
			}
			rule, ok := rd.node(v)
			if !ok {
				rd.wrongType(v, "规则（对象）", "a rule: an object")
				continue
			}
			if kind.into != nil {
				for _, a := range rd.values(rule, "action") {
					addName(kind.into, rd.actionOf(a))
				}
			}
			rd.purposes(rule, p, mostOperands)
		}
	}
}

// actionOf is the local name of an action: an IRI, a word, or a node whose
// rdf:value is the action and which may refine it.
func (rd *reading) actionOf(v value) string {
	name := v.id()
	if text, _, ok := v.text(); ok {
		name, _ = rd.clean(text, v.at, labelLimit)
	} else if name == "" {
		if n, ok := rd.node(v); ok {
			for _, inner := range rd.values(n, "vcardValue") { // rdf:value
				if name = inner.id(); name == "" {
					name, _, _ = inner.text()
				}
			}
		}
	}
	if strings.ContainsAny(name, ":/#") {
		_, name = splitIRI(name)
	}
	name, ok := rd.clean(name, v.at, keywordLimit)
	if !ok {
		return ""
	}
	if odrl, ok := rd.p.word("action", name); ok {
		return odrl
	}
	return name
}

// purposes gathers the right operands of purpose constraints, however they
// are joined.
func (rd *reading) purposes(rule subject, p *vocab.Policy, depth int) {
	if depth == 0 {
		return
	}
	for _, field := range []string{"constraint", "operand"} {
		for i, v := range rd.values(rule, field) {
			if i == mostPolicyParts {
				break
			}
			n, ok := rd.node(v)
			if !ok {
				continue
			}
			rd.purposes(n, p, depth-1)
			if !rd.isPurpose(n) {
				continue
			}
			for _, r := range rd.values(n, "rightOperand") {
				if t, ok := rd.lineOf(r); ok {
					if looksLikeIRI(t) {
						_, local := splitIRI(strings.TrimRight(t, "/"))
						if local != "" {
							t = local
						}
					}
					addName(&p.Purposes, t)
				}
			}
		}
	}
	for _, a := range rd.values(rule, "action") { // refinements of an action
		if n, ok := rd.node(a); ok && len(n.node) > 1 {
			rd.purposes(n, p, depth-1)
		}
	}
}

func (rd *reading) isPurpose(constraint subject) bool {
	for _, l := range rd.values(constraint, "leftOperand") {
		name := l.id()
		if text, _, ok := l.text(); ok {
			name = text
		}
		if strings.ContainsAny(name, ":/#") {
			_, name = splitIRI(name)
		}
		if _, ok := rd.p.word("operand", name); ok {
			return true
		}
	}
	return false
}

func addName(list *[]string, name string) {
	if name != "" && len(*list) < mostPolicyParts && !slices.Contains(*list, name) {
		*list = append(*list, name)
	}
}

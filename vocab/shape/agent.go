package shape

import (
	"strings"

	"lianmu/vocab"
)

// agent reads a field that names an organisation: a node, a name, an IRI or a
// DID. Codes may stand on the agent or, in plain descriptions, beside it on
// the offering.
func (rd *reading) agent(s subject, field string) vocab.Agent {
	var a vocab.Agent
	for _, v := range rd.values(s, field) {
		if a = rd.agentOf(v); a.ID != "" || len(a.Name) > 0 || a.Code != "" {
			break
		}
	}
	if code := rd.agentCode(s); code != "" && a.Code == "" {
		a.Code = code
	}
	return a
}

func (rd *reading) agentOf(v value) vocab.Agent {
	if text, tag, ok := v.text(); ok {
		text, ok = rd.clean(text, v.at, labelLimit)
		switch {
		case !ok || text == "":
			return vocab.Agent{}
		case looksLikeIRI(text):
			return vocab.Agent{ID: text}
		}
		return vocab.Agent{Name: label(tag, text)}
	}
	n, ok := rd.node(v)
	if !ok {
		rd.wrongType(v, "单位的名称或描述", "an organisation's name or description")
		return vocab.Agent{}
	}
	a := vocab.Agent{ID: rd.keepIRI(v.id(), v.at), Name: rd.textOf(n, "agentName", labelLimit, false), Code: rd.agentCode(n)}
	if hasPersonalCode(a.ID) {
		rd.refusePersonal(v.at)
		a.ID = ""
	}
	if a.Code == "" { // a general identifier that is unmistakably a code
		for _, iv := range rd.values(n, "identifiers") {
			if id, ok := rd.identifierOf(iv); ok {
				if kind, ok := vocab.LooksLikeIdentifier(id); ok && kind == vocab.IdentifierSubject {
					a.Code = id
				}
			}
		}
	}
	return a
}

// agentCode reads the codes given in the fields meant for them; a wrong check
// digit refuses the document.
func (rd *reading) agentCode(n subject) string {
	code := ""
	for _, f := range []struct {
		field string
		check func(string) error
	}{{"uscc", vocab.CheckUSCC}, {"subjectCode", vocab.CheckSubject}, {"platformCode", vocab.CheckPlatform}} {
		for _, v := range rd.values(n, f.field) {
			if c := rd.codeOf(v, f.check); c != "" && code == "" && f.field != "platformCode" {
				code = c
			}
		}
	}
	return code
}

// codeOf reads a national identifier and verifies it. Spaces and letter case
// are put right; the value is only repeated in a message where it is no
// person's.
func (rd *reading) codeOf(v value, check func(string) error) string {
	raw, _, ok := v.text()
	if !ok {
		rd.refuse(v.at, "shape.type", "代码应为文本（放在引号内），数字会丢失开头的零。", "A code must be text, in quotation marks; a number loses its leading zeros.")
		return ""
	}
	code, extension, extended := strings.Cut(strings.Join(strings.Fields(raw), ""), "•")
	s := strings.ToUpper(code)
	if extended {
		s += "•" + extension // an older identifier, kept as it is written
	}
	if s == "" {
		return ""
	}
	if vocab.IsPersonal(s) {
		rd.refusePersonal(v.at)
		return ""
	}
	if err := check(s); err != nil {
		if vocab.NearPersonal(s) || personIn(raw) != nil { // no other problem may quote it, and nothing is kept
			rd.refusePersonal(v.at)
		} else {
			rd.refuseCode(v.at, err)
		}
		return ""
	}
	return s
}

// refuseCode passes on what package vocab says is wrong with a code.
func (rd *reading) refuseCode(at place, err error) {
	for _, p := range vocab.ProblemsOf(err, "identifier.form") {
		if len(rd.problems) < maxProblems {
			p.Path = rd.pointer(at)
			rd.problems = append(rd.problems, p)
		}
	}
}

// identifierOf reads a general identifier: a literal, an IRI, or a node with a
// notation. Only what unmistakably has the form of a national code is held to
// its check digit.
func (rd *reading) identifierOf(v value) (string, bool) {
	raw, at := v.id(), v.at
	if x, ok := v.literal(); ok {
		switch x := x.(type) {
		case string:
			raw = x
		case float64:
			raw = decimal(x)
		default:
			rd.wrongType(v, "文本", "text")
			return "", false
		}
	} else if n, _ := rd.node(v); raw == "" {
		for _, nv := range rd.values(n, "notation") {
			if s, _, ok := nv.text(); ok {
				raw, at = s, nv.at
				break
			}
		}
	}
	id, ok := rd.clean(raw, at, labelLimit)
	if !ok || id == "" {
		return "", false
	}
	if kind, ok := vocab.LooksLikeIdentifier(id); ok {
		if err := vocab.CheckIdentifier(kind, id); err != nil {
			rd.refuseCode(at, err)
			return "", false
		}
	}
	return id, true
}

// contact reads whom to ask as one line: a desk's name, mailbox and number. A
// person's name and mobile number are left out.
func (rd *reading) contact(s subject) string {
	for _, v := range rd.values(s, "contact") {
		var parts []string
		if text, _, ok := v.text(); ok {
			if text, ok = rd.clean(text, v.at, labelLimit); ok {
				parts = append(parts, text)
			}
		} else if n, ok := rd.node(v); ok {
			parts = rd.contactParts(n)
		} else {
			rd.wrongType(v, "联系方式", "a contact")
		}
		kept := parts[:0]
		for _, p := range parts {
			if personIn(p) != nil {
				rd.warn(v.at, "contact.private", "联系方式像是个人的手机号或证件号，已略去：请留单位的服务台、固定电话或公共邮箱。", "The contact looks like a private mobile or identity number and is left out: give a desk, a landline or a shared mailbox.")
				continue
			}
			if p != "" {
				kept = append(kept, p)
			}
		}
		if len(kept) > 0 {
			return strings.Join(kept, " · ")
		}
	}
	return ""
}

func (rd *reading) contactParts(n subject) []string {
	var parts []string
	person := false
	for _, t := range asList(n.node["@type"]) {
		if s, ok := t.(string); ok {
			_, local := splitIRI(s)
			person = person || local == "Individual" || local == "Person"
		}
	}
	name := rd.textOf(n, "agentName", labelLimit, false).In("zh")
	switch {
	case person && name != "":
		rd.warn(*n.at, "contact.private", "联系人是个人，姓名已略去：请留单位的服务台。", "The contact is a person, whose name is left out: give a desk.")
	case name != "":
		parts = append(parts, name)
	}
	for _, f := range []string{"email", "telephone", "contactURL"} {
		v := rd.contactValue(n, f)
		v = strings.TrimPrefix(strings.TrimPrefix(v, "mailto:"), "tel:")
		if v != "" {
			parts = append(parts, v)
		}
	}
	return parts
}

// contactValue reads a vCard property, which may hide its value in a node.
func (rd *reading) contactValue(n subject, field string) string {
	for _, v := range rd.values(n, field) {
		if inner, ok := rd.node(v); ok && v.id() == "" {
			if s := rd.line(inner, "vcardValue"); s != "" {
				return s
			}
			continue
		}
		if s, ok := rd.lineOf(v); ok && s != "" {
			return s
		}
	}
	return ""
}

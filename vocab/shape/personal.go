package shape

import (
	"slices"
	"strconv"
	"strings"

	"lianmu/vocab"
	"lianmu/vocab/jsonld"
)

// Codes of the problem that a document carries which tells something of a
// natural person: an identity number, a mobile number, a member meant for
// either, or a node that is a person. Whoever gets one must not keep the
// document's body or @id anywhere. No such problem repeats what was found.
const (
	CodePersonal        = "participant.personal" // in a participant's entry
	CodeSpacePersonal   = "space.personal"       // in a space's descriptor
	CodeConsentPersonal = "consent.personal"     // in a consent to list products
	CodeUnfiledPersonal = "document.personal"    // in a document of which it is not clear what it is
)

const mostPersonal = 20 // finds that one refusal names

// impersonal looks for natural persons in the whole of a participant's entry,
// a consent or a space's descriptor, also where nothing else would ever read. Where it
// finds one it refuses the document and returns false: nothing more is to be
// read then, because other problems may quote what they are about.
func (rd *reading) impersonal(g *jsonld.Graph, out *Reading) bool {
	code := CodePersonal
	switch out.Kind {
	case vocab.KindSpace:
		code = CodeSpacePersonal
	case vocab.KindConsent:
		code = CodeConsentPersonal
	}
	if rd.persons(g, code) == 0 {
		return true
	}
	if personIn(out.ID) != nil {
		out.ID = ""
	}
	return false
}

// unfiled does the same for a refused document that may have been meant as
// one of these, and takes out of the problems what would quote a find.
func (rd *reading) unfiled(g *jsonld.Graph) {
	said := rd.problems
	rd.problems = nil
	if rd.persons(g, CodeUnfiledPersonal) == 0 {
		rd.problems = said
		return
	}
	for _, p := range said {
		if p.Code != "offering.several" {
			rd.problems = append(rd.problems, p)
		}
	}
}

// persons refuses every find and returns how many there are.
func (rd *reading) persons(g *jsonld.Graph, code string) int {
	s := search{members: map[string]bool{}}
	if source := g.Source(); source != nil {
		s.object(source)
	}
	if len(s.found) == 0 { // what a context makes of plain names, and graphs made by hand
		s.named = rd.name
		for i, n := range g.Nodes {
			if len(g.Nodes) > 1 {
				s.path = append(s.path[:0], step{name: "@graph"}, step{index: i, inList: true})
			}
			s.object(n)
		}
	}
	slices.SortFunc(s.found, func(a, b finding) int { return strings.Compare(a.path, b.path) })
	for _, f := range s.found[:min(len(s.found), mostPersonal)] {
		if len(rd.problems) < maxProblems {
			rd.problems = append(rd.problems, problem(f.path, code, f.zh+"目录不得收录，内容不予保存：请删去，只留单位的名称、代码和服务台（固定电话或公共邮箱）。",
				f.en+" A catalogue must not hold it, and nothing of this document is kept: take it out, and name only the organisation, its code and a desk (landline or shared mailbox).", nil))
		}
	}
	return len(s.found)
}

// finding is where something of a person stands, and what it is.
type finding struct {
	path   string
	zh, en string
}

// What can be found.
var (
	identityNumber = &finding{zh: "这里有居民身份证号或自然人的主体标识码。", en: "There is a resident identity number, or a natural person's subject code, here."}
	mobileNumber   = &finding{zh: "这里有手机号码。", en: "There is a mobile number here."}
	personalMember = &finding{zh: "这里有填写个人证件号或手机号的字段。", en: "There is a member for a person's identity document or mobile number here."}
	personNode     = &finding{zh: "这里描述的是自然人，而不是单位。", en: "What is described here is a natural person, not an organisation."}
)

// search walks JSON, as received or expanded.
type search struct {
	found   []finding
	named   func(iri string) string // of an expanded graph's properties; nil for JSON as received
	terms   bool                    // within a context, whose names are no members
	path    []step
	members map[string]bool // names looked at: are they meant for a person's number?
}

// step is a member's name or a place in a list; as text only where there is
// something to say.
type step struct {
	name   string
	index  int
	inList bool
}

func (s *search) add(f *finding) {
	if len(s.found) >= 50*mostPersonal {
		return
	}
	var at strings.Builder
	for _, p := range s.path {
		switch {
		case p.inList:
			at.WriteString("/" + strconv.Itoa(p.index))
		case s.named == nil:
			at.WriteString("/" + escape(p.name))
		case p.name != "@value" && p.name != "@list" && p.name != "@set":
			at.WriteString("/" + escape(s.named(p.name)))
		}
	}
	s.found = append(s.found, finding{at.String(), f.zh, f.en})
}

func (s *search) object(o map[string]any) {
	if len(s.path) > maxNesting {
		return
	}
	for name, v := range o {
		if f := personIn(name); f != nil {
			s.add(f) // where it stands, because the name itself must not be repeated
			continue
		}
		s.path = append(s.path, step{name: name})
		s.member(name, v)
		s.path = s.path[:len(s.path)-1]
	}
}

func (s *search) member(name string, v any) {
	switch {
	case s.terms:
	case name == "@context":
		s.terms = true
		s.value(v)
		s.terms = false
		return
	case name == "proofValue" || name == "verificationMethod": // of the proof: no text
		return
	case name == "@type" || name == "type":
		for _, t := range asList(v) {
			if t, ok := t.(string); ok && isPerson(t) {
				s.add(personNode)
			}
		}
	case s.isPersonal(name) && !isEmpty(v):
		s.add(personalMember)
		return
	}
	s.value(v)
}

func (s *search) value(v any) {
	switch v := v.(type) {
	case string:
		if f := personIn(v); f != nil {
			s.add(f)
		}
	case float64:
		if f := personIn(decimal(v)); f != nil {
			s.add(f)
		}
	case map[string]any:
		s.object(v)
	case []any:
		if len(s.path) > maxNesting {
			return
		}
		if joined := joinedUp(v); joined != "" {
			if f := personIn(joined); f != nil {
				s.add(f)
				return
			}
		}
		for i, e := range v {
			inList := s.named == nil || len(v) > 1
			if inList {
				s.path = append(s.path, step{index: i, inList: true})
			}
			s.value(e)
			if inList {
				s.path = s.path[:len(s.path)-1]
			}
		}
	}
}

// joinedUp is what a list reads like whose values are pieces of a number, none
// longer than one; "" for other lists.
func joinedUp(list []any) string {
	if len(list) < 2 {
		return ""
	}
	pieces := make([]string, len(list))
	for i, e := range list {
		switch e := literalOf(e).(type) {
		case string:
			pieces[i] = e
		case float64:
			pieces[i] = decimal(e)
		default:
			return ""
		}
		if len(pieces[i]) > 3*personalCodeSize || strings.Contains(pieces[i], ".") || !strings.ContainsAny(unmask(foldDigits(pieces[i])), "0123456789") {
			return ""
		}
	}
	return strings.Join(pieces, "|")
}

func (s *search) isPersonal(name string) bool {
	is, known := s.members[name]
	if !known {
		is = isPersonalMember(name)
		s.members[name] = is
	}
	return is
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return !shows(v)
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !isEmpty(e) })
	case map[string]any:
		for _, e := range v {
			if !isEmpty(e) {
				return false
			}
		}
		return true
	}
	return false
}

// Names of members that are meant for a person's document or mobile number, as
// bare leaves them: whole names, and what gives a longer name away. They are
// not in the profile, because no profile may do without them.
var (
	personalMembers = set("身份证 证件 证照号码 护照 手机 移动电话 个人电话 idno idnum idnumber identityno passport certno nationalid residentid mobile mobileno mobilenumber cell cellno cellnumber cellphone cellphoneno sfz shouji")
	personalParts   = strings.Fields("身份证 证件号 公民身份号码 公民身份代码 护照号 通行证号 军官证号 手机号 港澳通行证 台湾通行证 台胞证 回乡证 往来港澳 往来台湾 居住证号 shenfenzheng sfzh shoujihao idcard identitycard identitynumber identificationnumber passportno passportnum nationalidn residentidn mobilephone")
)

// persons are the types of nodes that are natural persons.
var personTypes = set("person individual naturalperson 自然人")

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

func isPersonalMember(name string) bool {
	_, local := splitIRI(name)
	b := bare(local)
	return personalMembers[b] || slices.ContainsFunc(personalParts, func(p string) bool { return strings.Contains(b, p) })
}

func isPerson(t string) bool {
	_, local := splitIRI(t)
	return personTypes[bare(local)]
}

package shape

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"lianmu/vocab"
)

// code reads the values of one coded field.
type code struct {
	field   string
	list    *vocab.CodeList
	strict  bool                  // a value that is not in the list refuses the document
	aliases map[string]vocab.Term // in lower case
	choices vocab.Text            // what a strict field takes
}

// codeLists names the lists that a profile may use.
func codeLists() map[string]*vocab.CodeList {
	return map[string]*vocab.CodeList{
		"themes": vocab.Themes, "scenes": vocab.Scenes, "industries": vocab.Industries,
		"regions": vocab.Regions, "forms": vocab.Forms, "frequencies": vocab.Frequencies,
		"levels": vocab.Levels, "qualities": vocab.Qualities, "sources": vocab.Sources,
		"spaceTypes": vocab.SpaceTypes, "charging": vocab.Charging,
		"registrations": vocab.Registrations, "importances": vocab.Importances, "roles": vocab.Roles,
	}
}

// choose lists what the field takes, for messages, leaving out what no hub
// may hold.
func choose(list *vocab.CodeList, not []string) vocab.Text {
	var zh, en []string
	for _, t := range list.All() {
		if !slices.Contains(not, t.Code) {
			zh, en = append(zh, t.Code+" "+t.Label["zh"]), append(en, t.Code+" "+t.Label["en"])
		}
	}
	return vocab.Text{"zh": strings.Join(zh, "、"), "en": strings.Join(en, ", ")}
}

// find looks a code, label or alias up.
func (c *code) find(s string) (vocab.Term, bool) {
	s = strings.TrimSpace(s)
	if t, ok := c.list.Find(s); ok {
		return t, true
	}
	t, ok := c.aliases[strings.ToLower(s)]
	return t, ok
}

// findIRI looks an IRI up: an alias, one of a namespace that ends in codes, or
// one that the code list itself knows (the EU frequency vocabulary, say).
func (c *code) findIRI(id string, namespaces []string) (vocab.Term, bool) {
	if t, ok := c.aliases[strings.ToLower(id)]; ok {
		return t, true
	}
	for _, ns := range namespaces {
		if rest, ok := strings.CutPrefix(id, ns); ok {
			if i := strings.LastIndexByte(rest, '/'); i >= 0 {
				rest = rest[i+1:]
			}
			return c.list.Find(rest)
		}
	}
	return c.list.Find(id)
}

const mostTerms = 200 // of one field

// terms reads a coded field with several values.
func (rd *reading) terms(s subject, field string, more ...value) []vocab.Term {
	c := rd.p.codes[field]
	var out []vocab.Term
	for _, v := range append(rd.values(s, field), more...) {
		for _, t := range rd.termsOf(v, c) {
			if !slices.ContainsFunc(out, func(o vocab.Term) bool { return sameTerm(o, t) }) {
				out = append(out, t)
			}
		}
		if len(out) > mostTerms {
			rd.refuse(v.at, "shape.many", "这里最多 %d 个值：请删减。", "At most %d values are allowed here: take some out.", mostTerms)
			return out[:mostTerms]
		}
	}
	return out
}

func sameTerm(a, b vocab.Term) bool {
	if a.Code != "" || b.Code != "" {
		return a.Code == b.Code
	}
	if len(a.Label) != len(b.Label) {
		return false
	}
	for l, s := range a.Label {
		if b.Label[l] != s {
			return false
		}
	}
	return true
}

// term reads a coded field with one value. Names of it in several languages
// are one value; two different ones refuse the document where the field is
// strict, else the first is taken.
func (rd *reading) term(s subject, field string) vocab.Term {
	c := rd.p.codes[field]
	var out vocab.Term
	for _, v := range rd.values(s, field) {
		for _, t := range rd.termsOf(v, c) {
			switch {
			case out.Code == "" && out.Label == nil:
				out = t
			case sameTerm(out, t):
			case out.Code == "" && t.Code == "": // free text in another language
				for l, text := range t.Label {
					put(out.Label, l, text)
				}
			case c.strict:
				rd.refuse(v.at, "shape.several", "此项只能有一个值，这里有相互矛盾的值。", "This takes one value; here are two that contradict each other.")
			default:
				rd.warn(v.at, "shape.several", "此项只取一个值，其余已略去。", "This takes one value; the others are left out.")
			}
		}
	}
	return out
}

// termsOf reads one value: a code, a label, several of them in one text, free
// text, a number that is a code, a concept, or an IRI.
func (rd *reading) termsOf(v value, c *code) []vocab.Term {
	if x, ok := v.literal(); ok {
		switch x := x.(type) {
		case string:
			_, tag, _ := v.text()
			return rd.termsInText(v, c, x, tag)
		case float64:
			if x == math.Trunc(x) && math.Abs(x) < 1e15 {
				if t, ok := c.find(strconv.FormatInt(int64(x), 10)); ok && !c.strict {
					return []vocab.Term{t}
				}
			}
		}
		rd.badCode(v.at, c, "")
		return nil
	}
	if t, ok := rd.concept(v, c); ok {
		return []vocab.Term{t}
	}
	return nil
}

func (rd *reading) termsInText(v value, c *code, raw, tag string) []vocab.Term {
	text, ok := rd.clean(raw, v.at, labelLimit)
	if !ok {
		if c.strict {
			rd.badCode(v.at, c, "")
		}
		return nil
	}
	if t, ok := c.find(text); ok && text != "" {
		return []vocab.Term{t}
	}
	if looksLikeIRI(text) {
		if t, ok := rd.termOfIRI(text, c); ok {
			return []vocab.Term{t}
		}
	}
	if c.strict {
		rd.badCode(v.at, c, text)
		return nil
	}
	if text == "" {
		return nil
	}
	var several []vocab.Term // "B0300，B0400": only where each part is known
	for part := range split(text, true) {
		t, ok := c.find(part)
		if !ok {
			return []vocab.Term{{Label: label(tag, text)}}
		}
		several = append(several, t)
	}
	return several
}

// concept reads a node that stands for a coded value.
func (rd *reading) concept(v value, c *code) (vocab.Term, bool) {
	n, _ := rd.node(v)
	id := v.id()
	if id != "" {
		if t, ok := c.findIRI(id, rd.p.namespaces); ok {
			return t, true
		}
	}
	names := rd.textOf(n, "label", labelLimit, false)
	for _, nv := range rd.values(n, "notation") {
		if s, _, ok := nv.text(); ok {
			if t, ok := c.find(s); ok {
				return t, true
			}
		}
	}
	for _, l := range names.Languages() {
		if t, ok := c.find(names[l]); ok {
			return t, true
		}
	}
	if c.strict {
		rd.badCode(v.at, c, id)
		return vocab.Term{}, false
	}
	if len(names) > 0 {
		return vocab.Term{Code: rd.keepIRI(id, v.at), Label: names}, true
	}
	if id == "" {
		return vocab.Term{}, false // a place with a box and no name, say
	}
	return rd.termOfIRI(rd.keepIRI(id, v.at), c)
}

// keepIRI returns id, or "" with a warning where it is no usable IRI.
func (rd *reading) keepIRI(id string, at place) string {
	if id == "" {
		return ""
	}
	if why := checkIRI(id); why != nil {
		rd.warn(at, why.code, "此 IRI 无效，已略去："+why.zh, "This IRI is not valid and is left out: "+why.en)
		return ""
	}
	return id
}

// termOfIRI names a term of a foreign vocabulary by the last part of its IRI.
func (rd *reading) termOfIRI(id string, c *code) (vocab.Term, bool) {
	if id == "" {
		return vocab.Term{}, false
	}
	if t, ok := c.findIRI(id, rd.p.namespaces); ok {
		return t, true
	}
	if c.strict {
		return vocab.Term{}, false
	}
	_, local := splitIRI(strings.TrimRight(id, "/"))
	name := strings.TrimSpace(strings.NewReplacer("-", " ", "_", " ").Replace(local))
	if strings.Trim(name, "0123456789. ") == "" {
		name = id
	}
	return vocab.Term{Code: id, Label: label("", name)}, true
}

func (rd *reading) badCode(at place, c *code, given string) {
	switch {
	case c.strict && rd.banned: // the reason has been said
	case c.strict:
		rd.unknownLevel(at, given, c.choices["zh"], c.choices["en"])
	default:
		rd.warn(at, "shape.type", "这里应为代码、名称或文本，已略去。", "This should be a code, a name or text; it is left out.")
	}
}

// unknownLevel refuses a level, importance or audience that was given and not
// understood. It is said however many other problems there are, because the
// text may be a secret one.
func (rd *reading) unknownLevel(at place, given, zh, en string) {
	if given != "" {
		zh, en = "不认识"+quote(given)+"，请用以下之一："+zh, quote(given)+" is not understood; use one of: "+en
	} else {
		zh, en = "应为以下之一："+zh, "it must be one of: "+en
	}
	rd.always(rd.pointer(at), CodeUnknownLevel, "此项关系到谁能看到数据，不能猜测："+zh+"。", "This decides who may see the data and is not guessed: "+en+".")
}

// forbidden looks for a level or importance that no hub may hold, in every
// text of a guarded field's value, wherever in the document it stands.
func (rd *reading) forbidden(field string, v any, at func() string) {
	rule, ok := rd.p.forbidden[field]
	if !ok || rd.banned {
		return
	}
	eachText(v, 8, func(s string) {
		if !rd.banned && (rule.speaks(s) || rd.listed(field, rule, s)) {
			rd.forbid(at())
		}
	})
}

// guarded is told every value of a guarded field that the graph has.
func (rd *reading) guarded(field, iri string, v any, at func() *place) {
	pointer := func() string { return rd.pointer(*at()) }
	if field == secrecyField {
		rd.secret(rd.name(iri), v, pointer)
		return
	}
	if rd.said == nil {
		rd.said = map[string]bool{}
	}
	rd.said[field] = true
	rd.forbidden(field, v, pointer)
}

// listed reports whether s is, or names, a forbidden code of the field's list.
func (rd *reading) listed(field string, rule forbidRule, s string) bool {
	c, ok := rd.p.codes[field]
	if !ok {
		return false
	}
	t, ok := c.find(bare(s))
	if !ok {
		t, ok = c.findIRI(strings.TrimSpace(s), rd.p.namespaces)
	}
	return ok && slices.Contains(rule.Codes, t.Code)
}

// speaks reports whether one of the rule's words is in s. Where the rule is
// about statements in prose, only a short one counts, and only without a word
// before it that turns its meaning: "不含机密" says that nothing is secret.
func (r forbidRule) speaks(s string) bool {
	if r.Within > 0 && looksLikeIRI(s) {
		_, s = splitIRI(s)
	}
	s = bare(s)
	if r.Within > 0 && utf8.RuneCountInString(s) > r.Within {
		return false
	}
	for _, w := range r.Words {
		i := strings.Index(s, w)
		if i < 0 {
			continue
		}
		if !slices.ContainsFunc(r.Unless, func(n string) bool { return strings.Contains(s[:i], n) }) {
			return true
		}
	}
	return false
}

// eachText calls f with every text in v, at most depth levels down.
func eachText(v any, depth int, f func(string)) {
	if depth == 0 {
		return
	}
	switch v := v.(type) {
	case string:
		f(v)
	case []any:
		for _, x := range v {
			eachText(x, depth-1, f)
		}
	case map[string]any:
		for k, x := range v {
			if k != "@language" && k != "@type" {
				eachText(x, depth-1, f)
			}
		}
	}
}

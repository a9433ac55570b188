package shape

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"lianmu/vocab"
)

// value is one value of a property: a value object, a node, or a reference.
type value struct {
	raw map[string]any
	at  place
}

// values lists what a node says in a field, property by property in the
// profile's order; rank is the property's place in that order. Lists are
// flattened.
func (rd *reading) values(s subject, field string) []value {
	if !rd.has(s, field) || !rd.spend(1) {
		return nil
	}
	var out []value
	for _, iri := range rd.p.fields[field] {
		if v, ok := s.node[iri]; ok {
			out = appendValues(out, s.at, iri, v)
		}
	}
	if !rd.spend(len(out)) {
		return nil
	}
	if len(out) == 0 && guardedFields[field] {
		var foreign []string
		for iri := range s.node {
			if _, f := rd.p.property(iri); f == field {
				foreign = append(foreign, iri)
			}
		}
		slices.Sort(foreign)
		for _, iri := range foreign {
			out = appendValues(out, s.at, iri, s.node[iri])
		}
	}
	return out
}

// first lists the values of the first property of a field that has any.
func (rd *reading) first(s subject, field string) []value {
	if !rd.has(s, field) || !rd.spend(1) {
		return nil
	}
	for _, iri := range rd.p.fields[field] {
		if v, ok := s.node[iri]; ok {
			if out := appendValues(nil, s.at, iri, v); len(out) > 0 && rd.spend(len(out)) {
				return out
			}
		}
	}
	return nil
}

// has reports whether a node says anything in a field.
func (rd *reading) has(s subject, field string) bool { return s.has.meets(fieldBits[field]) }

func appendValues(out []value, at *place, iri string, v any) []value {
	list := mendLanguageMap(asList(v))
	for i, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			m = map[string]any{"@value": item}
		}
		if inner, ok := inList(m); ok {
			out = appendValues(out, at, iri, inner)
			continue
		}
		if out == nil {
			out = make([]value, 0, len(list)-i)
		}
		out = append(out, value{raw: m, at: at.value(iri, i, len(list))})
	}
	return out
}

// inList is what a list or set object holds. These have no member but an
// index beside their values (JSON-LD 1.1, 4.3), so larger nodes are not asked.
func inList(m map[string]any) (any, bool) {
	if len(m) > 2 {
		return nil, false
	}
	if inner, ok := m["@list"]; ok {
		return inner, true
	}
	inner, ok := m["@set"]
	return inner, ok
}

// mendLanguageMap puts right what becomes of {"@value": …, "@language": …}
// under a key of our context that takes a map of languages: JSON-LD reads its
// two members as two languages called so.
func mendLanguageMap(list []any) []any {
	text, tag := -1, -1
	for i, item := range list {
		m, _ := item.(map[string]any)
		if len(m) != 2 {
			continue // neither of the two has more than text and tag
		}
		switch l, _ := m["@language"].(string); l {
		case "@value":
			text = i
		case "@language":
			tag = i
		}
	}
	if text < 0 {
		return list
	}
	fixed := map[string]any{"@value": list[text].(map[string]any)["@value"]}
	if tag >= 0 {
		fixed["@language"] = list[tag].(map[string]any)["@value"]
	}
	out := []any{fixed}
	for i, item := range list {
		if i != text && i != tag {
			out = append(out, item)
		}
	}
	return out
}

// literal is the value of a value object.
func (v value) literal() (any, bool) {
	x, ok := v.raw["@value"]
	return x, ok
}

// text is the value and language tag of a textual value object.
func (v value) text() (s, tag string, ok bool) {
	s, ok = v.raw["@value"].(string)
	tag, _ = v.raw["@language"].(string)
	return s, tag, ok
}

// id is the @id of a node or reference, "" for blank nodes and literals.
func (v value) id() string {
	id, _ := v.raw["@id"].(string)
	if strings.HasPrefix(id, "_:") {
		return ""
	}
	return id
}

// node is the node that v is or refers to.
func (rd *reading) node(v value) (subject, bool) {
	if _, literal := v.literal(); literal {
		return subject{}, false
	}
	n := rd.g.resolve(v.raw)
	rd.spend(len(n) / 8)
	return subject{node: n, has: rd.p.present(n), at: &v.at}, true
}

// wrongType says that a value is left out because of its type.
func (rd *reading) wrongType(v value, zh, en string) {
	rd.warn(v.at, "shape.type", "这里应为"+zh+"，已略去。", "This should be "+en+"; it is left out.")
}

// textOf reads a field as one text in several languages. Languages that a
// preferred property lacks are filled from the others. Where the field is
// required, a value of a wrong type refuses the document.
func (rd *reading) textOf(s subject, field string, lim limit, required bool) vocab.Text {
	var out vocab.Text
	if !rd.has(s, field) {
		return nil
	}
	for _, iri := range rd.p.fields[field] {
		v, ok := s.node[iri]
		if !ok || !rd.spend(1+len(asList(v))) {
			continue
		}
		earlier := len(out)
		for _, v := range appendValues(nil, s.at, iri, v) {
			text, tag, ok := v.text()
			if !ok {
				switch {
				case required:
					rd.refuse(v.at, "shape.type", "这里应为文本。", "This must be text.")
				default:
					rd.wrongType(v, "文本", "text")
				}
				continue
			}
			if text, ok = rd.clean(text, v.at, lim); !ok || text == "" {
				continue
			}
			if out == nil {
				out = vocab.Text{}
			}
			if len(out) >= mostLanguages {
				rd.refuse(s.at.member(iri), "shape.many", "同一文本最多 %d 种语言。", "A text may be given in at most %d languages.", mostLanguages)
				break
			}
			if !put(out, tag, text) && earlier == 0 {
				rd.warn(v.at, "text.several", "同一语言有多个文本，只取第一个。", "There are several texts in one language; the first is taken.")
			}
		}
	}
	return out
}

// put adds text under its language, or, where it names none, under the one
// that its script tells. It reports false where another text stands there.
func put(t vocab.Text, tag, text string) bool {
	lang, tagged := fold(tag)
	if !tagged {
		lang = guess(text)
		if have, taken := t[lang]; taken && have != text {
			lang = "und"
		}
	}
	if have, taken := t[lang]; taken {
		return have == text
	}
	t[lang] = text
	return true
}

// label reads one literal as a text of one language.
func label(tag, text string) vocab.Text {
	t := vocab.Text{}
	put(t, tag, text)
	return t
}

// keywords gathers a field's texts by language. A text that stands alone in
// its language is split at commas and semicolons; Chinese list marks always
// split.
func (rd *reading) keywords(s subject) vocab.Texts {
	type word struct {
		lang, text string
		whole      bool // a concept's label is one keyword, whatever marks it has
		at         place
	}
	values := rd.values(s, "keywords")
	switch {
	case len(values) == 0:
		return nil
	case len(values) > mostKeywords:
		rd.refuse(values[mostKeywords].at, "shape.many", "关键词最多 %d 个：请删减。", "At most %d keywords are allowed: take some out.", mostKeywords)
		return nil
	}
	words := make([]word, 0, len(values))
	for _, v := range values {
		text, tag, ok := v.text()
		if !ok {
			if n, isNode := rd.node(v); isNode {
				labels := rd.textOf(n, "label", keywordLimit, false)
				for _, lang := range labels.Languages() {
					words = append(words, word{lang, labels[lang], true, v.at})
				}
				continue
			}
			rd.wrongType(v, "文本", "text")
			continue
		}
		lang, tagged := fold(tag)
		if !tagged {
			lang = guess(text)
		}
		words = append(words, word{lang, text, false, v.at})
	}
	out, n := vocab.Texts{}, 0
	for i, w := range words {
		alone := !slices.ContainsFunc(words[:i], func(o word) bool { return o.lang == w.lang }) &&
			!slices.ContainsFunc(words[i+1:], func(o word) bool { return o.lang == w.lang })
		for part := range split(w.text, alone && !w.whole) {
			if w.whole {
				part = w.text
			}
			part, ok := rd.clean(part, w.at, keywordLimit)
			if ok && part != "" && !slices.Contains(out[w.lang], part) {
				if n++; n > mostKeywords {
					rd.refuse(w.at, "shape.many", "关键词最多 %d 个：请删减。", "At most %d keywords are allowed: take some out.", mostKeywords)
					return out
				}
				out[w.lang] = append(out[w.lang], part)
			}
			if w.whole {
				break
			}
		}
	}
	if n == 0 {
		return nil
	}
	return out
}

// split cuts a text at Chinese list marks and, where asked, at ASCII ones and
// line ends, which a single name may well hold.
func split(s string, ascii bool) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		from := 0
		for i, r := range s {
			switch r {
			case '，', '、', '；':
			case ',', ';', '\n':
				if !ascii {
					continue
				}
			default:
				continue
			}
			if !yield(s[from:i]) {
				return
			}
			from = i + utf8.RuneLen(r)
		}
		yield(s[from:])
	}
}

// line reads a field's first usable value as one line of text: a literal, a
// number as written, a node's label, or an IRI.
func (rd *reading) line(s subject, field string) string {
	for _, v := range rd.values(s, field) {
		if text, ok := rd.lineOf(v); ok && text != "" {
			return text
		}
	}
	return ""
}

func (rd *reading) lineOf(v value) (string, bool) {
	if x, ok := v.literal(); ok {
		switch x := x.(type) {
		case string:
			return rd.clean(x, v.at, labelLimit)
		case float64:
			return decimal(x), true
		}
		rd.wrongType(v, "文本", "text")
		return "", false
	}
	n, _ := rd.node(v)
	if t := rd.textOf(n, "label", labelLimit, false); len(t) > 0 {
		return t.In("zh"), true
	}
	if id := v.id(); id != "" {
		if why := checkIRI(id); why != nil {
			rd.warn(v.at, why.code, "此 IRI 无效，已略去："+why.zh, "This IRI is not valid and is left out: "+why.en)
			return "", false
		}
		return id, true
	}
	return "", false
}

// decimal writes a number without exponent, as people write prices.
func decimal(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// link reads a field as an address that people may follow; what is no
// absolute IRI, or one of a scheme that browsers run, is left out.
func (rd *reading) link(s subject, field string) string {
	for _, v := range rd.values(s, field) {
		if l := rd.linkOf(v); l != "" {
			return l
		}
	}
	return ""
}

func (rd *reading) linkOf(v value) string {
	raw := v.id()
	if text, _, ok := v.text(); ok {
		raw = strings.TrimSpace(text)
	}
	if raw == "" {
		if _, literal := v.literal(); literal {
			rd.wrongType(v, "网址", "an address")
		}
		return ""
	}
	if why := checkIRI(raw); why != nil {
		rd.warn(v.at, why.code, "此网址无效，已略去："+why.zh, "This address is not valid and is left out: "+why.en)
		return ""
	}
	return raw
}

package jsonld

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/piprate/json-gold/ld"
)

// plain expands what nearly every description consists of: nodes and
// references whose members are @id, @type and properties, with texts, numbers,
// nodes and lists of them as values. All else it hands to json-gold, object by
// object or member by member, and all that is wrong: where it returns an error,
// the document is json-gold's to expand or refuse. So it decides nothing, and
// is only quicker: names are not sorted and not looked up time and again.
//
// It must not be used where contexts apply below the top level.
type plain struct{ active *ld.Context }

// member is a property of a plain node.
type member struct {
	name, iri string
	value     any
	texts     map[string]any // value, where it is a map of texts by language
	foreign   bool           // its term asks for more than that or a list of values
}

// object is step 13 of the expansion algorithm (JSON-LD 1.1 API, 5.1.2) for the
// value of a property, or for the document's top where property is "". The
// result is nil for what expands to nothing.
func (x plain) object(property string, source map[string]any) (any, error) {
	if text := taggedText(source); text != nil && property != "" {
		return text, nil
	}
	if _, nameless := source[""]; nameless { // which to json-gold is the top, and no type
		return x.gold(property, source)
	}
	node := make(map[string]any, len(source))
	var room [16]member
	members := room[:0]
	// First it is seen whether the node is plain, so that none is expanded twice.
	for name, v := range source {
		m, err := x.member(name, v)
		if err != nil {
			return nil, err
		}
		if !strings.Contains(m.iri, ":") && !strings.HasPrefix(m.iri, "@") {
			continue // means nothing
		}
		if _, twice := node[m.iri]; twice || !x.isPlain(m) {
			return x.gold(property, source)
		}
		node[m.iri] = nil
		members = append(members, m)
	}
	for _, m := range members {
		v, err := x.expand(m)
		if err != nil {
			return nil, err
		}
		if v == nil {
			delete(node, m.iri)
			continue
		}
		node[m.iri] = v
	}
	if property == "" && len(node) < 2 {
		return x.gold(property, source) // a top without members is dropped, or with an @id alone
	}
	return node, nil
}

// taggedText returns the expanded form of a text with a language, nil for
// anything else.
func taggedText(source map[string]any) map[string]any {
	if len(source) != 2 {
		return nil
	}
	text := source["@value"]
	tag, isTagged := source["@language"].(string)
	if _, isText := text.(string); !isText || !isTagged {
		return nil
	}
	return map[string]any{"@value": text, "@language": strings.ToLower(tag)}
}

func (x plain) member(name string, v any) (m member, err error) {
	m = member{name: name, value: v}
	td := x.active.TermDefinitions[name]
	if td == nil || strings.HasPrefix(name, "@") {
		m.iri, err = x.active.ExpandIri(name, false, true, nil, nil)
		return m, err
	}
	m.iri, m.foreign = td.ID, td.Type == "@json"
	for _, c := range td.Container {
		switch c {
		case "@set": // what stands in it is a list in any case
		case "@language":
			m.texts, _ = v.(map[string]any)
			m.foreign = m.foreign || td.HasDirection || x.active.Values.Direction != ""
		default:
			m.foreign = true
		}
	}
	return m, nil
}

// isPlain tells whether m can be expanded without a look at its neighbours.
func (x plain) isPlain(m member) bool {
	switch {
	case m.iri == "@id":
		_, isText := m.value.(string)
		return isText
	case m.iri == "@type":
		for _, t := range ld.Arrayify(m.value) {
			s, isText := t.(string)
			if td := x.active.TermDefinitions[s]; !isText || td != nil && td.HasContext {
				return false
			}
		}
		return true
	case m.iri[0] == '@':
		return false
	}
	td := x.active.TermDefinitions[m.name]
	return td == nil || !td.Reverse && !td.HasContext && td.Context == nil
}

// expand returns what stands in the node for m, nil for nothing.
func (x plain) expand(m member) (any, error) {
	switch {
	case m.iri == "@id":
		return x.active.ExpandIri(m.value.(string), true, false, nil, nil)
	case m.iri == "@type":
		var types []any
		for _, t := range ld.Arrayify(m.value) {
			iri, err := x.active.ExpandIri(t.(string), true, true, nil, nil)
			if err != nil {
				return nil, err
			}
			types = append(types, iri)
		}
		return types, nil
	case m.foreign:
		v, err := x.gold("", map[string]any{m.name: m.value})
		node, _ := v.(map[string]any)
		return node[m.iri], err
	case m.texts != nil:
		return x.languages(m.texts)
	}
	v, err := x.value(m.name, m.value)
	if v == nil || err != nil {
		return nil, err
	}
	return ld.Arrayify(v), nil
}

var errNoText = errors.New("a map of languages holds something that is no text")

// languages is step 13.7 of the algorithm, for terms without a direction.
func (x plain) languages(texts map[string]any) (any, error) {
	list := make([]any, 0, len(texts))
	for _, tag := range slices.Sorted(maps.Keys(texts)) {
		iri, err := x.active.ExpandIri(tag, false, true, nil, nil)
		if err != nil {
			return nil, err
		}
		for _, text := range ld.Arrayify(texts[tag]) {
			if text == nil {
				continue
			}
			if _, isText := text.(string); !isText {
				return nil, errNoText
			}
			v := map[string]any{"@value": text}
			if iri != "@none" {
				v["@language"] = strings.ToLower(tag)
			}
			list = append(list, v)
		}
	}
	return list, nil
}

// value expands a value of the property called name: nil for nothing, a list
// for a list, else a map.
func (x plain) value(name string, v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case map[string]any:
		return x.object(name, v)
	case []any:
		list := make([]any, 0, len(v))
		for _, e := range v {
			switch e, err := x.value(name, e); e := e.(type) {
			case nil:
				if err != nil {
					return nil, err
				}
			case []any:
				list = append(list, e...)
			default:
				list = append(list, e)
			}
		}
		return list, nil
	}
	return x.active.ExpandValue(name, v)
}

func (x plain) gold(property string, element any) (any, error) {
	return ld.NewJsonLdApi().Expand(x.active, property, element, options, false, nil)
}

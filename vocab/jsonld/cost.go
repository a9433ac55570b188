package jsonld

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"lianmu/vocab"
)

// What an expansion costs is linear in the document, except for contexts:
// json-gold parses a scoped or nested context again at every node that it
// applies to, and copies the whole active context each time. A few kilobytes
// of JSON can so ask for minutes of work. The meter counts that work from
// above, in steps, before it is begun.
const (
	stepTime   = 20 * time.Nanosecond // copying one term definition, about
	termSteps  = 100                  // parsing one
	valueSteps = 3                    // copying one JSON value of a built-in context
)

// price is what applying a context once costs: parse steps, and copies of the
// active context.
type price struct{ parse, copies int }

func (p price) plus(q price) price  { return price{p.parse + q.parse, p.copies + q.copies} }
func (p price) worse(q price) price { return price{max(p.parse, q.parse), max(p.copies, q.copies)} }

// bill is what the contexts of a document add up to.
type bill struct {
	bytes  int              // written out in the document
	terms  int              // term definitions, each built-in context once
	longIn int              // longest IRI in them that nothing is appended to, or that is absolute
	longBy int              // what prefixes and vocabularies can add to others, each time they are applied
	nulls  int              // null entries, each of which keeps one more context alive
	scoped map[string]price // by the term whose type- or property-scoped context it is
	used   map[string]bool  // built-in contexts already counted
}

func (b *bill) scope(term string, p price) {
	if b.scoped == nil {
		b.scoped = make(map[string]price)
	}
	b.scoped[term] = b.scoped[term].worse(p)
}

func (b *bill) include(address string, inner *bill) {
	if b.used[address] {
		return
	}
	if b.used == nil {
		b.used = make(map[string]bool)
	}
	b.used[address] = true
	b.terms += inner.terms
	b.longIn = max(b.longIn, inner.longIn)
	b.longBy += inner.longBy
	b.nulls += inner.nulls
	for term, p := range inner.scoped {
		b.scope(term, p)
	}
}

// clone lets a document add to what its cached top-level contexts cost.
func (b *bill) clone() bill {
	c := *b
	c.scoped, c.used = nil, nil
	for term, p := range b.scoped {
		c.scope(term, p)
	}
	for address := range b.used {
		if c.used == nil {
			c.used = make(map[string]bool)
		}
		c.used[address] = true
	}
	return c
}

// meter adds up bills.
type meter struct {
	bill
	known func(address string) *builtin
}

// context measures a context: null, an address, a map or a list of these. It
// refuses an address that is not built in, a list that is too long, an IRI that
// is too long, and more bytes of contexts than allowed.
func (m *meter) context(v any, path string, counts bool) (price, error) {
	list, isList := v.([]any)
	if !isList {
		return m.entry(v, path, counts)
	}
	if len(list) > maxContexts {
		return price{}, refuse(path, "limit.context",
			"@context 列表有 %d 项，超过上限 %d 项。",
			"The @context list has %d entries; the limit is %d.", len(list), maxContexts)
	}
	total := price{copies: 1}
	for i, e := range list {
		p, err := m.entry(e, fmt.Sprintf("%s/%d", path, i), counts)
		if err != nil {
			return price{}, err
		}
		total = total.plus(p)
	}
	return total, nil
}

func (m *meter) entry(v any, path string, counts bool) (price, error) {
	switch v := v.(type) {
	case nil:
		m.nulls++
		return price{copies: 1}, nil
	case string:
		b := m.known(v)
		if b == nil {
			return price{}, unknownContext(path, v)
		}
		m.include(v, &b.bill)
		return b.price.plus(price{parse: valueSteps * b.values, copies: 2}), nil
	case map[string]any:
		return m.definitions(v, path, counts)
	}
	return price{}, refuse(path, "context.invalid",
		"@context 的每一项必须是地址、对象或 null。",
		"Each entry of @context must be an address, an object or null.")
}

// definitions measures a context written out. counts tells whether its bytes
// are the document's own.
func (m *meter) definitions(c map[string]any, path string, counts bool) (price, error) {
	total := price{copies: 1}
	for _, term := range slices.Sorted(maps.Keys(c)) {
		v := c[term]
		at := path + "/" + escapePointer(term)
		if counts {
			if m.bytes += textBytes(v) + len(term); m.bytes > maxContextBytes {
				return price{}, refuse(path, "limit.context",
					"文档中写出的 @context 超过 %d KB；请精简词项定义。",
					"The contexts written out in the document exceed %d KB. Define fewer terms.", maxContextBytes>>10)
			}
		}
		switch term {
		case "@import", "@context": // the latter: a context wrapped once more
			p, err := m.entry(v, at, false)
			if err != nil {
				return price{}, err
			}
			total = total.plus(p)
			continue
		case "@vocab", "@base":
			if err := m.iri(v, at, true); err != nil {
				return price{}, err
			}
			continue
		}
		m.terms++
		total.parse += termSteps
		def, isMap := v.(map[string]any)
		if !isMap {
			if err := m.iri(v, at, canPrefix(v)); err != nil {
				return price{}, err
			}
			continue
		}
		for _, key := range []string{"@id", "@reverse", "@type", "@index", "@nest"} {
			if err := m.iri(def[key], at+"/"+key, key == "@id" && def["@prefix"] == true); err != nil {
				return price{}, err
			}
		}
		if inner, has := def["@context"]; has {
			// Its bytes were counted with the definition that it is in.
			p, err := m.context(inner, at+"/@context", false)
			if err != nil {
				return price{}, err
			}
			m.scope(term, p.plus(price{copies: 1}))
		}
	}
	return total, nil
}

// iri notes how long IRIs can become. grows tells that others are made by
// appending to this one; where it is itself appended to another, that can happen
// once more at every level of the document.
func (m *meter) iri(v any, path string, grows bool) error {
	s, isString := v.(string)
	if !isString {
		return nil
	}
	if len(s) > maxIRIBytes {
		return refuse(path, "limit.context",
			"@context 中的 IRI 有 %d 字节，超过上限 %d 字节。",
			"An IRI in @context has %d bytes; the limit is %d.", len(s), maxIRIBytes)
	}
	if grows && !strings.Contains(s, "://") {
		m.longBy += len(s)
	} else {
		m.longIn = max(m.longIn, len(s))
	}
	return nil
}

// canPrefix reports whether json-gold takes a term defined so as a prefix: its
// IRI ends in a delimiter (RFC 3986, 2.2).
func canPrefix(v any) bool {
	s, _ := v.(string)
	return s != "" && strings.ContainsRune(":/?#[]@", rune(s[len(s)-1]))
}

// unknownContext names the context, so that the writer knows which.
func unknownContext(path, address string) vocab.Problems {
	return refuse(path, "context.unknown",
		"上下文 %q 不在内置清单中；目录从不从网络读取上下文，请改用内置地址，或把词项定义直接写在 @context 里。",
		"The context %q is not built in, and contexts are never fetched. Use a built-in one, or write the terms out in @context.",
		shorten(address, 300))
}

// textBytes is the size of v, about what it takes as JSON.
func textBytes(v any) int {
	n := 4
	switch v := v.(type) {
	case string:
		n += len(v)
	case []any:
		for _, e := range v {
			n += textBytes(e)
		}
	case map[string]any:
		for k, e := range v {
			n += len(k) + textBytes(e)
		}
	}
	return n
}

// escapePointer makes a member's name a part of a JSON pointer that is safe to
// show.
func escapePointer(name string) string {
	if strings.ContainsAny(name, "~/") {
		name = strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	}
	return vocab.Printable(name)
}

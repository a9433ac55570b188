// Package query is what a search says: the tree and its parser. It knows no
// search engine and no HTTP.
package query

// Node is a part of a query: And, Or, Not, Word, Phrase, Field or All.
type Node interface{ node() }

// And matches where all parts do.
type And struct{ Parts []Node }

// Or matches where any part does.
type Or struct{ Parts []Node }

// Not matches where its part does not.
type Not struct{ Part Node }

// Word is one bare word, as written.
type Word struct{ Text string }

// Phrase is a "quoted" text: its words side by side in this order.
type Phrase struct{ Text string }

// Field restricts a value to a field: theme:B0300, 地区:上海.
type Field struct{ Name, Value string }

// All matches everything: the empty query.
type All struct{}

func (And) node()    {}
func (Or) node()     {}
func (Not) node()    {}
func (Word) node()   {}
func (Phrase) node() {}
func (Field) node()  {}
func (All) node()    {}

// Parse reads a search as a person types it: words (all must match),
// "phrases", -not, field:value, OR, parentheses. Full-width forms
// (“”：－（）) and names of fields in Chinese are understood. Bounds: 1,000
// characters, 64 terms, 8 levels; beyond them, or where a field is unknown,
// the error is vocab.Problems naming the place.
func Parse(s string) (Node, error) { panic("pending") }

// FieldName resolves a field's name or Chinese alias to its canonical name
// (space, kind, theme, scene, industry, region, form, frequency, level,
// quality, registration, publisher, format, audience, personal, policy, id, code); ok is false if
// there is none.
func FieldName(s string) (name string, ok bool) { panic("pending") }

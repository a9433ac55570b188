// Package query is what a search says: the tree and its parser. It knows no
// search engine and no HTTP, and never looks anything up: whether a value
// exists is for whoever runs the query.
package query

import (
	"strings"
)

// Node is a part of a query: And, Or, Not, Word, Phrase, Field or All. String
// prints it in canonical form, which Parse reads back as the same tree.
type Node interface {
	node()
	String() string
}

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

// Field restricts a value to a field: theme:B0300, 地区:上海. Name is canonical.
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

// String joins the parts by spaces, alternatives in parentheses.
func (n And) String() string { return join(n.Parts, " ") }

// String joins the parts by OR, which binds less than a space does.
func (n Or) String() string { return join(n.Parts, " OR ") }

// String puts a minus before the part.
func (n Not) String() string {
	switch n.Part.(type) {
	case And, Or, Not:
		return "-(" + n.Part.String() + ")"
	}
	return "-" + n.Part.String()
}

// String is the word, quoted where it would otherwise read as something else.
func (n Word) String() string {
	if again, err := Parse(n.Text); err == nil && again == Node(n) {
		return n.Text
	}
	return Phrase(n).String()
}

// String is the text in straight quotes.
func (n Phrase) String() string { return `"` + unquote(n.Text) + `"` }

// String is name:value, the value quoted where it needs to be.
func (n Field) String() string {
	if n.Value == "" || strings.ContainsFunc(n.Value, breaksWord) {
		return n.Name + `:"` + unquote(n.Value) + `"`
	}
	return n.Name + ":" + n.Value
}

// String is empty.
func (All) String() string { return "" }

func join(parts []Node, by string) string {
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = p.String()
		if _, alternatives := p.(Or); alternatives {
			texts[i] = "(" + texts[i] + ")"
		}
	}
	return strings.Join(texts, by)
}

// Walk calls visit for n and everything below it.
func Walk(n Node, visit func(Node)) {
	visit(n)
	switch n := n.(type) {
	case And:
		for _, p := range n.Parts {
			Walk(p, visit)
		}
	case Or:
		for _, p := range n.Parts {
			Walk(p, visit)
		}
	case Not:
		Walk(n.Part, visit)
	}
}

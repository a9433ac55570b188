package main

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"lianmu/vocab"
)

// maxEnvelope is how much a change event may add to its document.
const maxEnvelope = 4 << 10

// change is one line of a feed of changes:
//
//	{"op":"put","id":"https://…","doc":{…}}  publishes doc
//	{"op":"delete","id":"https://…"}         withdraws id
//
// Other members (a number, a time) are passed over.
type change struct {
	op, id string
	doc    jsontext.Value // of a put
}

// changeOf reads raw as a change event. A JSON-LD document never is one: it has
// an @context, an @type or an @id, or no "op" beside "id".
func changeOf(raw []byte) (c change, ok bool) {
	if !bytes.Contains(raw, []byte(`"op"`)) {
		return c, false
	}
	dec := jsontext.NewDecoder(bytes.NewReader(raw), lenient...)
	if dec.PeekKind() != '{' {
		return c, false
	}
	if _, err := dec.ReadToken(); err != nil {
		return c, false
	}
	var hasOp, hasID bool
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return c, false
		}
		member := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return c, false
		}
		switch member {
		case "@context", "@type", "@id":
			return c, false
		case "op":
			hasOp = value.Kind() == '"'
			c.op = text(value)
		case "id":
			hasID = value.Kind() == '"'
			c.id = text(value)
		case "doc":
			c.doc = value.Clone()
		}
	}
	if _, err := dec.ReadToken(); err != nil || len(bytes.TrimSpace(raw[dec.InputOffset():])) > 0 {
		return c, false
	}
	return c, hasOp && hasID
}

// document is what the event asks to publish, in the place of d.
func (c change) document(d document) document {
	d.ID = c.id
	switch {
	case c.op == "delete":
		raw, err := takeDown("Withdrawal", c.id)
		if err != nil {
			d.Problems = vocab.ProblemsOf(err, "json.syntax")
		}
		d.Raw, d.Removal = raw, true
	case c.op != "put":
		d.Problems = vocab.Problems{vocab.NewProblem("/op", "change.op",
			"变更记录的 op 应为 put 或 delete，而不是 %.40q", "the op of a change is put or delete, not %.40q", c.op)}
	case c.doc.Kind() != '{':
		d.Problems = vocab.Problems{vocab.NewProblem("/doc", "change.doc",
			"op 为 put 的变更记录要在 doc 里给出文档", "a change with op put has the document in doc")}
	case len(c.doc) > maxDocument:
		d.Problems = tooLarge(len(c.doc))
	default:
		d.outline, d.Problems = outlineOf(c.doc)
		if d.Problems == nil && d.ID != c.id {
			d.Problems = vocab.Problems{vocab.NewProblem("/doc/@id", "change.id",
				"doc 的 @id 是 %.200q，变更记录的 id 却是 %.200q；两者应当相同", "the @id of doc is %.200q, the id of the change %.200q; they must be the same", d.ID, c.id)}
		}
		if d.Problems == nil {
			d.Raw = c.doc
		}
	}
	return d
}

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"time"

	"lianmu/federation/identity"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
)

// verifyCmd checks the signatures of documents.
type verifyCmd struct {
	Files []string `arg:"" optional:"" help:"Files of JSON or JSON lines; none or - is standard input."`
	JSON  bool     `name:"json" help:"Print one JSON object a document."`
}

// verdict is what verify says of one document.
type verdict struct {
	File     string         `json:"file"`
	Line     int            `json:"line"`
	OK       bool           `json:"ok"`
	ID       string         `json:"id,omitempty"`
	Space    string         `json:"space,omitempty"`
	Created  time.Time      `json:"created,omitzero"`
	Expires  time.Time      `json:"expires,omitzero"`
	Digest   vocab.Digest   `json:"digest,omitzero"`
	Content  vocab.Digest   `json:"content,omitzero"`
	Problems vocab.Problems `json:"problems,omitempty"`
}

// Run prints one line a document: who signed it, when, until when, or why it
// does not hold. The exit code is 1 if any does not, or if there was none.
func (c *verifyCmd) Run(s *streams) error {
	in, err := openInput(c.Files, s.In)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(s.Out)
	decoder := jsonld.New(jsonld.Limits{})
	count, failed := 0, 0
	for doc := range in.documents() {
		v := judge(decoder, doc, s.Now())
		count++
		if !v.OK {
			failed++
		}
		if err := c.print(out, doc, v); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return judged(s, count, failed)
}

func judge(decoder *jsonld.Processor, doc document, now time.Time) verdict {
	v := verdict{File: doc.File, Line: doc.Line, ID: doc.ID, Problems: doc.Problems}
	if len(v.Problems) > 0 {
		return v
	}
	d, err := decoder.Decode(doc.Raw)
	if err != nil {
		v.Problems = vocab.ProblemsOf(err, "json.syntax")
		return v
	}
	secured, err := identity.Verify(d, now)
	if err != nil {
		v.Problems = vocab.ProblemsOf(err, "proof.invalid")
		return v
	}
	v.OK = true
	v.Space, v.Created, v.Expires = secured.Space, secured.Created, secured.Expires
	v.Digest, v.Content = secured.Digest, secured.Content
	return v
}

func (c *verifyCmd) print(out *bufio.Writer, doc document, v verdict) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(v)
	}
	if !v.OK {
		_, err := fmt.Fprintf(out, tr("%s  不合格  %s\n", "%s  FAILED  %s\n"), clean(doc.place()), sayProblems(v.Problems))
		return err
	}
	until := tr("长期有效", "no end")
	if !v.Expires.IsZero() {
		until = fmt.Sprintf(tr("有效至 %s", "until %s"), v.Expires.Format(time.RFC3339))
	}
	_, err := fmt.Fprintf(out, tr("%s  合格  %s  签于 %s  %s  %s\n", "%s  ok  %s  signed %s  %s  %s\n"),
		clean(doc.place()), v.Space, v.Created.Format(time.RFC3339Nano), until, clean(v.ID))
	return err
}

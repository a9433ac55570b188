package main

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"lianmu/vocab"
)

// outline is what a publisher needs to know of a document before it sends it.
// It is a reading of the top level only: the hub judges the rest.
type outline struct {
	ID     string // "@id", or "id" where a context may say that it is the same
	Signed bool   // it has a "proof"
	Signer string // DID of the proof's verificationMethod, "" where unknown
}

// outlineOf reads the top level of a JSON object without building it.
func outlineOf(raw []byte) (outline, vocab.Problems) {
	var o outline
	dec := jsontext.NewDecoder(bytes.NewReader(raw), lenient...)
	if dec.PeekKind() != '{' {
		if dec.PeekKind() == 0 {
			_, err := dec.ReadToken()
			return o, notJSON(err)
		}
		return o, vocab.Problems{vocab.NewProblem("", "json.object",
			"应当是一个 JSON 对象 { … }", "must be a JSON object { … }")}
	}
	if _, err := dec.ReadToken(); err != nil {
		return o, notJSON(err)
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return o, notJSON(err)
		}
		member := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return o, notJSON(err)
		}
		switch member {
		case "@id", "id":
			if value.Kind() == '"' && (o.ID == "" || member == "@id") {
				o.ID = text(value)
			}
		case "proof":
			o.Signed = true
			o.Signer = signerOf(value)
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return o, notJSON(err)
	}
	if rest := bytes.TrimSpace(raw[dec.InputOffset():]); len(rest) > 0 {
		return o, vocab.Problems{vocab.NewProblem("", "json.trailing",
			"JSON 对象之后还有多余内容", "there is something after the JSON object")}
	}
	return o, nil
}

func notJSON(err error) vocab.Problems {
	return vocab.Problems{vocab.NewProblem("", "json.syntax", "不是正确的 JSON：%s", "not well-formed JSON: %s", err)}
}

// signerOf returns the DID in a proof, or in the first of a set of proofs.
func signerOf(proof jsontext.Value) string {
	dec := jsontext.NewDecoder(bytes.NewReader(proof), lenient...)
	if dec.PeekKind() == '[' {
		if _, err := dec.ReadToken(); err != nil {
			return ""
		}
	}
	if dec.PeekKind() != '{' {
		return ""
	}
	if _, err := dec.ReadToken(); err != nil {
		return ""
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return ""
		}
		member := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return ""
		}
		if member == "verificationMethod" && value.Kind() == '"' {
			did, _, _ := strings.Cut(text(value), "#")
			return did
		}
	}
	return ""
}

func text(v jsontext.Value) string {
	b, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return ""
	}
	return string(b)
}

// withoutProof returns the object raw without its "proof", every other member
// as it was written.
func withoutProof(raw []byte) ([]byte, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(raw), lenient...)
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	out := []byte{'{'}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		name = name.Clone()
		value, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		if text(name) == "proof" {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, name...), ':'), value...)
	}
	_, err := dec.ReadToken()
	return append(out, '}'), err
}

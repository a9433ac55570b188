// Package jsonld turns the bytes of a JSON-LD document into its expanded form
// and its canonical form, within limits and without ever touching a network.
//
// It is the only importer of json-gold. Contexts are built in; an unknown or
// remote one is refused by name. It knows nothing of catalogues: what the
// expanded nodes mean is package shape's business.
package jsonld

import (
	"context"
	"time"
)

// Limits bound the work that one document may cause. A zero field means the
// default.
type Limits struct {
	Bytes int           // of the document, default 256 KB
	Depth int           // of nesting, default 32
	Nodes int           // JSON values in the document, default 20,000
	Time  time.Duration // for expansion, default 250 ms
}

// Document is a decoded JSON object whose bytes obeyed the limits: UTF-8, no
// duplicate names, nothing after the object.
type Document struct {
	Raw    []byte         // exactly as received; never changed
	Object map[string]any // numbers are float64
}

// Graph is an expanded document.
type Graph struct {
	// Nodes are the expanded top-level node objects. The proof
	// (https://w3id.org/security#proof and the bare member "proof") is left out.
	Nodes []map[string]any
	// Names maps an expanded property IRI of the first top-level node to the
	// member name that the document used for it, so that faults can be named
	// by the writer's own words.
	Names map[string]string
}

// Processor expands documents. It is safe for concurrent use and caches
// parsed contexts by the hash of the context list, in bounded memory.
type Processor struct{ limits Limits }

// New returns a Processor.
func New(l Limits) *Processor { return &Processor{limits: l} }

// Decode parses raw under the limits. Errors are vocab.Problems.
func (p *Processor) Decode(raw []byte) (*Document, error) { panic("pending") }

// Expand applies the JSON-LD 1.1 expansion algorithm. Errors are vocab.Problems.
func (p *Processor) Expand(ctx context.Context, d *Document) (*Graph, error) { panic("pending") }

// Canonical returns the JCS form (RFC 8785) of a JSON value.
func Canonical(raw []byte) ([]byte, error) { panic("pending") }

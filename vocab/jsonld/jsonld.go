// Package jsonld turns the bytes of a JSON-LD document into its expanded form
// and its canonical form, within limits and without ever touching a network or
// a file.
//
// It is the only importer of json-gold. Contexts are built in; an unknown or
// remote one is refused by name. It knows nothing of catalogues: what the
// expanded nodes mean is package shape's business.
//
// What a document may cost is settled before the work is begun, by counting
// (see cost.go), because json-gold can neither be interrupted nor limited, and
// because every hub must refuse the same documents, however busy it is.
package jsonld

import (
	"sync"
	"time"

	"github.com/piprate/json-gold/ld"
)

// Limits bound the work that one document may cause. A zero field means the
// default.
type Limits struct {
	Bytes int           // of the document, default 256 KB
	Depth int           // of nesting, default 32
	Nodes int           // JSON values in the document, default 20,000
	Time  time.Duration // for expansion, default 250 ms; counted in steps, see cost.go
}

// Defaults of Limits.
const (
	DefaultBytes = 256 << 10
	DefaultDepth = 32
	DefaultNodes = 20_000
	DefaultTime  = 250 * time.Millisecond
)

// Limits that have no field: no honest document comes near them.
const (
	maxContexts     = 16       // entries of one context list
	maxContextBytes = 64 << 10 // of the contexts written out in one document
	maxIRIBytes     = 2 << 10  // of an IRI that a context gives to a term
	maxOutputBytes  = 32 << 20 // that IRIs may take up in the expanded form
	cacheContexts   = 512      // parsed contexts kept
	cacheBytes      = 32 << 20 // estimated memory of the parsed contexts kept
)

func (l Limits) withDefaults() Limits {
	if l.Bytes <= 0 {
		l.Bytes = DefaultBytes
	}
	if l.Depth <= 0 {
		l.Depth = DefaultDepth
	}
	if l.Nodes <= 0 {
		l.Nodes = DefaultNodes
	}
	if l.Time <= 0 {
		l.Time = DefaultTime
	}
	return l
}

// Document is a decoded JSON object whose bytes obeyed the limits: UTF-8, no
// duplicate names, nothing after the object. Neither field is ever changed.
type Document struct {
	Raw    []byte         // exactly as received
	Object map[string]any // numbers are float64

	decoded bool // Decode made Object out of Raw, so that either stands for the other
}

// Graph is an expanded document, safe for concurrent use. It may share JSON literals (@json) with the
// document that it came from; neither may be changed.
type Graph struct {
	// Nodes are the expanded top-level node objects; of a document that is
	// nothing but a @graph, the nodes in it. The proof
	// (https://w3id.org/security#proof and the bare member "proof") is left out.
	Nodes []map[string]any
	// NoContext tells that the document has no @context but members that need
	// one, and which therefore mean nothing.
	NoContext bool

	active  *ld.Context    // of the document's top level
	whole   map[string]any // the document
	source  map[string]any // the same without context and proof
	costly  bool           // there are contexts below the top level
	collect sync.Once      // guards names
	names   map[string]string
}

// Processor expands documents. It is safe for concurrent use and caches
// parsed contexts by the hash of the context list, in bounded memory.
type Processor struct {
	limits Limits
	cache  *contextCache
}

// New returns a Processor.
func New(l Limits) *Processor {
	return &Processor{limits: l.withDefaults(), cache: newContextCache(cacheContexts, cacheBytes)}
}

// Package index keeps offerings searchable: mapping, batches with their
// cursor, search, facets, suggestions. It is the only importer of bleve.
//
// An index is a view: it can be thrown away and folded again from the log. It
// never decides which version of an offering stands, and never shows anything
// to a reader whom it is not for.
package index

import (
	"errors"
	"time"

	"lianmu/index/query"
	"lianmu/vocab"
)

// Errors of Open and of paging.
var (
	// ErrInUse: another process has the index open.
	ErrInUse = errors.New("the index is in use by another process")
	// ErrOutdated: built with another mapping; build it anew beside.
	ErrOutdated = errors.New("the index was built with another mapping")
	// ErrDamaged: it cannot be opened or read; move it aside and build it anew.
	ErrDamaged = errors.New("the index is damaged")
	// ErrCursor: a paging cursor that this search did not give.
	ErrCursor = errors.New("the cursor does not belong to this search")
	// ErrClosed: the index has been closed.
	ErrClosed = errors.New("the index is closed")
)

// Doc is an offering as it is indexed.
type Doc struct {
	Key        vocab.Key
	Position   uint64 // in the log
	Space      string // DID
	Hub        string // origin of the log
	Audience   vocab.Audience
	Digest     vocab.Digest // of the secured document
	ReceivedAt time.Time
	Product    string // names what this is a listing of: those of one name may be shown as one; "" is none
	Rank       uint8  // among listings of one Product: the lowest leads, 9 at most
	Offering   *vocab.Offering
}

// MaxFacetSize is the most values of one facet that can be asked for.
const MaxFacetSize = 1000

// maxWithout bounds Request.Without: more logs than a hub holds.
const maxWithout = 1000

// Request is a search.
type Request struct {
	Query     query.Node          // nil is everything
	Filters   map[string][]string // field → values; same field any of, different fields all of
	Reader    vocab.Reader        // who looks; the zero Reader sees what is public
	Facets    []string            // fields to count, of FacetFields
	FacetSize int                 // values a facet, default 10, at most MaxFacetSize
	Sort      string              // "relevance" (default), "modified", "-modified", "title", "completeness"
	Limit     int                 // default 20, at most 100
	Offset    int                 // at most 10,000; not together with After
	After     string              // cursor from Result.Next
	Highlight bool
	Without   []string // origins of logs to leave out, as if nothing of them were here; at most 1,000
	// Collapse makes one hit of all hits that list one product (Doc.Product):
	// that of the lowest Doc.Rank, of several the first of the order, stays where it
	// stands, the others are its Listings. Totals and
	// pages count them once; facets count offerings, each for itself.
	Collapse bool
}

// Listing is an offering by name.
type Listing struct {
	Key     vocab.Key `json:"-"`
	ID      string    `json:"id"`
	Space   string    `json:"space"`
	Hub     string    `json:"hub"`
	Product string    `json:"-"` // as Doc has it
}

// MaxListings is the most listings that are told of one product or code.
const MaxListings = 50

// Hit is one offering found. Its maps and lists may be shared with other
// answers: read them only.
type Hit struct {
	Key          vocab.Key               `json:"-"`
	ID           string                  `json:"id"`
	Space        string                  `json:"space"`
	Hub          string                  `json:"hub"`
	Kind         vocab.OfferingKind      `json:"kind"`
	Title        vocab.Text              `json:"title"`
	Summary      vocab.Text              `json:"summary,omitempty"` // description cut at 240 characters
	Publisher    vocab.Text              `json:"publisher,omitempty"`
	Highlights   map[string][]string     `json:"highlights,omitempty"` // field → fragments, HTML-escaped, hits in <mark>
	Score        float64                 `json:"score"`
	Modified     time.Time               `json:"modified,omitzero"`
	Received     bool                    `json:"received,omitempty"` // Modified is only when it came: the description names no date
	Position     uint64                  `json:"position"`
	Terms        map[string][]vocab.Term `json:"terms,omitempty"` // theme, industry, region, form, frequency, level … for badges
	Formats      []string                `json:"formats,omitempty"`
	Personal     *bool                   `json:"personalData,omitempty"`
	Policy       bool                    `json:"policy"`
	Completeness int                     `json:"completeness"`
	Product      string                  `json:"product,omitempty"` // as Doc has it
	Codes        []string                `json:"-"`                 // product codes that the description gives, whoever stands behind them: see WithCode
	Listings     []Listing               `json:"listings,omitempty"`
	Others       int                     `json:"others,omitempty"` // listings of the same product among what was found; Listings has the first MaxListings by key, of a thousand at most
}

// FacetValue is one value of a facet and how many hits have it.
type FacetValue struct {
	Value string     `json:"value"`
	Label vocab.Text `json:"label,omitempty"`
	Count int        `json:"count"`
}

// Result is a page of hits.
type Result struct {
	Total  uint64                  `json:"total"`
	Hits   []Hit                   `json:"hits"`
	Facets map[string][]FacetValue `json:"facets,omitempty"`
	Next   string                  `json:"next,omitempty"` // cursor; "" at the end
	Took   time.Duration           `json:"-"`
}

// Suggestion completes what a person has begun to type.
type Suggestion struct {
	Text  string `json:"text"`
	Kind  string `json:"kind"` // "title", "keyword", "theme", "publisher"
	Count int    `json:"count,omitempty"`
}

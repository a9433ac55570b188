// Package view folds logs into what people ask: the search index and the detail
// of an offering. It shows the hub's own log and any number of mirrors as one
// catalogue, keeps the index level with them, rebuilds it beside when it must,
// and swaps. What stands under a name, whatever log it came in, is for
// registry.Union to say.
//
// It never writes to a log, and opens or closes none.
package view

import (
	"encoding/json"
	"errors"
	"time"

	"lianmu/index"
	"lianmu/vocab"
)

// ErrNotFound: there is no such offering, or none that the reader may see.
var ErrNotFound = errors.New("no such offering")

// Question is a search as it arrives from HTTP, NATS or a page.
type Question struct {
	Q      string       `json:"q,omitempty"`
	Filter []string     `json:"filter,omitempty"` // "field:value" (or field=value), repeatable
	Facets []string     `json:"facets,omitempty"` // names; ["all"] is every one
	Sort   string       `json:"sort,omitempty"`
	Limit  int          `json:"limit,omitempty"`
	Offset int          `json:"offset,omitempty"`
	Cursor string       `json:"cursor,omitempty"`
	Stale  bool         `json:"stale,omitempty"` // also what is in logs that have been silent for long
	Reader vocab.Reader `json:"-"`               // set by whoever knows the reader
}

// Hit is an index hit with the space's name.
type Hit struct {
	index.Hit
	SpaceName vocab.Text `json:"space_name,omitempty"`
	State     string     `json:"state,omitempty"`    // of its log, where that is not Current
	Listings  []Listing  `json:"listings,omitempty"` // of the same product, in other spaces or under other names
	// Conflict, 标识冲突: an offering that is not of this hit gives the same
	// product code, and no log whose word counts has both as the provider's.
	Conflict bool `json:"conflict,omitempty"`
}

// Listing is another offering of the product that a hit shows.
type Listing struct {
	index.Listing
	SpaceName vocab.Text `json:"space_name,omitempty"`
	State     string     `json:"state,omitempty"`
}

// States of a log, as LogState, Coverage and Hit tell them.
const (
	Current  = "current"
	Behind   = "behind"    // the index lacks some of its entries
	Ageing   = "ageing"    // its origin has been silent for a while
	Stale    = "stale"     // so long that its entries are left out unless asked for
	Stopped  = "stopped"   // it contradicted itself; nothing is taken from it any more
	Paused   = "paused"    // by the operator
	Ended    = "ended"     // its origin went on in another log
	ReadOnly = "read-only" // our own, which is not what we signed
)

// LogState is what is known of a log apart from its entries.
type LogState struct {
	Name  vocab.Text    // of its hub
	Age   time.Duration // since its origin was last heard of
	State string        // Current, Ageing, Stale, Stopped, Paused or Ended
}

// Coverage says of one log how much of it this answer rests on. A mirror without a
// single entry has none.
type Coverage struct {
	Hub     string     `json:"hub"`            // the log's origin
	Name    vocab.Text `json:"name,omitempty"` // of its hub
	LogSize uint64     `json:"log_size"`       // entries held here
	Indexed uint64     `json:"indexed"`        // entries applied to the index
	AgeS    int64      `json:"age_s"`          // since the origin was last heard
	State   string     `json:"state"`
	// LeftOut: it has been silent for so long that only Question.Stale shows it.
	LeftOut bool `json:"left_out,omitempty"`
}

// Answer is the search answer, as JSON on HTTP and NATS alike.
type Answer struct {
	Total    uint64                        `json:"total"`
	Hits     []Hit                         `json:"hits"`
	Facets   map[string][]index.FacetValue `json:"facets,omitempty"`
	Next     string                        `json:"next,omitempty"`
	Coverage []Coverage                    `json:"coverage"`
	Awaited  int                           `json:"awaited,omitempty"` // logs that are mirrored and of which nothing is here
	TookMS   float64                       `json:"took_ms"`
}

// Detail is one offering with where it came from.
type Detail struct {
	Offering   *vocab.Offering `json:"offering"`
	Space      string          `json:"space"`
	SpaceName  vocab.Text      `json:"space_name,omitempty"`
	Hub        string          `json:"hub"`             // origin of its log
	State      string          `json:"state,omitempty"` // of its log, where that is not Current
	Position   uint64          `json:"position"`
	Digest     vocab.Digest    `json:"digest"`
	Created    time.Time       `json:"created"`
	Expires    time.Time       `json:"expires,omitzero"`
	ReceivedAt time.Time       `json:"received_at"`
	Audience   vocab.Audience  `json:"audience"`
	Warnings   vocab.Problems  `json:"warnings,omitempty"`
	Document   json.RawMessage `json:"document"` // the signed bytes
}

// SpaceSummary is one row of the list of spaces.
type SpaceSummary struct {
	vocab.Space
	Log       string    `json:"log,omitempty"`       // origin of the log that tells of it, its home if it has one
	State     string    `json:"state,omitempty"`     // of that log, where that is not Current
	Offerings int       `json:"offerings"`           // that the reader may see
	LastEntry time.Time `json:"last_entry,omitzero"` // hidden ones count: told to those alone who see what is inside
}

// State is a view's position and a digest over what it shows, so that views
// can be compared with the log: SHA-256 over the lines "key digest\n" of all
// offerings shown, sorted.
type State struct {
	View      string       `json:"view"` // "registry" or "index"
	Position  uint64       `json:"position"`
	Offerings int          `json:"offerings"`
	Digest    vocab.Digest `json:"digest"`
}

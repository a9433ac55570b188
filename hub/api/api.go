// Package api is the hub's HTTP: routes, problem+json, OpenAPI. It is the only
// importer of gorilla/mux.
//
// It decides nothing: it turns requests into calls of the small interfaces
// below and their answers into JSON.
package api

import (
	"context"

	"iter"
	"log/slog"
	"net/http"
	"time"

	"lianmu/federation/ledger"
	"lianmu/hub/access"
	"lianmu/hub/intake"
	"lianmu/hub/view"
	"lianmu/index"
	"lianmu/vocab"
)

// Catalog answers questions about what is on offer.
type Catalog interface {
	Find(ctx context.Context, q view.Question) (*view.Answer, error) // vocab.Problems for a bad question, index.ErrCursor
	Suggest(ctx context.Context, prefix string, audiences []vocab.Audience, limit int) ([]index.Suggestion, error)
	Offering(ctx context.Context, space, id string, audiences []vocab.Audience) (*view.Detail, error) // view.ErrNotFound
	OfferingByKey(ctx context.Context, id string, audiences []vocab.Audience) (*view.Detail, error)   // any space's, by @id or registered code; view.ErrNotFound
	Spaces(ctx context.Context) []view.SpaceSummary                                                   // sorted by name, zh
	States(ctx context.Context) ([]view.State, error)
	Rebuild(ctx context.Context) error // starts one beside; returns when it has been swapped in
	RebuildProgress() (done, total uint64, running bool)
}

// Intake takes submissions.
type Intake interface {
	Submit(ctx context.Context, raw []byte) vocab.Receipt
	Receipt(ctx context.Context, d vocab.Digest) (vocab.Receipt, bool)
	Quarantine(ctx context.Context, before uint64, limit int) ([]intake.Quarantined, error)
}

// Log is what is served of the log.
type Log interface {
	Origin() string
	Size() uint64
	Checkpoint() []byte
	VerifierKey() string
	Tile(path string) ([]byte, error)
	Find(d vocab.Digest) (uint64, bool)
	Get(ctx context.Context, index uint64) (ledger.Record, error)
	Read(ctx context.Context, from, to uint64) iter.Seq2[ledger.Record, error]
}

// Config is what the API needs.
type Config struct {
	Catalog  Catalog
	Intake   Intake
	Log      Log
	Guard    *access.Guard
	Pages    http.Handler // hub/web, mounted at /; nil: none
	Metrics  http.Handler
	HubDID   string
	BodySize int64 // largest submission, default 256 KB
	// Ready returns nil when the hub serves, else what it waits for.
	Ready func() error
	// Healthy returns nil when intake and log work, else what is wrong.
	Healthy func() error
	Logger  *slog.Logger
	Now     func() time.Time
}

// New returns the hub's HTTP handler.
func New(c Config) http.Handler { panic("pending") }

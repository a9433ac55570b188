// Package api is the hub's HTTP: routes, problem+json, OpenAPI, metrics of
// requests. It is the only importer of gorilla/mux.
//
// It decides nothing and stores nothing: it turns requests into calls of the
// small interfaces below and their answers into JSON. Who may do what is decided
// by hub/access, who may see what by it and by Config.MayRead, what a document is
// worth by hub/intake, and what becomes of a space by hub/admission.
package api

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"lianmu/federation/ledger"
	"lianmu/federation/registry"
	"lianmu/hub/access"
	"lianmu/hub/admission"
	"lianmu/hub/audit"
	"lianmu/hub/intake"
	"lianmu/hub/peering"
	"lianmu/hub/view"
	"lianmu/index"
	"lianmu/vocab"
)

// Catalog answers questions about what is on offer.
type Catalog interface {
	Find(ctx context.Context, q view.Question) (*view.Answer, error) // vocab.Problems for a bad question, index.ErrCursor
	Suggest(ctx context.Context, prefix string, reader vocab.Reader, limit int) ([]index.Suggestion, error)
	Offering(ctx context.Context, space, id string, reader vocab.Reader) (*view.Detail, error) // view.ErrNotFound
	OfferingByKey(ctx context.Context, id string, reader vocab.Reader) (*view.Detail, error)   // any space's, by @id or registered code; view.ErrNotFound
	Spaces(ctx context.Context, reader vocab.Reader) ([]view.SpaceSummary, error)              // sorted by name, zh
	States(ctx context.Context) ([]view.State, error)
	Rebuild(ctx context.Context) error // starts one beside; returns when it has been swapped in
	RebuildProgress() (done, total uint64, running bool)
	Coverage() []view.Coverage // how much of each log can be found, the own one first
}

// Intake takes submissions.
type Intake interface {
	Submit(ctx context.Context, raw []byte) vocab.Receipt
	// Receipt finds a receipt that the reader may have.
	Receipt(ctx context.Context, d vocab.Digest, reader vocab.Reader) (vocab.Receipt, bool)
	// Quarantine lists refused submissions, newest first, with sequences
	// below before (0: from the newest).
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
}

// Guard knows who sends a request; *access.Guard is one.
type Guard interface {
	Who(r *http.Request) (access.Who, error)
	// NeedFor is Who, and refuses whoever does not have the right; the trail hears
	// of the act that it was for, and of the object.
	NeedFor(r *http.Request, right access.Right, act, object string) (access.Who, error)
	CheckCSRF(r *http.Request) error
	CSRF(r *http.Request) string     // "" without a session
	Until(r *http.Request) time.Time // when the session is over; zero without one
	Holders() (keys []access.Holder, provided []access.Role)
	Handlers() map[string]http.Handler // what signs people in and out, by "METHOD /path"
	Limit(h http.Handler) http.Handler // to be put around everything
}

// Spaces knows the spaces of all logs; *registry.Union is one.
type Spaces interface {
	Space(did string) (registry.SpaceState, bool)
	ParticipantsOf(space string) []vocab.Participant // that stand, by code, then @id
}

// Admission is where officers decide; *admission.Desk is one. It asks for the
// right once more, and keeps the trail of what it does.
type Admission interface {
	Invite(ctx context.Context, who access.Who, note string, ttl time.Duration) (code string, inv admission.Invitation, err error)
	Link(code string) string
	Invitations(ctx context.Context, who access.Who) ([]admission.Invitation, error)
	Revoke(ctx context.Context, who access.Who, id string) error
	Waiting(ctx context.Context, who access.Who) ([]admission.Applicant, error)
	State(ctx context.Context, did string) (vocab.Receipt, bool, error)
	Act(ctx context.Context, who access.Who, did string, o admission.Order) (admission.Result, error)
	Redact(ctx context.Context, who access.Who, entries []admission.Redacted) (admission.Result, error)
	Proposals(ctx context.Context, who access.Who) ([]admission.Proposal, error)
	Approve(ctx context.Context, who access.Who, id string) (admission.Result, error)
}

// Peers is the exchange with other hubs; *peering.Peers is one.
type Peers interface {
	peering.Desk
	Export(ctx context.Context, who access.Who, w io.Writer, origin string, from uint64) error
	Import(ctx context.Context, who access.Who, r io.Reader) (peering.Imported, error)
}

// Trail keeps who did or was refused what; *audit.Trail is one.
type Trail interface {
	Do(ctx context.Context, r audit.Record, act func(context.Context) (detail string, err error)) error
	Refused(r audit.Record)
	List(ctx context.Context, before uint64, limit int, f audit.Filter) (items []audit.Record, next uint64, err error)
	Export(ctx context.Context, w io.Writer, from, until time.Time) error
	Head() audit.Head
}

// Config is what the API needs.
type Config struct {
	Catalog   Catalog
	Intake    Intake
	Log       Log
	Guard     Guard
	Spaces    Spaces
	Admission Admission
	Trail     Trail
	Peers     Peers
	// Questions answers other hubs: POST /api/v1/peer/ and the question. It knows by
	// itself who asks and how much that one may.
	Questions http.Handler
	Pages     http.Handler // hub/web, mounted at /; nil: none
	// Registry takes the request metrics; nil: a private one.
	Registry  *prometheus.Registry
	Metrics   http.Handler // what /metrics answers; nil: Registry's content
	HubDID    string
	Open      bool   // admits whoever signs
	OpenUntil uint64 // where it does not: it did so until the log had so many entries
	BodySize  int64  // largest submission in bytes, default 256 KB
	// MayRead tells whether a reader may have a record's document. It is asked
	// for every record that leaves by its digest. nil fails closed: only space
	// descriptors and epochs, which are public by nature, are given.
	MayRead func(vocab.Reader, ledger.Record) bool
	// Ready returns nil when the hub serves, else what it waits for.
	Ready func() error
	// Healthy returns nil when intake and log work, else what is wrong.
	Healthy func() error
	// Context ends when the hub stops; an index rebuild started over HTTP runs
	// under it, not under its request. nil: never ends.
	Context context.Context
	Logger  *slog.Logger
	Now     func() time.Time
}

// Bounds of what is read and written; each is named in the API's description.
const (
	defaultBodySize  = 256 << 10        // bytes of a submission
	maxQuery         = 8 << 10          // bytes of a query string
	maxDigests       = 100              // digests a POST /api/v1/documents
	maxDocumentBytes = 8 << 20          // bytes of its answer, about
	maxSmallBody     = 16 << 10         // bytes of any other request body,
	maxOrderBody     = 256 << 10        // but of those that list offerings or entries
	readTimeout      = 10 * time.Second // for what only reads the catalogue
)

// api is a Config with what New adds. It has no state of its own but the
// metrics and whether a rebuild is under way.
type api struct {
	Config
	metrics metrics
	rebuild rebuild
	ids     requestIDs
	spec    []byte
}

// New returns the hub's HTTP handler. It panics where Config lacks one of its
// interfaces, or where its own description is broken: both are faults of the
// program, not of its input.
func New(c Config) http.Handler {
	a := newAPI(c)
	return a.handler(a.router())
}

func newAPI(c Config) *api {
	if c.Catalog == nil || c.Intake == nil || c.Log == nil || c.Guard == nil || c.Spaces == nil || c.Admission == nil || c.Trail == nil ||
		c.Peers == nil || c.Questions == nil {
		panic("api: Catalog, Intake, Log, Guard, Spaces, Admission, Trail, Peers and Questions are needed")
	}
	if c.BodySize <= 0 {
		c.BodySize = defaultBodySize
	}
	if c.Registry == nil {
		c.Registry = prometheus.NewRegistry()
	}
	if c.Metrics == nil {
		c.Metrics = promhttp.HandlerFor(c.Registry, promhttp.HandlerOpts{})
	}
	if c.MayRead == nil {
		c.MayRead = func(_ vocab.Reader, rec ledger.Record) bool {
			return rec.Fact.Kind == vocab.KindSpace || rec.Fact.Kind == vocab.KindEpoch
		}
	}
	if c.Context == nil {
		c.Context = context.Background()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	spec, err := Description()
	if err != nil {
		panic(fmt.Sprintf("api: the OpenAPI description is broken: %v", err))
	}
	return &api{
		Config:  c,
		metrics: newMetrics(c.Registry),
		ids:     newRequestIDs(c.Now()),
		spec:    spec,
	}
}

// Server returns an http.Server for h with the time and header limits that a
// hub on an open network needs. The longest answer (100 documents) and the
// largest submission pass at 200 KB/s. The caller sets ErrorLog, and listens.
func Server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
}

package exchange

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/federation/ledger"
	"lianmu/vocab"
)

var errPending = errors.New("this comes with the next commits")

// Who asks.
type Who struct {
	DID      string       // of its hub key, as its token proved
	Reader   vocab.Reader // what it may see
	Approved bool         // it may have documents
	Takes    int          // the most bytes of an answer that the transport brings; default MaxAnswer
}

// ServerConfig says what a Server answers from. All but Asked are needed.
type ServerConfig struct {
	Card   func() []byte              // this hub's signed log card
	Logs   func() []*ledger.Log       // that are offered: the own log first
	CardOf func(origin string) []byte // the signed card of one of them; nil: it is not offered
	// MayRead tells whether a reader may have an entry's document: rec has it, of
	// a faulty entry as Evidence.
	MayRead func(reader vocab.Reader, origin string, rec ledger.Record) bool
	// Asked hears of every logs question, and refuses it with an error
	// (vocab.Problems). Nil refuses nobody.
	Asked  func(did string, r LogsRequest) error
	Now    func() time.Time
	Logger *slog.Logger
}

// Server answers questions.
type Server struct{ c ServerConfig }

// NewServer returns a Server.
func NewServer(c ServerConfig) *Server { return &Server{c} }

// Answer answers one question; refusals are vocab.Problems.
func (s *Server) Answer(ctx context.Context, who Who, q Question, body []byte) ([]byte, error) {
	return nil, errPending
}

// Reply is Answer as bytes for the asker, refusals included.
func (s *Server) Reply(ctx context.Context, who Who, q Question, body []byte) []byte { return nil }

// Close answers all long polls that wait.
func (s *Server) Close() {}

// Client asks questions through an Asker.
type Client struct{ a Asker }

// NewClient returns a Source that asks through a.
func NewClient(a Asker) *Client { return &Client{a} }

// Logs implements Source.
func (c *Client) Logs(ctx context.Context, r LogsRequest) (*LogsAnswer, error) {
	return nil, errPending
}

// Checkpoint asks for the signed checkpoint of one log.
func (c *Client) Checkpoint(ctx context.Context, origin string) ([]byte, error) {
	return nil, errPending
}

// Leaves implements Source.
func (c *Client) Leaves(ctx context.Context, origin string, from, to uint64) ([]byte, error) {
	return nil, errPending
}

// Documents implements Source.
func (c *Client) Documents(ctx context.Context, origin string, digests []vocab.Digest) ([]Document, error) {
	return nil, errPending
}

// Tile implements Source.
func (c *Client) Tile(ctx context.Context, origin, path string) ([]byte, error) {
	return nil, errPending
}

// NewNATSAsker asks over a connection; timeout is for questions whose context has none.
func NewNATSAsker(conn *nats.Conn, timeout time.Duration) Asker { return nil }

// NewHTTPAsker asks the hub at base; token makes the bearer token of each question.
func NewHTTPAsker(client *http.Client, base string, token func() (string, error)) Asker { return nil }

// Follower copies one log into its mirror.
type Follower struct {
	Log   *ledger.Log // opened by ledger.OpenMirror
	Judge Judge       // level with Log
	// Others are further sources of this log, best first: for documents that the
	// one in use does not have right. May be nil.
	Others func() []Source
	// Appended is told of every entry once it is in the mirror, in order, as
	// Judge.Apply is. May be nil.
	Appended func(index uint64, leaf ledger.Leaf, fact vocab.Fact, read any)
	// Toward is the checkpoint that the last Advance copied up to, or towards, as
	// Keep was given it: with it, a fork between is proven. Both may be nil.
	Toward []byte
	Keep   func(note []byte) error
	Now    func() time.Time
	Logger *slog.Logger
}

// Progress is what an Advance did.
type Progress struct {
	Size     uint64 // of the mirror now
	Entries  uint64 // taken, in all
	Faulty   uint64
	Withheld uint64
	Missing  uint64
	Redacted uint64
	Bytes    uint64 // of documents
}

// Advance copies the log from src up to the checkpoint in note. own tells that src
// is the log's own hub, so that what it withholds is withheld. Errors are
// *SourceFault, *ledger.Contradiction, *LogFault, those of ctx, and those of the
// mirror's store.
func (f *Follower) Advance(ctx context.Context, src Source, own bool, note []byte) (Progress, error) {
	return Progress{}, errPending
}

// Mend asks src again for documents that the mirror lacks.
func (f *Follower) Mend(ctx context.Context, src Source, own bool) (filled int, err error) {
	return 0, errPending
}

// WriteBundle writes a log from entry from on, as far as note goes, to a file.
func WriteBundle(ctx context.Context, w io.Writer, card, note []byte, log *ledger.Log, from uint64, mayRead func(ledger.Record) bool) error {
	return errPending
}

// Bundle is a log in a file; it implements Source.
type Bundle struct{ r io.ReaderAt }

// OpenBundle reads what a bundle file says of itself.
func OpenBundle(r io.ReaderAt, size int64) (*Bundle, error) { return nil, errPending }

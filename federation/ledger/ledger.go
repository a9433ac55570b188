// Package ledger keeps a Merkle log over an append-only JetStream stream:
// append in fenced atomic batches, leaf records, hash tiles, signed
// checkpoints, proofs, and a verifier that trusts none of them.
//
// It never looks into a document beyond hashing it, and never decides whether
// an entry should be in the log.
package ledger

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"lianmu/vocab"
)

// Errors that Append and Open return, tested with errors.Is.
var (
	// ErrConflict: the log is not at the expected size; Sync, decide again, retry.
	ErrConflict = errors.New("the log has grown meanwhile")
	// ErrReadOnly: the stream is shorter than, or at odds with, what was signed.
	ErrReadOnly = errors.New("the log is read-only")
	// ErrFull: the store has no room; nothing was appended.
	ErrFull = errors.New("the log's disk is full")
)

// Entry is what is appended.
type Entry struct {
	Document []byte     // the secured document as received
	Fact     vocab.Fact // recomputed from Document by the caller
}

// Record is an entry as read back.
type Record struct {
	Index      uint64
	ReceivedAt time.Time // non-decreasing along the log
	Leaf       Leaf
	Fact       vocab.Fact // from header hints, which Append wrote
	Document   []byte     // nil where only facts were asked for
}

// Leaf is a leaf record: version ‖ kind ‖ receivedAt (ms, big endian, 8 bytes)
// ‖ SHA-256(document) ‖ SM3(document). Its RFC 6962 leaf hash is in the tree.
type Leaf struct {
	Kind       vocab.EntryKind
	ReceivedAt time.Time
	SHA256     vocab.Digest
	SM3        [32]byte
}

// Config says where the log lives.
type Config struct {
	JetStream jetstream.JetStream
	Stream    string             // the log's stream, declared by hub/bus
	State     jetstream.KeyValue // holds the last signed checkpoint
	Dir       string             // holds leaf and tile caches and the last signed checkpoint
	Origin    string             // the log's name, first line of each checkpoint
	Seed      []byte             // Ed25519 seed of log.key
	Now       func() time.Time
	Logger    *slog.Logger
	// CheckpointEvery bounds how often a growing log is signed; default 1 s.
	CheckpointEvery time.Duration
}

// Log is an open log. One goroutine appends; any may read.
type Log struct{}

// Open brings the caches level with the stream and checks the last signed
// checkpoint against it. Where they contradict, the log opens read-only and
// ReadOnly says why.
func Open(ctx context.Context, c Config) (*Log, error) { panic("pending") }

// Close signs a last checkpoint and stops the log's goroutines.
func (l *Log) Close(ctx context.Context) error { panic("pending") }

// Size is the number of committed entries known.
func (l *Log) Size() uint64 { panic("pending") }

// Origin is the log's name.
func (l *Log) Origin() string { panic("pending") }

// ReadOnly returns nil, or why the log takes no entries (wraps ErrReadOnly).
func (l *Log) ReadOnly() error { panic("pending") }

// Append writes entries durably as one atomic batch (at most 1,000 and 8 MB)
// after exactly expect entries and returns their receivedAt; the first has
// index expect. On an ambiguous outcome it reads to the head and finds out.
func (l *Log) Append(ctx context.Context, expect uint64, entries []Entry) (receivedAt time.Time, err error) {
	panic("pending")
}

// Sync reads what others have committed to the stream.
func (l *Log) Sync(ctx context.Context) error { panic("pending") }

// Facts yields records [from, to) without documents, except for the kinds in
// withDocument, fast enough to fold a log at start.
func (l *Log) Facts(ctx context.Context, from, to uint64, withDocument ...vocab.EntryKind) iter.Seq2[Record, error] {
	panic("pending")
}

// Read yields records [from, to) with their documents.
func (l *Log) Read(ctx context.Context, from, to uint64) iter.Seq2[Record, error] { panic("pending") }

// Get returns one record with its document.
func (l *Log) Get(ctx context.Context, index uint64) (Record, error) { panic("pending") }

// Find returns the index of the entry with this document digest.
func (l *Log) Find(d vocab.Digest) (uint64, bool) { panic("pending") }

// Changed returns a channel that is closed at the next change of Size.
func (l *Log) Changed() <-chan struct{} { panic("pending") }

// Checkpoint returns the last signed checkpoint, a C2SP signed note; nil when
// the log is empty and nothing was ever signed.
func (l *Log) Checkpoint() []byte { panic("pending") }

// VerifierKey returns the note verifier key of log.key.
func (l *Log) VerifierKey() string { panic("pending") }

// Tile serves C2SP tlog-tiles paths below the log's root: "tile/0/000",
// "tile/1/000.p/5", "tile/entries/000" (leaf records, each as a big-endian
// uint16 length and bytes). Only tiles within the last checkpoint are served; fs.ErrNotExist
// otherwise.
func (l *Log) Tile(path string) ([]byte, error) { panic("pending") }

// Source is where a verifier reads a log: the log itself, or a hub over HTTP.
type Source interface {
	Checkpoint(ctx context.Context) ([]byte, error)
	Tile(ctx context.Context, path string) ([]byte, error)
	// Documents returns the bodies with these digests, in order.
	Documents(ctx context.Context, digests []vocab.Digest) ([][]byte, error)
}

// Report is what Verify found.
type Report struct {
	Origin   string   `json:"origin"`
	Size     uint64   `json:"size"`
	Root     string   `json:"root"` // base64
	Checked  uint64   `json:"checked"`
	Bytes    uint64   `json:"bytes"`
	Problems []string `json:"problems"` // at most 100, each names its entry; empty: clean
	Faults   uint64   `json:"faults"`   // how many there were in all
}

// Verify reads the whole log from src and checks the checkpoint's signature
// under vkey, the tree against it, every document against its leaf record,
// and calls check (a document's own proof, hints, folding) for each record in
// order. progress may be nil.
func Verify(ctx context.Context, src Source, vkey string, check func(Record) error, progress func(done, total uint64)) (*Report, error) {
	panic("pending")
}

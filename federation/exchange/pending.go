package exchange

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"lianmu/federation/ledger"
	"lianmu/vocab"
)

var errPending = errors.New("this comes with the next commits")

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

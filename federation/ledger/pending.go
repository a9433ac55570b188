package ledger

import (
	"context"
	"errors"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

var errPending = errors.New("this comes with the next commits")

// Checkpoint is a signed checkpoint of a log (C2SP tlog-checkpoint).
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   tlog.Hash
	Time   time.Time // when it was signed, whole seconds; zero where it does not say
	Note   []byte    // the signed note, at most 4 KB
}

// ParseCheckpoint verifies a note under a log's verifier key.
func ParseCheckpoint(raw []byte, vkey string) (Checkpoint, error) { return Checkpoint{}, errPending }

// OpenMirror opens the copy of a log that another hub signs.
func OpenMirror(ctx context.Context, c Config) (*Log, error) { return nil, errPending }

// ForgetMirror removes what is remembered of a mirrored log's checkpoints.
func ForgetMirror(ctx context.Context, c Config) error { return errPending }

// Extend appends authenticated entries to a mirror.
func (l *Log) Extend(ctx context.Context, expect uint64, entries []Mirrored) error { return errPending }

// Accept takes a checkpoint over entries that the mirror holds.
func (l *Log) Accept(ctx context.Context, note []byte) error { return errPending }

// Accepted is the latest checkpoint ever signed or accepted.
func (l *Log) Accepted() Checkpoint { return Checkpoint{} }

// Latest is the published checkpoint, that of Checkpoint().
func (l *Log) Latest() Checkpoint { return Checkpoint{} }

// Compare holds a checkpoint against the log.
func (l *Log) Compare(cp Checkpoint) error { return errPending }

// Witness is told of a checkpoint of the own log that somebody shows.
func (l *Log) Witness(ctx context.Context, cp Checkpoint) error { return errPending }

// Fill adds the body of an entry that was Withheld or Missing.
func (l *Log) Fill(ctx context.Context, index uint64, m Mirrored) error { return errPending }

// Lacking counts the entries in a state.
func (l *Log) Lacking(state EntryState) (n int, first []uint64) { return 0, nil }

// Evidence returns the document of a Faulty entry, and why it does not stand.
func (l *Log) Evidence(ctx context.Context, index uint64) ([]byte, string, error) {
	return nil, "", errPending
}

// Root is the root of the first size entries.
func (l *Log) Root(size uint64) (tlog.Hash, error) { return tlog.Hash{}, errPending }

// RootWith is the root of the log with these leaf records after it.
func (l *Log) RootWith(leaves []byte) (tlog.Hash, error) { return tlog.Hash{}, errPending }

// Leaves returns leaf records [from, to) within the last checkpoint.
func (l *Log) Leaves(from, to uint64) ([]byte, error) { return nil, errPending }

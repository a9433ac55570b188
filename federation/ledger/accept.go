package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// clockSlack is how far ahead of the own clock a checkpoint's time may be and
// still be believed.
const clockSlack = 5 * time.Minute

// mirrorID names the mirror of a log in subjects and keys; hub/bus derives the
// stream's name in the same way.
func mirrorID(origin string) string {
	sum := sha256.Sum256([]byte(origin))
	return hex.EncodeToString(sum[:8])
}

// Accept takes a checkpoint of a mirrored log, a signed note, over entries that
// the mirror holds: it is kept in the bucket and the folder, and published. Nil
// also for one that says nothing new.
//
// Errors: *Contradiction where the entries held have another root; ErrBehind
// where it covers more than is held (Extend first); ErrOlder where a later one
// was accepted before and this one is consistent with it; ErrReadOnly;
// ErrUnavailable; any other: not a checkpoint of this log.
func (l *Log) Accept(ctx context.Context, note []byte) error {
	if !l.mirror {
		return fmt.Errorf("the log %s is this hub's own: its checkpoints are signed here", l.c.Origin)
	}
	c, err := parseCheckpoint(note, l.verifier)
	if err != nil {
		return err
	}
	l.signing.Lock()
	defer l.signing.Unlock()
	check := func() (Checkpoint, error) {
		if err := l.ReadOnly(); err != nil {
			return c, err
		}
		if err := l.contradicts(c, l.book.highest()); err != nil {
			return c, err
		}
		if size := l.Size(); c.Size > size {
			return c, fmt.Errorf("%w (%d of %d)", ErrBehind, size, c.Size)
		}
		if last := l.book.highest(); l.older(c, last) {
			return c, fmt.Errorf("%w (over %d entries, at %v)", ErrOlder, last.Size, last.Time)
		}
		return c, nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.c.AckWait)
	defer cancel()
	err = l.keep(ctx, check, func(last, next Checkpoint) bool {
		return !last.claims(next) || !last.Time.Equal(next.Time)
	})
	if errors.Is(err, ErrOlder) {
		l.publish(l.book.state) // which another process may have accepted
	}
	return err
}

// older reports whether c says less than last: fewer entries, or as many at an
// earlier time. A time in the future was a wrong clock's, and holds nothing up.
func (l *Log) older(c, last Checkpoint) bool {
	if last.Note == nil || c.Size != last.Size {
		return c.Size < last.Size
	}
	return c.Time.Before(last.Time) && !last.Time.After(l.c.Now().Add(clockSlack))
}

// contradicts returns a *Contradiction where c is at odds with last, or with the
// entries held.
func (l *Log) contradicts(c, last Checkpoint) error {
	says := func(format string, args ...any) error {
		return &Contradiction{Have: last.Note, Got: c.Note, Why: fmt.Sprintf(format, args...)}
	}
	if last.Note != nil && c.Size == last.Size && c.Root != last.Root {
		return says("both are over %d entries, with different roots", c.Size)
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	size := l.tree.size()
	if l.readOnly != nil { // the tree may not be the log's
		return nil
	}
	if c.Size <= size && l.tree.root(c.Size) != c.Root {
		return says("the first %d of the %d entries held have another root than it says", c.Size, size)
	}
	// Of a mirror that lost its end and fetched it again.
	if last.Note != nil && last.Size <= size && l.tree.root(last.Size) != last.Root {
		return says("the first %d of the %d entries fetched have another root than was accepted before", last.Size, size)
	}
	return nil
}

// Accepted returns the checkpoint over most entries that was ever signed or, of
// a mirror, accepted; without a Note if there is none. It is more than Latest
// where a mirror has lost entries and has not fetched them again yet.
func (l *Log) Accepted() Checkpoint {
	l.signing.Lock()
	defer l.signing.Unlock()
	return l.book.highest()
}

// Compare holds a checkpoint of this log (see ParseCheckpoint) that somebody
// shows against what is held: nil if it is consistent or covers more entries than
// are held, else *Contradiction. It changes nothing.
func (l *Log) Compare(c Checkpoint) error {
	if c.Origin != l.c.Origin {
		return fmt.Errorf("the checkpoint is of log %q, not of %q", c.Origin, l.c.Origin)
	}
	return l.contradicts(c, l.Accepted())
}

// Count returns how many entries are in a state. Those that a redaction in the log
// names do not count; so Count(Redacted) is of those that the source of a mirror
// said to be redacted without the log saying so: none, at the end of an honest
// checkpoint.
func (l *Log) Count(state EntryState) int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.tree.counts[state]
}

// First returns the indexes of the first entries, at most 1,000, that Count counts.
func (l *Log) First(state EntryState) (first []uint64) {
	const listed = 1000
	l.mu.RLock()
	defer l.mu.RUnlock()
	n := min(l.tree.counts[state], listed)
	for i := 0; len(first) < n && i < len(l.tree.states); i++ {
		if _, gone := l.redacted[uint64(i)]; !gone && l.tree.states[i] == state {
			first = append(first, uint64(i))
		}
	}
	return first
}

// ForgetMirror removes what is remembered of a mirrored log: the accepted
// checkpoint, in the bucket and in dir, and the leaf cache. The mirror must not
// be open. After it, a log that starts over under the same name and key goes
// unnoticed. Repeating is harmless.
func ForgetMirror(ctx context.Context, dir string, state jetstream.KeyValue, origin string) error {
	if err := state.Purge(ctx, mirrorKeys+mirrorID(origin)); err != nil {
		return fmt.Errorf("%w (forgetting the last checkpoint: %w)", ErrUnavailable, err)
	}
	for _, name := range []string{checkpointFile, "leaves"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

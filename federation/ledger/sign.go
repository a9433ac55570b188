package ledger

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// signLoop signs a growing log, at most every CheckpointEvery, and a log at rest
// every Heartbeat. One that was at rest for longer than CheckpointEvery is
// signed as soon as it grows.
func (l *Log) signLoop(ctx context.Context) {
	for {
		grown := l.Changed()
		err := l.ReadOnly()
		if err == nil {
			if err = l.sign(ctx); err != nil && ctx.Err() == nil {
				l.log.Warn("the log could not be signed; trying again", "error", err)
			}
		}
		if !pause(ctx, l.c.CheckpointEvery) {
			return
		}
		if err != nil || l.behind() > 0 {
			continue
		}
		select {
		case <-grown:
		case <-time.After(l.c.Heartbeat - min(l.c.CheckpointEvery, l.c.Heartbeat)):
		case <-ctx.Done():
			return
		}
	}
}

// pause waits, and reports whether ctx has not ended meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// behind is how many entries the published checkpoint does not cover.
func (l *Log) behind() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.tree.size() - min(l.signed.Size, l.tree.size())
}

// sign signs the present size if it is not signed yet, or not for a Heartbeat.
func (l *Log) sign(ctx context.Context) error {
	l.signing.Lock()
	defer l.signing.Unlock()
	size := l.Size()
	if size == 0 || !l.due(l.Latest(), Checkpoint{Size: size, Time: l.second()}) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.c.AckWait)
	defer cancel()
	return l.keep(ctx, l.signedNow, l.due)
}

// second is the time as a checkpoint has it.
func (l *Log) second() time.Time { return time.Unix(max(l.c.Now().Unix(), 0), 0).UTC() }

// due reports whether next is worth signing after last. A time that is far from
// now is replaced in both directions: a clock that was wrong must not keep the
// log from saying that it lives.
func (l *Log) due(last, next Checkpoint) bool {
	return next.Size > last.Size || next.Size == last.Size && next.Time.Sub(last.Time).Abs() >= l.c.Heartbeat
}

// signedNow signs the present tree, after proving it an extension of all that
// was signed.
func (l *Log) signedNow() (Checkpoint, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.readOnly != nil {
		return Checkpoint{}, l.readOnly
	}
	size := l.tree.size()
	c := Checkpoint{Origin: l.c.Origin, Size: size, Root: l.tree.root(size), Time: l.second()}
	for _, old := range l.book.all() {
		if old.Size == 0 {
			continue
		}
		if old.Size > size {
			return Checkpoint{}, fmt.Errorf("a checkpoint over %d entries was signed, and %d are known here", old.Size, size)
		}
		proof, err := tlog.ProveTree(int64(size), int64(old.Size), &l.tree)
		if err == nil {
			err = tlog.CheckTree(proof, int64(size), c.Root, int64(old.Size), old.Root)
		}
		if err != nil {
			return Checkpoint{}, fmt.Errorf("the log does not extend what was signed at %d entries: %w", old.Size, err)
		}
	}
	var err error
	c.Note, err = note.Sign(&note.Note{Text: c.text()}, l.signer)
	return c, err
}

// Witness is told of a checkpoint of the own log that somebody else holds. Nil:
// the log is the one that it is of. Else, as the log's key signed it, this log
// was rolled back or the key is elsewhere: the log becomes read-only, for good
// (the next Open holds it against that checkpoint too; StartEpoch ends it), and
// the error, which wraps ErrReadOnly, says why. This catches a store and a
// folder that were restored together from an older copy. ErrUnavailable: the
// store could not be asked whether the log has grown.
func (l *Log) Witness(ctx context.Context, c Checkpoint) error {
	if l.mirror {
		return fmt.Errorf("the log %s is another hub's: compare the checkpoint with it", l.c.Origin)
	}
	c, err := parseCheckpoint(c.Note, l.verifier)
	if err != nil {
		return fmt.Errorf("this is no checkpoint of the log %s: %w", l.c.Origin, err)
	}
	l.signing.Lock()
	defer l.signing.Unlock()
	if c.Size > l.Size() { // another process of this hub may have appended
		if err := l.catchUp(ctx); err != nil && l.ReadOnly() == nil {
			return err
		}
	}
	why := l.fits(c)
	if why == nil {
		return nil
	}
	err = l.freeze("somebody holds a checkpoint that this log's key signed: %w", why)
	if c.Size > l.book.witnessed.Size || l.book.witnessed.Note == nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.c.AckWait)
		defer cancel()
		if _, perr := l.c.State.Put(ctx, witnessedKey, c.Note); perr != nil {
			return fmt.Errorf("%w (it could not be kept: %w)", err, perr)
		}
		l.book.witnessed = c
	}
	return err
}

package ledger

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"lianmu/vocab"
)

// Append writes entries durably as one atomic batch (at most MaxBatch entries,
// MaxBatchBytes and MaxDocument each) after exactly expect entries and returns
// their receivedAt; the first has index expect.
//
// Errors: ErrConflict (Sync, decide again), ErrReadOnly, ErrFull and
// ErrUnavailable (try again later; nothing, or something that a repetition
// finds, was appended), ErrEntry, ErrRedaction. On an ambiguous outcome
// it reads to the head and finds out, so a repetition after ErrUnavailable never doubles an entry.
func (l *Log) Append(ctx context.Context, expect uint64, entries []Entry) (receivedAt time.Time, err error) {
	if l.mirror {
		return time.Time{}, fmt.Errorf("%w: the log %s is another hub's; only that hub appends to it", ErrReadOnly, l.c.Origin)
	}
	if err := checkEntries(entries); err != nil {
		return time.Time{}, err
	}
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.writable(ctx, expect); err != nil {
		return time.Time{}, err
	}
	redactions, err := l.checkRedactions(entries)
	if err != nil {
		return time.Time{}, err
	}
	l.mu.RLock()
	at := millis(l.c.Now())
	if at.Before(l.lastAt) {
		at = l.lastAt
	}
	l.mu.RUnlock()
	b := newBatch(len(entries))
	for i, e := range entries {
		leaf := NewLeaf(e.Fact.Kind, at, e.Document)
		if !e.Fact.Digest.IsZero() && e.Fact.Digest != leaf.SHA256 {
			return time.Time{}, fmt.Errorf("%w: the digest of entry %d is not its document's", ErrEntry, i)
		}
		b.add(l.c.Subjects, Mirrored{Leaf: leaf, Fact: e.Fact, Document: e.Document})
	}
	if err := l.publishBatch(ctx, expect, b); err != nil {
		return time.Time{}, err
	}
	l.note(redactions)
	return at, nil
}

// writable settles what is open before a batch that is to follow exactly expect
// entries.
func (l *Log) writable(ctx context.Context, expect uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := l.ReadOnly(); err != nil {
		return err
	}
	if err := l.c.Ready(); err != nil {
		if errors.Is(err, syscall.ENOSPC) {
			return fmt.Errorf("%w (%w)", ErrFull, err)
		}
		return fmt.Errorf("%w (%w)", ErrUnavailable, err)
	}
	if l.unsure != nil {
		if err := l.sync(ctx); err != nil {
			return err
		}
	}
	if l.torn.last > 0 {
		if err := l.takeTorn(ctx); err != nil {
			return err
		}
	}
	if size := l.Size(); size != expect {
		return fmt.Errorf("%w (it has %d entries, not %d)", ErrConflict, size, expect)
	}
	return nil
}

func checkEntries(entries []Entry) error {
	if len(entries) == 0 || len(entries) > MaxBatch {
		return fmt.Errorf("%w: a batch has 1 to %d entries, not %d", ErrEntry, MaxBatch, len(entries))
	}
	total := 0
	for i, e := range entries {
		hints := len(e.Fact.Space) + len(e.Fact.Signer) + len(e.Fact.ID)
		switch {
		case len(e.Document) == 0 || len(e.Document) > MaxDocument:
			return fmt.Errorf("%w: document %d has %d bytes; 1 to %d are taken", ErrEntry, i, len(e.Document), MaxDocument)
		case e.Fact.Kind.String() == vocab.EntryKind(0).String():
			return fmt.Errorf("%w: entry %d is of unknown kind %d", ErrEntry, i, e.Fact.Kind)
		case hints > maxHints:
			return fmt.Errorf("%w: space, signer and id of entry %d have %d bytes; at most %d are taken", ErrEntry, i, hints, maxHints)
		}
		total += len(e.Document)
	}
	if total > MaxBatchBytes {
		return fmt.Errorf("%w: the batch has %d bytes; at most %d are taken", ErrEntry, total, MaxBatchBytes)
	}
	return nil
}

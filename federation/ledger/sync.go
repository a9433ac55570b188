package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"lianmu/vocab"
)

const (
	hdrBatchID       = "Nats-Batch-Id"
	hdrBatchSequence = "Nats-Batch-Sequence"
	hdrBatchCommit   = "Nats-Batch-Commit"
	hdrExpectedLast  = "Nats-Expected-Last-Sequence"
)

// torn is the end of a batch that stands in the stream without its commit: a
// full disk can leave one. It is not part of the log until something committed
// follows it.
type torn struct {
	last  uint64    // sequence of its last message; 0: there is none
	since time.Time // when it was first seen, by Config.Now
}

// Sync reads what others have committed to the stream. Messages of a batch that
// has no commit are not seen.
//
// An entry of another process can be seen before its fsync has ended; what this
// process appended counts only when it was acknowledged.
//
// Of a mirror it also learns the checkpoints that others have accepted, and the
// bodies that came late.
func (l *Log) Sync(ctx context.Context) error {
	if err := l.catchUp(ctx); err != nil || !l.mirror {
		return err
	}
	l.signing.Lock()
	defer l.signing.Unlock()
	if err := l.reloadState(ctx); err != nil {
		return err
	}
	l.compare(l.book.state)
	if err := l.ReadOnly(); err != nil {
		return err
	}
	l.publish(l.book.state)
	l.write.Lock()
	defer l.write.Unlock()
	return l.learnLate(ctx)
}

// catchUp reads to the head of the stream.
func (l *Log) catchUp(ctx context.Context) error {
	l.write.Lock()
	defer l.write.Unlock()
	return l.sync(ctx)
}

func (l *Log) sync(ctx context.Context) error {
	if err := l.settle(); err != nil {
		return err
	}
	return l.readOn(ctx, false)
}

// readOn extends the log by what is committed beyond its end; with all, by
// whatever is there.
func (l *Log) readOn(ctx context.Context, all bool) error {
	if err := l.ReadOnly(); err != nil {
		return err
	}
	head, err := l.head(ctx)
	if err != nil {
		return err
	}
	size := l.Size()
	if head < size {
		if l.mirror {
			return l.freeze("%w: its stream has %d entries, and had %d before; when it is opened again, what is missing is fetched again", ErrShorter, head, size)
		}
		return l.freeze("its stream has %d entries, but it had %d before, and a checkpoint over %d was signed: an older copy was restored; restore a newer one, or start a new epoch", head, size, l.signedSize())
	}
	if head == size {
		l.torn = torn{}
		return nil
	}
	for {
		r := reader{l: l, all: all, next: size, lastAt: l.lastAt, committed: size}
		err = l.scan(ctx, l.c.Stream, size+1, 0, func(m stored) error { return r.take(ctx, m) })
		if err == nil && r.next < head {
			err = r.gap(ctx, head)
		}
		if err == nil {
			err = r.unresolved()
		}
		size = r.committed
		if !errors.Is(err, errLagging) {
			if err == nil && r.next > r.committed && l.torn.last != r.next {
				l.torn = torn{last: r.next, since: l.c.Now()}
			} else if r.next == r.committed {
				l.torn = torn{}
			}
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lagPause):
		}
	}
}

// reader takes messages in order and extends the log by what is committed.
type reader struct {
	l         *Log
	all       bool   // what has no commit is taken too
	next      uint64 // index of the next entry
	committed uint64 // entries that the log was extended to
	lastAt    time.Time
	pending   []byte // leaf records of the entries from committed on
	states    []EntryState

	// A deleted entry whose leaf record is not in the cache has it in the
	// redaction that follows. Until that is met nothing is handed on.
	missing    map[uint64]bool
	redactions []redaction // among the pending
}

func (r *reader) take(ctx context.Context, m stored) error {
	if err := r.gap(ctx, m.seq-1); err != nil {
		return err
	}
	record, leaf, err := leafOf(m.msg.Header)
	state, _, serr := stateOf(m.msg.Header)
	switch {
	case err != nil:
	case serr != nil:
		err = serr
	case state != Held && !r.l.mirror:
		err = fmt.Errorf("it is %s, as only an entry of a mirror is", state)
	case state.bodiless() && len(m.msg.Data) > 0:
		err = fmt.Errorf("it is %s and has a document", state)
	case !state.bodiless() && !leaf.Matches(m.msg.Data) && !dropped(state, leaf, m.msg.Data):
		err = errors.New("its document is not the one in its leaf record")
	case m.subj != r.l.c.Subjects+leaf.Kind.String():
		err = fmt.Errorf("it is of kind %s and stands under %q", leaf.Kind, m.subj)
	case leaf.ReceivedAt.Before(r.lastAt):
		err = fmt.Errorf("it was received at %v, before the entry ahead of it", leaf.ReceivedAt)
	}
	if err != nil {
		return r.l.freeze("entry %d of stream %s is not this log's: %v; %s", r.next, r.l.c.Stream, err,
			r.l.remedy("run log verify, and restore the store from a good copy"))
	}
	r.pending, r.states = append(r.pending, record...), append(r.states, state)
	if leaf.Kind == vocab.KindRedaction && state == Held {
		r.redaction(m.msg.Data)
	}
	r.next, r.lastAt = r.next+1, leaf.ReceivedAt
	commits := r.all || get(m.msg.Header, hdrBatchID) == "" || get(m.msg.Header, hdrBatchCommit) != ""
	if commits && len(r.missing) == 0 {
		r.l.extend(r.pending, r.states)
		r.l.note(r.redactions)
		r.pending, r.states, r.redactions = r.pending[:0], r.states[:0], r.redactions[:0]
		r.committed = r.next
	}
	return nil
}

// redaction takes note of the redaction that stands at r.next, and of the leaf
// record in it if that is the one of a missing entry.
func (r *reader) redaction(document []byte) {
	d, err := parseRedaction(r.next, document)
	if err != nil {
		return // it redacts nothing; log verify says so
	}
	r.redactions = append(r.redactions, d)
	if r.missing[d.index] {
		copy(r.pending[(d.index-r.committed)*LeafSize:], d.leaf)
		delete(r.missing, d.index)
	}
}

// unresolved is the error of an entry that is gone and was not redacted.
func (r *reader) unresolved() error {
	if len(r.missing) == 0 {
		return nil
	}
	first := slices.Min(slices.Collect(maps.Keys(r.missing)))
	return r.l.freeze("entry %d is missing from stream %s and from the leaf cache, and no redaction names it; %s", first, r.l.c.Stream,
		r.l.remedy("restore the store, or the file \"leaves\", from a copy"))
}

// gap accounts for entries [r.next, to) whose messages are deleted. Their
// leaves are still needed for the tree; the cache has them, or the redaction
// that comes later.
func (r *reader) gap(ctx context.Context, to uint64) error {
	for ; r.next < to; r.next++ {
		has, err := r.l.leaderHas(ctx, r.l.c.Stream, r.next+1)
		if err != nil {
			return err
		}
		if has {
			return errLagging
		}
		record, state, ok := r.l.cache.at(r.next)
		if !ok {
			if r.missing == nil {
				r.missing = map[uint64]bool{}
			}
			r.missing[r.next] = true
			record = make([]byte, LeafSize)
		}
		r.pending, r.states = append(r.pending, record...), append(r.states, state)
		if leaf, err := ParseLeaf(record); err == nil {
			r.lastAt = leaf.ReceivedAt
		}
	}
	return nil
}

// spotCheck compares some cached leaves with the stream, the last one always:
// a stream that went another way after a restore differs there.
func (l *Log) spotCheck(ctx context.Context, n uint64) (bool, error) {
	const spots = 16
	head, err := l.head(ctx)
	if err != nil {
		return false, err
	}
	if head < n {
		return true, nil // too short: Sync says so, and the cache is what is known
	}
	for i := uint64(1); i <= spots; i++ {
		at := i*n/spots - 1
		if i*n/spots == 0 {
			continue
		}
		same := true
		err := l.scan(ctx, l.c.Stream, at+1, at+1, func(m stored) error {
			record, _, err := leafOf(m.msg.Header)
			same = err == nil && bytes.Equal(record, l.tree.record(at))
			return nil
		})
		if err != nil || !same {
			return same, err
		}
	}
	return true, nil
}

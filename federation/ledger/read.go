package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"

	"lianmu/vocab"
)

// Facts yields records [from, to) without documents, except for the kinds in
// withDocument, fast enough to fold a log at start. To is cut to Size. An entry
// whose body was deleted, or that is not Held, comes with its leaf, and a Fact of
// kind and digest alone; State and Redacted tell whether that is as it should
// be. After an error the sequence ends.
func (l *Log) Facts(ctx context.Context, from, to uint64, withDocument ...vocab.EntryKind) iter.Seq2[Record, error] {
	return l.records(ctx, from, to, func(k vocab.EntryKind) bool { return slices.Contains(withDocument, k) })
}

// Read yields records [from, to) with their documents. To is cut to Size. A
// document is held against its leaf; a deleted one is nil, and of an entry that
// is Faulty it is in Evidence, where it may be kept. After an error the sequence ends.
func (l *Log) Read(ctx context.Context, from, to uint64) iter.Seq2[Record, error] {
	return l.records(ctx, from, to, func(vocab.EntryKind) bool { return true })
}

// Get returns one record with its document (nil where it was deleted),
// ErrDamaged where it is another's, or fs.ErrNotExist beyond the log's end.
func (l *Log) Get(ctx context.Context, index uint64) (Record, error) {
	if index >= l.Size() {
		return Record{}, fmt.Errorf("entry %d: %w", index, fs.ErrNotExist)
	}
	for r, err := range l.Read(ctx, index, index+1) {
		return r, err
	}
	return Record{}, fmt.Errorf("entry %d: %w", index, fs.ErrNotExist)
}

// Evidence returns the document of a Faulty entry (nil where it must not be kept),
// and why it does not stand;
// fs.ErrNotExist where the entry is not Faulty.
func (l *Log) Evidence(ctx context.Context, index uint64) (document []byte, fault string, err error) {
	r, err := l.Get(ctx, index)
	if err == nil && r.State != Faulty {
		err = fmt.Errorf("entry %d is %s: %w", index, r.State, fs.ErrNotExist)
	}
	return r.Evidence, r.Fault, err
}

var errStopped = errors.New("the reader has seen enough")

func (l *Log) records(ctx context.Context, from, to uint64, withDocument func(vocab.EntryKind) bool) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		to := min(to, l.Size())
		next, synced := from, false
		bodies := lateReader{l: l, to: to}
		// gaps yields the entries before to that have no message.
		gaps := func(to uint64) error {
			for ; next < to; next++ {
				r, err := l.absent(ctx, next, &synced)
				if err != nil {
					return err
				}
				if !yield(r, nil) {
					return errStopped
				}
			}
			return nil
		}
		if next >= to {
			return
		}
		err := l.scan(ctx, l.c.Stream, from+1, to, func(m stored) error {
			if err := gaps(m.seq - 1); err != nil {
				return err
			}
			m, err := bodies.inPlace(ctx, m)
			if err != nil {
				return err
			}
			r, err := l.record(m, withDocument)
			if err != nil {
				return err
			}
			next++
			if !yield(r, nil) {
				return errStopped
			}
			return nil
		})
		if err == nil {
			err = gaps(to)
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(Record{Index: next}, err)
		}
	}
}

// absent is the record of an entry that has no message.
func (l *Log) absent(ctx context.Context, i uint64, synced *bool) (Record, error) {
	_, leaf := l.leafAt(i)
	r := bodiless(i, leaf)
	r.State = Redacted
	if _, r.Redacted = l.RedactedBy(i); r.Redacted {
		return r, nil
	}
	has, err := l.leaderHas(ctx, l.c.Stream, i+1)
	if err != nil {
		return r, err
	}
	if has {
		return r, fmt.Errorf("%w (%w)", ErrUnavailable, errLagging)
	}
	// Another process of this hub may have redacted it a moment ago.
	if !*synced {
		*synced = true
		if err := l.Sync(ctx); err != nil && !errors.Is(err, ErrReadOnly) {
			return r, err
		}
	}
	if _, r.Redacted = l.RedactedBy(i); !r.Redacted {
		r.State = Missing
		l.c.Damaged(i, fmt.Errorf("%w: entry %d of stream %s is missing", ErrDamaged, i, l.c.Stream))
	}
	return r, nil
}

// bodiless is what a leaf record alone tells.
func bodiless(i uint64, leaf Leaf) Record {
	return Record{Index: i, ReceivedAt: leaf.ReceivedAt, Leaf: leaf, Fact: vocab.Fact{Kind: leaf.Kind, Digest: leaf.SHA256}}
}

func (l *Log) leafAt(i uint64) ([]byte, Leaf) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.tree.record(i), l.tree.leaf(i)
}

// record makes a Record of a message and holds it against the tree.
func (l *Log) record(m stored, withDocument func(vocab.EntryKind) bool) (Record, error) {
	i := m.seq - 1
	known, leaf := l.leafAt(i)
	if _, redacted := l.RedactedBy(i); redacted { // its deletion is still to come
		r := bodiless(i, leaf)
		r.Redacted, r.State = true, Redacted
		return r, nil
	}
	b, _, err := leafOf(m.msg.Header)
	if err == nil && !bytes.Equal(b, known) {
		err = errors.New("its leaf record is not the one in the tree")
	}
	r := bodiless(i, leaf)
	if err == nil {
		r.State, r.Fault, err = stateOf(m.msg.Header)
	}
	if err == nil && r.State == Held {
		r.Fact, err = factOf(m.msg.Header, leaf)
	}
	if err == nil && !r.State.bodiless() && withDocument(leaf.Kind) && !dropped(r.State, leaf, m.msg.Data) {
		if vocab.DigestOf(m.msg.Data) != leaf.SHA256 {
			err = errors.New("its document is not the one in its leaf record")
		}
		if r.State == Held {
			r.Document = m.msg.Data
		} else {
			r.Evidence = m.msg.Data
		}
	}
	if err != nil {
		err = fmt.Errorf("%w: entry %d of stream %s: %w", ErrDamaged, i, l.c.Stream, err)
		l.c.Damaged(i, err)
		return r, err
	}
	return r, nil
}

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
// whose body was deleted comes with its leaf, and a Fact of kind and digest
// alone. After an error the sequence ends.
func (l *Log) Facts(ctx context.Context, from, to uint64, withDocument ...vocab.EntryKind) iter.Seq2[Record, error] {
	return l.records(ctx, from, to, func(k vocab.EntryKind) bool { return slices.Contains(withDocument, k) })
}

// Read yields records [from, to) with their documents. To is cut to Size. A
// document is held against its leaf; a deleted one is nil. After an error the
// sequence ends.
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

var errStopped = errors.New("the reader has seen enough")

func (l *Log) records(ctx context.Context, from, to uint64, withDocument func(vocab.EntryKind) bool) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		to := min(to, l.Size())
		next := from
		// gaps yields the entries before to that have no message.
		gaps := func(to uint64) error {
			for ; next < to; next++ {
				has, err := l.leaderHas(ctx, next+1)
				if err != nil {
					return err
				}
				if has {
					return fmt.Errorf("%w (%w)", ErrUnavailable, errLagging)
				}
				l.c.Damaged(next, fmt.Errorf("%w: entry %d of stream %s is missing", ErrDamaged, next, l.c.Stream))
				_, leaf := l.leafAt(next)
				r := Record{Index: next, ReceivedAt: leaf.ReceivedAt, Leaf: leaf, Fact: vocab.Fact{Kind: leaf.Kind, Digest: leaf.SHA256}}
				if !yield(r, nil) {
					return errStopped
				}
			}
			return nil
		}
		if next >= to {
			return
		}
		err := l.scan(ctx, from+1, to, func(m stored) error {
			if err := gaps(m.seq - 1); err != nil {
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

func (l *Log) leafAt(i uint64) ([]byte, Leaf) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.tree.record(i), l.tree.leaf(i)
}

// record makes a Record of a message and holds it against the tree.
func (l *Log) record(m stored, withDocument func(vocab.EntryKind) bool) (Record, error) {
	i := m.seq - 1
	known, leaf := l.leafAt(i)
	b, _, err := leafOf(m.msg.Header)
	if err == nil && !bytes.Equal(b, known) {
		err = errors.New("its leaf record is not the one in the tree")
	}
	r := Record{Index: i, ReceivedAt: leaf.ReceivedAt, Leaf: leaf}
	if err == nil {
		r.Fact, err = factOf(m.msg.Header, leaf)
	}
	if err == nil && withDocument(leaf.Kind) {
		if vocab.DigestOf(m.msg.Data) != leaf.SHA256 {
			err = errors.New("its document is not the one in its leaf record")
		}
		r.Document = m.msg.Data
	}
	if err != nil {
		err = fmt.Errorf("%w: entry %d of stream %s: %w", ErrDamaged, i, l.c.Stream, err)
		l.c.Damaged(i, err)
		return r, err
	}
	return r, nil
}

package ledger

import (
	"context"
	"fmt"
	"time"

	"lianmu/vocab"
)

// Extend writes entries to a mirror durably as one atomic batch (at most
// MaxBatch entries, MaxBatchBytes and MaxDocument each) after exactly expect
// entries; the first has index expect. Whoever calls it has authenticated their
// leaf records by a checkpoint of the log and judged their documents. That
// checkpoint need not be accepted yet: what a mirror holds beyond the last
// accepted one counts as authenticated.
//
// A redaction that is Held ends all reading of the entry that it names, as in the
// own log; Redact then deletes the body.
//
// Errors: those of Append, in the same sense; ErrEntry also where an entry does
// not fit its leaf record or state, or was received before the one ahead of it.
func (l *Log) Extend(ctx context.Context, expect uint64, entries []Mirrored) error {
	if !l.mirror {
		return fmt.Errorf("the log %s is this hub's own: use Append", l.c.Origin)
	}
	if len(entries) == 0 || len(entries) > MaxBatch {
		return fmt.Errorf("%w: a batch has 1 to %d entries, not %d", ErrEntry, MaxBatch, len(entries))
	}
	b, total := newBatch(len(entries)), 0
	var redactions []redaction
	for i, m := range entries {
		if err := m.check(); err != nil {
			return fmt.Errorf("%w: entry %d: %w", ErrEntry, i, err)
		}
		if i > 0 && m.Leaf.ReceivedAt.Before(entries[i-1].Leaf.ReceivedAt) {
			return backInTime(i)
		}
		total += len(m.Document)
		b.add(l.c.Subjects, m)
		if m.Leaf.Kind == vocab.KindRedaction && m.State == Held {
			// One that is not right redacts nothing; log verify says so.
			if d, err := parseRedaction(expect+uint64(i), m.Document); err == nil {
				redactions = append(redactions, d)
			}
		}
	}
	if total > MaxBatchBytes {
		return fmt.Errorf("%w: the batch has %d bytes; at most %d are taken", ErrEntry, total, MaxBatchBytes)
	}
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.writable(ctx, expect); err != nil {
		return err
	}
	if entries[0].Leaf.ReceivedAt.Before(l.receivedLast()) {
		return backInTime(0)
	}
	if err := l.publishBatch(ctx, expect, b); err != nil {
		return err
	}
	l.note(redactions)
	return nil
}

func backInTime(i int) error {
	return fmt.Errorf("%w: entry %d was received before the one ahead of it", ErrEntry, i)
}

// receivedLast is the time of the last entry.
func (l *Log) receivedLast() time.Time {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.lastAt
}

// bodiless reports whether an entry in this state comes without its document.
func (s EntryState) bodiless() bool { return s != Held && s != Faulty }

// dropped reports whether the document of an entry in this state, of which there are
// these bytes, is left out because it must be nowhere.
func dropped(s EntryState, leaf Leaf, document []byte) bool {
	return s == Faulty && len(document) == 0 && !leaf.Matches(document)
}

// check holds an entry against its leaf record, and against its state.
func (m *Mirrored) check() error {
	hints := len(m.Fact.Space) + len(m.Fact.Signer) + len(m.Fact.ID)
	switch {
	case int(m.State) >= len(stateNames):
		return fmt.Errorf("its state is %s", m.State)
	case len(m.Fault) > MaxFault:
		return fmt.Errorf("its fault has %d bytes; at most %d are taken", len(m.Fault), MaxFault)
	case m.State != Faulty && m.State != Missing && m.Fault != "":
		return fmt.Errorf("it is %s and has a fault", m.State)
	case len(m.Document) > MaxDocument:
		return fmt.Errorf("its document has %d bytes; at most %d are taken", len(m.Document), MaxDocument)
	case m.State.bodiless() && len(m.Document) > 0:
		return fmt.Errorf("it is %s and has a document", m.State)
	case m.State.bodiless():
		return nil
	case dropped(m.State, m.Leaf, m.Document):
		if m.Fault == "" {
			return fmt.Errorf("it is faulty, has no document, and nothing says why")
		}
		return nil
	case !m.Leaf.Matches(m.Document):
		return fmt.Errorf("its document is not the one in its leaf record")
	case m.State == Faulty:
		return nil
	case m.Leaf.Kind.String() == vocab.EntryKind(0).String():
		return fmt.Errorf("it is held and of unknown kind %d", m.Leaf.Kind)
	case m.Fact.Kind != m.Leaf.Kind || m.Fact.Digest != m.Leaf.SHA256:
		return fmt.Errorf("its fact is another entry's")
	case hints > maxHints:
		return fmt.Errorf("space, signer and id have %d bytes; at most %d are taken", hints, maxHints)
	}
	return nil
}

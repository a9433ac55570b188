package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"lianmu/vocab"
)

const (
	hdrExpectedSubject = "Nats-Expected-Last-Subject-Sequence"
	latePrefix         = "lianmu.late."
)

// late is a body that came after its entry.
type late struct {
	seq   uint64 // of its message
	twice bool   // the mirror's own stream has the body too, as Faulty
}

// Fill adds the body of an entry of a mirror that is Withheld or Missing: m is
// Held or Faulty and has the entry's leaf record; one that is Faulty may lack its
// document, as with Extend. Of one that is Faulty and,
// judged anew, may stand, m is Held. It is kept in a stream of its
// own, as the mirror's cannot change, and is read in its place from then on; the
// tree stays as it is. The first one counts: repeating is harmless. A redaction
// that is Held ends all reading of the entry that it names, as with Extend.
//
// Errors: fs.ErrNotExist beyond the log's end; ErrEntry where m does not fit the
// entry, or the entry has its body; ErrRedaction where it was redacted; ErrFull,
// ErrReadOnly and ErrUnavailable as of Append.
func (l *Log) Fill(ctx context.Context, index uint64, m Mirrored) error {
	if !l.mirror {
		return fmt.Errorf("the log %s is this hub's own: its entries have their bodies", l.c.Origin)
	}
	if m.State.bodiless() {
		return fmt.Errorf("%w: it is %s and has no body", ErrEntry, m.State)
	}
	if err := m.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrEntry, err)
	}
	l.write.Lock()
	defer l.write.Unlock()
	size := l.Size()
	if index >= size {
		return fmt.Errorf("entry %d: %w", index, fs.ErrNotExist)
	}
	if err := l.writable(ctx, size); err != nil {
		return err
	}
	record := m.Leaf.Bytes()
	if known, _ := l.leafAt(index); !bytes.Equal(known, record) {
		return fmt.Errorf("%w: the leaf record is not that of entry %d", ErrEntry, index)
	}
	for again := false; ; again = true {
		state, body, came, gone := l.stateAt(index)
		switch {
		case gone, state == Redacted:
			return fmt.Errorf("%w: entry %d was redacted; its body stays away", ErrRedaction, index)
		case came && state == Faulty && m.State == Held:
			// One subject has one message, and what it replaces would stay on disk
			// for a while, where no redaction reaches it. Cut off here, the entry
			// lacks its body as at first.
			if err := l.eraseMessage(ctx, l.c.Late, body.seq); err != nil {
				return err
			}
			l.mu.Lock()
			delete(l.late, index)
			l.setState(index, Missing)
			l.mu.Unlock()
			state = Missing
		case came:
			return nil
		case !fillable(state, m.State):
			return fmt.Errorf("%w: entry %d is %s and has its body", ErrEntry, index, state)
		case again:
			return fmt.Errorf("%w: another body stands in for entry %d: %s", ErrDamaged, index, l.remedy(""))
		}
		seq, err := l.publishLate(ctx, index, record, m)
		if err == nil {
			l.mu.Lock()
			l.late[index] = late{seq, state == Faulty}
			l.setState(index, m.State)
			l.mu.Unlock()
			if d, ok := lateRedaction(index, m.Leaf, m.State, m.Document); ok {
				l.note([]redaction{d})
			}
			return nil
		}
		if !errors.Is(err, ErrConflict) {
			return err
		}
		l.heard = 0 // it is there: from another process, or from a try that got no answer
		if err := l.learnLate(ctx); err != nil {
			return err
		}
	}
}

// fillable reports whether an entry in a state can take a late body in another.
func fillable(state, by EntryState) bool {
	return state == Withheld || state == Missing || state == Faulty && by == Held
}

// publishLate writes a late body if there is none yet, else ErrConflict.
func (l *Log) publishLate(ctx context.Context, index uint64, record []byte, m Mirrored) (seq uint64, err error) {
	h := header(record, m)
	h[hdrExpectedSubject] = []string{"0"}
	// As with a batch, the wait does not end with the caller's context.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.c.AckWait)
	defer cancel()
	answer, err := l.nc.RequestMsgWithContext(ctx, &nats.Msg{
		Subject: fmt.Sprintf("%s%s.%d", latePrefix, l.id, index), Header: h, Data: m.Document,
	})
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			l.c.Failed(err)
		}
		return 0, fmt.Errorf("%w (the body of entry %d: %w)", ErrUnavailable, index, err)
	}
	var ack pubAck
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return 0, fmt.Errorf("%w (the body of entry %d: %w)", ErrUnavailable, index, err)
	}
	switch {
	case ack.Error == nil:
		return ack.Seq, nil
	case ack.Error.ErrCode == errWrongLastSeq, ack.Error.ErrCode == errWrongLastSeqConstant:
		return 0, ErrConflict
	}
	return 0, l.storeError(ack.Error)
}

// learnLate reads which bodies came late since it was called last. The caller
// holds write.
func (l *Log) learnLate(ctx context.Context) error {
	prefix := latePrefix + l.id + "."
	var redactions []redaction
	err := l.scanSubject(ctx, l.c.Late, prefix+"*", l.heard+1, 0, func(m stored) error {
		l.heard = m.seq
		index, err := strconv.ParseUint(strings.TrimPrefix(m.subj, prefix), 10, 64)
		if err != nil || index >= l.Size() {
			return nil
		}
		record, leaf, err := leafOf(m.msg.Header)
		state, _, serr := stateOf(m.msg.Header)
		known, _ := l.leafAt(index)
		if err != nil || serr != nil || state.bodiless() || !bytes.Equal(record, known) ||
			!leaf.Matches(m.msg.Data) && !dropped(state, leaf, m.msg.Data) {
			l.log.Error("a body that came late is not its entry's, and is not read", "index", index, "message", m.seq)
			return nil
		}
		if d, ok := lateRedaction(index, leaf, state, m.msg.Data); ok {
			redactions = append(redactions, d)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		before, came := l.late[index]
		if came && before.seq == m.seq {
			return nil
		}
		was := l.tree.states[index]
		if _, gone := l.redacted[index]; gone || fillable(was, state) {
			l.late[index] = late{seq: m.seq, twice: before.twice || was == Faulty && !came}
			l.setState(index, state)
		}
		return nil
	})
	l.note(redactions) // of what was read, whatever came after it
	return err
}

// lateRedaction reads a redaction whose document came late.
func lateRedaction(index uint64, leaf Leaf, state EntryState, document []byte) (redaction, bool) {
	if leaf.Kind != vocab.KindRedaction || state != Held {
		return redaction{}, false
	}
	d, err := parseRedaction(index, document)
	return d, err == nil // one that is not right redacts nothing; log verify says so
}

// setState changes what is there of entry i. The caller holds mu.
func (l *Log) setState(i uint64, state EntryState) {
	if _, gone := l.redacted[i]; !gone {
		l.tree.counts[l.tree.states[i]]--
		l.tree.counts[state]++
	}
	l.tree.states[i] = state
}

// stateAt tells what the log holds of entry i: its state, the message with its
// body if that came late, and whether a redaction names it.
func (l *Log) stateAt(i uint64) (state EntryState, body late, came, gone bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	body, came = l.late[i]
	_, gone = l.redacted[i]
	return l.tree.states[i], body, came, gone
}

// lateReader reads the bodies that came late in place of a mirror's messages,
// several at a time where they stand near each other, as those of neighbours do:
// they were asked for together.
type lateReader struct {
	l    *Log
	to   uint64               // entries before it are read
	near map[uint64]*nats.Msg // that were read with another, by sequence
}

// lateNear is how far apart bodies may stand to be read together.
const lateNear = 8

// inPlace is the message that entry m is read from: m, or the one in which its
// body came late.
func (r *lateReader) inPlace(ctx context.Context, m stored) (stored, error) {
	index := m.seq - 1
	_, body, came, gone := r.l.stateAt(index)
	if !came || gone {
		return m, nil
	}
	msg := r.near[body.seq]
	if msg == nil {
		r.read(ctx, index, body.seq)
		msg = r.near[body.seq]
	}
	if msg == nil { // alone, it is asked for more than once
		err := r.l.scan(ctx, r.l.c.Late, body.seq, body.seq, func(late stored) error {
			msg = late.msg
			return nil
		})
		if err != nil {
			return m, err
		}
	}
	delete(r.near, body.seq)
	if msg == nil {
		if _, _, _, gone := r.l.stateAt(index); !gone {
			r.l.c.Damaged(index, fmt.Errorf("%w: the body of entry %d is missing from stream %s", ErrDamaged, index, r.l.c.Late))
		}
		return m, nil
	}
	m.msg = msg
	return m, nil
}

// read asks for the body of an entry, and for those of the entries that follow as
// far as they stand near behind it: one request, of what one may bring.
func (r *lateReader) read(ctx context.Context, index, seq uint64) {
	last, end := seq, min(r.to, index+fetchMessages)
	wanted := map[uint64]bool{seq: true}
	for i := index + 1; i < end; i++ {
		_, body, came, gone := r.l.stateAt(i)
		switch {
		case !came || gone:
			continue
		case body.seq <= last || body.seq-last > lateNear:
			i = end
		default:
			wanted[body.seq], last = true, body.seq
		}
	}
	r.near = map[uint64]*nats.Msg{}
	// What it does not bring is asked for again, one by one.
	_, _, _ = r.l.fetch(ctx, r.l.c.Late, latePrefix+r.l.id+".*", seq, last, min(fetchMessages, last-seq+1), func(m stored) error {
		if wanted[m.seq] {
			r.near[m.seq] = m.msg
		}
		return nil
	})
}

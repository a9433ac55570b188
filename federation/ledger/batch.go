package ledger

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
)

// tornAfter is how long an uncommitted batch must have stood at the end of the
// stream before it is taken in; a server gives up a batch after 10 s.
const tornAfter = 15 * time.Second

// unsure is an append that the store neither confirmed nor refused while the
// connection stood. Its messages may be visible and yet not be on disk, so
// nothing is read until the server confirms it late or is another one.
type unsure struct {
	server     string
	reconnects uint64
	sub        *nats.Subscription // where a late answer would come
}

func (u *unsure) forget() { _ = u.sub.Unsubscribe() }

// settle finds out whether reading is safe again after an unsure append.
func (l *Log) settle() error {
	u := l.unsure
	if u == nil {
		return nil
	}
	if _, err := u.sub.NextMsg(time.Millisecond); err == nil || errors.Is(err, nats.ErrNoResponders) {
		l.unsure = nil
		u.forget()
		return nil // confirmed or refused: the stream says which
	}
	if l.nc.Status() == nats.CONNECTED && (l.nc.ConnectedServerId() != u.server || l.nc.Stats().Reconnects != u.reconnects) {
		l.unsure = nil
		u.forget()
		return nil
	}
	return fmt.Errorf("%w (the store did not confirm the last write; the server must be restarted)", ErrUnavailable)
}

// pubAck is JetStream's answer to a publish.
type pubAck struct {
	Error *apiError `json:"error"`
	Seq   uint64    `json:"seq"`
}

// batch is entries on their way into the stream.
type batch struct {
	msgs   []*nats.Msg
	leaves []byte // their leaf records
	states []EntryState
}

func newBatch(n int) *batch {
	return &batch{make([]*nats.Msg, 0, n), make([]byte, 0, n*LeafSize), make([]EntryState, 0, n)}
}

func (b *batch) add(subjects string, m Mirrored) {
	record := m.Leaf.Bytes()
	b.leaves, b.states = append(b.leaves, record...), append(b.states, m.State)
	b.msgs = append(b.msgs, &nats.Msg{Subject: subjects + m.Leaf.Kind.String(), Header: header(record, m), Data: m.Document})
}

// publishBatch sends the messages as one batch and extends the log by it once
// the store has confirmed it.
func (l *Log) publishBatch(ctx context.Context, expect uint64, b *batch) error {
	msgs := b.msgs
	msgs[0].Header[hdrExpectedLast] = []string{strconv.FormatUint(expect, 10)}
	n := len(msgs)
	if n > 1 { // a single message is atomic as it is
		id := rand.Text()
		for i, m := range msgs {
			m.Header[hdrBatchID] = []string{id}
			m.Header[hdrBatchSequence] = []string{strconv.Itoa(i + 1)}
		}
		msgs[n-1].Header[hdrBatchCommit] = []string{"1"}
	}
	sub, err := l.nc.SubscribeSync(l.nc.NewInbox())
	if err != nil {
		return fmt.Errorf("%w (%w)", ErrUnavailable, err)
	}
	u := &unsure{server: l.nc.ConnectedServerId(), reconnects: l.nc.Stats().Reconnects, sub: sub}
	// Only the last is answered: the server stages the others silently, and
	// refuses the commit if one of them is missing.
	msgs[n-1].Reply = sub.Subject
	for i, m := range msgs {
		if err := l.nc.PublishMsg(m); err != nil {
			u.forget()
			if i < n-1 || errors.Is(err, nats.ErrMaxPayload) ||
				errors.Is(err, nats.ErrReconnectBufExceeded) || errors.Is(err, nats.ErrConnectionClosed) {
				return fmt.Errorf("%w (%w)", ErrUnavailable, err) // the commit never left
			}
			return l.findOut(ctx, expect, b.leaves, err)
		}
	}
	// The wait does not end with the caller's context: an append that was sent
	// must be accounted for.
	m, err := l.await(context.WithoutCancel(ctx), sub, l.c.AckWait, u.reconnects)
	switch {
	case errors.Is(err, errNoAnswer):
		l.unsure = u
		l.c.Failed(err)
		return fmt.Errorf("%w (%w)", ErrUnavailable, err)
	case errors.Is(err, nats.ErrNoResponders):
		u.forget()
		return fmt.Errorf("%w (stream %s has no server)", ErrUnavailable, l.c.Stream)
	case err != nil:
		u.forget()
		return l.findOut(ctx, expect, b.leaves, err)
	}
	var ack pubAck
	if err := json.Unmarshal(m.Data, &ack); err != nil {
		u.forget()
		return l.findOut(ctx, expect, b.leaves, err)
	}
	want := expect + uint64(n)
	if ack.Error == nil && ack.Seq < want {
		// A server that goes down in the middle of a batch may say so.
		l.unsure = u
		err := fmt.Errorf("the store confirmed sequence %d for a batch that ends at %d", ack.Seq, want)
		l.c.Failed(err)
		return fmt.Errorf("%w (%w)", ErrUnavailable, err)
	}
	u.forget()
	if ack.Error != nil {
		return l.refused(ctx, ack.Error)
	}
	if ack.Seq > want {
		return l.freeze("the store confirmed sequence %d for a batch that ends at %d", ack.Seq, want)
	}
	l.extend(b.leaves, b.states)
	return nil
}

// refused turns JetStream's error into one of ours. Nothing was appended.
func (l *Log) refused(ctx context.Context, e *apiError) error {
	switch e.ErrCode {
	case errWrongLastSeq, errWrongLastSeqConstant:
		if err := l.sync(ctx); err != nil && !errors.Is(err, ErrUnavailable) {
			return err
		}
		return fmt.Errorf("%w (%s)", ErrConflict, e.Description)
	}
	return l.storeError(e)
}

// storeError is any other refusal.
func (l *Log) storeError(e *apiError) error {
	switch e.ErrCode {
	case errInsufficient, errStorageExceeded, errStoreFailed:
		err := full(e.Description)
		l.c.Failed(err)
		return err
	case errIncompleteBatch:
		// Staging failed, most often for want of room.
		if err := l.c.Ready(); errors.Is(err, syscall.ENOSPC) {
			return fmt.Errorf("%w (%w)", ErrFull, err)
		}
	}
	err := fmt.Errorf("%w (%s)", ErrUnavailable, e.Description)
	if strings.Contains(e.Description, "no space left") {
		err = full(e.Description)
		l.c.Failed(err)
	}
	return err
}

// findOut settles an append whose connection was lost: it waits for the store,
// reads to the head, and looks whether the entries are there.
func (l *Log) findOut(ctx context.Context, expect uint64, leaves []byte, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.c.AckWait)
	defer cancel()
	for {
		err := l.sync(ctx)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrUnavailable) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w; it is not known yet whether the entries were written)", ErrUnavailable, cause)
		case <-time.After(lagPause):
		}
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	n := uint64(len(leaves) / LeafSize)
	switch size := l.tree.size(); {
	case size >= expect+n && bytes.Equal(l.tree.leaves[expect*LeafSize:(expect+n)*LeafSize], leaves):
		return nil
	case size > expect:
		return fmt.Errorf("%w (%w)", ErrConflict, cause)
	}
	return fmt.Errorf("%w (%w; nothing was written)", ErrUnavailable, cause)
}

// takeTorn makes an uncommitted batch at the end of the stream part of the log:
// its messages hold their sequence numbers for ever, so they cannot be stepped
// over. The last of them is written once more, as a single message: when that
// is durable, so is all before it, and all of it counts as committed. A document
// in the log twice is harmless.
func (l *Log) takeTorn(ctx context.Context) error {
	if err := l.sync(ctx); err != nil {
		return err
	}
	t := l.torn
	if t.last == 0 {
		return nil
	}
	if l.c.Now().Sub(t.since) < tornAfter {
		return fmt.Errorf("%w (an incomplete batch stands at the end of the stream)", ErrUnavailable)
	}
	if l.mirror {
		return l.readOn(ctx, true)
	}
	var again *nats.Msg
	err := l.scan(ctx, l.c.Stream, t.last, t.last, func(m stored) error {
		again = &nats.Msg{Subject: m.subj, Header: nats.Header{}, Data: m.msg.Data}
		for _, k := range hintHeaders {
			if v := m.msg.Header[k]; len(v) > 0 {
				again.Header[k] = v
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if again == nil {
		return l.freeze("the end of an incomplete batch, entry %d, cannot be read", t.last-1)
	}
	again.Header[hdrExpectedLast] = []string{strconv.FormatUint(t.last, 10)}
	ctx, cancel := context.WithTimeout(ctx, l.c.AckWait)
	defer cancel()
	m, err := l.nc.RequestMsgWithContext(ctx, again)
	if err != nil {
		l.c.Failed(err)
		return fmt.Errorf("%w (completing a torn batch: %w)", ErrUnavailable, err)
	}
	var ack pubAck
	if err := json.Unmarshal(m.Data, &ack); err != nil {
		return fmt.Errorf("%w (completing a torn batch: %w)", ErrUnavailable, err)
	}
	if ack.Error != nil {
		return l.refused(ctx, ack.Error)
	}
	l.log.Warn("took an incomplete batch at the end of the stream into the log", "from", l.Size(), "to", t.last)
	return l.sync(ctx)
}

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

	"lianmu/vocab"
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

// Append writes entries durably as one atomic batch (at most MaxBatch entries,
// MaxBatchBytes and MaxDocument each) after exactly expect entries and returns
// their receivedAt; the first has index expect.
//
// Errors: ErrConflict (Sync, decide again), ErrReadOnly, ErrFull and
// ErrUnavailable (try again later; nothing, or something that a repetition
// finds, was appended), ErrEntry, ErrRedaction. On an ambiguous outcome it reads to the head
// and finds out, so a repetition after ErrUnavailable never doubles an entry.
func (l *Log) Append(ctx context.Context, expect uint64, entries []Entry) (receivedAt time.Time, err error) {
	if err := checkEntries(entries); err != nil {
		return time.Time{}, err
	}
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.writable(ctx); err != nil {
		return time.Time{}, err
	}
	if size := l.Size(); size != expect {
		return time.Time{}, fmt.Errorf("%w (it has %d entries, not %d)", ErrConflict, size, expect)
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
	leaves := make([]byte, 0, len(entries)*LeafSize)
	msgs := make([]*nats.Msg, len(entries))
	for i, e := range entries {
		leaf := NewLeaf(e.Fact.Kind, at, e.Document)
		if !e.Fact.Digest.IsZero() && e.Fact.Digest != leaf.SHA256 {
			return time.Time{}, fmt.Errorf("%w: the digest of entry %d is not its document's", ErrEntry, i)
		}
		record := leaf.Bytes()
		leaves = append(leaves, record...)
		msgs[i] = &nats.Msg{Subject: l.c.Subjects + leaf.Kind.String(), Header: header(record, e.Fact), Data: e.Document}
	}
	if err := l.publishBatch(ctx, expect, msgs, leaves); err != nil {
		return time.Time{}, err
	}
	l.note(redactions)
	return at, nil
}

// writable settles what is open before an append.
func (l *Log) writable(ctx context.Context) error {
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
		return l.takeTorn(ctx)
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

// pubAck is JetStream's answer to a publish.
type pubAck struct {
	Error *apiError `json:"error"`
	Seq   uint64    `json:"seq"`
}

// publishBatch sends the messages as one batch and extends the log by leaves
// once the store has confirmed it.
func (l *Log) publishBatch(ctx context.Context, expect uint64, msgs []*nats.Msg, leaves []byte) error {
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
			return l.findOut(ctx, expect, leaves, err)
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
		return l.findOut(ctx, expect, leaves, err)
	}
	u.forget()
	var ack pubAck
	if err := json.Unmarshal(m.Data, &ack); err != nil {
		return l.findOut(ctx, expect, leaves, err)
	}
	if ack.Error != nil {
		return l.refused(ctx, ack.Error)
	}
	if want := expect + uint64(n); ack.Seq != want {
		return l.freeze("the store confirmed sequence %d for a batch that ends at %d", ack.Seq, want)
	}
	l.extend(leaves)
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
	var again *nats.Msg
	err := l.scan(ctx, t.last, t.last, func(m stored) error {
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

package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// One request to the stream asks for so many messages and bytes.
const (
	fetchMessages = 1000
	fetchBytes    = 4 << 20
	fetchIdle     = 5 * time.Second // without a message for so long, it is asked again
	fetchTries    = 3
	lagPause      = 50 * time.Millisecond // before a replica that lags is asked again
)

// errLagging: whoever answered has not yet what the leader has.
var errLagging = errors.New("a replica lags behind")

// stored is a message of a stream.
type stored struct {
	seq  uint64
	msg  *nats.Msg
	subj string
}

// scan calls f for the messages of a stream from sequence from to to, in order,
// stepping over those that were deleted; to 0 means the head.
//
// It uses direct batch reads: they are isolated from a commit under way, which
// consumers are not, and cost no consumer.
func (l *Log) scan(ctx context.Context, stream string, from, to uint64, f func(stored) error) error {
	return l.scanSubject(ctx, stream, "", from, to, f)
}

// scanSubject is scan over the messages of one subject, which may have
// wildcards; "" is all of them.
func (l *Log) scanSubject(ctx context.Context, stream, subject string, from, to uint64, f func(stored) error) error {
	for tries := 0; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		limit := uint64(fetchMessages)
		if to > 0 {
			if from > to {
				return nil
			}
			limit = min(limit, to-from+1)
		}
		next, pending, err := l.fetch(ctx, stream, subject, from, to, limit, f)
		var stop stopError
		switch {
		case errors.As(err, &stop):
			return stop.error
		case err != nil && next == from:
			if tries++; tries >= fetchTries || ctx.Err() != nil {
				return fmt.Errorf("%w (reading stream %s at %d: %w)", ErrUnavailable, stream, from, err)
			}
		default:
			tries = 0
		}
		from = next
		if err == nil && pending == 0 {
			return nil
		}
	}
}

// stopError is what f returned, told apart from faults of the store.
type stopError struct{ error }

// fetch makes one request. It returns the sequence to go on from, and how many
// messages the stream has beyond; an error may come after some messages.
func (l *Log) fetch(ctx context.Context, stream, subject string, from, to, limit uint64, f func(stored) error) (next, pending uint64, err error) {
	reconnects := l.nc.Stats().Reconnects
	sub, err := l.nc.SubscribeSync(l.nc.NewInbox())
	if err != nil {
		return from, 0, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	req, err := json.Marshal(struct {
		Seq      uint64 `json:"seq"`
		Batch    uint64 `json:"batch"`
		MaxBytes int    `json:"max_bytes"`
		Subject  string `json:"next_by_subj,omitempty"`
	}{from, limit, fetchBytes, subject})
	if err != nil {
		return from, 0, err
	}
	if err := l.nc.PublishRequest(l.prefix+"DIRECT.GET."+stream, sub.Subject, req); err != nil {
		return from, 0, err
	}
	next = from
	for {
		m, err := l.await(ctx, sub, fetchIdle, reconnects)
		if err != nil {
			return next, 0, err
		}
		switch status := get(m.Header, "Status"); status {
		case "":
		case "404": // nothing from here on
			return next, 0, nil
		case "204": // the end of this batch
			n, err := strconv.ParseUint(get(m.Header, "Nats-Num-Pending"), 10, 64)
			return next, n, err
		default:
			return next, 0, fmt.Errorf("status %s %s", status, get(m.Header, "Description"))
		}
		seq, err := strconv.ParseUint(get(m.Header, "Nats-Sequence"), 10, 64)
		if err != nil || seq < next {
			return next, 0, fmt.Errorf("sequence %q after %d", get(m.Header, "Nats-Sequence"), next)
		}
		if to > 0 && seq > to { // what was asked for is deleted, this lies beyond
			return to + 1, 0, nil
		}
		if err := f(stored{seq: seq, msg: m, subj: get(m.Header, "Nats-Subject")}); err != nil {
			return seq, 0, stopError{err}
		}
		next = seq + 1
	}
}

// Why an answer did not come.
var (
	errNoAnswer = errors.New("the store did not answer in time")
	errLost     = errors.New("the connection to the store was lost")
)

// await waits for a message on sub for at most so long, and gives up at once
// when the connection, which had reconnected so many times when the question
// was asked, is another one: the answer will not come.
func (l *Log) await(ctx context.Context, sub *nats.Subscription, wait time.Duration, reconnects uint64) (*nats.Msg, error) {
	const slice = 20 * time.Millisecond
	deadline := time.Now().Add(wait)
	for {
		m, err := sub.NextMsg(slice)
		if err == nil || !errors.Is(err, nats.ErrTimeout) {
			return m, err
		}
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case l.nc.Status() != nats.CONNECTED || l.nc.Stats().Reconnects != reconnects:
			return nil, errLost
		case time.Now().After(deadline):
			return nil, errNoAnswer
		}
	}
}

// head is the last sequence of the stream as its leader knows it.
func (l *Log) head(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, l.c.AckWait)
	defer cancel()
	s, err := l.c.JetStream.Stream(ctx, l.c.Stream)
	if err != nil {
		return 0, fmt.Errorf("%w (stream %s: %w)", ErrUnavailable, l.c.Stream, err)
	}
	return s.CachedInfo().State.LastSeq, nil
}

// leaderHas reports whether the leader holds the message with this sequence: a
// read that misses it may come from a replica that lags.
func (l *Log) leaderHas(ctx context.Context, stream string, seq uint64) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, l.c.AckWait)
	defer cancel()
	m, err := l.nc.RequestWithContext(ctx, l.prefix+"STREAM.MSG.GET."+stream, fmt.Appendf(nil, `{"seq":%d}`, seq))
	if err != nil {
		return false, fmt.Errorf("%w (%w)", ErrUnavailable, err)
	}
	var answer struct {
		Error *apiError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return false, err
	}
	switch {
	case answer.Error == nil:
		return true, nil
	case answer.Error.ErrCode == errNoMessage:
		return false, nil
	}
	return false, fmt.Errorf("%w (%s)", ErrUnavailable, answer.Error.Description)
}

// apiError is an error in an answer of JetStream.
type apiError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

// Codes of JetStream's API errors that mean something here.
const (
	errNoMessage            = 10037
	errNoSequence           = 10043
	errInsufficient         = 10023
	errStorageExceeded      = 10047
	errStoreFailed          = 10077
	errWrongLastSeq         = 10071
	errWrongLastSeqConstant = 10164
	errIncompleteBatch      = 10176
)

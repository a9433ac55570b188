package audit

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go/jetstream"

	"lianmu/hub/bus"
	"lianmu/vocab"
)

// Do records that an act begins, does it, and records what came of it: Refused
// where act's error is vocab.Problems, Failed where it is another. detail goes
// into the second record.
//
// It fails closed: an act that cannot be recorded is not done (the error is
// vocab.Problems with code audit.unavailable). What was done and then could not
// be recorded stays done, and the first record, without a second one, says that
// it may have been; so does one whose process was killed. The error is act's.
func (t *Trail) Do(ctx context.Context, r Record, act func(context.Context) (detail string, err error)) error {
	r.Outcome = Begun
	begun, err := t.append(ctx, r)
	if err != nil {
		return unavailable(err)
	}
	detail, failure := act(context.WithValue(ctx, begunKey{}, begun.Sequence))
	r.Outcome, r.Detail, r.Of = Done, detail, begun.Sequence
	if failure != nil {
		r.Outcome, r.Code = Failed, "internal"
		r.Detail = strings.TrimSpace(detail + " " + failure.Error())
		var ps vocab.Problems
		if errors.As(failure, &ps) && len(ps) > 0 {
			r.Outcome, r.Code = Refused, ps[0].Code
		}
	}
	// Whoever asked may have gone; what came of it is recorded all the same.
	if _, err := t.append(context.WithoutCancel(ctx), r); err != nil {
		t.c.Logger.Error("what came of an act could not be recorded", "act", r.Act, "of", r.Of, "outcome", r.Outcome, "err", err)
	}
	return failure
}

// begunKey is where an act finds the sequence of the record that says it began.
type begunKey struct{}

// Put appends a record. It sets Sequence, Time, Prev and Hash, and is durable
// when it returns nil. Errors are vocab.Problems (audit.unavailable); then it
// may be there or not.
func (t *Trail) Put(ctx context.Context, r Record) error {
	if _, err := t.append(ctx, r); err != nil {
		return unavailable(err)
	}
	return nil
}

func unavailable(err error) error {
	return fmt.Errorf("%w (%w)", vocab.Problems{vocab.NewProblem("", "audit.unavailable",
		"审计记录暂时写不进去，因此没有执行。请稍后再试；仍不行请检查节点的磁盘和 NATS。",
		"The audit record cannot be written just now, so nothing was done. Try again later; if it stays so, check the hub's disk and NATS.")}, err)
}

func (t *Trail) append(ctx context.Context, r Record) (Record, error) {
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return Record{}, ctx.Err()
	}
	r.clean()
	var err error
	for range putAttempts {
		head := t.Head()
		if err = r.follow(head, t.c.Now()); err != nil {
			return Record{}, err
		}
		var moved bool
		if moved, err = t.publish(ctx, r, head); err == nil {
			t.mu.Lock()
			t.head = Head{Sequence: r.Sequence, Time: r.Time, Hash: r.Hash}
			t.mu.Unlock()
			return r, nil
		}
		if !moved || ctx.Err() != nil {
			break
		}
	}
	return Record{}, err
}

// follow gives a record its place after head.
func (r *Record) follow(head Head, now time.Time) error {
	r.Time = now.UTC().Truncate(time.Millisecond)
	if r.Time.Before(head.Time) {
		r.Time = head.Time
	}
	r.Sequence, r.Prev = head.Sequence+1, head.Hash
	return r.seal()
}

// publish writes a record at its place. Where it could not, moved tells whether
// that was because the trail has grown.
func (t *Trail) publish(ctx context.Context, r Record, head Head) (moved bool, err error) {
	body, err := encode(r)
	if err != nil {
		return false, err
	}
	conn := t.js.Conn()
	server, reconnects := conn.ConnectedServerId(), conn.Stats().Reconnects
	_, err = t.js.Publish(ctx, bus.AuditPrefix+string(r.Outcome), body, jetstream.WithExpectLastSequence(head.Sequence))
	if err == nil {
		return false, nil
	}
	// Without an answer it may be there all the same.
	finding, cancel := context.WithTimeout(context.WithoutCancel(ctx), putTimeout)
	defer cancel()
	if at, gerr := t.get(finding, r.Sequence); gerr == nil && at.Hash == r.Hash {
		return false, nil
	}
	if cerr := t.catchUp(finding); cerr == nil && t.Head().Sequence > head.Sequence {
		return true, err
	}
	switch {
	case bus.Conflict(err):
		return true, err // a replica that does not show it yet
	case conn.IsConnected() && conn.ConnectedServerId() == server && conn.Stats().Reconnects == reconnects:
		t.c.Failed(err)
	}
	return false, err
}

// token finds what looks like a token (RFC 7515, compact form): it must not be
// in the trail, whatever a caller puts into a text.
var token = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*\.?[A-Za-z0-9_-]*`)

// clean brings a record's texts within their bounds.
func (r *Record) clean() {
	for _, f := range []struct {
		text *string
		max  int // bytes
	}{
		{&r.Who, 256}, {&r.Role, 64}, {&r.Via, 64}, {&r.From, 64}, {&r.Act, 64}, {&r.Object, 512}, {&r.Code, 64}, {&r.Detail, 1024},
	} {
		s := token.ReplaceAllString(strings.ToValidUTF8(bounded(*f.text, 4*f.max), "\uFFFD"), "[token]")
		*f.text = bounded(strings.ReplaceAll(vocab.Printable(s), "\n", `\n`), f.max)
	}
	r.Since = r.Since.UTC().Truncate(time.Millisecond)
}

// bounded cuts s to at most so many bytes, between characters.
func bounded(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	cut := limit - len("…")
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

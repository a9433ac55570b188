// Package audit keeps the trail of administrative acts and refusals: who did or
// tried what, when, from where, and what came of it. Each record carries the
// hash of the one before, so that a record that is changed, dropped or put
// elsewhere is found; the newest hash, shown to others or signed at the end of
// an export, is what the whole trail up to there is held to.
//
// It never decides who may do something, holds no bodies and no tokens, and
// cannot delete: records go when they are old enough (bus.MinAuditAge), never
// before. Whoever owns the store can still replace all of it; then the hashes
// that others have seen tell.
package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"

	"lianmu/federation/identity"
	"lianmu/hub/bus"
	"lianmu/vocab"
)

// Outcome is what came of an act.
type Outcome string

// What can come of an act.
const (
	Begun   Outcome = "begun"   // about to be done; a later record, Of this one, says what came of it
	Done    Outcome = "done"    // done
	Refused Outcome = "refused" // not done: it was not allowed, or not right
	Failed  Outcome = "failed"  // not done, or in part: something broke
)

// Record is one line of the trail. Texts are bounded (see bounds), and what
// cannot be seen in them is written as escapes.
type Record struct {
	Sequence uint64    `json:"sequence"` // its place, from 1 without gaps
	Time     time.Time `json:"time"`     // UTC, never before the record ahead of it
	Who      string    `json:"who,omitempty"`
	Role     string    `json:"role,omitempty"`
	Via      string    `json:"via,omitempty"`  // how they proved it: token, session …
	From     string    `json:"from,omitempty"` // address
	Act      string    `json:"act"`            // the right or the route, such as "space.admit"
	Object   string    `json:"object,omitempty"`
	Outcome  Outcome   `json:"outcome"`
	Code     string    `json:"code,omitempty"` // of the problem, where it was not done
	Detail   string    `json:"detail,omitempty"`
	Of       uint64    `json:"of,omitempty"` // sequence of the record that said Begun

	// Count is how many refusals this record adds up, the first at Since; "*"
	// stands where they differ in a member.
	Count int       `json:"count,omitempty"`
	Since time.Time `json:"since,omitzero"`

	Prev vocab.Digest `json:"prev"` // Hash of the record before; zero for the first
	// Hash is SHA-256 of the record's canonical form (RFC 8785) without "hash".
	Hash vocab.Digest `json:"hash,omitzero"`
}

// Head is the end of the trail: the hash of its newest record. The zero Head is
// that of an empty trail.
type Head struct {
	Sequence uint64       `json:"sequence"`
	Time     time.Time    `json:"time,omitzero"`
	Hash     vocab.Digest `json:"hash,omitzero"`
}

// Bounds.
const (
	putTimeout   = 10 * time.Second
	putAttempts  = 50 // against other processes of the hub that write too
	maxTallies   = 1000
	maxOfficial  = 200 // tallies kept free for officers
	maxNamed     = 64  // tallies of people and keys at one address
	flushEvery   = time.Minute
	refusedRate  = 20  // records of refusals a minute, for long
	refusedBurst = 200 // and at once, after a quiet time
)

// Config is what a trail works with.
type Config struct {
	Now    func() time.Time
	Logger *slog.Logger
	Failed func(error)     // hears that the store, though connected, takes no record; may be nil
	Signer identity.Signer // signs the end of exports; nil: they are not signed
}

// Trail is the hub's audit trail. Several processes may have it open. It is
// safe for concurrent use.
type Trail struct {
	c      Config
	js     jetstream.JetStream
	stream jetstream.Stream

	turn chan struct{} // taken by whoever appends

	mu      sync.Mutex // guards what follows; never held over I/O
	head    Head       // the newest record known
	tallies map[tallyKey]*Record
	named   map[string]int // tallies of people and keys that hold no office, by address
	rest    int            // refusals that found no room among the tallies

	budget *rate.Limiter // of records of refusals; used by flush alone
	run    context.Context
	stop   context.CancelFunc
	flush1 sync.Mutex // held by flush
	done   sync.WaitGroup
}

// Open finds the end of the trail in the stream that hub/bus declares.
func Open(ctx context.Context, js jetstream.JetStream, c Config) (*Trail, error) {
	if c.Now == nil {
		return nil, errors.New("audit: Now is needed")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Failed == nil {
		c.Failed = func(error) {}
	}
	stream, err := js.Stream(ctx, bus.AuditStream)
	if err != nil {
		return nil, fmt.Errorf("audit trail: %w", err)
	}
	t := &Trail{
		c: c, js: js, stream: stream, turn: make(chan struct{}, 1), tallies: map[tallyKey]*Record{}, named: map[string]int{},
		budget: rate.NewLimiter(rate.Limit(refusedRate/flushEvery.Seconds()), refusedBurst),
	}
	if err := t.catchUp(ctx); err != nil {
		return nil, fmt.Errorf("audit trail: %w", err)
	}
	t.run, t.stop = context.WithCancel(context.WithoutCancel(ctx))
	t.done.Go(t.flushNowAndThen)
	return t, nil
}

// Close writes the refusals that are still being added up, within ctx, and
// stops; nothing may be Put after it.
func (t *Trail) Close(ctx context.Context) error {
	t.stop()
	t.done.Wait()
	return t.flush(ctx)
}

// Head returns the end of the trail as far as this process knows it.
func (t *Trail) Head() Head {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.head
}

// catchUp reads the newest record.
func (t *Trail) catchUp(ctx context.Context) error {
	info, err := t.stream.Info(ctx)
	if err != nil {
		return err
	}
	last := info.State.LastSeq
	if last == 0 {
		return nil
	}
	head := Head{Sequence: last}
	r, err := t.get(ctx, last)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		// All records have become old and gone; the chain goes on from nothing.
	case err != nil:
		return err
	default:
		head.Time, head.Hash = r.Time, r.Hash
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if head.Sequence > t.head.Sequence {
		t.head = head
	}
	return nil
}

// get reads one record as it is stored, without checking it.
func (t *Trail) get(ctx context.Context, sequence uint64) (Record, error) {
	m, err := t.stream.GetMsg(ctx, sequence)
	if err != nil {
		return Record{}, err
	}
	return decode(m.Data)
}

// encode writes a record in canonical form (RFC 8785).
func encode(r Record) ([]byte, error) {
	b, err := jsonv2.Marshal(r)
	if err != nil {
		return nil, err
	}
	v := jsontext.Value(b)
	err = v.Canonicalize()
	return v, err
}

// decode reads a record; members that a record does not have are an error.
func decode(b []byte) (r Record, err error) {
	err = jsonv2.Unmarshal(b, &r, jsonv2.RejectUnknownMembers(true))
	return r, err
}

// seal sets the record's hash.
func (r *Record) seal() error {
	r.Hash = vocab.Digest{}
	b, err := encode(*r)
	if err != nil {
		return err
	}
	r.Hash = vocab.DigestOf(b)
	return nil
}

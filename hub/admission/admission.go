// Package admission is the desk where a hub's officers decide about spaces:
// they invite, look through the waiting list, admit, reject, suspend, resume,
// replace or void keys and remove offerings. Each decision is a document signed
// with the hub's key, which becomes an entry of the log; what takes away much at
// once waits for a second officer.
//
// It holds no state of its own beside invitations, the waiting list and
// proposals, which are in one bucket: how a space stands is what the log says.
// It never judges a signature, and never appends by itself: what it makes goes
// the way that Config.Submit gives it.
package admission

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"

	"lianmu/federation/identity"
	"lianmu/federation/registry"
	"lianmu/hub/access"
	"lianmu/hub/audit"
	"lianmu/hub/bus"
	"lianmu/vocab"
)

// Config is what the desk works with.
type Config struct {
	Registry *registry.Registry
	KV       jetstream.KeyValue // bus.Admission
	Signer   identity.Signer    // hub.key
	// Office tells of a DID that is an officer's or the hub's own: it never becomes
	// a space's. May be nil.
	Office func(did string) bool
	// Another tells whether anybody whose access.Who.Identity is another's may have
	// all of these rights. May be nil: somebody has.
	Another func(identity string, rights ...access.Right) bool
	// Submit appends the hub's own document, or the descriptor of a space just
	// admitted, and answers once it is in the log.
	Submit func(ctx context.Context, raw []byte) vocab.Receipt
	// Describe tells what an entry of the log is, so that an officer sees what a
	// decision would take down. May be nil.
	Describe func(ctx context.Context, index uint64) (kind vocab.EntryKind, id string, err error)
	// Redact deletes the bodies of entries, with a receipt each; by decided, and
	// second, where there are more than MaxAlone, agreed. May be nil.
	Redact func(ctx context.Context, entries []Redacted, by, second string) ([]vocab.Receipt, error)
	Audit  *audit.Trail
	URL    string // of the hub's pages, for links in invitations; may be ""
	Now    func() time.Time
	Logger *slog.Logger
}

// Bounds of what officers write. Reasons and numbers are those that package
// shape reads back.
const (
	maxReason = 500 // characters
	maxShort  = 200 // characters: a note, a file's number, a name
	maxDID    = 2048
	kvTimeout = 10 * time.Second
)

// Desk is where officers decide. It is safe for concurrent use.
type Desk struct {
	c     Config
	stamp identity.Stamp

	acting sync.Mutex // held while an act is decided and appended

	presenting sync.Mutex // held while a descriptor is put on the list
	list       *waitingList

	guesses   *lru.Cache[string, *rate.Limiter] // wrong invitation codes, by client
	uninvited *lru.Cache[string, *rate.Limiter] // new applicants without one, by client
}

// Open follows the waiting list in the bucket until ctx ends or Close.
func Open(ctx context.Context, c Config) (*Desk, error) {
	if c.Registry == nil || c.KV == nil || c.Signer == nil || c.Submit == nil || c.Audit == nil || c.Now == nil {
		return nil, errors.New("admission: Registry, KV, Signer, Submit, Audit and Now are needed")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	guesses, err := lru.New[string, *rate.Limiter](guessers)
	if err != nil {
		return nil, err
	}
	uninvited, err := lru.New[string, *rate.Limiter](presenters)
	if err != nil {
		return nil, err
	}
	d := &Desk{c: c, guesses: guesses, uninvited: uninvited}
	if d.list, err = followList(ctx, c.KV); err != nil {
		return nil, fmt.Errorf("the waiting list: %w", err)
	}
	return d, nil
}

// Close stops following the waiting list.
func (d *Desk) Close() { d.list.close() }

// record does an act of an officer and has the trail say so: first that it
// begins, then what came of it. Who has not the right does nothing, and is
// recorded as refused: the routes ask too, but here it holds whatever way an officer
// comes.
func (d *Desk) record(ctx context.Context, who access.Who, act, object string, rights []access.Right, do func(context.Context) (detail string, err error)) error {
	r := audit.Record{Who: who.Label(), Role: who.RoleNames(), Via: who.Via, From: who.Client, Act: act, Object: object}
	if err := who.Need(rights...); err != nil {
		r.Code = "access.forbidden"
		d.c.Audit.Refused(r)
		return err
	}
	return d.c.Audit.Do(ctx, r, do)
}

// document is an act as JSON-LD, in our own context.
type document struct {
	Context    string   `json:"@context"`
	Type       string   `json:"@type"`
	ID         string   `json:"@id"`
	Space      string   `json:"space"`
	Reason     string   `json:"reason,omitempty"`
	By         string   `json:"by"`
	Second     string   `json:"second,omitempty"`
	Descriptor string   `json:"descriptor,omitempty"` // hex
	Keys       []string `json:"keys,omitempty"`
	Evidence   string   `json:"evidence,omitempty"`
	Key        string   `json:"key,omitempty"`
	From       *uint64  `json:"from,omitempty"`
	Offerings  []string `json:"offerings,omitempty"`
}

const ownContext = "https://w3id.org/lianmu/v1"

// enact signs an act with the hub's key and brings it into the log. The caller
// holds acting.
func (d *Desk) enact(ctx context.Context, a vocab.Act) (vocab.Receipt, error) {
	doc := document{
		Context: ownContext, Type: string(a.Verb), ID: uuid.New().URN(), Space: a.Space, Reason: a.Reason, By: a.By, Second: a.Second,
		Keys: a.Keys, Evidence: a.Evidence, Key: a.Key, Offerings: a.Offerings,
	}
	if a.Verb == vocab.KeyCompromise || a.Verb == vocab.Release { // the first entry is one, too
		doc.From = &a.From
	}
	if !a.Descriptor.IsZero() {
		doc.Descriptor = a.Descriptor.String()
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return vocab.Receipt{}, err
	}
	signed, err := identity.Sign(raw, d.c.Signer, identity.SignOptions{Created: d.stamp.Next(d.c.Now())})
	if err != nil {
		return vocab.Receipt{}, err
	}
	return d.submit(ctx, signed)
}

// submit makes an error of a receipt that says no.
func (d *Desk) submit(ctx context.Context, raw []byte) (vocab.Receipt, error) {
	r := d.c.Submit(ctx, raw)
	switch r.Status {
	case vocab.Accepted, vocab.Renewed, vocab.Unchanged, vocab.Superseded:
		return r, nil
	}
	if len(r.Problems) > 0 {
		return r, r.Problems
	}
	if r.Status == vocab.Busy {
		return r, access.Busy()
	}
	return r, fmt.Errorf("the log answered %q", r.Status)
}

// unchanged is the receipt of a decision that stands already.
func unchanged(did string) vocab.Receipt {
	return vocab.Receipt{Status: vocab.Unchanged, Kind: vocab.KindAct.String(), Space: did}
}

// line checks a text that an officer wrote: one line of at most max characters.
func line(path, text string, most int, required bool) (string, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "" && required:
		return "", vocab.Problems{vocab.NewProblem(path, "request.missing", "请填写 %[1]s。", "Give %[1]s.", strings.TrimPrefix(path, "/"))}
	case !utf8.ValidString(text) || utf8.RuneCountInString(text) > most || vocab.Printable(text) != text || strings.Contains(text, "\n"):
		return "", vocab.Problems{vocab.NewProblem(path, "request.text",
			"%[1]s 应为一行文字，不超过 %[2]d 个字符，不含控制字符。", "%[1]s is one line of at most %[2]d characters without control characters.", strings.TrimPrefix(path, "/"), most)}
	}
	return text, nil
}

// get reads a JSON value; false if there is none.
func get[T any](ctx context.Context, kv jetstream.KeyValue, key string) (value T, revision uint64, ok bool, err error) {
	e, err := kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return value, 0, false, nil
	}
	if err != nil {
		return value, 0, false, unavailable(err)
	}
	return value, e.Revision(), true, json.Unmarshal(e.Value(), &value)
}

// put writes a JSON value over the revision that was read, 0 for a new key.
// ErrKeyExists tells that somebody else was quicker.
func put(ctx context.Context, kv jetstream.KeyValue, key string, value any, revision uint64) (uint64, error) {
	b, err := json.Marshal(value)
	if err != nil {
		return 0, err
	}
	if revision == 0 {
		revision, err = kv.Create(ctx, key, b)
	} else {
		revision, err = kv.Update(ctx, key, b, revision)
	}
	if err != nil && !bus.Conflict(err) {
		err = unavailable(err)
	}
	return revision, err
}

func unavailable(err error) error {
	return fmt.Errorf("%w (%w)", vocab.Problems{vocab.NewProblem("", "hub.unavailable",
		"目录节点的存储暂时不可用，请稍后重试。", "The hub's store does not answer just now; try again later.")}, err)
}

// all reads every value under a prefix, in the order of their keys' writing.
func all[T any](ctx context.Context, kv jetstream.KeyValue, prefix string) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, kvTimeout)
	defer cancel()
	w, err := kv.Watch(ctx, prefix+">", jetstream.IgnoreDeletes())
	if err != nil {
		return nil, unavailable(err)
	}
	defer func() { _ = w.Stop() }()
	var out []T
	for {
		select {
		case e, ok := <-w.Updates():
			if !ok {
				return nil, unavailable(errors.New("the watch ended"))
			}
			if e == nil { // all that was there has come
				return out, nil
			}
			var v T
			if err := json.Unmarshal(e.Value(), &v); err != nil {
				return nil, fmt.Errorf("%s: %w", e.Key(), err)
			}
			out = append(out, v)
		case <-ctx.Done():
			return nil, unavailable(ctx.Err())
		}
	}
}

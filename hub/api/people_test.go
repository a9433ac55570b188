package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/registry"
	"lianmu/hub/access"
	"lianmu/hub/admission"
	"lianmu/hub/audit"
	"lianmu/vocab"
)

// The guard and the registry below are real; the desk and the trail note what
// they are told.

func key() *identity.Key {
	k, err := identity.NewKey("ed25519")
	if err != nil {
		panic(err)
	}
	return k
}

// operator holds every office but the regulator's, stranger nothing; ofB signs
// for space B.
var (
	operator = sync.OnceValue(key)
	stranger = sync.OnceValue(key)
	ofB      = sync.OnceValue(key)
)

// as sends a request with a fresh token of a key.
func (s *site) as(k *identity.Key, r *http.Request) *http.Request {
	token, err := identity.NewToken(k, s.HubDID, noon, time.Minute)
	if err != nil {
		panic(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// guarded gives a site a guard of its own.
func guarded(edit func(*access.Config)) func(*Config) {
	return func(c *Config) {
		settings := access.Config{
			HubDID: operator().DID(), Registry: c.Spaces.(*registry.Registry), PerSecond: 1e6, Burst: 1e6,
			OIDC: &access.OIDC{Issuer: "http://127.0.0.1:1", ClientID: "hub", RedirectURL: "http://127.0.0.1/oidc/callback"},
			Now:  func() time.Time { return noon },
		}
		edit(&settings)
		guard, err := access.New(settings)
		if err != nil {
			panic(err)
		}
		c.Guard = guard
	}
}

// newSpaces knows the spaces of the catalogue, and in B a public participant and
// two inner ones.
func newSpaces() *registry.Registry {
	r := registry.New()
	r.Open()
	log := func(e registry.Entry) {
		e.Index, e.ReceivedAt, e.Fact.Created = r.Position(), noon, noon
		e.Fact.Digest = vocab.DigestOf(fmt.Append(nil, e.Index))
		r.Apply(e)
	}
	for _, s := range []vocab.Space{{DID: spaceA}, {DID: spaceB, Keys: []string{spaceB, ofB().DID()}}, {DID: "did:web:example.com:空间"}} {
		log(registry.Entry{Fact: vocab.Fact{Kind: vocab.KindSpace, Space: s.DID, ID: s.DID}, Space: &s})
	}
	for i, audience := range []vocab.Audience{vocab.AudienceSpace, vocab.AudiencePublic, ""} {
		p := vocab.Participant{ID: fmt.Sprint("urn:participant:", i), Code: fmt.Sprint("CODE", i), Name: vocab.Text{"zh": "单位"}, Audience: audience}
		log(registry.Entry{Fact: vocab.Fact{Kind: vocab.KindParticipant, Space: spaceB, ID: p.ID}, Participant: &p})
	}
	return r
}

// memoryDesk answers every officer, and notes what it was asked.
type memoryDesk struct {
	mu      sync.Mutex
	asked   []string
	err     error
	waiting map[string]vocab.Receipt
}

func (d *memoryDesk) note(who access.Who, format string, args ...any) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, fmt.Sprintf(format, args...))
	if !who.Officer() {
		return errors.New("the desk was asked by nobody's officer")
	}
	return d.err
}

func (d *memoryDesk) Invite(_ context.Context, who access.Who, note string, ttl time.Duration) (string, admission.Invitation, error) {
	return "CODE", admission.Invitation{ID: "0123456789ab", Note: note, By: who.Label(), Created: noon, Expires: noon.Add(ttl)}, d.note(who, "invite %s %s", note, ttl)
}

func (d *memoryDesk) Link(code string) string { return "https://hub.example/join#" + code }

func (d *memoryDesk) Invitations(_ context.Context, who access.Who) ([]admission.Invitation, error) {
	var all []admission.Invitation
	for i := range 5 {
		all = append(all, admission.Invitation{ID: fmt.Sprint("inv", i), By: "x", Created: noon, Expires: noon})
	}
	return all, d.note(who, "invitations")
}

func (d *memoryDesk) Revoke(_ context.Context, who access.Who, id string) error {
	return d.note(who, "revoke %s", id)
}

func (d *memoryDesk) Waiting(_ context.Context, who access.Who) ([]admission.Applicant, error) {
	return []admission.Applicant{{DID: "did:key:zNew", Space: vocab.Space{DID: "did:key:zNew", Name: vocab.Text{"zh": "新空间"}}, Presented: noon, Created: noon,
		Odd: vocab.Problems{vocab.NewProblem("/name", "odd.name", "相同", "the same")}}}, d.note(who, "waiting")
}

func (d *memoryDesk) State(_ context.Context, did string) (vocab.Receipt, bool, error) {
	r, ok := d.waiting[did]
	return r, ok, nil
}

func (d *memoryDesk) Act(_ context.Context, who access.Who, did string, o admission.Order) (admission.Result, error) {
	if err := d.note(who, "%s %s %s", o.Verb, did, o.Reason); err != nil {
		return admission.Result{}, err
	}
	if len(o.Offerings) > admission.MaxAlone {
		return admission.Result{Proposal: &admission.Proposal{ID: "p1", Act: "offering.remove", By: who.Label(), Created: noon, Expires: noon}}, nil
	}
	return admission.Result{Receipt: &vocab.Receipt{Status: vocab.Accepted, Kind: "act", Space: did}}, nil
}

func (d *memoryDesk) Redact(_ context.Context, who access.Who, entries []admission.Redacted) (admission.Result, error) {
	return admission.Result{Receipts: make([]vocab.Receipt, 0)}, d.note(who, "redact %v", entries)
}

func (d *memoryDesk) Proposals(_ context.Context, who access.Who) ([]admission.Proposal, error) {
	return []admission.Proposal{{ID: "p1", Act: "log.redact", By: "x", Created: noon, Expires: noon, Entries: []admission.Redacted{{Index: 3, Ground: "personal"}}}}, d.note(who, "proposals")
}

func (d *memoryDesk) Approve(_ context.Context, who access.Who, id string) (admission.Result, error) {
	return admission.Result{}, d.note(who, "approve %s", id)
}

// memoryTrail keeps records as they come.
type memoryTrail struct {
	mu      sync.Mutex
	records []audit.Record
	filter  audit.Filter
	before  uint64
	shut    error // what Do fails with before it does anything
	broken  error // what Export fails with after a line
}

func (t *memoryTrail) keep(r audit.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.Sequence, r.Time = uint64(len(t.records)+1), noon
	r.Hash = vocab.DigestOf(fmt.Append(nil, r.Sequence))
	t.records = append(t.records, r)
}

func (t *memoryTrail) Do(ctx context.Context, r audit.Record, act func(context.Context) (string, error)) error {
	if t.shut != nil {
		return t.shut
	}
	r.Outcome = audit.Begun
	t.keep(r)
	_, err := act(ctx)
	r.Outcome = audit.Done
	if err != nil {
		r.Outcome = audit.Failed
	}
	t.keep(r)
	return err
}

func (t *memoryTrail) Refused(r audit.Record) {
	r.Outcome = audit.Refused
	t.keep(r)
}

func (t *memoryTrail) List(_ context.Context, before uint64, limit int, f audit.Filter) ([]audit.Record, uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.filter, t.before = f, before
	var out []audit.Record
	for _, r := range slices.Backward(t.records) {
		if before != 0 && r.Sequence >= before {
			continue
		}
		if len(out) == limit {
			return out, out[limit-1].Sequence, nil
		}
		out = append(out, r)
	}
	return out, 0, nil
}

func (t *memoryTrail) Export(_ context.Context, w io.Writer, from, until time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.filter = audit.Filter{Since: from, Until: until}
	if _, err := io.WriteString(w, "{\"sequence\":1}\n"); err != nil {
		return err
	}
	return t.broken
}

func (t *memoryTrail) Head() audit.Head {
	t.mu.Lock()
	defer t.mu.Unlock()
	return audit.Head{Sequence: uint64(len(t.records)), Time: noon}
}

// acts are "who act outcome" of all records, who as "operator" or else the label.
func (t *memoryTrail) acts() (out []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.records {
		if r.Who == operator().DID() {
			r.Who = "operator"
		}
		out = append(out, fmt.Sprintf("%s %s %s", r.Who, r.Act, r.Outcome))
	}
	return out
}

package web

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/federation/registry"
	"lianmu/hub/access"
	"lianmu/hub/admission"
	"lianmu/hub/audit"
	"lianmu/hub/intake"
	"lianmu/hub/peering"
	"lianmu/vocab"
)

var today = time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)

// town is a hub as the pages know it: guard and registry are real; desk, trail
// and quarantine hold what the test puts there, and note what is asked of them.
type town struct {
	t        testing.TB
	hub      *identity.Key
	keys     map[access.Role]*identity.Key
	registry *registry.Registry
	guard    *access.Guard
	next     uint64
	handler  http.Handler

	mu        sync.Mutex // guards the rest
	did       string     // of the last order
	ordered   []admission.Order
	answer    admission.Result
	fail      error // what the desk, the trail and the quarantine answer
	waiting   []admission.Applicant
	invited   []admission.Invitation
	proposed  []admission.Proposal
	approved  []string
	revoked   []string
	records   []audit.Record
	filter    audit.Filter
	report    audit.Report
	broken    error
	refused   []intake.Quarantined
	refusals  []access.Event
	listCalls int

	peers    []peering.PeerInfo // with their logs
	loose    []peering.LogInfo  // of hubs that are no peers
	faults   []peering.Fault
	preview  peering.Preview
	card     string   // this hub's own, and what Discover finds
	deeds    []string // of officers about peers
	peerFail error    // what an act about peers answers
}

// newTown opens the pages of a hub that has the catalogue's spaces.
func newTown(t testing.TB, catalog Catalog, edit ...func(*Config)) *town {
	t.Helper()
	w := &town{t: t, hub: identitytest.Key(t), keys: map[access.Role]*identity.Key{}, registry: registry.New()}
	var operators []access.Operator
	for _, r := range []access.Role{access.System, access.Security, access.Audit, access.Review, access.Regulator} {
		w.keys[r] = identitytest.Key(t)
		operators = append(operators, access.Operator{DID: w.keys[r].DID(), Role: r})
	}
	spaces, err := catalog.Spaces(t.Context(), vocab.Reader{})
	if err != nil {
		t.Fatal(err)
	}
	for _, sp := range spaces {
		w.act(vocab.Act{Verb: vocab.Admission, Space: sp.DID, By: "officer"})
		w.log(registry.Entry{Fact: vocab.Fact{Kind: vocab.KindSpace, Space: sp.DID, ID: sp.DID}, Space: &sp.Space})
	}
	c := Config{
		Catalog: catalog, Registry: registry.NewUnion(w.registry), Peers: paperPeers{w}, Origin: w.registry.Origin(), Desk: paperDesk{w}, Trail: paperTrail{w}, Quarantine: paperQuarantine{w},
		HubDID: w.hub.DID(), Now: func() time.Time { return today }, Logger: slog.New(slog.DiscardHandler), Demo: true,
	}
	var site *Site
	w.guard, err = access.New(access.Config{
		HubDID: w.hub.DID(), Operators: operators, Registry: w.registry, PerSecond: 1e6, Burst: 1e6, Now: time.Now,
		Audit: func(e access.Event) {
			if len(e.Problems) > 0 {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.refusals = append(w.refusals, e)
			}
		},
		Fail: func(rw http.ResponseWriter, r *http.Request, err error) { site.SignInFailed(rw, r, err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Guard = w.guard
	for _, f := range edit {
		f(&c)
	}
	if site, err = New(c); err != nil {
		t.Fatal(err)
	}
	doors := w.guard.Handlers()
	w.handler = w.guard.Limit(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if door := doors[r.Method+" "+r.URL.Path]; door != nil {
			door.ServeHTTP(rw, r)
			return
		}
		site.ServeHTTP(rw, r)
	}))
	return w
}

// log applies an entry as the log would.
func (w *town) log(e registry.Entry) {
	e.Index, e.ReceivedAt = w.next, today.Add(time.Duration(w.next)*time.Second)
	e.Fact.Created = e.ReceivedAt
	e.Fact.Digest = vocab.DigestOf([]byte{byte(w.next), byte(w.next >> 8)})
	w.next++
	w.registry.Apply(e)
}

func (w *town) act(a vocab.Act) {
	w.log(registry.Entry{Fact: vocab.Fact{Kind: vocab.KindAct, Space: w.hub.DID(), ID: "urn:uuid:1"}, Act: &a})
}

func (w *town) last() admission.Order {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.ordered) == 0 {
		return admission.Order{}
	}
	return w.ordered[len(w.ordered)-1]
}

// visitor in a browser without scripts.
type person struct {
	w      *town
	lang   string
	cookie []*http.Cookie
}

func (w *town) anybody() *person { return &person{w: w, lang: "zh"} }

// token is what the holder of a key signs in with.
func (w *town) token(key *identity.Key) string {
	w.t.Helper()
	token, err := identity.NewToken(key, w.hub.DID(), time.Now(), time.Minute)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// signedIn has signed in on the page with a token of the key.
func (w *town) signedIn(key *identity.Key) *person {
	w.t.Helper()
	p := w.anybody()
	if code, _, head := p.post("/session", url.Values{"token": {w.token(key)}, "next": {"/spaces?x=1"}}); code != 303 || head.Get("Location") != "/spaces?x=1" {
		w.t.Fatalf("signing in: %d, on to %q", code, head.Get("Location"))
	}
	return p
}

func (w *town) officer(r access.Role) *person { w.t.Helper(); return w.signedIn(w.keys[r]) }

func (p *person) do(method, address string, form url.Values) (int, string, http.Header) {
	p.w.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, address, body)
	r.Header.Set("Accept-Language", p.lang)
	r.Header.Set("Accept", "text/html")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range p.cookie {
		r.AddCookie(c)
	}
	rec := httptest.NewRecorder()
	p.w.handler.ServeHTTP(rec, r)
	if set := rec.Result().Cookies(); len(set) > 0 && set[0].Name == "lianmu" {
		p.cookie = set
	}
	return rec.Code, rec.Body.String(), rec.Result().Header
}

func (p *person) get(address string) (int, string, http.Header) { return p.do("GET", address, nil) }

func (p *person) post(address string, form url.Values) (int, string, http.Header) {
	return p.do("POST", address, form)
}

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// submit posts a form as the page at from carries it: with its CSRF token.
func (p *person) submit(from, to string, form url.Values) (int, string, http.Header) {
	p.w.t.Helper()
	_, body, _ := p.get(from)
	m := csrfField.FindStringSubmatch(body)
	if m == nil {
		p.w.t.Fatalf("%s carries no CSRF token", from)
	}
	form = url.Values(http.Header(form).Clone())
	form.Set("csrf", m[1])
	return p.post(to, form)
}

type paperDesk struct{ w *town }

func (d paperDesk) Act(_ context.Context, _ access.Who, did string, o admission.Order) (admission.Result, error) {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	d.w.did, d.w.ordered = did, append(d.w.ordered, o)
	return d.w.answer, d.w.fail
}

func (d paperDesk) Waiting(context.Context, access.Who) ([]admission.Applicant, error) {
	return d.w.waiting, d.w.fail
}

func (d paperDesk) Count() int { return len(d.w.waiting) }

func (d paperDesk) Invite(_ context.Context, who access.Who, note string, ttl time.Duration) (string, admission.Invitation, error) {
	inv := admission.Invitation{ID: "0123456789ab", Note: note, By: who.Label(), Created: today, Expires: today.Add(ttl)}
	if d.w.fail == nil {
		d.w.invited = append(d.w.invited, inv)
	}
	return "ABCDEFGHJKLMNPQRSTUV", inv, d.w.fail
}

func (d paperDesk) Link(code string) string { return "https://hub.example/join#" + code }

func (d paperDesk) Invitations(context.Context, access.Who) ([]admission.Invitation, error) {
	return d.w.invited, nil
}

func (d paperDesk) Revoke(_ context.Context, _ access.Who, id string) error {
	d.w.revoked = append(d.w.revoked, id)
	return d.w.fail
}

func (d paperDesk) Proposals(context.Context, access.Who) ([]admission.Proposal, error) {
	return d.w.proposed, nil
}

func (d paperDesk) Approve(_ context.Context, _ access.Who, id string) (admission.Result, error) {
	d.w.approved = append(d.w.approved, id)
	return admission.Result{}, d.w.fail
}

type paperTrail struct{ w *town }

// List pages through the records, which are kept newest first.
func (p paperTrail) List(_ context.Context, before uint64, limit int, f audit.Filter) ([]audit.Record, uint64, error) {
	p.w.filter = f
	var out []audit.Record
	for _, r := range p.w.records {
		if before != 0 && r.Sequence >= before || f.Act != "" && r.Act != f.Act {
			continue
		}
		if len(out) == limit {
			return out, out[limit-1].Sequence, p.w.fail
		}
		out = append(out, r)
	}
	return out, 0, p.w.fail
}

func (p paperTrail) Head() audit.Head {
	if len(p.w.records) == 0 {
		return audit.Head{}
	}
	r := p.w.records[0]
	return audit.Head{Sequence: r.Sequence, Time: r.Time, Hash: r.Hash}
}

func (p paperTrail) Verify(context.Context) (audit.Report, error) { return p.w.report, p.w.broken }

type paperQuarantine struct{ w *town }

func (p paperQuarantine) List(_ context.Context, before uint64, limit int) ([]intake.Quarantined, error) {
	p.w.listCalls++
	items := slices.Clone(p.w.refused)
	items = slices.DeleteFunc(items, func(i intake.Quarantined) bool { return before != 0 && i.Sequence >= before })
	return items[:min(limit, len(items))], p.w.fail
}

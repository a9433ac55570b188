package access

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/vocab"
)

// by signs in at a provider as a subject under a name.
func (w *world) by(p interface {
	Set(string, map[string]any, func(map[string]any))
}, g *Guard, subject, alias string) (*browser, Who) {
	w.t.Helper()
	p.Set(subject, map[string]any{"org": orgA, "alias": alias, "role": "checker"}, nil)
	b := &browser{g: g}
	if r := comeBack(b, setOut(w.t.(*testing.T), b)); r.Code != http.StatusSeeOther {
		w.t.Fatalf("%d %s", r.Code, r.Body)
	}
	who, err := b.who()
	if err != nil || !who.May(SpaceAdmit) {
		w.t.Fatalf("%+v, %v", who, err)
	}
	return b, who
}

func byAlias(o *OIDC) {
	o.NameClaim, o.RoleClaim, o.Roles = "alias", "role", map[string]Role{"checker": Review}
}

// At a provider a person is issuer and sub, whatever they call themselves.
func TestOnePersonIsIssuerAndSub(t *testing.T) {
	w, p, g := oidcWorld(t, byAlias)
	_, alice := w.by(p, g, "0017", "alice")
	_, alice2 := w.by(p, g, "0017", "alice2")
	_, other := w.by(p, g, "0018", "alice")
	if alice.Identity() != alice2.Identity() || alice.Identity() == "" || strings.Contains(alice.Identity(), "0017") || strings.Contains(alice.Label(), "0017") {
		t.Errorf("one person is %q and %q", alice.Identity(), alice2.Identity())
	}
	if alice.Identity() == other.Identity() || alice.Label() == other.Label() {
		t.Errorf("two persons are %q, %q", other.Identity(), other.Label())
	}
	if alice.Label() == alice2.Label() || !strings.HasPrefix(alice.Label(), orgA+"/alice/") ||
		alice.Label()[strings.LastIndex(alice.Label(), "/"):] != alice2.Label()[strings.LastIndex(alice2.Label(), "/"):] {
		t.Errorf("labels %q and %q", alice.Label(), alice2.Label())
	}
	// The same at another provider, or under another hub's key, is somebody else.
	same := func(issuer, key string) string {
		return (&oidcClient{OIDC: OIDC{Issuer: issuer}, key: []byte(key)}).digest("0017")
	}
	if a := same("https://a.example", "k"); a != same("https://a.example", "k") || a == same("https://b.example", "k") || a == same("https://a.example", "l") {
		t.Error("digests do not tell issuers and keys apart")
	}
}

// A new name opens no more sessions.
func TestSessionsAreCountedByPerson(t *testing.T) {
	w, p, g := oidcWorld(t, byAlias)
	var all []*browser
	for i := range maxPersonSessions + 2 {
		b, _ := w.by(p, g, "0017", fmt.Sprint("alice", i))
		all = append(all, b)
	}
	for i, b := range all {
		if _, err := b.who(); (err == nil) != (i >= 2) {
			t.Errorf("session %d of one person: %v", i, err)
		}
	}
}

// A space that vouches for people with an officer's names uses up nothing of the
// officer's, and is told apart in the trail.
func TestNobodySpendsAnOfficersShare(t *testing.T) {
	w, p, g := oidcWorld(t, byAlias)
	g.identities = newLimiters(0.001, 5)
	b, officer := w.by(p, g, "0017", "alice") // takes two: signing in, and being seen
	evil := w.space()
	w.participant(evil, vocab.Participant{Code: orgA})
	names := []string{"alice", "alice~" + officer.At[:tagLength]}
	seen := map[string]bool{}
	for _, name := range names {
		puppet := &browser{g: g}
		if r := puppet.signIn(w.session(evil, identity.Person{Org: orgA, Name: name})); r.Code != http.StatusSeeOther {
			t.Fatalf("%d %s", r.Code, r.Body)
		}
		for range 20 {
			who, err := puppet.who()
			if err == nil {
				seen[who.Label()] = true
			}
			if who.Officer() {
				t.Fatalf("vouched into an office: %+v", who)
			}
		}
	}
	if len(seen) != 2 || seen[officer.Label()] {
		t.Errorf("the officer is %q, the others %v", officer.Label(), seen)
	}
	if got, err := b.who(); err != nil || !slices.Equal(got.Roles, []Role{Review}) {
		t.Errorf("the officer is locked out: %v", err)
	}
	for _, name := range []string{"alice/" + officer.At[:tagLength], "alice@" + evil.DID()} {
		if _, err := identity.NewSessionToken(evil, w.hub.DID(), identity.Person{Org: orgA, Name: name}, w.clock.now(), 1e9); err == nil {
			t.Errorf("a pseudonym may be %q", name)
		}
	}
}

// A provider that names nobody signs in nobody.
func TestSubjectsAreNeeded(t *testing.T) {
	o, err := newOIDC(OIDC{Issuer: "https://id.example", ClientID: "x", RedirectURL: "https://hub.example/oidc/callback"}, []byte("k"))
	if err != nil {
		t.Fatal(err)
	}
	for subject, good := range map[string]bool{"": false, "0017": true, strings.Repeat("s", 255): true, strings.Repeat("s", 256): false} {
		if _, err := o.session(map[string]any{"org": orgA}, subject); (err == nil) != good {
			t.Errorf("sub of %d: %v", len(subject), err)
		}
	}
}

// Whether somebody else could agree hangs on the offices given, and on what a
// provider may give; who holds them is told in the order of the table.
func TestAnother(t *testing.T) {
	hub, a, b := identitytest.Key(t).DID(), identitytest.Key(t).DID(), identitytest.Key(t).DID()
	provider := &OIDC{Issuer: "https://id.example", ClientID: "x", RedirectURL: "https://hub.example/oidc/callback", RoleClaim: "r", Roles: map[string]Role{"u": Participant}}
	withReview := *provider
	withReview.Roles = map[string]Role{"u": Participant, "c": Review}
	remove, redact := []Right{Approve, OfferingRemove}, []Right{Approve, LogRedact}
	for name, c := range map[string]struct {
		operators      []Operator
		oidc           *OIDC
		who            string
		remove, redact bool
		holders        string
	}{
		"the hub's key alone":    {nil, nil, hub, false, false, "hub=system+security+audit+review"},
		"one reviewer":           {[]Operator{{DID: a, Role: Review, Name: "值班台"}}, nil, a, false, true, "hub=system+security 值班台=review"},
		"two reviewers":          {[]Operator{{DID: a, Role: Review}, {DID: b, Role: Review}}, nil, a, true, true, ""},
		"the hub's key as third": {[]Operator{{DID: a, Role: Security}}, nil, a, true, true, ""}, // it is the reviewer
		"participants only":      {[]Operator{{DID: a, Role: Review}}, provider, a, false, true, ""},
		"reviewers by provider":  {[]Operator{{DID: a, Role: Review}}, &withReview, a, true, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuard(t, Config{HubDID: hub, Operators: c.operators, OIDC: c.oidc})
			if got := g.Another(c.who, remove...); got != c.remove {
				t.Errorf("remove: %v", got)
			}
			if got := g.Another(c.who, redact...); got != c.redact {
				t.Errorf("redact: %v", got)
			}
			keys, provided := g.Holders()
			if c.oidc == &withReview != slices.Equal(provided, []Role{Review}) {
				t.Errorf("by the provider %v", provided)
			}
			var said []string
			for _, k := range keys {
				roles := make([]string, len(k.Roles))
				for i, r := range k.Roles {
					roles[i] = string(r)
				}
				name := k.Name
				if k.Hub {
					name = "hub"
				}
				said = append(said, name+"="+strings.Join(roles, "+"))
			}
			if got := strings.Join(said, " "); c.holders != "" && got != c.holders {
				t.Errorf("holders %s", got)
			}
		})
	}
}

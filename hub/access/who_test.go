package access

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/vocab"
)

// Every right is somebody's, every role is known, and the offices that must be
// apart share nothing that acts.
func TestTable(t *testing.T) {
	held := map[Right]int{}
	for _, row := range Table() {
		if row.Name["zh"] == "" || row.Name["en"] == "" {
			t.Errorf("%s has no name", row.Role)
		}
		for _, right := range row.Rights {
			held[right]++
			if !slices.Contains(Rights(), right) {
				t.Errorf("%s has the unknown right %s", row.Role, right)
			}
			if !row.Role.May(right) || !(Who{Roles: []Role{Anonymous, row.Role}}).May(right) {
				t.Errorf("%s may not %s", row.Role, right)
			}
		}
		for _, anybodys := range []Right{Search, Submit} {
			if !row.Role.May(anybodys) {
				t.Errorf("%s may not %s, as anybody may", row.Role, anybodys)
			}
		}
	}
	for _, right := range Rights() {
		if held[right] == 0 {
			t.Errorf("nobody may %s", right)
		}
		if n := right.Name(); n["zh"] == "" || n["en"] == "" || n["zh"] == string(right) {
			t.Errorf("%s has no name", right)
		}
	}
	for right, only := range map[Right][]Role{
		AuditRead: {Audit}, SpaceKeys: {Security}, IndexRebuild: {System}, SpaceAdmit: {Review},
		ReadAll: {Review, Regulator},
	} {
		for _, row := range Table() {
			if row.Role.May(right) != slices.Contains(only, row.Role) {
				t.Errorf("%s and %s", row.Role, right)
			}
		}
	}
	for _, right := range []Right{SpaceAdmit, SpaceSuspend, SpaceKeys, OfferingRemove, LogRedact, Approve, IndexRebuild} {
		for _, role := range []Role{Regulator, Audit, Space, Participant, Anonymous, "", "root"} {
			if role.May(right) {
				t.Errorf("%q may %s", role, right)
			}
		}
	}
	Table()[0].Rights[0] = AuditRead
	if System.May(AuditRead) {
		t.Error("the table can be changed from outside")
	}
}

func TestOffices(t *testing.T) {
	hub, a, b, c := identitytest.Key(t).DID(), identitytest.Key(t).DID(), identitytest.Key(t).DID(), identitytest.Key(t).DID()
	roles := func(operators []Operator, did string) string {
		g := newGuard(t, Config{HubDID: hub, Operators: operators})
		if g.officers[did] == nil {
			return ""
		}
		names := []string{}
		for _, r := range g.officers[did].roles {
			names = append(names, string(r))
		}
		slices.Sort(names)
		return strings.Join(names, " ")
	}
	for _, c := range []struct {
		operators []Operator
		did, want string
	}{
		{nil, hub, "audit review security system"},
		{[]Operator{{}}, hub, "audit review security system"},
		{[]Operator{{DID: a}}, hub, "security"}, // the audit is nobody's until somebody is named
		{[]Operator{{DID: a}}, a, "review system"},
		{[]Operator{{DID: a, Role: Audit}}, hub, "review security system"},
		{[]Operator{{DID: a, Role: Regulator}}, hub, "review security system"},
		{[]Operator{{DID: a, Role: System}, {DID: b, Role: Security}, {DID: c, Role: Review}}, hub, ""},
		{[]Operator{{DID: a, Role: System}, {DID: a, Role: Review}}, a, "review system"},
		{[]Operator{{DID: a, Role: Review}, {DID: b, Role: Review}}, b, "review"},
	} {
		if got := roles(c.operators, c.did); got != c.want {
			t.Errorf("%+v: %q, want %q", c.operators, got, c.want)
		}
	}
	for name, wrong := range map[string][]Operator{
		"system and security":      {{DID: a, Role: System}, {DID: a, Role: Security}},
		"security and audit":       {{DID: a, Role: Security}, {DID: b, Role: System}, {DID: a, Role: Audit}},
		"bare and security":        {{DID: a}, {DID: a, Role: Security}},
		"audit and review":         {{DID: a, Role: Review}, {DID: a, Role: Audit}},
		"hub's key given two":      {{DID: hub, Role: System}, {DID: hub, Role: Audit}},
		"unknown role":             {{DID: a, Role: "root"}},
		"a role that is no office": {{DID: a, Role: Space}},
		"no DID":                   {{Role: Review}},
		"not a did:key":            {{DID: "did:web:x", Role: Review}},
	} {
		_, err := New(Config{HubDID: hub, Operators: wrong})
		t.Run(name, func(t *testing.T) { wantCode(t, err, "access.operators") })
	}
}

func TestOperatorsAsWritten(t *testing.T) {
	for text, want := range map[string]Operator{
		`"did:key:x"`:       {DID: "did:key:x"},
		`"did:key:x=audit"`: {DID: "did:key:x", Role: Audit},
		`{"did":"did:key:x","role":"review","name":"值班"}`: {DID: "did:key:x", Role: Review, Name: "值班"},
	} {
		var got Operator
		if err := got.UnmarshalJSON([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{`{"did":"did:key:x","rolle":"review"}`, `7`, `["did:key:x"]`, `"x`} {
		if err := new(Operator).UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}

// who asks as the holder of k.
func (w *world) who(g *Guard, k *identity.Key) (Who, error) {
	return g.Who(request("Bearer " + w.token(k)))
}

func TestWho(t *testing.T) {
	w := newWorld(t)
	g := w.guard(func(c *Config) { c.Operators = []Operator{{DID: identitytest.Key(t).DID(), Role: Audit}} })
	a, b, company, stranger := w.space(), w.space(), identitytest.Key(t), identitytest.Key(t)
	w.participant(a, vocab.Participant{Code: orgA, DID: company.DID()})
	w.participant(b, vocab.Participant{Code: orgA, DID: company.DID(), ValidUntil: w.clock.now().Add(time.Hour)})

	check := func(step string, k *identity.Key, roles []Role, spaces ...string) {
		t.Helper()
		who, err := w.who(g, k)
		slices.Sort(spaces)
		got := slices.Sorted(slices.Values(who.Spaces))
		if err != nil || who.DID != k.DID() || who.Label() != k.DID() || who.Via != ViaToken || who.Client != "192.0.2.1" ||
			!slices.Equal(who.Roles, roles) || !slices.Equal(got, spaces) {
			t.Errorf("%s: %+v, %v", step, who, err)
		}
		if r := who.Reader(); r.All != who.May(ReadAll) || len(r.Spaces) != len(spaces) {
			t.Errorf("%s reads %+v", step, r)
		}
	}
	check("hub", w.hub, []Role{System, Security, Review})
	check("space", a, []Role{Space}, a.DID())
	check("participant", company, []Role{Participant}, a.DID(), b.DID())
	check("not admitted", stranger, []Role{Anonymous})

	w.act(vocab.Act{Verb: vocab.Suspension, Space: a.DID(), Reason: "x"})
	check("suspended", a, []Role{Anonymous})
	check("of a suspended space", company, []Role{Participant}, b.DID())
	w.clock.move(2 * time.Hour)
	check("out of date", company, []Role{Anonymous})
	w.act(vocab.Act{Verb: vocab.Resumption, Space: a.DID()})
	check("resumed", a, []Role{Space}, a.DID())

	second := identitytest.Key(t)
	w.describe(a, vocab.Space{Keys: []string{second.DID()}})
	if who, err := w.who(g, second); err != nil || who.Space != a.DID() || who.DID != second.DID() {
		t.Errorf("the new key: %+v, %v", who, err)
	}
	_, err := w.who(g, a)
	wantCode(t, err, "access.unauthenticated")
	if !strings.Contains(err.Error(), "retired") {
		t.Errorf("%v does not say why", err)
	}
	w.act(vocab.Act{Verb: vocab.KeyCompromise, Space: a.DID(), Key: second.DID(), From: w.next})
	_, err = w.who(g, second)
	wantCode(t, err, "access.unauthenticated")

	who, err := g.Who(request())
	if err != nil || who.Via != ViaNobody || who.Known() || who.Label() != "anonymous" || !who.May(Search) || who.May(ReadAll) || who.Reader().All || who.Reader().Spaces != nil {
		t.Errorf("nobody: %+v, %v", who, err)
	}
}

func TestOnAnOpenHubWhoeverSignsIsASpace(t *testing.T) {
	w := newWorld(t)
	w.registry.Open()
	g := w.guard()
	k := identitytest.Key(t)
	who, err := w.who(g, k)
	if err != nil || who.Space != k.DID() || !slices.Equal(who.Reader().Spaces, []string{k.DID()}) || who.Reader().All {
		t.Errorf("%+v, %v", who, err)
	}
}

func TestNeed(t *testing.T) {
	w := newWorld(t)
	review := identitytest.Key(t)
	g := w.guard(func(c *Config) { c.Operators = []Operator{{DID: review.DID(), Role: Review, Name: "值班台"}} })
	space := w.space()
	need := func(right Right, authorization ...string) error {
		_, err := g.Need(request(authorization...), right)
		return err
	}
	if who, err := g.Need(request("Bearer "+w.token(review)), SpaceAdmit); err != nil || who.Name != "值班台" || who.DID != review.DID() {
		t.Errorf("%+v, %v", who, err)
	}
	wantCode(t, need(SpaceKeys, "Bearer "+w.token(review)), "access.forbidden")
	wantCode(t, need(SpaceAdmit, "Bearer "+w.token(space)), "access.forbidden")
	wantCode(t, need(SpaceAdmit, "Bearer "+w.token(identitytest.Key(t))), "access.forbidden")
	wantCode(t, need(SpaceAdmit), "access.unauthenticated")
	wantCode(t, need("", "Bearer "+w.token(w.hub)), "access.forbidden") // no right is nobody's
	if err := need(Search); err != nil {
		t.Error(err)
	}
	refused := 0
	for _, e := range w.events {
		if len(e.Problems) == 0 || e.Who.Client != "192.0.2.1" || e.Time.IsZero() {
			t.Errorf("%+v", e)
		}
		refused++
	}
	if e := w.events[0]; e.Act != string(SpaceKeys) || e.Object != "" {
		t.Errorf("%+v", e)
	}
	if _, err := g.NeedFor(request("Bearer "+w.token(review)), SpaceKeys, "space.keys.replace", space.DID()); err == nil {
		t.Error("a reviewer replaces keys")
	} else if e := w.events[5]; e.Act != "space.keys.replace" || e.Object != space.DID() || !strings.Contains(err.Error(), SpaceKeys.Name()["en"]) {
		t.Errorf("%+v, %v", e, err)
	}
	if refused != 5 {
		t.Errorf("the audit heard of %d refusals: %+v", refused, w.events)
	}
}

// A token is looked at once a request, whoever asks, and used up by it.
func TestWhoIsWorkedOutOnceARequest(t *testing.T) {
	w := newWorld(t)
	g := w.guard()
	authorization := "Bearer " + w.token(w.hub)
	answers := 0
	h := g.Limit(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for range 3 {
			if _, err := g.Reader(r); err == nil {
				answers++
			}
			if _, err := g.Need(r, SpaceAdmit); err == nil {
				answers++
			}
			if did, err := g.Operator(r); err == nil && did == w.hub.DID() {
				answers++
			}
		}
	}))
	for range 2 {
		h.ServeHTTP(httptest.NewRecorder(), request(authorization))
	}
	if answers != 9 {
		t.Errorf("%d answers, want 9: all of the first request, none of the replay", answers)
	}
}

func TestTokenOverNATS(t *testing.T) {
	w := newWorld(t)
	g := w.guard(func(c *Config) { c.PerSecond, c.Burst = 0.001, 3 })
	space := w.space()
	who, err := g.Token(w.token(space), "192.0.2.7:4222")
	if err != nil || who.Space != space.DID() || who.Client != "192.0.2.7" {
		t.Errorf("%+v, %v", who, err)
	}
	_, err = g.Token(w.session(space, identity.Person{Org: orgA, Name: "op-07"}), "192.0.2.7:4222")
	wantCode(t, err, "access.unauthenticated")
	_, err = g.Token("", ClientOf("192.0.2.7"))
	wantCode(t, err, "access.unauthenticated")
	_, err = g.Token(w.token(space), ClientOf("192.0.2.7")) // its bucket is HTTP's too
	wantCode(t, err, "access.rate")
	if g.Allow(Claim{Client: ClientOf("192.0.2.7")}) {
		t.Error("the address has another bucket")
	}
}

// Bad tokens are errors, never nobody: whoever meant to be somebody must learn
// of it.
func TestBadTokensAreNeverTakenForNone(t *testing.T) {
	w := newWorld(t)
	g := w.guard()
	space := w.space()
	parts := strings.Split(w.token(space), ".")
	for name, bad := range map[string]string{
		"for another hub": token(t, space, identitytest.Key(t).DID(), w.clock.now()),
		"expired":         token(t, space, w.hub.DID(), w.clock.now().Add(-6*time.Minute)),
		"from the future": token(t, space, w.hub.DID(), w.clock.now().Add(6*time.Minute)),
		"a session token": w.session(space, identity.Person{Org: orgA, Name: "op-07"}),
		"no signature":    parts[0] + "." + parts[1] + ".",
		"rubbish":         "abc",
	} {
		t.Run(name, func(t *testing.T) {
			who, err := g.Who(request("Bearer " + bad))
			wantCode(t, err, "access.unauthenticated")
			if who.DID != "" || who.Roles != nil {
				t.Errorf("still tells %+v", who)
			}
			if last := w.events[len(w.events)-1]; last.Act != "token" || len(last.Problems) == 0 {
				t.Errorf("the audit heard %+v", last)
			}
		})
	}
}

// A thousand identities flood from a few addresses: memory stays bounded, and
// an officer, a space and a newcomer from elsewhere still get in.
func TestFlood(t *testing.T) {
	const limit = 4096
	s := newOnceSet(limit)
	for i := range 1000 {
		for j := range 100 {
			s.add(vocab.KeyOf(fmt.Sprint(i), fmt.Sprint(j)), fmt.Sprintf("identity %d", i), fmt.Sprintf("address %d", i%4), start.Add(time.Minute), start)
		}
	}
	if n := len(s.tokens); n > limit/2+4*heavyAddress || n < limit/2 {
		t.Errorf("%d tokens kept of %d", n, limit)
	}
	for i := range heavyShare {
		if got := s.add(vocab.KeyOf("new", fmt.Sprint(i)), "new", "elsewhere", start.Add(time.Minute), start); got != onceNew {
			t.Fatalf("a newcomer's token %d: %v", i, got)
		}
	}
	if got := s.add(vocab.KeyOf("new", "1"), "new", "elsewhere", start.Add(time.Minute), start); got != onceUsed {
		t.Errorf("a replay: %v", got)
	}
	later := start.Add(2 * time.Minute)
	if got := s.add(vocab.KeyOf("0", "later"), "identity 0", "address 0", later.Add(time.Minute), later); got != onceNew || len(s.tokens) > limit {
		t.Errorf("after they expired: %v", got)
	}

	w := newWorld(t)
	g := w.guard(func(c *Config) { c.PerSecond = 1e9; c.Burst = 1e9 })
	g.used = newOnceSet(64)
	space := w.space()
	for range 1000 {
		_, _ = g.Token(w.token(identitytest.Key(t)), "198.51.100.1:1") // most are refused
	}
	if len(g.used.tokens) > 64 {
		t.Errorf("%d tokens kept", len(g.used.tokens))
	}
	if _, err := g.Token(w.token(w.hub), "198.51.100.1:1"); err != nil {
		t.Errorf("an officer is locked out: %v", err)
	}
	_, err := g.Token(w.token(space), "192.0.2.1:1")
	wantCode(t, err, "access.rate") // all room taken by small shares: it fails closed
}

func TestIdentitiesAreLimitedApart(t *testing.T) {
	w := newWorld(t)
	g := w.guard(func(c *Config) { c.PerSecond, c.Burst = 1, 2 })
	a, b := w.space(), w.space()
	code := func(k *identity.Key, client string) string {
		_, err := g.Token(w.token(k), client)
		if err == nil {
			return ""
		}
		return vocab.ProblemsOf(err, "")[0].Code
	}
	// From ever new addresses: the identity's own limit holds.
	for i, want := range []string{"", "", "access.rate"} {
		if got := code(a, fmt.Sprintf("192.0.2.%d:1", i)); got != want {
			t.Errorf("request %d: %q, want %q", i, got, want)
		}
	}
	if got := code(b, "198.51.100.1:1"); got != "" {
		t.Errorf("another identity: %q", got)
	}
	for i := range maxParties + 100 {
		g.identities.wait(fmt.Sprint(i), w.clock.now())
	}
	if n := g.identities.cache.Len(); n != maxParties {
		t.Errorf("%d identities kept", n)
	}
}

func BenchmarkToken(b *testing.B) {
	w := newWorld(b)
	space := w.space()
	g := w.guard(func(c *Config) { c.PerSecond = 1e12; c.Burst = 1e12; c.Audit = nil })
	tokens := make([]string, 20_000)
	for i := range tokens {
		tokens[i] = w.token(space)
	}
	g.used = newOnceSet(1 << 30)
	i := 0
	for b.Loop() {
		if i == len(tokens) { // all used: begin again with none remembered
			b.StopTimer()
			g.used, i = newOnceSet(1<<30), 0
			b.StartTimer()
		}
		if _, err := g.Token(tokens[i], "192.0.2.1:1"); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkTokenWrongSignature(b *testing.B) {
	w := newWorld(b)
	g := w.guard(func(c *Config) { c.PerSecond = 1e12; c.Burst = 1e12; c.Audit = nil })
	good := w.token(w.space())
	bad := good[:len(good)-86] + strings.Repeat("A", 86)
	for b.Loop() {
		if _, err := g.Token(bad, "192.0.2.1:1"); err == nil {
			b.Fatal("accepted")
		}
	}
}

// Whoever holds an office keeps it whatever a space or another officer says of
// the key: else one officer could lock the others out.
func TestOfficeIsNobodyElsesToTake(t *testing.T) {
	w := newWorld(t)
	auditor, space := identitytest.Key(t), w.space()
	g := w.guard(func(c *Config) { c.Operators = []Operator{{DID: auditor.DID(), Role: Audit}} })
	w.act(vocab.Act{Verb: vocab.KeyReplacement, Space: space.DID(), Keys: []string{auditor.DID(), space.DID()}})
	w.act(vocab.Act{Verb: vocab.KeyCompromise, Space: space.DID(), Key: auditor.DID()})
	who, err := g.Token(w.token(auditor), "192.0.2.1")
	if err != nil || !who.May(AuditRead) || who.Space != "" || len(who.Spaces) > 0 {
		t.Errorf("the auditor is %+v, %v", who, err)
	}
	if !g.Office(auditor.DID()) || !g.Office(w.hub.DID()) || g.Office(space.DID()) {
		t.Error("who holds an office")
	}
}

package access

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/vocab"
)

// browser keeps the cookies that a hub gives it, as one does.
type browser struct {
	g       *Guard
	cookies map[string]*http.Cookie
	tls     bool
}

func (b *browser) request(method, path string, form url.Values) *http.Request {
	var r *http.Request
	if form == nil {
		r = httptest.NewRequest(method, "http://hub.example"+path, nil)
	} else {
		r = httptest.NewRequest(method, "http://hub.example"+path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if method == "POST" {
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Origin", "http://hub.example")
	}
	if b.tls {
		r.TLS = &tls.ConnectionState{}
	}
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	return r
}

// do sends a request to h through Limit and keeps what cookies come back.
func (b *browser) do(h http.HandlerFunc, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.g.Limit(h).ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if b.cookies == nil {
			b.cookies = map[string]*http.Cookie{}
		}
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c
		}
	}
	return w
}

func (b *browser) signIn(token string) *httptest.ResponseRecorder {
	return b.do(b.g.SignIn, b.request("POST", "/session", url.Values{"token": {token}, "next": {"/spaces?lang=zh"}}))
}

func (b *browser) who() (Who, error) { return b.g.Who(b.request("GET", "/", nil)) }

func problemCode(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	var p struct{ Code string }
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return p.Code
}

func TestOfficersSignInWithAToken(t *testing.T) {
	w := newWorld(t)
	g := w.guard()
	b := &browser{g: g}
	answer := b.signIn(w.token(w.hub))
	if answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != "/spaces?lang=zh" || answer.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v %s", answer.Code, answer.Header(), answer.Body)
	}
	c := b.cookies["lianmu"]
	if c == nil || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.Secure || len(c.Value) < 43 {
		t.Fatalf("cookie %+v", c)
	}
	who, err := b.who()
	if err != nil || who.Via != ViaSession || who.DID != w.hub.DID() || !who.May(SpaceAdmit) {
		t.Errorf("%+v, %v", who, err)
	}

	over := &browser{g: g, tls: true}
	over.signIn(w.token(w.hub))
	if c := over.cookies["__Host-lianmu"]; c == nil || !c.Secure || c.Domain != "" || c.Path != "/" || over.cookies["lianmu"] != nil {
		t.Errorf("over TLS: %+v", over.cookies)
	}
	over.cookies["lianmu"] = b.cookies["lianmu"]
	delete(over.cookies, "__Host-lianmu")
	if who, err := over.who(); err != nil || who.Via != ViaNobody {
		t.Errorf("over TLS the plain cookie counts: %+v, %v", who, err)
	}
	behind := &browser{g: w.guard(func(c *Config) { c.Sessions.Secure = true })}
	behind.signIn(w.token(w.hub))
	if c := behind.cookies["__Host-lianmu"]; c == nil || !c.Secure {
		t.Errorf("behind a proxy: %+v", behind.cookies)
	}
}

func TestSignInForPrograms(t *testing.T) {
	w := newWorld(t)
	g := w.guard()
	r := httptest.NewRequest("POST", "/session", nil)
	r.Header.Set("Authorization", "Bearer "+w.token(w.hub))
	r.Header.Set("Accept", "application/json")
	answer := (&browser{g: g}).do(g.SignIn, r)
	var got struct {
		Label, CSRF, Until string
		Roles              []Role
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || answer.Code != 200 || got.Label != w.hub.DID() ||
		len(got.CSRF) < 22 || !slices.Contains(got.Roles, System) || got.Until == "" {
		t.Errorf("%d %s, %v", answer.Code, answer.Body, err)
	}
}

// A space vouches for its own people and for those of its participants, for
// itself alone, and only as long as all of that holds.
func TestVouchedSessions(t *testing.T) {
	w := newWorld(t)
	g := w.guard()
	a, b := identitytest.Key(t), w.space()
	w.act(vocab.Act{Verb: vocab.Admission, Space: a.DID()})
	w.describe(a, vocab.Space{Operator: vocab.Agent{Code: orgA}})
	w.participant(a, vocab.Participant{Code: orgB, ValidUntil: w.clock.now().Add(time.Hour)})
	w.participant(b, vocab.Participant{Code: orgB})

	own, guest := &browser{g: g}, &browser{g: g}
	if r := own.signIn(w.session(a, identity.Person{Org: orgA, Name: "op-01", Role: "space"})); r.Code != 303 {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	if r := guest.signIn(w.session(a, identity.Person{Org: orgB, Name: "op-02"})); r.Code != 303 {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	who, err := own.who()
	if err != nil || who.Space != a.DID() || who.Label() != orgA+"/op-01@"+a.DID() || who.Officer() || who.DID != "" || !slices.Equal(who.Roles, []Role{Space}) {
		t.Errorf("%+v, %v", who, err)
	}
	who, err = guest.who()
	if err != nil || who.Space != "" || who.Org != orgB || who.Name != "op-02" || !slices.Equal(who.Roles, []Role{Participant}) {
		t.Errorf("%+v, %v", who, err)
	}
	// b has the organisation too, but it is a that vouched.
	if !slices.Equal(who.Reader().Spaces, []string{a.DID()}) || who.Reader().All {
		t.Errorf("a's word opens %+v", who.Reader())
	}

	for name, c := range map[string]struct {
		token, code string
	}{
		"organisation unknown": {w.session(b, identity.Person{Org: orgA, Name: "op-03"}), "access.unauthenticated"},
		"an office":            {w.session(a, identity.Person{Org: orgA, Name: "op-03", Role: "review"}), "access.unauthenticated"},
		"system":               {w.session(a, identity.Person{Org: orgA, Name: "op-03", Role: "system"}), "access.unauthenticated"},
		"by no space":          {w.session(identitytest.Key(t), identity.Person{Org: orgA, Name: "op-03"}), "access.unauthenticated"},
		"by an officer":        {w.session(w.hub, identity.Person{Org: orgA, Name: "op-03"}), "access.unauthenticated"},
		"a stranger's token":   {w.token(identitytest.Key(t)), "access.forbidden"},
		"rubbish":              {"abc", "access.unauthenticated"},
		"not a token at all":   {"<script>", "access.unauthenticated"},
		"none":                 {"", "access.unauthenticated"},
	} {
		t.Run(name, func(t *testing.T) {
			b := &browser{g: g}
			if r := b.signIn(c.token); r.Code == 303 || problemCode(t, r) != c.code || len(b.cookies) > 0 {
				t.Errorf("%d %s, cookies %v", r.Code, r.Body, b.cookies)
			}
			if last := w.events[len(w.events)-1]; len(last.Problems) == 0 {
				t.Errorf("the audit heard %+v", last)
			}
		})
	}

	w.clock.move(20 * time.Minute)
	_, _ = own.who()
	w.act(vocab.Act{Verb: vocab.Suspension, Space: a.DID()})
	for name, b := range map[string]*browser{"own": own, "guest": guest} {
		if _, err := b.who(); err == nil {
			t.Errorf("%s people of a suspended space are still in", name)
		}
		if _, err := b.who(); err == nil { // the session is gone, not asleep
			t.Errorf("%s: a closed session lives", name)
		}
	}
	w.act(vocab.Act{Verb: vocab.Resumption, Space: a.DID()})
	if r := guest.signIn(w.session(a, identity.Person{Org: orgB, Name: "op-02"})); r.Code != 303 {
		t.Fatalf("after the resumption: %s", r.Body)
	}
	for range 3 { // until the participant is out of date, never idle for long
		w.clock.move(15 * time.Minute)
		_, _ = guest.who()
	}
	if _, err := guest.who(); err == nil {
		t.Error("people of a participant that is out of date are still in")
	}
}

func TestKeyThatVouchedIsStolen(t *testing.T) {
	w := newWorld(t)
	g := w.guard()
	a := identitytest.Key(t)
	w.act(vocab.Act{Verb: vocab.Admission, Space: a.DID()})
	w.describe(a, vocab.Space{Operator: vocab.Agent{Code: orgA}})
	b := &browser{g: g}
	if r := b.signIn(w.session(a, identity.Person{Org: orgA, Name: "thief"})); r.Code != 303 {
		t.Fatal(r.Body)
	}
	w.act(vocab.Act{Verb: vocab.KeyCompromise, Space: a.DID(), Key: a.DID(), From: w.next})
	_, err := b.who()
	wantCode(t, err, "access.unauthenticated")
}

func TestSessionTokensWorkOnceAndNotAsBearer(t *testing.T) {
	w := newWorld(t)
	g := w.guard()
	a := identitytest.Key(t)
	w.act(vocab.Act{Verb: vocab.Admission, Space: a.DID()})
	w.describe(a, vocab.Space{Operator: vocab.Agent{Code: orgA}})
	token := w.session(a, identity.Person{Org: orgA, Name: "op-01"})
	_, err := g.Who(request("Bearer " + token))
	wantCode(t, err, "access.unauthenticated")
	if r := (&browser{g: g}).signIn(token); r.Code != 303 {
		t.Fatalf("%s", r.Body)
	}
	if r := (&browser{g: g}).signIn(token); r.Code != 401 {
		t.Errorf("a second time: %d %s", r.Code, r.Body)
	}
	plain := w.token(w.hub)
	if _, err := g.Who(request("Bearer " + plain)); err != nil {
		t.Fatal(err)
	}
	if r := (&browser{g: g}).signIn(plain); r.Code != 401 {
		t.Errorf("a used token signs in: %d %s", r.Code, r.Body)
	}
}

func TestSessionsEnd(t *testing.T) {
	w := newWorld(t)
	g := w.guard()
	b := &browser{g: g}
	signedIn := func() bool { _, err := b.who(); return err == nil && len(b.cookies) > 0 }

	b.signIn(w.token(w.hub))
	w.clock.move(SessionIdle - time.Second)
	if !signedIn() {
		t.Error("ended before it was idle for long")
	}
	w.clock.move(SessionIdle)
	_, err := b.who()
	wantCode(t, err, "access.unauthenticated")
	if g.sessionsOfOfficers.byID[sessionIDOf(b.cookies["lianmu"].Value)] != nil {
		t.Error("it is kept though it is over")
	}
	// The next answer takes the dead cookie away, so that the one after is a visitor's.
	b.do(func(http.ResponseWriter, *http.Request) {}, b.request("GET", "/", nil))
	if who, err := b.who(); err != nil || who.Via != ViaNobody || len(b.cookies) != 0 {
		t.Errorf("%+v, %v, %v", who, err, b.cookies)
	}

	b.signIn(w.token(w.hub))
	for used := time.Duration(0); used < SessionLife-20*time.Minute; used += 20 * time.Minute {
		w.clock.move(20 * time.Minute)
		if !signedIn() {
			t.Fatalf("ended after %v, though used", used)
		}
	}
	w.clock.move(20 * time.Minute)
	if signedIn() {
		t.Error("a session lasts longer than its life")
	}

	b.cookies = nil
	b.signIn(w.token(w.hub))
	stolen := b.cookies["lianmu"]
	csrf := g.CSRF(b.request("GET", "/", nil))
	if r := b.do(g.SignOut, b.request("POST", "/session/end", url.Values{"csrf": {csrf}})); r.Code != 303 || len(b.cookies) != 0 {
		t.Errorf("%d %s %v", r.Code, r.Body, b.cookies)
	}
	b.cookies = map[string]*http.Cookie{"lianmu": stolen}
	if signedIn() {
		t.Error("the cookie works after signing out")
	}
	if last := w.events[len(w.events)-1]; last.Act != "session.close" || last.Who.DID != w.hub.DID() {
		t.Errorf("the audit heard %+v", last)
	}
}

// An id that somebody planted never becomes a session, and signing in anew ends
// the session before.
func TestFixation(t *testing.T) {
	w := newWorld(t)
	g := w.guard()
	planted := &http.Cookie{Name: "lianmu", Value: "PLANTEDPLANTEDPLANTEDPLANTEDPLANTEDPLANTEDPLANTEDPLA"}
	b := &browser{g: g, cookies: map[string]*http.Cookie{"lianmu": planted}}
	if r := b.signIn(w.token(w.hub)); r.Code != 303 {
		t.Fatal(r.Body)
	}
	first := b.cookies["lianmu"]
	if first.Value == planted.Value {
		t.Fatal("the planted id became a session")
	}
	thief := &browser{g: g, cookies: map[string]*http.Cookie{"lianmu": planted}}
	_, err := thief.who()
	wantCode(t, err, "access.unauthenticated")

	b.signIn(w.token(w.hub))
	old := &browser{g: g, cookies: map[string]*http.Cookie{"lianmu": first}}
	_, err = old.who()
	wantCode(t, err, "access.unauthenticated")
	if _, err := b.who(); err != nil {
		t.Error(err)
	}

	// Two cookies of the name: one of them was planted, and nobody can tell which.
	r := b.request("GET", "/", nil)
	r.AddCookie(planted)
	_, err = g.Who(r)
	wantCode(t, err, "access.unauthenticated")
}

func TestCSRF(t *testing.T) {
	w := newWorld(t)
	g := w.guard()
	b, other := &browser{g: g}, &browser{g: g}
	b.signIn(w.token(w.hub))
	other.signIn(w.token(w.hub))
	csrf, foreign := g.CSRF(b.request("GET", "/", nil)), g.CSRF(other.request("GET", "/", nil))
	if csrf == "" || csrf == foreign || g.CSRF((&browser{g: g}).request("GET", "/", nil)) != "" {
		t.Fatalf("tokens %q and %q", csrf, foreign)
	}
	for name, c := range map[string]struct {
		edit func(r *http.Request)
		form url.Values
		code string
	}{
		"right":                {nil, url.Values{"csrf": {csrf}}, ""},
		"in the header":        {func(r *http.Request) { r.Header.Set(CSRFHeader, csrf) }, url.Values{}, ""},
		"missing":              {nil, url.Values{}, "access.csrf"},
		"empty":                {nil, url.Values{"csrf": {""}}, "access.csrf"},
		"wrong":                {nil, url.Values{"csrf": {csrf + "x"}}, "access.csrf"},
		"of another":           {nil, url.Values{"csrf": {foreign}}, "access.csrf"},
		"twice":                {nil, url.Values{"csrf": {csrf, csrf}}, "access.csrf"},
		"in the address":       {func(r *http.Request) { r.URL.RawQuery = "csrf=" + csrf }, url.Values{}, "access.csrf"},
		"cross-site":           {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, url.Values{"csrf": {csrf}}, "access.origin"},
		"same-site":            {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, url.Values{"csrf": {csrf}}, "access.origin"},
		"foreign Origin":       {func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "http://evil.example") }, url.Values{"csrf": {csrf}}, "access.origin"},
		"Origin null":          {func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") }, url.Values{"csrf": {csrf}}, "access.origin"},
		"text, not a form":     {func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, url.Values{"csrf": {csrf}}, "access.csrf"},
		"method in lower case": {func(r *http.Request) { r.Method = "post" }, url.Values{}, "access.csrf"},
		"a form too long":      {nil, url.Values{"x": {strings.Repeat("x", maxForm)}, "csrf": {csrf}}, "access.csrf"},
	} {
		t.Run(name, func(t *testing.T) {
			r := b.request("POST", "/spaces/admit", c.form)
			if c.edit != nil {
				c.edit(r)
			}
			_, err := g.Need(r, SpaceAdmit)
			if c.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantCode(t, err, c.code)
		})
	}
	// What changes nothing needs no token, and a Bearer token no session's.
	if _, err := g.Need(b.request("GET", "/waiting", nil), SpaceAdmit); err != nil {
		t.Error(err)
	}
	r := b.request("POST", "/api/v1/index/rebuild", nil)
	r.Header.Set("Authorization", "Bearer "+w.token(w.hub))
	if _, err := g.Need(r, IndexRebuild); err != nil {
		t.Error(err)
	}
	// A bad Bearer token does not fall back to the session beside it.
	r = b.request("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer abc")
	_, err := g.Who(r)
	wantCode(t, err, "access.unauthenticated")
}

func TestSignInFromElsewhere(t *testing.T) {
	w := newWorld(t)
	g := w.guard(func(c *Config) { c.Sessions.Origins = []string{"https://portal.example"} })
	from := func(origin string) *httptest.ResponseRecorder {
		b := &browser{g: g}
		r := b.request("POST", "/session", url.Values{"token": {w.token(w.hub)}})
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Origin", origin)
		return b.do(g.SignIn, r)
	}
	if r := from("https://portal.example"); r.Code != 303 {
		t.Errorf("%d %s", r.Code, r.Body)
	}
	for _, origin := range []string{"https://evil.example", "null", "http://portal.example", "https://portal.example.evil.example"} {
		if r := from(origin); r.Code != 403 || problemCode(t, r) != "access.origin" {
			t.Errorf("%s: %d %s", origin, r.Code, r.Body)
		}
	}
	if _, err := New(Config{Sessions: Sessions{Origins: []string{"portal.example"}}}); err == nil {
		t.Error("an origin without a scheme was taken")
	}
	b := &browser{g: g}
	if r := b.do(g.SignIn, b.request("GET", "/session?token="+w.token(w.hub), nil)); r.Code != 405 {
		t.Errorf("by GET: %d", r.Code)
	}
	if r := b.do(g.SignIn, b.request("POST", "/session?token="+w.token(w.hub), url.Values{})); r.Code != 401 {
		t.Errorf("a token in the address, where logs would keep it: %d", r.Code)
	}
}

func TestLocalPath(t *testing.T) {
	for s, want := range map[string]string{
		"/spaces?x=1#y": "/spaces?x=1#y", "": "/", "spaces": "/", "//evil.example": "/", "/\\evil.example": "/", "https://evil.example": "/",
		"javascript:alert(1)": "/", "/a\nSet-Cookie: x": "/", "/\tevil": "/", "///evil.example": "/", "/%0d%0aX:1": "/%0d%0aX:1", "/" + strings.Repeat("a", 3000): "/",
	} {
		if got := localPath(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

// However many sign in, memory is bounded; a person has few sessions, and a
// share that has many gives way, not the others.
func TestSessionsAreBounded(t *testing.T) {
	s := newSessionStore(100)
	open := func(share, name string) string {
		return s.open(&session{did: "did:key:x", whose: name, share: share}, start)
	}
	few := open("few", "op-01")
	for i := range 1000 {
		open("many", fmt.Sprint(i))
	}
	if len(s.byID) != 100 || s.shares["many"].Len() != 99 || s.find(sessionIDOf(few), start) == nil {
		t.Errorf("%d sessions, %d of many", len(s.byID), s.shares["many"].Len())
	}
	var mine []string
	for range maxPersonSessions + 2 {
		mine = append(mine, open("few", "op-02"))
	}
	for i, id := range mine {
		if (s.find(sessionIDOf(id), start) != nil) != (i >= 2) {
			t.Errorf("session %d of one person", i)
		}
	}
	for i := range 1000 { // a share each: the greatest still gives way
		open(fmt.Sprint(i), "op-03")
	}
	n := 0
	for _, l := range s.shares {
		n += l.Len()
	}
	if len(s.byID) != 100 || n != 100 {
		t.Errorf("%d sessions, %d in shares", len(s.byID), n)
	}
}

func TestPeopleCannotPushOfficersOut(t *testing.T) {
	w := newWorld(t)
	w.registry.Open()
	g := w.guard(func(c *Config) { c.PerSecond = 1e9; c.Burst = 1e9 })
	g.sessions, g.sessionsOfOfficers = newSessionStore(10), newSessionStore(10)
	officer := &browser{g: g}
	officer.signIn(w.token(w.hub))
	for range 50 {
		(&browser{g: g}).signIn(w.token(identitytest.Key(t)))
	}
	if _, err := officer.who(); err != nil || len(g.sessions.byID) != 10 {
		t.Errorf("%v, %d sessions", err, len(g.sessions.byID))
	}
}

package access

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"lianmu/hub/access/accesstest"
	"lianmu/vocab"
)

const redirectURL = "http://127.0.0.1:8080/oidc/callback"

// oidcWorld is a hub whose people sign in at a provider.
func oidcWorld(t *testing.T, edit ...func(*OIDC)) (*world, *accesstest.Provider, *Guard) {
	t.Helper()
	p, w := accesstest.New(t, redirectURL, "0017", map[string]any{"org": orgA}), newWorld(t)
	w.clock.move(time.Since(w.clock.now())) // the provider has no other clock than the machine's
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(accesstest.ClientSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := OIDC{Issuer: p.URL, ClientID: accesstest.ClientID, ClientSecretFile: secret, RedirectURL: redirectURL}
	for _, f := range edit {
		f(&o)
	}
	return w, p, w.guard(func(c *Config) { c.OIDC = &o })
}

// setOut begins a sign-in in a browser and lets the provider answer; it returns
// where the provider sends the browser.
func setOut(t *testing.T, b *browser) *url.URL {
	t.Helper()
	r := b.do(b.g.startOIDC, b.request("GET", "/oidc/start?next=/spaces", nil))
	if r.Code != http.StatusSeeOther {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	return atProvider(t, r.Header().Get("Location"))
}

func atProvider(t *testing.T, address string) *url.URL {
	t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	return back
}

// comeBack is the browser's last step.
func comeBack(b *browser, back *url.URL) *httptest.ResponseRecorder {
	return b.do(b.g.finishOIDC, b.request("GET", "/oidc/callback?"+back.RawQuery, nil))
}

func TestSignInAtAProvider(t *testing.T) {
	w, p, g := oidcWorld(t)
	a, b, other := w.space(), w.space(), w.space()
	w.participant(a, vocab.Participant{Code: orgA})
	w.participant(b, vocab.Participant{Code: orgA})
	w.participant(other, vocab.Participant{Code: orgB})
	if h := g.Handlers(); h["GET /oidc/start"] == nil || h["GET /oidc/callback"] == nil || h["POST /session"] == nil || h["POST /session/end"] == nil {
		t.Errorf("handlers %v", h)
	}
	person := &browser{g: g}
	back := setOut(t, person)
	if back.Query().Get("code") == "" || !strings.HasPrefix(back.String(), redirectURL) {
		t.Fatalf("sent to %s", back)
	}
	r := comeBack(person, back)
	if r.Code != http.StatusSeeOther || r.Header().Get("Location") != "/spaces" || len(person.cookies) != 1 {
		t.Fatalf("%d %s %v", r.Code, r.Body, person.cookies)
	}
	who, err := person.who()
	spaces := []string{a.DID(), b.DID()}
	slices.Sort(spaces)
	if err != nil || who.Org != orgA || !strings.HasPrefix(who.Name, "oidc-") || strings.Contains(who.Name, "0017") || who.DID != "" ||
		!slices.Equal(who.Roles, []Role{Participant}) || !slices.Equal(who.Spaces, spaces) {
		t.Errorf("%+v, %v", who, err)
	}

	// The answer works once, and in the browser that asked alone.
	if r := comeBack(person, back); r.Code != 401 {
		t.Errorf("a second time: %d %s", r.Code, r.Body)
	}
	back = setOut(t, person)
	if r := comeBack(&browser{g: g}, back); r.Code != 401 {
		t.Errorf("in another browser: %d %s", r.Code, r.Body)
	}
	stranger := &browser{g: g}
	setOut(t, stranger)
	if r := comeBack(stranger, back); r.Code != 401 {
		t.Errorf("in another browser that asked too: %d %s", r.Code, r.Body)
	}
	if r := comeBack(person, back); r.Code != 303 { // and was not spoilt by that
		t.Errorf("%d %s", r.Code, r.Body)
	}
	back = setOut(t, person)
	w.clock.move(oidcLogin)
	if r := comeBack(person, back); r.Code != 401 {
		t.Errorf("after ten minutes: %d %s", r.Code, r.Body)
	}
	w.clock.move(-oidcLogin)

	// A code that somebody took cannot be used without the verifier: PKCE.
	thief := &browser{g: g}
	taken := setOut(t, person)
	own := setOut(t, thief)
	q := own.Query()
	q.Set("code", taken.Query().Get("code"))
	own.RawQuery = q.Encode()
	if r := comeBack(thief, own); r.Code != 401 || !strings.Contains(r.Body.String(), "invalid_grant") {
		t.Errorf("a stolen code: %d %s", r.Code, r.Body)
	}

	p.Set("0018", map[string]any{"org": orgB}, nil)
	if r := comeBack(person, setOut(t, person)); r.Code != 303 {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	second, err := person.who()
	if err != nil || second.Org != orgB || second.Name == who.Name || !slices.Equal(second.Spaces, []string{other.DID()}) {
		t.Errorf("%+v, %v", second, err)
	}
	w.act(vocab.Act{Verb: vocab.Suspension, Space: other.DID()})
	_, err = person.who()
	wantCode(t, err, "access.unauthenticated")
}

func TestProvidersClaims(t *testing.T) {
	w, p, g := oidcWorld(t, func(o *OIDC) {
		o.OrgClaim, o.NameClaim, o.RoleClaim = "company.code", "alias", "realm_access.roles"
		o.Roles = map[string]Role{"user": Participant, "checker": Review, "watcher": Regulator}
	})
	a := w.space()
	w.participant(a, vocab.Participant{Code: orgA})
	claims := func(org, alias string, roles any) map[string]any {
		return map[string]any{"company": map[string]any{"code": org}, "alias": alias, "realm_access": map[string]any{"roles": roles}}
	}
	for name, c := range map[string]struct {
		claims map[string]any
		want   []Role // nil: refused
	}{
		"user":                  {claims(orgA, "op-01", []string{"user", "other"}), []Role{Participant}},
		"one role as text":      {claims(orgA, "op-01", "user"), []Role{Participant}},
		"reviewer":              {claims(orgA, "op-01", []string{"checker"}), []Role{Review}},
		"regulator elsewhere":   {claims(orgB, "op-01", []string{"watcher", "user"}), []Role{Regulator}},
		"no role of ours":       {claims(orgA, "op-01", []string{"admin", "system", "review"}), nil},
		"no roles":              {claims(orgA, "op-01", nil), nil},
		"roles not texts":       {claims(orgA, "op-01", []any{7, map[string]any{"user": true}}), nil},
		"organisation unknown":  {claims(orgB, "op-01", []string{"user"}), nil},
		"organisation wrong":    {claims("91512081MA62K0260F", "op-01", []string{"user"}), nil},
		"no organisation":       {map[string]any{"alias": "op-01", "realm_access": map[string]any{"roles": "user"}}, nil},
		"organisation a person": {claims("11010519491231002X", "op-01", []string{"user"}), nil},
		"a mobile number":       {claims(orgA, "13800138000", []string{"user"}), nil},
		"one after a name":      {claims(orgA, "张三13800138000", []string{"user"}), nil},
		"an identity number":    {claims(orgA, "op11010519491231002X", []string{"user"}), nil},
		"an e-mail address":     {claims(orgA, "li@example.cn", []string{"user"}), nil},
		"no alias":              {claims(orgA, "", []string{"user"}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			p.Set("0017", c.claims, nil)
			b := &browser{g: g}
			r := comeBack(b, setOut(t, b))
			if (r.Code == 303) != (c.want != nil) {
				t.Fatalf("%d %s", r.Code, r.Body)
			}
			if c.want == nil {
				if r.Code != 401 || len(b.cookies) != 0 || strings.Contains(r.Body.String(), "13800138000") || strings.Contains(r.Body.String(), "11010519491231002X") {
					t.Errorf("%d %s %v", r.Code, r.Body, b.cookies)
				}
				return
			}
			if who, err := b.who(); err != nil || !slices.Equal(who.Roles, c.want) || who.Name != "op-01" {
				t.Errorf("%+v, %v", who, err)
			}
		})
	}
}

// resign makes another ID token of the one in the answer.
func resign(t *testing.T, key any, algorithm jose.SignatureAlgorithm, edit func(payload string) string) func(map[string]any) {
	return func(answer map[string]any) {
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(answer["id_token"].(string), ".")[1])
		if err != nil {
			t.Error(err)
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "1").WithType("JWT"))
		if err != nil {
			t.Error(err)
			return
		}
		jws, err := signer.Sign([]byte(edit(string(payload))))
		if err != nil {
			t.Error(err)
			return
		}
		answer["id_token"], _ = jws.CompactSerialize()
	}
}

func TestForgedIDTokens(t *testing.T) {
	w, p, g := oidcWorld(t)
	w.participant(w.space(), vocab.Participant{Code: orgA})
	foreign, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	same := func(s string) string { return s }
	member := func(name, value string) func(string) string {
		return func(s string) string {
			var m map[string]json.RawMessage
			if err := json.Unmarshal([]byte(s), &m); err != nil {
				t.Error(err)
			}
			m[name] = json.RawMessage(value)
			b, _ := json.Marshal(m)
			return string(b)
		}
	}
	for name, c := range map[string]struct {
		forge func(map[string]any)
		good  bool
	}{
		"signed again":            {resign(t, p.Key, jose.RS256, same), true},
		"another key":             {resign(t, foreign, jose.RS256, same), false},
		"HMAC, client's secret":   {resign(t, []byte(accesstest.ClientSecret), jose.HS256, same), false},
		"another nonce":           {resign(t, p.Key, jose.RS256, member("nonce", `"x"`)), false},
		"no nonce":                {resign(t, p.Key, jose.RS256, member("nonce", `null`)), false},
		"another client":          {resign(t, p.Key, jose.RS256, member("aud", `["other"]`)), false},
		"another issuer":          {resign(t, p.Key, jose.RS256, member("iss", `"https://evil.example"`)), false},
		"expired":                 {resign(t, p.Key, jose.RS256, member("exp", `1000000000`)), false},
		"made for another client": {resign(t, p.Key, jose.RS256, member("azp", `"other"`)), false},
		"organisation twice":      {resign(t, p.Key, jose.RS256, func(s string) string { return `{"org":"` + orgB + `",` + s[1:] }), false},
		"alg none": {func(m map[string]any) {
			parts := strings.Split(m["id_token"].(string), ".")
			m["id_token"] = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
		}, false},
		"none":          {func(m map[string]any) { delete(m, "id_token") }, false},
		"a number":      {func(m map[string]any) { m["id_token"] = 7 }, false},
		"endless":       {func(m map[string]any) { m["x"] = strings.Repeat("x", 2*oidcAnswer) }, false},
		"no token type": {func(m map[string]any) { m["access_token"] = "" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			p.Set("0017", map[string]any{"org": orgA}, c.forge)
			b := &browser{g: g}
			r := comeBack(b, setOut(t, b))
			if (r.Code == 303) != c.good {
				t.Errorf("%d %s", r.Code, r.Body)
			}
			if _, err := b.who(); err != nil || (len(b.cookies) != 0) != c.good {
				t.Errorf("cookies %v, %v", b.cookies, err)
			}
		})
	}
}

func TestWhatComesBackFromTheProvider(t *testing.T) {
	w, _, g := oidcWorld(t)
	w.participant(w.space(), vocab.Participant{Code: orgA})
	for name, edit := range map[string]func(q url.Values){
		"another state":   func(q url.Values) { q.Set("state", "x") },
		"no state":        func(q url.Values) { q.Del("state") },
		"state twice":     func(q url.Values) { q.Add("state", q.Get("state")) },
		"no code":         func(q url.Values) { q.Del("code") },
		"two codes":       func(q url.Values) { q.Add("code", "x") },
		"a code made up":  func(q url.Values) { q.Set("code", "x") },
		"another issuer":  func(q url.Values) { q.Set("iss", "https://evil.example") },
		"an error":        func(q url.Values) { q.Set("error", "access_denied") },
		"a script in one": func(q url.Values) { q.Set("error", "<script>") },
	} {
		t.Run(name, func(t *testing.T) {
			b := &browser{g: g}
			back := setOut(t, b)
			q := back.Query()
			edit(q)
			back.RawQuery = q.Encode()
			if r := comeBack(b, back); r.Code != 401 || len(b.cookies) != 0 || strings.Contains(r.Body.String(), "<script>") {
				t.Errorf("%d %s %v", r.Code, r.Body, b.cookies)
			}
		})
	}
	b := &browser{g: g}
	back := setOut(t, b)
	b.cookies["lianmu-oidc"].Value = "A" + b.cookies["lianmu-oidc"].Value[1:]
	if r := comeBack(b, back); r.Code != 401 {
		t.Errorf("a changed cookie: %d %s", r.Code, r.Body)
	}
}

func TestProviderAway(t *testing.T) {
	w, p, g := oidcWorld(t)
	p.Down.Store(true)
	b := &browser{g: g}
	start := func() *httptest.ResponseRecorder {
		return b.do(g.startOIDC, b.request("GET", "/oidc/start", nil))
	}
	for range 3 { // asked once, then left alone for a while
		if r := start(); r.Code != http.StatusBadGateway || problemCode(t, r) != "access.oidc" || p.Asked.Load() != 1 || strings.Contains(r.Body.String(), "within") {
			t.Errorf("%d %s, asked %d times", r.Code, r.Body, p.Asked.Load())
		}
	}
	p.Down.Store(false)
	w.clock.move(oidcRetry)
	if r := start(); r.Code != http.StatusSeeOther {
		t.Errorf("when it is back: %d %s", r.Code, r.Body)
	}
	if r := b.signIn(w.token(w.hub)); r.Code != 303 {
		t.Errorf("officers cannot sign in either: %d %s", r.Code, r.Body)
	}
}

func TestOIDCSettings(t *testing.T) {
	loose := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(loose, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(loose, 0o644); err != nil {
		t.Fatal(err)
	}
	good := OIDC{Issuer: "https://id.example", ClientID: "x", RedirectURL: "https://hub.example/oidc/callback"}
	if _, err := New(Config{OIDC: &good}); err != nil {
		t.Error(err)
	}
	for name, edit := range map[string]func(*OIDC){
		"no issuer":           func(o *OIDC) { o.Issuer = "" },
		"issuer in the clear": func(o *OIDC) { o.Issuer = "http://id.example" },
		"no redirect":         func(o *OIDC) { o.RedirectURL = "/oidc/callback" },
		"a password in it":    func(o *OIDC) { o.Issuer = "https://a:b@id.example" },
		"no client":           func(o *OIDC) { o.ClientID = "" },
		"an admin's office":   func(o *OIDC) { o.RoleClaim, o.Roles = "r", map[string]Role{"a": Security} },
		"unknown role":        func(o *OIDC) { o.RoleClaim, o.Roles = "r", map[string]Role{"a": "root"} },
		"roles, no claim":     func(o *OIDC) { o.Roles = map[string]Role{"a": Review} },
		"claim, no roles":     func(o *OIDC) { o.RoleClaim = "r" },
		"no such secret":      func(o *OIDC) { o.ClientSecretFile = loose + "x" },
		"secret for all":      func(o *OIDC) { o.ClientSecretFile = loose },
	} {
		c := good
		edit(&c)
		_, err := New(Config{OIDC: &c})
		t.Run(name, func(t *testing.T) { wantCode(t, err, "access.oidc") })
	}
}

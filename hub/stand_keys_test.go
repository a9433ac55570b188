package hub_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub"
	"lianmu/hub/access"
	"lianmu/hub/bus"
	"lianmu/hub/bus/bustest"
	"lianmu/vocab"
)

// signedAt signs with whatever dates somebody likes.
func signedAt(t *testing.T, key *identity.Key, created time.Time, doc string, also ...identity.Signer) []byte {
	t.Helper()
	return identitytest.Sign(t, doc, key, identity.SignOptions{Created: created, Expires: created.Add(1000 * 24 * time.Hour)}, also...)
}

// enters tells whether a key is let in over NATS.
func (r *running) enters(key *identity.Key) error {
	nc, err := nats.Connect(r.info.NATS, append(bustest.Options(key, r.info.DID), nats.NoReconnect())...)
	if err == nil {
		nc.Close()
	}
	return err
}

// A thief has a key that its space retired long ago, and dates what it signs
// back to when it was valid. Position in the log decides, so nothing is taken.
func TestStandRetiredKey(t *testing.T) {
	t.Parallel()
	s := closed(t)
	r := s.space("换过密钥的空间")
	old, next := r.key, identitytest.Key(t)
	// What the thief may have kept from the old days: signed then, never sent.
	kept := signedAt(t, old, time.Now().Add(-time.Hour), offering("kept", "压箱底"))
	r.must(offering("a", "产品", `"audience":"public"`))
	both := signedAt(t, old, r.at.Next(time.Now()), descriptor(old.DID(), "换过密钥的空间", fmt.Sprintf(`,"key":[%q]`, next.DID())), next)
	if got := r.submit(both); got.Status != vocab.Accepted {
		t.Fatalf("%+v", got)
	}
	thief := &running{t: t, hub: s.hub, info: s.info, key: old}
	for _, ago := range []time.Duration{0, time.Minute, 24 * time.Hour, 400 * 24 * time.Hour} {
		created := time.Now().Add(-ago)
		for what, raw := range map[string][]byte{
			"kept":             kept,
			"an offering":      signedAt(t, old, created, offering("x", "偷来的")),
			"another version":  signedAt(t, old, created, offering("a", "偷改的")),
			"a withdrawal":     signedAt(t, old, created, removal("Withdrawal", "a")),
			"a deregistration": signedAt(t, old, created, removal("Deregistration", "a")),
			"a descriptor":     signedAt(t, old, created, descriptor(old.DID(), "夺回", fmt.Sprintf(`,"key":[%q]`, old.DID()))),
		} {
			if got := thief.over(raw); got.Status != vocab.Refused || got.Problems[0].Code != "key.retired" {
				t.Errorf("%s, dated %v back: %+v", what, ago, got)
			}
		}
	}
	if err := s.enters(old); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("the retired key connects: %v", err)
	}
	if status := s.getAs(old, "/api/v1/search", nil); status != http.StatusUnauthorized {
		t.Errorf("the retired key's token: status %d", status)
	}
	if err := s.enters(next); err != nil {
		t.Errorf("the new key: %v", err)
	}
	s.clean()
}

// A thief has a valid key, takes the space over with it, and deregisters what it
// can. Declaring the key compromised gives all of it back, keys of the thief's
// included, and his connection ends.
func TestStandStolenKey(t *testing.T) {
	t.Parallel()
	s := closed(t)
	r := s.space("被盗的空间")
	stolen, safe, thiefs := r.key, identitytest.Key(t), identitytest.Key(t)
	name := stolen.DID()
	own := signedAt(t, stolen, r.at.Next(time.Now()), descriptor(name, "被盗的空间", fmt.Sprintf(`,"key":[%q,%q]`, name, safe.DID())), safe)
	if got := r.submit(own); got.Status != vocab.Accepted {
		t.Fatalf("%+v", got)
	}
	r.must(offering("before", "失窃之前", `"audience":"public"`))
	r.must(offering("good", "被贼覆盖之前", `"audience":"public"`))
	from := s.hub.Info().LogSize
	cut := make(chan struct{})
	thief := &running{t: t, hub: s.hub, info: s.info, key: thiefs}
	raw := signedAt(t, stolen, r.at.Next(time.Now()), descriptor(name, "归我了", fmt.Sprintf(`,"key":[%q]`, thiefs.DID())), thiefs)
	if got := thief.over(raw); got.Status != vocab.Accepted {
		t.Fatalf("%+v", got)
	}
	thief.conn = bustest.Connect(t, s.info.NATS, s.info.DID, thiefs, nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(cut) }))
	for _, doc := range []string{offering("evil", "贼的产品", `"audience":"public"`), removal("Deregistration", "before"), offering("good", "贼改写的", `"audience":"public"`)} {
		var got vocab.Receipt
		thief.ask(bus.SubmitPrefix+bus.SpaceToken(name), thief.sign(doc), &got)
		if got.Status != vocab.Accepted {
			t.Fatalf("the thief's %s: %+v", doc, got)
		}
	}
	order := fmt.Sprintf(`{"verb":"KeyCompromise","key":%q,"from":%d,"reason":"失窃"`, name, from)
	var would struct {
		Total int `json:"taken_total"`
	}
	if status, body := s.post(s.key, "/api/v1/spaces/"+url.PathEscape(name)+"/acts", order+`,"dry_run":true}`); status != http.StatusOK || json.Unmarshal([]byte(body), &would) != nil || would.Total != 4 {
		t.Errorf("tried first: status %d %s", status, body) // the descriptor, and what the key that it added signed
	}
	s.act(name, order+"}")
	for range 250 {
		if a := s.level(); a.Total == 2 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, title := range []string{"失窃之前", "被贼覆盖之前"} {
		if a := s.search(title); a.Total != 1 || a.Hits[0].Title["zh"] != title {
			t.Errorf("%s is not shown again: %+v", title, a.Hits)
		}
	}
	select {
	case <-cut:
	case <-time.After(20 * time.Second):
		t.Error("the thief is still connected")
	}
	for what, key := range map[string]*identity.Key{"stolen": stolen, "of the thief": thiefs} {
		if got := thief.over(signedAt(t, key, time.Now(), offering("more", "再来"))); got.Status != vocab.Refused || got.Problems[0].Code != "key.compromised" {
			t.Errorf("the key %s: %+v", what, got)
		}
		if err := s.enters(key); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("the key %s connects: %v", what, err)
		}
	}
	owner := &running{t: t, hub: s.hub, info: s.info, key: safe}
	again := signedAt(t, safe, time.Now().Add(time.Second), offering("before", "失而复得", `"audience":"public"`))
	if got := owner.over(again); got.Status != vocab.Accepted {
		t.Errorf("the owner publishes again what the thief deregistered: %+v", got)
	}
	for range 250 {
		if a := s.level(); a.Total == 2 && s.search("失而复得").Total == 1 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if a := s.search("失而复得"); s.level().Total != 2 || a.Total != 1 || a.Hits[0].Title["zh"] != "失而复得" {
		t.Errorf("%d shown: %+v", a.Total, a.Hits)
	}
	s.clean()
}

// What looks like a token and is none opens no way in, and a real one opens one
// way once: over HTTP, NATS and the sign-in page it is the same token.
func TestStandTokens(t *testing.T) {
	t.Parallel()
	s := closed(t)
	a, b := s.space("甲空间"), s.space("乙空间")
	elsewhere := identitytest.Key(t)
	make := func(key *identity.Key, audience string, at time.Time) string {
		t.Helper()
		token, err := identity.NewToken(key, audience, at, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	session, err := identity.NewSessionToken(a.key, s.info.DID, identity.Person{Org: "91512081MA62K0260E", Name: "op-1", Role: "space"}, time.Now(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	good := make(a.key, s.info.DID, now)
	parts := strings.Split(good, ".")
	// b's claims under a's name, with b's signature: the parts of a real token put together anew.
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(make(b.key, s.info.DID, now), ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	renamed := base64.RawURLEncoding.EncodeToString([]byte(strings.ReplaceAll(string(claims), b.key.DID(), a.key.DID())))
	for what, token := range map[string]string{
		"for another hub":   make(a.key, elsewhere.DID(), now),
		"expired":           make(a.key, s.info.DID, now.Add(-time.Hour)),
		"of the future":     make(a.key, s.info.DID, now.Add(time.Hour)),
		"for a session":     session,
		"other claims":      parts[0] + "." + renamed + "." + parts[2],
		"without signature": parts[0] + "." + parts[1] + ".",
		"alg none":          base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".",
	} {
		for _, path := range []string{"/api/v1/search", "/api/v1/me", "/api/v1/spaces", "/api/v1/submissions?refused=true", "/api/v1/audit"} {
			q, err := http.NewRequest(http.MethodGet, s.info.HTTP+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if status, body := s.send(q, token); status != http.StatusUnauthorized {
				t.Errorf("%s at %s: status %d %s", what, path, status, body)
			}
		}
		if what != "for a session" {
			if status, body := s.signIn(nil, token); status < 400 {
				t.Errorf("%s at the sign-in page: status %d %s", what, status, body)
			}
		}
		if nc, err := nats.Connect(s.info.NATS, nats.Token(token), nats.CustomInboxPrefix(bus.InboxPrefix(bus.SpaceToken(a.key.DID()))), nats.NoReconnect()); err == nil {
			nc.Close()
			t.Errorf("%s over NATS: got in", what)
		}
	}
	overHTTP := func(token string) bool {
		status, _ := s.send(must(t)(http.NewRequest(http.MethodGet, s.info.HTTP+"/api/v1/search", nil)), token)
		return status == http.StatusOK
	}
	overNATS := func(token string) bool {
		nc, err := nats.Connect(s.info.NATS, nats.Token(token), nats.NoReconnect())
		if err == nil {
			nc.Close()
		}
		return err == nil
	}
	page := func(token string) bool {
		status, _ := s.signIn(nil, token)
		return status < 400
	}
	ways := map[string]func(string) bool{"HTTP": overHTTP, "NATS": overNATS, "page": page}
	for first, use := range ways {
		token := make(s.key, s.info.DID, time.Now()) // an officer's: it opens the page too
		if !use(token) {
			t.Errorf("a good token over %s does not work", first)
		}
		for second, again := range ways {
			if again(token) {
				t.Errorf("used over %s, a token works over %s once more", first, second)
			}
		}
	}
}

func must(t *testing.T) func(*http.Request, error) *http.Request {
	return func(q *http.Request, err error) *http.Request {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
}

// signIn sends a token as the sign-in page does; with a jar it keeps the cookie.
func (r *running) signIn(jar http.CookieJar, token string) (int, string) {
	r.t.Helper()
	client := http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.PostForm(r.info.HTTP+"/session", url.Values{"token": {token}})
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("Location")
}

// Another site makes the browser of an officer who is signed in send orders:
// none is carried out, whatever it sends along.
func TestStandForgedOrders(t *testing.T) {
	t.Parallel()
	s := closed(t)
	victim := s.space("受害空间")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := s.signIn(jar, s.bearer(s.key)); status >= 400 {
		t.Fatalf("signing in: status %d", status)
	}
	browser := http.Client{Jar: jar}
	var me struct{ CSRF string }
	resp, err := browser.Get(s.info.HTTP + "/api/v1/me")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(resp.Body).Decode(&me); err != nil || me.CSRF == "" {
		t.Fatalf("%+v, %v", me, err)
	}
	resp.Body.Close()
	path := s.info.HTTP + "/api/v1/spaces/" + url.PathEscape(victim.key.DID()) + "/acts"
	order := func(header map[string]string) int {
		q := must(t)(http.NewRequest(http.MethodPost, path, strings.NewReader(`{"verb":"Suspension","reason":"x"}`)))
		q.Header.Set("Content-Type", "application/json")
		for name, value := range header {
			q.Header.Set(name, value)
		}
		resp, err := browser.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	for what, header := range map[string]map[string]string{
		"without the token":       {},
		"a guessed token":         {access.CSRFHeader: strings.Repeat("A", len(me.CSRF))},
		"from another site":       {access.CSRFHeader: me.CSRF, "Sec-Fetch-Site": "cross-site"},
		"from a sister host":      {access.CSRFHeader: me.CSRF, "Sec-Fetch-Site": "same-site"},
		"from an old browser":     {access.CSRFHeader: me.CSRF, "Origin": "https://evil.example"},
		"from a sandboxed frame":  {access.CSRFHeader: me.CSRF, "Origin": "null"},
		"as a form would send it": {"Content-Type": "text/plain", "Sec-Fetch-Site": "cross-site"},
	} {
		if status := order(header); status != http.StatusForbidden {
			t.Errorf("%s: status %d", what, status)
		}
	}
	if got := victim.submit(victim.sign(offering("a", "还在"))); got.Status != vocab.Accepted {
		t.Errorf("the victim is %+v", got)
	}
	if status := order(map[string]string{access.CSRFHeader: me.CSRF}); status != http.StatusOK {
		t.Errorf("the officer's own order: status %d", status)
	}
}

// Offices that are apart stay apart: each officer is refused what is another's,
// and what was refused stands in the trail, which the auditor alone reads.
func TestStandOfficesAreApart(t *testing.T) {
	t.Parallel()
	keys := map[access.Role]*identity.Key{}
	var operators []access.Operator
	for _, role := range []access.Role{access.System, access.Security, access.Audit, access.Review, access.Regulator} {
		keys[role] = identitytest.Key(t)
		operators = append(operators, access.Operator{DID: keys[role].DID(), Role: role})
	}
	s := closed(t, func(c *hub.Config) { c.Operators = operators })
	n := s.newcomer(nil)
	if got := n.submit(n.sign(descriptor(n.key.DID(), "新空间", ""))); got.Status != vocab.Waiting {
		t.Fatalf("%+v", got)
	}
	space := "/api/v1/spaces/" + url.PathEscape(n.key.DID()) + "/acts"
	keys["hub.key"], keys["newcomer"] = s.key, n.key // with every office given, hub.key holds none
	for _, c := range []struct {
		path, order string // GET where there is no order
		may         []access.Role
	}{
		{space, `{"verb":"Admission"}`, []access.Role{access.Review}},
		{space, `{"verb":"Suspension","reason":"x"}`, []access.Role{access.Review, access.Security}},
		{space, `{"verb":"KeyCompromise","key":"did:key:x","from":1,"dry_run":true}`, []access.Role{access.Security}},
		{space, `{"verb":"Removal","offerings":["x"],"reason":"x"}`, []access.Role{access.Review}},
		{"/api/v1/redactions", `{"entries":[1000000],"ground":"personal"}`, []access.Role{access.Review, access.Security}},
		{"/api/v1/invitations", `{"note":"x"}`, []access.Role{access.Review}},
		{"/api/v1/index/rebuild", `{}`, []access.Role{access.System}},
		{"/api/v1/applicants", "", []access.Role{access.Review}},
		{"/api/v1/proposals", "", []access.Role{access.Review, access.Security}},
		{"/api/v1/audit", "", []access.Role{access.Audit}},
		{"/api/v1/audit/export", "", []access.Role{access.Audit}},
	} {
		for role, key := range keys {
			may, status := false, 0
			for _, m := range c.may {
				may = may || m == role
			}
			if may && c.order != "" {
				continue // whoever may is another test's
			}
			if c.order == "" {
				status = s.getRaw(key, c.path)
			} else {
				status, _ = s.post(key, c.path, c.order)
			}
			if may && status != http.StatusOK || !may && status != http.StatusForbidden {
				t.Errorf("%s to %s %s: status %d", role, c.path, c.order, status)
			}
		}
	}
	if got := s.hub.Info().LogSize; got != 0 {
		t.Errorf("the log has %d entries", got)
	}
}

func (r *running) getRaw(key *identity.Key, path string) int {
	r.t.Helper()
	q := must(r.t)(http.NewRequest(http.MethodGet, r.info.HTTP+path, nil))
	status, _ := r.send(q, r.bearer(key))
	return status
}

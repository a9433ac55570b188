package access

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/vocab"
)

var start = time.Date(2026, 11, 21, 8, 30, 0, 0, time.UTC)

// clock is moved by the test alone.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }

func (c *clock) move(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.t = c.t.Add(d) }

func newGuard(t testing.TB, c Config) *Guard {
	t.Helper()
	g, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func token(t testing.TB, k *identity.Key, audience string, now time.Time) string {
	t.Helper()
	s, err := identity.NewToken(k, audience, now, 5*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func request(authorization ...string) *http.Request {
	r := httptest.NewRequest("POST", "/api/v1/index/rebuild", nil)
	for _, a := range authorization {
		r.Header.Add("Authorization", a)
	}
	return r
}

func wantCode(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil {
		t.Errorf("accepted, want %s", want)
		return
	}
	for _, p := range vocab.ProblemsOf(err, "not a problem") {
		if p.Code != want {
			t.Errorf("%s (%v), want %s", p.Code, err, want)
		}
		for _, lang := range []string{"zh", "en"} {
			if m := p.Message[lang]; m == "" || strings.Contains(m, "%!") {
				t.Errorf("bad %s message %q", lang, m)
			}
		}
	}
}

func TestOperators(t *testing.T) {
	hub, ops, space := identitytest.Key(t), identitytest.Key(t), identitytest.Key(t)
	c := &clock{t: start}
	g := newGuard(t, Config{HubDID: hub.DID(), Operators: []Operator{{DID: ops.DID()}, {}}, Now: c.now})
	for _, k := range []*identity.Key{hub, ops} {
		did, err := g.Operator(request("Bearer " + token(t, k, hub.DID(), start)))
		if err != nil || did != k.DID() {
			t.Errorf("%s, %v", did, err)
		}
	}
	_, err := g.Operator(request("Bearer " + token(t, space, hub.DID(), start)))
	wantCode(t, err, "access.forbidden")
	if !strings.Contains(err.Error(), space.DID()) {
		t.Errorf("%v does not name who", err)
	}
	_, err = g.Operator(request("Bearer " + token(t, ops, ops.DID(), start)))
	wantCode(t, err, "access.unauthenticated")
	_, err = g.Operator(request("Bearer " + token(t, ops, hub.DID(), start.Add(-6*time.Minute))))
	wantCode(t, err, "access.unauthenticated")
}

func TestEachTokenWorksOnce(t *testing.T) {
	hub := identitytest.Key(t)
	c := &clock{t: start}
	g := newGuard(t, Config{HubDID: hub.DID(), Now: c.now})
	once := "Bearer " + token(t, hub, hub.DID(), start)
	var wg sync.WaitGroup
	results := make(chan error, 20)
	for range 20 {
		wg.Go(func() {
			_, err := g.Operator(request(once))
			results <- err
		})
	}
	wg.Wait()
	close(results)
	good := 0
	for err := range results {
		if err == nil {
			good++
			continue
		}
		wantCode(t, err, "access.unauthenticated")
	}
	if good != 1 {
		t.Errorf("accepted %d times", good)
	}
	for _, later := range []time.Duration{4 * time.Minute, 2 * time.Minute, time.Hour} {
		c.move(later)
		_, err := g.Operator(request(once))
		wantCode(t, err, "access.unauthenticated")
	}
}

func TestBearer(t *testing.T) {
	hub := identitytest.Key(t)
	g := newGuard(t, Config{HubDID: hub.DID(), Now: func() time.Time { return start }})
	tok := func() string { return token(t, hub, hub.DID(), start) }
	for name, headers := range map[string][]string{
		"none":           nil,
		"empty":          {""},
		"scheme only":    {"Bearer"},
		"scheme, blank":  {"Bearer "},
		"no scheme":      {tok()},
		"basic":          {"Basic " + tok()},
		"two spaces":     {"Bearer  " + tok()},
		"tab":            {"Bearer\t" + tok()},
		"trailing space": {"Bearer " + tok() + " "},
		"two headers":    {"Bearer " + tok(), "Bearer " + tok()},
		"list":           {"Bearer " + tok() + ", Bearer " + tok()},
		"quoted":         {`Bearer "` + tok() + `"`},
		"not ASCII":      {"Bearer 令牌"},
		"over-long":      {"Bearer " + strings.Repeat("a", identity.MaxTokenBytes+1)},
		"not a token":    {"Bearer abc"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := g.Operator(request(headers...))
			wantCode(t, err, "access.unauthenticated")
		})
	}
	if _, err := g.Operator(request("bearer " + tok())); err != nil {
		t.Errorf("the scheme is case-insensitive (RFC 9110, section 11.1): %v", err)
	}
}

func TestStrangersCannotFillTheMemory(t *testing.T) {
	hub, stranger := identitytest.Key(t), identitytest.Key(t)
	g := newGuard(t, Config{HubDID: hub.DID(), Now: func() time.Time { return start }})
	for range 50 {
		_, err := g.Operator(request("Bearer " + token(t, stranger, hub.DID(), start)))
		wantCode(t, err, "access.forbidden")
	}
	if n := len(g.usedByOfficers.tokens); n != 0 {
		t.Errorf("%d strangers' tokens are kept", n)
	}
}

func TestFullMemoryFailsClosed(t *testing.T) {
	hub := identitytest.Key(t)
	c := &clock{t: start}
	g := newGuard(t, Config{HubDID: hub.DID(), Now: c.now})
	g.usedByOfficers = newOnceSet(3)
	var tokens []string
	for range 3 {
		tokens = append(tokens, "Bearer "+token(t, hub, hub.DID(), c.now()))
		if _, err := g.Operator(request(tokens[len(tokens)-1])); err != nil {
			t.Fatal(err)
		}
	}
	_, err := g.Operator(request("Bearer " + token(t, hub, hub.DID(), c.now())))
	wantCode(t, err, "access.rate")
	for _, used := range tokens { // none was forgotten to make room
		_, err := g.Operator(request(used))
		wantCode(t, err, "access.unauthenticated")
	}
	c.move(6 * time.Minute)
	if _, err := g.Operator(request("Bearer " + token(t, hub, hub.DID(), c.now()))); err != nil {
		t.Errorf("expired tokens still stand in the way: %v", err)
	}
	if n := len(g.usedByOfficers.tokens); n != 1 {
		t.Errorf("%d tokens kept, want the new one", n)
	}
}

// ask sends one request from an address through Limit.
func ask(h http.Handler, from string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/api/v1/search", nil)
	r.RemoteAddr = from
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestRateLimit(t *testing.T) {
	c := &clock{t: start}
	g := newGuard(t, Config{PerSecond: 2, Burst: 3, Now: c.now})
	served := 0
	h := g.Limit(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { served++; w.WriteHeader(204) }))
	for i := range 3 {
		if w := ask(h, "192.0.2.1:1000"); w.Code != 204 {
			t.Fatalf("request %d of the burst: %d", i, w.Code)
		}
	}
	for range 5 { // refused requests cost no further waiting
		w := ask(h, "192.0.2.1:1001")
		if w.Code != 429 || w.Header().Get("Retry-After") != "1" || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Fatalf("%d %v", w.Code, w.Header())
		}
		var p struct {
			Type, Title, Detail, Code string
			Status                    int
			Problems                  vocab.Problems
		}
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != 429 || p.Code != "access.rate" || p.Detail == "" || p.Problems[0].Message["zh"] == "" {
			t.Errorf("%+v, %v", p, err)
		}
	}
	if w := ask(h, "192.0.2.2:1000"); w.Code != 204 {
		t.Errorf("another address: %d", w.Code)
	}
	c.move(500 * time.Millisecond)
	if w := ask(h, "192.0.2.1:1002"); w.Code != 204 {
		t.Errorf("after half a second: %d", w.Code)
	}
	if served != 5 {
		t.Errorf("served %d", served)
	}
}

// What is refused here is told as everywhere: to programs in the language they ask
// for, to browsers on a page, for a flood one that costs nothing.
func TestRefusalsInTheReadersLanguage(t *testing.T) {
	c := &clock{t: start}
	g := newGuard(t, Config{PerSecond: 0.1, Burst: 4, Now: c.now})
	h := g.Limit(http.HandlerFunc(g.SignIn))
	ask := func(lang, accept string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/session", nil)
		r.Header.Set("Accept-Language", lang)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for i, c := range []struct {
		lang, title, detail string
		status              int
	}{
		{"zh", "需要身份凭证", "没有收到令牌", 401}, {"zh-CN,en;q=0.8", "需要身份凭证", "没有收到令牌", 401}, {"en-GB", "Unauthorized", "there is no token", 401}, {"", "需要身份凭证", "没有收到令牌", 401},
		{"zh", "请求过于频繁", "请求过于频繁", 429}, {"en", "Too Many Requests", "too many requests", 429}, {"fr", "请求过于频繁", "请求过于频繁", 429},
	} {
		w := ask(c.lang, "*/*")
		var p Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != c.status || p.Status != c.status || p.Title != c.title || !strings.HasPrefix(p.Detail, c.detail) ||
			w.Header().Get("Vary") != "Accept-Language" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%d, %q: %d %s", i, c.lang, w.Code, w.Body)
		}
	}
	w := ask("en", "text/html,application/xhtml+xml,*/*;q=0.8")
	if w.Code != 429 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || w.Header().Get("Retry-After") == "" ||
		!strings.Contains(w.Body.String(), "请求过于频繁") || !strings.Contains(w.Body.String(), "Too many requests") || !strings.HasPrefix(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestSlowRatesSayHowLong(t *testing.T) {
	c := &clock{t: start}
	g := newGuard(t, Config{PerSecond: 0.1, Burst: 1, Now: c.now})
	h := g.Limit(http.NotFoundHandler())
	ask(h, "[2001:db8::1]:1")
	w := ask(h, "[2001:db8::2]:1")
	after, err := strconv.Atoi(w.Header().Get("Retry-After"))
	if w.Code != 429 || err != nil || after != 10 {
		t.Fatalf("%d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	c.move(time.Duration(after) * time.Second)
	if w := ask(h, "[2001:db8::3]:1"); w.Code != 404 {
		t.Errorf("after waiting as told: %d", w.Code)
	}
}

func TestNetwork(t *testing.T) {
	for from, want := range map[string]string{
		"192.0.2.1:80":             "192.0.2.1/32",
		"[::ffff:192.0.2.1]:80":    "192.0.2.1/32",
		"[2001:db8:1:2:3::4]:80":   "2001:db8:1:2::/64",
		"[2001:db8:1:2:ff::9]:443": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:80":        "fe80::/64",
		"[fe80::1%eth1]:80":        "fe80::/64",
		"[::1]:80":                 "::/64",
	} {
		if got := network(from); got != netip.MustParsePrefix(want) {
			t.Errorf("%s: %s, want %s", from, got, want)
		}
	}
	for _, from := range []string{"", "@", "localhost:80", "192.0.2.1", "[::1]"} {
		if got := network(from); got != (netip.Prefix{}) {
			t.Errorf("%q: %s", from, got)
		}
	}
}

func TestAddressesAreBounded(t *testing.T) {
	g := newGuard(t, Config{Now: func() time.Time { return start }})
	for i := range maxParties + 1000 {
		g.addresses.wait(networkOf(fmt.Sprintf("[2001:db8:%x:%x::1]:1", i>>16, i&0xffff)), start)
	}
	if n := g.addresses.cache.Len(); n != maxParties {
		t.Errorf("%d addresses kept", n)
	}
}

func TestConcurrentFirstRequestsShareOneLimit(t *testing.T) {
	g := newGuard(t, Config{PerSecond: 0.001, Burst: 10, Now: func() time.Time { return start }})
	var mu sync.Mutex
	served := 0
	h := g.Limit(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { mu.Lock(); served++; mu.Unlock() }))
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() { ask(h, "192.0.2.1:1") })
	}
	wg.Wait()
	if served != 10 {
		t.Errorf("served %d, want the burst of 10", served)
	}
}

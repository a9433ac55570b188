package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lianmu/federation/ledger"
	"lianmu/hub/access"
	"lianmu/hub/view"
	"lianmu/vocab"
)

func TestMethods(t *testing.T) {
	pages := func(c *Config) {
		c.Pages = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<p>page") })
	}
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"POST", "/api/v1/search", 405, "GET, HEAD"},
		{"DELETE", "/api/v1/submissions", 405, "GET, HEAD, POST"},
		{"PUT", "/api/v1/offerings/a/b//c", 405, "GET, HEAD"},
		{"GET", "/ndi/v1/catalog/query", 405, "POST"},
		{"OPTIONS", "/api/v1/search", 405, "GET, HEAD"},
		{"FROBNICATE", "/checkpoint", 405, "GET, HEAD"},
		{"HEAD", "/api/v1/search", 200, ""},
		{"HEAD", "/checkpoint", 200, ""},
		{"GET", "/api/v1/nothing", 404, ""},
		{"GET", "/api/v1/search/", 404, ""},
		{"GET", "/api//v1/search", 404, ""},
		{"GET", "/api/v1/../v1/search", 404, ""},
		{"GET", "/ndi/", 404, ""},
		{"GET", "/tile/", 404, ""},
	} {
		for name, s := range map[string]*site{"alone": newSite(t), "with pages": newSite(t, pages)} {
			got := s.send(t, request(c.method, c.path, ""))
			if got.status != c.status || got.header.Get("Allow") != c.allow {
				t.Errorf("%s %s %s: %d, allow %q", name, c.method, c.path, got.status, got.header.Get("Allow"))
			}
			if c.status == 405 && got.code() != "request.method" || c.status == 404 && got.code() != "request.not_found" {
				t.Errorf("%s %s %s: %s", name, c.method, c.path, got.body)
			}
		}
	}
}

func TestPages(t *testing.T) {
	s := newSite(t, func(c *Config) {
		c.Pages = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Security-Policy", "default-src 'self'")
			fmt.Fprint(w, "page "+r.URL.Path)
		})
	})
	for _, path := range []string{"/", "/offering", "/static/a.css", "/apix"} {
		got := s.get(t, path)
		if got.status != 200 || string(got.body) != "page "+path || got.header.Get("Content-Security-Policy") != "default-src 'self'" {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if got := s.send(t, request("POST", "/space/act", "x")); got.status != 200 {
		t.Errorf("a form: %d %s", got.status, got.body)
	}
	if got := s.send(t, request("PUT", "/", "x")); got.status != 405 || got.header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("PUT /: %d %s", got.status, got.body)
	}
	if got := newSite(t).get(t, "/"); got.status != 404 || got.code() != "request.not_found" {
		t.Errorf("without pages: %d %s", got.status, got.body)
	}
}

func TestHeadIsGetWithoutBody(t *testing.T) {
	s := newSite(t)
	server := httptest.NewServer(s.handler)
	defer server.Close()
	for _, path := range []string{"/api/v1/search", "/api/v1/log", "/checkpoint", "/tile/0/000", "/api/v1/offerings", "/healthz"} {
		get, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		get.Body.Close()
		head, err := http.Head(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(head.Body)
		head.Body.Close()
		if head.StatusCode != get.StatusCode || head.Header.Get("Content-Type") != get.Header.Get("Content-Type") || len(body) != 0 {
			t.Errorf("%s: HEAD %d, GET %d, %d bytes", path, head.StatusCode, get.StatusCode, len(body))
		}
	}
}

func TestProblemSpeaksTheReadersLanguage(t *testing.T) {
	for header, want := range map[string]string{
		"": "zh", "en": "en", "en-US,en;q=0.9": "en", "zh-CN,zh;q=0.9,en;q=0.8": "zh", "en;q=0.3, zh;q=0.9": "zh",
		"fr": "zh", "fr, en;q=0.5": "en", "*": "zh", "zh-TW": "zh", "nonsense;;;": "zh", strings.Repeat("en,", 100): "zh",
	} {
		s := newSite(t)
		r := request("GET", "/api/v1/offerings/a/b", "")
		r.Header.Set("Accept-Language", header)
		got := s.send(t, r)
		p := read[access.Problem](t, got)
		title, detail := "未找到", p.Problems[0].Message["zh"]
		if want == "en" {
			title, detail = "Not Found", p.Problems[0].Message["en"]
		}
		if got.header.Get("Content-Language") != want || p.Title != title || p.Detail != detail || !strings.Contains(strings.Join(got.header.Values("Vary"), ","), "Accept-Language") {
			t.Errorf("%q: %v %s", header, got.header, got.body)
		}
	}
}

func TestErrorTable(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   string
		header string
	}{
		{fmt.Errorf("wrapped: %w", view.ErrNotFound), 404, "catalog.not_found", ""},
		{ledger.ErrFull, 503, "log.full", "Retry-After"},
		{fmt.Errorf("%w: at odds", ledger.ErrReadOnly), 503, "log.read_only", "Retry-After"},
		{context.DeadlineExceeded, 503, "request.timeout", "Retry-After"},
		{context.Canceled, 499, "request.cancelled", ""},
		{vocab.Problems{vocab.NewProblem("", "access.unauthenticated", "令牌", "token")}, 401, "access.unauthenticated", "Www-Authenticate"},
		{vocab.Problems{vocab.NewProblem("", "access.rate", "慢", "slow")}, 429, "access.rate", "Retry-After"},
		{vocab.Problems{vocab.NewProblem("", "whatever.else", "错", "wrong")}, 400, "whatever.else", ""},
		{vocab.Problems{}, 500, "internal", ""},
		{errors.New("else"), 500, "internal", ""},
	} {
		s := newSite(t)
		s.catalog.err = c.err
		got := s.get(t, "/api/v1/search")
		if got.status != c.status || got.code() != c.code || c.header != "" && got.header.Get(c.header) == "" {
			t.Errorf("%v: %d %v %s", c.err, got.status, got.header, got.body)
		}
	}
}

func TestPanicIsContained(t *testing.T) {
	s := newSite(t, func(c *Config) { c.MayRead = func(vocab.Reader, ledger.Record) bool { panic("secret") } })
	got := s.post(t, "/api/v1/documents", asking(s.ledger.records[0].Fact.Digest))
	if got.status != 500 || got.code() != "internal" || strings.Contains(string(got.body), "secret") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if !strings.Contains(s.logged.String(), "secret") || !strings.Contains(s.logged.String(), got.header.Get("X-Request-Id")) {
		t.Errorf("the log does not tell: %s", s.logged)
	}
	if got := s.get(t, "/api/v1/log"); got.status != 200 {
		t.Errorf("afterwards: %d", got.status)
	}
}

func TestRequestID(t *testing.T) {
	s := newSite(t)
	seen := map[string]bool{}
	for given, kept := range map[string]bool{
		"": false, "abc-1_2.3": true, "a b": false, "a\nInjected: x": false, "日志": false,
		strings.Repeat("a", 64): true, strings.Repeat("a", 65): false, `"><script>`: false,
	} {
		r := request("GET", "/api/v1/log", "")
		r.Header["X-Request-Id"] = []string{given}
		id := s.send(t, r).header.Get("X-Request-Id")
		if (id == given) != kept || id == "" || seen[id] {
			t.Errorf("%q became %q", given, id)
		}
		seen[id] = true
	}
}

func TestRateLimitSparesProbes(t *testing.T) {
	s := newSite(t, guarded(func(c *access.Config) { c.PerSecond, c.Burst = 1, 1 }))
	s.get(t, "/api/v1/search")
	for path, want := range map[string]int{"/api/v1/search": 429, "/": 429, "/healthz": 200, "/readyz": 200, "/metrics": 200} {
		r := request("GET", path, "")
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestCompression(t *testing.T) {
	for _, c := range []struct {
		path, accept string
		want         bool
	}{
		{"/openapi.json", "gzip", true},
		{"/openapi.json", "gzip;q=0", false},
		{"/openapi.json", "", false},
		{"/openapi.json", "br, zstd", false},
		{"/api/v1/log", "gzip", false}, // too short to be worth it
		{"/tile/0/000", "gzip", false}, // hashes do not compress
	} {
		s := newSite(t)
		r := request("GET", c.path, "")
		r.Header.Set("Accept-Encoding", c.accept)
		got := s.send(t, r)
		if (got.header.Get("Content-Encoding") == "gzip") != c.want || !strings.Contains(strings.Join(got.header.Values("Vary"), ","), "Accept-Encoding") {
			t.Errorf("%s, %q: %v", c.path, c.accept, got.header)
		}
		if c.want && len(gunzip(t, got.body)) <= len(got.body) {
			t.Errorf("%s did not become shorter", c.path)
		}
	}
}

// Whatever is asked, the number of series stays that of the routes.
func TestMetricsAreBounded(t *testing.T) {
	registry := prometheus.NewRegistry()
	silent := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/silent" {
			http.NotFound(w, r)
		}
	})
	s := newSite(t, func(c *Config) { c.Registry, c.Pages = registry, silent })
	for i := range 50 {
		s.get(t, fmt.Sprintf("/api/nothing/%d", i))
		s.get(t, fmt.Sprintf("/api/v1/offerings/a/%d", i))
		s.send(t, request(fmt.Sprintf("M%d", i), "/api/v1/log", ""))
		s.get(t, "/silent") // a page that writes nothing is a 200
	}
	series := map[string]int{"lianmu_http_requests_total": 4, "lianmu_http_request_seconds": 4}
	families, err := registry.Gather()
	if err != nil || len(families) != 2 {
		t.Fatalf("%d families, %v", len(families), err)
	}
	for _, f := range families {
		if n := len(f.GetMetric()); n != series[f.GetName()] {
			t.Errorf("%s has %d series", f.GetName(), n)
		}
	}
	page := string(s.get(t, "/metrics").body)
	for _, line := range []string{
		`lianmu_http_requests_total{code="404",method="GET",route="/api/v1/offerings/{space}/{id}"} 50`,
		`lianmu_http_requests_total{code="404",method="GET",route="other"} 50`,
		`lianmu_http_requests_total{code="200",method="GET",route="pages"} 50`,
		`lianmu_http_requests_total{code="405",method="other",route="/api/v1/log"} 50`,
	} {
		if !strings.Contains(page, line) {
			t.Errorf("no line %s", line)
		}
	}
}

func TestServerHasLimits(t *testing.T) {
	h := Server(http.NotFoundHandler())
	for name, d := range map[string]time.Duration{"header": h.ReadHeaderTimeout, "read": h.ReadTimeout, "write": h.WriteTimeout, "idle": h.IdleTimeout} {
		if d <= 0 {
			t.Errorf("no %s timeout", name)
		}
	}
	if h.MaxHeaderBytes <= 0 || h.MaxHeaderBytes > 64<<10 {
		t.Errorf("headers of %d bytes", h.MaxHeaderBytes)
	}
}

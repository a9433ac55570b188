package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/gorilla/mux"

	"lianmu/federation/ledger"
	"lianmu/hub/access"
	"lianmu/vocab"
)

// The site below answers from memory behind this package's own interfaces.
// Every answer that a test asks for is held to the OpenAPI description.

const (
	spaceA = "did:key:z6MkspaceA"
	spaceB = "did:key:z6MkspaceB"
	idA    = "https://data.example/products//bus?line=71#now" // with what breaks careless routers
	idB    = "urn:example:空气质量"
	codeA  = "691512081MA62K0260E31000000000A*"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

type site struct {
	*api
	handler http.Handler
	router  *mux.Router
	spec    *openapi3.T
	logged  *bytes.Buffer

	catalog *memoryCatalog
	intake  *memoryIntake
	ledger  *memoryLog
	desk    *memoryDesk
	noted   *memoryTrail
	others  *memoryPeers
}

func newSite(t testing.TB, change ...func(*Config)) *site {
	t.Helper()
	logged := &bytes.Buffer{}
	catalog, kept := newCatalog(), newLog()
	taken := &memoryIntake{receipts: map[vocab.Digest]vocab.Receipt{}, log: kept}
	desk, noted, others := &memoryDesk{}, &memoryTrail{}, &memoryPeers{}
	spaces := newSpaces()
	c := Config{
		Catalog: catalog, Intake: taken, Log: kept, Spaces: spaces, Admission: desk, Trail: noted, Peers: others, Questions: others,
		HubDID: operator().DID(), BodySize: 4096,
		MayRead: func(reader vocab.Reader, rec ledger.Record) bool { return reader.All || rec.Fact.ID != "urn:hidden" },
		Logger:  slog.New(slog.NewTextHandler(logged, nil)),
		Now:     func() time.Time { return noon },
	}
	guarded(func(*access.Config) {})(&c)
	for _, f := range change {
		f(&c)
	}
	a := newAPI(c)
	router := a.router()
	spec, err := described()
	if err != nil {
		t.Fatal(err)
	}
	return &site{api: a, handler: a.handler(router), router: router, spec: spec, logged: logged, catalog: catalog, intake: taken, ledger: kept, desk: desk, noted: noted, others: others}
}

// described reads the description once for all tests; nobody changes it.
var described = sync.OnceValues(func() (*openapi3.T, error) {
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", openapi3filter.FileBodyDecoder)
	raw, err := Description()
	if err != nil {
		return nil, err
	}
	return openapi3.NewLoader().LoadFromData(raw)
})

// get asks without a token; send asks with what the test builds.
func (s *site) get(t *testing.T, target string) *reply {
	t.Helper()
	return s.send(t, request(http.MethodGet, target, ""))
}

func (s *site) post(t *testing.T, target, body string) *reply {
	t.Helper()
	r := request(http.MethodPost, target, body)
	r.Header.Set("Content-Type", "application/json")
	return s.send(t, r)
}

func request(method, target, body string) *http.Request {
	var b io.Reader
	if body != "" {
		b = strings.NewReader(body)
	}
	return httptest.NewRequest(method, target, b)
}

type reply struct {
	status int
	header http.Header
	body   []byte
	route  string
}

func (s *site) send(t *testing.T, r *http.Request) *reply {
	t.Helper()
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	res := w.Result()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var match mux.RouteMatch
	route := ""
	if s.router.Match(r, &match) && match.Route != nil {
		route, _ = match.Route.GetPathTemplate()
	}
	out := &reply{res.StatusCode, res.Header, body, label(route)}
	s.holdToSpec(t, r, out)
	return out
}

// holdToSpec checks an answer against the operation that it came from, or,
// where there is none, that it is a problem.
func (s *site) holdToSpec(t *testing.T, r *http.Request, got *reply) {
	t.Helper()
	if h := got.header.Get("X-Content-Type-Options"); h != "nosniff" {
		t.Errorf("%s %s: X-Content-Type-Options is %q", r.Method, r.URL, h)
	}
	method := r.Method
	if method == http.MethodHead {
		return // the body is for the server to drop
	}
	item := s.spec.Paths.Value(got.route)
	if item == nil || item.GetOperation(method) == nil {
		if got.status >= 400 {
			s.holdToProblem(t, got)
		}
		return
	}
	body := got.body
	if got.header.Get("Content-Encoding") == "gzip" {
		body = gunzip(t, body)
	}
	err := openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: r,
			Route:   &routers.Route{Spec: s.spec, Path: got.route, PathItem: item, Method: method, Operation: item.GetOperation(method)},
		},
		Status: got.status, Header: got.header, Body: io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	})
	if err != nil {
		t.Errorf("%s %s: the answer is not as described: %v\n%s", method, r.URL, err, body)
	}
	if got.header.Get("Content-Type") == "application/problem+json" {
		s.holdToProblem(t, got)
	}
}

// byGuard reports whether a route's answers are not this package's own, but the
// guard's or those to other hubs.
func byGuard(route string) bool {
	return strings.HasPrefix(route, "/session") || strings.HasPrefix(route, "/oidc/") || strings.HasPrefix(route, questionPath)
}

func (s *site) holdToProblem(t *testing.T, got *reply) {
	t.Helper()
	var p access.Problem
	if err := json.Unmarshal(got.body, &p); err != nil || got.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("not a problem: %v %s %s", err, got.header.Get("Content-Type"), got.body)
		return
	}
	if p.Status != got.status || p.Title == "" || p.Code == "" || len(p.Problems) == 0 || p.RequestID != got.header.Get("X-Request-Id") && !byGuard(got.route) {
		t.Errorf("problem is incomplete: %s", got.body)
	}
	for _, one := range p.Problems {
		if one.Message["zh"] == "" || one.Message["en"] == "" {
			t.Errorf("problem %s lacks a language: %v", one.Code, one.Message)
		}
	}
}

// code returns the problem's code, or "" where the answer is none.
func (r *reply) code() string {
	var p access.Problem
	if r.header.Get("Content-Type") != "application/problem+json" || json.Unmarshal(r.body, &p) != nil {
		return ""
	}
	return p.Code
}

func read[T any](t *testing.T, r *reply) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(r.body, &v); err != nil {
		t.Fatalf("%v in %s", err, r.body)
	}
	return v
}

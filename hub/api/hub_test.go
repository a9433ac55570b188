package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub"
	"lianmu/hub/api"
	"lianmu/hub/hubtest"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// live is a whole hub, with its real log, index and guard, and a space.
type live struct {
	t        *testing.T
	info     hub.Info
	space    *identity.Key
	operator *identity.Key
	spec     *openapi3.T
	at       identity.Stamp
}

func startHub(t *testing.T, edit ...func(*hub.Config)) *live {
	t.Helper()
	dir := t.TempDir()
	c := hubtest.Config(t, dir)
	c.Logger = slog.New(slog.DiscardHandler)
	for _, f := range edit {
		f(&c)
	}
	h, _ := hubtest.Start(t, c)
	l := &live{t: t, info: h.Info(), space: identitytest.Key(t)}
	var err error
	if l.operator, err = identity.ReadKey(filepath.Join(dir, "hub.key")); err != nil {
		t.Fatal(err)
	}
	raw, err := api.Description()
	if err != nil {
		t.Fatal(err)
	}
	if l.spec, err = openapi3.NewLoader().LoadFromData(raw); err != nil {
		t.Fatal(err)
	}
	return l
}

// call makes one request, as nobody or as the hub's own key.
func (l *live) call(method, route, target, body string, operator bool) (int, []byte) {
	l.t.Helper()
	var by *identity.Key
	if operator {
		by = l.operator
	}
	status, _, got := l.ask(by, method, route, target, body)
	return status, got
}

// ask makes one request with a fresh token of a key (nil: without), and holds its
// answer to the description of route. Headers are "Name: value".
func (l *live) ask(by *identity.Key, method, route, target, body string, headers ...string) (int, http.Header, []byte) {
	l.t.Helper()
	r, err := http.NewRequest(method, l.info.HTTP+target, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	if by != nil {
		token, err := identity.NewToken(by, l.info.DID, time.Now(), time.Minute)
		if err != nil {
			l.t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	item := l.spec.Paths.Value(route)
	if item == nil || item.GetOperation(method) == nil {
		l.t.Fatalf("%s %s is not described", method, route)
	}
	err = openapi3filter.ValidateResponse(l.t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, Route: &routers.Route{
			Spec: l.spec, Path: route, PathItem: item, Method: method, Operation: item.GetOperation(method),
		}},
		Status: resp.StatusCode, Header: resp.Header, Body: io.NopCloser(bytes.NewReader(got)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	})
	if err != nil {
		l.t.Errorf("%s %s is not as described: %v\n%s", method, target, err, got)
	}
	return resp.StatusCode, resp.Header, got
}

func (l *live) submit(id, more string) (vocab.Receipt, []byte) {
	l.t.Helper()
	doc := fmt.Sprintf(`{"@context":"https://w3id.org/lianmu/v1","@id":%q,"@type":"DataProduct"%s}`, id, more)
	raw := identitytest.Sign(l.t, doc, l.space, identity.SignOptions{Created: l.at.Next(time.Now()), Expires: time.Now().Add(time.Hour)})
	var receipt vocab.Receipt
	status, got := l.call("POST", "/api/v1/submissions", "/api/v1/submissions", string(raw), false)
	if err := json.Unmarshal(got, &receipt); err != nil {
		l.t.Fatalf("%d %s: %v", status, got, err)
	}
	return receipt, raw
}

// TestOverAWholeHub asks every route of a real hub, as anybody and as the
// operator, and holds each answer to the description.
func TestOverAWholeHub(t *testing.T) {
	l := startHub(t)
	const open, inner, code = "https://space.example/a//b?c=1", "https://space.example/inner", "691512081MA62K0260E31000000000A*"
	public, raw := l.submit(open, `,"标题":"港口集装箱吞吐量<b>","描述":"每日更新的港口吞吐量","产品标识码":"`+code+`"`)
	hidden, _ := l.submit(inner, `,"标题":"港口内部数据","安全级别":"内部"`)
	refused, _ := l.submit("https://space.example/r", "")
	if public.Status != vocab.Accepted || hidden.Status != vocab.Accepted || refused.Status != vocab.Refused {
		t.Fatalf("receipts %+v %+v %+v", public, hidden, refused)
	}
	for { // until the index has both; the test's own time limit ends it
		var a view.Answer
		_, got := l.call("GET", "/api/v1/search", "/api/v1/search?limit=1", "", false)
		if err := json.Unmarshal(got, &a); err != nil {
			t.Fatal(err)
		}
		if a.Coverage[0].Indexed == 2 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	space := url.PathEscape(l.space.DID())
	digests := fmt.Sprintf(`{"digests":[%q,%q]}`, public.Digest, hidden.Digest)
	for _, c := range []struct {
		method, route, target, body string
		operator                    bool
		status                      int
		says                        string
	}{
		{"GET", "/api/v1/search", "/api/v1/search?q=" + url.QueryEscape("港口") + "&facets=all", "", false, 200, `"total":1,`},
		{"GET", "/api/v1/search", "/api/v1/search?filter=nosuch:x", "", false, 400, "nosuch"},
		{"GET", "/api/v1/search", "/api/v1/search?cursor=made-up", "", false, 400, "index.cursor"},
		{"GET", "/api/v1/search", "/api/v1/search?sort=made-up", "", false, 400, "sort"},
		{"GET", "/api/v1/suggest", "/api/v1/suggest?q=" + url.QueryEscape("港口"), "", false, 200, "集装箱"},
		{"GET", "/api/v1/offerings/{space}/{id}", "/api/v1/offerings/" + space + "/" + url.PathEscape(open), "", false, 200, code},
		{"GET", "/api/v1/offerings/{space}/{id}", "/api/v1/offerings/" + space + "/" + url.PathEscape(inner), "", false, 404, "catalog.not_found"},
		{"GET", "/api/v1/offerings", "/api/v1/offerings?id=" + url.QueryEscape(code), "", false, 200, open},
		{"GET", "/api/v1/offerings", "/api/v1/offerings?id=" + url.QueryEscape(inner), "", false, 404, "catalog.not_found"},
		{"GET", "/api/v1/spaces", "/api/v1/spaces", "", false, 200, l.space.DID()},
		{"GET", "/api/v1/spaces/{did}", "/api/v1/spaces/" + space, "", false, 200, `"offerings":1`},
		{"POST", "/api/v1/submissions", "/api/v1/submissions", string(raw), false, 200, `"unchanged"`},
		{"GET", "/api/v1/submissions/{digest}", "/api/v1/submissions/" + public.Digest.String(), "", false, 200, open},
		{"GET", "/api/v1/submissions/{digest}", "/api/v1/submissions/" + hidden.Digest.String(), "", false, 404, "receipt.not_found"},
		{"GET", "/api/v1/submissions/{digest}", "/api/v1/submissions/" + hidden.Digest.String(), "", true, 200, inner},
		{"GET", "/api/v1/submissions/{digest}", "/api/v1/submissions/" + refused.Digest.String(), "", false, 404, "receipt.not_found"},
		{"GET", "/api/v1/submissions/{digest}", "/api/v1/submissions/" + refused.Digest.String(), "", true, 200, `"refused"`},
		{"GET", "/api/v1/submissions", "/api/v1/submissions?refused=true", "", false, 401, "access.unauthenticated"},
		{"GET", "/api/v1/submissions", "/api/v1/submissions?refused=true", "", true, 200, refused.Digest.String()},
		{"GET", "/api/v1/log", "/api/v1/log", "", false, 200, l.info.DID},
		{"POST", "/api/v1/documents", "/api/v1/documents", digests, false, 200, `",null],"left":0`},
		{"GET", "/api/v1/spaces/{did}", "/api/v1/spaces/" + space, "", false, 200, `"standing":"admitted"`},
		{"GET", "/api/v1/spaces/{did}/participants", "/api/v1/spaces/" + space + "/participants", "", false, 200, `"items":[]`},
		{"GET", "/api/v1/access", "/api/v1/access", "", false, 200, "业务审核员"},
		{"GET", "/api/v1/me", "/api/v1/me", "", false, 200, `"anonymous"`},
		{"GET", "/api/v1/me", "/api/v1/me", "", true, 200, `"audit.read"`},
		{"GET", "/api/v1/log", "/api/v1/log", "", false, 200, `"open":true`},
		{"GET", "/api/v1/audit", "/api/v1/audit", "", false, 401, "access.unauthenticated"},
		{"GET", "/api/v1/views", "/api/v1/views", "", true, 200, `"registry"`},
		{"POST", "/api/v1/index/rebuild", "/api/v1/index/rebuild", "", true, 202, `"running":true`},
		{"GET", "/api/v1/index/rebuild", "/api/v1/index/rebuild", "", true, 200, `"done"`},
		{"GET", "/openapi.json", "/openapi.json", "", false, 200, "lianmu"},
		{"GET", "/healthz", "/healthz", "", false, 200, "ok"},
		{"GET", "/readyz", "/readyz", "", false, 200, "ready"},
		{"GET", "/metrics", "/metrics", "", false, 200, "lianmu_http_requests_total"},
		{"POST", "/ndi/v1/catalog/query", "/ndi/v1/catalog/query", `{"keywords":"港口 吞吐量"}`, false, 200, code},
		{"POST", "/ndi/v1/catalog/query", "/ndi/v1/catalog/query", `{"keywords":"港口 内部"}`, false, 200, `"total":0`},
		{"POST", "/ndi/v1/catalog/detail", "/ndi/v1/catalog/detail", `{"productId":"` + code + `"}`, false, 200, open},
		{"POST", "/ndi/v1/catalog/detail", "/ndi/v1/catalog/detail", `{"productId":"` + inner + `"}`, false, 200, "13001"},
	} {
		status, got := l.call(c.method, c.route, c.target, c.body, c.operator)
		if status != c.status || !bytes.Contains(got, []byte(c.says)) {
			t.Errorf("%s %s: %d without %q: %s", c.method, c.target, status, c.says, got)
		}
		if !c.operator && c.status != 404 && bytes.Contains(got, []byte("港口内部数据")) {
			t.Errorf("%s %s shows what is not public", c.method, c.target)
		}
	}

	// The log is signed within a second of growing.
	for {
		status, got := l.call("GET", "/checkpoint", "/checkpoint", "", false)
		if status == 200 && strings.Split(string(got), "\n")[1] == "2" {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if status, got := l.call("GET", "/tile/{path}", "/tile/0/000.p/2", "", false); status != 200 || len(got) != 64 {
		t.Errorf("tile: %d, %d bytes", status, len(got))
	}
	if status, _ := l.call("GET", "/tile/{path}", "/tile/0/000", "", false); status != 404 {
		t.Errorf("a tile that is not full yet: %d", status)
	}
}

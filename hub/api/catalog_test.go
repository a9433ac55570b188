package api

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"lianmu/hub/access"
	"lianmu/hub/view"
	"lianmu/index"
	"lianmu/vocab"
)

func TestSearchAsksWhatTheReaderAsked(t *testing.T) {
	s := newSite(t)
	got := s.get(t, "/api/v1/search?q=%E5%85%AC%E4%BA%A4+-x&filter=kind:product&filter=region%3D3100&facets=kind,theme&sort=-modified&limit=5&offset=10&cursor=abc&stale=true")
	if got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	q := s.catalog.asked
	if q.Q != "公交 -x" || strings.Join(q.Filter, " ") != "kind:product region=3100" || strings.Join(q.Facets, " ") != "kind theme" ||
		q.Sort != "-modified" || q.Limit != 5 || q.Offset != 10 || q.Cursor != "abc" || !q.Stale || q.Reader.All {
		t.Errorf("asked %+v", q)
	}
	a := read[view.Answer](t, got)
	if a.Total != 2 || len(a.Hits) != 2 || a.Hits[0].ID != idA {
		t.Errorf("answered %s", got.body)
	}
}

// Texts from outside stay text: in JSON they cannot end a script, and no
// browser takes the answer for a page.
func TestAnswersAreNoPages(t *testing.T) {
	s := newSite(t)
	for _, target := range []string{
		"/api/v1/search", "/api/v1/offerings?id=" + url.QueryEscape(idA),
		"/api/v1/suggest?q=" + url.QueryEscape("<script>"),
		"/api/v1/search?" + url.QueryEscape("<script>") + "=1",
		"/<script>alert(1)</script>",
	} {
		got := s.get(t, target)
		if strings.Contains(string(got.body), "<script") {
			t.Errorf("%s: a tag in %s", target, got.body)
		}
		if ct := got.header.Get("Content-Type"); ct != "application/json" && ct != "application/problem+json" {
			t.Errorf("%s is %s", target, ct)
		}
		if csp := got.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
			t.Errorf("%s: policy %q", target, csp)
		}
		if got.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s can be read by foreign pages", target)
		}
	}
}

func TestOffering(t *testing.T) {
	const path = "/api/v1/offerings/"
	for _, c := range []struct {
		name, target string
		status       int
		id           string
	}{
		{"percent-encoded", path + spaceA + "/" + url.PathEscape(idA), 200, idA},
		{"slashes as they are", path + spaceA + "/https://data.example/products//bus%3Fline=71%23now", 200, idA},
		{"Chinese", path + spaceB + "/" + url.PathEscape(idB), 200, idB},
		{"space encoded too", path + url.PathEscape(spaceB) + "/" + url.PathEscape(idB), 200, idB},
		{"another's", path + spaceB + "/" + url.PathEscape(idA), 404, ""},
		{"hidden", path + spaceB + "/urn:hidden", 404, ""},
		{"absent", path + spaceB + "/urn:absent", 404, ""},
		{"climbing", path + spaceB + "/..%2f..%2fetc%2fpasswd", 404, ""},
		{"climbing openly", path + spaceB + "/../../healthz", 404, ""},
		{"no id", path + spaceB + "/", 404, ""},
		{"encoded twice is once", path + spaceB + "/" + url.PathEscape(url.PathEscape(idB)), 404, ""},
		{"not UTF-8", path + spaceB + "/%ff%fe", 400, ""},
		{"a line break", path + spaceB + "/a%0d%0aSet-Cookie:x", 400, ""},
		{"a NUL", path + spaceB + "/a%00", 400, ""},
		{"too long", path + spaceB + "/" + strings.Repeat("a", maxID+1), 400, ""},
		{"a parameter", path + spaceB + "/urn:x?limit=1", 400, ""},
		{"by @id", "/api/v1/offerings?id=" + url.QueryEscape(idA), 200, idA},
		{"by code", "/api/v1/offerings?id=" + url.QueryEscape(codeA), 200, idA},
		{"by @id and space", "/api/v1/offerings?space=" + spaceB + "&id=" + url.QueryEscape(idB), 200, idB},
		{"by @id and another space", "/api/v1/offerings?space=" + spaceA + "&id=" + url.QueryEscape(idB), 404, ""},
		{"hidden by @id", "/api/v1/offerings?id=urn:hidden", 404, ""},
		{"without id", "/api/v1/offerings", 400, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			got := s.get(t, c.target)
			if got.status != c.status {
				t.Fatalf("%d %s", got.status, got.body)
			}
			if c.id != "" && read[view.Detail](t, got).Offering.ID != c.id {
				t.Errorf("got %s", got.body)
			}
			if got.header.Get("Set-Cookie") != "" {
				t.Error("a header was injected")
			}
		})
	}
}

// The answer for what is hidden is, to the byte but for the request's number,
// the answer for what is not there.
func TestHiddenLooksAbsent(t *testing.T) {
	s := newSite(t)
	ask := func(target string) string {
		r := request(http.MethodGet, target, "")
		r.Header.Set("X-Request-Id", "same")
		got := s.send(t, r)
		return string(got.body)
	}
	hidden, absent := ask("/api/v1/offerings/"+spaceB+"/urn:hidden"), ask("/api/v1/offerings/"+spaceB+"/urn:absent")
	if hidden != absent {
		t.Errorf("hidden: %s\nabsent: %s", hidden, absent)
	}
}

func TestSuggest(t *testing.T) {
	for target, n := range map[string]int{
		"/api/v1/suggest?q=%E5%85%AC%E4%BA%A4":         2,
		"/api/v1/suggest?q=%E5%85%AC%E4%BA%A4&limit=1": 1,
		"/api/v1/suggest?q=nothing":                    0,
		"/api/v1/suggest":                              0,
	} {
		s := newSite(t)
		got := s.get(t, target)
		if l := read[list[index.Suggestion]](t, got); got.status != 200 || len(l.Items) != n || !strings.Contains(string(got.body), `"items":[`) {
			t.Errorf("%s: %d %s", target, got.status, got.body)
		}
	}
}

func TestSpacesPage(t *testing.T) {
	s := newSite(t)
	var seen []string
	target := "/api/v1/spaces?limit=1"
	for range 5 {
		l := read[list[view.SpaceSummary]](t, s.get(t, target))
		for _, x := range l.Items {
			seen = append(seen, x.DID)
		}
		if l.Next == "" {
			break
		}
		target = "/api/v1/spaces?limit=1&cursor=" + url.QueryEscape(l.Next)
	}
	if strings.Join(seen, " ") != spaceA+" "+spaceB+" did:web:example.com:空间" {
		t.Errorf("seen %v", seen)
	}
	if got := s.get(t, "/api/v1/spaces?cursor=did:key:gone"); got.status != 400 || got.code() != "index.cursor" {
		t.Errorf("foreign cursor: %d %s", got.status, got.body)
	}
	for target, status := range map[string]int{
		"/api/v1/spaces/" + spaceA:                                   200,
		"/api/v1/spaces/" + url.PathEscape("did:web:example.com:空间"): 200,
		"/api/v1/spaces/did:key:none":                                404,
		"/api/v1/spaces/%ff":                                         400,
	} {
		if got := s.get(t, target); got.status != status {
			t.Errorf("%s: %d %s", target, got.status, got.body)
		}
	}
}

func TestBadQuestions(t *testing.T) {
	for _, c := range []struct{ query, code, says string }{
		{"limt=5", "request.unknown_parameter", "did you mean limit"},
		{"Q=x", "request.unknown_parameter", "did you mean q"},
		{"frobnicate=1", "request.unknown_parameter", "there are q, filter"},
		{"%E2%80%AE%0d%0a=1", "request.unknown_parameter", ""},
		{"limit=0", "request.number", "1 to 100"},
		{"limit=101", "request.number", ""},
		{"limit=ten", "request.number", ""},
		{"stale=1", "request.boolean", "true or false"},
		{"limit=", "request.number", ""},
		{"limit=99999999999999999999999", "request.too_long", ""},
		{"limit=9223372036854775808", "request.number", ""},
		{"limit=1&limit=2", "request.repeated", "only once"},
		{"offset=-1", "request.number", ""},
		{"offset=10001", "request.number", ""},
		{"q=a&q=b", "request.repeated", ""},
		{"q=" + strings.Repeat("a", 1001), "request.too_long", "1000"},
		{"q=%ff", "request.encoding", ""},
		{"q=a%00b", "request.encoding", ""},
		{"q=%zz", "request.query", ""},
		{"q=a;limit=2", "request.query", ""},
		{strings.Repeat("filter=a:b&", 33) + "q=x", "request.repeated", "32"},
		{"filter=" + strings.Repeat("字", 501), "request.too_long", "500"},
		{"q=" + strings.Repeat("%41", 3000), "request.too_long", "8192"},
	} {
		s := newSite(t)
		r := request(http.MethodGet, "/api/v1/search?"+c.query, "")
		r.Header.Set("Accept-Language", "en")
		got := s.send(t, r)
		if got.status != http.StatusBadRequest || got.code() != c.code || !strings.Contains(string(got.body), c.says) {
			t.Errorf("%.60s: %d %s, want %s saying %q", c.query, got.status, got.body, c.code, c.says)
		}
		if s.catalog.asked.Reader.All {
			t.Errorf("%.60s reached the catalogue", c.query)
		}
	}
}

func TestAllFaultsAreTold(t *testing.T) {
	s := newSite(t)
	p := read[access.Problem](t, s.get(t, "/api/v1/search?limit=x&offset=y&nope=1&sort=a&sort=b"))
	if len(p.Problems) != 4 {
		t.Errorf("told %v", p.Problems)
	}
}

func TestSearchErrors(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{index.ErrCursor, 400, "index.cursor"},
		{vocab.Problems{vocab.NewProblem("/q", "query.too_deep", "太深", "too deep")}, 400, "query.too_deep"},
		{errors.New("secret path /var/lib/x"), 500, "internal"},
	} {
		s := newSite(t)
		s.catalog.err = c.err
		got := s.get(t, "/api/v1/search")
		if got.status != c.status || got.code() != c.code {
			t.Errorf("%v: %d %s", c.err, got.status, got.body)
		}
		if strings.Contains(string(got.body), "secret") {
			t.Errorf("the detail leaves the hub: %s", got.body)
		}
		if c.status == 500 && !strings.Contains(s.logged.String(), "secret path") {
			t.Errorf("the detail is not in the log: %s", s.logged)
		}
	}
}

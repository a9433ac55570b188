package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"lianmu/hub/view"
	"lianmu/index"
	"lianmu/index/query"
	"lianmu/vocab"
)

type ndiGot struct {
	Code    int
	Message string
	Data    struct {
		Total      int
		ResultData []ndiProduct
		ndiDetailed
	}
}

func TestNDIQuery(t *testing.T) {
	s := newSite(t)
	res := s.post(t, "/ndi/v1/catalog/query", `{"keywords":"公交　客流","order":"asc","offset":3,"limit":2,"vendorField":"x"}`)
	got := read[ndiGot](t, res)
	if q := s.catalog.asked; q.Q != "公交 客流" || q.Sort != "modified" || q.Offset != 3 || q.Limit != 2 || len(q.Filter) != 0 {
		t.Errorf("asked %+v", q)
	}
	if res.status != 200 || got.Code != 10000 || got.Message != "成功" || got.Data.Total != 2 || len(got.Data.ResultData) != 2 {
		t.Fatalf("%d %s", res.status, res.body)
	}
	coded, uncoded := got.Data.ResultData[0], got.Data.ResultData[1]
	if coded.ProductID != codeA || uncoded.ProductID != idB {
		t.Errorf("productId %q and %q", coded.ProductID, uncoded.ProductID)
	}
	if uncoded.ProductName != "空气质量" || uncoded.Dscription != "空气质量的说明" || uncoded.Description != uncoded.Dscription || uncoded.UpdateTime != "2026-11-21T12:00:00Z" {
		t.Errorf("product %+v", uncoded)
	}
	for _, body := range []string{`{}`, `{"keywords":null,"order":null}`, `{"keywords":"","order":""}`, `{"order":"dsc"}`} {
		s := newSite(t)
		if got := read[ndiGot](t, s.post(t, "/ndi/v1/catalog/query", body)); got.Code != 10000 || s.catalog.asked.Sort != "-modified" || s.catalog.asked.Limit != 20 {
			t.Errorf("%s: %+v, asked %+v", body, got, s.catalog.asked)
		}
	}
}

func TestNDIDetail(t *testing.T) {
	s := newSite(t)
	for _, id := range []string{codeA, idA} {
		got := read[ndiGot](t, s.post(t, "/ndi/v1/catalog/detail", `{"productId":"`+id+`"}`))
		d := got.Data.ndiDetailed
		if got.Code != 10000 || d.ProductID != codeA || d.OfferingID != idA || d.DeliveryForm == nil || *d.DeliveryForm != (ndiCoded{"002", "API产品"}) ||
			len(d.Themes) != 1 || strings.Join(d.Keywords, " ") != "公交 客流" || d.SecurityLevel != nil {
			t.Errorf("%s: %+v", id, got)
		}
	}
}

func TestNDICodes(t *testing.T) {
	const ask, detail = "/ndi/v1/catalog/query", "/ndi/v1/catalog/detail"
	for _, c := range []struct {
		path, body string
		err        error // of the catalogue
		status     int
		code       int
	}{
		{ask, `[]`, nil, 200, 11001},
		{ask, ``, nil, 200, 11001},
		{ask, `{"keywords":"a"} x`, nil, 200, 11001},
		{ask, `{"keywords":["a"]}`, nil, 200, 11002},
		{ask, `{"keywords":"` + strings.Repeat("字", 501) + `"}`, nil, 200, 11002},
		{ask, `{"order":"desc"}`, nil, 200, 11002},
		{ask, `{"offset":-1}`, nil, 200, 11002},
		{ask, `{"offset":10001}`, nil, 200, 11002},
		{ask, `{"offset":"1"}`, nil, 200, 11002},
		{ask, `{"limit":0}`, nil, 200, 11002},
		{ask, `{"limit":101}`, nil, 200, 11002},
		{ask, `{"limit":1.5}`, nil, 200, 11002},
		{ask, strings.Repeat(" ", maxSmallBody+1), nil, 200, 11004},
		{ask, `{}`, vocab.Problems{vocab.NewProblem("/q", "query.too_many", "太多", "too many")}, 200, 11002},
		{ask, `{}`, errors.New("disk"), 500, 12001},
		{detail, `{}`, nil, 200, 11003},
		{detail, `{"productId":""}`, nil, 200, 11003},
		{detail, `{"productId":7}`, nil, 200, 11002},
		{detail, `{"productId":"a\u0000"}`, nil, 200, 11002},
		{detail, `{"productId":"` + strings.Repeat("a", maxID+1) + `"}`, nil, 200, 11002},
		{detail, `{"productId":"urn:absent"}`, nil, 200, 13001},
		{detail, `{"productId":"urn:hidden"}`, nil, 200, 13001},
	} {
		s := newSite(t)
		s.catalog.err = c.err
		res := s.post(t, c.path, c.body)
		got := read[ndiGot](t, res)
		if res.status != c.status || got.Code != c.code || got.Message == "" || strings.Contains(got.Message, "disk") {
			t.Errorf("%s %.40s: %d %s, want %d %d", c.path, c.body, res.status, res.body, c.status, c.code)
		}
	}
	s := newSite(t)
	r := request(http.MethodPost, ask, "keywords=a")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if got := read[ndiGot](t, s.send(t, r)); got.Code != 11001 {
		t.Errorf("a form: %+v", got)
	}
	s.catalog.err = index.ErrCursor
	r = request(http.MethodPost, ask, `{}`)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept-Language", "en-GB")
	if got := read[ndiGot](t, s.send(t, r)); got.Code != 11002 || !strings.Contains(got.Message, "cursor") {
		t.Errorf("in English: %+v", got)
	}
}

// Each keyword is a word or a phrase that must match, whatever is in it.
func TestNDIKeywordsAreNoOperators(t *testing.T) {
	for in, want := range map[string]string{
		"":                  "",
		"  公交   客流 ":        "公交 客流",
		"公交　客流":             "公交 客流",
		"a OR b":            `a "OR" b`,
		"或 NOT":             `"或" "NOT"`,
		"-x (y) theme:B":    `"-x" "(y)" "theme:B"`,
		`"open`:             `"open"`,
		`“”`:                ``,
		"region：上海":         `"region：上海"`,
		"C++":               `"C++"`,
		"a|b":               `"a|b"`,
		"\"a\" OR theme:\"": `"a" "OR" "theme:"`,
	} {
		if got := ndiKeywords(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// FuzzNDIKeywords holds that to the real parser: the tree is an And of words
// and phrases, or one of them, or everything.
func FuzzNDIKeywords(f *testing.F) {
	for _, s := range []string{"公交 客流", "a OR b", "-x", `"`, "「a」", "a:b", "(", "NOT 或"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len([]rune(s)) > ndiMaxKeyword {
			return
		}
		n, err := query.Parse(ndiKeywords(s))
		var ps vocab.Problems
		if errors.As(err, &ps) {
			if ps[0].Code == "query.too_many" || ps[0].Code == "query.too_long" {
				return // bounds are bounds
			}
			t.Fatalf("%q: %v", s, err)
		}
		plain := func(n query.Node) bool {
			switch n.(type) {
			case query.Word, query.Phrase, query.All:
				return true
			}
			return false
		}
		if and, ok := n.(query.And); ok {
			for _, p := range and.Parts {
				if !plain(p) {
					t.Fatalf("%q: %#v", s, n)
				}
			}
		} else if !plain(n) {
			t.Fatalf("%q: %#v", s, n)
		}
	})
}

// A product that is withdrawn between the search and its detail keeps its @id.
func TestNDIQueryOfWhatHasGone(t *testing.T) {
	s := newSite(t)
	gone := &goneCatalog{s.catalog}
	s = newSite(t, func(c *Config) { c.Catalog = gone })
	got := read[ndiGot](t, s.post(t, "/ndi/v1/catalog/query", `{}`))
	if got.Code != 10000 || got.Data.ResultData[0].ProductID != idA {
		t.Errorf("%+v", got)
	}
}

// goneCatalog finds what it can no longer show.
type goneCatalog struct{ *memoryCatalog }

func (goneCatalog) Offering(_ context.Context, _, _ string, _ vocab.Reader) (*view.Detail, error) {
	return nil, view.ErrNotFound
}

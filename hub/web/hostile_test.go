package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"lianmu/hub/view"
	"lianmu/index"
	"lianmu/vocab"
)

const payload = `"><script>alert(1)</script><img src=x onerror="alert(2)">' onmouseover='x {{.}} </title></mark>`

// poison fills every string that v holds, at any depth, with s.
func poison(v reflect.Value, s string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		poison(v.Elem(), s)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
			return
		}
		for i := range v.NumField() {
			poison(v.Field(i), s)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(s))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		poison(v.Index(0), s)
		poison(v.Index(1), s)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		item := reflect.New(v.Type().Elem()).Elem()
		poison(item, s)
		for _, k := range []string{"zh", "en", "fr", "title", "theme", "region", "form", "level", s} {
			v.SetMapIndex(reflect.ValueOf(k).Convert(v.Type().Key()), item)
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	}
}

// Whatever a description holds in whatever field, no page lets it become markup.
func TestNoFieldBecomesMarkup(t *testing.T) {
	for _, text := range []string{payload, "javascript:alert(1)//" + payload, "https://a.example/\"onmouseover=alert(1)", "data:text/html,<script>alert(1)</script>"} {
		var d view.Detail
		poison(reflect.ValueOf(&d), text)
		d.Offering.Kind = vocab.OfferingKind(text)
		var sp view.SpaceSummary
		poison(reflect.ValueOf(&sp), text)
		var hit view.Hit
		poison(reflect.ValueOf(&hit), text)
		var cover view.Coverage
		poison(reflect.ValueOf(&cover), text)
		facets := map[string][]index.FacetValue{}
		for _, f := range facetOrder {
			facets[f] = []index.FacetValue{{Value: text, Label: vocab.Text{"zh": text, "en": text}, Count: 1}}
		}
		h := pages(t, &shelf{details: []*view.Detail{&d}, spaces: []view.SpaceSummary{sp}, coverage: []view.Coverage{cover}})
		fixed := &fixedAnswer{shelf: &shelf{details: []*view.Detail{&d}, spaces: []view.SpaceSummary{sp}},
			answer: view.Answer{Total: 1, Hits: []view.Hit{hit}, Facets: facets, Coverage: []view.Coverage{cover}, Next: text}}
		canned := newTown(t, fixed, func(c *Config) { c.HubDID = text }).handler
		e := url.QueryEscape(text)
		for _, u := range []string{"/", "/search?q=" + e + "&filter=" + e + "&filter=theme:" + e + "&sort=" + e + "&cursor=" + e, offeringURL(d.Space, d.Offering.ID),
			"/spaces", "/space?did=" + url.QueryEscape(sp.DID), "/about?x=" + e, "/" + url.PathEscape(text), "/?" + e} {
			for _, lang := range languages {
				for _, site := range []http.Handler{h, canned} {
					_, body, _ := get(t, site, u, lang)
					checkMarkup(t, u, body)
				}
			}
		}
	}
}

var (
	startTag = regexp.MustCompile(`<[a-zA-Z][^<>]*>`)
	badTag   = regexp.MustCompile(`(?i)^<(img|iframe|object|embed|style|base|math)\b|\son[a-z]+\s*=|(href|src|action)="?\s*(javascript|data|vbscript):`)
)

func checkMarkup(t *testing.T, u, body string) {
	t.Helper()
	if strings.Count(body, "<script") != 1 || strings.Count(body, "</title>") != 1 {
		t.Fatalf("%s: a script or title of the description's own:\n%s", u, body)
	}
	for _, tag := range startTag.FindAllString(body, -1) {
		// Quoted values are taken away once they are seen to be no script link,
		// so that what is left is tag and attribute names.
		bare := regexp.MustCompile(`"[^"]*"`).ReplaceAllString(tag, `""`)
		if badTag.MatchString(bare) || regexp.MustCompile(`(?i)(href|src)="\s*(javascript|data|vbscript):`).MatchString(tag) {
			t.Fatalf("%s: %s", u, tag)
		}
	}
}

// Any address gets a whole page that is not a fault of ours.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"/search?q=a&filter=kind:product&cursor=cc", "/offering?space=a&id=b&raw=1", "/space?did=x&lang=en", "/?lang=%00", "/search?q=%ff%fe&filter=:&filter==x", "/static/style.css?v=1", "/suggest?q=%E6%B4%8B"} {
		f.Add(s)
	}
	h := pages(f, someShelf())
	f.Fuzz(func(t *testing.T, address string) {
		u, err := url.ParseRequestURI(address)
		if err != nil || u.Host != "" || !strings.HasPrefix(u.Path, "/") {
			t.Skip("not an address that HTTP would bring")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, &http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}, Host: "hub.example"})
		if w.Code >= 500 {
			t.Fatalf("status %d", w.Code)
		}
		if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			checkMarkup(t, address, w.Body.String())
			if !strings.HasSuffix(w.Body.String(), "</html>\n") {
				t.Fatal("half a page")
			}
		}
	})
}

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

	"lianmu/federation/registry"
	"lianmu/hub/access"
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
	case reflect.Uint64:
		v.SetUint(7)
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

// strangeRegistry tells of every space the same, whatever that is.
type strangeRegistry struct {
	state  registry.SpaceState
	people []vocab.Participant
	claims []registry.HomeConflict
}

func (r strangeRegistry) Space(string) (registry.SpaceState, bool)  { return r.state, true }
func (r strangeRegistry) SpaceOf(signer string) string              { return signer }
func (r strangeRegistry) ParticipantsOf(string) []vocab.Participant { return r.people }
func (r strangeRegistry) Conflicts() []registry.HomeConflict        { return r.claims }

// Nor does what officers are shown: names, reasons, notes, records, refusals.
func TestNoFieldOfAnOfficeBecomesMarkup(t *testing.T) {
	for _, text := range []string{payload, "javascript:alert(1)//" + payload, "https://a.example/\"onmouseover=alert(1)"} {
		s := &shelf{}
		var sp view.SpaceSummary
		poison(reflect.ValueOf(&sp), text)
		s.spaces = []view.SpaceSummary{sp}
		var strange strangeRegistry
		poison(reflect.ValueOf(&strange.state), text)
		strange.people = make([]vocab.Participant, 2*participantsShown)
		for i := range strange.people {
			poison(reflect.ValueOf(&strange.people[i]), text)
			strange.people[i].Audience = vocab.AudiencePublic
		}
		w := newTown(t, s, func(c *Config) { c.Registry, c.HubDID, c.Provider = strange, text, text })
		for _, v := range []any{&w.waiting, &w.invited, &w.proposed, &w.records, &w.refused, &w.report, &w.answer} {
			poison(reflect.ValueOf(v), text)
		}
		w.proposed[1].By, w.proposed[1].Act = w.keys[access.Review].DID(), string(access.OfferingRemove)
		w.invited[1].UsedBy, w.invited[1].Revoked, w.invited[1].Expires = "", false, today.Add(time.Hour)
		w.invited[0].Revoked = false
		strange.state.Standing = registry.Admitted
		e := url.QueryEscape(text)
		did := url.QueryEscape(sp.DID)
		paths := []string{"/", "/spaces", "/space?did=" + did + "&from=1&done=" + e, "/sign-in?next=" + e, "/join?" + e, "/admin", "/admin/waiting?done=" + e, "/admin/invitations", "/admin/proposals?done=" + e,
			"/admin/quarantine?space=" + e + "&code=" + e, "/admin/quarantine", "/admin/quarantine?at=7", "/admin/audit?verify=1", "/admin/audit?who=" + e + "&act=" + e + "&outcome=" + e + "&since=" + e + "&until=" + e,
			"/space/act?verb=" + e + "&did=" + did}
		for v := range rightOf {
			paths = append(paths, "/space/act?verb="+string(v)+"&did="+did+"&reason="+e+"&keys="+e+"&key="+e+"&from="+e+"&evidence="+e+"&offerings="+e+"&descriptor="+e)
		}
		people := []*person{w.anybody()}
		for _, key := range w.keys {
			people = append(people, w.signedIn(key))
		}
		seen := 0
		for _, p := range people {
			for _, p.lang = range languages {
				for _, path := range paths {
					code, body, _ := p.get(path)
					if code >= 500 {
						t.Fatalf("%s: %d", path, code)
					}
					if code == 200 && strings.Contains(path, "/a") {
						seen++
					}
					checkMarkup(t, path, body)
				}
			}
		}
		if seen < 50 {
			t.Errorf("only %d pages of offices were seen", seen)
		}
		// What comes back from a form, and why it was refused.
		for _, fail := range []error{nil, vocab.Problems{{Code: "x.y", Path: text, Message: vocab.Text{"zh": text, "en": text}}}} {
			w.broken = fail
			for _, key := range w.keys {
				p := w.signedIn(key)
				for v := range rightOf {
					w.mu.Lock()
					w.fail = nil
					w.mu.Unlock()
					form := url.Values{"verb": {string(v)}, "confirm": {"yes"}, "csrf": {w.csrf(p)}}
					for _, name := range []string{"did", "reason", "keys", "key", "from", "evidence", "offerings", "descriptor", "tried", "note", "id", "token", "next"} {
						form.Set(name, text)
					}
					w.fail = fail
					for _, path := range []string{"/space/act", "/admin/invitations", "/admin/invitations/revoke", "/admin/proposals", "/session"} {
						form.Set("days", "7")
						if v == vocab.KeyCompromise {
							form.Set("from", "7")
						}
						_, body, head := p.post(path, form)
						if strings.HasPrefix(head.Get("Content-Type"), "text/html") {
							checkMarkup(t, path, body)
						}
						if to := head.Get("Location"); to != "" && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//")) {
							t.Fatalf("%s leads to %s", path, to)
						}
					}
				}
				w.fail = nil
				checkMarkup(t, "audit", func() string { _, body, _ := p.get("/admin/audit?verify=1"); return body }())
			}
		}
	}
}

// csrf is the token that forms of this person carry.
func (w *town) csrf(p *person) string {
	_, body, _ := p.get("/about")
	if m := csrfField.FindStringSubmatch(body); m != nil {
		return m[1]
	}
	return ""
}

var (
	quoted   = regexp.MustCompile(`"[^"]*"`)
	badLink  = regexp.MustCompile(`(?i)(href|src|action)="\s*(javascript|data|vbscript):`)
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
		bare := quoted.ReplaceAllString(tag, `""`)
		if badTag.MatchString(bare) || badLink.MatchString(tag) {
			t.Fatalf("%s: %s", u, tag)
		}
	}
}

// Any address gets a whole page that is not a fault of ours.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"/search?q=a&filter=kind:product&cursor=cc", "/offering?space=a&id=b&raw=1", "/space?did=x&lang=en", "/?lang=%00", "/search?q=%ff%fe&filter=:&filter==x", "/static/style.css?v=1", "/suggest?q=%E6%B4%8B", "/space/act?verb=Suspension&did=x", "/admin/audit?before=1&verify=1", "/sign-in?next=//x", "/join?lang=en", "/peers?done=x", "/peer?did=x&preview=1", "/peer/act?verb=accept&did=x&origin=y", "/search?stale=1"} {
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

package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"lianmu/hub/access"
	"lianmu/hub/view"
	"lianmu/index"
	"lianmu/vocab"
)

// page is what the layout shows; Body is the page's own.
type page struct {
	Title  string
	Path   string
	Query  string // in the search box
	HubDID string
	Demo   bool
	Open   bool
	Me     visitor
	Home   string // where a page made by a form leads back to
	Langs  []langLink
	Start  bool // the start page has its own, large search box
	Body   any
}

// langLink is a link to the same page in another language.
type langLink struct {
	Lang, Name, URL string
	Current         bool
}

// render executes a page into a buffer first, so that a fault in it gives a
// whole error page and not half of a good one.
func (s *Site) render(q *request, status int, name string, p page) {
	p.Path, p.HubDID, p.Demo, p.Open, p.Home = q.URL.Path, s.config.HubDID, s.config.Demo, s.config.Open, q.home
	p.Me = s.visitor(q)
	for _, l := range languages {
		p.Langs = append(p.Langs, langLink{Lang: htmlLang[l], Name: s.langs[l].say("lang.name"), URL: q.inLanguage(l), Current: l == q.t.lang})
	}
	buf := s.buffers.Get().(*bytes.Buffer)
	defer s.buffers.Put(buf)
	buf.Reset()
	if err := q.t.pages[name].ExecuteTemplate(buf, "layout", p); err != nil {
		s.config.Logger.Error("template failed", "page", name, "error", err)
		http.Error(q.w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := q.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", htmlLang[q.t.lang])
	h.Set("Content-Length", strconv.Itoa(buf.Len()))
	h.Set("Vary", "Accept-Language, Cookie, Authorization")
	h.Set("Cache-Control", "private, no-cache")
	if p.Me.Known || q.Method == http.MethodPost { // nothing of it stays behind in the browser
		h.Set("Cache-Control", "no-store")
	}
	q.w.WriteHeader(status)
	if q.Method != http.MethodHead {
		_, _ = q.w.Write(buf.Bytes()) // a reader who has gone away needs no answer
	}
}

// attach answers with a signed document, byte for byte, as a file of this name.
func (q *request) attach(name string, document []byte) {
	h := q.w.Header()
	h.Set("Content-Type", "application/ld+json")
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Content-Length", strconv.Itoa(len(document)))
	if q.Method != http.MethodHead {
		_, _ = q.w.Write(document) // fails only where the reader has gone
	}
}

// inLanguage is the address of this page in another language; of one that a
// form made, which cannot be asked for again, that of where it leads back to.
func (q *request) inLanguage(lang string) string {
	if q.Method == http.MethodPost {
		u, err := url.Parse(q.home)
		if err != nil {
			return "/"
		}
		args := u.Query()
		args.Set("lang", lang)
		return u.EscapedPath() + "?" + args.Encode()
	}
	args := url.Values{}
	for k, v := range q.args {
		args[k] = v
	}
	args.Set("lang", lang)
	return q.URL.EscapedPath() + "?" + args.Encode()
}

// failure is the body of the error page.
type failure struct {
	Status  int
	Head    string
	Lines   []string
	Offices []string // whose business it is, where the reader may not
	Back    string   // where to go back to, may be empty
	Retry   string   // a search to try instead, may be empty
}

// problem answers with the error page in the reader's language. The lines
// of vocab.Problems are shown; any other error is not for the reader's eyes.
func (s *Site) problem(q *request, status int, err error) {
	s.render(q, status, "error", s.failure(q, status, err))
}

func (s *Site) failure(q *request, status int, err error) page {
	key := "error." + strconv.Itoa(status)
	switch {
	case status == http.StatusBadRequest && q.Method == http.MethodPost:
		key = "error.act"
	case !q.t.has(key):
		key = "error.500"
	}
	f := failure{Status: status, Head: q.t.say(key), Lines: q.t.lines(err)}
	if len(f.Lines) == 0 {
		f.Lines = []string{q.t.say(key + ".do")}
	}
	if status == http.StatusBadRequest && q.URL.Path == "/search" {
		f.Retry = (&searchState{Q: q.args.Get("q")}).url()
	}
	if q.home != "/" {
		f.Back = q.home
	}
	return page{Title: f.Head, Query: cut(q.args.Get("q"), maxQuery), Body: &f}
}

// lines are what vocab.Problems say; nil for any other error.
func (t *tongue) lines(err error) (out []string) {
	var ps vocab.Problems
	if errors.As(err, &ps) {
		for _, p := range ps {
			out = append(out, p.Message.In(t.lang))
		}
	}
	return out
}

// code is the first problem's; "" for any other error.
func code(err error) string {
	var ps vocab.Problems
	if errors.As(err, &ps) && len(ps) > 0 {
		return ps[0].Code
	}
	return ""
}

// refuse answers whoever the guard or a desk did not let do it. Where they are
// nobody yet they can sign in; else the page says whose office it is.
func (s *Site) refuse(q *request, err error, rights ...access.Right) {
	status := statusOf(err)
	switch {
	case status == http.StatusUnauthorized:
		s.askToSignIn(q, status, err, rights)
	case status == http.StatusForbidden && len(rights) > 0:
		p := s.failure(q, status, err)
		p.Body.(*failure).Offices = q.t.offices(rights)
		s.render(q, status, "error", p)
	case status >= http.StatusInternalServerError:
		s.config.Logger.Error("page failed", "path", q.URL.Path, "error", err)
		fallthrough
	default:
		s.problem(q, status, err)
	}
}

// statusOf maps what is behind the pages to a status; what is not a problem
// told to people is a fault.
func statusOf(err error) int {
	switch c := code(err); {
	case c == "access.unauthenticated":
		return http.StatusUnauthorized
	case c == "proposal.own":
		return http.StatusForbidden
	case strings.HasPrefix(c, "access.") && c != "access.rate" && c != "access.oidc":
		return http.StatusForbidden
	case c == "access.rate":
		return http.StatusTooManyRequests
	case c == "" || c == "busy" || strings.HasSuffix(c, ".unavailable") || c == "access.oidc":
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}

// fail maps an error of the catalogue to a page.
func (s *Site) fail(q *request, err error) {
	var ps vocab.Problems
	switch {
	case errors.Is(err, view.ErrNotFound):
		s.problem(q, http.StatusNotFound, nil)
	case errors.Is(err, index.ErrCursor):
		s.problem(q, http.StatusBadRequest, vocab.Problems{vocab.NewProblem("", "cursor.foreign",
			"翻页标记已经失效，或者不属于这次检索。请从第一页重新开始。",
			"The page marker has expired or belongs to another search. Please start again from the first page.")})
	case code(err) == "space.suspended":
		s.problem(q, http.StatusGone, err)
	case errors.As(err, &ps):
		s.problem(q, statusOf(err), ps)
	case errors.Is(err, context.Canceled):
		// The reader has gone.
	default:
		s.config.Logger.Error("catalogue failed", "path", q.URL.Path, "error", err)
		s.problem(q, http.StatusServiceUnavailable, nil)
	}
}

// pageNames are the templates, each a page that fills in the layout.
var pageNames = []string{
	"start", "search", "offering", "spaces", "space", "about", "error", "signin", "join", "order",
	"admin", "waiting", "invitations", "proposals", "quarantine", "audit",
	"peers", "peer", "peeract", "peeradd",
}

// templates of one language, by page.
func parsePages(funcs template.FuncMap) (map[string]*template.Template, error) {
	base, err := template.New("layout").Funcs(funcs).ParseFS(files, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	pages := map[string]*template.Template{}
	for _, name := range pageNames {
		t, err := base.Clone()
		if err == nil {
			t, err = t.ParseFS(files, "templates/"+name+".html")
		}
		if err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
		pages[name] = t
	}
	return pages, nil
}

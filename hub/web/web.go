// Package web is the hub's pages: search, offering, space, start, in Chinese
// and English; html/template, styles and small scripts, embedded. It works
// without scripts.
//
// It decides nothing and stores nothing.
package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"lianmu/hub/view"
	"lianmu/index"
	"lianmu/vocab"
)

// Catalog is what the pages show.
type Catalog interface {
	Find(ctx context.Context, q view.Question) (*view.Answer, error)
	Suggest(ctx context.Context, prefix string, reader vocab.Reader, limit int) ([]index.Suggestion, error)
	Offering(ctx context.Context, space, id string, reader vocab.Reader) (*view.Detail, error)
	Spaces(ctx context.Context, reader vocab.Reader) ([]view.SpaceSummary, error)
	SpaceNames() map[string]vocab.Text // by DID
}

// Config is what the pages need.
type Config struct {
	Catalog Catalog
	Reader  func(*http.Request) (vocab.Reader, error)
	HubDID  string
	Demo    bool // show the start page's hints and 演示数据 banner
	Logger  *slog.Logger
}

// Bounds on what a browser may send and how long an answer may take.
const (
	maxURL      = 16 << 10
	maxQuery    = 4000 // bytes; the query parser allows 1,000 characters
	maxFilters  = 32   // as many as a question may have
	answerLimit = 10 * time.Second
)

// The policy allows nothing but what is served from here: a description that
// slipped through escaping could still run no script and fetch no resource.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

//go:embed templates static strings
var files embed.FS

// site is the pages' handler. All fields are read-only after New.
type site struct {
	config  Config
	langs   map[string]*tongue // by "zh", "en"
	static  map[string]asset   // by path under /static/
	buffers sync.Pool
}

// asset is an embedded file with what its answer says.
type asset struct {
	body  []byte
	mime  string
	stamp string // hash of the body, in the URL, so that it may be cached for ever
}

// New returns a handler for "/", "/search", "/suggest", "/offering",
// "/spaces", "/space", "/about" and "/static/". Anything else is its 404 page.
// Templates and strings are parsed here, once; a fault in them is the error.
func New(c Config) (http.Handler, error) {
	if c.Catalog == nil || c.Reader == nil {
		return nil, errors.New("web: Catalog and Reader must be given")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := &site{config: c, langs: map[string]*tongue{}, buffers: sync.Pool{New: func() any { return new(bytes.Buffer) }}}
	var err error
	if s.static, err = loadStatic(); err != nil {
		return nil, err
	}
	for _, lang := range languages {
		if s.langs[lang], err = newTongue(lang, s.static); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func loadStatic() (map[string]asset, error) {
	types := map[string]string{
		".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
		".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8",
	}
	assets := map[string]asset{}
	err := fs.WalkDir(files, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		mime, ok := types[path.Ext(name)]
		if !ok {
			return fmt.Errorf("web: static file %s has no known type", name)
		}
		sum := sha256.Sum256(body)
		assets[strings.TrimPrefix(name, "static/")] = asset{body: body, mime: mime, stamp: hex.EncodeToString(sum[:6])}
		return nil
	})
	return assets, err
}

// request is one page request: what every page needs to know.
type request struct {
	*http.Request
	w      http.ResponseWriter
	t      *tongue
	args   url.Values
	reader vocab.Reader
}

// ServeHTTP routes. A panic below costs its own request only.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")

	if name, ok := strings.CutPrefix(r.URL.Path, "/static/"); ok {
		s.serveStatic(w, r, name)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerLimit)
	defer cancel()
	r = r.WithContext(ctx)
	q := &request{Request: r, w: w, t: s.langs[chooseLanguage(w, r)], args: r.URL.Query()}
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			s.config.Logger.Error("page failed", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			s.problem(q, http.StatusInternalServerError, nil)
		}
	}()
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		s.problem(q, http.StatusMethodNotAllowed, nil)
		return
	case len(r.URL.RawQuery) > maxURL:
		s.problem(q, http.StatusRequestURITooLong, nil)
		return
	}
	var err error
	if q.reader, err = s.config.Reader(r); err != nil {
		s.problem(q, http.StatusUnauthorized, err)
		return
	}
	switch r.URL.Path {
	case "/":
		s.start(q)
	case "/search":
		s.search(q)
	case "/suggest":
		s.suggest(q)
	case "/offering":
		s.offering(q)
	case "/spaces":
		s.spaces(q)
	case "/space":
		s.space(q)
	case "/about":
		s.render(q, http.StatusOK, "about", page{Title: q.t.say("about.title")})
	case "/favicon.ico":
		http.Redirect(w, r, "/static/favicon.svg", http.StatusMovedPermanently)
	default:
		s.problem(q, http.StatusNotFound, nil)
	}
}

func (s *site) serveStatic(w http.ResponseWriter, r *http.Request, name string) {
	a, ok := s.static[name]
	if !ok {
		http.Error(w, "404", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", a.mime)
	w.Header().Set("ETag", `"`+a.stamp+`"`)
	if r.URL.Query().Get("v") == a.stamp {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		w.Header().Set("Cache-Control", "public, max-age=300")
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(a.body))
}

// page is what the layout shows; Body is the page's own.
type page struct {
	Title  string
	Path   string
	Query  string // in the search box
	HubDID string
	Demo   bool
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
func (s *site) render(q *request, status int, name string, p page) {
	p.Path, p.HubDID, p.Demo = q.URL.Path, s.config.HubDID, s.config.Demo
	for _, l := range languages {
		args := url.Values{}
		for k, v := range q.args {
			args[k] = v
		}
		args.Set("lang", l)
		p.Langs = append(p.Langs, langLink{Lang: htmlLang[l], Name: s.langs[l].say("lang.name"), URL: q.URL.EscapedPath() + "?" + args.Encode(), Current: l == q.t.lang})
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
	q.w.WriteHeader(status)
	if q.Method != http.MethodHead {
		_, _ = q.w.Write(buf.Bytes()) // a reader who has gone away needs no answer
	}
}

// failure is the body of the error page.
type failure struct {
	Status int
	Head   string
	Lines  []string
	Retry  string // a link to try instead, may be empty
}

// problem answers with the error page in the reader's language. The lines
// of vocab.Problems are shown; any other error is not for the reader's eyes.
func (s *site) problem(q *request, status int, err error) {
	key := "error." + strconv.Itoa(status)
	if !q.t.has(key) {
		key = "error.500"
	}
	f := failure{Status: status, Head: q.t.say(key)}
	var ps vocab.Problems
	if errors.As(err, &ps) {
		for _, p := range ps {
			f.Lines = append(f.Lines, p.Message.In(q.t.lang))
		}
	} else {
		f.Lines = []string{q.t.say(key + ".do")}
	}
	if status == http.StatusBadRequest && q.URL.Path == "/search" {
		f.Retry = (&searchState{Q: q.args.Get("q")}).url()
	}
	s.render(q, status, "error", page{Title: f.Head, Query: cut(q.args.Get("q"), maxQuery), Body: f})
}

// fail maps an error of the catalogue to a page.
func (s *site) fail(q *request, err error) {
	var ps vocab.Problems
	switch {
	case errors.Is(err, view.ErrNotFound):
		s.problem(q, http.StatusNotFound, nil)
	case errors.Is(err, index.ErrCursor):
		s.problem(q, http.StatusBadRequest, vocab.Problems{vocab.NewProblem("", "cursor.foreign",
			"翻页标记已经失效，或者不属于这次检索。请从第一页重新开始。",
			"The page marker has expired or belongs to another search. Please start again from the first page.")})
	case errors.As(err, &ps):
		s.problem(q, http.StatusBadRequest, ps)
	case errors.Is(err, context.Canceled):
		// The reader has gone.
	default:
		s.config.Logger.Error("catalogue failed", "path", q.URL.Path, "error", err)
		s.problem(q, http.StatusServiceUnavailable, nil)
	}
}

// templates of one language, by page.
func parsePages(funcs template.FuncMap) (map[string]*template.Template, error) {
	base, err := template.New("layout").Funcs(funcs).ParseFS(files, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	pages := map[string]*template.Template{}
	for _, name := range []string{"start", "search", "offering", "spaces", "space", "about", "error"} {
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

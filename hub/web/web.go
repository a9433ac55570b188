// Package web is the hub's pages: search, offering, space, start, and those on
// which officers decide, in Chinese and English; html/template, styles and small
// scripts, embedded. It works without scripts.
//
// It decides nothing and stores nothing: who may do what is hub/access's to
// say, and what is done is done by those behind the small interfaces here.
package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"lianmu/hub/access"
	"lianmu/hub/peering"
	"lianmu/vocab"
)

// Config is what the pages need; all but Provider, Hubs and Logger must be given.
type Config struct {
	Catalog    Catalog
	Guard      Guard
	Registry   Registry
	Desk       Desk
	Trail      Trail
	Quarantine Quarantine
	Peers      peering.Desk
	Now        func() time.Time

	HubDID   string
	Origin   string     // of the own log
	Provider string     // what the OpenID Connect provider is called; "": there is none
	Open     bool       // whoever signs is admitted
	Demo     bool       // show the start page's hints and 演示数据 banner
	Hubs     []NamedURL // other hubs that the start page names
	Logger   *slog.Logger
}

// NamedURL is another hub's pages.
type NamedURL struct {
	Name vocab.Text
	URL  string // http:// or https://
}

// Bounds on what a browser may send and how long an answer may take.
const (
	maxURL      = 16 << 10
	maxQuery    = 4000 // bytes; the query parser allows 1,000 characters
	maxFilters  = 32   // as many as a question may have
	maxForm     = 256 << 10
	answerLimit = 10 * time.Second // of a page
	actLimit    = 40 * time.Second // of what an officer does, below the server's own limit
)

// The policy allows nothing but what is served from here: a description that
// slipped through escaping could still run no script and fetch no resource.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

//go:embed templates static strings
var files embed.FS

// Site is the pages' handler. All fields are read-only after New.
type Site struct {
	config  Config
	pages   map[string]func(*request) // what GET shows, by path
	acts    map[string]func(*request) // what POST does, by path
	langs   map[string]*tongue        // by "zh", "en"
	static  map[string]asset          // by path under /static/
	buffers sync.Pool
}

// asset is an embedded file with what its answer says.
type asset struct {
	body  []byte
	mime  string
	stamp string // hash of the body, in the URL, so that it may be cached for ever
}

// New returns a handler for the pages named in route and for "/static/".
// Anything else is its 404 page. Templates and strings are parsed here, once; a
// fault in them is the error. Signing in and out, and coming back from a
// provider, are access.Guard's handlers, beside this one.
func New(c Config) (*Site, error) {
	if c.Catalog == nil || c.Guard == nil || c.Registry == nil || c.Desk == nil || c.Trail == nil || c.Quarantine == nil || c.Peers == nil || c.Now == nil {
		return nil, errors.New("web: Catalog, Guard, Registry, Desk, Trail, Quarantine, Peers and Now must be given")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Site{config: c, langs: map[string]*tongue{}, buffers: sync.Pool{New: func() any { return new(bytes.Buffer) }}}
	var err error
	if s.static, err = loadStatic(); err != nil {
		return nil, err
	}
	for _, lang := range languages {
		if s.langs[lang], err = newTongue(lang, s.static); err != nil {
			return nil, err
		}
	}
	s.route()
	return s, nil
}

// route says what there is.
func (s *Site) route() {
	s.pages = map[string]func(*request){
		"/":                  s.start,
		"/search":            s.search,
		"/suggest":           s.suggest,
		"/offering":          s.offering,
		"/spaces":            s.spaces,
		"/space":             s.space,
		"/space/act":         s.order,
		"/about":             s.about,
		"/join":              s.join,
		"/peers":             s.peers,
		"/peers/card":        s.ownCard,
		"/peers/add":         s.askToAdd,
		"/peer":              s.peer,
		"/peer/act":          s.askPeer,
		"/sign-in":           s.signIn,
		"/admin":             s.overview,
		"/admin/waiting":     s.waiting,
		"/admin/invitations": s.invitations,
		"/admin/proposals":   s.proposals,
		"/admin/quarantine":  s.quarantine,
		"/admin/audit":       s.trail,
		"/favicon.ico": func(q *request) {
			http.Redirect(q.w, q.Request, "/static/favicon.svg", http.StatusMovedPermanently)
		},
	}
	s.acts = map[string]func(*request){
		"/space/act":                s.act,
		"/peers/add":                s.addPeer,
		"/peer/act":                 s.actPeer,
		"/admin/invitations":        s.invite,
		"/admin/invitations/revoke": s.revoke,
		"/admin/proposals":          s.approve,
	}
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
	form   url.Values // of a POST; else nil
	who    access.Who
	reader vocab.Reader
	home   string // where the page leads back to, where a POST made it
}

func (s *Site) begin(w http.ResponseWriter, r *http.Request) *request {
	h := w.Header()
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	return &request{Request: r, w: w, t: s.langs[chooseLanguage(w, r)], args: r.URL.Query(), home: "/"}
}

// ServeHTTP routes. A panic below costs its own request only.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	limit := answerLimit
	if r.Method == http.MethodPost {
		limit = actLimit
	}
	ctx, cancel := context.WithTimeout(r.Context(), limit)
	defer cancel()
	r = r.WithContext(ctx)
	q := s.begin(w, r)
	if name, ok := strings.CutPrefix(r.URL.Path, "/static/"); ok {
		s.serveStatic(w, r, name)
		return
	}
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			s.config.Logger.Error("page failed", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			s.problem(q, http.StatusInternalServerError, nil)
		}
	}()
	if len(r.URL.RawQuery) > maxURL {
		s.problem(q, http.StatusRequestURITooLong, nil)
		return
	}
	if page := s.find(q); page != nil {
		page(q)
	}
}

// find returns what answers a request, or answers that nothing does.
func (s *Site) find(q *request) func(*request) {
	page, act := s.pages[q.URL.Path], s.acts[q.URL.Path]
	switch q.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		if act != nil && !q.readForm() {
			s.problem(q, http.StatusRequestEntityTooLarge, nil)
			return nil
		}
		page = act
	default:
		page = nil
	}
	if page == nil && q.Method != http.MethodGet && q.Method != http.MethodHead {
		allow := "GET, HEAD"
		if act != nil {
			allow = "GET, HEAD, POST"
		}
		q.w.Header().Set("Allow", allow)
		s.problem(q, http.StatusMethodNotAllowed, nil)
		return nil
	}
	var err error
	if q.who, err = s.config.Guard.Who(q.Request); err != nil {
		s.refuse(q, err)
		return nil
	}
	q.reader = q.who.Reader()
	if page == nil {
		s.problem(q, http.StatusNotFound, nil)
	}
	return page
}

// readForm reads a form that is not too large. It comes before anybody else
// reads the body, so that the bound is ours.
func (q *request) readForm() bool {
	q.Body = http.MaxBytesReader(q.w, q.Body, maxForm)
	if q.ParseForm() != nil {
		return false
	}
	q.form = q.PostForm
	return true
}

func (s *Site) serveStatic(w http.ResponseWriter, r *http.Request, name string) {
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

package api

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gorilla/mux"

	"lianmu/hub/access"
	"lianmu/vocab"
)

// handler answers a request, or returns an error before anything is written;
// the error table (problem.go) makes the answer of it.
type handler func(w http.ResponseWriter, r *http.Request) error

// route is one line of the table below. GET answers HEAD too.
type route struct {
	method string
	path   string
	right  access.Right // that one needs; "": anybody may ask
	handle handler
}

// routes is every route but the pages, Config.Questions and those of Guard.Handlers. The most used
// come first, as mux tries them in order.
func (a *api) routes() []route {
	return []route{
		{"GET", "/api/v1/search", "", a.search},
		{"GET", "/api/v1/suggest", "", a.suggest},
		{"GET", "/api/v1/offerings", "", a.offeringByQuery},
		// id is the rest of the raw path: an IRI with its slashes encoded or not.
		{"GET", "/api/v1/offerings/{space}/{id:.+}", "", a.offering},
		{"POST", "/api/v1/submissions", "", a.submit},
		{"GET", "/api/v1/submissions", access.QuarantineRead, a.quarantine},
		{"GET", "/api/v1/submissions/{digest}", "", a.receipt},
		{"GET", "/api/v1/spaces", "", a.spaces},
		{"GET", "/api/v1/spaces/{did}", "", a.space},
		{"GET", "/api/v1/spaces/{did}/participants", "", a.participants},
		{"POST", "/api/v1/spaces/{did}/acts", byVerb, a.act},
		{"GET", "/api/v1/applicants", access.SpaceAdmit, a.applicants},
		{"POST", "/api/v1/invitations", access.SpaceAdmit, a.invite},
		{"GET", "/api/v1/invitations", access.SpaceAdmit, a.invitations},
		{"DELETE", "/api/v1/invitations/{id}", access.SpaceAdmit, a.revoke},
		{"GET", "/api/v1/proposals", access.Approve, a.proposals},
		{"POST", "/api/v1/proposals/{id}/approve", access.Approve, a.approve},
		{"POST", "/api/v1/redactions", access.LogRedact, a.redact},
		{"GET", "/api/v1/hub", "", a.hubCard},
		{"GET", "/api/v1/peers", "", a.peers},
		{"POST", "/api/v1/peers", access.PeerManage, a.addPeer},
		{"POST", "/api/v1/peers/preview", access.PeerManage, a.previewPeer},
		{"GET", "/api/v1/peers/{did}", access.PeerRead, a.peer},
		{"POST", "/api/v1/peers/{did}/approve", access.PeerManage, a.approvePeer},
		{"POST", "/api/v1/peers/{did}/pause", access.PeerManage, a.decidePeer(a.Peers.Pause)},
		{"POST", "/api/v1/peers/{did}/resume", access.PeerManage, a.decidePeer(a.Peers.Resume)},
		{"POST", "/api/v1/peers/{did}/block", access.PeerManage, a.decidePeer(a.Peers.Block)},
		{"POST", "/api/v1/peers/{did}/remove", access.PeerManage, a.removePeer},
		{"POST", "/api/v1/peers/{did}/accept", access.PeerManage, a.acceptLog},
		{"GET", "/api/v1/logs/{id}/export", access.PeerManage, a.exportLog},
		{"POST", "/api/v1/logs/import", access.PeerManage, a.importLog},
		{"GET", "/api/v1/audit", access.AuditRead, a.trail},
		{"GET", "/api/v1/audit/export", access.AuditRead, a.exportTrail},
		{"GET", "/api/v1/access", "", a.access},
		{"GET", "/api/v1/me", "", a.me},
		{"GET", "/checkpoint", "", a.checkpoint},
		{"GET", "/tile/{path:.+}", "", a.tile},
		{"GET", "/api/v1/log", "", a.log},
		{"POST", "/api/v1/documents", "", a.documents},
		{"GET", "/api/v1/views", access.ViewsRead, a.views},
		{"POST", "/api/v1/index/rebuild", access.IndexRebuild, a.startRebuild},
		{"GET", "/api/v1/index/rebuild", access.ViewsRead, a.rebuildProgress},
		{"POST", "/ndi/v1/catalog/query", "", a.ndiQuery},
		{"POST", "/ndi/v1/catalog/detail", "", a.ndiDetail},
		{"GET", "/openapi.json", "", a.openapi},
		{"GET", "/healthz", "", a.healthz},
		{"GET", "/readyz", "", a.readyz},
		{"GET", "/metrics", "", a.metricsPage},
	}
}

// endpoint is a route with what stands before it.
type endpoint struct {
	method, path string
	handler      http.Handler
}

func (a *api) endpoints() []endpoint {
	var out []endpoint
	for _, r := range a.routes() {
		h := r.handle
		if r.right != "" {
			h = a.allowed(r.right, h)
		}
		if r.method != http.MethodGet {
			h = a.ownDoing(h)
		}
		out = append(out, endpoint{r.method, r.path, a.serve(label(r.path), h)})
	}
	out = append(out, endpoint{http.MethodPost, questionPath + "{question}", a.serve(questionPath+"{question}", foreign(a.Questions))})
	doors := a.Guard.Handlers() // which look for forged requests themselves
	for _, door := range slices.Sorted(maps.Keys(doors)) {
		method, path, _ := strings.Cut(door, " ")
		out = append(out, endpoint{method, path, a.serve(path, foreign(doors[door]))})
	}
	if end := doors["POST /session/end"]; end != nil {
		out = append(out, endpoint{http.MethodDelete, "/session", a.serve("/session", foreign(end))})
	}
	return out
}

// foreign makes a handler of one that answers by itself.
func foreign(h http.Handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		h.ServeHTTP(w, r)
		return nil
	}
}

// router matches on the raw path, so that an id keeps its %2F and its //.
func (a *api) router() *mux.Router {
	m := mux.NewRouter().UseEncodedPath().SkipClean(true)
	allowed := map[string][]string{}
	var paths []string
	for _, e := range a.endpoints() {
		methods := []string{e.method}
		if e.method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		m.Handle(e.path, e.handler).Methods(methods...)
		if allowed[e.path] == nil {
			paths = append(paths, e.path)
		}
		allowed[e.path] = append(allowed[e.path], methods...)
	}
	for _, p := range paths {
		m.Handle(p, a.serve(label(p), notAllowed(allowed[p])))
	}
	if a.Pages != nil {
		for _, p := range []string{"/api/", "/ndi/", "/tile/"} {
			m.PathPrefix(p).Handler(a.serve(otherRoute, notFound))
		}
		m.PathPrefix("/").Handler(a.pages())
	}
	m.NotFoundHandler = a.serve(otherRoute, notFound)
	return m
}

// label names a route in metrics and logs as the API's description does.
func label(path string) string { return strings.ReplaceAll(path, ":.+}", "}") }

// serve gives a handler its route's name, the headers of an API answer, and
// the error table.
func (a *api) serve(path string, h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		exchangeOf(r).route = path
		head := w.Header()
		head.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		head.Set("Cache-Control", "no-store")
		if err := h(w, r); err != nil {
			a.fail(w, r, err)
		}
	})
}

// pages serves hub/web, which sets its own policy headers, and knows which of
// its addresses take a form.
func (a *api) pages() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		exchangeOf(r).route = pagesRoute
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodPost:
		default:
			a.serve(pagesRoute, notAllowed([]string{http.MethodGet, http.MethodHead, http.MethodPost})).ServeHTTP(w, r)
			return
		}
		a.Pages.ServeHTTP(w, r)
	})
}

func notFound(http.ResponseWriter, *http.Request) error {
	return vocab.Problems{vocab.NewProblem("", "request.not_found",
		"没有这个地址。接口清单见 /openapi.json。",
		"There is nothing at this address. See /openapi.json for what there is.")}
}

func notAllowed(methods []string) handler {
	allow := strings.Join(slices.Sorted(slices.Values(methods)), ", ")
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Allow", allow)
		return vocab.Problems{vocab.NewProblem("", "request.method",
			"此地址不接受这种方法，请用：%s。", "This address does not take that method; use %s.", allow)}
	}
}

// pathValue returns a part of the raw path, decoded once. It is at most max
// bytes of UTF-8 without control characters.
func pathValue(r *http.Request, name string, max int) (string, error) {
	s, err := url.PathUnescape(mux.Vars(r)[name])
	if err != nil || !printable(s) {
		return "", vocab.Problems{vocab.NewProblem("/"+name, "request.path",
			"地址中的 %s 编码有误，请用 UTF-8 百分号编码。", "The %s in the address is badly encoded; percent-encode it as UTF-8.", name)}
	}
	if len(s) > max {
		return "", vocab.Problems{vocab.NewProblem("/"+name, "request.too_long",
			"地址中的 %s 过长，最多 %d 字节。", "The %s in the address is too long; at most %d bytes.", name, max)}
	}
	return s, nil
}

// printable reports whether s is UTF-8 without control characters.
func printable(s string) bool {
	for i, c := range s {
		if c < ' ' || c == 0x7f {
			return false
		}
		if c == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return false
			}
		}
	}
	return true
}

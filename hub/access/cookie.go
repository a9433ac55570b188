package access

import (
	"crypto/subtle"
	"mime"
	"net/http"

	"lianmu/vocab"
)

// Sessions says how browsers come to this hub.
type Sessions struct {
	// Secure: browsers come over HTTPS, be it by a proxy in front. Without it
	// that is judged by the connection.
	Secure bool `json:"secure"`
	// Origins, such as https://portal.example, may send people here with a
	// session token in a form of theirs, besides the hub's own pages.
	Origins []string `json:"origins"`
}

func (s Sessions) protection() (*http.CrossOriginProtection, error) {
	p := http.NewCrossOriginProtection()
	for _, origin := range s.Origins {
		if err := p.AddTrustedOrigin(origin); err != nil {
			return nil, vocab.Problems{vocab.NewProblem("/sessions/origins", "access.operators",
				"sessions.origins 中的 %[1]q 不是来源地址，应写成 https://portal.example 这样。",
				"%[1]q under sessions.origins is no origin: write it like https://portal.example", origin)}
		}
	}
	return p, nil
}

// Names of the session cookie. With __Host- a browser holds it to HTTPS, this
// host and the path / (RFC 6265bis, section 4.1.3.2), so that no sister host
// can plant one.
const (
	plainCookie  = "lianmu"
	secureCookie = "__Host-lianmu"
	// maxCookie bounds what is taken for one.
	maxCookie = 128
)

// CSRFField and CSRFHeader carry what CSRF returns.
const (
	CSRFField  = "csrf"
	CSRFHeader = "X-CSRF-Token"
	maxForm    = 1 << 20 // bytes of a form, where CheckCSRF has to read it
)

type cookies struct{ secure bool }

func (c cookies) overTLS(r *http.Request) bool { return c.secure || r.TLS != nil }

func (c cookies) name(r *http.Request) string {
	if c.overTLS(r) {
		return secureCookie
	}
	return plainCookie
}

// session returns what the session cookie of a request holds; "" without one.
func (c cookies) session(r *http.Request) (string, error) {
	all := r.CookiesNamed(c.name(r))
	switch {
	case len(all) == 0:
		return "", nil
	case len(all) > 1 || all[0].Value == "" || len(all[0].Value) > maxCookie:
		return "", sessionOver()
	}
	return all[0].Value, nil
}

// set gives the browser a cookie; without a value it takes it away.
func (c cookies) set(w http.ResponseWriter, r *http.Request, name, value string, seconds int) {
	if value == "" {
		seconds = -1
	}
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: seconds,
		HttpOnly: true, Secure: c.overTLS(r), SameSite: http.SameSiteLaxMode,
	})
}

func sessionOver() error {
	return unauthenticated("登录已失效。请重新登录；不登录也可以刷新页面，以访客身份继续。",
		"you are no longer signed in: sign in again, or load the page again to go on as a visitor")
}

// dropDeadCookie takes away a cookie whose session is over, so that the next
// request comes without.
func (g *Guard) dropDeadCookie(w http.ResponseWriter, r *http.Request) {
	id, err := g.cookies.session(r)
	if err != nil || id != "" && g.findSession(sessionIDOf(id)) == nil {
		g.cookies.set(w, r, g.cookies.name(r), "", 0)
	}
}

// CSRF returns what every form of a page shown in answer to r must carry in the
// field csrf, or a script in the header X-CSRF-Token; "" without a session.
func (g *Guard) CSRF(r *http.Request) string {
	if s := g.sessionOf(r); s != nil {
		return s.csrf
	}
	return ""
}

// CheckCSRF refuses a request that changes something and that another site may
// have made a signed-in browser send: one from a foreign origin, and one of a
// session without its token. A request with a Bearer token is the sender's own
// doing and passes. It may read a form of up to a megabyte.
//
// Errors are vocab.Problems with code access.origin or access.csrf (403).
func (g *Guard) CheckCSRF(r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	if len(r.Header.Values("Authorization")) > 0 {
		return nil
	}
	if err := g.checkOrigin(r); err != nil {
		return err
	}
	id, err := g.cookies.session(r)
	if err != nil {
		return err
	}
	if id == "" {
		return nil // nobody: there are no rights to borrow
	}
	s := g.sessionOf(r)
	if s == nil {
		return sessionOver()
	}
	if subtle.ConstantTimeCompare([]byte(csrfOf(r)), []byte(s.csrf)) != 1 {
		return vocab.Problems{vocab.NewProblem("", "access.csrf",
			"页面已过期，操作没有执行。请刷新页面后再提交一次。",
			"the page is out of date and nothing was done: load it again and submit once more")}
	}
	return nil
}

// checkOrigin goes by Sec-Fetch-Site, else Origin.
func (g *Guard) checkOrigin(r *http.Request) error {
	if g.origins.Check(r) == nil {
		return nil
	}
	return vocab.Problems{vocab.NewProblem("", "access.origin",
		"请求来自其他网站的页面，操作没有执行。请在本节点的页面上操作。",
		"the request comes from another site's page and nothing was done: use the pages of this hub")}
}

// csrfOf reads the token from the header, else from a form; never from the
// address, which ends up in logs.
func csrfOf(r *http.Request) string {
	if values := r.Header.Values(CSRFHeader); len(values) > 0 {
		return values[0]
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return ""
	}
	if r.PostForm == nil {
		r.Body = http.MaxBytesReader(nil, r.Body, maxForm)
		if r.ParseForm() != nil {
			return ""
		}
	}
	if values := r.PostForm[CSRFField]; len(values) == 1 {
		return values[0]
	}
	return ""
}

package access

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"lianmu/federation/identity"
	"lianmu/vocab"
)

// OIDC says which OpenID Connect provider vouches for people, and what its
// claims mean here.
type OIDC struct {
	Issuer           string   `json:"issuer"`             // https://…, as its discovery document says
	ClientID         string   `json:"client_id"`          //
	ClientSecretFile string   `json:"client_secret_file"` // readable by its owner alone; "": a public client
	RedirectURL      string   `json:"redirect_url"`       // https://HUB/oidc/callback, as registered there
	Scopes           []string `json:"scopes"`             // besides openid

	// Claims by name, or by path with dots, such as realm_access.roles.
	OrgClaim  string `json:"org_claim"`  // 主体标识码; default "org"
	NameClaim string `json:"name_claim"` // a pseudonym, only shown; default: one made of issuer and sub
	RoleClaim string `json:"role_claim"` // "": everybody is a participant
	// Roles gives values of RoleClaim a role: participant, review or regulator.
	// Who has none of them is refused. The three administrators' offices need a
	// key and are not given here.
	Roles map[string]Role `json:"roles"`
}

// Bounds of what is asked of a provider.
const (
	oidcTimeout = 10 * time.Second
	oidcAnswer  = 1 << 20 // bytes of one answer
	oidcLogin   = 10 * time.Minute
	oidcRetry   = 5 * time.Second // how long a provider that is away is left alone
	maxSecret   = 4 << 10
	maxSubject  = 255 // characters of a sub, as the standard has it
)

// oidcAlgorithms are what an ID token may be signed with: never a MAC, whose
// secret the hub would share, and never none.
var oidcAlgorithms = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA}

// oidcClient is the hub's side of OpenID Connect Core 1.0, section 3.1
// (authorization code), with PKCE (RFC 7636).
type oidcClient struct {
	OIDC
	secret string
	http   *http.Client
	seal   sealer
	key    []byte // of digests of people

	mu       sync.Mutex // guards the rest; held while the provider is asked
	provider *oidc.Provider
	failed   error // of the last try, where there is no provider yet
	tried    time.Time
}

func newOIDC(c OIDC, key []byte) (*oidcClient, error) {
	wrong := func(zh, en string, args ...any) error {
		return vocab.Problems{vocab.NewProblem("/oidc", "access.oidc", zh, en, args...)}
	}
	for name, text := range map[string]string{"issuer": c.Issuer, "redirect_url": c.RedirectURL} {
		if !trusted(text) {
			return nil, wrong("oidc.%[1]s 应为 https:// 开头的完整地址（本机测试可用 http://127.0.0.1），而不是 %[2]q。",
				"oidc.%[1]s must be a whole https:// address (http://127.0.0.1 will do for a trial), not %[2]q", name, text)
		}
	}
	if c.ClientID == "" {
		return nil, wrong("缺少 oidc.client_id：在身份提供方登记本节点时得到的编号。", "oidc.client_id is missing: what the provider calls this hub")
	}
	for value, role := range c.Roles {
		if role != Participant && role != Review && role != Regulator {
			return nil, wrong("oidc.roles 中 %[1]q 对应的角色 %[2]q 不能由身份提供方授予，可用：participant、review、regulator；三员须使用密钥。",
				"oidc.roles gives %[1]q the role %[2]q, which a provider cannot give: use participant, review or regulator; administrators need a key", value, string(role))
		}
	}
	if (c.RoleClaim == "") != (len(c.Roles) == 0) {
		return nil, wrong("oidc.role_claim 和 oidc.roles 须同时填写，或都不填。", "give both oidc.role_claim and oidc.roles, or neither")
	}
	if c.OrgClaim == "" {
		c.OrgClaim = "org"
	}
	o := &oidcClient{OIDC: c, key: key, seal: newSealer(), http: &http.Client{
		Timeout:   oidcTimeout,
		Transport: boundedTransport{http.DefaultTransport},
		CheckRedirect: func(*http.Request, []*http.Request) error { // what is configured is where we go
			return http.ErrUseLastResponse
		},
	}}
	if c.ClientSecretFile != "" {
		secret, err := readSecret(c.ClientSecretFile)
		if err != nil {
			return nil, wrong("读不到 oidc.client_secret_file：%[1]v", "oidc.client_secret_file cannot be used: %[1]v", err)
		}
		o.secret = secret
	}
	return o, nil
}

// trusted reports whether an address can be believed to lead where it says.
func trusted(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (ip.IsLoopback() || u.Hostname() == "localhost")
}

// readSecret reads a file that its owner alone may read, as keys are.
func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s: chmod 600 %s", info.Mode().Perm(), path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSecret))
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(b)), nil
}

// boundedTransport cuts answers that are longer than any should be.
type boundedTransport struct{ http.RoundTripper }

func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, oidcAnswer)
	}
	return resp, err
}

// connect reads the provider's discovery document, once. A provider that is
// away keeps nobody from using the hub otherwise.
func (o *oidcClient) connect(ctx context.Context, now time.Time) (*oidc.Provider, *oauth2.Config, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.provider == nil && (o.failed == nil || now.Sub(o.tried).Abs() >= oidcRetry) {
		// The provider keeps this context for fetching its keys later.
		o.provider, o.failed = oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), o.http), o.Issuer)
		o.tried = now
	}
	if o.provider == nil {
		return nil, nil, o.failed
	}
	return o.provider, &oauth2.Config{
		ClientID: o.ClientID, ClientSecret: o.secret, RedirectURL: o.RedirectURL,
		Endpoint: o.provider.Endpoint(), Scopes: append([]string{oidc.ScopeOpenID}, o.Scopes...),
	}, nil
}

// login is what the browser carries, sealed, from start to callback: it binds
// the answer to the browser that asked, and costs the hub no memory.
type login struct {
	State, Nonce, Verifier, Next string
	Until                        int64 // Unix seconds
}

func (g *Guard) loginCookie(r *http.Request) string { return g.cookies.name(r) + "-oidc" }

// startOIDC answers GET /oidc/start[?next=/path]: it sends the browser to the
// provider.
func (g *Guard) startOIDC(w http.ResponseWriter, r *http.Request) {
	_, config, err := g.oidc.connect(r.Context(), g.now())
	if err != nil {
		g.oidcFailed(w, r, g.away(err))
		return
	}
	l := login{
		State: oauth2.GenerateVerifier(), Nonce: oauth2.GenerateVerifier(), Verifier: oauth2.GenerateVerifier(),
		Next: localPath(r.URL.Query().Get("next")), Until: g.now().Add(oidcLogin).Unix(),
	}
	g.cookies.set(w, r, g.loginCookie(r), g.oidc.seal.close(l), int(oidcLogin/time.Second))
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, config.AuthCodeURL(l.State, oidc.Nonce(l.Nonce), oauth2.S256ChallengeOption(l.Verifier)), http.StatusSeeOther)
}

// finishOIDC answers GET /oidc/callback: the provider has sent the browser back.
func (g *Guard) finishOIDC(w http.ResponseWriter, r *http.Request) {
	g.cookies.set(w, r, g.loginCookie(r), "", 0) // each works once
	l, err := g.loginOf(r)
	var s *session
	if err == nil {
		s, err = g.askOIDC(r.Context(), r.URL.Query(), l)
	}
	var who Who
	if err == nil {
		who, err = g.whoOf(s, host(r.RemoteAddr), g.now())
	}
	if err == nil && g.identities.wait(who.Identity(), g.now()) > 0 {
		err = tooOften()
	}
	if err != nil {
		g.oidcFailed(w, r, err)
		return
	}
	g.begin(w, r, s, who)
	http.Redirect(w, r, l.Next, http.StatusSeeOther)
}

func (g *Guard) oidcFailed(w http.ResponseWriter, r *http.Request, err error) {
	g.tell("session.open", "", Who{Via: ViaSession, Client: host(r.RemoteAddr)}, err)
	g.fail(w, r, err)
}

// loginOf returns what this browser set out with.
func (g *Guard) loginOf(r *http.Request) (login, error) {
	var l login
	if all := r.CookiesNamed(g.loginCookie(r)); len(all) == 1 {
		l, _ = g.oidc.seal.open(all[0].Value) // one that does not open is as none
	}
	q := r.URL.Query()
	if l.State == "" || len(q["state"]) != 1 || q.Get("state") != l.State || g.now().Unix() >= l.Until {
		return login{}, unauthenticated("这次登录不是从本浏览器发起的，或已超过 10 分钟。请重新登录。",
			"this sign-in was not begun in this browser, or more than 10 minutes ago: sign in again")
	}
	if iss := q["iss"]; len(iss) > 0 && iss[0] != g.oidc.Issuer { // RFC 9207
		return login{}, refusedByProvider("iss")
	}
	if q.Get("error") != "" || len(q["code"]) != 1 {
		return login{}, refusedByProvider(q.Get("error"))
	}
	return l, nil
}

// askOIDC exchanges the code and reads the ID token.
func (g *Guard) askOIDC(ctx context.Context, q url.Values, l login) (s *session, err error) {
	defer func() {
		if p := recover(); p != nil {
			s, err = nil, refusedByProvider("unreadable")
		}
	}()
	o := g.oidc
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, o.http), oidcTimeout)
	defer cancel()
	provider, config, err := o.connect(ctx, g.now())
	if err != nil {
		return nil, g.away(err)
	}
	token, err := config.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(l.Verifier))
	if err != nil {
		var answered *oauth2.RetrieveError
		if errors.As(err, &answered) {
			return nil, refusedByProvider(answered.ErrorCode)
		}
		return nil, g.away(err)
	}
	raw, _ := token.Extra("id_token").(string)
	if identity.CheckTokenForm(raw) != nil {
		return nil, refusedByProvider("id_token")
	}
	verifier := provider.VerifierContext(ctx, &oidc.Config{ClientID: o.ClientID, SupportedSigningAlgs: oidcAlgorithms, Now: g.now})
	id, err := verifier.Verify(ctx, raw)
	if err != nil || id.Nonce != l.Nonce {
		return nil, refusedByProvider("id_token")
	}
	var claims map[string]any
	if id.Claims(&claims) != nil {
		return nil, refusedByProvider("id_token")
	}
	if azp, ok := claims["azp"]; ok && azp != o.ClientID {
		return nil, refusedByProvider("azp")
	}
	return o.session(claims, id.Subject)
}

// digest is who somebody is for ever: issuer and sub (OpenID Connect Core 1.0,
// section 2), of which nothing but a digest under the hub's own key is kept, so
// that nobody who reads it can try subs that they know of.
func (o *oidcClient) digest(subject string) string {
	h := hmac.New(sha256.New, o.key)
	h.Write([]byte(o.Issuer + "\x00" + subject))
	return strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil)[:20]))
}

// providerName is the pseudonym of somebody for whom the provider gives none.
func providerName(at string) string { return "oidc-" + at[:min(16, len(at))] }

// session reads who it is from the claims of an ID token that holds.
func (o *oidcClient) session(claims map[string]any, subject string) (*session, error) {
	if subject == "" || len(subject) > maxSubject {
		return nil, refusedByProvider("sub")
	}
	at := o.digest(subject)
	p := identity.Person{Org: text(claim(claims, o.OrgClaim))}
	if o.NameClaim != "" {
		p.Name = text(claim(claims, o.NameClaim))
	} else {
		p.Name = providerName(at)
	}
	if err := identity.CheckPerson(p); err != nil {
		return nil, as401(err)
	}
	s := &session{person: p, at: at}
	if o.RoleClaim == "" {
		s.oidc = []Role{Participant}
	}
	for _, value := range texts(claim(claims, o.RoleClaim)) {
		if role, ok := o.Roles[value]; ok && !slices.Contains(s.oidc, role) {
			s.oidc = append(s.oidc, role)
		}
	}
	if len(s.oidc) == 0 {
		return nil, unauthenticated("您的账号没有使用本节点的角色。请联系贵单位的账号管理员。",
			"your account has no role for this hub: ask who looks after accounts in your organisation")
	}
	return s, nil
}

// claim finds a claim by its name, else by a path with dots.
func claim(claims map[string]any, path string) any {
	if v, ok := claims[path]; ok {
		return v
	}
	head, rest, ok := strings.Cut(path, ".")
	inner, isObject := claims[head].(map[string]any)
	if !ok || !isObject {
		return nil
	}
	return claim(inner, rest)
}

func text(v any) string { s, _ := v.(string); return s }

func texts(v any) []string {
	if s, ok := v.(string); ok {
		return []string{s}
	}
	list, _ := v.([]any)
	out := make([]string, len(list))
	for i := range list {
		out[i] = text(list[i])
	}
	return out
}

// whoOfOIDC tells what a person is now for whom the provider vouched: of every
// space that has the organisation, as the hub's operator trusts the provider.
func (g *Guard) whoOfOIDC(s *session, who Who, now time.Time) (Who, error) {
	for _, r := range s.oidc {
		if r.Office() {
			who.Roles = append(who.Roles, r)
		}
	}
	if g.registry != nil && slices.Contains(s.oidc, Participant) {
		if of := g.registry.SpacesOfOrganisation(s.person.Org, now); len(of) > 0 {
			who.Roles, who.Spaces = append(who.Roles, Participant), slices.Clone(of)
		}
	}
	if len(who.Roles) == 0 {
		return Who{}, unauthenticated("贵单位不是本节点任何数据空间的有效接入主体。请联系所在空间的运营方。",
			"your organisation is no valid participant of any space on this hub: ask the operator of your space")
	}
	return who, nil
}

// away tells a visitor no more than that; the log is told why.
func (g *Guard) away(err error) error {
	why := err.Error()
	g.logger.Warn("identity provider", "issuer", g.oidc.Issuer, "err", why[:min(len(why), 300)])
	return vocab.Problems{vocab.NewProblem("", "access.oidc",
		"身份提供方暂时联系不上，请稍后再试。", "the identity provider cannot be reached at the moment: try again later")}
}

func refusedByProvider(why string) error {
	if len(why) > 64 {
		why = why[:64]
	}
	return unauthenticated(fmt.Sprintf("身份提供方没有确认这次登录（%q）。请重新登录；多次不成功请联系贵单位的账号管理员。", why),
		fmt.Sprintf("the identity provider did not confirm this sign-in (%q): sign in again, and if it stays so ask who looks after accounts in your organisation", why))
}

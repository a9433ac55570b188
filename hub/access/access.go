// Package access decides who may do what: it knows the roles and their rights,
// tells who sends a request from a token, a session or nothing, and limits how
// much anybody may ask.
//
// It never authenticates documents, which is identity's business, and never
// decides what stands in the log: what it knows of spaces and participants it
// asks of a Directory, at every request anew.
package access

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/registry"
	"lianmu/vocab"
)

// Directory knows the spaces and their participants; *registry.Registry is one.
type Directory interface {
	// MaySign returns the space for which a key may sign now, and nil. Errors are
	// vocab.Problems: space.unadmitted, space.suspended, space.rejected where
	// there is none; key.retired, key.compromised where there was.
	MaySign(signer string) (space string, err error)
	// SpacesOfOrganisation returns the admitted spaces of which an organisation
	// (主体标识码) is a valid participant.
	SpacesOfOrganisation(code string, now time.Time) []string
	// SpacesOfDID is SpacesOfOrganisation by a participant's DID.
	SpacesOfDID(did string, now time.Time) []string
	// Space returns what is known of a space, its operator included.
	Space(did string) (registry.SpaceState, bool)
}

// Config says who is who.
type Config struct {
	HubDID    string     // audience of tokens; its key holds every office that nobody else does
	Operators []Operator // who holds which office
	Registry  Directory  // nil: nobody is a space or a participant

	PerSecond float64 // requests per second, of one address and of one identity; 0: default 200
	Burst     int     // default 400

	Sessions Sessions
	OIDC     *OIDC // nil: no OpenID Connect
	// PeopleKey, 32 secret bytes, keys what is kept of whom the provider knows. It
	// is the same in every process of a hub and after a restart, as whoever proposes
	// something before must not be somebody else after it. nil: drawn anew.
	PeopleKey []byte

	Now    func() time.Time
	Logger *slog.Logger // of an identity provider that is away; nil: none
	// Audit hears refusals, sign-ins and sign-outs; it must not block. nil: nobody.
	Audit func(Event)
	// Fail shows a browser, which accepts text/html, why a sign-in failed. nil,
	// and programs: as application/problem+json.
	Fail func(http.ResponseWriter, *http.Request, error)
}

// Defaults of Config.
const (
	DefaultPerSecond = 200
	DefaultBurst     = 400
)

// Guard holds rate limits, used tokens and sessions in bounded memory. It is
// safe for concurrent use.
//
// All three are in this process only. After a restart everybody signs in anew,
// and a token that has not expired yet (ten minutes at most) can be used once
// more; beside another process of the same hub each has its own.
type Guard struct {
	hub      string
	officers map[string]*officer
	registry Directory
	now      func() time.Time
	logger   *slog.Logger
	audit    func(Event)
	fail     func(http.ResponseWriter, *http.Request, error)

	addresses  *limiters
	identities *limiters

	used, usedByOfficers         *onceSet
	sessions, sessionsOfOfficers *sessionStore
	cookies                      cookies
	origins                      *http.CrossOriginProtection
	oidc                         *oidcClient // nil: none
}

// New returns a Guard. Errors are vocab.Problems with code access.operators or
// access.oidc: a configuration that cannot be meant.
func New(c Config) (*Guard, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.PerSecond <= 0 {
		c.PerSecond = DefaultPerSecond
	}
	if c.PeopleKey == nil {
		c.PeopleKey = make([]byte, 32)
		rand.Read(c.PeopleKey) // never fails
	}
	if c.Burst <= 0 {
		c.Burst = DefaultBurst
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	officers, err := offices(c.HubDID, c.Operators)
	if err != nil {
		return nil, err
	}
	origins, err := c.Sessions.protection()
	if err != nil {
		return nil, err
	}
	g := &Guard{
		hub:      c.HubDID,
		officers: officers,
		registry: c.Registry,
		now:      c.Now,
		logger:   c.Logger,
		audit:    c.Audit,
		fail:     writeProblem,

		addresses:  newLimiters(c.PerSecond, c.Burst),
		identities: newLimiters(c.PerSecond, c.Burst),

		used:               newOnceSet(maxUsed),
		usedByOfficers:     newOnceSet(maxUsedByOfficers),
		sessions:           newSessionStore(maxSessions),
		sessionsOfOfficers: newSessionStore(maxOfficerSessions),
		cookies:            cookies{secure: c.Sessions.Secure},
		origins:            origins,
	}
	if c.Fail != nil {
		g.fail = func(w http.ResponseWriter, r *http.Request, err error) {
			if wantsPage(r) {
				c.Fail(w, r, err)
				return
			}
			writeProblem(w, r, err)
		}
	}
	if c.OIDC != nil {
		if g.oidc, err = newOIDC(*c.OIDC, c.PeopleKey); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// Handlers are what signs people in and out, by "METHOD /path"; who mounts them
// puts Limit around them.
func (g *Guard) Handlers() map[string]http.Handler {
	h := map[string]http.Handler{
		"POST /session":     http.HandlerFunc(g.SignIn),
		"POST /session/end": http.HandlerFunc(g.SignOut),
	}
	if g.oidc != nil {
		h["GET /oidc/start"] = http.HandlerFunc(g.startOIDC)
		h["GET /oidc/callback"] = http.HandlerFunc(g.finishOIDC)
	}
	return h
}

// unauthenticated is the one code that callers map to 401.
func unauthenticated(zh, en string) error {
	return vocab.Problems{vocab.NewProblem("", "access.unauthenticated", "%[1]s", "%[2]s", zh, en)}
}

// as401 keeps the reason of a credential's refusal under that code.
func as401(err error) error {
	ps := vocab.ProblemsOf(err, "access.unauthenticated")
	out := make(vocab.Problems, len(ps))
	for i, p := range ps {
		p.Code = "access.unauthenticated"
		out[i] = p
	}
	return out
}

// bearer returns the one token of a request (RFC 6750, section 2.1).
func bearer(r *http.Request) (string, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 1 {
		scheme, token, ok := strings.Cut(values[0], " ")
		if ok && strings.EqualFold(scheme, "Bearer") && tokenText(token) {
			return token, nil
		}
	}
	return "", unauthenticated("请求头 Authorization 应只有一个，写法为 Bearer 加一个空格再加令牌，令牌不超过 8 KB。",
		"there must be one Authorization header: Bearer, one space and a token of at most 8 KB")
}

// tokenText reports whether s could be a compact JWS: base64url and dots.
func tokenText(s string) bool {
	if s == "" || len(s) > identity.MaxTokenBytes {
		return false
	}
	for _, c := range []byte(s) {
		ok := c == '.' || c == '-' || c == '_' ||
			'0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		if !ok {
			return false
		}
	}
	return true
}

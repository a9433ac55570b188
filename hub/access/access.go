// Package access decides who may do what over HTTP: tokens, audience, rate
// limits. It never authenticates documents; that is identity's business.
package access

import (
	"net/http"
	"strings"
	"time"

	"lianmu/federation/identity"
	"lianmu/vocab"
)

// Config says who is who.
type Config struct {
	HubDID    string   // audience of tokens; its own DID is an operator
	Operators []string // further DIDs
	PerSecond float64  // requests per second and address; 0: default 200
	Burst     int      // default 400
	Now       func() time.Time
}

// Defaults of Config.
const (
	DefaultPerSecond = 200
	DefaultBurst     = 400
)

// Guard holds rate limits and used tokens in bounded memory. It is safe for
// concurrent use.
//
// Used tokens are kept in this process only: after a restart, or beside
// another process of the same hub, a token that has not expired yet (ten
// minutes at most) can be used once more.
type Guard struct {
	hub       string
	operators map[string]bool
	now       func() time.Time
	used      *onceSet
	limits    *limiters
}

// New returns a Guard.
func New(c Config) *Guard {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.PerSecond <= 0 {
		c.PerSecond = DefaultPerSecond
	}
	if c.Burst <= 0 {
		c.Burst = DefaultBurst
	}
	g := &Guard{
		hub:       c.HubDID,
		operators: map[string]bool{},
		now:       c.Now,
		used:      newOnceSet(maxUsed),
		limits:    newLimiters(c.PerSecond, c.Burst),
	}
	for _, did := range append([]string{c.HubDID}, c.Operators...) {
		if did != "" {
			g.operators[did] = true
		}
	}
	return g
}

// Operator returns the operator's DID of a request with a valid Bearer token
// (RFC 6750, section 2.1) made for this hub and not used before. Errors are
// vocab.Problems with one code: access.unauthenticated (no token, or none that
// holds: 401), access.forbidden (it holds, but its maker is no operator: 403)
// or access.rate (too many tokens in use, fails closed: 429).
func (g *Guard) Operator(r *http.Request) (string, error) {
	token, err := bearer(r)
	if err != nil {
		return "", err
	}
	now := g.now()
	did, jti, expires, err := identity.VerifyToken(token, g.hub, now)
	if err != nil {
		return "", unauthenticated(err)
	}
	// Before the token is remembered: only operators can fill that memory.
	if !g.operators[did] {
		return "", vocab.Problems{vocab.NewProblem("", "access.forbidden",
			"%[1]s 不是本节点的运维人员。请用运维密钥，或请运维人员把它加入配置中的 operators。",
			"%[1]s is not an operator of this hub: use an operator's key, or ask an operator to list it under operators in the configuration", did)}
	}
	switch g.used.add(vocab.KeyOf(did, jti), expires, now) {
	case onceUsed:
		return "", vocab.Problems{vocab.NewProblem("", "access.unauthenticated",
			"这个令牌已经用过，每个令牌只能用一次。请用 lianmu token 重新生成。",
			"this token has been used, and each works once: make another with lianmu token")}
	case onceFull:
		return "", vocab.Problems{vocab.NewProblem("", "access.rate",
			"近十分钟内使用的令牌太多，暂不接受新令牌。请过几分钟再试。",
			"too many tokens were used in the last ten minutes, so no new one is accepted: try again in a few minutes")}
	}
	return did, nil
}

// unauthenticated keeps the reason of a token's refusal under the one code
// that callers map to 401.
func unauthenticated(err error) error {
	ps := vocab.ProblemsOf(err, "access.unauthenticated")
	out := make(vocab.Problems, len(ps))
	for i, p := range ps {
		p.Code = "access.unauthenticated"
		out[i] = p
	}
	return out
}

// bearer returns the one token of a request.
func bearer(r *http.Request) (string, error) {
	refuse := func(zh, en string) (string, error) {
		return "", vocab.Problems{vocab.NewProblem("", "access.unauthenticated", "%[1]s", "%[2]s", zh, en)}
	}
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return refuse("此操作需要运维令牌。请用 lianmu token 生成，并放在请求头 Authorization: Bearer 之后。",
			"this needs an operator's token: make one with lianmu token and send it as Authorization: Bearer TOKEN")
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if len(values) > 1 || !ok || !strings.EqualFold(scheme, "Bearer") || !tokenText(token) {
		return refuse("请求头 Authorization 应只有一个，写法为 Bearer 加一个空格再加令牌，令牌不超过 8 KB。",
			"there must be one Authorization header: Bearer, one space and a token of at most 8 KB")
	}
	return token, nil
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

// Reader returns who reads a request: the public, or an operator.
func (g *Guard) Reader(r *http.Request) (vocab.Reader, error) {
	if r.Header.Get("Authorization") == "" {
		return vocab.Reader{}, nil
	}
	_, err := g.Operator(r)
	return vocab.Reader{All: err == nil}, err
}

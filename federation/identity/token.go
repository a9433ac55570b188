package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json" // minds the case of names, as encoding/json does not
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/go-json-experiment/json/jsontext"

	"lianmu/vocab"
)

// Bounds of tokens.
const (
	MaxTokenLife  = 10 * time.Minute
	MaxTokenBytes = 8 << 10
	// tokenSkew is how far two machines' clocks may be apart.
	tokenSkew = 30 * time.Second
	maxJTI    = 128
)

// Values of the header member typ.
const (
	typeToken   = "JWT"
	typeSession = "session+jwt"
)

// claims are those of both kinds of token; org and role are a session's alone.
type claims struct {
	jwt.Claims
	Org  string `json:"org,omitempty"`
	Role string `json:"role,omitempty"`
}

var tokenAlgorithms = []jose.SignatureAlgorithm{jose.EdDSA}

// joseSigner lets go-jose sign with any Signer. What it signs is the ASCII
// text "header.payload" of a JWS and never 64 bytes of hashes, so a token can
// not be taken for a document's proof or the other way round.
type joseSigner struct {
	Signer
	public ed25519.PublicKey
}

func (s joseSigner) Public() *jose.JSONWebKey {
	return &jose.JSONWebKey{Key: s.public, KeyID: s.VerificationMethod(), Algorithm: string(jose.EdDSA)}
}

func (s joseSigner) Algs() []jose.SignatureAlgorithm { return tokenAlgorithms }

func (s joseSigner) SignPayload(payload []byte, _ jose.SignatureAlgorithm) ([]byte, error) {
	return s.Sign(payload)
}

// NewToken returns a compact JWS (RFC 7515, EdDSA of RFC 8037) of type JWT with
// iss = sub = s.DID(), the given audience (a DID), iat, exp = now+ttl and a
// random jti. ttl is between a second and MaxTokenLife. Errors are
// vocab.Problems (token.life, token.audience) or the signer's.
func NewToken(s Signer, audience string, now time.Time, ttl time.Duration) (string, error) {
	return newToken(s, typeToken, claims{Claims: jwt.Claims{Subject: s.DID()}}, audience, now, ttl)
}

func newToken(s Signer, typ string, c claims, audience string, now time.Time, ttl time.Duration) (string, error) {
	if ttl < time.Second || ttl > MaxTokenLife {
		return "", vocab.Problems{vocab.NewProblem("", "token.life",
			"令牌有效期须在 1 秒到 %d 分钟之间。", "a token lives between 1 second and %d minutes", int(MaxTokenLife.Minutes()))}
	}
	if !strings.HasPrefix(audience, "did:") || len(audience) > maxDID {
		return "", vocab.Problems{vocab.NewProblem("", "token.audience",
			"令牌的接收方须是节点的 DID，例如 did:key:z6Mk…；节点启动时会打印自己的 DID。",
			"a token is for the DID of a hub, such as did:key:z6Mk…; a hub prints its DID when it starts")}
	}
	public, err := PublicKey(s.DID())
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.EdDSA, Key: joseSigner{s, public}},
		(&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		return "", err
	}
	c.Issuer = s.DID()
	c.Audience = jwt.Audience{audience}
	c.IssuedAt = jwt.NewNumericDate(now)
	c.Expiry = jwt.NewNumericDate(now.Add(ttl))
	c.ID = rand.Text()
	return jwt.Signed(signer).Claims(c).Serialize()
}

// VerifyToken checks a token made by NewToken for this audience and returns
// the DID that made it and the token's jti and expiry. The algorithm is EdDSA,
// the key the one that iss names; header and claims hold no name twice; the
// audience is exactly this one; exp is at most MaxTokenLife after iat; the type
// is JWT or none, so a session token (see VerifySessionToken) is refused. That a
// token is used once is the caller's to hold, by (did, jti) until expires.
//
// Errors are vocab.Problems: token.invalid, token.audience, token.expired,
// token.future.
func VerifyToken(token, audience string, now time.Time) (did, jti string, expires time.Time, err error) {
	c, err := verifyToken(token, typeToken, audience, now)
	if err != nil {
		return "", "", time.Time{}, err
	}
	return c.Issuer, c.ID, c.Expiry.Time().UTC(), nil
}

// verifyToken is both kinds' check. What costs little comes first: the
// signature is looked at when all else is in order.
func verifyToken(token, typ, audience string, now time.Time) (c *claims, err error) {
	defer func() {
		if recover() != nil {
			c, err = nil, tokenInvalid("读不出内容", "it cannot be read")
		}
	}()
	if len(token) > MaxTokenBytes {
		return nil, tokenInvalid("超过 8 KB", "it is longer than 8 KB")
	}
	if err := CheckTokenForm(token); err != nil {
		return nil, err
	}
	parsed, err := jose.ParseSignedCompact(token, tokenAlgorithms)
	if err != nil {
		return nil, tokenInvalid("不是用 EdDSA 算法签名的紧凑格式令牌", "it is not a compact JWS with alg EdDSA")
	}
	header := parsed.Signatures[0].Protected
	if err := checkTokenType(header, typ); err != nil {
		return nil, err
	}
	c = &claims{}
	if err := json.Unmarshal(parsed.UnsafePayloadWithoutVerification(), c); err != nil {
		return nil, tokenInvalid("声明内容读不出", "its claims cannot be read")
	}
	pub, err := PublicKey(c.Issuer)
	if err != nil {
		return nil, tokenInvalid("签发者不是 Ed25519 的 did:key", "its issuer is not a did:key with an Ed25519 key")
	}
	if kid := header.KeyID; kid != "" && kid != methodOf(c.Issuer) {
		return nil, tokenInvalid("kid 不是签发者的密钥", "its kid is not its issuer's key")
	}
	if typ == typeToken && c.Subject != c.Issuer {
		return nil, tokenInvalid("签发者与主体不一致", "its issuer and subject differ")
	}
	if err := checkClaims(&c.Claims, audience, now); err != nil {
		return nil, err
	}
	if _, err := parsed.Verify(pub); err != nil {
		return nil, tokenInvalid("签名不是签发者的", "its signature is not its issuer's")
	}
	return c, nil
}

// checkTokenType keeps tokens and session tokens apart (RFC 8725, section 3.11).
func checkTokenType(header jose.Header, want string) error {
	got, _ := header.ExtraHeaders[jose.HeaderType].(string)
	if got == want || got == "" && want == typeToken && header.ExtraHeaders[jose.HeaderType] == nil {
		return nil
	}
	if want == typeSession {
		return tokenInvalid("它不是会话令牌（typ 应为 session+jwt），请加 --session", "it is no session token (typ session+jwt): add --session")
	}
	return tokenInvalid("它不是普通令牌（typ 应为 JWT）；会话令牌只能用来登录网页", "it is no plain token (typ JWT); a session token is good for signing in to the pages alone")
}

// CheckTokenForm holds header and payload of a compact JWS to strict base64url
// and to JSON objects that repeat no name: lenient readers are how two programs
// see two different tokens in one text. The error is vocab.Problems with code
// token.invalid.
func CheckTokenForm(token string) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return tokenInvalid("不是三段", "it does not have three parts")
	}
	for i, p := range parts {
		b, err := base64.RawURLEncoding.Strict().DecodeString(p)
		if err != nil || strings.ContainsAny(p, "\r\n") {
			return tokenInvalid("不是 base64url 编码", "it is not base64url")
		}
		if i < 2 && (!bytes.HasPrefix(b, []byte("{")) || !jsontext.Value(b).IsValid()) {
			return tokenInvalid("里面不是 JSON 对象，或有重复的键名", "it does not hold JSON objects without repeated names")
		}
	}
	return nil
}

func checkClaims(c *jwt.Claims, audience string, now time.Time) error {
	switch {
	case c.ID == "" || len(c.ID) > maxJTI:
		return tokenInvalid("没有编号 jti，或编号超过 128 字节", "it has no jti, or one longer than 128 bytes")
	case c.Expiry == nil || c.IssuedAt == nil:
		return tokenInvalid("没有写明签发和到期时间", "it does not say when it was issued and when it expires")
	case len(c.Audience) != 1 || c.Audience[0] != audience || audience == "":
		return vocab.Problems{vocab.NewProblem("", "token.audience",
			"令牌不是发给本节点（%[1]s）的。请用 lianmu token --audience %[1]s 重新生成。",
			"the token is not for this hub (%[1]s): make one with lianmu token --audience %[1]s", audience)}
	}
	issued, expires := c.IssuedAt.Time(), c.Expiry.Time()
	if life := expires.Sub(issued); life <= 0 || life > MaxTokenLife {
		return tokenInvalid("有效期超过 10 分钟，或到期早于签发", "it lives longer than 10 minutes, or ends before it begins")
	}
	if issued.After(now.Add(tokenSkew)) || c.NotBefore != nil && c.NotBefore.Time().After(now.Add(tokenSkew)) {
		return vocab.Problems{vocab.NewProblem("", "token.future",
			"令牌的签发时间 %s 晚于本节点时间 %s。请校准两边的时钟。",
			"the token is from the future (%s, it is %s here): set the clocks",
			issued.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))}
	}
	if !now.Before(expires) {
		return vocab.Problems{vocab.NewProblem("", "token.expired",
			"令牌已于 %s 过期。请重新生成；若刚生成就过期，请校准两边的时钟。",
			"the token expired at %s: make another, and if it was new set the clocks", expires.UTC().Format(time.RFC3339))}
	}
	return nil
}

func tokenInvalid(zh, en string) error {
	return vocab.Problems{vocab.NewProblem("", "token.invalid",
		"令牌无效：%[1]s。请用 lianmu token 重新生成。", "the token is refused: %[2]s; make one with lianmu token", zh, en)}
}

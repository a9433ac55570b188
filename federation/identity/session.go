package identity

import (
	"encoding/base64"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/go-jose/go-jose/v4/json"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/text/unicode/norm"

	"lianmu/vocab"
)

// maxPerson and maxRole bound what a session token says of a person, in bytes.
const (
	maxPerson = 64
	maxRole   = 32
)

// Person is somebody for whom a space vouches. Who it is stays with the space.
type Person struct {
	Org  string // 主体标识码 of the organisation, 18 characters
	Name string // a pseudonym, 1 to 64 bytes; never a name, number or address of a person
	Role string // what the space says the person is here; "" to 32 bytes
}

// SessionToken is what a session token says.
type SessionToken struct {
	DID     string // that signed: a key of the space
	ID      string // its jti
	Expires time.Time
	Person
}

// NewSessionToken returns a token with which a space vouches for one of its
// people towards the hub with the given DID: a compact JWS like NewToken's, but
// of type session+jwt, with sub the pseudonym, org and role. Errors are
// vocab.Problems (token.life, token.audience, token.person, identifier.…) or
// the signer's.
func NewSessionToken(s Signer, audience string, p Person, now time.Time, ttl time.Duration) (string, error) {
	if err := CheckPerson(p); err != nil {
		return "", err
	}
	return newToken(s, typeSession, claims{Claims: jwt.Claims{Subject: p.Name}, Org: p.Org, Role: p.Role}, audience, now, ttl)
}

// VerifySessionToken checks a token made by NewSessionToken, as VerifyToken does
// one by NewToken, which is refused here. Whether the key is a space's, and the
// organisation one of it, is the caller's to judge. Errors are VerifyToken's
// and those of CheckPerson.
func VerifySessionToken(token, audience string, now time.Time) (SessionToken, error) {
	c, err := verifyToken(token, typeSession, audience, now)
	if err != nil {
		return SessionToken{}, err
	}
	p := Person{Org: c.Org, Name: c.Subject, Role: c.Role}
	if err := CheckPerson(p); err != nil {
		return SessionToken{}, err
	}
	return SessionToken{DID: c.Issuer, ID: c.ID, Expires: c.Expiry.Time().UTC(), Person: p}, nil
}

// CheckPerson refuses an organisation code that does not hold, and a pseudonym
// that is none: one that holds an identity number, a mobile number or an e-mail
// address. The errors are vocab.Problems (token.person, identifier.…) and do not repeat it.
func CheckPerson(p Person) error {
	if err := vocab.CheckSubject(p.Org); err != nil {
		return err
	}
	if len(p.Role) > maxRole {
		return vocab.Problems{vocab.NewProblem("", "token.person", "角色名过长，最多 %d 字节。", "the role is too long, at most %d bytes", maxRole)}
	}
	if p.Name == "" || len(p.Name) > maxPerson || strings.ContainsFunc(p.Name, func(r rune) bool {
		return r == '@' || r == '/' || r == unicode.ReplacementChar || !unicode.IsGraphic(r) || unicode.IsSpace(r)
	}) || holdsNumber(p.Name) {
		return vocab.Problems{vocab.NewProblem("", "token.person",
			"人员代号应为 1 至 %d 字节、不含空格、“@”和“/”的假名，例如 op-07；其中不得有证件号、手机号或邮箱。",
			"a person is named by a pseudonym of 1 to %d bytes without spaces, @ and /, such as op-07, in which there is no identity number, mobile number or e-mail address", maxPerson)}
	}
	return nil
}

// uuidIn is a UUID within a name (RFC 9562), whose groups of digits are no number.
var uuidIn = regexp.MustCompile(`(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)

const (
	personDigits = 18 // of an identity number
	mobileDigits = 11
	mostPrefix   = 4 // digits of the country's or the trunk prefix, or of what else touches a number
)

// holdsNumber reports whether a name holds, anywhere, what may be a person's
// identity number or mobile number of the mainland, however it is grouped. What
// only looks like one is refused too: a pseudonym is easily another, and what once
// is in the trail stays there.
func holdsNumber(name string) bool {
	s := bareNumber(uuidIn.ReplaceAllString(name, "u"))
	for i := range s {
		if i+personDigits <= len(s) && vocab.MaybePersonal(s[i:i+personDigits]) {
			return true
		}
	}
	for _, run := range strings.FieldsFunc(s, func(r rune) bool { return r < '0' || r > '9' }) {
		switch n := len(run); {
		case n == mobileDigits && run[0] == '1',
			n > mobileDigits && n <= mobileDigits+mostPrefix && (mobile(run) || mobile(run[n-mobileDigits:])):
			return true
		}
	}
	return false
}

// mobile reports whether digits, eleven at least, begin as a mobile number does.
func mobile(s string) bool { return s[0] == '1' && s[1] >= '3' }

// bareNumber is s without the signs that part the groups of a number, and with
// its digits, of whatever script or width, in ASCII.
func bareNumber(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < unicode.MaxASCII && unicode.IsDigit(r):
			return r
		case unicode.IsDigit(r):
			v := rune(0) // digits of a script stand in a row from nought
			for v < 9 && unicode.IsDigit(r-v-1) {
				v++
			}
			return '0' + v
		case unicode.IsPunct(r), unicode.IsSymbol(r), unicode.IsMark(r):
			return -1
		}
		return r
	}, norm.NFKC.String(s))
}

// IsSessionToken reports whether a token says that it is a session token. It
// checks nothing else of it.
func IsSessionToken(token string) bool {
	part, _, ok := strings.Cut(token, ".")
	if !ok || len(part) > MaxTokenBytes {
		return false
	}
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return false
	}
	var header struct {
		Type string `json:"typ"`
	}
	return json.Unmarshal(b, &header) == nil && header.Type == typeSession
}

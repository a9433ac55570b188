package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

const hubDID = "did:key:z6MkpTHR8VNsBxYAAWHut2Geadd9jSwuBV8xRoAnwWsdvktH"

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// forgeToken signs header and claims as they are written.
func forgeToken(t testing.TB, seed, header, claims string) string {
	t.Helper()
	input := b64(header) + "." + b64(claims)
	sig, err := testKey(t, seed).Sign([]byte(input))
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func TestTokenRoundTrip(t *testing.T) {
	key := testKey(t, testSeed)
	seen := map[string]bool{}
	for range 3 {
		token, err := NewToken(key, hubDID, testNow, 5*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		did, jti, expires, err := VerifyToken(token, hubDID, testNow.Add(4*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if want := testNow.Add(5 * time.Minute).Truncate(time.Second); did != key.DID() || !expires.Equal(want) {
			t.Errorf("%s until %v, want %v", did, expires, want)
		}
		if len(jti) < 22 || seen[jti] {
			t.Errorf("jti %q is short or comes again", jti)
		}
		seen[jti] = true
		var header map[string]string
		part, _, _ := strings.Cut(token, ".")
		b, _ := base64.RawURLEncoding.DecodeString(part)
		if err := json.Unmarshal(b, &header); err != nil || header["alg"] != "EdDSA" || header["kid"] != key.VerificationMethod() || header["typ"] != "JWT" {
			t.Errorf("header %v, %v", header, err)
		}
	}
}

func TestNewTokenRefuses(t *testing.T) {
	key := testKey(t, testSeed)
	for _, ttl := range []time.Duration{-time.Minute, 0, time.Second - 1, MaxTokenLife + 1} {
		_, err := NewToken(key, hubDID, testNow, ttl)
		wantCode(t, err, "token.life")
	}
	for _, aud := range []string{"", "https://hub.example", "did:" + strings.Repeat("x", maxDID)} {
		_, err := NewToken(key, aud, testNow, time.Minute)
		wantCode(t, err, "token.audience")
	}
	if _, err := NewToken(&Key{}, hubDID, testNow, time.Minute); err == nil {
		t.Error("an empty key made a token")
	}
}

func TestTokenAttacks(t *testing.T) {
	key := testKey(t, testSeed)
	other := testKey(t, otherSeed)
	const header = `{"alg":"EdDSA","typ":"JWT"}`
	iat := testNow.Unix()
	claims := func(edit string) string {
		base := fmt.Sprintf(`{"iss":%q,"sub":%q,"aud":%q,"iat":%d,"exp":%d,"jti":"one"}`,
			key.DID(), key.DID(), hubDID, iat, iat+300)
		old, new, ok := strings.Cut(edit, "→")
		if ok && strings.Count(base, old) == 0 {
			t.Fatalf("%q is not in %s", old, base)
		}
		return strings.Replace(base, old, new, 1)
	}
	good := forgeToken(t, testSeed, header, claims(""))
	if _, _, _, err := VerifyToken(good, hubDID, testNow); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	pub, err := PublicKey(key.DID())
	if err != nil {
		t.Fatal(err)
	}
	mac := func(secret []byte) string {
		input := b64(`{"alg":"HS256","typ":"JWT"}`) + "." + parts[1]
		h := hmac.New(sha256.New, secret)
		h.Write([]byte(input))
		return input + "." + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
	}
	expires := fmt.Sprint(iat + 300)
	issued := fmt.Sprintf(`"iat":%d`, iat)
	for name, c := range map[string]struct{ token, code string }{
		"alg none":            {b64(`{"alg":"none"}`) + "." + parts[1] + ".", "token.invalid"},
		"alg none, signed":    {forgeToken(t, testSeed, `{"alg":"none"}`, claims("")), "token.invalid"},
		"HMAC by public key":  {mac(pub), "token.invalid"},
		"HMAC by DID":         {mac([]byte(key.DID())), "token.invalid"},
		"HMAC by nothing":     {mac(nil), "token.invalid"},
		"alg missing":         {forgeToken(t, testSeed, `{"typ":"JWT"}`, claims("")), "token.invalid"},
		"alg twice":           {forgeToken(t, testSeed, `{"alg":"EdDSA","alg":"EdDSA"}`, claims("")), "token.invalid"},
		"own key in header":   {forgeToken(t, otherSeed, fmt.Sprintf(`{"alg":"EdDSA","jwk":{"kty":"OKP","crv":"Ed25519","x":%q}}`, b64(string(other.priv[32:]))), claims("")), "token.invalid"},
		"kid of another":      {forgeToken(t, testSeed, fmt.Sprintf(`{"alg":"EdDSA","kid":%q}`, other.VerificationMethod()), claims("")), "token.invalid"},
		"crit":                {forgeToken(t, testSeed, `{"alg":"EdDSA","crit":["x"],"x":1}`, claims("")), "token.invalid"},
		"b64 false":           {forgeToken(t, testSeed, `{"alg":"EdDSA","crit":["b64"],"b64":false}`, claims("")), "token.invalid"},
		"signed by another":   {forgeToken(t, otherSeed, header, claims("")), "token.invalid"},
		"iss twice":           {forgeToken(t, testSeed, header, claims(fmt.Sprintf(`{"iss"→{"iss":%q,"iss"`, other.DID()))), "token.invalid"},
		"aud twice":           {forgeToken(t, testSeed, header, claims(`"aud"→"aud":"did:web:x","aud"`)), "token.invalid"},
		"sub of another":      {forgeToken(t, testSeed, header, claims(`"sub":"`+key.DID()+`→"sub":"`+other.DID())), "token.invalid"},
		"iss not did:key":     {forgeToken(t, testSeed, header, claims(key.DID()+`→did:web:x`)), "token.invalid"},
		"other audience":      {forgeToken(t, testSeed, header, claims(hubDID+`→`+other.DID())), "token.audience"},
		"two audiences":       {forgeToken(t, testSeed, header, claims(`"`+hubDID+`"→["`+hubDID+`","did:web:x"]`)), "token.audience"},
		"no audience":         {forgeToken(t, testSeed, header, claims(`"aud"→"aut"`)), "token.audience"},
		"no exp":              {forgeToken(t, testSeed, header, claims(`"exp"→"ext"`)), "token.invalid"},
		"no iat":              {forgeToken(t, testSeed, header, claims(`"iat"→"iaf"`)), "token.invalid"},
		"no jti":              {forgeToken(t, testSeed, header, claims(`"jti"→"jtj"`)), "token.invalid"},
		"jti a number":        {forgeToken(t, testSeed, header, claims(`"one"→1`)), "token.invalid"},
		"jti too long":        {forgeToken(t, testSeed, header, claims("one→"+strings.Repeat("j", maxJTI+1))), "token.invalid"},
		"lives too long":      {forgeToken(t, testSeed, header, claims(expires+"→"+fmt.Sprint(iat+601))), "token.invalid"},
		"exp huge":            {forgeToken(t, testSeed, header, claims(expires+"→1e300")), "token.invalid"},
		"ends as it begins":   {forgeToken(t, testSeed, header, claims(expires+"→"+fmt.Sprint(iat))), "token.invalid"},
		"expired":             {forgeToken(t, testSeed, header, claims(fmt.Sprintf(`%s,"exp":%s→"iat":%d,"exp":%d`, issued, expires, iat-300, iat))), "token.expired"},
		"issued later":        {forgeToken(t, testSeed, header, claims(fmt.Sprintf(`%s→"iat":%d`, issued, iat+60))), "token.future"},
		"not before later":    {forgeToken(t, testSeed, header, claims(fmt.Sprintf(`%s→%s,"nbf":%d`, issued, issued, iat+60))), "token.future"},
		"claims a list":       {forgeToken(t, testSeed, header, "["+claims("")+"]"), "token.invalid"},
		"claims and more":     {forgeToken(t, testSeed, header, claims("")+"{}"), "token.invalid"},
		"claims not UTF-8":    {forgeToken(t, testSeed, header, claims("one→\xff")), "token.invalid"},
		"empty":               {"", "token.invalid"},
		"two dots":            {"..", "token.invalid"},
		"no signature":        {parts[0] + "." + parts[1] + ".", "token.invalid"},
		"four parts":          {good + "." + parts[2], "token.invalid"},
		"padded":              {good + "=", "token.invalid"},
		"line end inside":     {parts[0] + "\n." + parts[1] + "." + parts[2], "token.invalid"},
		"space before":        {" " + good, "token.invalid"},
		"over-long":           {forgeToken(t, testSeed, header, claims(`"jti"→"x":"`+strings.Repeat("x", MaxTokenBytes)+`","jti"`)), "token.invalid"},
		"JSON serialisation":  {fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, parts[0], parts[1], parts[2]), "token.invalid"},
		"signature bits kept": {good[:len(good)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", good[len(good)-1])+1]), "token.invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			did, jti, expires, err := VerifyToken(c.token, hubDID, testNow)
			if err == nil {
				t.Fatalf("accepted for %s", did)
			}
			wantCode(t, err, c.code)
			if did != "" || jti != "" || !expires.IsZero() {
				t.Error("a refused token still tells who")
			}
		})
	}
	if _, _, _, err := VerifyToken(good, "", testNow); err == nil {
		t.Error("accepted for no audience")
	}
}

// A document's proof must never pass for a token nor a token for a proof: the
// texts that are signed differ in length and alphabet.
func TestTokensAndProofsAreApart(t *testing.T) {
	key := testKey(t, testSeed)
	token, err := NewToken(key, hubDID, testNow, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	input := token[:strings.LastIndexByte(token, '.')]
	if len(input) == 64 || !strings.HasPrefix(input, "eyJ") {
		t.Errorf("a token signs %d bytes", len(input))
	}
}

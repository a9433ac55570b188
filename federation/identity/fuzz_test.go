package identity

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"lianmu/vocab"
	"lianmu/vocab/jsonld"
)

// FuzzVerify: nothing panics, whatever is refused says why in both languages,
// and whatever is accepted is accepted for the key that signed it alone.
func FuzzVerify(f *testing.F) {
	good := mustSign(f, testDoc, testSeed, SignOptions{Expires: testNow.Add(time.Hour)})
	mine := proofOf(f, testSeed, SignOptions{})
	f.Add(good)
	f.Add(withProof("[" + mine + "," + mine + "]"))
	f.Add(withProof("[]"))
	f.Add(withProof("{}"))
	f.Add([]byte(testDoc))
	f.Add([]byte(`{"proof":{"type":"DataIntegrityProof","cryptosuite":"eddsa-jcs-2022","proofValue":"z11"}}`))
	author := testKey(f, testSeed).DID()
	contents := map[vocab.Digest]bool{}
	for _, d := range []string{testDoc, `{}`} {
		c, err := Content([]byte(d))
		if err != nil {
			f.Fatal(err)
		}
		contents[c] = true
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		s, err := check(raw, testNow)
		if !bytes.Equal(raw, before) {
			t.Fatal("the input was changed")
		}
		// Verify stands alone too, on bytes that nobody decoded before.
		if _, direct := Verify(&jsonld.Document{Raw: raw}, testNow); err == nil && direct != nil {
			t.Fatalf("decoded it is good, raw it is not: %v", direct)
		}
		if err != nil {
			if len(codes(t, err)) == 0 {
				t.Fatal("refused without a reason")
			}
			return
		}
		if s.Space != author || !contents[s.Content] {
			t.Fatalf("a forgery: %+v", s)
		}
	})
}

// FuzzSign: what Sign returns verifies, and its content is that of the input.
func FuzzSign(f *testing.F) {
	f.Add([]byte(testDoc))
	f.Add([]byte(`{}`))
	f.Add([]byte(` {"a" : 1e2 , "@context":null } `))
	f.Add([]byte(`{"\ud83d\ude00":"\u0000","b":[[],{}]}`))
	key := testKey(f, testSeed)
	f.Fuzz(func(t *testing.T, raw []byte) {
		signed, err := Sign(raw, key, SignOptions{Created: testNow})
		if err != nil {
			codes(t, err)
			return
		}
		s, err := Verify(&jsonld.Document{Raw: signed}, testNow)
		if err != nil {
			t.Fatalf("%v in %s", err, signed)
		}
		if c, err := Content(raw); err != nil || c != s.Content {
			t.Fatalf("content %s, %v; signed %s", c, err, s.Content)
		}
	})
}

// FuzzToken: nothing panics, and only what the key signed is accepted.
func FuzzToken(f *testing.F) {
	key := testKey(f, testSeed)
	claims := fmt.Sprintf(`{"iss":%q,"sub":%q,"aud":%q,"iat":%d,"exp":%d,"jti":"one"}`,
		key.DID(), key.DID(), hubDID, testNow.Unix(), testNow.Unix()+300)
	good := forgeToken(f, testSeed, `{"alg":"EdDSA","typ":"JWT"}`, claims)
	f.Add(good)
	f.Add(forgeToken(f, testSeed, `{"alg":"none"}`, claims))
	f.Add(b64(`{"alg":"HS256"}`) + "." + b64(claims) + ".AAAA")
	f.Add("..")
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		did, jti, expires, err := VerifyToken(token, hubDID, testNow)
		if err != nil {
			if len(codes(t, err)) == 0 || did != "" || jti != "" || !expires.IsZero() {
				t.Fatalf("refused, but %q %q %v", did, jti, expires)
			}
			return
		}
		if did != key.DID() || !strings.HasPrefix(good, token[:strings.LastIndexByte(token, '.')]) {
			t.Fatalf("a forgery for %s: %s", did, token)
		}
	})
}

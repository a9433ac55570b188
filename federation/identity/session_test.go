package identity

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const sessionOrg = "91512081MA62K0260E"

func TestSessionTokenRoundTrip(t *testing.T) {
	key := testKey(t, testSeed)
	p := Person{Org: sessionOrg, Name: "运营员-07", Role: "participant"}
	token, err := NewSessionToken(key, hubDID, p, testNow, 5*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	got, err := VerifySessionToken(token, hubDID, testNow.Add(4*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if got.DID != key.DID() || got.Person != p || got.ID == "" || !got.Expires.Equal(testNow.Add(5*time.Minute).Truncate(time.Second)) {
		t.Errorf("%+v", got)
	}
	if !IsSessionToken(token) {
		t.Error("not seen as a session token")
	}
}

// Neither kind of token is ever taken for the other.
func TestKindsOfTokenAreApart(t *testing.T) {
	key := testKey(t, testSeed)
	plain, err := NewToken(key, hubDID, testNow, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	session, err := NewSessionToken(key, hubDID, Person{Org: sessionOrg, Name: "op-07"}, testNow, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if IsSessionToken(plain) {
		t.Error("a plain token is seen as a session token")
	}
	_, _, _, err = VerifyToken(session, hubDID, testNow)
	wantCode(t, err, "token.invalid")
	_, err = VerifySessionToken(plain, hubDID, testNow)
	wantCode(t, err, "token.invalid")

	claims := fmt.Sprintf(`{"iss":%q,"sub":%q,"aud":%q,"iat":%d,"exp":%d,"jti":"x","org":%q}`,
		key.DID(), key.DID(), hubDID, testNow.Unix(), testNow.Unix()+60, sessionOrg)
	for header, plainly := range map[string]bool{
		`{"alg":"EdDSA","typ":"JWT"}`:         true,
		`{"alg":"EdDSA"}`:                     true,
		`{"alg":"EdDSA","typ":""}`:            false,
		`{"alg":"EdDSA","typ":"jwt"}`:         false,
		`{"alg":"EdDSA","typ":"session+jwt"}`: false,
		`{"alg":"EdDSA","typ":"vc+jwt"}`:      false,
		`{"alg":"EdDSA","typ":7}`:             false,
		`{"alg":"EdDSA","typ":null}`:          true, // as none
	} {
		token := forgeToken(t, testSeed, header, claims)
		if _, _, _, err := VerifyToken(token, hubDID, testNow); (err == nil) != plainly {
			t.Errorf("%s as a plain token: %v", header, err)
		}
		if !strings.Contains(header, "session+jwt") {
			if _, err := VerifySessionToken(token, hubDID, testNow); err == nil {
				t.Errorf("%s was taken for a session token", header)
			}
		}
	}
}

func TestSessionTokenAttacks(t *testing.T) {
	key, other := testKey(t, testSeed), testKey(t, otherSeed)
	const header = `{"alg":"EdDSA","typ":"session+jwt"}`
	claims := func(edit string) string {
		base := fmt.Sprintf(`{"iss":%q,"sub":"op-07","aud":%q,"iat":%d,"exp":%d,"jti":"one","org":%q,"role":"space"}`,
			key.DID(), hubDID, testNow.Unix(), testNow.Unix()+60, sessionOrg)
		old, new, ok := strings.Cut(edit, "→")
		if ok && strings.Count(base, old) == 0 {
			t.Fatalf("%q is not in %s", old, base)
		}
		return strings.Replace(base, old, new, 1)
	}
	if _, err := VerifySessionToken(forgeToken(t, testSeed, header, claims("")), hubDID, testNow); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ token, code string }{
		"signed by another": {forgeToken(t, otherSeed, header, claims("")), "token.invalid"},
		"other hub":         {forgeToken(t, testSeed, header, claims(hubDID+"→"+other.DID())), "token.audience"},
		"expired":           {forgeToken(t, testSeed, header, claims(fmt.Sprintf(`"iat":%d,"exp":%d→"iat":%d,"exp":%d`, testNow.Unix(), testNow.Unix()+60, testNow.Unix()-60, testNow.Unix()))), "token.expired"},
		"lives too long":    {forgeToken(t, testSeed, header, claims(fmt.Sprintf(`"exp":%d→"exp":%d`, testNow.Unix()+60, testNow.Unix()+601))), "token.invalid"},
		"org twice":         {forgeToken(t, testSeed, header, claims(`"org"→"org":"12430000MB0L046927","org"`)), "token.invalid"},
		"role twice":        {forgeToken(t, testSeed, header, claims(`"role"→"role":"review","role"`)), "token.invalid"},
		"typ twice":         {forgeToken(t, testSeed, `{"alg":"EdDSA","typ":"JWT","typ":"session+jwt"}`, claims("")), "token.invalid"},
		"alg none":          {forgeToken(t, testSeed, `{"alg":"none","typ":"session+jwt"}`, claims("")), "token.invalid"},
		"ORG in capitals":   {forgeToken(t, testSeed, header, claims(`"org"→"ORG"`)), "identifier.form"},
		"org missing":       {forgeToken(t, testSeed, header, claims(`"org"→"x"`)), "identifier.form"},
		"org a list":        {forgeToken(t, testSeed, header, claims(`"`+sessionOrg+`"→["`+sessionOrg+`"]`)), "token.invalid"},
		"a person's number": {forgeToken(t, testSeed, header, claims(sessionOrg+"→11010519491231002X")), "identifier.personal"},
		"sub missing":       {forgeToken(t, testSeed, header, claims(`"sub"→"sux"`)), "token.person"},
		"no jti":            {forgeToken(t, testSeed, header, claims(`"jti"→"jtx"`)), "token.invalid"},
		"empty":             {"", "token.invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := VerifySessionToken(c.token, hubDID, testNow)
			if err == nil {
				t.Fatal("accepted")
			}
			wantCode(t, err, c.code)
			if got != (SessionToken{}) {
				t.Error("a refused token still tells who")
			}
		})
	}
}

func TestPseudonyms(t *testing.T) {
	for name, ok := range map[string]bool{
		"op-07": true, "运营员七": true, "a": true, strings.Repeat("x", 64): true, "12345678901234": true,
		"": false, strings.Repeat("x", 65): false, "two words": false, "a/b": false, "li@example.cn": false,
		"13800138000": false, "+8613800138000": false, "8613800138000": false, "11010519491231002X": false,
		"138-0013-8000": false, "138.0013.8000": false, "138·0013·8000": false, "138_0013_8000": false, "+86-138.0013.8000": false,
		"013800138000": false, "0086-13800138000": false, "１３８００１３８０００": false, "110105-19491231-002X": false,
		"张三13800138000": false, "13800138000张三": false, "op13800138000": false, "op-1380013.8000-x": false, "a86-138-0013-8000": false,
		"op110105199003078515": false, "张110105-19900307-8515": false, "x11010519900307851x": false, "110105199003078510a": false,
		"١٣٨٠٠١٣٨٠٠٠": false, "𝟭𝟯𝟴00138000": false, "1\u03363800138000": false, "2113800138000": false, "13800138000201": false,
		"op-20261121083000": true, "16384": true, "line-4008123456": true, "oidc-abcdefgh234567ij": true, "u1234567890": true,
		"3f2b8c1e-1380-4138-8000-138001380007": true, "91310000000000043": true,
		"op-2026.11.21": true, "2026-11-21_01": true, "v1.2.3": true,
		"a\x00b": false, "a\nb": false, "\xff": false, "a\u202eb": false,
	} {
		err := CheckPerson(Person{Org: sessionOrg, Name: name})
		if (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
		if err != nil && name != "" && name != "a/b" && strings.Contains(err.Error(), name) {
			t.Errorf("%q is repeated: %v", name, err)
		}
	}
	if CheckPerson(Person{Org: sessionOrg, Name: "a", Role: strings.Repeat("r", 33)}) == nil {
		t.Error("a role of any length")
	}
}

func BenchmarkVerifySessionToken(b *testing.B) {
	token, err := NewSessionToken(testKey(b, testSeed), hubDID, Person{Org: sessionOrg, Name: "op-07"}, testNow, MaxTokenLife)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := VerifySessionToken(token, hubDID, testNow); err != nil {
			b.Fatal(err)
		}
	}
}

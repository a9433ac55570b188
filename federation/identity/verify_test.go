package identity

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lianmu/vocab"
	"lianmu/vocab/jsonld"
)

func TestSignThenVerify(t *testing.T) {
	key := testKey(t, testSeed)
	for name, raw := range map[string]string{
		"pretty":          testDoc,
		"one line":        `{"@id":"urn:a","x":[1,2,{"y":null}]}`,
		"empty":           ` { } `,
		"no context":      `{"a":"b"}`,
		"escaped name":    `{"\u0061":"b"}`,
		"tabs and blanks": "\n{\t\"b\" : 1 ,\r\n\t\"a\" : [ ] }\n",
		"context list":    `{"@context":["https://w3id.org/security/data-integrity/v2",{"a":"urn:a"}],"a":"\"\\\u2028"}`,
	} {
		t.Run(name, func(t *testing.T) {
			expires := testNow.Add(365 * 24 * time.Hour)
			signed, err := Sign([]byte(raw), key, SignOptions{Created: testNow, Expires: expires})
			if err != nil {
				t.Fatal(err)
			}
			s, err := check(signed, testNow)
			if err != nil {
				t.Fatalf("%v in %s", err, signed)
			}
			content, err := Content([]byte(raw))
			if err != nil {
				t.Fatal(err)
			}
			want := Secured{
				Space: key.DID(), VerificationMethod: key.VerificationMethod(), Created: testNow, Expires: expires,
				Digest: vocab.DigestOf(signed), Content: content,
			}
			if !reflect.DeepEqual(*s, want) {
				t.Errorf("got  %+v\nwant %+v", *s, want)
			}
			// What was there is there, in its order; the proof is last.
			body := strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(raw), "}"))
			if !strings.HasPrefix(string(signed), body) {
				t.Errorf("members changed:\n%s", signed)
			}
			rest := strings.TrimLeft(string(signed)[len(body):], ", \t\r\n")
			if !strings.HasPrefix(rest, `"proof":{"type":"DataIntegrityProof"`) || !strings.HasSuffix(rest, "}") {
				t.Errorf("proof is not last: %s", rest)
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	good := mustSign(t, testDoc, testSeed, SignOptions{Expires: testNow.Add(time.Hour)})
	me, other := testKey(t, testSeed), testKey(t, otherSeed)
	mine := me.VerificationMethod()
	_, proofValue, _ := strings.Cut(string(good), `"proofValue":"`)
	proofValue, _, _ = strings.Cut(proofValue, `"`)
	for name, c := range map[string]struct {
		old, new string
		now      time.Time
		code     string
	}{
		"content altered":         {"充电桩", "停车场", testNow, "proof.invalid"},
		"member added":            {`"amount"`, `"more":1,"amount"`, testNow, "proof.invalid"},
		"context altered":         {`"标题": "dct:title"`, `"标题": "dct:description"`, testNow, "proof.context"},
		"another's key":           {mine, other.VerificationMethod(), testNow, "proof.invalid"},
		"fragment of another":     {mine, me.DID() + "#" + other.DID()[8:], testNow, "proof.key"},
		"no fragment":             {mine, me.DID(), testNow, "proof.key"},
		"did:web":                 {mine, "did:web:space.example#key", testNow, "proof.key"},
		"key of another codec":    {mine, methodOf("did:key:zDnaepBuvsQ8cpsWrVKw8fbpGpvPeNSjVPTWoq6cRqaYzBKVP"), testNow, "proof.key"},
		"key 10 KB long":          {mine, methodOf("did:key:z" + strings.Repeat("6", 10_000)), testNow, "proof.key"},
		"expired":                 {"", "", testNow.Add(time.Hour), "proof.expired"},
		"from the future":         {"", "", testNow.Add(-FutureSkew - time.Millisecond), "proof.future"},
		"created moved":           {testNow.Format(timeLayout), "2026-11-21T08:29:00.123Z", testNow, "proof.invalid"},
		"created missing":         {`"created"`, `"createt"`, testNow, "proof.invalid"},
		"created a number":        {`"` + testNow.Format(timeLayout) + `"`, "1795249800", testNow, "proof.invalid"},
		"created in year 1":       {"2026-11-21T08:30", "0001-11-21T08:30", testNow, "proof.invalid"},
		"created with a comma":    {"08:30:00.123Z", "08:30:00,123Z", testNow, "proof.invalid"},
		"expires before created":  {"2026-11-21T09:30", "2026-11-21T07:30", testNow, "proof.invalid"},
		"expires in year 9999":    {"2026-11-21T09:30", "9999-11-21T09:30", testNow, "proof.invalid"},
		"expires null":            {`"2026-11-21T09:30:00.123Z"`, "null", testNow, "proof.invalid"},
		"other purpose":           {"assertionMethod", "authentication", testNow, "proof.purpose"},
		"other suite":             {"eddsa-jcs-2022", "eddsa-rdfc-2022", testNow, "proof.suite"},
		"other type":              {"DataIntegrityProof", "Ed25519Signature2020", testNow, "proof.suite"},
		"type a list":             {`"type":"DataIntegrityProof"`, `"type":["DataIntegrityProof"]`, testNow, "proof.suite"},
		"proof renamed":           {`"proof":{"type"`, `"Proof":{"type"`, testNow, "proof.missing"},
		"signature not base58":    {proofValue, "z0OIl", testNow, "proof.invalid"},
		"signature in base64":     {proofValue, "u" + proofValue[1:], testNow, "proof.invalid"},
		"signature too short":     {proofValue, proofValue[:60], testNow, "proof.invalid"},
		"signature of 10,000":     {proofValue, "z" + strings.Repeat("2", 10_000), testNow, "proof.invalid"},
		"signature empty":         {proofValue, "", testNow, "proof.invalid"},
		"a chain":                 {`"proofPurpose"`, `"previousProof":"urn:a","proofPurpose"`, testNow, "proof.chain"},
		"unsigned member of it":   {`"proofPurpose"`, `"domain":"evil.example","proofPurpose"`, testNow, "proof.invalid"},
		"duplicate proof":         {`"proof":{"type"`, `"proof":{},"proof":{"type"`, testNow, "json.duplicate_key"},
		"duplicate created":       {`"proofPurpose"`, `"created":"2026-11-20T00:00:00Z","proofPurpose"`, testNow, "json.duplicate_key"},
		"proof and its text form": {`"proof":{"type"`, `"pr\u006fof":{},"proof":{"type"`, testNow, "json.duplicate_key"},
	} {
		t.Run(name, func(t *testing.T) {
			doc := good
			if c.old != "" {
				doc = retext(t, good, c.old, c.new)
			}
			s, err := check(doc, c.now)
			if err == nil {
				t.Fatalf("accepted as %+v", s)
			}
			wantCode(t, err, c.code)
		})
	}
	t.Run("at the last moment", func(t *testing.T) {
		if _, err := check(good, testNow.Add(time.Hour-time.Millisecond)); err != nil {
			t.Error(err)
		}
		if _, err := check(good, testNow.Add(-FutureSkew)); err != nil {
			t.Error(err)
		}
	})
}

// retext replaces the last occurrence, which is the one in the proof where
// the document and its proof both have it, except for contexts.
func retext(t testing.TB, doc []byte, old, new string) []byte {
	t.Helper()
	at := bytes.LastIndex(doc, []byte(old))
	if strings.Contains(old, "标题") {
		at = bytes.Index(doc, []byte(old))
	}
	if at < 0 {
		t.Fatalf("%q is not in %s", old, doc)
	}
	return append(append(bytes.Clone(doc[:at]), new...), doc[at+len(old):]...)
}

func TestTimesAloneAreTold(t *testing.T) {
	good := mustSign(t, testDoc, testSeed, SignOptions{Expires: testNow.Add(time.Hour)})
	_, err := check(good, testNow.Add(48*time.Hour))
	if got := codes(t, err); len(got) != 1 || got[0] != "proof.expired" {
		t.Errorf("problems %v", got)
	}
	for _, lang := range []string{"zh", "en"} {
		m := vocab.ProblemsOf(err, "")[0].Message[lang]
		if !strings.Contains(m, testKey(t, testSeed).DID()) || !strings.Contains(m, "2026-11-21T09:30:00Z") {
			t.Errorf("message names neither key nor time: %s", m)
		}
	}
	altered := retext(t, good, "充电桩", "停车场")
	_, err = check(altered, testNow.Add(48*time.Hour))
	if got := codes(t, err); len(got) != 2 {
		t.Errorf("altered and expired gave %v", got)
	}
}

// TestAnyByte alters one byte of a signed document anywhere. Whatever is still
// accepted must mean the same: the same content, author and times.
func TestAnyByte(t *testing.T) {
	good := mustSign(t, testDoc, testSeed, SignOptions{Expires: testNow.Add(time.Hour)})
	want, err := check(good, testNow)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.IntRange(0, len(good)-1).Draw(t, "at")
		b := rapid.Byte().Draw(t, "byte")
		doc := bytes.Clone(good)
		switch rapid.SampledFrom([]string{"set", "insert", "remove"}).Draw(t, "how") {
		case "set":
			doc[at] = b
		case "insert":
			doc = append(append(bytes.Clone(good[:at]), b), good[at:]...)
		case "remove":
			doc = append(bytes.Clone(good[:at]), good[at+1:]...)
		}
		s, err := check(doc, testNow)
		if err != nil {
			return
		}
		got := *s
		got.Digest = want.Digest
		if !reflect.DeepEqual(got, *want) {
			t.Fatalf("%q is accepted as %+v", doc, s)
		}
		a, errA := jsonld.Canonical(good)
		c, errC := jsonld.Canonical(doc)
		if errA != nil || errC != nil || !bytes.Equal(a, c) {
			t.Fatalf("accepted although it differs: %q", doc)
		}
	})
}

// proofOf returns the proof that a key puts on testDoc.
func proofOf(t testing.TB, seed string, o SignOptions) string {
	t.Helper()
	signed := string(mustSign(t, testDoc, seed, o))
	p := signed[strings.LastIndex(signed, `"proof":`)+len(`"proof":`):]
	return strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(p), "}"))
}

func withProof(proof string) []byte {
	body := strings.TrimSpace(testDoc)
	return []byte(body[:len(body)-1] + `,"proof":` + proof + "}")
}

func TestProofSets(t *testing.T) {
	mine := proofOf(t, testSeed, SignOptions{})
	theirs := proofOf(t, otherSeed, SignOptions{Created: testNow.Add(-time.Hour)})
	expired := proofOf(t, otherSeed, SignOptions{Created: testNow.Add(-time.Hour), Expires: testNow.Add(-time.Minute)})
	foreign := `{"type":"DataIntegrityProof","cryptosuite":"ecdsa-jcs-2019","proofValue":"z5"}`
	broken := strings.Replace(mine, `"proofValue":"z`, `"proofValue":"z2`, 1)
	many := func(n int) string { return "[" + strings.Repeat(foreign+",", n-1) + mine + "]" }
	for name, c := range map[string]struct {
		proof, author, code string
	}{
		"one in a list":         {"[" + mine + "]", testSeed, ""},
		"two, mine first":       {"[" + mine + "," + theirs + "]", testSeed, ""},
		"two, theirs first":     {"[" + theirs + "," + mine + "]", otherSeed, ""},
		"other suite first":     {"[" + foreign + "," + mine + "]", testSeed, ""},
		"other suites only":     {"[" + foreign + "," + foreign + "]", "", "proof.suite"},
		"second expired":        {"[" + mine + "," + expired + "]", "", "proof.expired"},
		"second broken":         {"[" + mine + "," + broken + "]", "", "proof.invalid"},
		"with something else":   {"[" + mine + `,"x"]`, "", "proof.invalid"},
		"with a list":           {"[" + mine + ",[" + mine + "]]", "", "proof.invalid"},
		"eight":                 {many(MaxProofs), testSeed, ""},
		"nine":                  {many(MaxProofs + 1), "", "proof.limit"},
		"five thousand strings": {"[" + strings.Repeat(`"x",`, 4999) + `"x"]`, "", "proof.limit"},
		"empty list":            {"[]", "", "proof.suite"},
		"null":                  {"null", "", "proof.invalid"},
		"text":                  {`"` + strings.Repeat("p", 10_000) + `"`, "", "proof.invalid"},
		"a number":              {"1e3", "", "proof.invalid"},
		"empty object":          {"{}", "", "proof.suite"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := check(withProof(c.proof), testNow)
			if c.code != "" {
				wantCode(t, err, c.code)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s.Space != testKey(t, c.author).DID() {
				t.Errorf("author %s", s.Space)
			}
		})
	}
}

// Signers that follow the drafts hash @context with the proof and leave it out
// of what they write.
func TestContextLeftOutOfTheProof(t *testing.T) {
	key := testKey(t, testSeed)
	doc, err := jsonld.Canonical([]byte(testDoc))
	if err != nil {
		t.Fatal(err)
	}
	content := vocab.DigestOf(doc)
	m, err := members(doc, "@context")
	if err != nil {
		t.Fatal(err)
	}
	for name, hashed := range map[string][]byte{"hashed with the proof": m[0].value, "nowhere": nil} {
		t.Run(name, func(t *testing.T) {
			o := SignOptions{Created: testNow}
			config, err := jsonld.Canonical(append(unsignedProof(key, o, hashed), '}'))
			if err != nil {
				t.Fatal(err)
			}
			hash := vocab.DigestOf(config)
			sig, err := key.Sign(append(hash[:], content[:]...))
			if err != nil {
				t.Fatal(err)
			}
			proof := fmt.Sprintf(`%s,"proofValue":"%s"}`, unsignedProof(key, o, nil), encodeBase58(sig))
			if _, err := check(withProof(proof), testNow); err != nil {
				t.Error(err)
			}
		})
	}
}

// A context appended after signing would change what terms mean; the standard
// would let a proof cover only the first of them.
func TestContextsCannotBeAppended(t *testing.T) {
	signed := mustSign(t, `{"@context":["https://w3id.org/security/data-integrity/v2"],"@id":"urn:a"}`, testSeed, SignOptions{})
	longer := bytes.Replace(signed, []byte(`/v2"]`), []byte(`/v2",{"title":"urn:evil"}]`), 1)
	_, err := check(longer, testNow)
	wantCode(t, err, "proof.context")
}

func TestSignRefuses(t *testing.T) {
	key := testKey(t, testSeed)
	signed := string(mustSign(t, testDoc, testSeed, SignOptions{}))
	ok := SignOptions{Created: testNow}
	for name, c := range map[string]struct {
		raw  string
		o    SignOptions
		code string
	}{
		"signed already":  {signed, ok, "proof.present"},
		"a proof escaped": {`{"pr\u006fof":null}`, ok, "proof.present"},
		"not an object":   {`[{}]`, ok, "json.not_object"},
		"nothing":         {``, ok, "json.syntax"},
		"two objects":     {`{}{}`, ok, "json.trailing"},
		"duplicate names": {`{"a":1,"a":2}`, ok, "json.duplicate_key"},
		"not UTF-8":       {"{\"a\":\"\xff\"}", ok, "json.syntax"},
		"too large":       {`{"a":"` + strings.Repeat("x", MaxDocument) + `"}`, ok, "limit.bytes"},
		"no time":         {`{}`, SignOptions{}, "proof.invalid"},
		"ends at once":    {`{}`, SignOptions{Created: testNow, Expires: testNow}, "proof.invalid"},
		"ends too late":   {`{}`, SignOptions{Created: testNow, Expires: testNow.AddDate(200, 0, 0)}, "proof.invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Sign([]byte(c.raw), key, c.o)
			wantCode(t, err, c.code)
		})
	}
	if _, err := Sign([]byte(`{}`), &Key{}, ok); err == nil {
		t.Error("an empty key signed")
	}
}

// Several signers' proofs stand beside each other; each is over the whole
// document, and none can be taken away or put on another unseen.
func TestSeveralSigners(t *testing.T) {
	author, second, third := testKey(t, seedOf(1)), testKey(t, seedOf(2)), testKey(t, seedOf(3))
	raw := []byte(`{"@context":"https://w3id.org/lianmu/v1","@id":"urn:a","@type":"Space"}`)
	signed, err := Sign(raw, author, SignOptions{Created: testNow}, second, third)
	if err != nil {
		t.Fatal(err)
	}
	s, err := check(signed, testNow)
	if err != nil || s.Space != author.DID() || !slices.Equal(s.Also, []string{second.DID(), third.DID()}) {
		t.Fatalf("%+v, %v", s, err)
	}
	alone, err := Sign(raw, author, SignOptions{Created: testNow})
	if err != nil {
		t.Fatal(err)
	}
	if one, err := check(alone, testNow); err != nil || one.Also != nil || one.Content != s.Content {
		t.Errorf("%+v, %v: its content is the same", one, err)
	}
	other := bytes.Replace(signed, []byte("urn:a"), []byte("urn:b"), 1)
	if _, err := check(other, testNow); err == nil {
		t.Error("proofs hold for another document")
	}
	many := make([]Signer, MaxProofs)
	for i := range many {
		many[i] = second
	}
	if _, err := Sign(raw, author, SignOptions{Created: testNow}, many...); err == nil {
		t.Error("more proofs than a document may carry")
	}
}

// Who does not hold the author's key signs beside him, as if both had at once.
func TestCosign(t *testing.T) {
	author, second, third := testKey(t, seedOf(1)), testKey(t, seedOf(2)), testKey(t, seedOf(3))
	signed, err := Sign([]byte(`{ "@context": "https://w3id.org/lianmu/v1",  "@id":"urn:a" }`), author, SignOptions{Created: testNow, Expires: testNow.Add(2 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	was, err := check(signed, testNow)
	if err != nil || !was.AlsoExpires.IsZero() {
		t.Fatalf("%+v, %v", was, err)
	}
	both, err := Cosign(signed, SignOptions{Created: testNow.Add(time.Minute), Expires: testNow.Add(time.Hour)}, second)
	if err != nil {
		t.Fatal(err)
	}
	all, err := Cosign(both, SignOptions{Created: testNow.Add(2 * time.Minute)}, third, second)
	if err != nil {
		t.Fatal(err)
	}
	s, err := check(all, testNow.Add(3*time.Minute))
	if err != nil || s.Space != author.DID() || !slices.Equal(s.Also, []string{second.DID(), third.DID(), second.DID()}) || s.Content != was.Content ||
		!s.Created.Equal(was.Created) || !s.Expires.Equal(was.Expires) || !s.AlsoExpires.Equal(testNow.Add(time.Hour)) {
		t.Errorf("%+v, %v\n%s", s, err, all)
	}
	for name, c := range map[string]struct {
		raw  []byte
		at   time.Time
		also []Signer
	}{
		"not signed":      {[]byte(`{"@id":"urn:a"}`), testNow, []Signer{second}},
		"altered":         {bytes.Replace(signed, []byte("urn:a"), []byte("urn:b"), 1), testNow, []Signer{second}},
		"expired":         {signed, testNow.Add(3 * time.Hour), []Signer{second}},
		"too many proofs": {signed, testNow, slices.Repeat([]Signer{second}, MaxProofs)},
		"in the year 1":   {signed, time.Time{}, []Signer{second}},
		"an empty key":    {signed, testNow, []Signer{&Key{}}},
	} {
		if out, err := Cosign(c.raw, SignOptions{Created: c.at}, c.also...); err == nil {
			t.Errorf("%s: %s", name, out)
		}
	}
}

package identity

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/multiformats/go-multibase"

	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/vocabtest"
)

// vectorKey is the secret key that W3C published with the vectors.
func vectorKey(t testing.TB, dir string) *Key {
	t.Helper()
	_, text, ok := strings.Cut(string(readFile(t, dir, "keyPair.json")), `"privateKeyMultibase": "`)
	if !ok {
		t.Fatal("keyPair.json has no privateKeyMultibase")
	}
	text, _, _ = strings.Cut(text, `"`)
	_, b, err := multibase.Decode(text)
	if err != nil || len(b) != 34 {
		t.Fatalf("secret key of %d bytes: %v", len(b), err)
	}
	return testKey(t, hex.EncodeToString(b[2:]))
}

func TestPublishedVectors(t *testing.T) {
	dir := vocabtest.Shared(t, "vectors", "vc-di-eddsa")
	suite := dir + "/eddsa-jcs-2022"
	raw := readFile(t, suite, "signedJCS.json")
	s, err := check(raw, time.Date(2023, 3, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	const did = "did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
	if s.Space != did || s.VerificationMethod != did+"#"+did[8:] {
		t.Errorf("signed by %s with %s", s.Space, s.VerificationMethod)
	}
	if want := time.Date(2023, 2, 24, 23, 36, 38, 0, time.UTC); !s.Created.Equal(want) || !s.Expires.IsZero() {
		t.Errorf("created %v, expires %v", s.Created, s.Expires)
	}
	if want := strings.TrimSpace(string(readFile(t, suite, "docHashJCS.txt"))); s.Content.String() != want {
		t.Errorf("content %s, want %s", s.Content, want)
	}
	if s.Digest != vocab.DigestOf(raw) {
		t.Errorf("digest %s is not that of the bytes", s.Digest)
	}
	unsigned := readFile(t, dir, "unsigned.json")
	if c, err := Content(unsigned); err != nil || c != s.Content {
		t.Errorf("content of the unsigned document %s, %v", c, err)
	}

	// The same key, time and document give the published signature.
	key := vectorKey(t, dir)
	if key.DID() != did {
		t.Fatalf("key %s", key.DID())
	}
	config, err := jsonld.Canonical(readFile(t, suite, "proofConfigJCS.json"))
	if err != nil {
		t.Fatal(err)
	}
	if want := readFile(t, suite, "proofCanonJCS.txt"); !bytes.Equal(config, bytes.TrimSpace(want)) {
		t.Errorf("canonical proof\n%s\nwant\n%s", config, want)
	}
	hash := vocab.DigestOf(config)
	sig, err := key.Sign(append(hash[:], s.Content[:]...))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := encodeBase58(sig), strings.TrimSpace(string(readFile(t, suite, "sigBTC58JCS.txt"))); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

func TestPublishedOtherSuites(t *testing.T) {
	dir := vocabtest.Shared(t, "vectors", "vc-di-eddsa")
	now := time.Date(2023, 3, 1, 0, 0, 0, 0, time.UTC)
	for file, code := range map[string]string{
		"eddsa-rdfc-2022/signedDataInt.json":     "proof.suite",
		"proof-set-chain/signedProofSet2.json":   "proof.suite",
		"proof-set-chain/signedProofSet1.json":   "proof.suite",
		"unsigned.json":                          "proof.missing",
		"eddsa-jcs-2022/proofConfigJCS.json":     "proof.missing",
		"proof-set-chain/signedProofChain2.json": "proof.suite",
	} {
		_, err := check(readFile(t, dir, file), now)
		t.Run(file, func(t *testing.T) { wantCode(t, err, code) })
	}
}

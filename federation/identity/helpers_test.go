package identity

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lianmu/vocab"
	"lianmu/vocab/jsonld"
)

// Times and keys of the tests. The clock never runs by itself.
var (
	testNow   = time.Date(2026, 11, 21, 8, 30, 0, 123_000_000, time.UTC)
	testSeed  = strings.Repeat("0123456789abcdef", 4)
	otherSeed = strings.Repeat("fedcba9876543210", 4)
)

const testDoc = `{
  "@context": {"dct": "http://purl.org/dc/terms/", "标题": "dct:title"},
  "@id": "https://space.example/offerings/1",
  "@type": "http://www.w3.org/ns/dcat#Dataset",
  "标题": "浦东新区充电桩实时状态",
  "dct:title": {"@value": "Charging points", "@language": "en"},
  "amount": 12.50,
  "proofread": ["proof", {"proof": "nested"}]
}`

func testKey(t testing.TB, seed string) *Key {
	t.Helper()
	k, err := ImportKey("ed25519", seed)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func mustSign(t testing.TB, raw string, seed string, o SignOptions) []byte {
	t.Helper()
	if o.Created.IsZero() {
		o.Created = testNow
	}
	b, err := Sign([]byte(raw), testKey(t, seed), o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// check decodes as a hub does, then verifies.
func check(raw []byte, now time.Time) (*Secured, error) {
	d, err := jsonld.New(jsonld.Limits{}).Decode(raw)
	if err != nil {
		return nil, err
	}
	return Verify(d, now)
}

// codes are the codes in err; every message must be there in both languages.
func codes(t testing.TB, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var out []string
	for _, p := range vocab.ProblemsOf(err, "not a problem: "+err.Error()) {
		for _, lang := range []string{"zh", "en"} {
			if m := p.Message[lang]; m == "" || strings.Contains(m, "%!") {
				t.Errorf("%s has a bad %s message: %q", p.Code, lang, m)
			}
		}
		out = append(out, p.Code)
	}
	return out
}

func wantCode(t testing.TB, err error, want string) {
	t.Helper()
	got := codes(t, err)
	for _, c := range got {
		if c == want {
			return
		}
	}
	t.Errorf("problems %v (%v), want %s", got, err, want)
}

func readFile(t testing.TB, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// seedOf is the seed of the nth test key.
func seedOf(n int) string { return strings.Repeat(fmt.Sprintf("%02x", n), 32) }

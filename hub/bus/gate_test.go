package bus

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
)

// The inbox goes by the issuer: what reads it must not see another than who
// checks the signature.
func TestIssuerIsReadStrictly(t *testing.T) {
	for payload, want := range map[string]string{
		`{"iss":"did:key:a"}`:                            "did:key:a",
		`{"iss":"did:key:a","ISS":"did:key:b"}`:          "did:key:a",
		`{"Iss":"did:key:b","iss":"did:key:a"}`:          "did:key:a",
		`{"iss":"did:key:a","iss":"did:key:b"}`:          "",
		`{"iss":"did:key:a","\u0069ss":"did:key:b"}`:     "",
		`{"ISS":"did:key:b"}`:                            "",
		`{"iss":["did:key:a"]}`:                          "",
		`{"iss":"somebody"}`:                             "",
		`{"iss":"did:` + strings.Repeat("a", 600) + `"}`: "",
		`{"iss":"did:key:a"} {"iss":"did:key:b"}`:        "",
		`[]`: "", ``: "", `null`: "",
	} {
		got, ok := issuerOf("e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".x")
		if got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", payload, got, ok)
		}
	}
	for _, token := range []string{"", "a", "a.b", "a.b.c.d", "a.e30=.c", "a.e3 0.c", ".."} {
		if _, ok := issuerOf(token); ok {
			t.Errorf("%q has an issuer", token)
		}
	}
}

func TestNetworkSharesABound(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8::1": "2001:db8::/64", "2001:db8::2:1": "2001:db8::/64",
		"fe80::1%eth0": "fe80::/64", "pipe": "", "": "", "192.0.2.7:1": "",
	} {
		if got := network(address); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}

// Good tokens cost nothing, wrong ones their address, and a key that was here
// before has a share of its own.
func TestWrongTokensCostTheirAddress(t *testing.T) {
	now := time.Unix(1000, 0)
	looked := 0
	token := func(issuer, verdict string) string {
		return base64.RawURLEncoding.EncodeToString([]byte("{}")) + "." +
			base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"did:key:`+issuer+`"}`)) + "." + verdict
	}
	g := newGate(func(token, _ string) (string, error) {
		looked++
		if strings.HasSuffix(token, ".good") {
			return "name", nil
		}
		return "", errors.New("wrong")
	}, time.Hour, func() time.Time { return now })
	enter := func(issuer, verdict, address string) bool {
		_, ok := g.enter(token(issuer, verdict), address)
		return ok
	}
	for range 10 * wrongAtOnce {
		if !enter("known", "good", "192.0.2.1") {
			t.Fatal("a good token is refused")
		}
	}
	looked = 0
	for range 10 * wrongAtOnce {
		enter("stranger", "wrong", "192.0.2.1")
	}
	if looked != wrongAtOnce {
		t.Errorf("%d wrong tokens were looked at, want %d", looked, wrongAtOnce)
	}
	if enter("new", "good", "192.0.2.1") {
		t.Error("an unknown key is looked at beside a flood")
	}
	if !enter("known", "good", "192.0.2.1") || !enter("new", "good", "192.0.2.2") {
		t.Error("a known key, or one from elsewhere, is kept out by a flood")
	}
	// Who uses a known key's name gets no further than its own share.
	looked = 0
	for range 10 * wrongAtOnce {
		enter("known", "wrong", "192.0.2.1")
	}
	if looked != wrongAtOnce {
		t.Errorf("%d wrong tokens in a known name were looked at, want %d", looked, wrongAtOnce)
	}
	now = now.Add(time.Second)
	if !enter("new", "good", "192.0.2.1") {
		t.Error("a second later it is still refused")
	}
}

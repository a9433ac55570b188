package peering

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lianmu/vocab"
)

func TestSettings(t *testing.T) {
	for _, tc := range []struct {
		name  string
		s     Settings
		wrong string // path; "": none
	}{
		{"nothing said", Settings{}, ""},
		{"all said", Settings{Name: vocab.Text{"zh": "沪联目"}, Contact: "https://hub.example/desk", Jurisdiction: "sg", Retention: 365,
			Addresses: []string{"nats://hub.example:4222", "https://hub.example"}, AgeingAfter: time.Hour, StaleAfter: 2 * time.Hour}, ""},
		{"a country in words", Settings{Jurisdiction: "China"}, "/peering/jurisdiction"},
		{"stale before ageing", Settings{AgeingAfter: time.Hour, StaleAfter: time.Minute}, "/peering/stale_after"},
		{"a name that turns round", Settings{Name: vocab.Text{"zh": "沪\u202e目"}}, "/peering/name/zh"},
		{"an address with a password", Settings{Addresses: []string{"nats://me:secret@hub.example:4222"}}, "/addresses"},
		{"an address of a file", Settings{Addresses: []string{"file:///etc/passwd"}}, "/addresses"},
		{"kept for a thousand years", Settings{Retention: 366_000}, "/peering/retention_days"},
	} {
		err := tc.s.fill()
		if tc.wrong == "" {
			if err != nil || len(tc.s.Jurisdiction) != 2 || tc.s.StaleAfter < tc.s.AgeingAfter {
				t.Errorf("%s: %v, %+v", tc.name, err, tc.s)
			}
			continue
		}
		if err == nil || vocab.ProblemsOf(err, "")[0].Path != tc.wrong {
			t.Errorf("%s: %v", tc.name, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the password is repeated: %v", tc.name, err)
		}
	}
}

func TestAgreement(t *testing.T) {
	file := filepath.Join(t.TempDir(), "agreement.pdf")
	if err := os.WriteFile(file, []byte("both sides agree"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := (&Settings{Agreement: file}).agreement()
	if err != nil || d != vocab.DigestOf([]byte("both sides agree")) {
		t.Errorf("%v, %v", d, err)
	}
	if _, err := (&Settings{Agreement: file + ".gone"}).agreement(); err == nil {
		t.Error("an agreement that is not there was taken for none")
	}
}

func TestPlain(t *testing.T) {
	for address, want := range map[string]bool{
		"nats://hub.example:4222": true, "http://hub.example": true,
		"tls://hub.example:4222": false, "https://hub.example": false,
		"nats://127.0.0.1:4222": false, "http://localhost:8080": false, "nats://[::1]:4222": false, "nonsense": false,
	} {
		if got := plain(address); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

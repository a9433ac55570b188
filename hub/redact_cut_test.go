package hub

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/vocab"
)

func storeHolds(t *testing.T, dir, text string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		found = found || bytes.Contains(raw, []byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// A participant whose entry was redacted is none any more, and a key that only a
// redacted descriptor named stays its space's.
func TestRedactedParticipantAndKeys(t *testing.T) {
	c := epochConfig(t)
	h, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	first, second := named(t, "0a"), named(t, "0b")
	space := first.DID()
	submit := func(key *identity.Key, doc string, also ...identity.Signer) {
		t.Helper()
		raw := identitytest.Sign(t, `{"@context":"https://w3id.org/lianmu/v1",`+doc+`}`, key, identity.SignOptions{Created: time.Now()}, also...)
		if got := h.intake.Submit(t.Context(), raw); got.Status != vocab.Accepted {
			t.Fatalf("%+v", got)
		}
	}
	submit(first, `"@type":"Space","@id":"`+space+`","name":{"zh":"某空间"},"key":["`+second.DID()+`","`+space+`"]`, second)
	submit(second, `"@type":"Participant","@id":"https://space.example/p","subjectCode":"91512081MA62K0260E","name":{"zh":"示例物流公司"}`)
	submit(second, `"@type":"DataProduct","@id":"https://space.example/a","title":"产品"`)
	if n := len(h.base.registry.ParticipantsOf(space)); n != 1 {
		t.Fatalf("%d participants before", n)
	}
	receipts, err := h.Redact(t.Context(), []RedactRequest{{Index: 0, Ground: "personal"}, {Index: 1, Ground: "personal"}}, "x", "")
	if err != nil || receipts[0].Status != vocab.Accepted || receipts[1].Status != vocab.Accepted {
		t.Fatalf("%+v, %v", receipts, err)
	}
	for _, when := range []string{"redacted", "restarted"} {
		if n := len(h.base.registry.ParticipantsOf(space)); n != 0 {
			t.Errorf("%s: %d participants", when, n)
		}
		if got, err := h.base.registry.MaySign(second.DID()); got != space || err != nil {
			t.Errorf("%s: the second key signs for %s, %v", when, got, err)
		}
		if _, n := h.base.registry.Digest(time.Now()); n != 1 {
			t.Errorf("%s: %d offerings", when, n)
		}
		if err := h.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		report, err := Verify(t.Context(), c, nil)
		if err != nil || !report.Clean() || report.Log.Redacted != 2 {
			t.Errorf("%s: %+v, log %+v, %v", when, report, report.Log, err)
		}
		if h, err = Start(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// The process ends when the redaction is in the log and nothing else was done.
func TestRedactionCutOff(t *testing.T) {
	const secret = "Zq8redactionmarkerXw5"
	c := epochConfig(t)
	h, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	key, err := identity.ImportKey("ed25519", strings.Repeat("09", 32))
	if err != nil {
		t.Fatal(err)
	}
	doc := `{"@context":"https://w3id.org/lianmu/v1","@id":"https://space.example/a","@type":"DataProduct","title":"产品","description":"` + secret + `"}`
	raw := identitytest.Sign(t, doc, key, identity.SignOptions{Created: time.Now(), Expires: time.Now().Add(time.Hour)})
	if got := h.intake.Submit(t.Context(), raw); got.Status != vocab.Accepted {
		t.Fatalf("%+v", got)
	}
	targets, err := h.base.redactTargets(t.Context(), []RedactRequest{{Index: 0, Ground: "authority"}}, "x", "", c.Now())
	if err != nil {
		t.Fatal(err)
	}
	h.submitRedactions(t.Context(), targets)
	if targets[0].receipt.Status != vocab.Accepted {
		t.Fatalf("%+v", targets[0].receipt)
	}
	if rec, err := h.base.log.Get(t.Context(), 0); err != nil || !rec.Redacted || rec.Document != nil {
		t.Errorf("read before it is deleted: %+v, %v", rec, err)
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(c.Dir, "jetstream")
	if !storeHolds(t, store, secret) {
		t.Fatal("it was deleted already: this test proves nothing")
	}
	if h, err = Start(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if storeHolds(t, store, secret) {
		t.Error("the body is still there after a start")
	}
	for i := 0; ; i++ {
		if n, err := readNumber(filepath.Join(c.Dir, purgedFile), 0, 0); err == nil && n == 1 {
			break
		}
		if i > 1000 {
			t.Fatal("the index is never built anew")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if storeHolds(t, c.Dir, secret) {
		t.Error("something still holds it")
	}
	report, err := Verify(t.Context(), c, nil)
	if err != nil || !report.Clean() || report.Log.Redacted != 1 {
		t.Errorf("%+v, log %+v, %v", report, report.Log, err)
	}
}

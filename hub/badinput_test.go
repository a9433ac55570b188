package hub_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub/hubtest"
	"lianmu/vocab"
)

// signedRaw signs bytes that Sign itself may refuse to look at closely.
func (r *running) signedRaw(doc string, created, expires time.Time) []byte {
	r.t.Helper()
	raw, err := identity.Sign([]byte(doc), r.key, identity.SignOptions{Created: created, Expires: expires})
	if err != nil {
		r.t.Fatalf("%.80s: %v", doc, err)
	}
	return raw
}

// Each bad document gets a refusal that names what is wrong, over NATS and
// over HTTP alike; the hub goes on serving others, and keeps none of them.
func TestBadInput(t *testing.T) {
	r := start(t, hubtest.Config(t, t.TempDir()))
	now := time.Now()
	ok := func(more ...string) string { return offering("x", "标题", more...) }
	context := func(c string) string {
		return `{"@context":` + c + `,"@id":"https://space.example/x","@type":"http://www.w3.org/ns/dcat#Dataset","http://purl.org/dc/terms/title":"标题"}`
	}
	blank := func(n int) string {
		nodes := make([]string, n)
		for i := range nodes {
			nodes[i] = fmt.Sprintf(`{"@id":"_:b%d"}`, i)
		}
		return strings.Join(nodes, ",")
	}
	signed := func(doc string) []byte { return r.signedRaw(doc, now, now.Add(time.Hour)) }
	proof := func(change func(p map[string]any)) []byte {
		var doc map[string]any
		if err := json.Unmarshal(signed(ok()), &doc); err != nil {
			t.Fatal(err)
		}
		change(doc["proof"].(map[string]any))
		raw, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	other := identitytest.Key(t)
	rows := []struct {
		name string
		raw  []byte
		code string // of a problem
		says string // in a problem's path or English message
	}{
		{"nothing", nil, "json", ""},
		{"not JSON", []byte("产品,价格\n1,2"), "json", ""},
		{"not an object", []byte(`[1,2]`), "json", ""},
		{"not UTF-8", []byte("{\"title\":\"\xb2\xfa\xc6\xb7\"}"), "json", "UTF-8"},
		{"duplicate keys", []byte(`{"@id":"https://a.example/1","@id":"https://a.example/2"}`), "json.duplicate", "@id"},
		{"bytes behind", append(signed(ok()), '{'), "json", ""},
		{"300 KB", signed(ok(`"description":"` + strings.Repeat("长", 100_000) + `"`)), "limit.bytes", ""},
		{"title of 200 KB", signed(offering("x", strings.Repeat("题", 66_000))), "", "title"},
		{"depth 10,000", []byte(strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000)), "limit.depth", ""},
		{"too many blank nodes", signed(`{"@context":{},"@graph":[` + blank(12_000) + `]}`), "limit.nodes", ""},
		{"remote context", signed(context(`"https://evil.example/context.jsonld"`)), "context.unknown", "https://evil.example/context.jsonld"},
		{"loopback context", signed(context(`"http://127.0.0.1:1/x"`)), "context.unknown", "127.0.0.1"},
		{"file context", signed(context(`"file:///etc/passwd"`)), "context.unknown", "passwd"},
		{"circular context", signed(context(`{"a":{"@id":"b:x"},"b":{"@id":"a:x"}}`)), "", ""},
		{"@import", signed(context(`{"@version":1.1,"@import":"https://evil.example/import"}`)), "", "https://evil.example/import"},
		{"@id missing", signed(`{"@context":"https://w3id.org/lianmu/v1","@type":"Dataset","title":"标题"}`), "", "@id"},
		{"@id relative", signed(`{"@context":"https://w3id.org/lianmu/v1","@id":"port/1","@type":"Dataset","title":"标题"}`), "", "@id"},
		{"@id of 10 KB", signed(`{"@context":"https://w3id.org/lianmu/v1","@id":"https://a.example/` + strings.Repeat("x", 10_000) + `","@type":"Dataset","title":"标题"}`), "", "@id"},
		{"no type", signed(`{"@context":"https://w3id.org/lianmu/v1","@id":"https://a.example/1","title":"标题"}`), "", ""},
		{"no title", signed(`{"@context":"https://w3id.org/lianmu/v1","@id":"https://a.example/1","@type":"Dataset"}`), "", "title"},
		{"title of a wrong type", signed(`{"@context":"https://w3id.org/lianmu/v1","@id":"https://a.example/1","@type":"Dataset","title":{"a":1}}`), "", "title"},
		{"level of a wrong type", signed(ok(`"securityLevel":12`)), "", "/securityLevel"},
		{"personal data of a wrong type", signed(ok(`"personalData":"也许"`)), "", "/personalData"},
		{"date out of range", signed(ok(`"issued":"12026-13-45"`)), "", ""},
		{"control character", signed(ok(`"description":"a\u0007b"`)), "text.control", "/description"},
		{"right-to-left override", signed(ok(`"description":"exe.\u202Egpj"`)), "text.bidi", "/description"},
		{"wrong check digit", signed(ok(`"产品标识码":"691512081MA62K0260E31000000000AA"`)), "identifier.check_digit", "*"},
		{"no proof", []byte(ok()), "proof.missing", ""},
		{"expired", r.signedRaw(ok(), now.Add(-2*time.Hour), now.Add(-time.Hour)), "proof.expired", ""},
		{"from the future", r.signedRaw(ok(), now.Add(6*time.Minute), now.Add(time.Hour)), "proof.future", ""},
		{"by another key", proof(func(p map[string]any) {
			p["verificationMethod"] = other.VerificationMethod()
		}), "proof", ""},
		{"altered by a byte", bytes.Replace(signed(ok()), []byte("标题"), []byte("标趣"), 1), "proof.invalid", ""},
		{"other suite", proof(func(p map[string]any) { p["cryptosuite"] = "rsa-made-up" }), "proof.suite", ""},
		{"other purpose", proof(func(p map[string]any) { p["proofPurpose"] = "authentication" }), "proof", ""},
	}
	for _, row := range rows {
		over := r.submit(row.raw)
		if over.Status != vocab.Refused {
			// NATS has no empty request body to refuse but takes it as bytes like any other.
			t.Errorf("%s: %s", row.name, over.Status)
			continue
		}
		found := false
		for _, p := range over.Problems {
			if strings.HasPrefix(p.Code, row.code) && (strings.Contains(p.Path, row.says) || strings.Contains(p.Message["en"], row.says)) {
				found = true
			}
			if p.Message["zh"] == "" || p.Message["en"] == "" {
				t.Errorf("%s: %s has no message in both languages", row.name, p.Code)
			}
		}
		if !found {
			t.Errorf("%s: no %q that says %q in %+v", row.name, row.code, row.says, over.Problems)
		}
		resp, err := http.Post(r.info.HTTP+"/api/v1/submissions", "application/json", bytes.NewReader(row.raw))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if want := http.StatusUnprocessableEntity; resp.StatusCode != want && resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s over HTTP: status %d", row.name, resp.StatusCode)
		}
	}
	resp, err := http.Post(r.info.HTTP+"/api/v1/submissions", "application/json", bytes.NewReader(make([]byte, 10<<20)))
	if err == nil {
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("10 MB over HTTP: status %d", resp.StatusCode)
		}
	}
	if got := r.submit(signed(ok())); got.Status != vocab.Accepted || got.Log.Index != 0 {
		t.Errorf("after all that a good one is %+v", got)
	}
}

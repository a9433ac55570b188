package hub_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lianmu/hub"
	"lianmu/hub/hubtest"
	"lianmu/vocab"
)

// holding lists the files below dir that hold text.
func holding(t *testing.T, dir, text string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // the hub works meanwhile
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		if bytes.Contains(raw, []byte(text)) {
			found = append(found, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// purged waits until the index was built anew after one redaction.
func (r *running) purged(dir string) {
	r.t.Helper()
	for range 1000 {
		if b, err := os.ReadFile(filepath.Join(dir, "index.purged")); err == nil && string(b) == "1\n" {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	r.t.Fatal("the index is never built anew")
}

// document asks for a document by its digest.
func (r *running) document(raw []byte) (doc []byte, withheld bool) {
	r.t.Helper()
	ask, err := json.Marshal(map[string]any{"digests": []vocab.Digest{vocab.DigestOf(raw)}})
	if err != nil {
		r.t.Fatal(err)
	}
	resp, err := http.Post(r.info.HTTP+"/api/v1/documents", "application/json", bytes.NewReader(ask))
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		Documents [][]byte
		Withheld  []vocab.Digest
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || len(got.Documents) != 1 {
		r.t.Fatalf("%d documents, %v", len(got.Documents), err)
	}
	return got.Documents[0], len(got.Withheld) > 0
}

func (r *running) leaves(n int) string {
	r.t.Helper()
	resp, err := http.Get(fmt.Sprintf("%s/tile/entries/000.p/%d", r.info.HTTP, n))
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		r.t.Fatalf("tile: status %d, %v", resp.StatusCode, err)
	}
	return b.String()
}

// signed waits until a checkpoint covers n entries.
func (r *running) signed(n int) {
	r.t.Helper()
	for range 500 {
		resp, err := http.Get(r.info.HTTP + "/checkpoint")
		if err != nil {
			r.t.Fatal(err)
		}
		var b bytes.Buffer
		_, err = b.ReadFrom(resp.Body)
		resp.Body.Close()
		if err != nil {
			r.t.Fatal(err)
		}
		if strings.Contains(b.String(), fmt.Sprintf("\n%d\n", n)) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	r.t.Fatalf("never signed over %d entries", n)
}

func (r *running) redact(indexes ...uint64) []vocab.Receipt {
	r.t.Helper()
	var requests []hub.RedactRequest
	for _, i := range indexes {
		requests = append(requests, hub.RedactRequest{Index: i, Ground: "personal", Reason: "含个人信息"})
	}
	receipts, err := r.hub.Redact(r.t.Context(), requests, "did:key:zOfficer", "")
	if err != nil {
		r.t.Fatal(err)
	}
	return receipts
}

const detailOfA = "/api/v1/offerings/%s/" + "https%%3A%%2F%%2Fspace.example%%2Fa"

func (r *running) detail() int {
	return r.get(fmt.Sprintf(detailOfA, url.PathEscape(r.key.DID())), nil)
}

// What is redacted is gone everywhere, and stays gone.
func TestRedactEverywhere(t *testing.T) {
	const secret = "Zq7redactionmarkerXw4"
	dir := t.TempDir()
	r := start(t, hubtest.Config(t, dir))
	first, _ := r.must(offering("a", "港口吞吐量旧版"))
	second, _ := r.must(offering("a", "港口吞吐量", `"description":"经办人 `+secret+`，请勿外传"`))
	r.must(offering("b", "机场吞吐量"))
	if a := r.search(secret); a.Total != 1 {
		t.Fatalf("%d found before", a.Total)
	}
	if doc, _ := r.document(second); !bytes.Equal(doc, second) {
		t.Fatal("the document is not there before")
	}
	if len(holding(t, filepath.Join(dir, "jetstream"), secret)) == 0 {
		t.Fatal("the store does not hold the body in clear: this test would prove nothing")
	}
	r.signed(3)
	leaves := r.leaves(3)

	got := r.redact(1)
	if len(got) != 1 || got[0].Status != vocab.Accepted || got[0].Kind != "redaction" || got[0].Log.Index != 3 {
		t.Fatalf("receipts %+v", got)
	}
	gone := func(when string) {
		t.Helper()
		if a := r.search(secret); a.Total != 0 {
			t.Errorf("%s: found by its text", when)
		}
		if a := r.search("港口"); a.Total != 0 {
			t.Errorf("%s: an older version stands again: %+v", when, a.Hits)
		}
		if a := r.search(""); a.Total != 1 {
			t.Errorf("%s: %d offerings", when, a.Total)
		}
		if code := r.detail(); code != http.StatusNotFound {
			t.Errorf("%s: detail %d", when, code)
		}
		if doc, withheld := r.document(second); doc != nil || withheld {
			t.Errorf("%s: document of %d bytes, withheld %v", when, len(doc), withheld)
		}
		if code := r.get("/api/v1/submissions/"+vocab.DigestOf(second).String(), nil); code != http.StatusNotFound {
			t.Errorf("%s: its receipt: status %d", when, code)
		}
		if r.leaves(3) != leaves {
			t.Errorf("%s: other leaf records", when)
		}
		if code := r.get("/healthz", nil); code != http.StatusOK {
			t.Errorf("%s: healthz %d", when, code)
		}
	}
	gone("redacted")
	if got := r.redact(1); got[0].Status != vocab.Unchanged || got[0].Log.Index != 3 {
		t.Errorf("again: %+v", got)
	}
	// Whoever still has the bytes does not bring them back, neither into the
	// catalogue nor into the quarantine.
	if got := r.submit(second); got.Status != vocab.Refused || got.Problems[0].Code != "entry.redacted" {
		t.Errorf("submitted again: %+v", got)
	}
	if got := r.submit(first); got.Status != vocab.Superseded {
		t.Errorf("the older version again: %+v", got)
	}
	// Nor does whoever signs the same anew, here or in the quarantine.
	anew := r.sign(offering("a", "港口吞吐量", `"description":"经办人 `+secret+`，请勿外传"`))
	if got := r.submit(anew); bytes.Equal(anew, second) || got.Status != vocab.Refused || got.Problems[0].Code != "entry.redacted" {
		t.Errorf("signed anew: %+v", got)
	}
	gone("submitted again")
	r.purged(dir)
	gone("index built anew")
	r.stop()
	if files := holding(t, dir, secret); files != nil {
		t.Errorf("what was redacted is still in %v", files)
	}

	verify := func(when string) {
		t.Helper()
		report, err := hub.Verify(t.Context(), hubtest.Config(t, dir), nil)
		if err != nil || !report.Clean() || report.Log.Redacted != 1 || report.Folded.Offerings != 1 {
			t.Errorf("%s: %+v, log %+v, %v", when, report, report.Log, err)
		}
	}
	verify("stopped")
	r = start(t, hubtest.Config(t, dir))
	gone("restarted")
	r.stop()
	for _, p := range []string{"log/leaves", "index"} {
		if err := os.RemoveAll(filepath.Join(dir, p)); err != nil {
			t.Fatal(err)
		}
	}
	verify("without the leaf cache and the index")
	r = start(t, hubtest.Config(t, dir))
	gone("restarted without the leaf cache")
	if got := r.submit(r.sign(offering("a", "港口吞吐量", `"description":"经办人 `+secret+`，请勿外传"`))); got.Status != vocab.Refused || got.Problems[0].Code != "entry.redacted" {
		t.Errorf("signed anew after a restart: %+v", got)
	}
	if got := r.submit(r.sign(offering("a", "港口吞吐量新版"))); got.Status != vocab.Refused || got.Problems[0].Code != "name.banned" {
		t.Errorf("under the same name after a restart: %+v", got)
	}
	if status, answer := r.post(r.officer(dir), "/api/v1/spaces/"+url.PathEscape(r.key.DID())+"/acts", `{"verb":"Release","from":1,"reason":"已改正"}`); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	r.must(offering("a", "港口吞吐量新版"))
	if a := r.search("港口"); a.Total != 1 || a.Hits[0].Title["zh"] != "港口吞吐量新版" {
		t.Errorf("a newer version: %+v", a)
	}
}

// Withdrawals, deregistrations and descriptors can be redacted too; what they
// did stays done.
func TestRedactedRemovalsStay(t *testing.T) {
	dir := t.TempDir()
	r := start(t, hubtest.Config(t, dir))
	a, _ := r.must(offering("a", "下架的产品"))
	b, _ := r.must(offering("b", "注销的产品"))
	r.must(fmt.Sprintf(`{"@context":"https://w3id.org/lianmu/v1","@type":"Space","@id":%q,"name":{"zh":"某空间"}}`, r.key.DID()))
	r.must(removal("Withdrawal", "a"))
	r.must(removal("Deregistration", "b"))
	for _, got := range r.redact(2, 3, 4) {
		if got.Status != vocab.Accepted {
			t.Fatalf("%+v", got)
		}
	}
	check := func(when string) {
		t.Helper()
		if n := r.search("").Total; n != 0 {
			t.Errorf("%s: %d offerings", when, n)
		}
		if got := r.submit(a); got.Status != vocab.Superseded {
			t.Errorf("%s: what was withdrawn: %+v", when, got)
		}
		if got := r.submit(b); got.Status != vocab.Refused || got.Problems[0].Code != "offering.deregistered" {
			t.Errorf("%s: what was deregistered: %+v", when, got)
		}
	}
	check("redacted")
	r.stop()
	if report, err := hub.Verify(t.Context(), hubtest.Config(t, dir), nil); err != nil || !report.Clean() || report.Log.Redacted != 3 {
		t.Errorf("%+v, log %+v, %v", report, report.Log, err)
	}
	r = start(t, hubtest.Config(t, dir))
	check("restarted")
}

func TestRedactionsRefused(t *testing.T) {
	r := start(t, hubtest.Config(t, t.TempDir()))
	r.must(offering("a", "产品"))
	r.must(offering("b", "产品"))
	r.redact(1)
	many := make([]hub.RedactRequest, 51)
	for i := range many {
		many[i] = hub.RedactRequest{Index: 0, Ground: "retention"}
	}
	one := func(index uint64, ground, reason string) []hub.RedactRequest {
		return []hub.RedactRequest{{Index: index, Ground: ground, Reason: reason}}
	}
	for name, tc := range map[string]struct {
		requests   []hub.RedactRequest
		by, second string
		code, path string
	}{
		"nothing":                   {nil, "x", "", "redact.many", ""},
		"too many":                  {make([]hub.RedactRequest, hub.MaxRedactions+1), "x", "y", "redact.many", ""},
		"by nobody":                 {one(0, "personal", ""), "", "", "redact.by", ""},
		"by a long name":            {one(0, "personal", ""), strings.Repeat("长", 201), "", "redact.by", ""},
		"no second person":          {many, "x", "", "redact.second", ""},
		"the same as second person": {many, "x", "x", "redact.second", ""},
		"no ground":                 {one(0, "", ""), "x", "", "redact.ground", "/0/ground"},
		"another ground":            {one(0, "because", ""), "x", "", "redact.ground", "/0/ground"},
		"a long reason":             {one(0, "personal", strings.Repeat("长", 501)), "x", "", "redact.reason", "/0/reason"},
		"beyond the log":            {one(99, "personal", ""), "x", "", "redact.index", "/0/index"},
		"a redaction":               {one(2, "personal", ""), "x", "", "redact.kind", "/0/index"},
		"one good, one not":         {append(one(0, "personal", ""), one(2, "personal", "")...), "x", "", "redact.kind", "/1/index"},
	} {
		_, err := r.hub.Redact(t.Context(), tc.requests, tc.by, tc.second)
		var ps vocab.Problems
		if !errors.As(err, &ps) || ps[0].Code != tc.code || ps[0].Path != tc.path || ps[0].Message["zh"] == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := r.hub.Info().LogSize; got != 3 {
		t.Errorf("%d entries: a refused request wrote something", got)
	}
	if n := r.level().Total; n != 1 {
		t.Errorf("%d offerings", n)
	}
	// Nobody else puts one in, whatever he signs.
	doc := `{"@context":"https://w3id.org/lianmu/v1","@type":"Redaction","@id":"urn:uuid:1b4e28ba-2fa1-11d2-883f-0016d3cca427","index":0,"leaf":"AQ","ground":"personal","by":"x"}`
	if got := r.submit(r.sign(doc)); got.Status != vocab.Refused || got.Problems[0].Code != "kind.reserved" {
		t.Errorf("%+v", got)
	}
}

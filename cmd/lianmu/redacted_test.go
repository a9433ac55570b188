package main

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"lianmu/hub"
	"lianmu/vocab"
)

// Verifying over HTTP counts what was redacted, for anybody and for an operator,
// and finds nothing wrong with it.
func TestVerifyCountsRedactions(t *testing.T) {
	dir := t.TempDir()
	h := hubHere(t, hub.Config{Dir: dir, Open: true})
	info := h.Info()
	file := writeFile(t, "in.jsonl", strings.Join([]string{titled("urn:r:1", "潮位"), titled("urn:r:2", "风速"), titled("urn:r:3", "水温")}, "\n"))
	cli(t, 0, "publish", "--hub", info.NATS, "--key", newKey(t), file)
	receipts, err := h.Redact(t.Context(), []hub.RedactRequest{{Index: 0, Ground: "authority"}, {Index: 2, Ground: "authority"}}, "did:key:zOfficer", "")
	if err != nil || receipts[0].Status != vocab.Accepted || receipts[1].Status != vocab.Accepted {
		t.Fatalf("%+v, %v", receipts, err)
	}
	for _, more := range [][]string{nil, {"--key", filepath.Join(dir, "hub.key")}} {
		var r verification
		out := cli(t, 0, append([]string{"log", "verify", "--json", "--hub", info.HTTP}, more...)...)
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatal(err)
		}
		if r.Log.Redacted != 2 || r.Log.Withheld != 0 || r.Log.Size != 5 || r.Folded.Offerings != 1 || r.ViewsChecked != (more != nil) {
			t.Errorf("%s", out)
		}
	}
	if out := cli(t, 0, "log", "verify", "--hub", info.HTTP); !strings.Contains(out, "2 documents were redacted") {
		t.Error(out)
	}
	// Redacted between the checkpoint and the documents: it is verified again.
	var once sync.Once
	busy := between(t, info, func(r *http.Response, body []byte) []byte {
		if r.Request.URL.Path == "/checkpoint" {
			once.Do(func() {
				if _, err := h.Redact(t.Context(), []hub.RedactRequest{{Index: 1, Ground: "authority"}}, "did:key:zOfficer", ""); err != nil {
					t.Error(err)
				}
			})
		}
		return body
	})
	if out := cli(t, 0, "log", "verify", "--hub", busy); !strings.Contains(out, "3 documents were redacted") {
		t.Error(out)
	}
	inChinese(t)
	if out := cli(t, 0, "log", "verify", "--hub", info.HTTP); !strings.Contains(out, "其中 3 条的正文已依规删除") {
		t.Error(out)
	}
}

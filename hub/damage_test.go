package hub_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lianmu/hub/hubtest"
	"lianmu/vocab"
)

// A document that is lost is not taken for one that is withheld, and the hub
// says that it has lost one.
func TestLostIsNotWithheld(t *testing.T) {
	dir := t.TempDir()
	r := start(t, hubtest.Config(t, dir))
	lost, _ := r.must(offering("lost", "将要丢失的一条"))
	hidden, _ := r.must(offering("hidden", "内部的一条", `"securityLevel":"002"`))
	public, _ := r.must(offering("public", "公开的一条"))
	r.level()
	if code := r.get("/healthz", nil); code != http.StatusOK {
		t.Errorf("healthz before: %d", code)
	}
	r.stop()
	damage(t, dir, []byte("将要丢失的一条"))

	c := hubtest.Config(t, dir)
	c.Logger = nil // the damage is logged as an error, as it should be
	r = start(t, c)
	ask, err := json.Marshal(map[string]any{"digests": []vocab.Digest{vocab.DigestOf(lost), vocab.DigestOf(hidden), vocab.DigestOf(public)}})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(r.info.HTTP+"/api/v1/documents", "application/json", bytes.NewReader(ask))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		Documents [][]byte
		Withheld  []vocab.Digest
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if len(got.Documents) != 3 || got.Documents[0] != nil || got.Documents[1] != nil || !bytes.Equal(got.Documents[2], public) {
		t.Errorf("documents %q", got.Documents)
	}
	if fmt.Sprint(got.Withheld) != fmt.Sprint([]vocab.Digest{vocab.DigestOf(hidden)}) {
		t.Errorf("withheld %v", got.Withheld)
	}
	var problem struct{ Code string }
	if code := r.get("/healthz", &problem); code != http.StatusServiceUnavailable || problem.Code != "hub.log_damaged" {
		t.Errorf("healthz %d %+v", code, problem)
	}
	r.level()
	if code := r.get("/readyz", nil); code != http.StatusOK {
		t.Errorf("readyz %d: one lost document stops nothing", code)
	}
	metrics, err := http.Get(r.info.HTTP + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer metrics.Body.Close()
	if text, err := io.ReadAll(metrics.Body); err != nil || !strings.Contains(string(text), "\nlianmu_log_damaged_total 1\n") {
		t.Errorf("the metric does not count it: %v", err)
	}
}

// damage alters a byte of what the log's store holds of some text.
func damage(t *testing.T, dir string, text []byte) {
	t.Helper()
	done := false
	err := filepath.WalkDir(filepath.Join(dir, "jetstream"), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.Contains(path, "LIANMU_LOG") || filepath.Ext(path) != ".blk" {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if at := bytes.Index(content, text); at >= 0 {
			content[at] ^= 1
			done = true
			return os.WriteFile(path, content, 0o600)
		}
		return nil
	})
	if err != nil || !done {
		t.Fatalf("the text is not in the store: %v", err)
	}
}

package hub_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"lianmu/hub/hubtest"
)

// Figures, which anybody may read, tell nothing of what is hidden.
func TestFiguresOfThePublic(t *testing.T) {
	r := start(t, hubtest.Config(t, t.TempDir()))
	r.must(offering("a", "公开的产品", `"audience":"public"`))
	r.must(offering("b", "内部的产品", `"audience":"space"`))
	if a := r.level(); a.Total != 1 {
		t.Fatalf("the public sees %d", a.Total)
	}
	resp, err := http.Get(r.info.HTTP + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(text), "\nlianmu_index_offerings 1\n") {
		t.Errorf("status %d, %v: %s", resp.StatusCode, err, text)
	}
}

package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lianmu/hub"
)

func TestDemo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	args := []string{"demo", "--dir", dir, "--http", "127.0.0.1:0", "--nats", "127.0.0.1:0"}
	p := start(t, args...)
	lines := p.until("ready")
	var info hub.Info
	for _, field := range strings.Fields(lines[len(lines)-1]) {
		if v, ok := strings.CutPrefix(field, "http="); ok {
			info.HTTP = v
		}
	}
	for _, words := range samples {
		homes := map[string]bool{}
		for _, h := range search(t, info, words, "--limit", "10").Hits {
			homes[h.Hub] = true
		}
		if len(homes) != 3 {
			t.Errorf("the sample search %q finds offerings of %d hubs first", words, len(homes))
		}
	}
	// Some offerings are not for the public: to anybody else their leaf
	// records are all there is to verify, and that is no fault.
	waitForCheckpoint(t, info, logSize(t, info))
	var open, whole verification
	if err := json.Unmarshal([]byte(cli(t, 0, "log", "verify", "--hub", info.HTTP, "--json")), &open); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(cli(t, 0, "log", "verify", "--hub", info.HTTP, "--json", "--key", filepath.Join(dir, "city", "hub.key"))), &whole); err != nil {
		t.Fatal(err)
	}
	if open.Log.Withheld == 0 || whole.Log.Withheld != 0 || open.Folded.Offerings+int(open.Log.Withheld) != whole.Folded.Offerings {
		t.Errorf("%+v\n%+v", open.Log, whole.Log)
	}
	// Three hubs, each of which shows what all have.
	var pages []string
	for _, line := range lines {
		if fields := strings.Fields(line); strings.HasPrefix(line, "  ") && len(fields) > 1 && strings.HasSuffix(fields[len(fields)-1], "/") {
			pages = append(pages, strings.TrimSuffix(fields[len(fields)-1], "/"))
		}
	}
	if len(pages) != 3 || pages[0] != info.HTTP {
		t.Errorf("hubs named: %q", pages)
	}
	hubs := map[string]bool{}
	for _, page := range pages {
		a := search(t, hub.Info{HTTP: page}, "--limit", "100")
		if a.Total < 90 || a.Total != search(t, info).Total || len(a.Coverage) != 3 {
			t.Errorf("%s: %d offerings, %+v", page, a.Total, a.Coverage)
		}
		for _, h := range a.Hits {
			hubs[h.Hub] = true
		}
	}
	if len(hubs) != 3 {
		t.Errorf("homes of what is found: %v", hubs)
	}
	first := get(t, info.HTTP+"/")
	for _, page := range pages[1:] {
		if !strings.Contains(first, page) {
			t.Errorf("the start page does not name %s", page)
		}
	}
	if _, port, err := net.SplitHostPort(strings.TrimPrefix(info.HTTP, "http://")); err != nil {
		t.Error(err)
	} else if code, _, errs := runCLI(t, "", "demo", "--http", "127.0.0.1:"+port, "--nats", "127.0.0.1:0"); code != 2 || !strings.Contains(errs, "--http") {
		t.Errorf("on a busy port: exit %d, %s", code, errs)
	}
	if code := p.stop(os.Interrupt); code != 0 {
		t.Errorf("exit %d", code)
	}
	for _, slug := range []string{"city", "shipping", "delta"} {
		cli(t, 0, "log", "verify", "--dir", filepath.Join(dir, slug))
	}
	again := strings.Join(start(t, args...).until("ready"), "\n")
	if !strings.Contains(again, " 0 accepted") {
		t.Errorf("a second start published again:\n%s", again)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

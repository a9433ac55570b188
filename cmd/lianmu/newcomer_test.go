package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lianmu/hub"
	"lianmu/hub/hubtest"
)

// startHubHere runs a hub in this process that admits whoever signs.
func startHubHere(t *testing.T, dir string) hub.Info {
	t.Helper()
	return hubHere(t, hub.Config{Dir: dir, Open: true}).Info()
}

// hubHere runs a hub in this process, on ports of its choice.
func hubHere(t *testing.T, c hub.Config) *hub.Hub {
	t.Helper()
	c.HTTP, c.NATS, c.Now, c.Logger = "127.0.0.1:0", "127.0.0.1:0", time.Now, slog.New(slog.DiscardHandler)
	h, _ := hubtest.Start(t, c)
	return h
}

// between puts a proxy before a hub that may change what it answers.
func between(t *testing.T, info hub.Info, change func(r *http.Response, body []byte) []byte) string {
	t.Helper()
	target, err := url.Parse(info.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Set("Accept-Encoding", "identity")
		},
		ModifyResponse: func(r *http.Response) error {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			body = change(r, body)
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			r.Header.Set("Content-Length", fmt.Sprint(len(body)))
			return nil
		},
	})
	t.Cleanup(server.Close)
	return server.URL
}

func inChinese(t *testing.T) {
	t.Helper()
	before := chinese
	chinese = true
	t.Cleanup(func() { chinese = before })
}

func titled(id, title string, more ...string) string {
	return fmt.Sprintf(`{"@context":"https://w3id.org/lianmu/v1","@type":"数据集","@id":%q,"标题":%q%s}`, id, title, strings.Join(more, ""))
}

// TestVerifyTellsLostFromWithheld: what is not for the reader is counted and
// said; what is gone is a fault, for everybody.
func TestVerifyTellsLostFromWithheld(t *testing.T) {
	dir := t.TempDir()
	info := startHubHere(t, dir)
	key := newKey(t)
	file := writeFile(t, "in.jsonl", strings.Join([]string{
		titled("urn:v:1", "潮位"), titled("urn:v:2", "内部潮位", `,"安全级别":"内部"`), titled("urn:v:3", "风速"),
	}, "\n"))
	cli(t, 0, "publish", "--hub", info.NATS, "--key", key, file)

	// A space's key in the environment is no reason to refuse a public question.
	t.Setenv("LIANMU_KEY", key)
	// Right after the receipts the checkpoint may not be there yet: it is awaited.
	if out := cli(t, 0, "log", "verify", "--hub", info.HTTP); !strings.Contains(out, "clean; not shown to you and not checked: 1 of its documents") {
		t.Error(out)
	}
	cli(t, 0, "log", "show", "--hub", info.HTTP)
	t.Setenv("LIANMU_OPERATOR_KEY", filepath.Join(dir, "hub.key"))
	if out := cli(t, 0, "log", "verify", "--hub", info.HTTP); strings.Contains(out, "except") || !strings.Contains(out, "view index") {
		t.Error(out)
	}
	t.Setenv("LIANMU_OPERATOR_KEY", "")

	lost := between(t, info, func(r *http.Response, body []byte) []byte {
		if r.Request.URL.Path != "/api/v1/documents" {
			return body
		}
		var answer map[string]any
		if err := json.Unmarshal(body, &answer); err != nil {
			t.Error(err)
		}
		answer["documents"].([]any)[0] = nil
		body, _ = json.Marshal(answer)
		return body
	})
	if out := cli(t, 1, "log", "verify", "--hub", lost); !strings.Contains(out, "entry 0: its document") || !strings.Contains(out, "1 faults") {
		t.Error(out)
	}
	inChinese(t)
	if out := cli(t, 1, "log", "verify", "--hub", lost); !strings.Contains(out, "第 0 条：文档") {
		t.Error(out)
	}
}

// TestVerifyWaitsWhereToldTo: a hub that limits requests is asked again after
// the time it says.
func TestVerifyWaitsWhereToldTo(t *testing.T) {
	info := startHubHere(t, t.TempDir())
	cli(t, 0, "publish", "--hub", info.NATS, "--key", newKey(t), writeFile(t, "a.json", titled("urn:w:1", "潮位")))
	waitForCheckpoint(t, info, 1)
	var turned atomic.Int32
	limited := between(t, info, func(r *http.Response, body []byte) []byte {
		if strings.HasPrefix(r.Request.URL.Path, "/tile/entries") && turned.Add(1) == 1 {
			r.StatusCode, r.Status = http.StatusTooManyRequests, "429 Too Many Requests"
			r.Header.Set("Retry-After", "1")
		}
		return body
	})
	cli(t, 0, "log", "verify", "--hub", limited)
	if turned.Load() < 2 {
		t.Errorf("asked %d times", turned.Load())
	}
}

// TestVerifyAGrowingLog: views are compared at the position where they stood,
// while the hub goes on taking documents.
func TestVerifyAGrowingLog(t *testing.T) {
	if testing.Short() {
		t.Skip("verifies a log while it grows")
	}
	dir := t.TempDir()
	info := startHubHere(t, dir)
	in, out := io.Pipe()
	done := make(chan int)
	key := newKey(t)
	go func() {
		done <- run(t.Context(), []string{"publish", "--hub", info.NATS, "--key", key, "-"},
			&streams{In: in, Out: io.Discard, Err: io.Discard, Now: time.Now})
	}()
	stop := make(chan struct{})
	go func() {
		defer out.Close()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(3 * time.Millisecond): // slower than a verifier reads
				fmt.Fprintln(out, titled(fmt.Sprintf("urn:g:%d", i), "潮位"))
			}
		}
	}()
	waitForCheckpoint(t, info, 100)
	for range 3 {
		var r verification
		if err := json.Unmarshal([]byte(cli(t, 0, "log", "verify", "--hub", info.HTTP, "--key", filepath.Join(dir, "hub.key"), "--json")), &r); err != nil {
			t.Fatal(err)
		}
		if !r.ViewsChecked || len(r.Views) < 2 || r.Log.Size < 100 {
			t.Errorf("%+v", r)
		}
	}
	close(stop)
	if code := <-done; code != 0 {
		t.Errorf("publish ended with %d", code)
	}
}

func TestVerifyWhere(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	t.Setenv("LIANMU_HTTP_HUB", "http://127.0.0.1:9")
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--dir", none}, "is no hub's folder"}, // the flag wins over the environment
		{[]string{"--dir", none, "--hub", "http://127.0.0.1:8"}, "cannot be used together"},
		{nil, "nothing listens at http://127.0.0.1:9"},
	} {
		code, _, errs := runCLI(t, "", append([]string{"log", "verify"}, tc.args...)...)
		if code != 2 || !strings.Contains(errs, tc.want) {
			t.Errorf("%v: exit %d: %s", tc.args, code, errs)
		}
	}
	if _, err := os.Stat(none); err == nil {
		t.Error("verifying made a folder")
	}
	t.Setenv("LIANMU_HTTP_HUB", "")
	if code, _, errs := runCLI(t, "", "log", "verify"); code != 2 || !strings.Contains(errs, "--dir") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// TestFeedOfChanges: a feed is published as it is, in order, and publishing it
// again changes nothing.
func TestFeedOfChanges(t *testing.T) {
	info := startHubHere(t, t.TempDir())
	key := newKey(t)
	line := func(op, id, doc string) string {
		if doc != "" {
			doc = `,"doc":` + doc
		}
		return fmt.Sprintf(`{"seq":1,"op":%q,"id":%q%s}`, op, id, doc)
	}
	feed := writeFile(t, "feed.jsonl", strings.Join([]string{
		line("put", "urn:f:1", titled("urn:f:1", "一版")),
		line("put", "urn:f:2", titled("urn:f:2", "另一项")),
		line("put", "urn:f:1", titled("urn:f:1", "二版")),
		line("delete", "urn:f:2", ""),
		line("put", "urn:f:1", titled("urn:f:1", "三版")),
		line("delete", "urn:f:never", ""),
	}, "\n"))
	s := summaryOf(t, cli(t, 0, "publish", "--hub", info.NATS, "--key", key, "--json", feed))
	if s.Accepted != 5 || s.Refused != 0 || s.Absent != 1 || s.Documents != 6 {
		t.Fatalf("%+v", s)
	}
	settle(t, info)
	if a := search(t, info); a.Total != 1 || a.Hits[0].Title.In("zh") != "三版" {
		t.Errorf("%+v", a.Hits)
	}
	// Versions of what stands at its last one are left alone.
	versions := writeFile(t, "versions.jsonl", strings.Join([]string{
		titled("urn:f:1", "一版"), titled("urn:f:1", "二版"), titled("urn:f:1", "三版"),
	}, "\n"))
	if s := summaryOf(t, cli(t, 0, "publish", "--hub", info.NATS, "--key", key, "--json", versions)); s.Unchanged != 3 {
		t.Errorf("%+v", s)
	}
	// Where it is another version that stands, all are brought again, in order.
	if s := summaryOf(t, cli(t, 0, "publish", "--hub", info.NATS, "--key", key, "--json", writeFile(t, "a.json", titled("urn:f:1", "一版")))); s.Accepted != 1 {
		t.Errorf("%+v", s)
	}
	if s := summaryOf(t, cli(t, 0, "publish", "--hub", info.NATS, "--key", key, "--json", versions)); s.Accepted < 2 {
		t.Errorf("%+v", s)
	}
	settle(t, info)
	if a := search(t, info); a.Total != 1 || a.Hits[0].Title.In("zh") != "三版" {
		t.Errorf("%+v", a.Hits)
	}
}

// TestWarningsAreShown: a misspelt name is named, with where it stands.
func TestWarningsAreShown(t *testing.T) {
	info := startHubHere(t, t.TempDir())
	key, list := newKey(t), filepath.Join(t.TempDir(), "warnings.jsonl")
	file := writeFile(t, "in.jsonl", titled("urn:n:1", "潮位")+"\n"+titled("urn:n:2", "风速", `,"更新频律":"每日"`))
	inChinese(t)
	out := cli(t, 0, "publish", "--hub", info.NATS, "--key", key, "--warnings", list, file)
	if !strings.Contains(out, "更新频律") || !strings.Contains(out, "in.jsonl:2") {
		t.Error(out)
	}
	raw, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	var w warned
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &w); err != nil || len(lines) != 2 || w.Status != "accepted" || len(w.Warnings) == 0 {
		t.Errorf("%v: %s", err, raw)
	}
	// What is unchanged is not warned of again, by whichever way it was found so.
	for _, hub := range []string{info.NATS, info.HTTP} {
		if s := summaryOf(t, cli(t, 0, "publish", "--hub", hub, "--key", key, "--json", file)); s.Unchanged != 2 || s.WarnedDocuments != 0 {
			t.Errorf("%+v", s)
		}
	}
}

// TestWrongAddresses: each is told at once, with what to do.
func TestWrongAddresses(t *testing.T) {
	info := startHubHere(t, t.TempDir())
	natsPort, httpPort := strings.TrimPrefix(info.NATS, "nats://"), strings.TrimPrefix(info.HTTP, "http://")
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	key := newKey(t)
	file := writeFile(t, "a.json", titled("urn:w:1", "潮位"))
	for _, tc := range []struct{ hub, command, en, zh string }{
		{"http://" + natsPort, "search", "is the NATS port", "是 NATS 端口"},
		{"http://" + natsPort, "publish", "is the NATS port", "是 NATS 端口"},
		{"nats://" + httpPort, "publish", "is the HTTP port", "是 HTTP 端口"},
		{"https://" + httpPort, "search", "begins with http://", "http:// 开头"},
		{"http://127.0.0.1:1", "search", "is the hub running", "节点在运行吗"},
		{"http://127.0.0.1:1", "publish", "is the hub running", "节点在运行吗"},
		{"nats://127.0.0.1:1", "publish", "is the hub running", "节点在运行吗"},
		{other.URL, "publish", "no lianmu hub", "不是联目节点"},
	} {
		for _, zh := range []bool{false, true} {
			if tc.hub == "nats://"+httpPort && (zh || testing.Short()) {
				continue // it takes the client 5 s to lose hope
			}
			t.Run(fmt.Sprintf("%s %s %v", tc.command, tc.hub, zh), func(t *testing.T) {
				want := tc.en
				if zh {
					inChinese(t)
					want = tc.zh
				}
				args := []string{"search", "--hub", tc.hub, "x"}
				if tc.command == "publish" {
					args = []string{"publish", "--hub", tc.hub, "--key", key, file}
				}
				code, _, errs := runCLI(t, "", args...)
				if code != 2 || !strings.Contains(errs, want) || strings.Count(errs, "\n") != 1 {
					t.Errorf("exit %d: %s", code, errs)
				}
			})
		}
	}
}

// TestFacetsShowLabels: people read labels; the value for --filter is beside it.
func TestFacetsShowLabels(t *testing.T) {
	info := startHubHere(t, t.TempDir())
	key := newKey(t)
	did := strings.TrimSpace(cli(t, 0, "key", "show", key))
	file := writeFile(t, "in.jsonl", fmt.Sprintf(`{"@context":"https://w3id.org/lianmu/v1","@type":"Space","@id":%q,"name":{"zh":"演示空间"}}`, did)+"\n"+titled("urn:s:1", "潮位"))
	cli(t, 0, "publish", "--hub", info.NATS, "--key", key, file)
	settle(t, info)
	out := cli(t, 0, "search", "--hub", info.HTTP, "--facets")
	_, out, _ = strings.Cut(out, "\nspace\n")
	if line, _, _ := strings.Cut(out, "\n"); !strings.HasPrefix(line, "  演示空间") || !strings.HasSuffix(line, did) {
		t.Errorf("%q", line)
	}
	// A word that must not occur may be written as it is.
	for _, tc := range []struct {
		words string
		want  int
	}{{"潮位", 1}, {"潮位 -风速", 1}, {"潮 -潮位", 0}, {"-潮位", 0}, {"-metro", 1}} {
		if a := search(t, info, strings.Fields(tc.words)...); a.Total != uint64(tc.want) {
			t.Errorf("%s: %d found", tc.words, a.Total)
		}
	}
}

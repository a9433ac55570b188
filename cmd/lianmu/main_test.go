package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lianmu/hub"
	"lianmu/hub/view"
)

// built is the folder of the binary, "" until a test has wanted it.
var built string

// program is the real binary, built when the first test wants it.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "lianmu-test-*")
	if err != nil {
		return "", err
	}
	built = dir
	path := filepath.Join(dir, "lianmu")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

// running is a started program.
type running struct {
	*exec.Cmd
	t      *testing.T
	out    *bufio.Scanner
	stderr bytes.Buffer
	ended  bool
}

func start(t *testing.T, args ...string) *running {
	t.Helper()
	if testing.Short() {
		t.Skip("runs the real program")
	}
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	p := &running{Cmd: exec.Command(path, args...), t: t}
	p.Env = append(os.Environ(), "LC_ALL=C")
	p.Stderr = &p.stderr
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewScanner(stdout)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !p.ended {
			_ = p.Process.Kill()
			_ = p.Wait()
		}
		if t.Failed() {
			t.Logf("%v stderr:\n%.4000s", args, p.stderr.String())
		}
	})
	return p
}

// until reads lines of output up to one that begins with prefix, and returns
// all of them.
func (p *running) until(prefix string) []string {
	p.t.Helper()
	var lines []string
	for p.out.Scan() {
		lines = append(lines, p.out.Text())
		if strings.HasPrefix(p.out.Text(), prefix) {
			return lines
		}
	}
	p.t.Fatalf("ended without a line %q: %q\n%s", prefix, lines, p.stderr.String())
	return nil
}

// stop sends a signal and returns the exit code.
func (p *running) stop(sig os.Signal) int {
	p.t.Helper()
	if err := p.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
	for p.out.Scan() { // the pipe must be empty before Wait
	}
	_ = p.Wait() // the exit code says it
	p.ended = true
	return p.ProcessState.ExitCode()
}

// startHub runs a hub on ports of its choice and reads its ready line.
func startHubProgram(t *testing.T, dir string) (*running, hub.Info) {
	t.Helper()
	p := start(t, "hub", "--dir", dir, "--open", "--http", "127.0.0.1:0", "--nats", "127.0.0.1:0", "--json")
	var info hub.Info
	if !p.out.Scan() {
		t.Fatalf("the hub is not ready: %s", p.stderr.String())
	}
	if err := json.Unmarshal(p.out.Bytes(), &info); err != nil {
		t.Fatalf("%v: %s", err, p.out.Text())
	}
	return p, info
}

// cli runs a command in process and expects an exit code.
func cli(t *testing.T, want int, args ...string) string {
	t.Helper()
	code, out, errs := runCLI(t, "", args...)
	if code != want {
		t.Fatalf("%v: exit %d, wanted %d\n%s%s", args, code, want, out, errs)
	}
	return out
}

func search(t *testing.T, info hub.Info, args ...string) view.Answer {
	t.Helper()
	var a view.Answer
	out := cli(t, 0, append([]string{"search", "--hub", info.HTTP, "--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return a
}

// settle waits until the whole log can be searched.
func settle(t *testing.T, info hub.Info) {
	t.Helper()
	client, err := newHubClient(info.HTTP, nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := awaitIndexed(t.Context(), client); err != nil {
		t.Fatal(err)
	}
}

func newKey(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "space.key")
	cli(t, 0, "key", "new", "--out", path)
	return path
}

func summaryOf(t *testing.T, out string) summary {
	t.Helper()
	var s summary
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return s
}

// corpus returns the path of a file of real descriptions, or skips.
func corpus(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "..", "shared", "corpus", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no corpus: %v", err)
	}
	return path
}

// TestTheWholeWay publishes real descriptions to a real hub, finds them in
// Chinese and English, withdraws one, verifies the log from outside and, after
// the hub has stopped, from its folder.
func TestTheWholeWay(t *testing.T) {
	t.Parallel()
	file := corpus(t, "firstdata.jsonl.gz")
	dir := t.TempDir()
	p, info := startHubProgram(t, dir)
	key := newKey(t)
	const n = 768
	if s := summaryOf(t, cli(t, 0, "publish", "--hub", info.NATS, "--key", key, "--json", file)); s.Accepted != n || s.Documents != n {
		t.Fatalf("%+v", s)
	}
	// Again, by either way in: nothing new.
	if s := summaryOf(t, cli(t, 0, "publish", "--hub", info.NATS, "--key", key, "--json", file)); s.Unchanged != n {
		t.Fatalf("%+v", s)
	}
	twenty := writeFile(t, "twenty.jsonl", strings.Join(firstLines(t, file, 20), "\n"))
	if s := summaryOf(t, cli(t, 0, "publish", "--hub", info.HTTP, "--key", key, "--json", twenty)); s.Unchanged != 20 {
		t.Fatalf("over HTTP: %+v", s)
	}
	settle(t, info)
	const id = "https://firstdata.example/source/1000-genomes"
	for _, words := range []string{"千人基因组计划", "1000 Genomes", `"human genetic variation" 1000`} {
		found := false
		for _, h := range search(t, info, words).Hits {
			found = found || h.ID == id
		}
		if !found {
			t.Errorf("%s is not found by %q", id, words)
		}
	}
	all := search(t, info, "--limit", "7")
	if all.Total != n || len(all.Hits) != 7 || all.Next == "" {
		t.Errorf("%d found, %d shown, next %q", all.Total, len(all.Hits), all.Next)
	}
	if next := search(t, info, "--limit", "7", "--cursor", all.Next); len(next.Hits) != 7 || next.Hits[0].ID == all.Hits[6].ID {
		t.Errorf("the next page: %+v", next.Hits)
	}
	if a := search(t, info, "--facets", "--filter", "kind=service"); a.Total != 0 || len(a.Facets) == 0 {
		t.Errorf("services: %d, facets %v", a.Total, a.Facets)
	}
	if table := cli(t, 0, "search", "--hub", info.HTTP, "千人基因组计划"); !strings.Contains(table, id) {
		t.Error(table)
	}
	cli(t, 2, "search", "--hub", info.HTTP, "--sort", "nonsense", "x")

	cli(t, 0, "withdraw", "--hub", info.NATS, "--key", key, id)
	settle(t, info)
	if a := search(t, info); a.Total != n-1 {
		t.Errorf("%d found after a withdrawal", a.Total)
	}

	operator := filepath.Join(dir, "hub.key")
	cli(t, 0, "index", "rebuild", "--hub", info.HTTP, "--key", operator)
	waitForCheckpoint(t, info, n+1)
	if !strings.Contains(cli(t, 0, "log", "checkpoint", "--hub", info.HTTP), info.Origin) {
		t.Error("the checkpoint does not name the log")
	}
	var r verification
	if err := json.Unmarshal([]byte(cli(t, 0, "log", "verify", "--hub", info.HTTP, "--key", operator, "--json")), &r); err != nil {
		t.Fatal(err)
	}
	if r.Log.Checked != n+1 || r.Folded.Offerings != n-1 || len(r.Views) < 2 || !r.ViewsChecked {
		t.Errorf("%+v %+v", r.Log, r)
	}
	cli(t, 0, "log", "verify", "--hub", info.HTTP)
	var shown entryLine
	lines := strings.Split(strings.TrimSpace(cli(t, 0, "log", "show", "--hub", info.HTTP, "--key", operator, "--json", "--from", "760")), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &shown); err != nil || len(lines) != n+1-760 || shown.ID != id || shown.Kind != "withdrawal" || shown.Index != n {
		t.Errorf("%d lines, the last %+v %v", len(lines), shown, err)
	}
	liesAreFound(t, info, operator)

	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("the hub ended with %d", code)
	}
	cli(t, 0, "log", "verify", "--dir", dir)
}

func firstLines(t *testing.T, path string, n int) (lines []string) {
	t.Helper()
	in, err := openInput([]string{path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for d := range in.documents() {
		if lines = append(lines, string(d.Raw)); len(lines) == n {
			break
		}
	}
	return lines
}

func waitForCheckpoint(t *testing.T, info hub.Info, size uint64) {
	t.Helper()
	client, err := newHubClient(info.HTTP, nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for {
		n, err := newSource(client).size(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n >= size {
			return
		}
		if err := sleep(t.Context(), 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}

// liesAreFound puts a liar between hub and verifier.
func liesAreFound(t *testing.T, info hub.Info, operator string) {
	t.Helper()
	target, err := url.Parse(info.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ path, from, to string }{
		{"/api/v1/documents", `"documents":["`, `"documents":["AA`},
		{"/checkpoint", "\n769\n", "\n768\n"},
		{"/tile/entries/000", "\x00\x4a\x01", "\x00\x4a\x02"},
		{"/api/v1/views", `"position":769`, `"position":768`},
		{"/api/v1/views", `"digest":"`, `"digest":"0000`},
		{"/api/v1/views", `"position":769`, `"position":7`},
	} {
		lied := false
		proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Set("Accept-Encoding", "identity") // a lie needs plain text
		}}
		proxy.ModifyResponse = func(r *http.Response) error {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			if strings.HasPrefix(r.Request.URL.Path, tc.path) && bytes.Contains(body, []byte(tc.from)) {
				body, lied = bytes.Replace(body, []byte(tc.from), []byte(tc.to), 1), true
			}
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			r.Header.Set("Content-Length", fmt.Sprint(len(body)))
			return nil
		}
		server := httptest.NewServer(proxy)
		code, out, errs := runCLI(t, "", "log", "verify", "--hub", server.URL, "--key", operator)
		server.Close()
		if code == 0 || !lied {
			t.Errorf("%s: lied %v, exit %d\n%s%s", tc.path, lied, code, out, errs)
		}
	}
}

func logSize(t *testing.T, info hub.Info) uint64 {
	t.Helper()
	client, err := newHubClient(info.HTTP, nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	log, err := client.info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return log.Size
}

// TestResumeAfterKill kills the publishing program on its way; the next run
// sends what is missing, and the log holds everything once.
func TestResumeAfterKill(t *testing.T) {
	t.Parallel()
	_, info := startHubProgram(t, t.TempDir())
	key := newKey(t)
	const n = 6000
	g := newSynthesis("resume", 1, 2000, nil, time.Now())
	var b strings.Builder
	for i := range n {
		raw, err := g.offering(i)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(raw)
		b.WriteByte('\n')
	}
	file := writeFile(t, "many.jsonl", b.String())
	client, err := newHubClient(info.HTTP, nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	size := func() (log logInfo) {
		if err := client.get(t.Context(), "/api/v1/log", &log); err != nil {
			t.Fatal(err)
		}
		return log
	}
	p := start(t, "publish", "--hub", info.NATS, "--key", key, "--window", "8", file)
	for size().Size < 100 {
		if err := sleep(t.Context(), 5*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	p.stop(syscall.SIGKILL)
	if at := size().Size; at >= n {
		t.Fatalf("all %d were there before the kill", at)
	}
	s := summaryOf(t, cli(t, 0, "publish", "--hub", info.NATS, "--key", key, "--json", file))
	if s.Unchanged < 100 || s.Accepted == 0 || s.Accepted+s.Unchanged != n {
		t.Errorf("%+v", s)
	}
	if at := size().Size; at != n {
		t.Errorf("the log has %d entries", at)
	}
}

// TestRefusalsOfARealHub: what is wrong is said, by file and line, and the
// rest is published.
func TestRefusalsOfARealHub(t *testing.T) {
	t.Parallel()
	_, info := startHubProgram(t, t.TempDir())
	key := newKey(t)
	good := `{"@context":"https://w3id.org/lianmu/v1","@type":"数据集","@id":"urn:x:good","标题":"潮位"}`
	file := writeFile(t, "mixed.jsonl", strings.Join([]string{
		good,
		`{"@context":"https://w3id.org/lianmu/v1","@type":"数据集","@id":"urn:x:untitled"}`,
		`{"@context":"https://example.org/unknown","@type":"x","@id":"urn:x:context"}`,
		`{"@context":"https://w3id.org/lianmu/v1","@type":"数据集","@id":"urn:x:twice","标题":"一","标题":"二"}`,
		`not json`,
		good,
	}, "\n"))
	list := filepath.Join(t.TempDir(), "refused.jsonl")
	s := summaryOf(t, cli(t, 1, "publish", "--hub", info.NATS, "--key", key, "--json", "--refused", list, file))
	if s.Accepted != 1 || s.Unchanged != 1 || s.Refused != 4 {
		t.Errorf("%+v", s)
	}
	lines := map[int]refusal{}
	for _, r := range s.Refusals {
		lines[r.Line] = r
	}
	for _, line := range []int{2, 3, 4, 5} {
		if r := lines[line]; r.Status != "refused" || len(r.Problems) == 0 || r.Problems[0].Message["zh"] == "" {
			t.Errorf("line %d: %+v", line, r)
		}
	}
	if !strings.Contains(sayProblems(lines[3].Problems), "example.org/unknown") {
		t.Errorf("the unknown context is not named: %+v", lines[3])
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	_, info := startHubProgram(t, t.TempDir())
	if testing.Short() {
		t.Skip("takes about 15 s: a hub measures its disk every ten")
	}
	var r loadReport
	out := cli(t, 0, "load", "--hub", info.NATS, "--http", info.HTTP, "--count", "300", "--sample-every", "10", "--search-clients", "1", "--bare", "--json", "--no-presign")
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if r.Publish.Answered != 300 || r.Publish.Receipt.Count != 300 || r.Searchable.Samples.Count != 30 || r.Searchable.NotSeen != 0 {
		t.Errorf("%+v %+v", r.Publish, r.Searchable)
	}
	if r.Hub.CPUSeconds <= 0 || r.Hub.PeakRSS <= 0 || r.Hub.LogBytes <= 0 || r.Hub.IndexBytes <= 0 || r.Generator.CPUSeconds <= 0 {
		t.Errorf("%+v %+v", r.Hub, r.Generator)
	}
	if r.SearchAtRest.Count == 0 || r.SearchAtRest.Errors > 0 || r.SearchAtRest.MeanTotal == 0 || r.Bare.Documents != 300 || r.Bare.HubRatio <= 0 {
		t.Errorf("%+v %+v", r.SearchAtRest, r.Bare)
	}
	var table strings.Builder
	if err := r.write(&table); err != nil || !strings.Contains(table.String(), "publish to searchable") {
		t.Errorf("%v\n%s", err, table.String())
	}
}

func TestCommandLine(t *testing.T) {
	for _, tc := range []struct {
		code int
		args []string
		says string
	}{
		{0, []string{"--help"}, "publish"},
		{0, []string{"version"}, "lianmu"},
		{2, []string{"nonsense"}, "nonsense"},
		{2, []string{"hub"}, "--dir"},
		{2, []string{"hub", "--nats", "127.0.0.1:1", "--nats-url", "nats://x"}, "--nats"},
		{2, []string{"log", "verify"}, "--dir"},
		{2, []string{"publish", "--hub", "nats://127.0.0.1:1", "--window", "0"}, "--window"},
		{2, []string{"load", "--hub", "nats://127.0.0.1:1", "--count", "0"}, "--count"},
		{2, []string{"search", "--hub", "nats://127.0.0.1:1", "x"}, "http://"},
		{2, []string{"index", "rebuild", "--hub", "http://127.0.0.1:1", "--key", "/nonexistent"}, "nonexistent"},
	} {
		code, out, errs := runCLI(t, "", tc.args...)
		if code != tc.code || !strings.Contains(out+errs, tc.says) {
			t.Errorf("%v: exit %d\n%s%s", tc.args, code, out, errs)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var o, e strings.Builder
	if code := run(ctx, []string{"search", "--hub", "http://127.0.0.1:1", "x"}, &streams{In: strings.NewReader(""), Out: &o, Err: &e, Now: time.Now}); code != 2 {
		t.Errorf("exit %d", code)
	}
}

// TestNATSGreetsFirst: a NATS server may greet and hang up before it is asked, and
// net/http then does not tell what it said.
func TestNATSGreetsFirst(t *testing.T) {
	for _, tc := range []struct {
		greeting string
		want     bool
	}{{"INFO {\"server_id\":\"x\"}\r\n", true}, {"SSH-2.0-x\r\n", false}} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Write([]byte(tc.greeting))
				_ = conn.Close()
			}
		}()
		base := "http://" + l.Addr().String()
		for _, how := range []error{io.EOF, syscall.ECONNRESET, errors.New(`Get "x": readLoopPeekFailLocked: %!w(<nil>)`)} {
			said := unreachable(base, how).Error()
			if got := strings.Contains(said, tr("是 NATS 端口", "is the NATS port")); got != tc.want {
				t.Errorf("%q, %v: %s", tc.greeting, how, said)
			}
		}
		_ = l.Close()
	}
}

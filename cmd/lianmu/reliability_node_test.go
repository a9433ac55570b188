package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/ledger"
	"lianmu/hub"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// node is a hub of its own process that can be stopped, killed and started
// again on the same folder, where clients find it at the same addresses.
type node struct {
	t    *testing.T
	dir  string
	args []string // beside those that every start has
	info hub.Info // of the first start

	cmd    *exec.Cmd
	ready  chan struct{} // closed when it printed its line
	exited chan struct{} // closed when it is gone
	log    *nodeLog
}

// nodeLog keeps what all lives of a node wrote to stderr.
type nodeLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *nodeLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *nodeLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newNode makes a node that is not started yet. The test is skipped with -short.
func newNode(t *testing.T, dir string, args ...string) *node {
	t.Helper()
	if testing.Short() {
		t.Skip("starts, loads and kills the real program")
	}
	n := &node{t: t, dir: dir, args: args, log: &nodeLog{}}
	t.Cleanup(func() {
		n.kill()
		if t.Failed() {
			s := n.log.String()
			t.Logf("the end of the hub's log:\n%s", s[max(0, len(s)-6000):])
		}
	})
	return n
}

// launch starts the process and does not wait for it.
func (n *node) launch() {
	n.t.Helper()
	path, err := program()
	if err != nil {
		n.t.Fatal(err)
	}
	args := []string{"hub", "--dir", n.dir, "--open", "--json", "--http", n.address(n.info.HTTP, "http://")}
	args = append(args, n.args...)
	if len(n.args) == 0 || n.args[0] != "--nats-url" {
		args = append(args, "--nats", n.address(n.info.NATS, "nats://"))
	}
	n.cmd = exec.Command(path, args...)
	n.cmd.Env = cleanEnv()
	n.cmd.Stderr = n.log
	// The child goes with the test process, whatever ends that.
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdout, err := n.cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	ready, exited := make(chan struct{}), make(chan struct{})
	n.ready, n.exited = ready, exited
	var info hub.Info
	cmd := n.cmd
	go func() {
		defer close(exited)
		line, err := bufio.NewReader(stdout).ReadBytes('\n')
		if err == nil && json.Unmarshal(line, &info) == nil {
			if n.info.HTTP == "" {
				n.info = info
			}
			close(ready)
		}
		_, _ = io.Copy(io.Discard, stdout)
		_ = cmd.Wait() // the exit code says it
	}()
}

func (n *node) address(url, scheme string) string {
	if url == "" {
		return "127.0.0.1:0"
	}
	return strings.TrimPrefix(url, scheme)
}

// cleanEnv is the environment without settings of a hub, in English.
func cleanEnv() []string {
	env := []string{"LC_ALL=C"}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "LIANMU_") && !strings.HasPrefix(v, "LC_ALL=") {
			env = append(env, v)
		}
	}
	return env
}

// start launches the hub and waits until it serves.
func (n *node) start() {
	n.t.Helper()
	n.launch()
	select {
	case <-n.ready:
	case <-n.exited:
		n.t.Fatalf("the hub ended at start with %v", n.cmd.ProcessState)
	case <-time.After(time.Minute):
		n.t.Fatal("the hub is not ready after a minute")
	}
}

// kill ends the process as a power cut would, as far as one process can see.
func (n *node) kill() {
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Kill() // it may be gone
	<-n.exited
}

// stop asks the process to end and returns its exit code and how long it took.
func (n *node) stop() (code int, took time.Duration) {
	n.t.Helper()
	began := time.Now()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		n.t.Fatal(err)
	}
	select {
	case <-n.exited:
	case <-time.After(time.Minute):
		n.t.Fatal("the hub does not stop")
	}
	return n.cmd.ProcessState.ExitCode(), time.Since(began)
}

// alive fails the test if the process has ended by itself.
func (n *node) alive() {
	n.t.Helper()
	select {
	case <-n.exited:
		n.t.Fatalf("the hub has ended: %v", n.cmd.ProcessState)
	default:
	}
}

// problemAnswer is a problem+json body.
type problemAnswer struct {
	Code     string         `json:"code"`
	Problems vocab.Problems `json:"problems"`
}

// ask makes one request, as operator where asked to, and decodes the answer.
func (n *node) ask(path string, operator bool, out any) (status int, err error) {
	req, err := http.NewRequestWithContext(n.t.Context(), http.MethodGet, n.info.HTTP+path, nil)
	if err != nil {
		return 0, err
	}
	if operator {
		key, err := identity.ReadKey(filepath.Join(n.dir, "hub.key"))
		if err != nil {
			return 0, err
		}
		token, err := identity.NewToken(key, n.info.DID, time.Now(), time.Minute)
		if err != nil {
			return 0, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp.StatusCode, err
	}
	switch out := out.(type) {
	case nil:
		return resp.StatusCode, nil
	case *[]byte:
		*out = body
		return resp.StatusCode, nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return resp.StatusCode, fmt.Errorf("%s: %w in %.200q", path, err, body)
	}
	return resp.StatusCode, nil
}

// get is ask that must succeed.
func (n *node) get(path string, out any) int {
	n.t.Helper()
	status, err := n.ask(path, false, out)
	if err != nil {
		n.t.Fatal(err)
	}
	return status
}

// health returns the problems that /healthz names, by code.
func (n *node) health() map[string]vocab.Problem {
	n.t.Helper()
	var a problemAnswer
	out := map[string]vocab.Problem{}
	status := n.get("/healthz", &a)
	for _, p := range a.Problems {
		out[p.Code] = p
	}
	if (status == http.StatusOK) != (len(out) == 0) {
		n.t.Fatalf("/healthz: status %d with %v", status, a)
	}
	return out
}

// within waits until what holds, or fails.
func (n *node) within(limit time.Duration, what string, holds func() bool) {
	n.t.Helper()
	for end := time.Now().Add(limit); !holds(); time.Sleep(50 * time.Millisecond) {
		n.alive()
		if time.Now().After(end) {
			n.t.Fatalf("not within %v: %s; health %v", limit, what, n.health())
		}
	}
}

// level waits until the index shows the whole log, and returns it.
func (n *node) level() view.Answer {
	n.t.Helper()
	var a view.Answer
	n.within(time.Minute, "the index is level with the log", func() bool {
		if n.get("/api/v1/search?limit=1", &a) != http.StatusOK {
			return false
		}
		return a.Coverage[0].Indexed == a.Coverage[0].LogSize
	})
	return a
}

// views returns the states of registry and index as an operator sees them.
func (n *node) views() []view.State {
	n.t.Helper()
	var states []view.State
	if status, err := n.ask("/api/v1/views", true, &states); err != nil || status != http.StatusOK {
		n.t.Fatalf("views: status %d, %v", status, err)
	}
	return states
}

// leaves waits until a checkpoint covers the log and returns its leaf records.
func (n *node) leaves() []ledger.Leaf {
	n.t.Helper()
	client, err := newHubClient(n.info.HTTP, nil, time.Now)
	if err != nil {
		n.t.Fatal(err)
	}
	source := newSource(client)
	var size uint64
	n.within(30*time.Second, "a checkpoint covers the log", func() bool {
		var info logInfo
		n.get("/api/v1/log", &info)
		if info.Size == 0 {
			return true
		}
		size, err = source.size(n.t.Context())
		return err == nil && size == info.Size
	})
	var all []ledger.Leaf
	for i := uint64(0); i*tileWidth < size; i++ {
		leaves, err := source.leaves(n.t.Context(), i, size)
		if err != nil {
			n.t.Fatal(err)
		}
		all = append(all, leaves...)
	}
	return all
}

// verifyFolder runs lianmu log verify on the folder of a stopped hub.
func (n *node) verifyFolder() (code int, r verification, output string) {
	n.t.Helper()
	path, err := program()
	if err != nil {
		n.t.Fatal(err)
	}
	cmd := exec.Command(path, "log", "verify", "--dir", n.dir, "--json")
	cmd.Env = cleanEnv()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		n.t.Fatal(err)
	}
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		n.t.Fatalf("log verify: %v\n%s%s", err, stdout.String(), stderr.String())
	}
	return cmd.ProcessState.ExitCode(), r, stdout.String() + stderr.String()
}

// verifyClean stops the hub, verifies its folder, and returns the report.
func (n *node) verifyClean() verification {
	n.t.Helper()
	if code, _ := n.stop(); code != 0 {
		n.t.Errorf("the hub ended with exit code %d", code)
	}
	code, r, output := n.verifyFolder()
	if code != 0 || !r.Clean() {
		n.t.Errorf("log verify: exit code %d\n%.3000s", code, output)
	}
	return r
}

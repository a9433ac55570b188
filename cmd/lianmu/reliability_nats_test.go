package main

import (
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// natsServer is a NATS server of its own process, configured as deploy/nats
// says.
type natsServer struct {
	t      *testing.T
	binary string
	store  string
	env    []string // what it knows of the hub
	port   string
	cmd    *exec.Cmd
	log    nodeLog
}

const natsPassword = "secret-of-this-test"

// newNATSServer makes a server for the hub of a folder that is not started yet.
func newNATSServer(t *testing.T, hub string) *natsServer {
	t.Helper()
	s := &natsServer{t: t, binary: filepath.Join(t.TempDir(), "nats-server"), store: t.TempDir()}
	if out, err := exec.Command("go", "build", "-o", s.binary, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		t.Skipf("nats-server cannot be built here: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, s.port, _ = net.SplitHostPort(l.Addr().String())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s.env = strings.Fields(cli(t, 0, "key", "nats", "--dir", hub))
	t.Cleanup(s.kill)
	return s
}

func (s *natsServer) start() {
	s.t.Helper()
	s.cmd = exec.Command(s.binary, "-c", filepath.Join("..", "..", "deploy", "nats", "lianmu.conf"), "-a", "127.0.0.1", "-p", s.port)
	s.cmd.Env = append(cleanEnv(), "LIANMU_HUB_PASSWORD="+natsPassword, "LIANMU_NATS_STORE="+s.store)
	s.cmd.Env = append(s.cmd.Env, s.env...)
	s.cmd.Stderr = &s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+s.port)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("nats-server does not listen:\n%s", s.log.String())
		}
	}
}

func (s *natsServer) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// TestExternalNATS kills the NATS server that a hub works on, and starts it
// again: the hub says what is wrong, reconnects, and goes on; nothing
// acknowledged is lost. It stops in order also while the server is away.
func TestExternalNATS(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a real nats-server")
	}
	dir := t.TempDir()
	server := newNATSServer(t, dir)
	server.start()
	n := newNode(t, dir, "--nats-url", "nats://hub:"+natsPassword+"@127.0.0.1:"+server.port)
	tr := newTraffic(t, reliabilitySeed(t), 3)
	n.start()
	n.info.NATS = "nats://127.0.0.1:" + server.port // where clients are
	conn := tr.dial(n.info.NATS)
	tr.permit(100_000)
	f := tr.run(conn, 32)
	progress := func() {
		t.Helper()
		before := tr.answered.Load()
		n.within(time.Minute, "submissions are answered", func() bool { return tr.answered.Load() > before+200 })
	}
	progress()
	for range 3 {
		server.kill()
		n.within(30*time.Second, "/healthz says that NATS is away", func() bool {
			_, ok := n.health()["hub.bus"]
			return ok
		})
		if status := n.get("/api/v1/search?q=port", nil); status != http.StatusOK {
			t.Errorf("search has status %d", status)
		}
		server.start()
		n.within(time.Minute, "the hub is well again", func() bool { return len(n.health()) == 0 })
		progress()
	}
	f.finish(t, time.Minute)
	m := tr.check(n)
	tr.repeatSome(n, conn, m, 100)

	// The command line publishes there as well.
	before := m.size
	key := filepath.Join(t.TempDir(), "space.key")
	cli(t, 0, "key", "new", "--out", key)
	file := writeFile(t, "one.json", `{"@context":"https://w3id.org/lianmu/v1","@id":"https://space.example/by-cli","@type":"Dataset","title":{"zh":"外部服务器上的数据集"}}`)
	cli(t, 0, "publish", "--hub", n.info.NATS, "--key", key, file)
	if total := n.level().Coverage[0].LogSize; total != before+1 {
		t.Errorf("the log has %d entries, %d before lianmu publish", total, before)
	}
	server.kill()
	code, took := n.stop()
	t.Logf("stopped without NATS after %v, exit code %d", took, code)
	if took > 15*time.Second {
		t.Errorf("stopping without NATS took %v", took)
	}
	server.start()
	n.start()
	if h := n.health(); len(h) > 0 {
		t.Errorf("health: %v", h)
	}
	if total := n.level().Coverage[0].LogSize; total != before+1 {
		t.Errorf("the log has %d entries after a restart, %d before", total, before+1)
	}
}

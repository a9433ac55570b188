package deploy

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"lianmu/federation/ledger"
	"lianmu/hub/bus"
	"lianmu/hub/bus/bustest"
	"lianmu/vocab"
)

// A real nats-server runs from nats/lianmu.conf; the hub's bus and log live on
// it, and clients can do no more than at the embedded one.
func TestNATSConfiguration(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a NATS server")
	}
	dir := t.TempDir()
	url, clients := runServer(t, dir)

	b, err := bus.Start(t.Context(), bus.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := b.Stop(ctx); err != nil {
			t.Error(err)
		}
	}
	defer stop()
	if err := b.Healthy(); err != nil {
		t.Error(err)
	}
	if b.ClientURL() != "" || b.Restart(t.Context()) == nil {
		t.Error("an external server is taken for the hub's own")
	}
	t.Run("attack", func(t *testing.T) {
		bustest.Attack(t, b, strings.Replace(clients, "nats://", "nats://anonymous:anonymous@", 1), bus.Anonymous)
	})
	t.Run("log", func(t *testing.T) {
		l, err := ledger.Open(t.Context(), ledger.Config{
			JetStream: b.JetStream, Stream: bus.LogStream, State: b.State(), Dir: filepath.Join(dir, "log"),
			Origin: "hub.example", Seed: bytes.Repeat([]byte{1}, 32), Now: time.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		es := make([]ledger.Entry, 500)
		for i := range es {
			es[i] = ledger.Entry{Document: fmt.Appendf(nil, "{%d}", i), Fact: vocab.Fact{Kind: vocab.KindOffering}}
		}
		if _, err := l.Append(t.Context(), 0, es); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		r, err := ledger.Verify(t.Context(), l.Source(), l.VerifierKey(), nil, nil)
		if err != nil || r.Faults > 0 || r.Checked != 500 {
			t.Errorf("%+v, %v", r, err)
		}
	})
	t.Run("a client's account holds no log", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		b, err := bus.Start(ctx, bus.Config{URL: clients})
		if err == nil {
			_ = b.Stop(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), "JetStream") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a stream in memory is refused and kept", func(t *testing.T) {
		s, err := b.JetStream.Stream(t.Context(), bus.QuarantineStream)
		if err != nil {
			t.Fatal(err)
		}
		c := s.CachedInfo().Config
		if err := b.JetStream.DeleteStream(t.Context(), c.Name); err != nil {
			t.Fatal(err)
		}
		c.Storage, c.MaxBytes = jetstream.MemoryStorage, 1<<20
		if _, err := b.JetStream.CreateStream(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		other, err := bus.Start(t.Context(), bus.Config{URL: url})
		if err == nil {
			_ = other.Stop(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), bus.QuarantineStream) || !strings.Contains(err.Error(), "storage") {
			t.Errorf("got %v", err)
		}
	})
	stop()
}

// runServer builds nats-server, runs it from nats/lianmu.conf on a free port,
// and returns the URLs of the hub and of clients.
func runServer(t *testing.T, dir string) (hub, clients string) {
	t.Helper()
	bin := filepath.Join(dir, "nats-server")
	if out, err := exec.Command("go", "build", "-o", bin, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr)
	l.Close()
	const password = "p7ZkQ2mVx9tRw4Ln"
	var log bytes.Buffer
	cmd := exec.Command(bin, "-c", filepath.Join("nats", "lianmu.conf"), "-a", "127.0.0.1", "-p", fmt.Sprint(addr.Port))
	cmd.Env = append(os.Environ(), "LIANMU_HUB_PASSWORD="+password, "LIANMU_NATS_STORE="+filepath.Join(dir, "store"))
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for i := 0; ; i++ {
		c, err := net.Dial("tcp", addr.String())
		if err == nil {
			c.Close()
			break
		}
		if i > 500 {
			t.Fatalf("the server does not listen: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Sprintf("nats://hub:%s@%s", password, addr), "nats://" + addr.String()
}

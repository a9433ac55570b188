package deploy

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"lianmu/federation/identity/identitytest"
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
	hub := identitytest.Key(t).DID()
	keys, err := bus.OpenCalloutKeys(filepath.Join(dir, "callout.nk"))
	if err != nil {
		t.Fatal(err)
	}
	url, clients := runServer(t, dir, hub, keys)

	b, err := bus.Start(t.Context(), bus.Config{URL: url, Callout: keys, Authenticate: bustest.Authenticate(hub), Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
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
	t.Run("disconnect", func(t *testing.T) {
		bad, good := identitytest.Key(t), identitytest.Key(t)
		cut := make(chan struct{})
		nc := bustest.Connect(t, clients, hub, bad, nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(cut) }))
		other := bustest.Connect(t, clients, hub, good, nats.NoReconnect())
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		b.Disconnect(bus.SpaceToken(bad.DID()))
		select {
		case <-cut:
		case <-time.After(20 * time.Second):
			t.Error("the connection goes on")
		}
		if err := other.Flush(); err != nil {
			t.Errorf("the other one: %v", err)
		}
	})
	t.Run("attack", func(t *testing.T) {
		bustest.Attack(t, bustest.Target{Bus: b, Hub: hub, URL: clients, Flood: 2000})
	})
	t.Run("a hub that the server does not listen to does not start", func(t *testing.T) {
		others, err := bus.OpenCalloutKeys(filepath.Join(dir, "others.nk"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := bus.Start(t.Context(), bus.Config{URL: url, Callout: others})
		if err == nil {
			_ = b.Stop(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), others.Issuer()) {
			t.Errorf("got %v", err)
		}
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
	t.Run("the account of the callout holds no log", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		b, err := bus.Start(ctx, bus.Config{URL: strings.Replace(url, "//hub:", "//auth:", 1)})
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
func runServer(t *testing.T, dir, did string, keys *bus.CalloutKeys) (hub, clients string) {
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
	cmd.Env = append(cmd.Env, "LIANMU_HUB_DID="+did, "LIANMU_CALLOUT_ISSUER="+keys.Issuer(), "LIANMU_CALLOUT_XKEY="+keys.XKey())
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the end of the server's log:\n%s", log.Bytes()[max(0, log.Len()-4000):])
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

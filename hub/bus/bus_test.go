package bus_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"lianmu/federation/identity/identitytest"
	"lianmu/hub/bus"
	"lianmu/hub/bus/bustest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, c bus.Config) *bus.Bus {
	t.Helper()
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	c.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	b, err := bus.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, b) })
	return b
}

func stop(t *testing.T, b *bus.Bus) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := b.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func put(t *testing.T, b *bus.Bus, text string) uint64 {
	t.Helper()
	ack, err := b.JetStream.Publish(t.Context(), bus.LogSubjects+"offering", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return ack.Sequence
}

func TestStreamsAreMadeAndFoundAgain(t *testing.T) {
	dir := t.TempDir()
	b := start(t, bus.Config{Dir: dir})
	if b.ClientURL() != "" {
		t.Error("listens without an address")
	}
	if seq := put(t, b, "one"); seq != 1 {
		t.Errorf("sequence %d", seq)
	}
	if _, err := b.State().Put(t.Context(), "x", []byte("y")); err != nil {
		t.Fatal(err)
	}
	stop(t, b)
	if err := b.Restart(t.Context()); err == nil {
		t.Error("a stopped bus restarted")
	}

	b = start(t, bus.Config{Dir: dir})
	if seq := put(t, b, "two"); seq != 2 {
		t.Errorf("sequence %d after a restart", seq)
	}
	if e, err := b.State().Get(t.Context(), "x"); err != nil || string(e.Value()) != "y" {
		t.Errorf("state is gone: %v", err)
	}
	s, err := b.JetStream.Stream(t.Context(), bus.LogStream)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context()); err == nil {
		t.Error("the log could be purged")
	}
	if err := b.Healthy(); err != nil {
		t.Error(err)
	}
}

func TestStreamNotAsDeclared(t *testing.T) {
	cases := []struct {
		name   string
		change func(*jetstream.StreamConfig)
		names  string // in the message; "": the start brings it back
	}{
		{"more subjects", func(c *jetstream.StreamConfig) { c.Subjects = append(c.Subjects, "other.*") }, ""},
		{"limit", func(c *jetstream.StreamConfig) { c.MaxMsgs = 5 }, ""},
		{"no direct reads", func(c *jetstream.StreamConfig) { c.AllowDirect = false }, ""},
		{"compression", func(c *jetstream.StreamConfig) { c.Compression = jetstream.S2Compression }, "compression"},
		{"work queue", func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }, "retention"},
		{"no deletes", func(c *jetstream.StreamConfig) { c.DenyDelete = true }, "deny_delete"},
		{"republished to clients", func(c *jetstream.StreamConfig) {
			c.RePublish = &jetstream.RePublish{Source: ">", Destination: "lianmu.v1.event.>"}
		}, "republish"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			b := start(t, bus.Config{Dir: dir})
			s, err := b.JetStream.Stream(t.Context(), bus.LogStream)
			if err != nil {
				t.Fatal(err)
			}
			cfg := s.CachedInfo().Config
			if err := b.JetStream.DeleteStream(t.Context(), bus.LogStream); err != nil {
				t.Fatal(err)
			}
			tc.change(&cfg)
			if _, err := b.JetStream.CreateStream(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			put(t, b, "precious")
			stop(t, b)

			b, err = bus.Start(t.Context(), bus.Config{Dir: dir})
			if err == nil {
				defer stop(t, b)
			}
			if tc.names == "" {
				if err != nil {
					t.Fatal(err)
				}
				s, err := b.JetStream.Stream(t.Context(), bus.LogStream)
				if err != nil || s.CachedInfo().State.Msgs != 1 {
					t.Fatalf("the message is gone: %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), bus.LogStream) || !strings.Contains(err.Error(), tc.names) {
				t.Fatalf("want a message naming %s and %s, got %v", bus.LogStream, tc.names, err)
			}
		})
	}
}

func TestAuditRecordsAreKept(t *testing.T) {
	dir := t.TempDir()
	age := func(b *bus.Bus) time.Duration {
		t.Helper()
		s, err := b.JetStream.Stream(t.Context(), bus.AuditStream)
		if err != nil {
			t.Fatal(err)
		}
		return s.CachedInfo().Config.MaxAge
	}
	if _, err := bus.Start(t.Context(), bus.Config{Dir: t.TempDir(), AuditAge: bus.MinAuditAge - 1}); err == nil || !strings.Contains(err.Error(), "180 days") {
		t.Errorf("less than the least: %v", err)
	}
	for _, step := range []struct{ say, want time.Duration }{
		{0, bus.MinAuditAge},
		{3 * bus.MinAuditAge, 3 * bus.MinAuditAge},
		{2 * bus.MinAuditAge, 3 * bus.MinAuditAge}, // only ever longer
		{0, 3 * bus.MinAuditAge},
	} {
		b := start(t, bus.Config{Dir: dir, AuditAge: step.say})
		if got := age(b); got != step.want {
			t.Errorf("told %v: kept for %v, want %v", step.say, got, step.want)
		}
		ack, err := b.JetStream.Publish(t.Context(), bus.AuditPrefix+"done", []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := b.JetStream.Stream(t.Context(), bus.AuditStream)
		if err != nil {
			t.Fatal(err)
		}
		if s.DeleteMsg(t.Context(), ack.Sequence) == nil || s.SecureDeleteMsg(t.Context(), ack.Sequence) == nil || s.Purge(t.Context()) == nil {
			t.Error("a record could be deleted")
		}
		stop(t, b)
	}
}

func TestAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = bus.Start(t.Context(), bus.Config{Dir: t.TempDir(), Listen: l.Addr().String()})
	if err == nil || !strings.Contains(err.Error(), "address") {
		t.Fatalf("got %v", err)
	}
}

func TestFolderInUse(t *testing.T) {
	dir := t.TempDir()
	b := start(t, bus.Config{Dir: dir})
	if other, err := bus.Start(t.Context(), bus.Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "another process") {
		if err == nil {
			stop(t, other)
		}
		t.Fatalf("got %v", err)
	}
	put(t, b, "still mine")
	stop(t, b)
	start(t, bus.Config{Dir: dir})
}

func TestBadConfig(t *testing.T) {
	for _, c := range []bus.Config{
		{},
		{Dir: t.TempDir(), Listen: "nonsense"},
		{Dir: t.TempDir(), Listen: "127.0.0.1:99999"},
		{Dir: "/dev/null/x"},
		{URL: "nats://127.0.0.1:1"},
	} {
		if b, err := bus.Start(t.Context(), c); err == nil {
			stop(t, b)
			t.Errorf("%+v was accepted", c)
		}
	}
}

func TestRestartKeepsConnectionAddressAndMessages(t *testing.T) {
	x := embedded(t, bus.Config{})
	b, url := x.Bus, x.URL
	client := bustest.Connect(t, url, x.Hub, identitytest.Key(t), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	sub, err := b.Conn.Subscribe(bus.Search, func(m *nats.Msg) { _ = m.Respond([]byte("pong")) })
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	put(t, b, "before")
	for range 3 {
		if err := b.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if b.ClientURL() != url {
		t.Errorf("moved from %s to %s", url, b.ClientURL())
	}
	if seq := put(t, b, "after"); seq != 2 {
		t.Errorf("sequence %d", seq)
	}
	if answer := ask(t, client, bus.Search); answer != "pong" {
		t.Errorf("got %q", answer)
	}
}

// ask repeats a request until somebody answers.
func ask(t *testing.T, nc *nats.Conn, subject string) string {
	t.Helper()
	var err error
	for range 100 {
		var m *nats.Msg
		if m, err = nc.Request(subject, []byte("ping"), 2*time.Second); err == nil {
			return string(m.Data)
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal(err)
	return ""
}

func TestReportedFailureRestarts(t *testing.T) {
	b := start(t, bus.Config{Poll: 10 * time.Millisecond, Reserve: 1})
	id := b.Conn.ConnectedServerId()
	b.Report(nil)
	if err := b.Healthy(); err != nil {
		t.Fatal(err)
	}
	b.Report(errors.New("no space left on device"))
	if err := b.Healthy(); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Fatalf("got %v", err)
	}
	for i := 0; b.Healthy() != nil; i++ {
		if i > 1000 {
			t.Fatal("was not restarted")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if b.Conn.ConnectedServerId() == id {
		t.Error("healthy without a restart")
	}
	put(t, b, "again")
}

func TestReserve(t *testing.T) {
	b := start(t, bus.Config{Poll: 10 * time.Millisecond, Reserve: 1 << 60})
	if err := b.Healthy(); err == nil || !strings.Contains(err.Error(), "full") {
		t.Fatalf("got %v", err)
	}
	if !errors.Is(b.Healthy(), syscall.ENOSPC) {
		t.Error("a full disk is not told as such")
	}
}

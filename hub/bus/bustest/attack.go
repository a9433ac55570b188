// Package bustest holds attacks on a bus, so that the embedded server and the
// configuration for external ones face the same.
//
// It is for tests only.
package bustest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"lianmu/hub/bus"
)

// Attack connects to url as a client with this user name and tries what clients
// must not be able to do to b. Connecting without a name is refused, or such a
// client hears nothing in the common inboxes.
func Attack(t *testing.T, b *bus.Bus, url, name string) {
	t.Helper()
	serve(t, b)
	c := &client{t: t, refused: map[string]bool{}}
	nc, err := nats.Connect(url, append(bus.ClientOptions(name), c.errors())...)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c.nc = nc
	before := lastSequence(t, b)

	t.Run("asks and is answered", func(t *testing.T) {
		for _, subject := range []string{bus.Search, bus.SubmitPrefix + "z6Mk", bus.ReceiptPrefix + "z6Mk", bus.PeerPrefix + "logs"} {
			m, err := nc.Request(subject, []byte("ping"), 5*time.Second)
			if err != nil || string(m.Data) != "pong" {
				t.Errorf("%s: %v", subject, err)
			}
		}
	})
	t.Run("hears events", func(t *testing.T) {
		sub := c.subscribe(bus.EventPrefix + ">")
		if err := b.Conn.Publish(bus.EventPrefix+"grown", []byte("7")); err != nil {
			t.Fatal(err)
		}
		if m, err := sub.NextMsg(5 * time.Second); err != nil || string(m.Data) != "7" {
			t.Error(err)
		}
	})
	t.Run("cannot publish elsewhere", func(t *testing.T) {
		for _, subject := range []string{
			bus.LogSubjects + "offering", bus.QuarantinePrefix + "x", bus.AuditPrefix + "done", "$KV." + bus.AdmissionBucket + ".x", "$JS.API.STREAM.DELETE." + bus.LogStream,
			"$JS.API.STREAM.MSG.DELETE." + bus.LogStream, "$JS." + bus.Domain + ".API.INFO", "$JS.API.INFO",
			"$JS.ACK.LIANMU_LOG.x.1.1.1.1.1", "$KV." + bus.StateBucket + ".checkpoint", "$SYS.REQ.SERVER.PING",
			"_INBOX.somebody", bus.EventPrefix + "grown", "_R_.x", "lianmu.v1.submit", "lianmu.v1.submit.a.b",
		} {
			c.mustBeRefused(func() error { return nc.PublishRequest(subject, nc.NewInbox(), []byte("{}")) }, "publish", subject)
		}
	})
	t.Run("cannot listen elsewhere", func(t *testing.T) {
		for _, subject := range []string{">", "*", "lianmu.>", bus.LogSubjects + "*", bus.SubmitPrefix + "*", "$SYS.>", "$JS.>", "_R_.>", "$KV.>", "_INBOX_other.>"} {
			c.mustBeRefused(func() error { _, err := nc.SubscribeSync(subject); return err }, "subscribe", subject)
		}
		for _, subject := range []string{"_INBOX.>", "_INBOX.*.*", "_INBOX.x"} {
			c.mustBeRefused(func() error { _, err := nc.SubscribeSync(subject); return err }, "subscribe", subject)
		}
	})
	t.Run("cannot do so without a name", func(t *testing.T) {
		plain := &client{t: t, refused: map[string]bool{}}
		address := url[strings.LastIndexAny(url, "@/")+1:]
		nc, err := nats.Connect(address, plain.errors())
		if errors.Is(err, nats.ErrAuthorization) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		plain.nc = nc
		for _, subject := range []string{"_INBOX.>", "_INBOX.*.*", "_INBOX_other.>"} {
			plain.mustBeRefused(func() error { _, err := nc.SubscribeSync(subject); return err }, "subscribe", subject)
		}
	})
	t.Run("cannot say that it is somebody else", func(t *testing.T) {
		seen := make(chan string, 1)
		sub, err := b.Conn.Subscribe(bus.PeerPrefix+"who", func(m *nats.Msg) {
			host, connection := bus.Asker(m)
			seen <- fmt.Sprint(host, " ", connection)
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = sub.Unsubscribe() }()
		if err := b.Conn.Flush(); err != nil {
			t.Fatal(err)
		}
		id, err := nc.GetClientID()
		if err != nil {
			t.Fatal(err)
		}
		m := nats.NewMsg(bus.PeerPrefix + "who")
		m.Header["Nats-Request-Info"] = []string{`{"host":"192.0.2.7","id":77}`, `{"host":"192.0.2.8","id":78}`}
		m.Header["nats-request-info"] = []string{`{"host":"192.0.2.9","id":79}`}
		if err := nc.PublishMsg(m); err != nil {
			t.Fatal(err)
		}
		if got, want := <-seen, fmt.Sprint("127.0.0.1 ", id); got != want {
			t.Errorf("the hub takes it for %s, it is %s", got, want)
		}
	})
	t.Run("cannot make the hub write its answer into the log", func(t *testing.T) {
		for _, reply := range []string{bus.LogSubjects + "offering", bus.QuarantinePrefix + "x", bus.AuditPrefix + "done", "$KV." + bus.StateBucket + ".checkpoint", "$JS.API.STREAM.DELETE." + bus.LogStream} {
			if err := nc.PublishRequest(bus.Search, reply, []byte("ping")); err != nil {
				t.Fatal(err)
			}
		}
		// A later question is answered after the earlier ones were.
		if _, err := nc.Request(bus.Search, []byte("ping"), 5*time.Second); err != nil {
			t.Fatal(err)
		}
		if err := b.Conn.Flush(); err != nil {
			t.Fatal(err)
		}
		if _, err := b.State().Get(t.Context(), "checkpoint"); err == nil {
			t.Error("a client wrote the signed state")
		}
	})
	t.Run("has no JetStream", func(t *testing.T) {
		js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.AccountInfo(t.Context()); err == nil {
			t.Error("a client reached JetStream")
		}
	})
	t.Run("cannot be the hub", func(t *testing.T) {
		for _, user := range []string{"lianmu-hub", "hub", "HUB"} {
			for _, pass := range []string{"", "x", "hub"} {
				nc, err := nats.Connect(url, nats.UserInfo(user, pass), nats.CustomInboxPrefix(bus.InboxPrefix(user)),
					nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
				if err != nil {
					continue
				}
				// Whoever got in is an ordinary client.
				if js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(300*time.Millisecond)); err == nil {
					if _, err := js.AccountInfo(t.Context()); err == nil {
						t.Errorf("%s with password %q reached JetStream", user, pass)
					}
				}
				nc.Close()
			}
		}
	})
	if after := lastSequence(t, b); after != before {
		t.Errorf("the log grew from %d to %d", before, after)
	}
}

// serve answers "pong" to every question, as the hub's parts would.
func serve(t *testing.T, b *bus.Bus) {
	t.Helper()
	for _, subject := range []string{bus.Search, bus.SubmitPrefix + "*", bus.ReceiptPrefix + "*", bus.PeerPrefix + "*"} {
		sub, err := b.Conn.Subscribe(subject, func(m *nats.Msg) {
			if string(m.Data) == "ping" && m.Reply != "" {
				_ = m.Respond([]byte("pong"))
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = sub.Unsubscribe() })
	}
	if err := b.Conn.Flush(); err != nil {
		t.Fatal(err)
	}
}

func lastSequence(t *testing.T, b *bus.Bus) uint64 {
	t.Helper()
	s, err := b.JetStream.Stream(t.Context(), bus.LogStream)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.LastSeq
}

type client struct {
	t  *testing.T
	nc *nats.Conn

	mu      sync.Mutex
	refused map[string]bool
}

// errors is the option that lets c hear what it was refused.
func (c *client) errors() nats.Option {
	return nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.refused[err.Error()] = true
	})
}

func (c *client) subscribe(subject string) *nats.Subscription {
	c.t.Helper()
	sub, err := c.nc.SubscribeSync(subject)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.nc.Flush(); err != nil {
		c.t.Fatal(err)
	}
	return sub
}

// mustBeRefused does something and expects the server to report a permissions
// violation. A flush brings the server's answer.
func (c *client) mustBeRefused(do func() error, what, subject string) {
	c.t.Helper()
	c.mu.Lock()
	clear(c.refused)
	c.mu.Unlock()
	if err := do(); err != nil {
		c.t.Fatal(err)
	}
	for range 50 {
		if err := c.nc.Flush(); err != nil {
			c.t.Fatal(err)
		}
		c.mu.Lock()
		n := len(c.refused)
		c.mu.Unlock()
		if n > 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Errorf("%s to %q was not refused", what, subject)
}

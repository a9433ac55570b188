package bustest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"lianmu/federation/identity/identitytest"
	"lianmu/hub/bus"
)

// Target is a bus under attack, with an Authenticate as the one above.
type Target struct {
	Bus *bus.Bus
	Hub string // DID that tokens are for
	URL string // where clients connect
	// More is what every client needs beside, such as nats.ProxyPath.
	More []nats.Option
	// Flood is how many wrong tokens come at once; 0: Flooding.
	Flood int
}

func (x Target) connect(more ...nats.Option) (*nats.Conn, error) {
	return nats.Connect(x.URL, append(append([]nats.Option{quiet()}, x.More...), more...)...)
}

// Attack connects as a client and tries what clients must not be able to do.
func Attack(t *testing.T, x Target) {
	t.Helper()
	b := x.Bus
	serve(t, b)
	c := &client{t: t, refused: map[string]bool{}}
	mallory, victim := identitytest.Key(t), identitytest.Key(t)
	nc, err := x.connect(append(Options(mallory, x.Hub), c.errors())...)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c.nc = nc
	own, other := bus.SpaceToken(mallory.DID()), bus.SpaceToken(victim.DID())
	before := lastSequence(t, b)

	t.Run("asks and is answered", func(t *testing.T) {
		for _, subject := range []string{bus.Search, bus.SubmitPrefix + own, bus.ReceiptPrefix + own, bus.PeerPrefix + "logs"} {
			m, err := nc.Request(subject, []byte("ping"), 5*time.Second)
			if err != nil || string(m.Data) != "pong" {
				t.Errorf("%s: %v", subject, err)
			}
		}
	})
	t.Run("is told which space it is", func(t *testing.T) {
		if token, err := bus.OwnToken(nc); err != nil || token != own {
			t.Errorf("%q, %v", token, err)
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
			bus.SubmitPrefix + other, bus.ReceiptPrefix + other, bus.SubmitPrefix + own + ".x",
			bus.InboxPrefix(other) + ".x", bus.InboxPrefix(own) + ".x",
			"$SYS.REQ.USER.AUTH", "$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.SERVER.x.KICK", "$SYS.REQ.ACCOUNT.PING.CONNZ",
		} {
			c.mustBeRefused(func() error { return nc.PublishRequest(subject, nc.NewInbox(), []byte("{}")) }, "publish", subject)
		}
	})
	t.Run("cannot listen elsewhere", func(t *testing.T) {
		for _, subject := range []string{
			">", "*", "*.>", "lianmu.>", bus.LogSubjects + "*", bus.SubmitPrefix + "*", bus.ReceiptPrefix + own, "$SYS.>", "$SYS.REQ.USER.AUTH",
			"$JS.>", "$JS.API.>", "_R_.>", "$KV.>", "_INBOX.>", "_INBOX.*.*", "_INBOX.x", "_INBOX_other.>",
			bus.InboxPrefix(other) + ".>", bus.InboxPrefix(other) + ".x", bus.InboxPrefix(own) + "x.>", "*." + other,
		} {
			c.mustBeRefused(func() error { _, err := nc.SubscribeSync(subject); return err }, "subscribe", subject)
		}
	})
	t.Run("cannot queue for another's work", func(t *testing.T) {
		for _, subject := range []string{bus.SubmitPrefix + "*", bus.Search} {
			c.mustBeRefused(func() error { _, err := nc.QueueSubscribeSync(subject, "intake"); return err }, "subscribe", subject)
		}
	})
	t.Run("tokens", func(t *testing.T) { tokens(t, x, mallory) })
	t.Run("cannot say that it is somebody else", func(t *testing.T) {
		seen := make(chan string, 1)
		sub, err := b.Conn.Subscribe(bus.PeerPrefix+"who", func(m *nats.Msg) {
			_, host, connection := bus.Asker(m)
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
	t.Run("cannot make the hub write its answer elsewhere", func(t *testing.T) {
		// No permission looks at a reply subject. Those of other accounts are not
		// reached; of its own it can send the hub's answer to an inbox, where
		// nobody waits for it unless its random part is known.
		v, err := x.connect(Options(victim, x.Hub)...)
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		if _, err := v.Request(bus.Search, []byte("ping"), 5*time.Second); err != nil {
			t.Fatal(err) // from now on it waits for answers on one subscription
		}
		for _, reply := range []string{
			bus.LogSubjects + "offering", bus.QuarantinePrefix + "x", "$KV." + bus.StateBucket + ".checkpoint", "$JS.API.STREAM.DELETE." + bus.LogStream,
			"$JS.API.STREAM.MSG.DELETE." + bus.LogStream, "$JS." + bus.Domain + ".API.STREAM.DELETE." + bus.LogStream, "$SYS.REQ.SERVER.x.KICK",
			"$SYS.REQ.USER.AUTH", bus.InboxPrefix(other) + ".x", bus.InboxPrefix(other) + ".*.*", bus.InboxPrefix(other) + ".>", "_R_.x.y",
		} {
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
		if m, err := v.Request(bus.SubmitPrefix+other, []byte("ping"), 5*time.Second); err != nil || string(m.Data) != "pong" {
			t.Errorf("the other client is led astray: %v", err)
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
		for _, user := range []string{"lianmu-hub", "hub", "HUB", "auth", "sys", "anonymous"} {
			for _, pass := range []string{"", "x", "hub", "anonymous"} {
				if nc, err := x.connect(nats.UserInfo(user, pass)); err == nil {
					nc.Close()
					t.Errorf("%s got in with password %q", user, pass)
				}
			}
		}
	})
	t.Run("raw", func(t *testing.T) { raw(t, x, Fresh(mallory, x.Hub), own) })
	t.Run("flood", func(t *testing.T) { flood(t, x) })
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

package bus_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/federation/identity/identitytest"
	"lianmu/hub/bus"
	"lianmu/hub/bus/bustest"
)

// embedded is a bus that listens, for a hub of some name.
func embedded(t *testing.T, c bus.Config) bustest.Target {
	t.Helper()
	hub := identitytest.Key(t).DID()
	c.Listen, c.HubDID = "127.0.0.1:0", hub
	if c.Authenticate == nil {
		c.Authenticate = bustest.Authenticate(hub)
	}
	b := start(t, c)
	return bustest.Target{Bus: b, Hub: hub, URL: b.ClientURL()}
}

func TestClientsCannotReachTheLog(t *testing.T) {
	bustest.Attack(t, embedded(t, bus.Config{}))
}

// The same over WebSocket, as the hub serves it beside its pages.
func TestWebSocketClientsCannotReachTheLog(t *testing.T) {
	x := embedded(t, bus.Config{})
	web := httptest.NewServer(x.Bus.WebSocketHandler())
	defer web.Close()
	x.URL = strings.Replace(web.URL, "http://", "ws://", 1)
	x.More = []nats.Option{nats.ProxyPath("/nats")}
	bustest.Attack(t, x)
}

// However many wrong tokens come, few of them are looked at.
func TestWrongTokensAreNotLookedAtForEver(t *testing.T) {
	var looked atomic.Int64
	x := embedded(t, bus.Config{Authenticate: func(string, string) (string, error) {
		looked.Add(1)
		return "", errors.New("wrong")
	}})
	began := time.Now()
	for range 500 {
		nc, err := nats.Connect(x.URL, bustest.Options(identitytest.Key(t), x.Hub)...)
		if !errors.Is(err, nats.ErrAuthorization) {
			t.Fatal(err)
		}
		nc.Close()
	}
	// 50 at once and five a second.
	if n, most := looked.Load(), 50+5*(time.Since(began).Seconds()+1); float64(n) > most {
		t.Errorf("%d wrong tokens were looked at, %v may be", n, most)
	}
}

// Nobody comes in before it is said who may, nor under a name that is no subject
// token, nor where looking panics.
func TestTheGateFailsClosed(t *testing.T) {
	hub := identitytest.Key(t).DID()
	b := start(t, bus.Config{Listen: "127.0.0.1:0", HubDID: hub})
	options := bustest.Options(identitytest.Key(t), hub)
	try := func() error {
		nc, err := nats.Connect(b.ClientURL(), options...)
		nc.Close()
		return err
	}
	if err := try(); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("before anything is said: %v", err)
	}
	for _, name := range []string{"", "a.b", "*", ">", "a b", "a@b", strings.Repeat("a", 129)} {
		b.SetAuthenticate(func(string, string) (string, error) { return name, nil })
		if err := try(); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("as %q: %v", name, err)
		}
	}
	b.SetAuthenticate(func(string, string) (string, error) { panic("a fault") })
	if err := try(); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("a fault: %v", err)
	}
	b.SetAuthenticate(bustest.Authenticate(hub))
	if err := try(); err != nil {
		t.Error(err)
	}
}

// A key that is one of several of a space submits for the space, and hears on
// inboxes of its own.
func TestKeyOfASpaceWithAnotherName(t *testing.T) {
	x := embedded(t, bus.Config{})
	space, key := identitytest.Key(t), identitytest.Key(t)
	seen := make(chan string, 1)
	inner := bustest.Authenticate(x.Hub)
	x.Bus.SetAuthenticate(func(token, client string) (string, error) {
		seen <- client
		if _, err := inner(token, client); err != nil {
			return "", err
		}
		return bus.SpaceToken(space.DID()), nil
	})
	if _, err := x.Bus.Conn.Subscribe(bus.SubmitPrefix+"*", func(m *nats.Msg) { _ = m.Respond([]byte(m.Subject)) }); err != nil {
		t.Fatal(err)
	}
	if err := x.Bus.Conn.Flush(); err != nil {
		t.Fatal(err)
	}
	nc := bustest.Connect(t, x.URL, x.Hub, key)
	if client := <-seen; client != "127.0.0.1" {
		t.Errorf("comes from %q", client)
	}
	token, err := bus.OwnToken(nc)
	if err != nil || token != bus.SpaceToken(space.DID()) {
		t.Fatalf("%q, %v", token, err)
	}
	if m, err := nc.Request(bus.SubmitPrefix+token, nil, 5*time.Second); err != nil || string(m.Data) != bus.SubmitPrefix+token {
		t.Errorf("%v", err)
	}
}

// Disconnect ends a name's connections, of all its keys, and nobody else's; they
// come back if they may.
func TestDisconnect(t *testing.T) {
	x := embedded(t, bus.Config{})
	web := httptest.NewServer(x.Bus.WebSocketHandler())
	defer web.Close()
	bad, good := identitytest.Key(t), identitytest.Key(t)
	var suspended atomic.Bool
	inner := bustest.Authenticate(x.Hub)
	x.Bus.SetAuthenticate(func(token, client string) (string, error) {
		name, err := inner(token, client)
		if err == nil && suspended.Load() && name == bus.SpaceToken(bad.DID()) {
			return "", errors.New("suspended")
		}
		return name, err
	})
	cut := make(chan struct{}, 10)
	lost := nats.DisconnectErrHandler(func(*nats.Conn, error) { cut <- struct{}{} })
	again := nats.ReconnectWait(20 * time.Millisecond)
	first := bustest.Connect(t, x.URL, x.Hub, bad, lost, again, nats.MaxReconnects(-1))
	second := bustest.Connect(t, strings.Replace(web.URL, "http", "ws", 1), x.Hub, bad, lost, again, nats.MaxReconnects(-1))
	other := bustest.Connect(t, x.URL, x.Hub, good, nats.NoReconnect())
	suspended.Store(true)
	x.Bus.Disconnect(bus.SpaceToken(bad.DID()))
	<-cut
	<-cut
	if err := other.Flush(); err != nil {
		t.Errorf("the other one: %v", err)
	}
	x.Bus.Disconnect("nobody")
	suspended.Store(false)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	for _, nc := range []*nats.Conn{first, second} {
		for nc.Status() != nats.CONNECTED && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		if err := nc.FlushWithContext(ctx); err != nil {
			t.Errorf("admitted again, it does not come back: %v", err)
		}
	}
}

// A connection ends with its time, and a client that may comes again by itself.
func TestConnectionsHaveAnEnd(t *testing.T) {
	x := embedded(t, bus.Config{Life: 200 * time.Millisecond})
	back := make(chan struct{}, 10)
	bustest.Connect(t, x.URL, x.Hub, identitytest.Key(t), nats.ReconnectWait(10*time.Millisecond),
		nats.ReconnectHandler(func(*nats.Conn) { back <- struct{}{} }), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	for range 3 {
		select {
		case <-back:
		case <-time.After(10 * time.Second):
			t.Fatal("the connection does not end, or does not come back")
		}
	}
}

// Where a WebSocket client is, the hub's handler alone says: the listener behind
// it lets nobody else in.
func TestAddressOfWebSocketClients(t *testing.T) {
	x := embedded(t, bus.Config{})
	seen := make(chan string, 1)
	if _, err := x.Bus.Conn.Subscribe(bus.Search, func(m *nats.Msg) {
		_, host, _ := bus.Asker(m)
		_ = m.Respond([]byte(host))
	}); err != nil {
		t.Fatal(err)
	}
	if err := x.Bus.Conn.Flush(); err != nil {
		t.Fatal(err)
	}
	inner := bustest.Authenticate(x.Hub)
	x.Bus.SetAuthenticate(func(token, client string) (string, error) {
		seen <- client
		return inner(token, client)
	})
	handler := x.Bus.WebSocketHandler()
	forged := nats.WebSocketConnectionHeaders(http.Header{"X-Forwarded-For": {"192.0.2.99"}})
	for _, from := range []struct{ remote, want string }{
		{"192.0.2.7:4711", "192.0.2.7"}, {"[2001:db8::7]:4711", "2001:db8::7"}, {"[::ffff:192.0.2.8]:1", "::ffff:192.0.2.8"},
	} {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.RemoteAddr = from.remote
			handler.ServeHTTP(w, r)
		}))
		nc := bustest.Connect(t, strings.Replace(web.URL, "http", "ws", 1), x.Hub, identitytest.Key(t), forged)
		if client := <-seen; client != from.want {
			t.Errorf("%s connects as %q", from.remote, client)
		}
		if m, err := nc.Request(bus.Search, nil, 5*time.Second); err != nil || string(m.Data) != from.want {
			t.Errorf("%s asks as %v, %v", from.remote, m, err)
		}
		nc.Close()
		web.Close()
	}
	for what, more := range map[string]nats.Option{
		"plain": nats.Name("x"), "forged": forged,
		"guessed": nats.WebSocketConnectionHeaders(http.Header{"X-Forwarded-For": {"192.0.2.99"}, "Cookie": {"lianmu-hub=guess"}}),
	} {
		nc, err := nats.Connect("ws://"+x.Bus.WebSocketAddr(), append(bustest.Options(identitytest.Key(t), x.Hub), more)...)
		if err == nil { // refused, or hung up on before it had said all
			nc.Close()
			t.Errorf("%s, past the handler", what)
		}
	}
}

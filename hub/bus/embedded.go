package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Names of the accounts.
const (
	hubAccount     = "HUB"
	clientsAccount = "CLIENTS"
)

// accountsConf declares the two accounts and what joins them. The same block
// stands in deploy/nats/lianmu.conf for external servers. "share" lets the hub
// see from which connection a request comes (see Asker).
const accountsConf = `
accounts {
  HUB {
    jetstream: enabled
    exports: [
      { service: "lianmu.v1.submit.*",  accounts: [CLIENTS] }
      { service: "lianmu.v1.receipt.*", accounts: [CLIENTS] }
      { service: "lianmu.v1.peer.*",    accounts: [CLIENTS] }
      { service: "lianmu.v1.search",    accounts: [CLIENTS] }
      { stream:  "lianmu.v1.event.>",   accounts: [CLIENTS] }
    ]
  }
  CLIENTS {
    imports: [
      { service: { account: HUB, subject: "lianmu.v1.submit.*" }, share: true }
      { service: { account: HUB, subject: "lianmu.v1.receipt.*" }, share: true }
      { service: { account: HUB, subject: "lianmu.v1.peer.*" }, share: true }
      { service: { account: HUB, subject: "lianmu.v1.search" }, share: true }
      { stream:  { account: HUB, subject: "lianmu.v1.event.>" } }
    ]
  }
}`

// embedded is the server in this process. It hands out in-process connections
// to whichever server runs now, so that a connection survives a restart.
type embedded struct {
	c      Config
	log    *slog.Logger
	secret string // the hub's password, new at each start of the process
	cookie string // of the WebSocket proxy, likewise
	gate   *gate

	mu        sync.Mutex
	srv       *server.Server // nil while stopped
	host      string
	port      int    // once known, kept over restarts
	websocket string // host:port of its loopback listener, new at each start
}

// InProcessConn implements nats.InProcessConnProvider.
func (e *embedded) InProcessConn() (net.Conn, error) {
	srv := e.server()
	if srv == nil {
		return nil, errors.New("the embedded NATS server is down")
	}
	return srv.InProcessConn()
}

func (e *embedded) server() *server.Server {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.srv
}

func (e *embedded) options() (*server.Options, error) {
	o := &server.Options{}
	if err := o.ProcessConfigString(accountsConf); err != nil {
		return nil, fmt.Errorf("bus accounts: %w", err)
	}
	// Clients read here for whom their token has to be.
	o.ServerName = cmp.Or(e.c.HubDID, "lianmu")
	o.NoSigs = true
	o.MaxPayload = MaxPayload
	o.MaxConn = maxClients
	o.MaxSubs = maxSubscribed
	o.JetStream = true
	o.JetStreamDomain = Domain
	o.StoreDir = e.c.Dir
	o.SyncAlways = true
	// Else a client that asks and does not read makes the server hold up the hub's
	// connection, and with it everybody's answers, each time it is answered.
	o.NoFastProducerStall = true
	o.JetStreamMaxMemory = 64 << 20
	// The server's own guess is a share of what is free at start, and it would
	// refuse to write beyond it. The watcher looks at the real free space.
	o.JetStreamMaxStore = 1 << 50
	if e.c.Listen == "" {
		o.DontListen = true
		return o, nil
	}
	host, port, err := net.SplitHostPort(e.c.Listen)
	if err != nil {
		return nil, fmt.Errorf("NATS address %q: write host:port, such as 127.0.0.1:4222", e.c.Listen)
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 0 || n > 65535 {
		return nil, fmt.Errorf("NATS address %q: the port is a number from 0 to 65535", e.c.Listen)
	}
	switch {
	case e.port != 0:
		n = e.port // clients must find the restarted server where it was
	case n == 0:
		n = server.RANDOM_PORT
	}
	o.Host, o.Port = host, n
	o.Websocket = websocketOptions()
	if e.c.TLS != nil {
		o.TLS, o.TLSConfig = true, e.c.TLS
	}
	return o, nil
}

// start runs a new server; the old one must be down.
func (e *embedded) start(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the embedded NATS server panicked at start: %v", r)
		}
	}()
	o, err := e.options()
	if err != nil {
		return err
	}
	guard := &guard{secret: e.secret, cookie: e.cookie, gate: e.gate}
	o.CustomClientAuthentication = guard
	srv, err := server.NewServer(o)
	if err != nil {
		return fmt.Errorf("embedded NATS server: %w", err)
	}
	l := &serverLog{log: e.log, now: time.Now}
	srv.SetLoggerV2(l, false, false, false)
	if guard.hub, err = srv.LookupAccount(hubAccount); err != nil {
		return err
	}
	if guard.clients, err = srv.LookupAccount(clientsAccount); err != nil {
		return err
	}
	srv.Start()
	for !srv.ReadyForConnections(50 * time.Millisecond) {
		if fatal := l.lastFatal(); fatal != "" || ctx.Err() != nil || !srv.Running() {
			srv.Shutdown()
			srv.WaitForShutdown()
			if ctx.Err() != nil {
				return fmt.Errorf("embedded NATS server: %w", ctx.Err())
			}
			return fmt.Errorf("the embedded NATS server did not start: %s; is another hub running on this folder or address?", fatal)
		}
	}
	if !srv.JetStreamEnabled() {
		srv.Shutdown()
		srv.WaitForShutdown()
		return fmt.Errorf("the embedded NATS server could not open its store in %s: %s", e.c.Dir, l.lastFatal())
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.srv = srv
	if a, ok := srv.Addr().(*net.TCPAddr); ok && a != nil {
		e.host, e.port = o.Host, a.Port
	}
	if e.c.Listen == "" {
		return nil
	}
	if ports := srv.PortsInfo(readyTimeout); ports != nil && len(ports.WebSocket) > 0 {
		_, e.websocket, _ = strings.Cut(ports.WebSocket[0], "://")
	}
	return nil
}

// disconnect closes the clients' connections that stand for name.
func (e *embedded) disconnect(name string) {
	srv := e.server()
	if srv == nil {
		return
	}
	e.gate.settle()
	open, err := srv.Connz(&server.ConnzOptions{Account: clientsAccount, Username: true, Limit: maxClients})
	if err != nil {
		e.log.Error("cannot list the NATS connections", "error", err)
		return
	}
	for _, c := range open.Conns {
		if standsFor(c.AuthorizedUser, name) {
			_ = srv.DisconnectClientByID(c.Cid) // it may be gone
		}
	}
}

// standsFor reports whether a connection's user name is one of name's.
func standsFor(user, name string) bool {
	own, _, ok := strings.Cut(user, "@")
	return ok && own == name
}

// stop shuts the server down and waits for it, or for ctx.
func (e *embedded) stop(ctx context.Context) error {
	e.mu.Lock()
	srv := e.srv
	e.srv = nil
	e.mu.Unlock()
	if srv == nil {
		return nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Shutdown()
		srv.WaitForShutdown()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stopping the embedded NATS server: %w", ctx.Err())
	}
}

func (e *embedded) clientURL() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.port == 0 {
		return ""
	}
	host := e.host
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	scheme := "nats://"
	if e.c.TLS != nil {
		scheme = "tls://"
	}
	return scheme + net.JoinHostPort(host, strconv.Itoa(e.port))
}

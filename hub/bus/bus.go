// Package bus is the hub's NATS: an embedded server or an external one, the
// two accounts, the streams declared as data, and the subjects. It is the only
// importer of nats-server.
//
// JetStream and the hub live in account HUB. Everybody who connects from
// outside lands in account CLIENTS, which reaches HUB through service imports
// only: a client can neither name a JetStream subject nor make a reply of the
// hub's land in one. Each proves by a token, as on HTTP, which key it has, and
// gets the subjects of that key's space alone; Config.Authenticate says which.
// Nobody is ever identified by a NATS nkey, because a server chooses what an
// nkey signs.
//
// What clients see under EventPrefix is a hint to go and ask, never evidence: a
// client may point the reply to its own request at any subject of its account.
//
// It never looks into a message.
package bus

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"
)

// Subjects that clients may use; <space> is the did:key's multibase part.
const (
	SubmitPrefix  = "lianmu.v1.submit."  // + <space>: request → receipt
	ReceiptPrefix = "lianmu.v1.receipt." // + <space>: request by digest → receipt(s)
	PeerPrefix    = "lianmu.v1.peer."    // + question
	Search        = "lianmu.v1.search"   // request → search answer
	EventPrefix   = "lianmu.v1.event."   // + kind
)

// Names of streams and buckets.
const (
	LogStream        = "LIANMU_LOG"
	LogSubjects      = "lianmu.log." // + kind
	QuarantineStream = "LIANMU_QUARANTINE"
	QuarantinePrefix = "lianmu.quarantine."
	StateBucket      = "lianmu_state"
	AuditStream      = "LIANMU_AUDIT"
	AuditPrefix      = "lianmu.audit." // + outcome
	AdmissionBucket  = "lianmu_admission"
	PeersBucket      = "lianmu_peers"
	MirrorStreams    = "LIANMU_MIRROR_" // + MirrorID of the log's origin
	MirrorPrefix     = "lianmu.mirror." // + MirrorID + "." + kind
	LateStream       = "LIANMU_LATE"
	LatePrefix       = "lianmu.late." // + MirrorID + "." + index
)

// Defaults and limits of the embedded server.
const (
	MaxPayload      = 1 << 20  // bytes a message; a larger one ends its sender's connection
	DefaultReserve  = 64 << 20 // bytes that must stay free on JetStream's disk
	Domain          = "lianmu" // JetStream domain
	maxClients      = 10_000
	maxSubscribed   = 1_000 // subscriptions a connection
	readyTimeout    = 10 * time.Second
	defaultPoll     = time.Second
	reconnectWait   = 50 * time.Millisecond
	maxRestartPause = time.Minute
)

// Config says which server.
type Config struct {
	Dir    string // JetStream's folder for the embedded server
	Listen string // host:port for clients of the embedded server; "" listens nowhere; port 0 picks one
	URL    string // an external server, in account HUB; then Dir, Listen and TLS are unused
	Logger *slog.Logger

	HubDID string      // the embedded server's name, by which clients know for whom a token has to be
	TLS    *tls.Config // for clients of the embedded server; nil: none

	// Callout lets the clients of an external server in (see OpenCalloutKeys).
	// Nil: this process leaves that to others, such as another of the same hub.
	Callout *CalloutKeys
	// Authenticate says who connects; see also SetAuthenticate.
	Authenticate Authenticate
	Life         time.Duration    // of a client's connection; default DefaultLife
	Now          func() time.Time // default time.Now

	Replicas int           // of every stream, on an external cluster; default 1
	Reserve  uint64        // bytes to keep free on the disk of Dir; default DefaultReserve
	Poll     time.Duration // how often disk and server are looked at; default 1 s
	// AuditAge is how long audit records are kept: MinAuditAge, the default, or
	// longer. What a store was once told to keep longer it goes on keeping.
	AuditAge time.Duration
}

// MinAuditAge is the least that audit records are kept, as TC609 asks of a
// node's logs.
const MinAuditAge = 180 * 24 * time.Hour

// Bus is a connection in account HUB and, if embedded, the server behind it.
type Bus struct {
	Conn      *nats.Conn
	JetStream jetstream.JetStream

	c         Config
	log       *slog.Logger
	state     jetstream.KeyValue
	admission jetstream.KeyValue
	peers     jetstream.KeyValue
	gate      *gate
	embedded  *embedded // nil with an external server
	callout   *callout  // nil with the embedded server, and where clients are others' to let in
	held      *os.File  // the lock on Config.Dir
	closed    chan struct{}

	restarting sync.Mutex            // held by Restart and Stop
	ill        atomic.Pointer[error] // why JetStream takes no writes, as last seen by watch
	report     atomic.Pointer[error] // a write failed; only a restart heals it
	stop       context.CancelFunc    // ends watch
	watching   sync.WaitGroup
}

// Start runs or joins the server and brings every stream to its declared form;
// a stream that cannot be brought there stops the start with a message.
//
// An acknowledgement of the embedded server means that the message was fsynced.
// Whether an external server syncs always cannot be seen from outside: its
// configuration must say so (see deploy/nats/lianmu.conf).
func Start(ctx context.Context, c Config) (*Bus, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.Reserve == 0 {
		c.Reserve = DefaultReserve
	}
	if c.Poll == 0 {
		c.Poll = defaultPoll
	}
	if c.AuditAge == 0 {
		c.AuditAge = MinAuditAge
	}
	if c.AuditAge < MinAuditAge {
		return nil, fmt.Errorf("bus: audit records must be kept for at least 180 days (%v), not %v", MinAuditAge, c.AuditAge)
	}
	if c.URL == "" && c.Dir == "" {
		return nil, errors.New("bus: name a folder for the embedded NATS server or the URL of an external one")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Life <= 0 {
		c.Life = DefaultLife
	}
	b := &Bus{c: c, gate: newGate(c.Authenticate, c.Life, c.Now), log: c.Logger.With("part", "bus"), closed: make(chan struct{}), stop: func() {}}
	if err := b.start(ctx); err != nil {
		_ = b.Stop(context.WithoutCancel(ctx))
		return nil, err
	}
	return b, nil
}

func (b *Bus) start(ctx context.Context) error {
	complaints := rate.Sometimes{First: 10, Interval: 10 * time.Second} // a flood must not fill the log
	opts := []nats.Option{
		nats.Name("lianmu hub"),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(0, 0),
		// What is published while disconnected fails at once. Were it kept and
		// sent later, half an atomic batch could turn up out of nowhere.
		nats.ReconnectBufSize(-1),
		nats.ErrorHandler(func(_ *nats.Conn, s *nats.Subscription, err error) {
			subject := ""
			if s != nil {
				subject = s.Subject
			}
			complaints.Do(func() { b.log.Warn("NATS", "error", err, "subject", subject) })
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { b.log.Info("NATS connection lost", "error", err) }),
		nats.ReconnectHandler(func(*nats.Conn) { b.log.Info("NATS connection is back") }),
		nats.ClosedHandler(func(*nats.Conn) { close(b.closed) }),
	}
	url := b.c.URL
	if url == "" {
		var err error
		if b.held, err = lock(b.c.Dir); err != nil {
			return err
		}
		b.embedded = &embedded{c: b.c, log: b.log, secret: rand.Text(), cookie: rand.Text(), gate: b.gate}
		if err := b.embedded.start(ctx); err != nil {
			return err
		}
		opts = append(opts, nats.InProcessServer(b.embedded), nats.UserInfo(hubUser, b.embedded.secret))
	}
	var err error
	if b.Conn, err = nats.Connect(url, opts...); err != nil {
		return fmt.Errorf("cannot connect to NATS: %w; check that the server runs and that the URL names a user of account HUB", err)
	}
	if b.JetStream, err = jetstream.New(b.Conn, jetstream.WithDefaultTimeout(readyTimeout)); err != nil {
		return err
	}
	if b.c.URL != "" {
		if err := b.checkExternal(ctx); err != nil {
			return err
		}
	}
	if err := b.declare(ctx); err != nil {
		return err
	}
	if b.c.URL != "" && b.c.Callout != nil {
		if b.callout, err = startCallout(ctx, b.c, b.gate, b.log); err != nil {
			return err
		}
	}
	watchCtx, stop := context.WithCancel(context.Background())
	b.stop = stop
	b.look()
	b.watching.Go(func() { b.watch(watchCtx) })
	return nil
}

// checkExternal finds out whether an external server can hold a log at all.
func (b *Bus) checkExternal(ctx context.Context) error {
	v := b.Conn.ConnectedServerVersion()
	if !atLeast(v, 2, 12) {
		return fmt.Errorf("the NATS server is version %s; the log needs atomic batches, which version 2.12 brought", v)
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if _, err := b.JetStream.AccountInfo(ctx); err != nil {
		return fmt.Errorf("the NATS user in the URL has no JetStream: %w; it must be a user of account HUB, as in deploy/nats/lianmu.conf", err)
	}
	return nil
}

func atLeast(version string, major, minor int) bool {
	var ma, mi int
	if _, err := fmt.Sscanf(version, "%d.%d", &ma, &mi); err != nil {
		return false
	}
	return ma > major || ma == major && mi >= minor
}

// SetAuthenticate says who connects from now on. Until it is said here or in
// Config, clients are refused; they come again.
func (b *Bus) SetAuthenticate(a Authenticate) { b.gate.set(a) }

// Disconnect ends the connections of clients that stand for this name, as
// Authenticate gave it. Whoever is to stay away must be refused by Authenticate
// before. With an external server it takes a moment, and it needs Config.Callout.
func (b *Bus) Disconnect(name string) {
	switch {
	case b.embedded != nil:
		b.embedded.disconnect(name)
	case b.callout != nil:
		b.watching.Go(func() { b.callout.disconnect(name) })
	}
}

// ClientURL is where clients connect: nats://host:port, tls://host:port where
// there is TLS; "" if nowhere.
func (b *Bus) ClientURL() string {
	if b.embedded == nil {
		return ""
	}
	return b.embedded.clientURL()
}

// State is the bucket for small state (the last signed checkpoint).
func (b *Bus) State() jetstream.KeyValue { return b.state }

// Admission is the bucket for invitations, waiting descriptors and proposals.
func (b *Bus) Admission() jetstream.KeyValue { return b.admission }

// Peers is the bucket for other hubs and the mirrors of their logs.
func (b *Bus) Peers() jetstream.KeyValue { return b.peers }

// Stop drains the connection and stops the embedded server. It returns when
// both are down or ctx ends; what was acknowledged is on disk either way.
func (b *Bus) Stop(ctx context.Context) error {
	b.stop()
	if b.callout != nil {
		b.callout.stop()
	}
	b.watching.Wait()
	b.restarting.Lock()
	defer b.restarting.Unlock()
	var err error
	if b.Conn != nil && !b.Conn.IsClosed() {
		if derr := b.Conn.Drain(); derr != nil {
			b.Conn.Close() // not connected just now: nothing to drain
		}
		select {
		case <-b.closed:
		case <-ctx.Done():
			b.Conn.Close()
			err = fmt.Errorf("draining the NATS connection: %w", ctx.Err())
		}
	}
	if b.embedded != nil {
		err = errors.Join(err, b.embedded.stop(ctx))
	}
	if b.held != nil {
		_ = b.held.Close()
		b.held = nil
	}
	return err
}

var _ nats.InProcessConnProvider = (*server.Server)(nil)

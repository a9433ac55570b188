// Package hub puts the parts together: bus, log, registry, intake, views,
// HTTP; starts them in order and stops them in order.
//
// It holds no rules of its own.
package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"lianmu/hub/access"
	"lianmu/hub/admission"
	"lianmu/hub/api"
	"lianmu/hub/audit"
	"lianmu/hub/intake"
	"lianmu/hub/peering"
	"lianmu/hub/web"
	"lianmu/vocab"
	"lianmu/vocab/shape"
)

// Info is what a running hub says of itself.
type Info struct {
	DID     string `json:"did"`
	Origin  string `json:"origin"`
	HTTP    string `json:"http"` // http://host:port
	NATS    string `json:"nats"` // nats://host:port, "" where external
	LogSize uint64 `json:"log_size"`
}

// Hub is a running hub.
type Hub struct {
	c    Config
	base *base // what also works offline: keys, bus, log, registry, catalogue

	guard      *access.Guard
	readable   *readable
	searches   *searches
	quarantine *intake.Quarantine
	intake     *intake.Intake
	redactions *redactions
	trail      *audit.Trail
	desk       *admission.Desk
	peers      *peering.Peers
	pages      *web.Site
	severing   chan struct{} // the rights of spaces may have changed
	outcasts   *outcasts
	stopNATS   []func()
	server     *http.Server
	address    string

	run    context.Context // ends when Close begins
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	failed chan error
	once   sync.Once
	closed error
}

// Start brings a hub up; it serves when Start returns, though the index may
// still be catching up (see /readyz). Keys hub.key and log.key are made in Dir
// where absent.
func Start(ctx context.Context, c Config) (*Hub, error) {
	if err := c.defaults(); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", c.HTTP)
	if err != nil {
		return nil, fmt.Errorf("HTTP cannot listen on %s (is another program using it? choose another with --http): %w", c.HTTP, err)
	}
	scheme := "http://"
	if c.tls != nil {
		scheme = "https://"
	}
	h := &Hub{c: c, failed: make(chan error, 4), severing: make(chan struct{}, 1), address: scheme + listener.Addr().String()}
	h.run, h.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := h.start(ctx, listener); err != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return nil, errors.Join(err, listener.Close(), h.Close(closing))
	}
	return h, nil
}

func (h *Hub) start(ctx context.Context, listener net.Listener) error {
	if err := checkEpoch(h.c.Dir); err != nil {
		return err
	}
	b, err := openBase(ctx, h.c, h.c.NATS)
	if err != nil {
		return err
	}
	h.base = b
	if err := h.openOffices(ctx); err != nil {
		return err
	}
	if h.readable, err = newReadable(b.catalog); err != nil {
		return err
	}
	h.searches = newSearches(b.catalog, h.c.Now)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newGauges(h))
	h.quarantine, err = intake.OpenQuarantine(ctx, b.bus.JetStream, h.c.Now, h.c.Logger, b.bus.Report)
	if err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	excess := access.NewExcess(h.c.Now, h.expel)
	h.intake = intake.New(intake.Config{
		Log: b.log, Registry: b.registry, Processor: b.processor, Reader: b.reader, Quarantine: h.quarantine,
		HubDID: b.did, Signer: b.hubKey, Office: h.guard.Office, Present: h.present, MayRead: h.readable.mayRead, Allow: h.guard.Allow, Excess: excess, Outcast: h.outcasts.has,
		Fallback: h.c.fallback(), Queue: h.c.QueueLength, Appended: h.appended, Pace: b.catalog.Pace,
		Now: h.c.Now, Logger: h.c.Logger, Metrics: registry,
	})
	h.redactions = newRedactions(h)
	h.tasks.Go(func() { h.redactions.purge.run(h.run) })
	stop, err := h.intake.Serve(b.bus.Conn)
	if err != nil {
		return err
	}
	h.stopNATS = append(h.stopNATS, stop)
	if stop, err = serveSearch(b.bus.Conn, h.searches, h.readerOf, h.guard.Allow, excess, h.c.Logger); err != nil {
		return err
	}
	h.stopNATS = append(h.stopNATS, stop)
	if err := h.openPeers(ctx); err != nil {
		return err
	}
	if err := h.servePeers(excess); err != nil {
		return err
	}
	h.tasks.Go(h.followOthers)
	h.tasks.Go(h.sever)
	return h.serveHTTP(listener, registry)
}

func (h *Hub) serveHTTP(listener net.Listener, registry *prometheus.Registry) error {
	b := h.base
	provider := ""
	if u, err := url.Parse(h.c.issuer()); err == nil {
		provider = u.Host
	}
	pages, err := web.New(web.Config{
		Catalog: h.searches, Guard: h.guard, Registry: b.union, Desk: h.desk, Trail: h.trail, Quarantine: h.quarantine, Peers: h.peers,
		HubDID: b.did, Origin: b.log.Origin(), Hubs: h.c.DemoHubs, Provider: provider, Open: h.c.Open, Demo: h.c.Demo, Now: h.c.Now, Logger: h.c.Logger,
	})
	if err != nil {
		return err
	}
	h.pages = pages
	handler := api.New(api.Config{
		Catalog: h.searches, Intake: h.intake, Log: b.log, Guard: h.guard,
		Spaces: b.union, Admission: h.desk, Trail: h.trail, Pages: pages, Peers: h.peers, Questions: h.peerHandler(),
		Metrics:  promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		Registry: registry,
		HubDID:   b.did, Open: h.c.Open, OpenUntil: h.wasOpenUntil(), BodySize: int64(h.c.Limits.Bytes),
		MayRead: h.readable.mayRead,
		Context: h.run, Ready: h.Ready, Healthy: h.Healthy, Logger: h.c.Logger, Now: h.c.Now,
	})
	if nats := b.bus.WebSocketHandler(); nats != nil {
		handler = beside("/nats", h.guard.Limit(nats), handler)
	}
	h.server = api.Server(handler)
	// What clients do wrong below HTTP, such as in a TLS handshake: anybody can
	// make it say that as often as he likes.
	h.server.ErrorLog = slog.NewLogLogger(h.c.Logger.Handler(), slog.LevelDebug)
	serve := h.server.Serve
	if h.server.TLSConfig = h.c.tls; h.c.tls != nil {
		serve = func(l net.Listener) error { return h.server.ServeTLS(l, "", "") }
	}
	h.tasks.Go(func() {
		if err := serve(listener); !errors.Is(err, http.ErrServerClosed) {
			h.fail(fmt.Errorf("HTTP stopped: %w", err))
		}
	})
	return nil
}

// beside serves one path before the API: that wraps its answers, of which those
// here become connections. No http.ServeMux: it would tidy paths, and ids of
// offerings have two slashes in a row.
func beside(path string, one, api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path {
			one.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
}

// appended tells of an entry that is durable.
func (h *Hub) appended(index uint64, receivedAt time.Time, f vocab.Fact, r *shape.Reading) {
	h.base.catalog.Appended(index, receivedAt, f, r)
	h.rightsChanged(f.Kind)
}

// followOthers reads what another process of this hub appends to the log.
func (h *Hub) followOthers() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-h.run.Done():
			return
		case <-tick.C:
		}
		err := h.base.log.Sync(h.run)
		if err == nil {
			err = h.intake.Follow(h.run)
		}
		if err != nil && h.run.Err() == nil {
			h.c.Logger.Debug("following the log", "err", err)
		}
	}
}

// Ready returns nil when the hub serves and its index is level with the log
// or nearly so, else what it waits for.
func (h *Hub) Ready() error {
	if ps := h.faults(); len(ps) > 0 {
		return ps
	}
	if n := h.base.catalog.Behind(); n > readyBehind {
		return vocab.Problems{vocab.NewProblem("", "hub.not_ready",
			"尚未就绪：索引还差 %d 条，正在追赶。", "Not ready yet: the index is %d entries behind the log and catching up.", n)}
	}
	return nil
}

// readyBehind is how far the index may lag while the hub counts as ready: a
// few seconds' worth under load, so that load alone never makes it unready.
const readyBehind = 5000

// Info returns DID and addresses.
func (h *Hub) Info() Info {
	return Info{
		DID: h.base.did, Origin: h.base.log.Origin(), HTTP: h.address,
		NATS: h.base.bus.ClientURL(), LogSize: h.base.log.Size(),
	}
}

func (h *Hub) fail(err error) {
	select {
	case h.failed <- err:
	default:
	}
}

// Wait blocks until a part fails or Close is called.
func (h *Hub) Wait() error {
	select {
	case err := <-h.failed:
		return err
	case <-h.run.Done():
		return nil
	}
}

// Close stops the parts in order within ctx: HTTP and NATS services take no
// more, intake answers what is under way, then views, log and bus.
func (h *Hub) Close(ctx context.Context) error {
	h.once.Do(func() { h.closed = h.close(ctx) })
	return h.closed
}

func (h *Hub) close(ctx context.Context) error {
	var errs []error
	for _, stop := range h.stopNATS {
		stop()
	}
	if h.peers != nil {
		h.peers.Hush() // long polls would hold HTTP up
	}
	if h.server != nil {
		graceful, cancel := context.WithTimeout(ctx, 2*time.Second)
		if h.server.Shutdown(graceful) != nil {
			errs = append(errs, h.server.Close())
		}
		cancel()
	}
	if h.intake != nil {
		h.intake.Close()
	}
	if h.quarantine != nil {
		h.quarantine.Close()
	}
	h.cancel()
	h.tasks.Wait()
	if h.peers != nil {
		errs = append(errs, h.peers.Close(ctx))
	}
	if h.desk != nil {
		h.desk.Close()
	}
	if h.trail != nil {
		errs = append(errs, h.trail.Close(ctx))
	}
	if h.base != nil {
		errs = append(errs, h.base.close(ctx))
	}
	return errors.Join(errs...)
}

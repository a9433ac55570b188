package peering

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"lianmu/federation/identity"
	"lianmu/federation/ledger"
	"lianmu/hub/audit"
	"lianmu/hub/bus"
	"lianmu/hub/view"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

// Config is what the exchange with peers works with.
type Config struct {
	Settings  Settings
	Signer    identity.Signer // hub.key
	Log       *ledger.Log     // the hub's own
	Epoch     uint64          // of Log
	Open      bool            // whoever signs is admitted here
	OpenUntil uint64          // else: before which entry it was so
	Catalog   *view.Catalog
	Bus       *bus.Bus
	Dir       string // of what is kept beside the mirrors' streams
	Processor *jsonld.Processor
	Reader    *shape.Reader
	// MayRead tells whether a reader may have the document of an entry of a log.
	MayRead func(reader vocab.Reader, origin string, rec ledger.Record) bool
	Audit   *audit.Trail
	// Event hears what watchers should know at once; it must not block. May be nil.
	Event  func(Event)
	Now    func() time.Time
	Jitter func() float64 // from 0 to 1
	Logger *slog.Logger
}

// Peers is the exchange with other hubs. It is safe for concurrent use.
type Peers struct {
	c     Config
	stale staleness
	cards cards
	own   atomic.Pointer[Card]
	store *store
	serve serving

	wake [2]chan struct{} // something in the store has changed: for links, and for mirrors
	room chan struct{}    // one for each copy under way

	mu      sync.Mutex         // guards what follows; never held over I/O
	links   map[string]*link   // by DID
	mirrors map[string]*mirror // by origin
	seen    map[string]LogState
	opening string // origin of the mirror that is being opened; "": none
	// stopOpening gives that up.
	stopOpening context.CancelFunc
	asked       map[string]asked // by DID

	claiming sync.Mutex // guards the room that mirrors claim

	acting sync.Mutex // held while an officer's act changes the store
	// admitting is held while logs begin to be mirrored, or are marked to end with
	// the peer that they came from: none begins behind its back.
	admitting sync.Mutex

	run    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup
}

// asked is what a hub said when it last asked here.
type asked struct {
	at       time.Time
	anew     time.Time      // when it last began to ask
	redacted map[string]int // origin → redactions that it has carried out
}

// Bounds of work.
const (
	copiesAtOnce = 32          // logs being copied
	copiesOfOne  = 2           // from one peer
	turn         = time.Minute // of a copy, after which the best source is chosen anew
	lookEvery    = time.Second // at the age of logs
	reopenPause  = 10 * time.Second
	anewEvery    = 5 * time.Second // at most: that a peer's coming back ends waiting for it
)

// New signs this hub's card and reads who the peers are, so that officers can act at
// once. Nobody is dialled, and no mirror opened, before Start.
func New(ctx context.Context, c Config) (*Peers, error) {
	if c.Signer == nil || c.Log == nil || c.Catalog == nil || c.Bus == nil || c.Dir == "" || c.Processor == nil ||
		c.Reader == nil || c.MayRead == nil || c.Audit == nil || c.Now == nil || c.Jitter == nil {
		return nil, errors.New("peering: all of Config but Event and Logger is needed")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Logger = c.Logger.With("part", "peering")
	if c.Event == nil {
		c.Event = func(Event) {}
	}
	if err := c.Settings.fill(); err != nil {
		return nil, err
	}
	p := &Peers{
		c: c, stale: staleness{c.Settings.AgeingAfter, c.Settings.StaleAfter},
		cards: cards{processor: c.Processor, reader: c.Reader, now: c.Now},
		wake:  [2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)}, room: make(chan struct{}, copiesAtOnce),
		links: map[string]*link{}, mirrors: map[string]*mirror{}, seen: map[string]LogState{}, asked: map[string]asked{},
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	var err error
	if p.cards.known, err = lru.New[vocab.Digest, *Card](cardsKept); err != nil {
		return nil, err
	}
	if err := p.present(ctx); err != nil {
		return nil, fmt.Errorf("this hub's log card: %w", err)
	}
	if p.store, err = openStore(ctx, c.Bus.Peers(), p.awaken); err != nil {
		return nil, fmt.Errorf("peers: %w", err)
	}
	p.run, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	p.serve.init(p)
	return p, nil
}

// Start begins to open the mirrors, which the catalogue shows as soon as each is, to
// dial the peers and to copy what they offer. A mirror that cannot be opened is told
// in the log, is behind in States, and is tried again.
func (p *Peers) Start() {
	p.tasks.Go(func() { p.reconcile(p.wake[0], p.openLinks) })
	p.tasks.Go(func() { p.reconcile(p.wake[1], func() { p.openMirrors(p.run) }) })
	p.tasks.Go(p.watchAges)
}

// Hush answers all long polls, and no more questions from then on.
func (p *Peers) Hush() { p.serve.end() }

// Close stops dialling and copying, then closes the mirrors. What was copied stays.
func (p *Peers) Close(ctx context.Context) error {
	p.cancel()
	p.serve.end()
	p.serve.under.Wait()
	p.tasks.Wait()
	p.mu.Lock()
	links, mirrors := p.links, p.mirrors
	p.links, p.mirrors = map[string]*link{}, map[string]*mirror{}
	p.mu.Unlock()
	for _, l := range links {
		l.stop()
	}
	var errs []error
	for _, m := range mirrors {
		errs = append(errs, m.close(ctx))
	}
	p.store.close()
	return errors.Join(errs...)
}

// present signs the card under which this hub shows itself.
func (p *Peers) present(ctx context.Context) error {
	s := p.c.Settings
	agreement, err := s.agreement()
	if err != nil {
		return err
	}
	if len(s.Name) == 0 {
		tail := p.did()[max(len(p.did())-6, 0):]
		s.Name = vocab.Text{"zh": "联目节点 " + tail, "en": "lianmu hub " + tail}
	}
	card := vocab.LogCard{
		Origin: p.c.Log.Origin(), Hub: p.c.Signer.DID(), VerifierKey: p.c.Log.VerifierKey(), Epoch: p.c.Epoch,
		Name: s.Name, Addresses: s.Addresses, Contact: s.Contact, Jurisdiction: s.Jurisdiction, Retention: s.Retention,
		Agreement: agreement, Open: p.c.Open, OpenUntil: p.c.OpenUntil,
	}
	raw, err := signCard(card, p.c.Signer, p.c.Now())
	if err != nil {
		return err
	}
	read, err := p.cards.read(ctx, raw) // peers will
	if err != nil {
		return err
	}
	p.own.Store(read)
	return nil
}

// Card is this hub's own signed log card: what `lianmu peer invite` writes.
func (p *Peers) Card() []byte { return p.own.Load().Raw }

// did is this hub's own.
func (p *Peers) did() string { return p.c.Signer.DID() }

// awaken has links and mirrors brought to what the store says.
func (p *Peers) awaken() {
	p.giveUp()
	for _, wake := range p.wake {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// reconcile brings links, or mirrors, to what the store says. Opening a large mirror
// takes long, so links do not wait for it.
func (p *Peers) reconcile(wake <-chan struct{}, do func()) {
	again := time.NewTicker(reopenPause)
	defer again.Stop()
	for {
		do()
		select {
		case <-p.run.Done():
			return
		case <-wake:
		case <-again.C: // what failed is tried again
		}
	}
}

// openMirrors opens what should be open, closes what should not, and throws away
// what is to go.
func (p *Peers) openMirrors(ctx context.Context) {
	wanted := map[string]bool{}
	for _, rec := range p.smallestFirst(p.store.allMirrors()) {
		if is, known := p.store.mirror(rec.Origin); known {
			rec = is // opening the others took its time
		}
		wanted[rec.Origin] = true
		p.mu.Lock()
		m := p.mirrors[rec.Origin]
		p.mu.Unlock()
		var err error
		switch rec.State {
		case purging, Ended, Offered:
			if m != nil {
				err = p.closeMirror(ctx, m, true)
			}
			if err == nil && rec.State == purging {
				err = p.purge(ctx, rec)
			}
		default:
			if m != nil && !m.fits(rec) {
				err, m = p.closeMirror(ctx, m, false), nil
			}
			if m == nil && err == nil {
				err = p.openMirror(ctx, rec)
			}
		}
		if err != nil && ctx.Err() == nil {
			p.c.Logger.Error("a mirror is not as it should be; it is tried again", "origin", rec.Origin, "state", rec.State, "err", err)
		}
	}
	p.mu.Lock()
	var gone []*mirror
	for origin, m := range p.mirrors {
		if !wanted[origin] { // another process threw it away
			gone = append(gone, m)
		}
	}
	p.mu.Unlock()
	for _, m := range gone {
		if err := p.closeMirror(ctx, m, true); err != nil {
			p.c.Logger.Error("a mirror that is gone could not be closed", "origin", m.origin, "err", err)
		}
	}
}

// openLinks dials whom it should.
func (p *Peers) openLinks() {
	wanted := map[string]Peer{}
	for _, peer := range p.store.allPeers() {
		if peer.State == Approved && len(peer.Addresses) > 0 {
			wanted[peer.DID] = peer
		}
	}
	p.mu.Lock()
	var stop []*link
	for did, l := range p.links {
		if peer, ok := wanted[did]; !ok || !l.fits(peer) {
			stop = append(stop, l)
			delete(p.links, did)
		}
	}
	p.mu.Unlock()
	for _, l := range stop {
		l.stop()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for did, peer := range wanted {
		if p.links[did] == nil && p.run.Err() == nil {
			p.links[did] = newLink(p, peer)
		}
	}
}

// watchAges tells of logs that fall silent or come back.
func (p *Peers) watchAges() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.run.Done():
			return
		case <-tick.C:
			p.lookAtAges()
		}
	}
}

// rank orders the states by how silent the log is.
var rank = map[LogState]int{Current: 0, Ageing: 1, Stale: 2}

func (p *Peers) lookAtAges() {
	now := p.c.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for origin, m := range p.mirrors {
		state := p.stale.of(m.lastHeard(), now)
		before, known := p.seen[origin]
		p.seen[origin] = state
		if !known || state == before {
			continue
		}
		what := string(state)
		if rank[state] < rank[before] {
			what = returned
		}
		p.c.Logger.Info("the age of a mirrored log", "origin", origin, "state", state, "before", before)
		p.tell(what, origin)
	}
}

// States tells of each log shown, the own one too, how old it is.
func (p *Peers) States() map[string]view.LogState {
	now := p.c.Now()
	out := map[string]view.LogState{p.c.Log.Origin(): {Name: p.own.Load().Name, State: view.Current}}
	for _, rec := range p.store.allMirrors() {
		if card := p.about(rec.Card); card != nil && rec.wanted() { // it is being opened, unless it is below
			out[rec.Origin] = view.LogState{Name: card.Name, Age: now.Sub(later(rec.Heard, rec.Added)), State: view.Behind}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for origin, m := range p.mirrors {
		heard := m.lastHeard()
		out[origin] = view.LogState{Name: m.name(), Age: now.Sub(heard), State: string(p.shown(m.record(), heard, now))}
	}
	return out
}

// shown is the state of a log: what somebody decided, else what its age tells.
func (p *Peers) shown(rec Mirror, heard, now time.Time) LogState {
	return cmp.Or(p.decided(rec), p.stale.of(heard, now))
}

// decided is the state that somebody decided on; "" where the age alone tells.
func (p *Peers) decided(rec Mirror) LogState {
	if rec.State != Current {
		return rec.State
	}
	if peer, ok := p.store.peer(rec.Hub); ok && (peer.State == Paused || peer.State == Blocked) {
		return OnHold
	}
	return ""
}

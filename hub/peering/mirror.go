package peering

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"lianmu/federation/exchange"
	"lianmu/federation/judge"
	"lianmu/federation/ledger"
	"lianmu/hub/bus"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// heardEvery is how often the store is told when a log was last heard of.
const heardEvery = time.Minute

// mirror is an open mirrored log and whoever copies it.
type mirror struct {
	p      *Peers
	origin string
	hub    string
	added  time.Time
	vkey   string
	open   bool   // as judged: see vocab.LogCard
	until  uint64 // likewise
	log    *ledger.Log
	judge  *judge.Judge

	cancel context.CancelFunc
	done   chan struct{}
	wake   chan struct{}

	follower *exchange.Follower
	mendAt   time.Time     // not before; the copying goroutine's own, as is
	mendWait time.Duration // how long after a vain attempt

	claimed uint64 // room that a copy under way has; guarded by Peers.claiming

	mu       sync.Mutex // guards what follows; never held over I/O
	card     *Card
	called   vocab.Text // see Peers.nameOf
	offers   map[string]offer
	rests    map[string]*rest
	heard    time.Time // zero: never
	kept     time.Time // Heard, as the store has it
	accepted time.Time // time in the last checkpoint accepted
	most     time.Time // the latest in any of them
	source   string
	err      *Complaint
	full     bool       // see room
	withheld *Complaint // see keptBack; it stands as long as documents are missing
	halted   bool
}

// openMirror opens a mirrored log, folds it, shows it in the catalogue, and has it
// copied.
func (p *Peers) openMirror(ctx context.Context, rec Mirror) (err error) {
	opening, cancel := context.WithCancel(ctx)
	defer cancel()
	p.mu.Lock()
	p.opening, p.stopOpening = rec.Origin, cancel
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.opening = ""
		p.mu.Unlock()
	}()
	p.giveUp() // if it was decided a moment ago
	card, err := p.cards.read(ctx, rec.Card)
	if err != nil {
		return fmt.Errorf("its card: %w", err)
	}
	stream, err := p.c.Bus.MirrorStream(ctx, rec.Origin)
	if err != nil {
		return err
	}
	id := bus.MirrorID(rec.Origin)
	m := &mirror{
		p: p, origin: rec.Origin, hub: rec.Hub, added: rec.Added, vkey: card.VerifierKey, open: card.Open, until: card.OpenUntil, card: card,
		called: p.nameOf(ctx, rec.Hub, card),
		done:   make(chan struct{}), wake: make(chan struct{}, 1),
		offers: map[string]offer{}, rests: map[string]*rest{}, heard: rec.Heard, kept: rec.Heard, halted: rec.State == Stopped,
	}
	m.log, err = ledger.OpenMirror(opening, ledger.Config{
		JetStream: p.c.Bus.JetStream, Stream: stream, Subjects: bus.MirrorPrefix + id + ".", State: p.c.Bus.State(),
		Dir: filepath.Join(p.c.Dir, id), Origin: rec.Origin, VerifierKey: card.VerifierKey, Now: p.c.Now, Logger: p.c.Logger,
		Ready: p.c.Bus.Healthy, Failed: p.c.Bus.Report,
	})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.log.Close(ctx))
		}
	}()
	fallback := vocab.AudienceSpace
	if card.Open {
		fallback = vocab.AudiencePublic
	}
	var toward []byte
	if e, err := p.store.kv.Get(ctx, towardPrefix+id); err == nil {
		toward = e.Value()
	} else if !errors.Is(err, jetstream.ErrKeyNotFound) {
		return unavailable(err)
	}
	m.judge = judge.New(p.c.Processor, p.c.Reader, rec.Hub, card.AdmittedUntil())
	if err := m.judge.Restore(opening, m.log); err != nil {
		return fmt.Errorf("folding: %w", err)
	}
	m.accepted = m.log.Accepted().Time
	m.most = m.accepted
	m.follower = &exchange.Follower{
		Log: m.log, Judge: judging{m.judge, m.log, p.c.Catalog.InBackground}, Others: m.others, Appended: m.appended,
		Filled: func(index uint64) { p.c.Catalog.Filled(m.origin, index) },
		Toward: toward, Keep: m.keepToward, Now: p.c.Now, Logger: p.c.Logger,
	}
	if err := p.c.Catalog.Attach(view.Feed{Log: m.log, Registry: m.judge.Registry(), HubDID: rec.Hub, Fallback: fallback, Since: rec.Added}); err != nil {
		return err
	}
	run, cancel := context.WithCancel(p.run)
	m.cancel = cancel
	p.mu.Lock()
	p.mirrors[rec.Origin] = m
	p.mu.Unlock()
	go func() {
		defer close(m.done)
		m.run(run)
	}()
	return nil
}

// fits reports whether the mirror judges as its record's card says, and may be as
// it is. One whose store was rolled back under it has to be opened again: then what
// is missing is copied again.
func (m *mirror) fits(rec Mirror) bool {
	if errors.Is(m.log.ReadOnly(), ledger.ErrShorter) {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.halted = rec.State == Stopped
	if !sameCard(m.card.Raw, rec.Card) {
		card, err := m.p.cards.read(m.p.run, rec.Card)
		if err != nil {
			return true // it was read before it was kept
		}
		if card.Open != m.open || card.OpenUntil != m.until {
			return false
		}
		m.card = card
	}
	m.called = m.p.nameOf(m.p.run, m.hub, m.card)
	return true
}

// nameOf is what the hub of a log is called: of a peer what its card said when an
// officer took it, else what the log's card says.
func (p *Peers) nameOf(ctx context.Context, hub string, card *Card) vocab.Text {
	if peer, ok := p.store.peer(hub); ok {
		if taken, err := p.cards.read(ctx, peer.Card); err == nil {
			return taken.Name
		}
	}
	return card.Name
}

// closeMirror stops copying and takes the log out of the catalogue; gone: for good,
// with all that the index has of it.
func (p *Peers) closeMirror(ctx context.Context, m *mirror, gone bool) error {
	p.mu.Lock()
	delete(p.mirrors, m.origin)
	delete(p.seen, m.origin)
	p.mu.Unlock()
	m.cancel()
	<-m.done
	m.keep(ctx, true)
	err := p.c.Catalog.Detach(ctx, m.origin, gone)
	return errors.Join(err, m.log.Close(ctx))
}

// purge throws a mirror away: index, stream, checkpoints, caches, and then that it
// was to be thrown away.
func (p *Peers) purge(ctx context.Context, rec Mirror) error {
	id := bus.MirrorID(rec.Origin)
	err := p.c.Catalog.Detach(ctx, rec.Origin, true) // it may not have been open
	if err == nil {
		err = p.c.Bus.DropMirror(ctx, rec.Origin)
	}
	if err == nil {
		err = ledger.ForgetMirror(ctx, filepath.Join(p.c.Dir, id), p.c.Bus.State(), rec.Origin)
	}
	if err == nil {
		err = os.RemoveAll(filepath.Join(p.c.Dir, id))
	}
	if err == nil {
		err = p.store.kv.Purge(ctx, towardPrefix+id)
	}
	if err == nil {
		err = p.store.dropMirror(ctx, rec.Origin)
	}
	if err == nil { // whoever is a peer again by now may have offered it meanwhile
		p.askAgain()
	}
	return err
}

// close ends copying and closes the log; the catalogue is closed by whoever opened
// it.
func (m *mirror) close(ctx context.Context) error {
	m.cancel()
	<-m.done
	m.keep(ctx, true)
	return m.log.Close(ctx)
}

// open lists the mirrors that are open.
func (p *Peers) open() []*mirror {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]*mirror, 0, len(p.mirrors))
	for _, m := range p.mirrors {
		out = append(out, m)
	}
	return out
}

func (p *Peers) openOf(origin string) *mirror {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mirrors[origin]
}

// offer notes what a peer has of the log.
func (m *mirror) offer(o offer) {
	m.mu.Lock()
	m.offers[o.peer] = o
	m.mu.Unlock()
	m.awaken()
}

// offeredBy is what a peer last showed of the log; the zero offer if nothing.
func (m *mirror) offeredBy(peer string) offer {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.offers[peer]
}

// withdraw forgets what a peer had.
func (m *mirror) withdraw(peer string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.offers, peer)
}

// halt stops copying.
func (m *mirror) halt() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.halted = true
}

func (m *mirror) awaken() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// lastHeard is when the log was last heard of; where no checkpoint was accepted
// yet, when somebody first told of it.
func (m *mirror) lastHeard() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.heard.IsZero() {
		return m.added
	}
	return m.heard
}

func (m *mirror) name() vocab.Text {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.called
}

// record is what the store has of the log.
func (m *mirror) record() Mirror {
	rec, _ := m.p.store.mirror(m.origin)
	return rec
}

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
	"lianmu/vocab/shape"
)

// heardEvery is how often the store is told when a log was last heard of.
const heardEvery = time.Minute

// mirror is an open mirrored log and whoever copies it.
type mirror struct {
	p      *Peers
	origin string
	hub    string
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

	mu       sync.Mutex // guards what follows; never held over I/O
	card     *Card
	offers   map[string]offer
	rests    map[string]*rest
	heard    time.Time
	kept     time.Time // Heard, as the store has it
	accepted time.Time // time in the last checkpoint accepted
	source   string
	err      *Complaint
	halted   bool
}

// openMirror opens a mirrored log, folds it, shows it in the catalogue, and has it
// copied.
func (p *Peers) openMirror(ctx context.Context, rec Mirror) (err error) {
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
		p: p, origin: rec.Origin, hub: rec.Hub, vkey: card.VerifierKey, open: card.Open, until: card.OpenUntil, card: card,
		done: make(chan struct{}), wake: make(chan struct{}, 1),
		offers: map[string]offer{}, rests: map[string]*rest{}, heard: rec.Heard, kept: rec.Heard, halted: rec.State == Stopped,
	}
	m.log, err = ledger.OpenMirror(ctx, ledger.Config{
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
	if err := m.judge.Restore(ctx, m.log); err != nil {
		return fmt.Errorf("folding: %w", err)
	}
	m.accepted = m.log.Accepted().Time
	m.follower = &exchange.Follower{
		Log: m.log, Judge: judging{m.judge, m.log}, Others: m.others, Appended: m.appended,
		Filled: func(index uint64) { p.c.Catalog.Filled(m.origin, index) },
		Toward: toward, Keep: m.keepToward, Now: p.c.Now, Logger: p.c.Logger,
	}
	if err := p.c.Catalog.Attach(view.Feed{Log: m.log, Registry: m.judge.Registry(), HubDID: rec.Hub, Fallback: fallback}); err != nil {
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
// it is.
func (m *mirror) fits(rec Mirror) bool {
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
	return true
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

func (m *mirror) lastHeard() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.heard
}

func (m *mirror) name() vocab.Text {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.card.Name
}

// run copies what is offered until ctx ends.
func (m *mirror) run(ctx context.Context) {
	for {
		best, pause := m.choose()
		if best != nil {
			pause = m.copy(ctx, *best)
		}
		if ctx.Err() != nil {
			return
		}
		if best != nil && pause == 0 {
			continue
		}
		if best == nil {
			m.mend(ctx)
		}
		if pause == 0 {
			pause = firstMend // or until something is offered
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-m.wake:
		case <-t.C:
		}
		t.Stop()
	}
}

// choose picks from whom to copy next.
func (m *mirror) choose() (best *offer, wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.halted {
		return nil, 0
	}
	offers := make([]offer, 0, len(m.offers))
	for _, o := range m.offers {
		offers = append(offers, o)
	}
	return choose(offers, m.rests, m.log.Size(), m.accepted, m.p.c.Now())
}

// busyPause is how long a copy waits where its source, or this hub, has enough to
// do.
const busyPause = 100 * time.Millisecond

// copy takes one turn at copying from a source; pause is how long to wait before
// choosing anew.
func (m *mirror) copy(ctx context.Context, o offer) (pause time.Duration) {
	m.p.mu.Lock()
	l := m.p.links[o.peer]
	m.p.mu.Unlock()
	if l == nil {
		m.withdraw(o.peer)
		return 0
	}
	source := l.from()
	if source == nil {
		m.withdraw(o.peer)
		return 0
	}
	for _, slots := range []chan struct{}{l.slots, m.p.room} {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		default:
			return busyPause
		}
	}
	return m.follow(ctx, source, o, l)
}

// follow copies as far as an offer goes, for one turn at most.
func (m *mirror) follow(ctx context.Context, source exchange.Source, o offer, l *link) (pause time.Duration) {
	limited, cancel := context.WithTimeout(ctx, turn)
	defer cancel()
	before := m.log.Size()
	_, err := m.advance(limited, source, o)
	if ctx.Err() != nil {
		return 0
	}
	var fork *ledger.Contradiction
	var broken *exchange.LogFault
	var fault *exchange.SourceFault
	switch {
	case err == nil:
		m.went(o)
		m.keep(ctx, false)
		if o.beyond(m.log.Size(), m.log.Accepted().Time) { // older than what was accepted once
			m.withdraw(o.peer)
		}
	case errors.As(err, &fork):
		m.halt()
		if err := m.p.halt(ctx, m.origin, contradicts(m.origin, fork.Why), fork.Have, fork.Got); err != nil {
			l.complain(err)
		}
	case errors.As(err, &broken):
		m.halt()
		if err := m.p.halt(ctx, m.origin, broken.Problem, o.note); err != nil {
			l.complain(err)
		}
	case limited.Err() != nil && m.log.Size() > before: // its turn is over; it did something
	case errors.As(err, &fault), limited.Err() != nil:
		m.failed(o.peer, err)
		l.complain(err)
	default: // it is not the source's fault
		m.complain(err)
		m.p.c.Logger.Warn("a mirror cannot be continued just now", "origin", m.origin, "err", err)
		return 2 * time.Second
	}
	return 0
}

// went notes that all of an offer is here.
func (m *mirror) went(o offer) {
	accepted := m.log.Accepted().Time
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.rests, o.peer)
	m.source, m.err, m.accepted = o.peer, nil, accepted
	m.heard = later(m.heard, alive(o.time, m.p.c.Now()))
}

// failed has a source rest.
func (m *mirror) failed(peer string, err error) {
	now := m.p.c.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.rests[peer]
	if r == nil {
		r = &rest{}
		m.rests[peer] = r
	}
	r.fail(now, m.p.c.Jitter())
	m.err = complaint(err, now)
}

func (m *mirror) complain(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = complaint(err, m.p.c.Now())
}

// keep tells the store when the log was last heard of, now and then.
func (m *mirror) keep(ctx context.Context, always bool) {
	m.mu.Lock()
	heard := m.heard
	due := heard.After(m.kept) && (always || heard.Sub(m.kept) >= heardEvery)
	m.mu.Unlock()
	if !due {
		return
	}
	_, err := m.p.store.changeMirror(ctx, m.origin, func(rec *Mirror, known bool) error {
		if !known {
			return unknown(m.hub)
		}
		rec.Heard = later(rec.Heard, heard)
		return nil
	})
	if err != nil {
		m.p.c.Logger.Debug("when a log was last heard of could not be kept", "origin", m.origin, "err", err)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept = heard
}

// advance copies entries, judges them and shows them.
func (m *mirror) advance(ctx context.Context, source exchange.Source, o offer) (exchange.Progress, error) {
	return m.follower.Advance(ctx, source, o.own, o.note)
}

// appended shows an entry that has just been taken in.
func (m *mirror) appended(index uint64, leaf ledger.Leaf, fact vocab.Fact, read any) {
	var reading *shape.Reading
	if r := asRead(read); r != nil {
		reading = r.Reading
	}
	m.p.c.Catalog.AppendedTo(m.origin, index, leaf.ReceivedAt, fact, reading)
	if reading != nil && reading.Redaction != nil && leaf.Kind == vocab.KindRedaction {
		m.p.c.Catalog.ForgetIn(m.origin, reading.Redaction.Index)
	}
	m.p.c.Catalog.PaceOf(m.origin)
}

// keepToward keeps the checkpoint up to which entries are being copied: with it a
// fork between that and a later one is proven, after a restart too.
func (m *mirror) keepToward(note []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), kvTimeout)
	defer cancel()
	_, err := m.p.store.kv.Put(ctx, towardPrefix+bus.MirrorID(m.origin), note)
	return err
}

// others are the sources there are, the log's own hub first.
func (m *mirror) others() (out []exchange.Source) {
	m.mu.Lock()
	var peers []string
	for peer, o := range m.offers {
		if o.own {
			peers = append([]string{peer}, peers...)
		} else {
			peers = append(peers, peer)
		}
	}
	m.mu.Unlock()
	m.p.mu.Lock()
	defer m.p.mu.Unlock()
	for _, peer := range peers {
		if l := m.p.links[peer]; l != nil {
			if source := l.from(); source != nil {
				out = append(out, source)
			}
		}
	}
	return out
}

// Bounds of asking again for what is lacking.
const (
	firstMend = 10 * time.Second
	mostMend  = time.Hour
	mendTime  = 15 * time.Second
)

// mend asks again for documents that were missing or withheld: another source may
// have them, and terms change.
func (m *mirror) mend(ctx context.Context) {
	now := m.p.c.Now()
	if now.Before(m.mendAt) {
		return
	}
	missing, _ := m.log.Lacking(ledger.Missing)
	withheld, _ := m.log.Lacking(ledger.Withheld)
	filled := 0
	if missing+withheld > 0 {
		limited, cancel := context.WithTimeout(ctx, mendTime)
		defer cancel()
		own := m.offeredBy(m.hub).own
		for i, source := range m.others() {
			n, err := m.follower.Mend(limited, source, own && i == 0)
			filled += n
			if err != nil {
				m.p.c.Logger.Debug("what is lacking of a mirror could not be had", "origin", m.origin, "err", err)
			}
		}
	}
	m.mendWait = min(max(2*m.mendWait, firstMend), mostMend)
	if filled > 0 || missing+withheld == 0 {
		m.mendWait = firstMend
	}
	m.mendAt = now.Add(m.mendWait)
}

// judging is a Judge for a Follower, which does not know what was read.
type judging struct {
	j   *judge.Judge
	log *ledger.Log
}

// Read implements exchange.Judge.
func (j judging) Read(ctx context.Context, leaf ledger.Leaf, document []byte) (any, error) {
	return j.j.Read(ctx, leaf, document)
}

// Stand implements exchange.Judge.
func (j judging) Stand(index uint64, leaf ledger.Leaf, read any) (vocab.Fact, error) {
	return j.j.Stand(index, leaf, asRead(read))
}

// Apply implements exchange.Judge.
func (j judging) Apply(index uint64, leaf ledger.Leaf, fact vocab.Fact, read any) {
	j.j.Apply(index, leaf, fact, asRead(read))
}

// Position implements exchange.Judge.
func (j judging) Position() uint64 { return j.j.Registry().Position() }

// Late implements exchange.Judge.
func (j judging) Late(ctx context.Context, late map[uint64]any) (map[uint64]exchange.Verdict, error) {
	reads := make(map[uint64]*judge.Read, len(late))
	for index, read := range late {
		reads[index] = asRead(read)
	}
	verdicts, err := j.j.Late(ctx, j.log, reads)
	out := make(map[uint64]exchange.Verdict, len(verdicts))
	for index, v := range verdicts {
		out[index] = exchange.Verdict(v)
	}
	return out, err
}

func asRead(read any) *judge.Read {
	r, _ := read.(*judge.Read) // nil where there is none
	return r
}

// record is what the store has of the log.
func (m *mirror) record() Mirror {
	rec, _ := m.p.store.mirror(m.origin)
	return rec
}

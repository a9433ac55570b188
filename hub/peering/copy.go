package peering

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"lianmu/federation/exchange"
	"lianmu/federation/ledger"
	"lianmu/hub/bus"
	"lianmu/vocab"
	"lianmu/vocab/shape"
)

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
		if best == nil || m.isFull() {
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
	return choose(offers, m.rests, m.level(), m.p.c.Now())
}

// level is how far the log is; the caller holds mu.
func (m *mirror) level() level { return level{m.log.Size(), m.accepted, m.most} }

// lacks reports whether an offer has something that is not here yet.
func (m *mirror) lacks(o offer) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return o.beyond(m.level(), m.p.c.Now())
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
	if !m.room(o.size) {
		return firstMend
	}
	defer m.p.release(m)
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
	progress, err := m.advance(limited, source, o)
	if progress.KeptBack > 0 {
		m.keptBack(progress.KeptBack)
	}
	if ctx.Err() != nil {
		return 0
	}
	var fork *ledger.Contradiction
	var broken *exchange.LogFault
	var fault *exchange.SourceFault
	switch {
	case err == nil:
		m.went(o)
		l.copiedFrom()
		m.keep(ctx, false)
		if fork := m.compare(); fork != nil {
			m.forked(ctx, fork, l)
		}
		if m.lacks(o) { // older than what was accepted once
			m.withdraw(o.peer)
		}
	case errors.As(err, &fork) && m.settled(fork, o.peer):
		m.failed(o.peer, err)
	case fork != nil:
		m.forked(ctx, fork, l)
	case errors.As(err, &broken):
		m.halt()
		if err := m.p.halt(ctx, m.origin, broken.Problem, o.note); err != nil {
			l.complain(err, true)
		}
	case limited.Err() != nil && m.log.Size() > before: // its turn is over; it did something
	case errors.As(err, &fault), limited.Err() != nil:
		m.failed(o.peer, err)
		l.complain(err, true)
	default: // it is not the source's fault
		if errors.Is(err, ledger.ErrShorter) {
			m.p.awaken() // see fits
		}
		m.complain(err)
		m.p.c.Logger.Warn("a mirror cannot be continued just now", "origin", m.origin, "err", err)
		return 2 * time.Second
	}
	return 0
}

// compare holds what peers have shown against what is held now: when they showed
// it, it may have been beyond that.
func (m *mirror) compare() *ledger.Contradiction {
	m.mu.Lock()
	offers := slices.Collect(maps.Values(m.offers))
	m.mu.Unlock()
	for _, o := range offers {
		var fork *ledger.Contradiction
		cp, err := ledger.ParseCheckpoint(o.note, m.vkey)
		if err == nil && errors.As(m.log.Compare(cp), &fork) && !m.settled(fork, o.peer) {
			return fork
		}
	}
	return nil
}

// settled reports whether an officer has let a log go on that a peer shows to
// contradict itself: the note is among the evidence that he had. The log's own hub
// must not show it again.
func (m *mirror) settled(fork *ledger.Contradiction, peer string) bool {
	got, err := ledger.ParseCheckpoint(fork.Got, m.vkey)
	if err != nil || peer == m.hub {
		return false
	}
	for _, note := range m.record().Evidence {
		cp, err := ledger.ParseCheckpoint(note, m.vkey)
		if err == nil && cp.Size == got.Size && cp.Root == got.Root {
			return true
		}
	}
	return false
}

// forked stops a log that contradicts itself.
func (m *mirror) forked(ctx context.Context, fork *ledger.Contradiction, l *link) {
	m.halt()
	if err := m.p.halt(ctx, m.origin, contradicts(m.origin, fork.Why), fork.Have, fork.Got); err != nil {
		l.complain(err, true)
	}
}

// went notes that all of an offer is here.
func (m *mirror) went(o offer) {
	accepted := m.log.Accepted().Time
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.rests, o.peer)
	m.source, m.err, m.accepted, m.most = o.peer, nil, accepted, later(m.most, accepted)
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

// forgive has a source rest no more.
func (m *mirror) forgive(peer string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rests[peer] != nil {
		delete(m.rests, peer)
		m.awaken()
	}
}

// keptBack tells that the log's own hub withholds so many documents that nobody may.
func (m *mirror) keptBack(n uint64) {
	why := vocab.Problems{vocab.NewProblem("", "log.kept_back",
		"账本 %[1]s 的节点有 %[2]d 份对所有人公开的文档（删除记录等）不提供，据此显示的内容可能已经过时。请与对方核实。",
		"the hub of the log %[1]s withholds %[2]d documents that are for everybody (redactions and the like), so what is shown of it may be out of date: clear it up with its hub", m.origin, n)}
	m.mu.Lock()
	m.withheld = complaint(why, m.p.c.Now())
	m.mu.Unlock()
	m.p.c.Logger.Error("a hub withholds documents that are for everybody", "origin", m.origin, "documents", n)
	m.p.tell(keptBack, m.origin)
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

// advance copies entries, judges them and shows them. Where another process of this
// hub was quicker, it goes on from where that one is.
func (m *mirror) advance(ctx context.Context, source exchange.Source, o offer) (exchange.Progress, error) {
	for {
		progress, err := m.follower.Advance(ctx, source, o.own, o.note)
		if !errors.Is(err, ledger.ErrConflict) || !sleep(ctx, time.Duration(float64(busyPause)*m.p.c.Jitter())) {
			return progress, err
		}
	}
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
	mendTime  = 15 * time.Second // after which no further source is asked
)

// mend asks again for documents that were missing or withheld: another source may
// have them, and terms change.
func (m *mirror) mend(ctx context.Context) {
	now := m.p.c.Now()
	if now.Before(m.mendAt) {
		return
	}
	filled, lacking := 0, m.log.Count(ledger.Missing)+m.log.Count(ledger.Withheld)
	if lacking > 0 {
		own := m.offeredBy(m.hub).own
		for i, source := range m.others() {
			if m.p.c.Now().Sub(now) > mendTime {
				break
			}
			n, err := m.follower.Mend(ctx, source, own && i == 0)
			filled += n
			if err != nil {
				m.p.c.Logger.Debug("what is lacking of a mirror could not be had", "origin", m.origin, "err", err)
			}
		}
	}
	m.mendWait = min(max(2*m.mendWait, firstMend), mostMend)
	if filled > 0 || lacking == 0 {
		m.mendWait = firstMend
	}
	m.mendAt = now.Add(m.mendWait)
}

package peering

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"lianmu/federation/exchange"
	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// held tells a peer how far the mirrors are, so that it answers only once there is
// more, and how many redactions of each log have been carried out here. What is not
// mirrored is not waited for either; nor is the own log, once the peer has shown
// what it has of it: then it tells only if it has more than there is.
func (p *Peers) held(l *link, answered bool) map[string]exchange.Held {
	out := map[string]exchange.Held{}
	add := func(origin string, held exchange.Held) {
		if _, known := out[origin]; !known && len(out) < exchange.MaxLogs { // a peer refuses to read more
			out[origin] = held
		}
	}
	if answered {
		add(p.c.Log.Origin(), exchange.Held{Size: p.c.Log.Size()})
	}
	for _, m := range p.open() {
		// What it has told already and is still being copied, it need not tell again.
		told := m.offeredBy(l.did)
		h := exchange.Held{Size: max(m.log.Size(), told.size), Redacted: m.log.Redactions()}
		if len(told.note) > 0 {
			h.Note = exchange.Mark(told.note)
		}
		add(m.origin, h)
	}
	for origin, h := range l.unwanted() {
		add(origin, h)
	}
	return out
}

// take looks through what a peer offers: which logs are mirrored, which are new,
// and whether any checkpoint contradicts what is known of its log.
func (p *Peers) take(ctx context.Context, l *link, card *Card, offers []exchange.Offered) {
	p.learn(ctx, l.did, card)
	seen := map[string]bool{}
	for _, o := range offers {
		again := seen[string(o.Card)]
		seen[string(o.Card)] = true
		if err := p.takeOne(ctx, l, o, again); err != nil && ctx.Err() == nil {
			p.complain(ctx, l, o, err)
		}
	}
}

// complain keeps what was wrong with one log that a peer offers: with the log, where
// that is mirrored and the peer's own, as it says nothing of the connection; else
// with the peer, as it says nothing of the log.
func (p *Peers) complain(ctx context.Context, l *link, o exchange.Offered, err error) {
	if card, unread := p.cards.read(ctx, o.Card); unread == nil {
		if m := p.openOf(card.Origin); m != nil && vocab.HubOf(m.origin) == l.did {
			m.complain(err)
			return
		}
	}
	l.complain(err, false)
}

// learn notes a card of a peer that says something else of it than the one that an
// officer took, for an officer to take or not. Until then the hub is called and
// dialled as before: it could otherwise take on another's name, or point this hub,
// with its token, at whatever answers inside its network. One that says that the hub
// has moved out of the mainland ends the approval.
func (p *Peers) learn(ctx context.Context, did string, card *Card) {
	peer, known := p.store.peer(did)
	if !known || peer.State != Approved || sameCard(peer.Card, card.Raw) || sameCard(peer.Newer, card.Raw) {
		return
	}
	taken, err := p.cards.read(ctx, peer.Card)
	if err != nil {
		p.c.Logger.Warn("a peer's card cannot be read any more; add it anew", "peer", did, "err", err)
		return
	}
	last := taken
	if len(peer.Newer) > 0 {
		if last, err = p.cards.read(ctx, peer.Newer); err != nil {
			last = taken
		}
	}
	if !card.Created.After(last.Created) || card.Origin != taken.Origin || onlySigned(last.LogCard, card.LogCard) {
		return // an older one; or of a new epoch, which an officer accepts
	}
	is, err := p.store.changePeer(ctx, did, func(peer *Peer, known bool) error {
		if !known || peer.State != Approved {
			return unknown(did)
		}
		peer.Newer = card.Raw
		if onlySigned(taken.LogCard, card.LogCard) { // it takes back what it said
			peer.Newer = nil
		}
		if card.Jurisdiction != mainland && peer.Outbound == nil {
			peer.State, peer.Why = Waiting, "peer.outbound"
		}
		return nil
	})
	if err != nil {
		p.c.Logger.Warn("a peer's new card could not be kept", "peer", did, "err", err)
		return
	}
	if peer.Newer == nil || is.State == Waiting { // told once, however often it says something else
		p.c.Logger.Warn("a peer says something else of itself than before; take its new card or not", "peer", did, "state", is.State)
		p.tell(newCard, card.Origin)
	}
}

// onlySigned reports whether two cards of one hub say the same.
func onlySigned(a, b vocab.LogCard) bool {
	same := a.Origin == b.Origin && a.VerifierKey == b.VerifierKey && a.Jurisdiction == b.Jurisdiction &&
		a.Retention == b.Retention && a.Agreement == b.Agreement && a.Contact == b.Contact &&
		a.Open == b.Open && a.OpenUntil == b.OpenUntil && slices.Equal(a.Addresses, b.Addresses) && len(a.Name) == len(b.Name)
	for lang, name := range a.Name {
		same = same && b.Name[lang] == name
	}
	return same
}

// takeOne looks at one log that a peer offers; again: it was in the same answer
// before, so this is a checkpoint that the peer was shown, and not what it has.
func (p *Peers) takeOne(ctx context.Context, l *link, o exchange.Offered, again bool) error {
	card, err := p.cards.read(ctx, o.Card)
	if err != nil {
		return err
	}
	if o.Err != nil {
		return o.Err
	}
	note := []byte(o.Checkpoint)
	if card.Hub == p.did() {
		if card.Origin != p.c.Log.Origin() {
			return nil // a former epoch of our own
		}
		cp, err := ledger.ParseCheckpoint(note, p.c.Log.VerifierKey())
		if err != nil {
			return err
		}
		return p.c.Log.Witness(ctx, cp)
	}
	rec, known := p.store.mirror(card.Origin)
	if !known {
		if rec, known, err = p.admit(ctx, l.did, card); err != nil {
			return err
		}
	}
	if !known || rec.State == Offered || rec.State == Ended || rec.State == purging || p.decided(rec) == OnHold {
		l.unwant(card.Origin, exchange.Held{Size: sizeOf(note), Note: exchange.Mark(note)})
		return nil
	}
	if rec, err = p.renew(ctx, rec, card); err != nil {
		return err
	}
	m := p.openOf(card.Origin)
	if m == nil || m.vkey != card.VerifierKey {
		return nil // opened in a moment, or just stopped
	}
	cp, err := ledger.ParseCheckpoint(note, m.vkey)
	if err != nil {
		return err
	}
	if rec.State == Stopped {
		l.unwant(card.Origin, exchange.Held{Size: cp.Size, Note: exchange.Mark(note)})
		return nil
	}
	var fork *ledger.Contradiction
	if err := m.log.Compare(cp); errors.As(err, &fork) && m.settled(fork, l.did) {
		return nil
	} else if fork != nil {
		return p.halt(ctx, m.origin, contradicts(m.origin, fork.Why), fork.Have, fork.Got)
	} else if err != nil {
		return err
	}
	if again || bytes.Equal(m.offeredBy(l.did).note, note) {
		return nil
	}
	m.offer(offer{peer: l.did, own: card.Hub == l.did, size: cp.Size, time: cp.Time, note: note, card: card.Raw})
	return nil
}

// admit begins to mirror a log that was not known, if it is one to be mirrored:
// the log of an approved peer, from whomever it comes, or of a hub unknown here
// where the peer is trusted to relay such. Of a hub that has a log here already it
// is a new epoch, which an officer accepts.
func (p *Peers) admit(ctx context.Context, peer string, card *Card) (Mirror, bool, error) {
	p.admitting.Lock()
	defer p.admitting.Unlock()
	owner, known := p.store.peer(card.Hub)
	from, _ := p.store.peer(peer)
	switch {
	case from.State != Approved:
		return Mirror{}, false, nil
	case known && owner.State == Approved:
	case known && owner.State != Waiting, !from.Relays:
		return Mirror{}, false, nil
	}
	state := Current
	if known && owner.State == Approved {
		approved, err := p.cards.read(ctx, owner.Card)
		switch {
		case err != nil:
		case approved.Origin != card.Origin:
			state = Offered // another log than that of the card that was approved
		case approved.Created.After(card.Created):
			card = approved // a relay has an older one
		}
	}
	all, ofPeer := p.store.allMirrors(), 0
	for _, m := range all {
		if m.From == peer {
			ofPeer++
		}
		if m.Hub == card.Hub && m.State != purging {
			state = Offered
		}
	}
	if len(all) >= maxLogs || ofPeer >= maxPeerLogs {
		return Mirror{}, false, vocab.Problems{vocab.NewProblem("", "peer.logs",
			"已镜像 %[1]d 个账本（其中来自该节点 %[2]d 个），不再增加。", "%[1]d logs are mirrored already (%[2]d from this peer), and no more are taken", len(all), ofPeer)}
	}
	rec, err := p.store.changeMirror(ctx, card.Origin, func(m *Mirror, known bool) error {
		if !known {
			*m = Mirror{Origin: card.Origin, Hub: card.Hub, Card: card.Raw, State: state, Added: p.c.Now().UTC(), From: peer}
		}
		return nil
	})
	if err != nil {
		return Mirror{}, false, err
	}
	if state == Offered {
		p.c.Logger.Warn("a hub shows another log than before; accept it or not", "hub", card.Hub, "origin", card.Origin)
		p.tell(string(Offered), card.Origin)
	}
	return rec, true, nil
}

// renew keeps the newest card of a log. One with another key contradicts: a log
// has one key for ever.
func (p *Peers) renew(ctx context.Context, rec Mirror, card *Card) (Mirror, error) {
	if sameCard(rec.Card, card.Raw) {
		return rec, nil
	}
	old, err := p.cards.read(ctx, rec.Card)
	if err != nil {
		return rec, err
	}
	if old.VerifierKey != card.VerifierKey {
		return rec, p.halt(ctx, rec.Origin, contradicts(rec.Origin, "its hub names another key for the same log"), rec.Card, card.Raw)
	}
	if !card.Created.After(old.Created) || onlySigned(old.LogCard, card.LogCard) {
		return rec, nil
	}
	return p.store.changeMirror(ctx, rec.Origin, func(m *Mirror, known bool) error {
		if !known {
			return unknown(rec.Hub)
		}
		m.Card = card.Raw
		return nil
	})
}

// halt stops a log that contradicts itself or breaks its own rules: nothing more
// is taken from it, by whomever it is offered, until an officer decides.
func (p *Peers) halt(ctx context.Context, origin string, why vocab.Problem, evidence ...[]byte) error {
	stopped := false
	_, err := p.store.changeMirror(ctx, origin, func(m *Mirror, known bool) error {
		if !known {
			return unknown(origin)
		}
		if stopped = m.State == Current; stopped {
			m.State, m.Why, m.Evidence = Stopped, &why, evidence
		}
		return nil
	})
	if err != nil || !stopped {
		return err
	}
	if m := p.openOf(origin); m != nil {
		m.halt()
	}
	p.c.Logger.Error("a mirrored log is stopped", "origin", origin, "why", why.Message.In("en"))
	p.tell(string(Stopped), origin)
	return vocab.Problems{why}
}

// contradiction is the code of what is at odds with what its log said before.
const contradiction = "log.contradiction"

func contradicts(origin, why string) vocab.Problem {
	return vocab.NewProblem("", contradiction,
		"账本 %[1]s 前后矛盾，已停止镜像：%[2]s。两份证据已保存；请与对方核实后决定继续（lianmu peer accept）还是移除。",
		"the log %[1]s contradicts itself and is not mirrored any more: %[2]s. Both notes are kept; clear it up with its hub, then accept or remove it", origin, why)
}

// sizeOf reads how many entries a checkpoint says that there are, believing
// nothing: 0 where it cannot be read.
func sizeOf(note []byte) uint64 {
	_, rest, _ := strings.Cut(string(note[:min(len(note), exchange.MaxNote)]), "\n")
	line, _, _ := strings.Cut(rest, "\n")
	n, _ := strconv.ParseUint(line, 10, 64)
	return n
}

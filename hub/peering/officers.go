package peering

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"lianmu/federation/identity"
	"lianmu/hub/access"
	"lianmu/hub/audit"
	"lianmu/vocab"
)

// Bounds of what officers write.
const (
	maxReason = 500 // characters
	mainland  = "CN"
)

// act does what an officer wants and has the trail say so; who has not the right
// does nothing, and is recorded as refused. The store changes under one act at a
// time.
func (p *Peers) act(ctx context.Context, who access.Who, name, object string, do func(context.Context) (detail string, err error)) error {
	return p.carry(ctx, who, name, object, func(ctx context.Context) (string, error) {
		p.acting.Lock()
		defer p.acting.Unlock()
		return do(ctx)
	})
}

// carry is act without holding up others: for what takes long.
func (p *Peers) carry(ctx context.Context, who access.Who, name, object string, do func(context.Context) (detail string, err error)) error {
	r := audit.Record{Who: who.Label(), Role: who.RoleNames(), Via: who.Via, From: who.Client, Act: name, Object: object}
	if err := who.Need(access.PeerManage); err != nil {
		r.Code = "access.forbidden"
		p.c.Audit.Refused(r)
		return err
	}
	return p.c.Audit.Do(ctx, r, do)
}

// Desk is where officers see to the peers, for whoever shows it to them; *Peers is
// one. It asks for rights itself and records what is done.
type Desk interface {
	Card() []byte // this hub's own
	List(ctx context.Context, who access.Who) ([]PeerInfo, error)
	Logs(ctx context.Context, who access.Who) ([]LogInfo, error)
	Detail(ctx context.Context, who access.Who, did string) (PeerInfo, error)
	Faults(ctx context.Context, who access.Who, origin string) ([]Fault, error)
	RedactedBy(ctx context.Context, who access.Who) (map[string]int, error) // of the own log, by DID
	Discover(ctx context.Context, who access.Who, address string) (card []byte, err error)
	Preview(ctx context.Context, who access.Who, card []byte) (*Preview, error)
	Add(ctx context.Context, who access.Who, invite Invite, terms Terms) (PeerInfo, error)
	Approve(ctx context.Context, who access.Who, did string, terms Terms) (PeerInfo, error)
	Pause(ctx context.Context, who access.Who, did string) error
	Resume(ctx context.Context, who access.Who, did string) error
	Block(ctx context.Context, who access.Who, did string) error
	Remove(ctx context.Context, who access.Who, did string, purge bool) error
	Accept(ctx context.Context, who access.Who, origin string) error
}

// Invite is whom somebody wants as a peer: a card, or an address where a hub
// answers, or both, where the card was had from there and looked at.
type Invite struct {
	Card []byte `json:"card,omitempty"`
	URL  string `json:"url,omitempty"` // dialled before those on the card
}

// Add makes a hub a peer and approves it: from then on it may have public
// documents, and what it offers is mirrored. A hub outside the mainland needs
// Terms.Outbound. With a card it is that card's hub and no other, whoever answers
// at the address by now. With an address alone the hub is asked for its card there;
// its fingerprint should be compared with what its operator says.
//
// Errors are vocab.Problems: access.forbidden, peer.card, peer.address,
// peer.unreachable, peer.self, peer.outbound, peer.many, request.…,
// audit.unavailable, hub.unavailable.
func (p *Peers) Add(ctx context.Context, who access.Who, invite Invite, terms Terms) (info PeerInfo, err error) {
	object := invite.URL
	var card *Card
	if len(invite.Card) > 0 {
		if card, err = p.cards.read(ctx, invite.Card); err != nil {
			return info, err
		}
		object = card.Hub
	}
	var addresses []string
	if invite.URL != "" {
		if _, err := parseAddress(invite.URL); err != nil {
			return info, err
		}
		addresses = []string{invite.URL}
	}
	err = p.act(ctx, who, "peer.add", object, func(ctx context.Context) (string, error) {
		if card == nil {
			if card, err = p.discover(ctx, invite.URL); err != nil {
				return "", err
			}
		}
		if card.Hub == p.did() {
			return "", vocab.Problems{vocab.NewProblem("", "peer.self",
				"这是本节点自己的名片。请使用对方节点生成的名片。", "this is this hub's own card: use the one that the other hub made")}
		}
		return p.approve(ctx, who, card.Hub, card, addresses, terms)
	})
	if err != nil {
		return info, err
	}
	return p.info(card.Hub)
}

// Approve lets a hub that waits, or that was paused or blocked, be a peer, or
// changes the terms of one that is. Terms are meant wholly: what is not said anew
// lapses, but for Outbound, without which such a peer cannot be one. The card stays
// the one that was taken: a newer one is taken by adding it, so that it is the one
// that the officer saw; but one that made the hub wait again goes with the approval.
//
// Errors are vocab.Problems: those of Add, and peer.unknown.
func (p *Peers) Approve(ctx context.Context, who access.Who, did string, terms Terms) (info PeerInfo, err error) {
	err = p.act(ctx, who, "peer.approve", did, func(ctx context.Context) (string, error) {
		peer, ok := p.store.peer(did)
		if !ok {
			return "", unknown(did)
		}
		card, err := p.cards.read(ctx, p.toApprove(peer))
		if err != nil {
			return "", err
		}
		return p.approve(ctx, who, did, card, nil, terms)
	})
	if err != nil {
		return info, err
	}
	return p.info(did)
}

// toApprove is the card that Approve takes. While a hub waits it is not asked, so
// that what an officer saw of it stays what it was.
func (p *Peers) toApprove(peer Peer) []byte {
	if peer.State == Waiting && peer.Newer != nil {
		return peer.Newer
	}
	return peer.Card
}

// approve writes the decision. addresses go before those of the card.
func (p *Peers) approve(ctx context.Context, who access.Who, did string, card *Card, addresses []string, terms Terms) (detail string, err error) {
	for path, text := range map[string]*string{"/outbound": &terms.Outbound, "/important": &terms.Important, "/note": &terms.Note} {
		if *text, err = line(path, *text); err != nil {
			return "", err
		}
	}
	now := p.c.Now().UTC()
	approval := func(reason string) *Approval {
		if reason == "" {
			return nil
		}
		return &Approval{Reason: reason, By: who.Label(), At: now}
	}
	peer, err := p.store.changePeer(ctx, did, func(peer *Peer, known bool) error {
		if !known {
			if *peer, err = p.newPeer(did); err != nil {
				return err
			}
		}
		if card.Jurisdiction == mainland {
			peer.Outbound = nil
		} else if a := approval(terms.Outbound); a != nil {
			peer.Outbound = a
		} else if peer.Outbound == nil {
			return outbound(card)
		}
		if !sameCard(peer.Card, card.Raw) {
			peer.Card, peer.Newer = card.Raw, nil
		}
		peer.State, peer.Why = Approved, ""
		if all := slices.Concat(addresses, card.Addresses, peer.Addresses); len(all) > 0 {
			peer.Addresses = distinct(all)
		}
		peer.Important, peer.Relays, peer.By = approval(terms.Important), terms.Relays, who.Label()
		if terms.Note != "" {
			peer.Note = terms.Note
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	p.encourage(did)
	detail = "jurisdiction " + card.Jurisdiction
	if peer.Outbound != nil {
		detail += "; outbound: " + peer.Outbound.Reason
	}
	if peer.Important != nil {
		detail += "; important: " + peer.Important.Reason
	}
	if peer.Relays {
		detail += "; relays"
	}
	return detail, nil
}

// newPeer is one that an officer decides about before it has presented itself.
func (p *Peers) newPeer(did string) (Peer, error) {
	if n := len(p.store.decidedPeers()); n >= maxPeers {
		return Peer{}, vocab.Problems{vocab.NewProblem("", "peer.many",
			"对等节点已有 %d 个，不能再添加；请先移除不用的。", "there are %d peers already: remove some first", n)}
	}
	return Peer{DID: did, Added: p.c.Now().UTC()}, nil
}

// keptCard is the card of a hub whose log is here though it is no peer; nil where
// there is none. Of several it is that of the log that was added last.
func (p *Peers) keptCard(did string) (card []byte) {
	for _, m := range p.store.allMirrors() {
		if m.Hub == did {
			card = m.Card
		}
	}
	return card
}

// outbound refuses what would leave the mainland without a decision.
func outbound(card *Card) error {
	return vocab.Problems{vocab.NewProblem("/outbound", "peer.outbound",
		"对方节点的法域为 %[1]s，向它提供目录属于向境外提供。请先完成出境评估，再用 --outbound 写明批准的依据。",
		"the peer is under the law of %[1]s, so what it is given leaves the mainland: have that assessed first, then say with --outbound on what ground it was approved", card.Jurisdiction)}
}

// Pause stops the exchange with a peer for a while: it gets no documents and is
// not asked. What was mirrored stays and ages.
func (p *Peers) Pause(ctx context.Context, who access.Who, did string) error {
	return p.turnTo(ctx, who, "peer.pause", did, Paused, Approved)
}

// Resume goes on after Pause.
func (p *Peers) Resume(ctx context.Context, who access.Who, did string) error {
	return p.turnTo(ctx, who, "peer.resume", did, Approved, Paused)
}

// Block refuses a hub for good: it cannot present itself again, gets nothing, and
// its logs are taken from nobody. What was mirrored stays until Remove. A hub that
// is no peer can be blocked too: one that was removed, or has yet to come.
func (p *Peers) Block(ctx context.Context, who access.Who, did string) error {
	return p.turnTo(ctx, who, "peer.block", did, Blocked, Waiting, Approved, Paused)
}

func (p *Peers) turnTo(ctx context.Context, who access.Who, act, did string, to State, from ...State) error {
	return p.act(ctx, who, act, did, func(ctx context.Context) (string, error) {
		_, err := p.store.changePeer(ctx, did, func(peer *Peer, known bool) error {
			switch {
			case !known && to == Blocked:
				if _, err := identity.PublicKey(did); err != nil || did == p.did() {
					return unknown(did)
				}
				var err error
				if *peer, err = p.newPeer(did); err != nil {
					return err
				}
				peer.Card, peer.By = p.keptCard(did), who.Label()
			case !known:
				return unknown(did)
			case peer.State == to:
				return nil
			case !slices.Contains(from, peer.State):
				is := peer.State.Label()
				return vocab.Problems{vocab.NewProblem("", "peer.state",
					"对等节点 %[1]s 现在的状态是“%[2]s”，不能这样做；见 lianmu peer list。",
					"the peer %[1]s is %[3]s, so this cannot be done; see lianmu peer list", did, is["zh"], is["en"])}
			}
			peer.State = to
			return nil
		})
		return "", err
	})
}

// Remove ends being peers. With purge the mirrors of that hub's logs, and of those
// that came from it alone, leave the index and the disk; else they stay, and age
// unless another peer relays them.
func (p *Peers) Remove(ctx context.Context, who access.Who, did string, purge bool) error {
	name := "peer.remove"
	if purge {
		name = "peer.purge"
	}
	return p.act(ctx, who, name, did, func(ctx context.Context) (string, error) {
		p.admitting.Lock()
		defer p.admitting.Unlock()
		_, known := p.store.peer(did)
		marked := 0
		for _, m := range p.store.allMirrors() {
			other, kept := p.store.peer(m.Hub)
			relayed := m.From == did && (!kept || other.State != Approved)
			if m.Hub != did && !relayed || m.State == purging {
				continue
			}
			known = true
			if !purge {
				continue
			}
			if _, err := p.store.changeMirror(ctx, m.Origin, func(m *Mirror, _ bool) error {
				m.State = purging
				return nil
			}); err != nil {
				return "", err
			}
			marked++
		}
		if !known {
			return "", unknown(did)
		}
		if err := p.store.dropPeer(ctx, did); err != nil {
			return "", err
		}
		return map[bool]string{true: "mirrors purged", false: "mirrors kept"}[marked > 0], nil
	})
}

// Accept says that the log of this name is to be mirrored: a new epoch of a hub,
// which then takes the place of the former one; or a log that was stopped, which
// goes on from where it was, its evidence kept.
//
// Errors are vocab.Problems: access.forbidden, peer.log, audit.unavailable,
// hub.unavailable.
func (p *Peers) Accept(ctx context.Context, who access.Who, origin string) error {
	return p.act(ctx, who, "peer.accept", origin, func(ctx context.Context) (string, error) {
		rec, ok := p.store.mirror(origin)
		if !ok || rec.State != Offered && rec.State != Stopped {
			return "", vocab.Problems{vocab.NewProblem("", "peer.log",
				"没有等待确认的账本 %s；见 lianmu peer list。", "no log %s waits to be accepted; see lianmu peer list", origin)}
		}
		if rec.State == Offered {
			if err := p.succeed(ctx, rec); err != nil {
				return "", err
			}
		}
		_, err := p.store.changeMirror(ctx, origin, func(m *Mirror, _ bool) error {
			m.State, m.Why = Current, nil
			return nil
		})
		p.askAgain()
		return "was " + string(rec.State), err
	})
}

// succeed lets a new epoch take the place of the hub's other logs, and its card that
// of the one that was taken before.
func (p *Peers) succeed(ctx context.Context, rec Mirror) error {
	for _, m := range p.store.allMirrors() {
		if m.Hub != rec.Hub || m.Origin == rec.Origin || m.State == Offered || m.State == purging {
			continue
		}
		if _, err := p.store.changeMirror(ctx, m.Origin, func(m *Mirror, _ bool) error {
			m.State = Ended
			return nil
		}); err != nil {
			return err
		}
	}
	if _, known := p.store.peer(rec.Hub); !known {
		return nil
	}
	_, err := p.store.changePeer(ctx, rec.Hub, func(peer *Peer, _ bool) error {
		peer.Card, peer.Newer = rec.Card, nil
		return nil
	})
	return err
}

func unknown(did string) error {
	return vocab.Problems{vocab.NewProblem("", "peer.unknown",
		"没有对等节点 %s。已有的见 lianmu peer list；要添加，请用它的名片：lianmu peer add 名片文件。", "There is no peer %s. Those there are: lianmu peer list; to add it, by its card: lianmu peer add CARD.", clip(did))}
}

// line checks a text that an officer wrote; "" is allowed.
func line(path, text string) (string, error) {
	text = strings.TrimSpace(text)
	if !utf8.ValidString(text) || utf8.RuneCountInString(text) > maxReason || vocab.Printable(text) != text || strings.Contains(text, "\n") {
		return "", vocab.Problems{vocab.NewProblem(path, "request.text",
			"%[1]s 应为一行文字，不超过 %[2]d 个字符，不含控制字符。", "%[1]s is one line of at most %[2]d characters without control characters.", strings.TrimPrefix(path, "/"), maxReason)}
	}
	return text, nil
}

// distinct keeps the first of each, at most maxAddresses.
func distinct(all []string) []string {
	var out []string
	for _, a := range all {
		if !slices.Contains(out, a) && len(out) < maxAddresses {
			out = append(out, a)
		}
	}
	return out
}

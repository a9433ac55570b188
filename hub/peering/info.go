package peering

import (
	"context"
	"time"

	"lianmu/federation/ledger"
	"lianmu/hub/access"
	"lianmu/vocab"
)

// List lists all peers, those that wait last, each with its link and its logs.
// The error is vocab.Problems with code access.forbidden.
func (p *Peers) List(_ context.Context, who access.Who) ([]PeerInfo, error) {
	if err := who.Need(access.PeerRead); err != nil {
		return nil, err
	}
	logs := p.logs("")
	out := []PeerInfo{}
	for _, peer := range p.store.allPeers() {
		out = append(out, p.describe(peer, logs))
	}
	return out, nil
}

// Detail is one of List, with its card. Errors are vocab.Problems:
// access.forbidden, peer.unknown.
func (p *Peers) Detail(_ context.Context, who access.Who, did string) (PeerInfo, error) {
	if err := who.Need(access.PeerRead); err != nil {
		return PeerInfo{}, err
	}
	return p.info(did)
}

func (p *Peers) info(did string) (PeerInfo, error) {
	peer, ok := p.store.peer(did)
	if !ok {
		return PeerInfo{}, unknown(did)
	}
	info := p.describe(peer, p.logs(did))
	info.Card, info.Newer = p.toApprove(peer), peer.Newer
	return info, nil
}

// Logs lists all mirrored logs, also of hubs that are no peers.
func (p *Peers) Logs(_ context.Context, who access.Who) ([]LogInfo, error) {
	if err := who.Need(access.PeerRead); err != nil {
		return nil, err
	}
	return p.logs(""), nil
}

// Discover asks the hub at an address for its card, so that it can be previewed
// before it is added. Errors are vocab.Problems: access.forbidden, peer.address,
// peer.unreachable, peer.token, peer.card.
func (p *Peers) Discover(ctx context.Context, who access.Who, address string) ([]byte, error) {
	if err := who.Need(access.PeerManage); err != nil {
		return nil, err
	}
	card, err := p.discover(ctx, address)
	if err != nil {
		return nil, err
	}
	return card.Raw, nil
}

func (p *Peers) describe(peer Peer, logs []LogInfo) PeerInfo {
	info := PeerInfo{Peer: peer, Words: Fingerprint(peer.DID), Logs: []LogInfo{}}
	info.Card, info.Newer = nil, nil
	info.About, info.Says = p.about(peer.Card), p.about(peer.Newer)
	p.mu.Lock()
	l := p.links[peer.DID]
	info.Asked = p.asked[peer.DID].at
	p.mu.Unlock()
	if l != nil {
		info.Link = l.state()
	}
	for _, a := range peer.Addresses {
		info.Plain = info.Plain || plain(a)
	}
	for _, log := range logs {
		if log.Hub == peer.DID {
			info.Logs = append(info.Logs, log)
		}
	}
	return info
}

// about is what a card says; nil where there is none that can be read.
func (p *Peers) about(raw []byte) *vocab.LogCard {
	if len(raw) == 0 {
		return nil
	}
	card, err := p.cards.read(p.run, raw)
	if err != nil {
		return nil
	}
	return &card.LogCard
}

// logs lists the mirrored logs of a hub; of "" all.
func (p *Peers) logs(hub string) []LogInfo {
	now := p.c.Now()
	out := []LogInfo{}
	for _, rec := range p.store.allMirrors() {
		if rec.State == purging || hub != "" && rec.Hub != hub {
			continue
		}
		info := LogInfo{Mirror: rec, State: rec.State, AgeS: seconds(rec.Heard, now)}
		info.Card = nil
		info.Redactors = p.redactors(rec.Origin)
		if m := p.openOf(rec.Origin); m != nil {
			m.describe(&info)
			info.AgeS = seconds(info.Heard, now)
			info.State = p.shown(rec, m.lastHeard(), now)
			if m.isFull() && (info.State == Current || info.State == Ageing) {
				info.State = Full
			}
		} else if card := p.about(rec.Card); card != nil {
			info.Name = card.Name // as accepting it would have it called
		}
		info.Lag = max(info.Offered, info.Size) - info.Size
		out = append(out, info)
	}
	return out
}

// describe tells what is known of an open mirror.
func (m *mirror) describe(info *LogInfo) {
	info.Size = m.log.Size()
	info.Faulty, info.Withheld, info.Missing = m.log.Count(ledger.Faulty), m.log.Count(ledger.Withheld), m.log.Count(ledger.Missing)
	info.Redacted = m.log.Redactions()
	m.mu.Lock()
	defer m.mu.Unlock()
	info.Heard, info.Name, info.Source, info.Error = m.heard, m.called, m.source, m.err
	if info.Error == nil && info.Missing > 0 {
		info.Error = m.withheld
	}
	info.LagKnown = len(m.offers) > 0
	for _, o := range m.offers {
		info.Offered = max(info.Offered, o.size)
	}
}

// redactors tells of each peer that mirrors this hub's own log how many of its
// redactions it says to have carried out.
func (p *Peers) redactors(origin string) map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out map[string]int
	for did, a := range p.asked {
		if n, ok := a.redacted[origin]; ok {
			if out == nil {
				out = map[string]int{}
			}
			out[did] = n
		}
	}
	return out
}

// RedactedBy tells of each peer that has asked here since the start how many
// redactions of the own log it has carried out, as it says. The error is
// vocab.Problems with code access.forbidden.
func (p *Peers) RedactedBy(_ context.Context, who access.Who) (map[string]int, error) {
	if err := who.Need(access.PeerRead); err != nil {
		return nil, err
	}
	return p.redactors(p.c.Log.Origin()), nil
}

// Stats are figures for metrics.
type Stats struct {
	Peers   map[State]int
	Mirrors map[LogState]int
	In, Out int64 // bytes of links that are open
	Logs    []LogInfo
}

// Stats counts peers and mirrors.
func (p *Peers) Stats() Stats {
	s := Stats{Peers: map[State]int{}, Mirrors: map[LogState]int{}, Logs: p.logs("")}
	for _, peer := range p.store.allPeers() {
		s.Peers[peer.State]++
	}
	for _, log := range s.Logs {
		s.Mirrors[log.State]++
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.links {
		s.In += l.in.Load()
		s.Out += l.out.Load()
	}
	return s
}

// seconds rounds a time to whole ones; -1 stands for never.
func seconds(since, now time.Time) int64 {
	if since.IsZero() {
		return -1
	}
	return int64(max(now.Sub(since), 0) / time.Second)
}

package web

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"lianmu/hub/access"
	"lianmu/hub/peering"
	"lianmu/vocab"
)

// paperPeers are the peers that a test puts into the town; what officers do is
// noted, and fails as the test says.
type paperPeers struct{ w *town }

func (p paperPeers) may(who access.Who, right access.Right) error {
	if !who.May(right) {
		return vocab.Problems{vocab.NewProblem("", "access.forbidden", "没有权限", "not allowed")}
	}
	return p.w.fail
}

func (p paperPeers) Card() []byte { return []byte(p.w.card) }

func (p paperPeers) List(_ context.Context, who access.Who) ([]peering.PeerInfo, error) {
	list := slices.Clone(p.w.peers)
	for i := range list {
		list[i].Card = nil
	}
	return list, p.may(who, access.PeerRead)
}

func (p paperPeers) Logs(_ context.Context, who access.Who) ([]peering.LogInfo, error) {
	all := slices.Clone(p.w.loose)
	for _, peer := range p.w.peers {
		all = append(all, peer.Logs...)
	}
	return all, p.may(who, access.PeerRead)
}

func (p paperPeers) Detail(_ context.Context, who access.Who, did string) (peering.PeerInfo, error) {
	if err := p.may(who, access.PeerRead); err != nil {
		return peering.PeerInfo{}, err
	}
	for _, peer := range p.w.peers {
		if peer.DID == did {
			return peer, nil
		}
	}
	return peering.PeerInfo{}, vocab.Problems{vocab.NewProblem("", "peer.unknown", "没有对等节点", "no such peer")}
}

func (p paperPeers) Faults(_ context.Context, who access.Who, _ string) ([]peering.Fault, error) {
	return p.w.faults, p.may(who, access.PeerRead)
}

func (p paperPeers) RedactedBy(_ context.Context, who access.Who) (map[string]int, error) {
	done := map[string]int{}
	for i, peer := range p.w.peers {
		done[peer.DID] = i + 3
	}
	return done, p.may(who, access.PeerRead)
}

func (p paperPeers) Discover(_ context.Context, who access.Who, address string) ([]byte, error) {
	if err := p.may(who, access.PeerManage); err != nil {
		return nil, err
	}
	p.note("discover", address)
	return []byte(p.w.card), p.w.peerFail
}

func (p paperPeers) Preview(_ context.Context, who access.Who, card []byte) (*peering.Preview, error) {
	if err := p.may(who, access.PeerRead); err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(card, []byte("{")) {
		return nil, vocab.Problems{vocab.NewProblem("", "peer.card", "这不是有效的<名片>", "no <card>")}
	}
	preview := p.w.preview
	return &preview, nil
}

func (p paperPeers) Add(_ context.Context, who access.Who, invite peering.Invite, terms peering.Terms) (peering.PeerInfo, error) {
	if err := p.may(who, access.PeerManage); err != nil {
		return peering.PeerInfo{}, err
	}
	p.note("add", string(invite.Card), invite.URL, terms)
	return peering.PeerInfo{Peer: peering.Peer{DID: p.w.preview.Peer.Hub}}, p.w.peerFail
}

func (p paperPeers) Approve(_ context.Context, who access.Who, did string, terms peering.Terms) (peering.PeerInfo, error) {
	return peering.PeerInfo{}, p.do(who, "approve", did, terms)
}

func (p paperPeers) Pause(_ context.Context, who access.Who, did string) error {
	return p.do(who, "pause", did)
}

func (p paperPeers) Resume(_ context.Context, who access.Who, did string) error {
	return p.do(who, "resume", did)
}

func (p paperPeers) Block(_ context.Context, who access.Who, did string) error {
	return p.do(who, "block", did)
}

func (p paperPeers) Remove(_ context.Context, who access.Who, did string, purge bool) error {
	return p.do(who, "remove", did, purge)
}

func (p paperPeers) Accept(_ context.Context, who access.Who, origin string) error {
	return p.do(who, "accept", origin)
}

func (p paperPeers) do(who access.Who, what ...any) error {
	if err := p.may(who, access.PeerManage); err != nil {
		return err
	}
	p.note(what...)
	return p.w.peerFail
}

func (p paperPeers) note(what ...any) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	p.w.deeds = append(p.w.deeds, strings.TrimSpace(fmt.Sprintln(what...)))
}

package peering

import (
	"context"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"lianmu/hub/access"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

// AddShown is Add of a card that an officer has looked at (see Discover and
// Preview): that card's hub becomes a peer and no other, whoever answers at the
// address by now. The hub is dialled at address first, where that is not "".
//
// Errors are those of Add.
func (p *Peers) AddShown(ctx context.Context, who access.Who, card []byte, address string, terms Terms) (info PeerInfo, err error) {
	read, err := p.cards.read(ctx, card)
	if err != nil {
		return info, err
	}
	var addresses []string
	if address != "" {
		if _, err := parseAddress(address); err != nil {
			return info, err
		}
		addresses = []string{address}
	}
	err = p.act(ctx, who, "peer.add", read.Hub, func(ctx context.Context) (string, error) {
		if read.Hub == p.did() {
			return "", vocab.Problems{vocab.NewProblem("", "peer.self",
				"这是本节点自己的名片。请使用对方节点生成的名片。", "this is this hub's own card: use the one that the other hub made")}
		}
		return p.approve(ctx, who, read.Hub, read, addresses, terms)
	})
	if err != nil {
		return info, err
	}
	return p.info(read.Hub)
}

// ReadCard checks a log card by itself, as a hub does: that the hub that it names
// signed it, and that log and key bear that hub's name. Errors are vocab.Problems
// with code peer.card, or what is wrong with the document.
func ReadCard(ctx context.Context, p *jsonld.Processor, r *shape.Reader, raw []byte, now func() time.Time) (*Card, error) {
	known, err := lru.New[vocab.Digest, *Card](1)
	if err != nil {
		return nil, err
	}
	return cards{processor: p, reader: r, now: now, known: known}.read(ctx, raw)
}

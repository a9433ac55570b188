package peering

import (
	"cmp"
	"context"
	"slices"

	"lianmu/hub/access"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// Preview is what would leave if a hub were approved.
type Preview struct {
	Peer  vocab.LogCard `json:"peer"`
	Words Words         `json:"words"` // to be compared with what its operator reads out
	// Outbound: it is outside the mainland, so approving it needs a recorded reason.
	Outbound bool `json:"outbound"`
	// Entries is the size of the own log: of each the leaf record leaves, which holds
	// a kind, a time and digests.
	Entries uint64         `json:"entries"`
	Rows    []PreviewRow   `json:"rows"`
	Notes   vocab.Problems `json:"notes,omitempty"` // what else to mind
}

// PreviewRow counts the offerings shown here of one audience and security level.
type PreviewRow struct {
	Audience  vocab.Audience `json:"audience"`
	Level     string         `json:"level,omitempty"` // code; "": not said
	Label     vocab.Text     `json:"label,omitempty"`
	Offerings int            `json:"offerings"`
	Leaves    bool           `json:"leaves"` // documents go to the peer; else their leaf records alone
}

// Preview tells what would leave to the hub of a card; of an address first ask
// Discover. Errors are vocab.Problems (access.forbidden, peer.card, busy).
func (p *Peers) Preview(ctx context.Context, who access.Who, card []byte) (*Preview, error) {
	if err := who.Need(access.PeerRead); err != nil {
		return nil, err
	}
	read, err := p.cards.read(ctx, card)
	if err != nil {
		return nil, err
	}
	out := &Preview{
		Peer: read.LogCard, Words: Fingerprint(read.Hub), Outbound: read.Jurisdiction != mainland, Entries: p.c.Log.Size(),
	}
	for _, audience := range []vocab.Audience{vocab.AudiencePublic, vocab.AudienceRecognised, vocab.AudienceSpace} {
		rows, err := p.count(ctx, audience)
		if err != nil {
			return nil, err
		}
		out.Rows = append(out.Rows, rows...)
	}
	out.Notes = append(p.misleading(read), notes(read)...)
	if slices.ContainsFunc(out.Rows, func(r PreviewRow) bool { return r.Audience == vocab.AudienceSpace }) {
		// Importance is not in the index, so these cannot be counted apart.
		out.Notes = append(out.Notes, vocab.NewProblem("", "peer.important",
			"重要数据计在“本空间”各行。批准时若写明提供重要数据的依据，其中除此之外本应公开的条目也会离开本节点。",
			"Important data (重要数据) are counted in the rows for the space alone. If a ground for giving important data is stated, those of them that would else be public leave too."))
	}
	return out, nil
}

// count counts by level what is for an audience in the own log.
func (p *Peers) count(ctx context.Context, audience vocab.Audience) ([]PreviewRow, error) {
	a, err := p.c.Catalog.Find(ctx, view.Question{
		Filter: []string{"audience:" + string(audience), "hub:" + p.c.Log.Origin()}, Facets: []string{"level"}, Limit: 1,
		Stale: true, Reader: vocab.Reader{All: true},
	})
	if err != nil {
		return nil, err
	}
	left := int(a.Total)
	var rows []PreviewRow
	row := func(code string, n int) {
		if n > 0 {
			rows = append(rows, PreviewRow{
				Audience: audience, Level: code, Label: vocab.Levels.Label(code), Offerings: n, Leaves: audience == vocab.AudiencePublic,
			})
		}
	}
	for _, v := range a.Facets["level"] {
		row(v.Value, v.Count)
		left -= v.Count
	}
	row("", left)
	slices.SortFunc(rows, func(a, b PreviewRow) int { return cmp.Compare(a.Level, b.Level) })
	return rows, nil
}

// notes says what to mind about a hub beside the counts.
func notes(card *Card) (ps vocab.Problems) {
	add := func(code, zh, en string, args ...any) { ps = append(ps, vocab.NewProblem("", code, zh, en, args...)) }
	if card.Jurisdiction != mainland {
		add("peer.outbound", "对方节点的法域为 %s：批准前须完成出境评估，并用 --outbound 写明依据。",
			"The peer is under the law of %s: approving it needs an assessment and its ground (--outbound).", card.Jurisdiction)
	}
	if card.Agreement.IsZero() {
		add("peer.agreement", "对方没有写明交换协议。", "The peer names no agreement.")
	}
	if card.Contact == "" {
		add("peer.contact", "对方没有留下联系部门。", "The peer names no contact desk.")
	}
	if len(card.Addresses) == 0 {
		add("peer.no_address", "名片上没有地址：本节点不会主动连接对方，只能用离线包交换。",
			"The card has no address: this hub will not dial the peer; logs can be exchanged as bundles.")
	}
	for _, a := range card.Addresses {
		if plain(a) {
			add("peer.plain", "地址 %s 没有 TLS：途中的人能看到交换的内容，但改不了。", "The address %s is without TLS: whoever is in between can read what is exchanged, though not alter it.", a)
		}
	}
	if card.Open {
		add("peer.open", "对方是开放试用节点：任何人都能在那里发布。", "The peer is an open hub for trials: anybody can publish there.")
	}
	return ps
}

package peering

import (
	"context"
	"errors"
	"io/fs"

	"lianmu/federation/exchange"
	"lianmu/federation/ledger"
	"lianmu/hub/access"
	"lianmu/vocab"
)

// MaxFaults is the most faulty entries of a log that are told of.
const MaxFaults = 100

// Fault is an entry of a mirrored log that does not stand: it is kept as evidence
// and in no view.
type Fault struct {
	Index   uint64        `json:"index"`
	Problem vocab.Problem `json:"problem"`
}

// Faults tells of the first MaxFaults faulty entries of a mirrored log, by index;
// LogInfo counts all. It is empty for a log that is not open. Errors are
// vocab.Problems with code access.forbidden, or those of the store.
func (p *Peers) Faults(ctx context.Context, who access.Who, origin string) ([]Fault, error) {
	if err := who.Need(access.PeerRead); err != nil {
		return nil, err
	}
	m := p.openOf(origin)
	if m == nil {
		return nil, nil
	}
	first := m.log.First(ledger.Faulty)
	var out []Fault
	for _, index := range first[:min(len(first), MaxFaults)] {
		_, why, err := m.log.Evidence(ctx, index)
		if errors.Is(err, fs.ErrNotExist) {
			continue // redacted just now
		}
		if err != nil {
			return nil, err
		}
		out = append(out, Fault{index, exchange.FaultOf(why)})
	}
	return out, nil
}

package view

import (
	"cmp"
	"context"
	"slices"

	"lianmu/index"
	"lianmu/index/query"
	"lianmu/vocab"
)

// Suggest completes prefix among what the reader may see.
func (cat *Catalog) Suggest(ctx context.Context, prefix string, reader vocab.Reader, limit int) ([]index.Suggestion, error) {
	states := cat.c.States()
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	return cat.ix.Suggest(ctx, prefix, reader, limit, cat.without(cat.ix, states)...)
}

// Spaces lists the spaces that have an entry, by their Chinese names, with the
// number of offerings that the reader may see.
func (cat *Catalog) Spaces(ctx context.Context, reader vocab.Reader) ([]SpaceSummary, error) {
	logs := cat.c.States()
	cat.mu.RLock()
	res, err := cat.ix.Search(ctx, index.Request{
		Query: query.All{}, Reader: reader, Facets: []string{"space"}, FacetSize: index.MaxFacetSize, Limit: 1, Without: cat.without(cat.ix, logs),
	})
	cat.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for _, v := range res.Facets["space"] {
		counts[v.Value] = v.Count
	}
	states := cat.c.Union.Spaces()
	out := make([]SpaceSummary, len(states))
	for i, s := range states {
		out[i] = SpaceSummary{Space: s.Space, Log: s.Log, State: cat.stateOf(logs, s.Log), Offerings: counts[s.Space.DID]}
		if reader.MaySee(vocab.AudienceSpace, s.Space.DID) {
			// Leaf records have a time, and no name: to others this would put a
			// name to hidden entries, withdrawals too.
			out[i].LastEntry = s.LastEntry
		}
	}
	slices.SortStableFunc(out, func(a, b SpaceSummary) int { return cmp.Compare(a.Name.In("zh"), b.Name.In("zh")) })
	return out, nil
}

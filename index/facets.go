package index

import (
	"cmp"
	"context"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	index "github.com/blevesearch/bleve_index_api"
)

// counts are facets: field → value → documents.
type counts map[string]map[string]int

// count counts facets over what was found, a bitmap of local document numbers
// for each segment of snap.
func (ix *Index) count(ctx context.Context, snap *scorch.IndexSnapshot, found []*roaring.Bitmap, facets []string) (counts, error) {
	out := make(counts, len(facets))
	for _, f := range facets {
		out[f] = map[string]int{}
	}
	if len(facets) == 0 {
		return out, nil
	}
	segments := snap.Segments()
	cols := make([][]*column, len(segments))
	base := uint64(0)
	for i, s := range segments {
		var err error
		if cols[i], err = ix.columns.of(ctx, s, facets); err != nil {
			return nil, err
		}
		var without []string
		for j, f := range facets {
			if cols[i][j] == nil {
				without = append(without, f)
			}
		}
		if err := out.addValues(ctx, snap, base, found[i], without); err != nil {
			return nil, err
		}
		base += s.Segment().Count()
	}
	unions := make([]*union, len(facets))
	sums := make([][]uint32, len(facets))
	for j, f := range facets {
		all := make([]*column, len(segments))
		for i := range segments {
			all[i] = cols[i][j]
		}
		unions[j] = ix.columns.unite(f, all)
		sums[j] = make([]uint32, len(unions[j].terms))
	}
	for i, s := range segments {
		if found[i].IsEmpty() {
			continue
		}
		for j, counted := range countColumns(cols[i], found[i], s.Segment().Count()) {
			if counted == nil {
				continue
			}
			numbers, sums := unions[j].numbers[i], sums[j]
			for k, count := range counted[1:] {
				sums[numbers[k]] += count
			}
		}
	}
	for j, f := range facets {
		for k, count := range sums[j] {
			if count > 0 {
				out[f][unions[j].terms[k]] += int(count)
			}
		}
	}
	return out, nil
}

// addValues counts from bleve's doc values, document by document: for what
// there are no columns of.
func (n counts) addValues(ctx context.Context, snap *scorch.IndexSnapshot, base uint64, found *roaring.Bitmap, facets []string) error {
	if len(facets) == 0 {
		return nil
	}
	values, err := snap.DocValueReader(facets)
	if err != nil {
		return err
	}
	visit := func(field string, term []byte) { n[field][string(term)]++ }
	var id index.IndexInternalID
	for docs, i := found.Iterator(), 0; docs.HasNext(); i++ {
		if i%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		id = index.NewIndexInternalID(id, base+uint64(docs.Next()))
		if err := values.VisitDocValues(id, visit); err != nil {
			return err
		}
	}
	return nil
}

// top are the commonest values, equal counts by value.
func (n counts) top(field string, size int) []FacetValue {
	all := make([]FacetValue, 0, len(n[field]))
	for v, count := range n[field] {
		all = append(all, FacetValue{Value: v, Count: count})
	}
	slices.SortFunc(all, func(a, b FacetValue) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	all = slices.Clip(all[:min(size, len(all))])
	for i := range all {
		all[i].Label = labelOf(field, all[i].Value)
	}
	return all
}

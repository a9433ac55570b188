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
	all := make([][]*column, len(facets)) // by facet and segment
	for j := range facets {
		all[j] = make([]*column, len(segments))
	}
	base := uint64(0)
	for i, s := range segments {
		cols, err := ix.columns.of(ctx, s, facets)
		if err != nil {
			return nil, err
		}
		var without []string
		for j, f := range facets {
			if all[j][i] = cols[j]; cols[j] == nil {
				without = append(without, f)
			}
		}
		if err := out.addValues(ctx, snap, base, found[i], without); err != nil {
			return nil, err
		}
		base += s.Segment().Count()
	}
	for j, f := range facets {
		out.addColumns(f, ix.columns.unite(f, all[j]), found)
	}
	return out, nil
}

// addColumns counts from columns; those that are nil have been seen to.
func (n counts) addColumns(field string, u *union, found []*roaring.Bitmap) {
	sums := make([]uint32, len(u.terms))
	for i, col := range u.columns {
		if col == nil || found[i].IsEmpty() {
			continue
		}
		for j, count := range col.count(found[i])[1:] {
			sums[u.numbers[i][j]] += count
		}
	}
	for i, count := range sums {
		if count > 0 {
			n[field][u.terms[i]] += int(count)
		}
	}
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

package index

import (
	"cmp"
	"container/heap"
	"context"
	"math"
	"slices"

	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/search"
	index "github.com/blevesearch/bleve_index_api"
)

// order is what a page is sorted by.
type order struct {
	field string // of column values; "" is the score, highest first
	down  bool
}

// row is one match with its place in the order.
type row struct {
	num   uint64 // document number in the snapshot
	score float64
	value string // of order.field
	key   string // of the document; read only to break ties
}

// page is what collect is asked for.
type page struct {
	order  order
	size   int      // rows wanted, of the first of the order
	after  *mark    // only what stands behind it; nil: all
	facets []string // fields to count over all matches
}

// counts are facets: field → value → documents.
type counts struct {
	total  uint64
	values map[string]map[string]int
}

// collection is what collect found.
type collection struct {
	counts
	rows []row // in order
	left bool  // more stand behind them
}

// collect runs s to its end. It is the one place that touches every match, and
// everything it needs is in its arguments: a quicker collector takes its place.
func collect(ctx context.Context, snap *scorch.IndexSnapshot, s search.Searcher, p page) (*collection, error) {
	out := &collection{counts: counts{values: make(map[string]map[string]int, len(p.facets))}}
	for _, f := range p.facets {
		out.values[f] = map[string]int{}
	}
	c := &sorter{order: p.order, reader: newReader(snap)}
	var last row
	if p.after != nil {
		last = row{score: math.Float64frombits(p.after.Score), value: p.after.Value, key: string(p.after.ID)}
	}

	columns := slices.Clone(p.facets)
	if p.order.field != "" && p.size > 0 && !slices.Contains(columns, p.order.field) {
		columns = append(columns, p.order.field)
	}
	var values index.DocValueReader
	if len(columns) > 0 {
		var err error
		if values, err = snap.DocValueReader(columns); err != nil {
			return nil, err
		}
	}
	var value string
	visit := func(field string, term []byte) {
		if field == p.order.field {
			value = string(term)
		} else if n := out.values[field]; n != nil {
			n[string(term)]++
		}
	}

	behind := uint64(0)
	sctx := &search.SearchContext{DocumentMatchPool: search.NewDocumentMatchPool(s.DocumentMatchPoolSize()+1, 0), IndexReader: snap}
	for {
		if out.total%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		m, err := s.Next(sctx)
		if err != nil {
			return nil, err
		}
		if m == nil {
			break
		}
		out.total++
		if values != nil {
			value = ""
			if err := values.VisitDocValues(m.IndexInternalID, visit); err != nil {
				return nil, err
			}
		}
		if p.size > 0 {
			r := row{num: m.IndexInternalID.Value(), score: m.Score, value: value}
			if p.after == nil || c.compare(&r, &last) > 0 {
				behind++
				c.offer(r, p.size)
			}
		}
		sctx.DocumentMatchPool.Put(m)
		if c.err != nil {
			return nil, c.err
		}
	}
	slices.SortFunc(c.rows, func(a, b row) int { return c.compare(&a, &b) })
	out.rows, out.left = c.rows, behind > uint64(len(c.rows))
	return out, c.err
}

// sorter keeps the first rows of an order, the last of them on top.
type sorter struct {
	order  order
	reader *reader
	rows   []row
	err    error
}

// offer takes r if it is among the first size rows.
func (c *sorter) offer(r row, size int) {
	if len(c.rows) < size {
		heap.Push(c, r)
	} else if c.compare(&r, &c.rows[0]) < 0 {
		c.rows[0] = r
		heap.Fix(c, 0)
	}
}

// compare is negative where a comes before b. Keys are read from the index
// only where all else is equal.
func (c *sorter) compare(a, b *row) int {
	var n int
	if c.order.field == "" {
		n = cmp.Compare(b.score, a.score)
	} else if n = cmp.Compare(a.value, b.value); c.order.down {
		n = -n
	}
	if n == 0 {
		n = cmp.Compare(c.key(a), c.key(b))
	}
	return n
}

func (c *sorter) key(r *row) string {
	if r.key == "" {
		r.key, c.err = c.reader.key(r.num, c.err)
	}
	return r.key
}

// Len implements heap.Interface.
func (c *sorter) Len() int { return len(c.rows) }

// Less implements heap.Interface: the last of the order is on top.
func (c *sorter) Less(i, j int) bool { return c.compare(&c.rows[i], &c.rows[j]) > 0 }

// Swap implements heap.Interface.
func (c *sorter) Swap(i, j int) { c.rows[i], c.rows[j] = c.rows[j], c.rows[i] }

// Push implements heap.Interface.
func (c *sorter) Push(x any) { c.rows = append(c.rows, x.(row)) }

// Pop implements heap.Interface; nothing pops.
func (c *sorter) Pop() any {
	r := c.rows[len(c.rows)-1]
	c.rows = c.rows[:len(c.rows)-1]
	return r
}

// top are the commonest values, equal counts by value.
func (n *counts) top(field string, size int) []FacetValue {
	all := make([]FacetValue, 0, len(n.values[field]))
	for v, count := range n.values[field] {
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

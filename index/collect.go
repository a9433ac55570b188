package index

import (
	"cmp"
	"container/heap"
	"context"
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
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
	lot   *lot   // whose best it is; nil where it stands for itself
}

// page is what collect is asked for.
type page struct {
	order order
	size  int   // rows wanted, of the first of the order
	after *mark // only what stands behind it; nil: all
	found bool  // all matches are wanted, too

	alike *alike // documents of which one row is made; nil: none
}

// collection is what collect found.
type collection struct {
	total uint64            // rows of all pages
	rows  []row             // in order
	left  bool              // more stand behind them
	found []*roaring.Bitmap // where wanted: all matches, local numbers by segment
}

// collect runs s to its end, document by document. What needs no searcher goes
// a shorter way: see ranked.
func collect(ctx context.Context, snap *scorch.IndexSnapshot, s search.Searcher, p page) (*collection, error) {
	out := &collection{}
	c := newSorter(snap, p)
	var values index.DocValueReader
	if p.order.field != "" && p.size > 0 {
		var err error
		if values, err = snap.DocValueReader([]string{p.order.field}); err != nil {
			return nil, err
		}
	}
	var value string
	visit := func(_ string, term []byte) { value = string(term) }
	if p.found {
		out.found = make([]*roaring.Bitmap, len(snap.Segments()))
		for i := range out.found {
			out.found[i] = roaring.New()
		}
	}
	var lots *lots
	if p.alike != nil {
		lots = newLots(p.alike)
	}

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
		num := m.IndexInternalID.Value()
		var of *lot
		var rank uint8
		if p.found || lots != nil {
			i, local := c.reader.place(num)
			if p.found {
				out.found[i].Add(uint32(local))
			}
			if lots != nil {
				if of = lots.take(i, uint32(local), num); of != nil {
					rank = p.alike.rank(i, uint32(local))
				}
			}
		}
		if values != nil {
			value = ""
			if err := values.VisitDocValues(m.IndexInternalID, visit); err != nil {
				return nil, err
			}
		}
		r := row{num: num, score: m.Score, value: value}
		if of != nil {
			of.compete(c, r, rank)
		} else {
			c.offer(r)
		}
		sctx.DocumentMatchPool.Put(m)
		if c.err != nil {
			return nil, c.err
		}
	}
	if lots != nil {
		out.total -= lots.offer(c)
	}
	out.rows, out.left = c.sorted()
	return out, c.err
}

// sorter keeps the first rows of an order, the last of them on top.
type sorter struct {
	page
	last   row // of the page before
	reader *reader
	rows   []row
	behind uint64 // rows behind last that were offered or passed over
	err    error
}

func newSorter(snap *scorch.IndexSnapshot, p page) *sorter {
	c := &sorter{page: p, reader: newReader(snap)}
	if p.after != nil {
		c.last = row{score: math.Float64frombits(p.after.Score), value: p.after.Value, key: string(p.after.ID)}
	}
	return c
}

// offer takes r if it is among the first rows behind last.
func (c *sorter) offer(r row) {
	if c.size == 0 || c.after != nil && c.compare(&r, &c.last) <= 0 {
		return
	}
	c.behind++
	if len(c.rows) < c.size {
		heap.Push(c, r)
	} else if c.compare(&r, &c.rows[0]) < 0 {
		c.rows[0] = r
		heap.Fix(c, 0)
	}
}

// passes tells whether no row with at most this score would be taken, in an
// order by score. The sum that a score is may differ in its last digits from
// the bound on it, so a little is allowed for.
func (c *sorter) passes(score float64) bool {
	return len(c.rows) == c.size && (c.size == 0 || score*(1+1e-9) < c.rows[0].score)
}

// pass notes n rows that were not offered because passes said so: they stand
// behind all rows kept.
func (c *sorter) pass(n uint64) { c.behind += n }

// sorted are the rows in order, and whether more stand behind them.
func (c *sorter) sorted() (rows []row, left bool) {
	slices.SortFunc(c.rows, func(a, b row) int { return c.compare(&a, &b) })
	return c.rows, c.behind > uint64(len(c.rows))
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

package index

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// maxColumnBytes bounds the memory of all columns together, some 50 bytes a
// document with all facets; what does not fit is counted from bleve's doc
// values.
const maxColumnBytes = 192 << 20

// columns are those of the segments now in use, built when first counted.
type columns struct {
	limit int // bytes

	mu       sync.Mutex // guards the rest; not held while a column is built
	bytes    int
	segments map[uint64]*segmentColumns // by segment id, which scorch never gives twice
	unions   map[string]*union          // by field
}

// segmentColumns are one segment's columns by field; nil where one had no room.
type segmentColumns struct {
	bytes  int        // guarded by columns.mu
	mu     sync.Mutex // guards fields; held while one is built: others wait for it
	fields map[string]*column
}

func newColumns(limit int) *columns {
	return &columns{limit: limit, segments: map[uint64]*segmentColumns{}, unions: map[string]*union{}}
}

// retain drops the columns of segments that snap has no more.
func (c *columns) retain(snap *scorch.IndexSnapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.segments) == 0 {
		return
	}
	used := make(map[uint64]bool, len(snap.Segments()))
	for _, s := range snap.Segments() {
		used[s.Id()] = true
	}
	for id, s := range c.segments {
		if !used[id] {
			c.bytes -= s.bytes
			delete(c.segments, id)
			clear(c.unions) // they hold columns, too
		}
	}
}

// of returns a segment's columns of some fields, in their order; nil where one
// has no room.
func (c *columns) of(ctx context.Context, s *scorch.SegmentSnapshot, fields []string) ([]*column, error) {
	c.mu.Lock()
	had := c.segments[s.Id()]
	if had == nil {
		had = &segmentColumns{fields: map[string]*column{}}
		c.segments[s.Id()] = had
	}
	c.mu.Unlock()
	had.mu.Lock()
	defer had.mu.Unlock()
	out := make([]*column, len(fields))
	for i, f := range fields {
		col, ok := had.fields[f]
		if !ok {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			var err error
			if col, err = newColumn(s.Segment(), f); err != nil {
				return nil, err
			}
			if !c.take(s.Id(), had, col.size()) {
				col = nil // not to be built again at every search
			}
			had.fields[f] = col
		}
		out[i] = col
	}
	return out, nil
}

// take counts bytes in, where there is room. Those of a segment dropped
// meanwhile go with it and are not counted.
func (c *columns) take(id uint64, s *segmentColumns, bytes int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.segments[id] != s {
		return true
	}
	if c.bytes+bytes > c.limit {
		return false
	}
	c.bytes += bytes
	s.bytes += bytes
	return true
}

// column is one facet of one segment: for each document which of the terms it
// holds. A segment never changes, so neither does its column; documents deleted
// later stay in it, and whoever counts leaves them out.
type column struct {
	terms  []string
	totals []uint32 // documents of each term
	// Where no document holds more than maxSlots terms, and there are few
	// terms, document d holds slots[d*width:(d+1)*width], as 1 + the index of
	// the term, or 0. Else it holds ords[starts[d]:starts[d+1]].
	width  int
	slots  []uint16
	starts []uint32
	ords   []uint32
}

const maxSlots = 3

// newColumn turns a field over. Reading each document's doc values instead would
// take a hundred times as long.
func newColumn(s segment.Segment, field string) (*column, error) {
	c := &column{}
	held := make([]uint32, s.Count()) // terms of each document
	var docs []uint32                 // of all terms, one term after the other
	err := turnOver(s, field, func(term string) {
		c.terms, c.totals = append(c.terms, term), append(c.totals, 0)
	}, func(doc uint32) {
		docs = append(docs, doc)
		held[doc]++
		c.totals[len(c.totals)-1]++
	})
	if err != nil {
		return nil, err
	}
	c.fill(docs, held)
	return c, nil
}

// turnOver goes through the dictionary and postings of a field of a segment: term
// is called for each of its terms in order, and after that doc for each document
// that holds it, gone or not.
func turnOver(s segment.Segment, field string, term func(string), doc func(uint32)) error {
	dict, err := s.Dictionary(field)
	if err != nil {
		return err
	}
	var list segment.PostingsList
	var postings segment.PostingsIterator
	for entries := dict.AutomatonIterator(nil, nil, nil); ; {
		entry, err := entries.Next()
		if err != nil || entry == nil {
			return err
		}
		if list, err = dict.PostingsList([]byte(entry.Term), nil, list); err != nil {
			return err
		}
		term(entry.Term)
		postings = list.Iterator(false, false, false, postings)
		for {
			at, err := postings.Next()
			if err != nil {
				return err
			}
			if at == nil {
				break
			}
			if at.Number() >= s.Count() {
				return fmt.Errorf("%w: a posting of %s beyond the segment", ErrDamaged, field)
			}
			doc(uint32(at.Number()))
		}
	}
}

// fill arranges docs, the documents of all terms, by document.
func (c *column) fill(docs, held []uint32) {
	most := uint32(0)
	for _, n := range held {
		most = max(most, n)
	}
	if most <= maxSlots && len(c.terms) < 1<<16-1 {
		c.width = int(most)
		c.slots = make([]uint16, len(held)*c.width)
	} else {
		c.starts = make([]uint32, len(held)+1)
		for d, n := range held {
			c.starts[d+1] = c.starts[d] + n
		}
		c.ords = make([]uint32, len(docs))
	}
	clear(held)
	for ord, n := range c.totals {
		for _, d := range docs[:n] {
			if c.starts == nil {
				c.slots[int(d)*c.width+int(held[d])] = uint16(ord + 1)
			} else {
				c.ords[c.starts[d]+held[d]] = uint32(ord)
			}
			held[d]++
		}
		docs = docs[n:]
	}
}

// size is what the column takes in memory, in bytes, about; its share of a
// union included.
func (c *column) size() int {
	n := 2*len(c.slots) + 4*(len(c.starts)+len(c.ords)+len(c.totals)) + (16+32)*len(c.terms)
	for _, t := range c.terms {
		n += len(t)
	}
	return n
}

// countColumns returns for each column, all of one segment, how many documents
// of found hold each term, with one more at its head that says nothing. The
// fewer documents are looked at: those in found, or those not. Columns that are
// nil have no counts.
func countColumns(cols []*column, found *roaring.Bitmap, docs uint64) [][]uint32 {
	counts := make([][]uint32, len(cols))
	for i, c := range cols {
		if c != nil {
			counts[i] = make([]uint32, len(c.terms)+1)
		}
	}
	most := 2*found.GetCardinality() > docs
	if most {
		found = roaring.Flip(found, 0, docs)
	}
	var block [1024]uint32
	for it := found.ManyIterator(); ; {
		n := it.NextMany(block[:])
		if n == 0 {
			break
		}
		for i, c := range cols {
			if c != nil {
				c.add(block[:n], counts[i])
			}
		}
	}
	for i, c := range cols {
		if c != nil && most {
			for j, n := range c.totals {
				counts[i][j+1] = n - counts[i][j+1]
			}
		}
	}
	return counts
}

// add counts the terms of some documents.
func (c *column) add(docs, counts []uint32) {
	switch {
	case c.starts != nil:
		for _, d := range docs {
			for _, ord := range c.ords[c.starts[d]:c.starts[d+1]] {
				counts[ord+1]++
			}
		}
	case c.width == 1: // most fields
		for _, d := range docs {
			counts[c.slots[d]]++
		}
	case c.width == 2:
		for _, d := range docs {
			counts[c.slots[2*d]]++
			counts[c.slots[2*d+1]]++
		}
	default:
		for _, d := range docs {
			for _, ord := range c.slots[int(d)*c.width : (int(d)+1)*c.width] {
				counts[ord]++
			}
		}
	}
}

// union numbers the terms of a field's columns in several segments, so that
// their counts can be added without looking at the terms.
type union struct {
	columns []*column
	terms   []string
	numbers [][]uint32 // by column and index of its term
}

// unite returns the union of columns of one field; the last one is kept, as
// long as the same segments are asked about.
func (c *columns) unite(field string, of []*column) *union {
	c.mu.Lock()
	u := c.unions[field]
	c.mu.Unlock()
	if u != nil && slices.Equal(u.columns, of) {
		return u
	}
	u = &union{columns: slices.Clone(of), numbers: make([][]uint32, len(of))}
	known := map[string]uint32{}
	for i, col := range of {
		if col == nil {
			continue
		}
		u.numbers[i] = make([]uint32, len(col.terms))
		for j, t := range col.terms {
			n, ok := known[t]
			if !ok {
				n = uint32(len(u.terms))
				known[t] = n
				u.terms = append(u.terms, t)
			}
			u.numbers[i][j] = n
		}
	}
	c.mu.Lock()
	c.unions[field] = u
	c.mu.Unlock()
	return u
}

package index

import (
	"math"

	"github.com/blevesearch/bleve/v2/search"
	index "github.com/blevesearch/bleve_index_api"
	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// anyField matches where one term stands in any of some text fields, and scores
// like bestOf over bleve's own term searchers: BM25, the best field and a share
// of the others. It walks the postings itself, a segment at a time, at a third
// of the cost a match: one term is what most searches are.
type anyField struct {
	segments []anyFieldSegment
	at       int // the current segment
	count    uint64
	others   float64
}

// anyFieldSegment is one segment's postings of the term.
type anyFieldSegment struct {
	base   uint64 // document number of its first document in the snapshot
	size   uint64
	fields []fieldPostings
}

// fieldPostings walks one field's postings in one segment.
type fieldPostings struct {
	postings segment.PostingsIterator
	now      segment.Posting // nil at the end
	started  bool
	weight   float64 // what BM25's share of frequency and length is multiplied with
	length   float64 // nominal length of the field
}

var _ search.Searcher = (*anyField)(nil)

func newAnyField(c *compiler, fields []textField, term string, others float64) (*anyField, error) {
	s := &anyField{others: others}
	lists := make([][]segment.PostingsList, len(fields))
	counts := make([]uint64, len(fields))
	for i, f := range fields {
		for n, seg := range c.snap.Segments() {
			dict, err := seg.Segment().Dictionary(f.name)
			if err != nil {
				return nil, err
			}
			list, err := dict.PostingsList([]byte(term), seg.Deleted(), nil)
			if err != nil {
				return nil, err
			}
			lists[i] = append(lists[i], list)
			s.count += list.Count()
			count, err := c.census.count(n, list)
			if err != nil {
				return nil, err
			}
			counts[i] += count
		}
	}
	base := uint64(0)
	for n, seg := range c.snap.Segments() {
		part := anyFieldSegment{base: base, size: seg.Segment().Count()}
		base += part.size
		for i, f := range fields {
			if lists[i][n].Count() == 0 {
				continue
			}
			part.fields = append(part.fields, fieldPostings{
				postings: lists[i][n].Iterator(true, true, false, nil),
				weight:   weightOf(c.census.total, counts[i], f.boost), length: float64(f.length),
			})
		}
		if len(part.fields) > 0 {
			s.segments = append(s.segments, part)
		}
	}
	return s, nil
}

// Next implements search.Searcher.
func (s *anyField) Next(ctx *search.SearchContext) (*search.DocumentMatch, error) {
	for ; s.at < len(s.segments); s.at++ {
		seg := &s.segments[s.at]
		lowest, found := uint64(0), false
		for i := range seg.fields {
			f := &seg.fields[i]
			if !f.started {
				if err := f.next(); err != nil {
					return nil, err
				}
			}
			if f.now != nil && (!found || f.now.Number() < lowest) {
				lowest, found = f.now.Number(), true
			}
		}
		if !found {
			continue
		}
		best, sum := 0.0, 0.0
		for i := range seg.fields {
			f := &seg.fields[i]
			if f.now == nil || f.now.Number() != lowest {
				continue
			}
			score := f.score()
			best = max(best, score)
			sum += score
			if err := f.next(); err != nil {
				return nil, err
			}
		}
		m := ctx.DocumentMatchPool.Get()
		m.IndexInternalID = index.NewIndexInternalID(m.IndexInternalID, seg.base+lowest)
		m.Score = best + s.others*(sum-best)
		return m, nil
	}
	return nil, nil
}

// Advance implements search.Searcher.
func (s *anyField) Advance(ctx *search.SearchContext, id index.IndexInternalID) (*search.DocumentMatch, error) {
	num := id.Value()
	for s.at < len(s.segments) && num >= s.segments[s.at].base+s.segments[s.at].size {
		s.at++
	}
	if s.at < len(s.segments) && num > s.segments[s.at].base {
		seg := &s.segments[s.at]
		for i := range seg.fields {
			if err := seg.fields[i].advance(num - seg.base); err != nil {
				return nil, err
			}
		}
	}
	return s.Next(ctx)
}

func (f *fieldPostings) next() (err error) {
	f.started = true
	f.now, err = f.postings.Next()
	return err
}

// advance moves to num or behind it.
func (f *fieldPostings) advance(num uint64) (err error) {
	if f.started && (f.now == nil || f.now.Number() >= num) {
		return nil
	}
	f.started = true
	f.now, err = f.postings.Advance(num)
	return err
}

// score is bleve's BM25 of the current posting: the square root of the
// frequency, saturating, against the field's length.
func (f *fieldPostings) score() float64 {
	tf := math.Sqrt(float64(f.now.Frequency()))
	norm := f.now.Norm()
	length := 1 / (norm * norm)
	return f.weight * tf * search.BM25_k1 /
		(tf + search.BM25_k1*(1-search.BM25_b+search.BM25_b*length/f.length))
}

// Close implements search.Searcher; the snapshot is its caller's.
func (s *anyField) Close() error { return nil }

// Weight implements search.Searcher.
func (s *anyField) Weight() float64 { return 0 }

// SetQueryNorm implements search.Searcher: the norm is always 1 here.
func (s *anyField) SetQueryNorm(float64) {}

// Count implements search.Searcher.
func (s *anyField) Count() uint64 { return s.count }

// Min implements search.Searcher.
func (s *anyField) Min() int { return 0 }

// Size implements search.Searcher.
func (s *anyField) Size() int { return 0 }

// DocumentMatchPoolSize implements search.Searcher.
func (s *anyField) DocumentMatchPoolSize() int { return 1 }

package index

import (
	"github.com/blevesearch/bleve/v2/search"
	index "github.com/blevesearch/bleve_index_api"
)

// bestOf matches where any child does and scores by the best child, plus a
// share of the others. bleve's own disjunction multiplies by the share of
// children that match, so that a document with the word in its title alone
// would fall behind one that mentions it in passing in three fields.
type bestOf struct {
	children []search.Searcher
	current  []*search.DocumentMatch // of each child; nil at its end
	others   float64                 // share of the score of those not best
	started  bool
}

var _ search.Searcher = (*bestOf)(nil)

// Next implements search.Searcher.
func (s *bestOf) Next(ctx *search.SearchContext) (*search.DocumentMatch, error) {
	if !s.started {
		s.started = true
		for i, c := range s.children {
			m, err := c.Next(ctx)
			if err != nil {
				return nil, err
			}
			s.current[i] = m
		}
	}
	return s.take(ctx)
}

// Advance implements search.Searcher.
func (s *bestOf) Advance(ctx *search.SearchContext, id index.IndexInternalID) (*search.DocumentMatch, error) {
	for i, c := range s.children {
		m := s.current[i]
		if s.started && (m == nil || m.IndexInternalID.Compare(id) >= 0) {
			continue
		}
		if m != nil {
			ctx.DocumentMatchPool.Put(m)
		}
		m, err := c.Advance(ctx, id)
		s.current[i] = m
		if err != nil {
			return nil, err
		}
	}
	s.started = true
	return s.take(ctx)
}

// take returns the lowest current document and moves its children on.
func (s *bestOf) take(ctx *search.SearchContext) (*search.DocumentMatch, error) {
	var lowest *search.DocumentMatch
	for _, m := range s.current {
		if m != nil && (lowest == nil || m.IndexInternalID.Compare(lowest.IndexInternalID) < 0) {
			lowest = m
		}
	}
	if lowest == nil {
		return nil, nil
	}
	best, sum := 0.0, 0.0
	for i, m := range s.current {
		if m == nil || m.IndexInternalID.Compare(lowest.IndexInternalID) != 0 {
			continue
		}
		best = max(best, m.Score)
		sum += m.Score
		next, err := s.children[i].Next(ctx)
		if err != nil {
			return nil, err
		}
		s.current[i] = next
		if m != lowest {
			ctx.DocumentMatchPool.Put(m)
		}
	}
	lowest.Score = best + s.others*(sum-best)
	return lowest, nil
}

// Close implements search.Searcher.
func (s *bestOf) Close() error {
	var first error
	for _, c := range s.children {
		if err := c.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Weight implements search.Searcher.
func (s *bestOf) Weight() float64 {
	sum := 0.0
	for _, c := range s.children {
		sum += c.Weight()
	}
	return sum
}

// SetQueryNorm implements search.Searcher.
func (s *bestOf) SetQueryNorm(norm float64) {
	for _, c := range s.children {
		c.SetQueryNorm(norm)
	}
}

// Count implements search.Searcher.
func (s *bestOf) Count() uint64 {
	sum := uint64(0)
	for _, c := range s.children {
		sum += c.Count()
	}
	return sum
}

// Min implements search.Searcher.
func (s *bestOf) Min() int { return 0 }

// Size implements search.Searcher.
func (s *bestOf) Size() int {
	sum := 0
	for _, c := range s.children {
		sum += c.Size()
	}
	return sum
}

// DocumentMatchPoolSize implements search.Searcher.
func (s *bestOf) DocumentMatchPoolSize() int {
	sum := len(s.children)
	for _, c := range s.children {
		sum += c.DocumentMatchPoolSize()
	}
	return sum
}

package index

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/search"
	segment "github.com/blevesearch/scorch_segment_api/v2"

	"lianmu/index/query"
)

// Most searches are for one word, and want the best of what it finds. Their
// matches are counted as bitmaps, without a look at each, and scored only where
// the score can still reach the page: a word's title weighs so much more than a
// mention in a description that most documents are never scored. What is found,
// counted and ranked is what compile and collect give for the same query.

// oneGroup is the one group of terms that n asks for, and the words as they
// were typed, if n is so plain.
func oneGroup(n query.Node) (g group, text string, ok bool) {
	switch n := n.(type) {
	case query.Word:
		text = n.Text
	case query.Phrase:
		text = n.Text
	default:
		return nil, "", false
	}
	groups := groupsOf(text)
	if len(groups) != 1 || groups[0].single() {
		return nil, "", false
	}
	return groups[0], text, true
}

// ranking is a search for one group in all segments.
type ranking struct {
	*sorter
	segments []*groupIn
	bounds   []float64 // of each text field's score, in any document
	fields   []int     // text fields, the highest bound first
}

// groupIn is where a group of terms stands in one segment.
type groupIn struct {
	base   uint64                   // document number of the segment's first document
	lists  [][]segment.PostingsList // by text field and term
	holds  []*roaring.Bitmap        // by text field: live documents with all terms in it
	left   *roaring.Bitmap          // matches not yet scored or passed over
	exact  *roaring.Bitmap          // matches whose title is the word
	scores []groupScorer            // by text field, for documents in rising order
}

// ranked finds the documents that hold g, typed as text, and the page of the
// best of them.
func (ix *Index) ranked(c *compiler, g group, text string, r *Request, p page) (*collection, error) {
	allowed, err := c.allow(r.Filters, r.Reader)
	if err != nil {
		return nil, err
	}
	out := &collection{}
	rk := &ranking{sorter: newSorter(c.snap, p)}
	title := []byte(string(suggestTitle) + folded(text, maxSuggest))
	base := uint64(0)
	for _, s := range c.snap.Segments() {
		if err := c.ctx.Err(); err != nil {
			return nil, err
		}
		in, found, err := findGroup(s, g)
		if err == nil && !found.IsEmpty() {
			err = allowed.keep(s, found)
		}
		if err == nil && len(g) > 1 {
			found, err = ix.verify(c.ctx, s, g.text(), found)
		}
		if err == nil && !found.IsEmpty() {
			in.exact, err = titled(s, title, found)
		}
		if err != nil {
			return nil, err
		}
		out.total += found.GetCardinality()
		if p.found {
			out.found = append(out.found, found)
		}
		in.base, in.left = base, found.Clone()
		base += s.Segment().Count()
		rk.segments = append(rk.segments, in)
	}
	if err := rk.weigh(c.snap, g); err != nil {
		return nil, err
	}
	if err := rk.score(c); err != nil {
		return nil, err
	}
	out.rows, out.left = rk.sorted()
	return out, rk.err
}

// findGroup finds where g stands in one segment; found is every live document
// with all of it in one field, and the caller's own.
func findGroup(s *scorch.SegmentSnapshot, g group) (in *groupIn, found *roaring.Bitmap, err error) {
	in = &groupIn{exact: roaring.New()}
	found = roaring.New()
	for _, f := range textFields {
		dict, err := s.Segment().Dictionary(f.name)
		if err != nil {
			return nil, nil, err
		}
		lists := make([]segment.PostingsList, len(g))
		var holds *roaring.Bitmap
		for i, t := range g {
			if lists[i], err = dict.PostingsList([]byte(t), s.Deleted(), nil); err != nil {
				return nil, nil, err
			}
			docs, err := documentsOf(lists[i])
			if err != nil {
				return nil, nil, err
			}
			if holds == nil {
				holds = docs
			} else {
				holds = roaring.And(holds, docs)
			}
		}
		in.lists, in.holds = append(in.lists, lists), append(in.holds, holds)
		found.Or(holds)
	}
	return in, found, nil
}

// titled are those of found whose title is the term.
func titled(s *scorch.SegmentSnapshot, title []byte, found *roaring.Bitmap) (*roaring.Bitmap, error) {
	dict, err := s.Segment().Dictionary(fieldSuggest)
	if err != nil {
		return nil, err
	}
	list, err := dict.PostingsList(title, s.Deleted(), nil)
	if err != nil {
		return nil, err
	}
	docs, err := documentsOf(list)
	if err != nil {
		return nil, err
	}
	return roaring.And(docs, found), nil
}

// weigh gives each term in each field its weight, by how many documents have
// it, and each field the bound that BM25 approaches with many occurrences.
func (rk *ranking) weigh(snap *scorch.IndexSnapshot, g group) error {
	total, err := snap.DocCount()
	if err != nil {
		return err
	}
	rk.bounds = make([]float64, len(textFields))
	weights := make([][]float64, len(textFields))
	for f, field := range textFields {
		rk.fields = append(rk.fields, f)
		weights[f] = make([]float64, len(g))
		for t := range g {
			count := uint64(0)
			for _, s := range rk.segments {
				count += s.lists[f][t].Count()
			}
			weights[f][t] = weightOf(total, count, field.boost)
			rk.bounds[f] += weights[f][t] * search.BM25_k1
		}
	}
	for _, s := range rk.segments {
		s.scores = make([]groupScorer, len(textFields))
		for f, field := range textFields {
			s.scores[f] = groupScorer{lists: s.lists[f], weights: weights[f], length: float64(field.length)}
		}
	}
	slices.SortStableFunc(rk.fields, func(a, b int) int { return cmp.Compare(rk.bounds[b], rk.bounds[a]) })
	return nil
}

// weightOf is BM25's weight of a term that count of total documents have, as
// bleve takes it, squared idf and all.
func weightOf(total, count uint64, boost float64) float64 {
	idf := math.Log(1 + (float64(total)-float64(count)+0.5)/(float64(count)+0.5))
	return idf * idf * boost
}

// score offers every match that may be among the best: those whose title is
// the word, then field by field those that hold it there and in no field before.
func (rk *ranking) score(c *compiler) error {
	for _, s := range rk.segments {
		if err := rk.scoreThese(c, s, s.exact, rk.fields, exactTitle); err != nil {
			return err
		}
	}
	for i, f := range rk.fields {
		for _, s := range rk.segments {
			if rk.passes(rk.bound(0, 0, rk.fields[i:])) {
				rk.pass(s.left.GetCardinality())
				s.left.Clear()
				continue
			}
			if err := rk.scoreThese(c, s, roaring.And(s.holds[f], s.left), rk.fields[i:], 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// scoreThese offers docs of one segment, which stand in the first of the
// fields or, with extra for their title, in any; in none but the fields.
func (rk *ranking) scoreThese(c *compiler, s *groupIn, docs *roaring.Bitmap, fields []int, extra float64) error {
	if docs.IsEmpty() {
		return nil
	}
	s.left.AndNot(docs)
	for f := range s.scores {
		s.scores[f].rewind()
	}
	for it, n := docs.Iterator(), 0; it.HasNext(); n++ {
		if n%1024 == 0 && c.ctx.Err() != nil {
			return c.ctx.Err()
		}
		doc := it.Next()
		var found [3]float64 // by text field
		best, sum := 0.0, 0.0
		passed := false
		for i, f := range fields {
			if !s.holds[f].Contains(doc) {
				continue
			}
			score, err := s.scores[f].score(uint64(doc))
			if err != nil {
				return err
			}
			found[f] = score
			best, sum = max(best, score), sum+score
			if passed = extra == 0 && rk.passes(rk.bound(best, sum, fields[i+1:])); passed {
				rk.pass(1)
				break
			}
		}
		if passed {
			continue
		}
		sum = 0
		for _, score := range found { // in the order in which other searches add them up
			sum += score
		}
		rk.offer(row{num: s.base + uint64(doc), score: best + otherFields*(sum-best) + extra})
		if rk.err != nil {
			return rk.err
		}
	}
	return nil
}

// bound is the most that a score can become of the best and the sum of some
// fields' scores, where the word may stand in further fields.
func (rk *ranking) bound(best, sum float64, further []int) float64 {
	for _, f := range further {
		best, sum = max(best, rk.bounds[f]), sum+rk.bounds[f]
	}
	return best + otherFields*(sum-best)
}

// groupScorer scores one field of documents that hold a group in it.
type groupScorer struct {
	lists   []segment.PostingsList // by term
	weights []float64              // by term
	length  float64                // nominal, of the field
	walks   []fieldPostings        // by term; nil until asked for
}

// rewind lets score begin again with a low document.
func (g *groupScorer) rewind() { g.walks = nil }

// score is the sum over the terms; documents are asked for in rising order.
func (g *groupScorer) score(doc uint64) (float64, error) {
	if g.walks == nil {
		g.walks = make([]fieldPostings, len(g.lists))
		for t := range g.walks {
			g.walks[t] = fieldPostings{postings: g.lists[t].Iterator(true, true, false, nil), weight: g.weights[t], length: g.length}
		}
	}
	sum := 0.0
	for t := range g.walks {
		w := &g.walks[t]
		if err := w.advance(doc); err != nil {
			return 0, err
		}
		if w.now == nil || w.now.Number() != doc {
			return 0, fmt.Errorf("%w: a document is in a term's bitmap and not in its postings", ErrDamaged)
		}
		sum += w.score()
	}
	return sum, nil
}

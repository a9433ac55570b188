package index

import (
	"cmp"
	"context"
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
}

// groupIn is where a group of terms stands in one segment.
type groupIn struct {
	base   uint64          // document number of the segment's first document
	fields []groupField    // by text field
	found  *roaring.Bitmap // matches
	left   uint64          // of them, not yet offered
	exact  *roaring.Bitmap // of them, those whose title is the word
}

// groupField is where a group stands in one field of a segment.
type groupField struct {
	lists   []segment.PostingsList // by term
	weights []float64              // by term
	length  float64                // nominal, of the field
	holds   *roaring.Bitmap        // live documents with all terms in it
	walks   []fieldPostings        // by term; begun when first asked for
}

// ranked finds the documents that hold g, typed as text, and the page of the
// best of them.
func (ix *Index) ranked(c *compiler, g group, text string, r *Request, p page) (*collection, error) {
	allowed, err := c.allow(r.Filters)
	if err != nil {
		return nil, err
	}
	out := &collection{}
	rk := &ranking{sorter: newSorter(c.snap, p)}
	title := []byte(string(suggestTitle) + folded(text, maxSuggest))
	base := uint64(0)
	for i, s := range c.snap.Segments() {
		if err := c.ctx.Err(); err != nil {
			return nil, err
		}
		in, err := findGroup(s, g)
		if err == nil && !in.found.IsEmpty() {
			if !c.census.everything() {
				in.found.And(c.census.seen[i])
			}
			err = allowed.keep(s, in.found)
		}
		if err == nil && len(g) > 1 {
			in.found, err = ix.verify(c.ctx, s, g.text(), in.found)
		}
		if err == nil && !in.found.IsEmpty() {
			in.exact, err = titled(s, title, in.found)
		}
		if err != nil {
			return nil, err
		}
		if p.found {
			out.found = append(out.found, in.found)
		}
		in.base, in.left = base, in.found.GetCardinality()
		out.total += in.left
		base += s.Segment().Count()
		rk.segments = append(rk.segments, in)
	}
	if err := rk.weigh(c.census, g); err != nil {
		return nil, err
	}
	if p.alike != nil {
		others, err := rk.collapse(c.ctx, p.alike)
		if err != nil {
			return nil, err
		}
		out.total -= others
	}
	if err := rk.score(c.ctx); err != nil {
		return nil, err
	}
	for _, s := range rk.segments {
		rk.pass(s.left)
	}
	out.rows, out.left = rk.sorted()
	return out, rk.err
}

// findGroup finds where g stands in one segment: in every live document with
// all of it in one field.
func findGroup(s *scorch.SegmentSnapshot, g group) (*groupIn, error) {
	in := &groupIn{fields: make([]groupField, len(textFields)), found: roaring.New(), exact: roaring.New()}
	for i, f := range textFields {
		dict, err := s.Segment().Dictionary(f.name)
		if err != nil {
			return nil, err
		}
		gf := &in.fields[i]
		gf.length = float64(f.length)
		for _, t := range g {
			list, err := dict.PostingsList([]byte(t), s.Deleted(), nil)
			if err != nil {
				return nil, err
			}
			docs, err := documentsOf(list)
			if err != nil {
				return nil, err
			}
			gf.lists = append(gf.lists, list)
			if gf.holds == nil {
				gf.holds = docs
			} else {
				gf.holds = roaring.And(gf.holds, docs)
			}
		}
		in.found.Or(gf.holds)
	}
	return in, nil
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
func (rk *ranking) weigh(c census, g group) error {
	rk.bounds = make([]float64, len(textFields))
	for f, field := range textFields {
		weights := make([]float64, len(g))
		for t := range g {
			count := uint64(0)
			for i, s := range rk.segments {
				n, err := c.count(i, s.fields[f].lists[t])
				if err != nil {
					return err
				}
				count += n
			}
			weights[t] = weightOf(c.total, count, field.boost)
			rk.bounds[f] += weights[t] * search.BM25_k1
		}
		for _, s := range rk.segments {
			s.fields[f].weights = weights
		}
	}
	return nil
}

// weightOf is BM25's weight of a term that count of total documents have, as
// bleve takes it, squared idf and all.
func weightOf(total, count uint64, boost float64) float64 {
	idf := math.Log(1 + (float64(total)-float64(count)+0.5)/(float64(count)+0.5))
	return idf * idf * boost
}

// score offers every match that may be among the best. Matches whose title is
// the word come first; then, as long as one may still get on the page, those
// that hold it in exactly these fields, beginning with the most they can score.
func (rk *ranking) score(ctx context.Context) error {
	choices := rk.choices()
	for _, s := range rk.segments {
		if s.exact.IsEmpty() {
			continue
		}
		for _, fields := range choices {
			if err := rk.scoreThese(ctx, s, s.in(fields, s.exact), fields, exactTitle); err != nil {
				return err
			}
		}
	}
	for _, fields := range choices {
		for _, s := range rk.segments {
			if rk.passes(rk.bound(0, 0, fields)) {
				return nil
			}
			if s.left == 0 {
				continue
			}
			docs := s.in(fields, s.found)
			docs.AndNot(s.exact)
			if err := rk.scoreThese(ctx, s, docs, fields, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// choices are all choices of text fields, none left out, in which a word may
// stand: the highest bound first, in the choices and in each of them.
func (rk *ranking) choices() [][]int {
	var all [][]int
	for set := 1; set < 1<<len(textFields); set++ {
		var fields []int
		for f := range textFields {
			if set>>f&1 == 1 {
				fields = append(fields, f)
			}
		}
		slices.SortStableFunc(fields, func(a, b int) int { return cmp.Compare(rk.bounds[b], rk.bounds[a]) })
		all = append(all, fields)
	}
	slices.SortStableFunc(all, func(a, b []int) int { return cmp.Compare(rk.bound(0, 0, b), rk.bound(0, 0, a)) })
	return all
}

// in are those of docs that hold the group in all of the fields and in no other.
func (s *groupIn) in(fields []int, docs *roaring.Bitmap) *roaring.Bitmap {
	for _, f := range fields {
		if s.fields[f].holds.IsEmpty() { // most words stand in few titles
			return roaring.New()
		}
	}
	docs = roaring.And(docs, s.fields[fields[0]].holds) // the rarest, mostly
	for f := range s.fields {
		if docs.IsEmpty() {
			break
		}
		if slices.Contains(fields, f) {
			docs.And(s.fields[f].holds)
		} else {
			docs.AndNot(s.fields[f].holds)
		}
	}
	return docs
}

// scoreThese offers docs of one segment, which hold the group in all of the
// fields and no other, with extra for their title.
func (rk *ranking) scoreThese(ctx context.Context, s *groupIn, docs *roaring.Bitmap, fields []int, extra float64) error {
	if docs.IsEmpty() {
		return nil
	}
	for _, f := range fields {
		s.fields[f].walks = nil // they only go forward
	}
	s.left -= docs.GetCardinality()
next:
	for it, n := docs.Iterator(), 0; it.HasNext(); n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		doc := uint64(it.Next())
		var scores [3]float64 // by text field
		best, sum := 0.0, 0.0
		for i, f := range fields {
			score, err := s.fields[f].score(doc)
			if err != nil {
				return err
			}
			scores[f] = score
			best, sum = max(best, score), sum+score
			if rk.passes(rk.bound(best, sum, fields[i+1:]) + extra) {
				rk.pass(1)
				continue next
			}
		}
		sum = 0
		for _, score := range scores { // in the order in which other searches add them up
			sum += score
		}
		rk.offer(row{num: s.base + doc, score: best + otherFields*(sum-best) + extra})
		if rk.err != nil {
			return rk.err
		}
	}
	return nil
}

// bound is the most that a score can become of the best and the sum of some
// fields' scores, where the word stands in further fields, too.
func (rk *ranking) bound(best, sum float64, further []int) float64 {
	for _, f := range further {
		best, sum = max(best, rk.bounds[f]), sum+rk.bounds[f]
	}
	return best + otherFields*(sum-best)
}

// score is the sum over the terms for a document of holds; documents are asked
// for in rising order.
func (g *groupField) score(doc uint64) (float64, error) {
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

package index

import (
	"context"

	"github.com/RoaringBitmap/roaring/v2"
)

// lots make one row of all that list one product: the one that leads, by rank and
// then by the order, be it on this page, before it or behind it. So a lot stands in one place of the
// order, and pages that follow each other show it once.
type lots struct {
	alike *alike
	of    map[uint64]*lot // by product
}

// lot is what was found of one product.
type lot struct {
	docs []uint64 // document numbers
	best row
	rank uint8 // of best
}

func newLots(s *alike) *lots { return &lots{s, map[uint64]*lot{}} }

// take puts a document into the lot of its product; nil where it lists none
// that others list.
func (l *lots) take(segment int, local uint32, num uint64) *lot {
	product := l.alike.product(segment, local)
	if product == 0 {
		return nil
	}
	of := l.of[product]
	if of == nil {
		of = &lot{}
		l.of[product] = of
	}
	of.docs = append(of.docs, num)
	return of
}

// compete makes r, of a document of this rank, the row of its lot, if it comes
// before the others.
func (l *lot) compete(c *sorter, r row, rank uint8) {
	if l.best.lot == nil || rank < l.rank || rank == l.rank && c.compare(&r, &l.best) < 0 {
		r.lot = l
		l.best, l.rank = r, rank
	}
}

// others are the documents of a lot but for one, at most maxBearers: a space can
// list its product however often it likes.
func (l *lot) others(but uint64) []uint64 {
	out := make([]uint64, 0, min(len(l.docs)-1, maxBearers))
	for _, num := range l.docs {
		if len(out) == maxBearers {
			break
		}
		if num != but {
			out = append(out, num)
		}
	}
	return out
}

// offer offers the rows of all lots and returns how many documents beside them
// are in the lots.
func (l *lots) offer(c *sorter) (others uint64) {
	for _, of := range l.of {
		others += uint64(len(of.docs) - 1)
		c.offer(of.best)
	}
	return others
}

// collapse takes what lists a product together out of what is to be scored,
// and offers the best of each. It returns how many the others are.
func (rk *ranking) collapse(ctx context.Context, s *alike) (others uint64, err error) {
	l := newLots(s)
	for i, in := range rk.segments {
		if s.docs[i] == nil {
			continue
		}
		for it, n := roaring.And(in.found, s.docs[i]).Iterator(), 0; it.HasNext(); n++ {
			if n%1024 == 0 && ctx.Err() != nil {
				return 0, ctx.Err()
			}
			doc := it.Next()
			l.take(i, doc, in.base+uint64(doc))
		}
	}
	together := make([]*roaring.Bitmap, len(rk.segments))
	for product, of := range l.of {
		if len(of.docs) == 1 {
			delete(l.of, product) // it is scored as any other
			continue
		}
		for _, num := range of.docs {
			i, local := rk.reader.place(num)
			if together[i] == nil {
				together[i] = roaring.New()
			}
			together[i].Add(uint32(local))
		}
	}
	for i, in := range rk.segments {
		if together[i] == nil {
			continue
		}
		err := in.scoreAll(ctx, together[i], func(r row) {
			_, local := rk.reader.place(r.num)
			l.of[s.product(i, uint32(local))].compete(rk.sorter, r, s.rank(i, uint32(local)))
		})
		if err != nil {
			return 0, err
		}
		in.found = roaring.AndNot(in.found, together[i]) // the facets count the other bitmap
		in.exact = roaring.AndNot(in.exact, together[i])
		in.left = in.found.GetCardinality()
	}
	return l.offer(rk.sorter), rk.err
}

// scoreAll gives every one of docs, which hold the group, its score.
func (s *groupIn) scoreAll(ctx context.Context, docs *roaring.Bitmap, each func(row)) error {
	for f := range s.fields {
		s.fields[f].walks = nil
	}
	for it, n := docs.Iterator(), 0; it.HasNext(); n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		doc := it.Next()
		best, sum := 0.0, 0.0
		for f := range s.fields {
			if !s.fields[f].holds.Contains(doc) {
				continue
			}
			score, err := s.fields[f].score(uint64(doc))
			if err != nil {
				return err
			}
			best, sum = max(best, score), sum+score
		}
		score := best + otherFields*(sum-best)
		if s.exact.Contains(doc) {
			score += exactTitle
		}
		each(row{num: s.base + uint64(doc), score: score})
	}
	return nil
}

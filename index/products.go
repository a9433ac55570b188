package index

import (
	"cmp"
	"context"
	"hash/maphash"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// products knows which documents may list a product that others list, too. Few
// do, so a search that makes one hit of them has few documents to compare.
//
// Segments never change, so what one holds, and what two have in common, is
// looked for once; a new batch is held against the others, and no more.
type products struct {
	seed maphash.Seed

	mu       sync.Mutex // guards the rest; held while something is looked for: others wait for it
	segments map[uint64]*listed
	common   map[[2]uint64]*common // by segment ids, the smaller one first
	last     *alike                // what was last asked for
}

// listed is what the documents of a segment list. Products are told apart by
// 64 bits of a hash that nobody outside can foretell: of a million, two are
// taken for one with a probability of 3 in 100 million. 13 bytes a document.
type listed struct {
	product []uint64 // by document; 0: none
	rank    []uint8  // by document: Doc.Rank
	order   []uint32 // documents that list one, by product
}

// common are the documents of two segments, or of one, whose products stand
// more than once in them.
type common struct {
	first, second         *roaring.Bitmap // nil: none
	firstGone, secondGone uint64          // deletions that it leaves out; more may have come since
}

// alike are the documents of a snapshot that may list a product together with
// others. Those of them that were deleted later are still in it.
type alike struct {
	segments []uint64 // ids
	gone     []uint64 // by segment, deletions that it leaves out
	docs     []*roaring.Bitmap
	listed   []*listed
	none     bool
}

func newProducts() *products {
	return &products{seed: maphash.MakeSeed(), segments: map[uint64]*listed{}, common: map[[2]uint64]*common{}}
}

// alike finds which documents of snap may list a product together; nil where
// none do.
func (p *products) alike(ctx context.Context, snap *scorch.IndexSnapshot) (*alike, error) {
	segments := snap.Segments()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil || !p.last.holds(segments) {
		found, err := p.look(ctx, segments)
		if err != nil {
			return nil, err
		}
		p.last = found
		p.retain(found.segments)
	}
	if p.last.none {
		return nil, nil
	}
	return p.last, nil
}

// product is what a document lists together with others; 0 for one that does not.
func (s *alike) product(segment int, local uint32) uint64 {
	if docs := s.docs[segment]; docs == nil || !docs.Contains(local) {
		return 0
	}
	return s.listed[segment].product[local]
}

// rank is the Doc.Rank of a document that has a product.
func (s *alike) rank(segment int, local uint32) uint8 { return s.listed[segment].rank[local] }

// holds reports whether s holds of these segments. Documents are deleted and
// never come back, so it holds where no less is deleted than it left out.
func (s *alike) holds(of []*scorch.SegmentSnapshot) bool {
	if len(of) != len(s.segments) {
		return false
	}
	for i, seg := range of {
		if seg.Id() != s.segments[i] || deletions(seg) < s.gone[i] {
			return false
		}
	}
	return true
}

func deletions(s *scorch.SegmentSnapshot) uint64 {
	if gone := s.Deleted(); gone != nil {
		return gone.GetCardinality()
	}
	return 0
}

// look holds every segment against itself and the others; mu is held.
func (p *products) look(ctx context.Context, segments []*scorch.SegmentSnapshot) (*alike, error) {
	out := &alike{docs: make([]*roaring.Bitmap, len(segments)), none: true}
	for _, s := range segments {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		of, ok := p.segments[s.Id()]
		if !ok {
			var err error
			if of, err = p.read(s.Segment()); err != nil {
				return nil, err
			}
			p.segments[s.Id()] = of
		}
		out.segments, out.gone, out.listed = append(out.segments, s.Id()), append(out.gone, deletions(s)), append(out.listed, of)
	}
	add := func(i int, docs *roaring.Bitmap) {
		if docs == nil {
			return
		}
		if out.docs[i] == nil {
			out.docs[i] = roaring.New()
		}
		out.docs[i].Or(docs)
		out.none = false
	}
	for i := range segments {
		for j := range segments[:i+1] {
			if len(out.listed[i].order) == 0 || len(out.listed[j].order) == 0 {
				continue
			}
			a, b := i, j
			if out.segments[a] > out.segments[b] {
				a, b = b, a
			}
			pair := [2]uint64{out.segments[a], out.segments[b]}
			c := p.common[pair]
			if c == nil || c.firstGone > out.gone[a] || c.secondGone > out.gone[b] {
				// What is looked for on an older snapshot than what is known holds
				// of the newer one, too.
				c = &common{firstGone: out.gone[a], secondGone: out.gone[b]}
				if a == b {
					c.first = out.listed[a].repeated(segments[a].Deleted())
				} else {
					c.first, c.second = out.listed[a].shares(out.listed[b], segments[a].Deleted(), segments[b].Deleted())
				}
				p.common[pair] = c
			}
			add(a, c.first)
			add(b, c.second)
		}
	}
	return out, nil
}

// retain forgets segments that are not among these; mu is held.
func (p *products) retain(ids []uint64) {
	for id := range p.segments {
		if !slices.Contains(ids, id) {
			delete(p.segments, id)
		}
	}
	for pair := range p.common {
		if p.segments[pair[0]] == nil || p.segments[pair[1]] == nil {
			delete(p.common, pair)
		}
	}
}

// read turns what the documents list over.
func (p *products) read(s segment.Segment) (*listed, error) {
	out := &listed{}
	var product uint64
	var rank uint8
	err := turnOver(s, fieldProduct, func(term string) {
		name, digit, _ := strings.Cut(term, "\x00")
		product, rank = max(maphash.String(p.seed, name), 1), maxRank
		if len(digit) == 1 {
			rank = digit[0] - '0'
		}
	}, func(doc uint32) {
		if out.product == nil {
			out.product, out.rank = make([]uint64, s.Count()), make([]uint8, s.Count())
		}
		out.product[doc], out.rank[doc] = product, rank
		out.order = append(out.order, doc)
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out.order, func(a, b uint32) int { return cmp.Compare(out.product[a], out.product[b]) })
	return out, nil
}

// repeated are the documents whose product stands in others, too, but for those
// gone; nil where there are none.
func (l *listed) repeated(gone *roaring.Bitmap) *roaring.Bitmap {
	var out *roaring.Bitmap
	for at := 0; at < len(l.order); {
		next := l.next(at)
		if next-at > 1 {
			if docs := live(l.order[at:next], gone); len(docs) > 1 {
				out = with(out, docs)
			}
		}
		at = next
	}
	return out
}

// shares are the documents of both whose product stands in both, but for those
// gone; nil where there are none.
func (l *listed) shares(other *listed, gone, otherGone *roaring.Bitmap) (in, inOther *roaring.Bitmap) {
	if len(l.order) > len(other.order) {
		inOther, in = other.shares(l, otherGone, gone)
		return in, inOther
	}
	for at, there := 0, 0; at < len(l.order); {
		next, product := l.next(at), l.product[l.order[at]]
		if there = other.seek(there, product); there == len(other.order) {
			break
		}
		if other.product[other.order[there]] == product {
			mine, theirs := live(l.order[at:next], gone), live(other.order[there:other.next(there)], otherGone)
			if len(mine) > 0 && len(theirs) > 0 {
				in, inOther = with(in, mine), with(inOther, theirs)
			}
		}
		at = next
	}
	return in, inOther
}

// next is the place in order behind the product at a place.
func (l *listed) next(at int) int {
	product := l.product[l.order[at]]
	for at++; at < len(l.order) && l.product[l.order[at]] == product; at++ {
	}
	return at
}

// seek is the first place in order, from at on, of a product that is not
// smaller: in ever wider steps, as it is near where both are of one size.
func (l *listed) seek(at int, product uint64) int {
	step := 1
	for at+step < len(l.order) && l.product[l.order[at+step]] < product {
		at += step
		step *= 2
	}
	n := min(step+1, len(l.order)-at)
	return at + sort.Search(n, func(i int) bool { return l.product[l.order[at+i]] >= product })
}

// live are those of docs that are not gone.
func live(docs []uint32, gone *roaring.Bitmap) []uint32 {
	if gone == nil || gone.IsEmpty() {
		return docs
	}
	return slices.DeleteFunc(slices.Clone(docs), gone.Contains)
}

func with(set *roaring.Bitmap, docs []uint32) *roaring.Bitmap {
	if set == nil {
		set = roaring.New()
	}
	set.AddMany(docs)
	return set
}

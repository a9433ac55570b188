package index

import (
	"context"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/searcher"
	segment "github.com/blevesearch/scorch_segment_api/v2"
	lru "github.com/hashicorp/golang-lru/v2"

	"lianmu/vocab"
)

// census counts documents for one reader: how rare a word is decides what it
// weighs, so what a reader may not see must not be counted, or scores and their
// order would tell of it. The same goes for logs that a search leaves out.
type census struct {
	total uint64            // documents that the reader may see, in the logs that are not left out
	seen  []*roaring.Bitmap // them, by segment; nil where they are all there are
	bases []uint64          // of each segment, the document number of its first document
}

// maxSeen bounds what is remembered of readers, at an eighth of a byte a
// document of the segment at most.
const maxSeen = 1024

// seenIn is what a search may see in a segment, which never changes but for
// deletions.
type seenIn struct {
	segment uint64 // id
	sight   string
}

// sight is what a search may see: what is for its reader, but for what is of
// the logs that it leaves out.
type sight struct {
	terms   []string // of fieldVisible
	all     bool     // instead of terms: nothing is kept from the reader
	without []string // origins
}

func sightOf(r vocab.Reader, without []string) sight {
	terms, all := visibleTerms(r)
	return sight{terms, all, slices.Compact(slices.Sorted(slices.Values(without)))}
}

// name tells sights apart: no DID and no origin has a line break.
func (v sight) name() string {
	if len(v.without) == 0 {
		return strings.Join(v.terms, " ")
	}
	return strings.Join(v.terms, " ") + "\n" + strings.Join(v.without, "\n")
}

// documents are those of a segment that are in sight, deleted ones too; the
// caller may change them.
func (v sight) documents(s *scorch.SegmentSnapshot) (*roaring.Bitmap, error) {
	docs := roaring.New()
	if v.all {
		docs.AddRange(0, s.Segment().Count())
	} else {
		some, err := fieldTerms{fieldVisible, v.terms}.documents(s, nil)
		if err != nil {
			return nil, err
		}
		docs = some.Clone() // it may be the segment's own
	}
	if len(v.without) > 0 {
		out, err := fieldTerms{"hub", v.without}.documents(s, nil)
		if err != nil {
			return nil, err
		}
		docs.AndNot(out)
	}
	return docs, nil
}

// seenCache remembers what readers may see; a participant of many spaces has
// many terms to gather.
type seenCache = lru.Cache[seenIn, *roaring.Bitmap]

func newCensus(known *seenCache, snap *scorch.IndexSnapshot, v sight) (census, error) {
	all, err := snap.DocCount()
	if err != nil {
		return census{}, err
	}
	if v.all && len(v.without) == 0 {
		return census{total: all}, nil
	}
	name := v.name()
	c := census{seen: make([]*roaring.Bitmap, len(snap.Segments())), bases: make([]uint64, len(snap.Segments()))}
	base := uint64(0)
	for i, s := range snap.Segments() {
		c.bases[i] = base
		base += s.Segment().Count()
		key := seenIn{s.Id(), name}
		docs, ok := known.Get(key)
		if !ok {
			if docs, err = v.documents(s); err != nil {
				return census{}, err
			}
			known.Add(key, docs)
		}
		if gone := s.Deleted(); gone != nil && !gone.IsEmpty() {
			docs = roaring.AndNot(docs, gone)
		}
		c.seen[i] = docs
		c.total += c.seen[i].GetCardinality()
	}
	if c.total == all {
		c.seen = nil
	}
	return c, nil
}

// everything reports whether nothing is kept from the search.
func (c census) everything() bool { return c.seen == nil }

// count is how many documents of the segment's list are in sight.
func (c census) count(segment int, list segment.PostingsList) (uint64, error) {
	if c.seen == nil || list.Count() == 0 {
		return list.Count(), nil
	}
	docs, err := documentsOf(list)
	if err != nil {
		return 0, err
	}
	return docs.AndCardinality(c.seen[segment]), nil
}

// only leaves of s what is in sight.
func (c census) only(ctx context.Context, s search.Searcher) search.Searcher {
	if c.seen == nil {
		return s
	}
	at := 0 // searchers go forward
	return searcher.NewFilteringSearcher(ctx, s, func(_ *search.SearchContext, d *search.DocumentMatch) bool {
		num := d.IndexInternalID.Value()
		for at+1 < len(c.bases) && num >= c.bases[at+1] {
			at++
		}
		return c.seen[at].Contains(uint32(num - c.bases[at]))
	})
}

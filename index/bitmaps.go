package index

import (
	"fmt"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// fieldTerms are terms of one field, any of which will do.
type fieldTerms struct {
	field string
	terms []string
}

// allowed is what a search may find whatever its words: documents that hold,
// for each of the fields, one of its terms. A field without terms allows
// nothing; only no fields at all allow everything.
type allowed []fieldTerms

// allow puts together what the filters let through.
func (c *compiler) allow(filters map[string][]string) (allowed, error) {
	var of allowed
	for f, values := range filters {
		if len(values) == 0 {
			continue
		}
		terms, err := c.filterTerms(f, values)
		if err != nil {
			return nil, err
		}
		of = append(of, fieldTerms{f, terms})
	}
	return of, nil
}

// keep leaves in found the documents of a segment that are allowed.
func (a allowed) keep(s *scorch.SegmentSnapshot, found *roaring.Bitmap) error {
	for _, f := range a {
		some, err := f.documents(s, s.Deleted())
		if err != nil {
			return err
		}
		found.And(some)
	}
	return nil
}

// documents are those of a segment that hold any of the terms, but for those
// gone; for reading.
func (f fieldTerms) documents(s *scorch.SegmentSnapshot, gone *roaring.Bitmap) (*roaring.Bitmap, error) {
	dict, err := s.Segment().Dictionary(f.field)
	if err != nil {
		return nil, err
	}
	some := roaring.New()
	for _, t := range f.terms {
		list, err := dict.PostingsList([]byte(t), gone, nil)
		if err != nil {
			return nil, err
		}
		docs, err := documentsOf(list)
		if err != nil {
			return nil, err
		}
		if len(f.terms) == 1 {
			return docs, nil
		}
		some.Or(docs)
	}
	return some, nil
}

// documentsOf are the live documents of a postings list. The bitmap may be the
// list's own: it is only read.
func documentsOf(list segment.PostingsList) (*roaring.Bitmap, error) {
	if list.Count() == 0 {
		return roaring.New(), nil
	}
	it, ok := list.Iterator(false, false, false, nil).(segment.OptimizablePostingsIterator)
	if !ok {
		return nil, fmt.Errorf("postings of type %T cannot be read as a whole", list)
	}
	if one, ok := it.DocNum1Hit(); ok {
		return roaring.BitmapOf(uint32(one)), nil
	}
	if all := it.ActualBitmap(); all != nil {
		return all, nil
	}
	return roaring.New(), nil
}

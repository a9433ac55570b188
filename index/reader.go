package index

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/blevesearch/bleve/v2/index/scorch"

	"lianmu/vocab"
)

// reader reads stored fields of one snapshot by document number, without the
// look-up by id that bleve's own way goes.
type reader struct {
	segments []*scorch.SegmentSnapshot
	starts   []uint64 // first document number of each segment
}

func newReader(snap *scorch.IndexSnapshot) *reader {
	r := &reader{segments: snap.Segments()}
	at := uint64(0)
	for _, s := range r.segments {
		r.starts = append(r.starts, at)
		at += uint64(s.FullSize())
	}
	return r
}

// locate is the segment of a document and its number in it.
func (r *reader) locate(num uint64) (*scorch.SegmentSnapshot, uint64) {
	i, found := slices.BinarySearch(r.starts, num)
	if !found {
		i--
	}
	for i+1 < len(r.starts) && r.starts[i+1] == num { // empty segments share a start
		i++
	}
	return r.segments[i], num - r.starts[i]
}

// visit calls f for every stored field of a document.
func (r *reader) visit(num uint64, f func(field string, value []byte)) error {
	s, local := r.locate(num)
	return s.VisitDocument(local, func(field string, _ byte, value []byte, _ []uint64) bool {
		f(field, value)
		return true
	})
}

// key is a document's key; an error that is already there stays.
func (r *reader) key(num uint64, err error) (string, error) {
	if err != nil {
		return "", err
	}
	s, local := r.locate(num)
	id, err := s.DocID(local)
	return string(id), err
}

// field is a stored text; a document that cannot be read panics, which the
// search contains as ErrDamaged: bleve's filters have no other way out.
func (r *reader) field(num uint64, name string) string {
	var text string
	if err := r.visit(num, func(field string, value []byte) {
		if field == name {
			text = string(value)
		}
	}); err != nil {
		panic(err)
	}
	return text
}

// stored is what a document keeps for hits and highlights.
type stored struct {
	hit                  Hit
	title, keyword, text string
}

func (r *reader) stored(num uint64) (*stored, error) {
	var s stored
	var blob []byte
	var key vocab.Key
	err := r.visit(num, func(field string, value []byte) {
		switch field {
		case "_id":
			copy(key[:], value)
		case fieldHit:
			blob = slices.Clone(value)
		case fieldTitle:
			s.title = string(value)
		case fieldKeyword:
			s.keyword = string(value)
		case fieldText:
			s.text = string(value)
		}
	})
	if err == nil {
		err = json.Unmarshal(blob, &s.hit)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	s.hit.Key = key
	return &s, nil
}

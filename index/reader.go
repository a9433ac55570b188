package index

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/blevesearch/bleve/v2/index/scorch"
	jsonv2 "github.com/go-json-experiment/json"

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

// place is the index of a document's segment and its number in it.
func (r *reader) place(num uint64) (segment int, local uint64) {
	i, found := slices.BinarySearch(r.starts, num)
	if !found {
		i--
	}
	for i+1 < len(r.starts) && r.starts[i+1] == num { // empty segments share a start
		i++
	}
	return i, num - r.starts[i]
}

// locate is the segment of a document and its number in it.
func (r *reader) locate(num uint64) (*scorch.SegmentSnapshot, uint64) {
	i, local := r.place(num)
	return r.segments[i], local
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

// stored is what a document keeps for hits and highlights.
type stored struct {
	hit                            Hit
	titles, keywords, descriptions []string
}

func (r *reader) stored(num uint64) (*stored, error) {
	var s stored
	var rec record
	var bad error
	err := r.visit(num, func(field string, value []byte) {
		switch field {
		case "_id":
			copy(s.hit.Key[:], value)
		case fieldHit:
			bad = jsonv2.Unmarshal(value, &rec) // takes two thirds of the time of encoding/json
		case fieldTitle:
			s.titles = split(string(value))
		case fieldKeyword:
			s.keywords = split(string(value))
		case fieldText:
			descriptions, _, _ := strings.Cut(string(value), string(sectionBreak))
			s.descriptions = split(descriptions)
		}
	})
	if err = errors.Join(err, bad); err == nil && (len(s.titles) != len(rec.Titles) || len(s.descriptions) != len(rec.Descriptions)) {
		err = fmt.Errorf("document %d has other languages than texts", num)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	s.hit = Hit{
		Key: s.hit.Key, ID: rec.ID, Space: rec.Space, Hub: rec.Hub, Kind: rec.Kind,
		Title: texts(rec.Titles, s.titles, maxTitle), Summary: texts(rec.Descriptions, s.descriptions, maxSummary), Publisher: rec.Publisher,
		Modified: rec.Modified, Received: rec.Received, Position: rec.Position, Terms: rec.Terms, Formats: rec.Formats,
		Personal: rec.Personal, Policy: rec.Policy, Completeness: rec.Completeness,
		Product: rec.Product, Codes: rec.Codes,
	}
	for field, terms := range rec.Terms {
		for i := range terms {
			if terms[i].Label == nil {
				terms[i].Label = labelOf(field, terms[i].Code)
			}
		}
	}
	return &s, nil
}

// texts puts languages and texts together again.
func texts(tags, values []string, runes int) vocab.Text {
	if len(tags) == 0 {
		return nil
	}
	t := make(vocab.Text, len(tags))
	for i, l := range tags {
		t[l] = cut(values[i], runes)
	}
	return t
}

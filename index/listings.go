package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	segment "github.com/blevesearch/scorch_segment_api/v2"
	jsonv2 "github.com/go-json-experiment/json"

	"lianmu/vocab"
)

// Bounds of listings.
const (
	maxCodes   = 200  // of WithCode
	maxBearers = 1000 // offerings of one product or code whose names are looked at
)

// WithCode returns by code the offerings that have it, whether or not it is
// theirs to have, as far as the reader may see them and they are not of a log
// left out: at most MaxListings a code, by key, of the first thousand. A code
// that no offering has is not in the map. More than 200 codes, or more than
// 1,000 logs left out, are vocab.Problems.
func (ix *Index) WithCode(ctx context.Context, codes []string, reader vocab.Reader, without []string) (found map[string][]Listing, err error) {
	defer contain(&err)
	if len(codes) > maxCodes {
		return nil, vocab.Problems{vocab.NewProblem("/codes", "search.codes", "一次最多查 %d 个标识码", "at most %d codes can be asked for at a time", maxCodes)}
	}
	if len(without) > maxWithout {
		return nil, tooManyWithout()
	}
	snap, err := ix.snapshot()
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	seen, err := newCensus(ix.seen, snap, sightOf(reader, without))
	if err != nil {
		return nil, err
	}
	nums := make(map[string][]uint64, len(codes))
	base := uint64(0)
	for i, s := range snap.Segments() {
		dict, err := s.Segment().Dictionary("code")
		if err != nil {
			return nil, err
		}
		var list segment.PostingsList
		for _, code := range distinct(codes) {
			if list, err = dict.PostingsList([]byte(code), s.Deleted(), list); err != nil {
				return nil, err
			}
			docs, err := documentsOf(list)
			if err != nil {
				return nil, err
			}
			if !seen.everything() {
				docs = roaring.And(docs, seen.seen[i])
			}
			for it := docs.Iterator(); it.HasNext() && len(nums[code]) < maxBearers; {
				nums[code] = append(nums[code], base+uint64(it.Next()))
			}
		}
		base += s.Segment().Count()
	}
	docs := newReader(snap)
	found = make(map[string][]Listing, len(nums))
	for code, nums := range nums {
		if found[code], err = docs.listings(ctx, nums); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// listings tells of some documents, of the first MaxListings by key.
func (r *reader) listings(ctx context.Context, nums []uint64) ([]Listing, error) {
	type named struct {
		num uint64
		key string
	}
	all := make([]named, len(nums))
	for i, num := range nums {
		if i%256 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		key, err := r.key(num, nil)
		if err != nil {
			return nil, err
		}
		all[i] = named{num, key}
	}
	slices.SortFunc(all, func(a, b named) int { return cmp.Compare(a.key, b.key) })
	out := make([]Listing, 0, min(len(all), MaxListings))
	for _, n := range all[:min(len(all), MaxListings)] {
		l, err := r.listing(n.num)
		if err != nil {
			return nil, err
		}
		copy(l.Key[:], n.key)
		out = append(out, l)
	}
	return out, nil
}

// listing reads the names of a document, without its key.
func (r *reader) listing(num uint64) (Listing, error) {
	var rec struct { // of record
		ID      string `json:"i"`
		Space   string `json:"s"`
		Hub     string `json:"h"`
		Product string `json:"pr"`
	}
	var bad error
	err := r.visit(num, func(field string, value []byte) {
		if field == fieldHit {
			bad = jsonv2.Unmarshal(value, &rec)
		}
	})
	if err = errors.Join(err, bad); err != nil {
		return Listing{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return Listing{ID: rec.ID, Space: rec.Space, Hub: rec.Hub, Product: rec.Product}, nil
}

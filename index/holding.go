package index

import (
	"context"
	"fmt"

	"github.com/RoaringBitmap/roaring/v2"

	"lianmu/vocab"
)

// Holding returns key and digest of every document of one moment that holds,
// for each field, the value: of a space or a log, for comparing with the log.
// The fields are those that can be filtered by. It reads what it returns, some
// 3 µs a document.
func (ix *Index) Holding(ctx context.Context, values map[string]string) (found map[vocab.Key]vocab.Digest, err error) {
	defer contain(&err)
	snap, err := ix.snapshot()
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	found = map[vocab.Key]vocab.Digest{}
	for _, s := range snap.Segments() {
		var docs *roaring.Bitmap
		for field, value := range values {
			some, err := fieldTerms{field, []string{value}}.documents(s, s.Deleted())
			if err != nil {
				return nil, err
			}
			if docs == nil {
				docs = some.Clone() // it may be the segment's own
			} else {
				docs.And(some)
			}
		}
		if docs == nil {
			continue
		}
		for it := docs.Iterator(); it.HasNext(); {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			key, digest := digestOf(s, uint64(it.Next()))
			if key == (vocab.Key{}) {
				return nil, fmt.Errorf("%w: a document of %s cannot be read", ErrDamaged, ix.dir)
			}
			found[key] = digest
		}
	}
	return found, nil
}

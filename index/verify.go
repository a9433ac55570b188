package index

import (
	"context"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
)

// maxPhrases bounds what is remembered of phrases: a phrase has one entry a
// segment, of at most a quarter of a byte a document of it.
const maxPhrases = 8192

// phraseIn is a run of characters in a segment, which never changes.
type phraseIn struct {
	segment uint64 // id
	phrase  string
}

// verified tells of documents in which all pairs of a run stand whether the run
// does. It is replaced, never changed.
type verified struct{ checked, holding *roaring.Bitmap }

// verify leaves of found the documents in whose stored text the run of
// characters stands: 季報 and 報表 do not make 季報表. Reading a text costs
// microseconds, so what was seen once is remembered; deletions do not touch it,
// as only documents of found are asked about.
func (ix *Index) verify(ctx context.Context, s *scorch.SegmentSnapshot, run string, found *roaring.Bitmap) (*roaring.Bitmap, error) {
	if found.IsEmpty() {
		return found, nil
	}
	key := phraseIn{s.Id(), run}
	known, ok := ix.phrases.Get(key)
	if !ok {
		known = &verified{roaring.New(), roaring.New()}
	}
	if unknown := roaring.AndNot(found, known.checked); !unknown.IsEmpty() {
		phrase := unitsOf(run)
		bytes := runOf(phrase)
		holding := known.holding.Clone()
		for it, n := unknown.Iterator(), 0; it.HasNext(); n++ {
			if n%256 == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			doc := it.Next()
			ok, err := holdsIn(s, uint64(doc), phrase, bytes)
			if err != nil {
				return nil, err
			}
			if ok {
				holding.Add(doc)
			}
		}
		known = &verified{roaring.Or(known.checked, unknown), holding}
		ix.phrases.Add(key, known)
	}
	return roaring.And(found, known.holding), nil
}

// holdsIn tells whether a phrase stands in the stored texts of a document.
func holdsIn(s *scorch.SegmentSnapshot, local uint64, phrase []unit, run []byte) (found bool, err error) {
	err = s.VisitDocument(local, func(field string, _ byte, value []byte, _ []uint64) bool {
		if !found && (field == fieldTitle || field == fieldKeyword || field == fieldText) {
			found = holds(value, phrase, run)
		}
		return true
	})
	return found, err
}

package index

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"

	"lianmu/vocab"
)

// mark is where a page ended: the place of its last hit in the order, and the
// search that it belongs to. A page goes on behind that place, so nothing is
// shown twice or left out when other documents come and go in between. Only
// the order by relevance moves as they do (a word grows commoner), and with it
// what stands behind a place.
type mark struct {
	Search []byte `json:"s"`           // digest of the request, but for what may change from page to page
	Score  uint64 `json:"r,omitempty"` // bits of the score
	Value  string `json:"v,omitempty"` // of the field sorted by
	ID     []byte `json:"i"`           // key of the document, which breaks ties
}

// maxCursor bounds what is decoded, in characters.
const maxCursor = 2048

// identity tells searches apart whose cursors must not be mixed.
func (r *Request) identity() []byte {
	filters := make(map[string][]string, len(r.Filters))
	for f, vs := range r.Filters {
		filters[f] = slices.Compact(slices.Sorted(slices.Values(vs)))
	}
	visible, all := visibleTerms(r.Reader)
	b, err := json.Marshal(struct { // maps are written in order of their keys
		Query   string
		Filters map[string][]string
		Visible []string
		All     bool
		Sort    string

		Without  []string `json:",omitempty"`
		Collapse bool     `json:",omitempty"`
	}{r.Query.String(), filters, visible, all, r.Sort, r.Without, r.Collapse})
	if err != nil { // strings only
		panic(err)
	}
	sum := sha256.Sum256(b)
	return sum[:12]
}

func (m *mark) encode() string {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// decodeMark returns ErrCursor for what is no cursor of search.
func decodeMark(s string, search []byte) (*mark, error) {
	if len(s) > maxCursor {
		return nil, ErrCursor
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil, ErrCursor
	}
	var m mark
	if json.Unmarshal(b, &m) != nil || !slices.Equal(m.Search, search) || len(m.ID) != len(vocab.Key{}) {
		return nil, ErrCursor
	}
	return &m, nil
}

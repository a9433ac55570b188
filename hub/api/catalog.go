package api

import (
	"context"
	"net/http"

	"lianmu/hub/view"
	"lianmu/index"
	"lianmu/vocab"
)

// Bounds of the questions about the catalogue.
const (
	maxWords   = 1000 // characters of a search
	maxFilters = 32
	maxLimit   = 100
	maxOffset  = 10_000
	maxID      = 2048 // bytes of an @id or a DID
	maxCursor  = 2048
)

// list is how lists are answered: the items of this page and, where there are
// more, the cursor that asks for the next.
type list[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

// listed never lets an empty list become null.
func listed[T any](items []T, next string) list[T] {
	if items == nil {
		items = []T{}
	}
	return list[T]{Items: items, Next: next}
}

func (a *api) search(w http.ResponseWriter, r *http.Request) error {
	p := readParams(r)
	q := view.Question{
		Q:      p.text("q", maxWords),
		Filter: p.texts("filter", maxFilters, 500),
		Sort:   p.text("sort", 32),
		Limit:  p.number("limit", 1, maxLimit, 0),
		Offset: p.number("offset", 0, maxOffset, 0),
		Cursor: p.text("cursor", maxCursor),
		Stale:  p.yes("stale"),
	}
	q.Facets = names(p.texts("facets", maxFilters, 500))
	if err := p.end(); err != nil {
		return err
	}
	var err error
	if q.Reader, err = a.reader(r); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	found, err := a.Catalog.Find(ctx, q)
	if err != nil {
		return err
	}
	if found.Hits == nil {
		found.Hits = []view.Hit{}
	}
	if found.Coverage == nil {
		found.Coverage = []view.Coverage{}
	}
	return answer(w, http.StatusOK, found)
}

// names reads "a,b" and repeated parameters alike.
func names(values []string) []string {
	var out []string
	for _, v := range values {
		start := 0
		for i := 0; i <= len(v); i++ {
			if i == len(v) || v[i] == ',' {
				if i > start && len(out) < maxFilters {
					out = append(out, v[start:i])
				}
				start = i + 1
			}
		}
	}
	return out
}

func (a *api) suggest(w http.ResponseWriter, r *http.Request) error {
	p := readParams(r)
	prefix := p.text("q", 100)
	limit := p.number("limit", 1, 20, 8)
	if err := p.end(); err != nil {
		return err
	}
	if prefix == "" {
		return answer(w, http.StatusOK, listed([]index.Suggestion{}, ""))
	}
	reader, err := a.reader(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	items, err := a.Catalog.Suggest(ctx, prefix, reader, limit)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, listed(items, ""))
}

// offering answers alike for what is not there and what the reader may not
// see: the difference would tell that it exists.
func (a *api) offering(w http.ResponseWriter, r *http.Request) error {
	if err := readParams(r).end(); err != nil {
		return err
	}
	space, err := pathValue(r, "space", maxID)
	if err != nil {
		return err
	}
	id, err := pathValue(r, "id", maxID)
	if err != nil {
		return err
	}
	return a.detail(w, r, space, id)
}

func (a *api) offeringByQuery(w http.ResponseWriter, r *http.Request) error {
	p := readParams(r)
	id := p.text("id", maxID)
	space := p.text("space", maxID)
	if err := p.end(); err != nil {
		return err
	}
	if id == "" {
		return vocab.Problems{vocab.NewProblem("/id", "request.missing",
			"缺少参数 id:请给出 @id 或登记的产品标识码。要查找请用 /api/v1/search。",
			"Parameter id is missing: give an @id or a registered product code. To look around use /api/v1/search.")}
	}
	return a.detail(w, r, space, id)
}

func (a *api) detail(w http.ResponseWriter, r *http.Request, space, id string) error {
	reader, err := a.reader(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	var d *view.Detail
	if space == "" {
		d, err = a.Catalog.OfferingByKey(ctx, id, reader)
	} else {
		d, err = a.Catalog.Offering(ctx, space, id, reader)
	}
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, d)
}

package view

import (
	"context"
	"slices"
	"strings"

	"lianmu/index"
	"lianmu/index/query"
	"lianmu/vocab"
)

// Facets are the fields that can be counted, in the order that pages show.
var Facets = []string{"space", "kind", "theme", "scene", "industry", "region", "form", "frequency", "level", "registration", "publisher", "format"}

// Bounds of a question.
const (
	maxFilters = 32
	maxValue   = 300 // characters of a filter's value
)

// Find answers a question. A question that is badly put is vocab.Problems; a
// foreign cursor is index.ErrCursor. Hits of one product, each listed by its
// provider or by his leave, are one hit, told as the provider's: see product.
func (cat *Catalog) Find(ctx context.Context, q Question) (*Answer, error) {
	began := cat.c.Now()
	req, err := request(q)
	if err != nil {
		return nil, err
	}
	cat.background.search()
	states := cat.c.States()
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	req.Without = cat.unseen(cat.ix)
	if !q.Stale {
		req.Without = append(req.Without, cat.stale(states)...)
	}
	res, err := cat.ix.Search(ctx, req)
	if err != nil {
		return nil, err
	}
	a := &Answer{Total: res.Total, Facets: res.Facets, Next: res.Next}
	a.Coverage, a.Awaited = cat.coverage(cat.ix, states)
	a.Hits = make([]Hit, len(res.Hits))
	names := map[string]vocab.Text{}
	name := func(did string) vocab.Text {
		n, ok := names[did]
		if !ok {
			s, _ := cat.c.Union.Space(did)
			n = s.Space.Name
			names[did] = n
		}
		return n
	}
	for i, h := range res.Hits {
		a.Hits[i] = Hit{Hit: h, SpaceName: name(h.Space), State: cat.stateOf(states, h.Hub)}
		for _, l := range h.Listings {
			a.Hits[i].Listings = append(a.Hits[i].Listings, Listing{l, name(l.Space), cat.stateOf(states, l.Hub)})
		}
	}
	if err := cat.conflicts(ctx, a.Hits, q.Reader, req.Without); err != nil {
		return nil, err
	}
	for i := range a.Hits {
		a.Hits[i].Product = codeOf(a.Hits[i].Product)
	}
	for i, v := range a.Facets["space"] {
		a.Facets["space"][i].Label = name(v.Value)
	}
	a.TookMS = float64(cat.c.Now().Sub(began).Microseconds()) / 1000
	return a, nil
}

// conflicts marks the hits whose product code something else gives, too. The
// caller holds mu.
func (cat *Catalog) conflicts(ctx context.Context, hits []Hit, reader vocab.Reader, without []string) error {
	var codes []string
	for _, h := range hits {
		codes = append(codes, h.Codes...)
	}
	slices.Sort(codes)
	for part := range slices.Chunk(slices.Compact(codes), codesAtOnce) {
		found, err := cat.ix.WithCode(ctx, part, reader, without)
		if err != nil {
			return err
		}
		for i := range hits {
			h := &hits[i]
			for _, code := range h.Codes {
				h.Conflict = h.Conflict || slices.ContainsFunc(found[code], func(l index.Listing) bool {
					return l.Key != h.Key && (codeOf(h.Product) != code || l.Product != h.Product)
				})
			}
		}
	}
	return nil
}

// codesAtOnce is how many codes the index is asked about at once.
const codesAtOnce = 200

// request turns a question into an index request, or says what is wrong.
func request(q Question) (index.Request, error) {
	var ps vocab.Problems
	node, err := query.Parse(q.Q)
	if err != nil {
		ps = append(ps, vocab.ProblemsOf(err, "query")...)
	}
	req := index.Request{
		Query: node, Filters: map[string][]string{}, Reader: q.Reader,
		Sort: q.Sort, Limit: q.Limit, Offset: q.Offset, After: q.Cursor, Highlight: true, Collapse: true,
	}
	if len(q.Filter) > maxFilters {
		ps = append(ps, vocab.NewProblem("filter", "filter.many", "筛选条件最多 %d 个", "at most %d filters", maxFilters))
		q.Filter = nil
	}
	for _, f := range q.Filter {
		name, value, ok := cutFilter(f)
		field, known := query.FieldName(name)
		switch {
		case !ok || value == "" || len([]rune(value)) > maxValue:
			ps = append(ps, vocab.NewProblem("filter", "filter.form", "筛选条件应写作 字段:值,收到 %q", "a filter is written field:value, got %q", clip(f)))
		case !known:
			ps = append(ps, vocab.NewProblem("filter", "filter.field", "没有字段 %q;可用:%s", "no field %q; there are: %s", clip(name), strings.Join(Facets, ", ")))
		default:
			req.Filters[field] = append(req.Filters[field], value)
		}
	}
	for _, f := range q.Facets {
		if f == "all" {
			req.Facets = slices.Clone(Facets)
			break
		}
		field, known := query.FieldName(f)
		if !known || !slices.Contains(Facets, field) {
			ps = append(ps, vocab.NewProblem("facets", "facet.field", "不能按 %q 统计;可用:%s", "cannot count by %q; there are: %s", clip(f), strings.Join(Facets, ", ")))
			continue
		}
		if !slices.Contains(req.Facets, field) {
			req.Facets = append(req.Facets, field)
		}
	}
	if len(ps) > 0 {
		return index.Request{}, ps
	}
	return req, nil
}

// cutFilter splits field:value or field=value at whichever comes first.
func cutFilter(f string) (name, value string, ok bool) {
	i := strings.IndexAny(f, ":=")
	if i <= 0 {
		return "", "", false
	}
	return f[:i], strings.TrimSpace(f[i+1:]), true
}

func clip(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

package index

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/blevesearch/bleve/v2/index/scorch"

	"lianmu/index/query"
	"lianmu/vocab"
)

// Bounds of a request.
const (
	defaultLimit     = 20
	maxLimit         = 100
	maxOffset        = 10_000
	defaultFacetSize = 10
	maxFacetSize     = MaxFacetSize
	maxFilterValues  = 200 // of all fields together
)

// orders are the values of Request.Sort. "relevance" falls back to
// "-modified" where the query has no words to be relevant to.
var orders = map[string]order{
	"relevance":    {},
	"modified":     {field: fieldModified},
	"-modified":    {field: fieldModified, down: true},
	"title":        {field: fieldTitleKey}, // by code point of the folded title, Chinese before others
	"completeness": {field: fieldCompleteness, down: true},
}

// Search runs r: exact totals, facets over all hits, one page of them. A cursor
// of another query or sort is ErrCursor; a request beyond the bounds is
// vocab.Problems; an index that cannot be read is ErrDamaged.
//
// Paging with After visits every document once, also while others come and go;
// by relevance only as far as they do not move the scores.
func (ix *Index) Search(ctx context.Context, r Request) (res *Result, err error) {
	began := time.Now()
	defer contain(&err)
	if err := r.settle(); err != nil {
		return nil, err
	}
	p := page{order: orders[r.Sort], size: r.Offset + r.Limit, found: len(r.Facets) > 0}
	if r.Sort == "relevance" && !scores(r.Query) {
		p.order = orders["-modified"]
	}
	search := r.identity()
	if r.After != "" {
		if p.after, err = decodeMark(r.After, search); err != nil {
			return nil, err
		}
	}

	key := ""
	// Single offerings are looked up by the thousand; they would push out the rest.
	single := len(r.Filters["id"])+len(r.Filters["code"]) > 0
	if _, everything := r.Query.(query.All); everything && !single && r.After == "" && r.Offset == 0 {
		key = r.cacheKey(ix.revision.Load()) // read before the snapshot: what is cached is never newer than its name
		if cached, ok := ix.cache.Get(key); ok {
			return cached.copy(began), nil
		}
	}
	snap, err := ix.snapshot()
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	ix.columns.retain(snap)
	if r.Collapse {
		if p.alike, err = ix.products.alike(ctx, snap); err != nil {
			return nil, err
		}
	}
	found, err := ix.run(ctx, snap, &r, p)
	if err != nil {
		return nil, err
	}
	counted, err := ix.count(ctx, snap, found.found, r.Facets)
	if err != nil {
		return nil, err
	}
	hits, err := load(ctx, snap, &r, found.rows[min(r.Offset, len(found.rows)):])
	if err != nil {
		return nil, err
	}
	res = answer(&r, found, counted, hits, began)
	if found.left {
		last := found.rows[len(found.rows)-1]
		id, err := newReader(snap).key(last.num, nil)
		if err != nil {
			return nil, err
		}
		m := mark{Search: search, ID: []byte(id)}
		if p.order.field == "" {
			m.Score = math.Float64bits(last.score)
		} else {
			m.Value = last.value
		}
		res.Next = m.encode()
	}
	if key != "" {
		ix.cache.Add(key, res.copy(began))
	}
	return res, nil
}

func (ix *Index) run(ctx context.Context, snap *scorch.IndexSnapshot, r *Request, p page) (*collection, error) {
	c, err := newCompiler(ctx, ix.seen, snap, sightOf(r.Reader, r.Without))
	if err != nil {
		return nil, err
	}
	if g, text, ok := oneGroup(r.Query); ok && p.order.field == "" {
		return ix.ranked(c, g, text, r, p)
	}
	s, err := c.search(r.Query, r.Filters)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return collect(ctx, snap, s, p)
}

// load reads the hits of a page.
func load(ctx context.Context, snap *scorch.IndexSnapshot, r *Request, rows []row) ([]Hit, error) {
	docs := newReader(snap)
	var terms map[string]bool
	if r.Highlight {
		terms = highlightTerms(r.Query)
	}
	hits := make([]Hit, 0, len(rows))
	for _, row := range rows {
		doc, err := docs.stored(row.num)
		if err != nil {
			return nil, err
		}
		doc.hit.Score = row.score
		if len(terms) > 0 {
			doc.hit.Highlights = highlights(doc, terms)
		}
		if row.lot != nil && len(row.lot.docs) > 1 {
			doc.hit.Others = len(row.lot.docs) - 1
			if doc.hit.Listings, err = docs.listings(ctx, row.lot.others(row.num)); err != nil {
				return nil, err
			}
		}
		hits = append(hits, doc.hit)
	}
	return hits, nil
}

func answer(r *Request, found *collection, counted counts, hits []Hit, began time.Time) *Result {
	res := &Result{Total: found.total, Hits: hits, Took: time.Since(began)}
	if hits == nil {
		res.Hits = []Hit{}
	}
	if len(r.Facets) > 0 {
		res.Facets = make(map[string][]FacetValue, len(r.Facets))
		for _, f := range r.Facets {
			res.Facets[f] = counted.top(f, r.FacetSize)
		}
	}
	return res
}

// copy keeps the cache's answer apart from the caller's as far as lists go;
// texts and terms of a hit are shared and only read.
func (res *Result) copy(began time.Time) *Result {
	c := *res
	c.Took = time.Since(began)
	c.Hits = slices.Clone(res.Hits)
	c.Facets = maps.Clone(res.Facets)
	for f, values := range c.Facets {
		c.Facets[f] = slices.Clone(values)
	}
	return &c
}

// settle fills in defaults and refuses what is out of bounds.
func (r *Request) settle() error {
	var ps vocab.Problems
	bad := func(path, code, zh, en string, args ...any) {
		ps = append(ps, vocab.NewProblem(path, code, zh, en, args...))
	}
	if r.Query == nil {
		r.Query = query.All{}
	}
	if r.Sort == "" {
		r.Sort = "relevance"
	}
	if _, ok := orders[r.Sort]; !ok {
		bad("/sort", "search.sort", "不支持按“%s”排序；可用 relevance、modified、-modified、title、completeness",
			"cannot sort by %q; use relevance, modified, -modified, title or completeness", r.Sort)
	}
	if r.Limit == 0 {
		r.Limit = defaultLimit
	}
	if r.Limit < 0 || r.Limit > maxLimit {
		bad("/limit", "search.limit", "每页条数应为 1 到 %d", "limit must be 1 to %d", maxLimit)
	}
	if r.Offset < 0 || r.Offset > maxOffset {
		bad("/offset", "search.offset", "起始位置应为 0 到 %d；再往后请用 cursor 翻页", "offset must be 0 to %d; page on with cursor", maxOffset)
	}
	if r.Offset != 0 && r.After != "" {
		bad("/offset", "search.offset", "offset 与 cursor 不能同时使用", "offset and cursor cannot be used together")
	}
	if r.FacetSize == 0 {
		r.FacetSize = defaultFacetSize
	}
	if r.FacetSize < 0 || r.FacetSize > maxFacetSize {
		bad("/facet_size", "search.facet_size", "每个分面最多 %d 个值", "a facet has at most %d values", maxFacetSize)
	}
	for _, f := range r.Facets {
		if !slices.Contains(facetFields, f) {
			bad("/facets", "search.facet", "没有名为“%s”的分面；可用：%s", "there is no facet %q; use one of %s", clip(f), strings.Join(facetFields, ", "))
		}
	}
	r.Facets = slices.Compact(slices.Sorted(slices.Values(r.Facets)))
	values := 0
	for f, vs := range r.Filters {
		if !slices.Contains(facetFields, f) && !slices.Contains(exactFields, f) {
			bad("/filter", "search.filter", "不能按“%s”筛选；可用：%s", "cannot filter by %q; use one of %s",
				clip(f), strings.Join(slices.Concat(facetFields, exactFields), ", "))
		}
		values += len(vs)
		for _, v := range vs {
			if len(v) > maxID {
				bad("/filter", "search.filter", "筛选值最长 %d 字节", "a filter's value has at most %d bytes", maxID)
			}
		}
	}
	if values > maxFilterValues {
		bad("/filter", "search.filter", "筛选值最多 %d 个", "at most %d values to filter by", maxFilterValues)
	}
	if len(r.Without) > maxWithout {
		ps = append(ps, tooManyWithout()...)
	}
	r.Without = slices.Compact(slices.Sorted(slices.Values(r.Without)))
	if len(ps) > 0 {
		return ps
	}
	return nil
}

func tooManyWithout() vocab.Problems {
	return vocab.Problems{vocab.NewProblem("/without", "search.without", "最多可以排除 %d 个目录账本", "at most %d logs can be left out", maxWithout)}
}

func clip(s string) string { return cut(s, 40) }

// cacheKey names the first page of everything behind some filters, which the
// start page asks for again and again.
func (r *Request) cacheKey(revision uint64) string {
	b, err := json.Marshal([]any{r.identity(), r.Facets, r.FacetSize, r.Limit, revision})
	if err != nil { // bytes, strings and numbers
		panic(err)
	}
	return string(b)
}

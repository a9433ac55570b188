package index

import (
	"context"
	"slices"
	"strings"

	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/searcher"

	"lianmu/index/query"
)

// Shares of the score.
const (
	otherFields  = 0.2 // of fields that match beside the best one
	exactTitle   = 40  // added where the title is the word, no more and no less
	everyBranch  = 1.0 // of the other branches of an OR
	maxPrefix    = 500 // values that a prefix (publisher:上海) may stand for
	maxUnfolding = 64  // groups a word may be cut into
)

var (
	scored  = search.SearcherOptions{}
	plainly = search.SearcherOptions{Score: "none"} // matching only: bleve then works on bitmaps
)

// compiler turns a query into searchers over one snapshot. Whoever gets a
// searcher from it closes it; on an error it has closed what it made.
type compiler struct {
	ctx    context.Context
	snap   *scorch.IndexSnapshot
	docs   *reader // for phrases
	sight  sight
	census census // of what is in sight
}

func newCompiler(ctx context.Context, known *seenCache, snap *scorch.IndexSnapshot, v sight) (*compiler, error) {
	c, err := newCensus(known, snap, v)
	return &compiler{ctx: ctx, snap: snap, docs: newReader(snap), sight: v, census: c}, err
}

// search is what matches n, is in sight and passes the filters. Only n makes
// the score.
func (c *compiler) search(n query.Node, filters map[string][]string) (search.Searcher, error) {
	var parts []func() (search.Searcher, error)
	fields := make([]string, 0, len(filters))
	for f, vs := range filters {
		if len(vs) > 0 {
			fields = append(fields, f)
		}
	}
	slices.Sort(fields)
	for _, f := range fields {
		parts = append(parts, func() (search.Searcher, error) { return c.filter(f, filters[f]) })
	}
	if _, everything := n.(query.All); everything {
		if len(parts) == 0 || !c.census.everything() {
			parts = append(parts, c.visible)
		}
		return c.all(parts, plainly)
	}
	wanted := func() (search.Searcher, error) { return c.compile(n) }
	if len(parts) > 0 {
		filter := func() (search.Searcher, error) { return c.all(parts, plainly) }
		wanted = func() (search.Searcher, error) {
			return c.all([]func() (search.Searcher, error){filter, func() (search.Searcher, error) { return c.compile(n) }}, scored)
		}
	}
	s, err := wanted()
	if err != nil {
		return nil, err
	}
	s.SetQueryNorm(1) // every leaf on the same scale, whatever it is nested in
	return c.census.only(c.ctx, s), nil
}

// visible matches what is in sight.
func (c *compiler) visible() (search.Searcher, error) {
	if !c.sight.all && len(c.sight.without) == 0 && !c.census.everything() {
		return c.anyTerm(fieldVisible, c.sight.terms)
	}
	s, err := searcher.NewMatchAllSearcher(c.ctx, c.snap, 0, plainly)
	if err != nil {
		return nil, err
	}
	return c.census.only(c.ctx, s), nil
}

func (c *compiler) compile(n query.Node) (search.Searcher, error) {
	switch n := n.(type) {
	case query.Word:
		return c.word(n.Text)
	case query.Phrase:
		return c.phrase(n.Text)
	case query.Field:
		return c.field(n.Name, n.Value)
	case query.Not:
		return c.and([]query.Node{n})
	case query.And:
		return c.and(n.Parts)
	case query.Or:
		return c.any(each(n.Parts, c.compile), everyBranch)
	}
	return searcher.NewMatchAllSearcher(c.ctx, c.snap, 0, scored)
}

// and matches all parts, and none of those negated.
func (c *compiler) and(parts []query.Node) (search.Searcher, error) {
	var wanted, unwanted []query.Node
	for _, p := range parts {
		if not, ok := p.(query.Not); ok {
			unwanted = append(unwanted, not.Part)
		} else {
			wanted = append(wanted, p)
		}
	}
	if len(wanted) == 0 {
		wanted = []query.Node{query.All{}}
	}
	must, err := c.all(each(wanted, c.compile), scored)
	if err != nil || len(unwanted) == 0 {
		return must, err
	}
	mustNot, err := c.any(each(unwanted, c.compile), everyBranch)
	if err != nil {
		_ = must.Close()
		return nil, err
	}
	return searcher.NewBooleanSearcher(c.ctx, c.snap, must, nil, mustNot, scored)
}

// word matches where each of its groups stands in one of the text fields.
func (c *compiler) word(text string) (search.Searcher, error) {
	groups := groupsOf(text)
	if len(groups) == 0 || len(groups) > maxUnfolding {
		return searcher.NewMatchNoneSearcher(c.snap)
	}
	s, err := c.all(each(groups, func(g group) (search.Searcher, error) {
		if len(g) == 1 && !g.single() {
			return newAnyField(c, textFields, g[0], otherFields)
		}
		parts := make([]func() (search.Searcher, error), len(textFields))
		for i, f := range textFields {
			parts[i] = func() (search.Searcher, error) { return c.inField(f, g) }
		}
		s, err := c.any(parts, otherFields)
		if err != nil || len(g) == 1 {
			return s, err
		}
		return c.holding(s, unitsOf(g.text())), nil
	}), scored)
	if err != nil {
		return nil, err
	}
	return c.exactTitle(s, text)
}

// phrase matches where its units stand side by side, in order, in one value of
// a text field.
func (c *compiler) phrase(text string) (search.Searcher, error) {
	groups := groupsOf(text)
	if len(groups) == 0 || len(groups) > maxUnfolding {
		return searcher.NewMatchNoneSearcher(c.snap)
	}
	parts := make([]func() (search.Searcher, error), len(textFields))
	for i, f := range textFields {
		parts[i] = func() (search.Searcher, error) {
			return c.all(each(groups, func(g group) (search.Searcher, error) { return c.inField(f, g) }), scored)
		}
	}
	s, err := c.any(parts, otherFields)
	if err != nil {
		return nil, err
	}
	if len(groups) > 1 || len(groups[0]) > 1 {
		s = c.holding(s, unitsOf(text))
	}
	return c.exactTitle(s, text)
}

// exactTitle raises documents whose title is text.
func (c *compiler) exactTitle(s search.Searcher, text string) (search.Searcher, error) {
	key := folded(text, maxSuggest)
	title, err := searcher.NewTermSearcher(c.ctx, c.snap, string(suggestTitle)+key, fieldSuggest, 0, plainly)
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	if title.Count() == 0 {
		return s, title.Close()
	}
	return searcher.NewBooleanSearcher(c.ctx, c.snap, s, optional{worth(c.ctx, title, exactTitle)}, nil, scored)
}

// optional makes a searcher one that need not match.
type optional struct{ search.Searcher }

// Min implements search.Searcher.
func (optional) Min() int { return 0 }

// inField matches where one field holds the whole group. Single characters are
// in so many terms that counting them would tell nothing: they score the same
// wherever they stand in a field.
func (c *compiler) inField(f textField, g group) (search.Searcher, error) {
	if g.single() {
		s, err := searcher.NewTermPrefixSearcher(c.ctx, c.snap, g[0], f.name, 0, plainly)
		if err != nil {
			return nil, err
		}
		return worth(c.ctx, s, f.boost), nil
	}
	return c.all(each(g, func(t string) (search.Searcher, error) {
		return newAnyField(c, []textField{f}, t, 0)
	}), scored)
}

// worth gives every match of s the same score.
func worth(ctx context.Context, s search.Searcher, score float64) search.Searcher {
	return searcher.NewFilteringSearcher(ctx, s, func(_ *search.SearchContext, d *search.DocumentMatch) bool {
		d.Score = score
		return true
	})
}

// field matches a coded value by what a person may have meant.
func (c *compiler) field(name, value string) (search.Searcher, error) {
	wanted := resolve(name, value)
	if name == "publisher" || name == "format" { // free text: its beginning will do
		dict, err := c.snap.FieldDictPrefix(name, []byte(strings.TrimSpace(value)))
		if err != nil {
			return nil, err
		}
		defer dict.Close()
		for n := 0; n < maxPrefix; n++ {
			entry, err := dict.Next()
			if err != nil {
				return nil, err
			}
			if entry == nil {
				break
			}
			wanted = append(wanted, entry.Term)
		}
	}
	return c.anyTerm(name, groupValues(name, wanted))
}

// filter matches any of the values of a field. A value that is in the index,
// such as one from a facet, means itself alone; another is taken for what a
// person may have typed.
func (c *compiler) filter(field string, values []string) (search.Searcher, error) {
	terms, err := c.filterTerms(field, values)
	if err != nil {
		return nil, err
	}
	return c.anyTerm(field, terms)
}

func (c *compiler) filterTerms(field string, values []string) ([]string, error) {
	dict, err := c.snap.FieldDictContains(field)
	if err != nil {
		return nil, err
	}
	var exact, typed []string
	for _, v := range values {
		known, err := dict.Contains([]byte(v))
		if err != nil {
			return nil, err
		}
		if known {
			exact = append(exact, v)
		} else {
			typed = append(typed, groupValues(field, resolve(field, v))...)
		}
	}
	return append(exact, typed...), nil
}

// groupValues adds to the head of a group of codes (B0000) those of the group.
func groupValues(field string, wanted []string) []string {
	if field != "theme" && field != "scene" {
		return wanted
	}
	for _, v := range slices.Clone(wanted) {
		if len(v) == 5 && strings.HasSuffix(v, "0000") {
			for _, t := range codeLists[field].All() {
				if strings.HasPrefix(t.Code, v[:1]) {
					wanted = append(wanted, t.Code)
				}
			}
		}
	}
	return wanted
}

// anyTerm matches documents that hold any of the terms, without a score.
func (c *compiler) anyTerm(field string, terms []string) (search.Searcher, error) {
	slices.Sort(terms)
	terms = slices.Compact(terms)
	list := make([]search.Searcher, 0, len(terms))
	for _, t := range terms {
		s, err := searcher.NewTermSearcher(c.ctx, c.snap, t, field, 0, plainly)
		if err != nil {
			closeAll(list)
			return nil, err
		}
		list = append(list, s)
	}
	switch len(list) {
	case 0:
		return searcher.NewMatchNoneSearcher(c.snap)
	case 1:
		return list[0], nil
	}
	s, err := searcher.NewDisjunctionSearcher(c.ctx, c.snap, list, 0, plainly)
	if err != nil {
		closeAll(list)
	}
	return s, err
}

// all matches where all parts do; their scores add up.
func (c *compiler) all(parts []func() (search.Searcher, error), options search.SearcherOptions) (search.Searcher, error) {
	list, err := build(parts)
	if err != nil {
		return nil, err
	}
	if len(list) == 1 {
		return list[0], nil
	}
	s, err := searcher.NewConjunctionSearcher(c.ctx, c.snap, list, options)
	if err != nil {
		closeAll(list)
	}
	return s, err
}

// any matches where any part does.
func (c *compiler) any(parts []func() (search.Searcher, error), others float64) (search.Searcher, error) {
	list, err := build(parts)
	if err != nil {
		return nil, err
	}
	if len(list) == 1 {
		return list[0], nil
	}
	return &bestOf{children: list, current: make([]*search.DocumentMatch, len(list)), others: others}, nil
}

func build(parts []func() (search.Searcher, error)) ([]search.Searcher, error) {
	list := make([]search.Searcher, 0, len(parts))
	for _, part := range parts {
		s, err := part()
		if err != nil {
			closeAll(list)
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

func closeAll(list []search.Searcher) {
	for _, s := range list {
		_ = s.Close()
	}
}

// each defers f over a list.
func each[T any](list []T, f func(T) (search.Searcher, error)) []func() (search.Searcher, error) {
	parts := make([]func() (search.Searcher, error), len(list))
	for i, v := range list {
		parts[i] = func() (search.Searcher, error) { return f(v) }
	}
	return parts
}

// scores tells whether n can tell one match from another.
func scores(n query.Node) bool {
	switch n := n.(type) {
	case query.Word, query.Phrase:
		return true
	case query.And:
		return slices.ContainsFunc(n.Parts, scores)
	case query.Or:
		return slices.ContainsFunc(n.Parts, scores)
	}
	return false
}

package view

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"lianmu/federation/ledger"
	"lianmu/federation/registry"
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
// foreign cursor is index.ErrCursor.
func (cat *Catalog) Find(ctx context.Context, q Question) (*Answer, error) {
	began := cat.c.Now()
	req, err := request(q)
	if err != nil {
		return nil, err
	}
	cat.mu.RLock()
	res, err := cat.ix.Search(ctx, req)
	cursor := cat.ix.Cursor()
	cat.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	a := &Answer{Total: res.Total, Facets: res.Facets, Next: res.Next, Coverage: []Coverage{cat.coverage(cursor)}}
	a.Hits = make([]Hit, len(res.Hits))
	names := map[string]vocab.Text{}
	name := func(did string) vocab.Text {
		n, ok := names[did]
		if !ok {
			s, _ := cat.c.Registry.Space(did)
			n = s.Space.Name
			names[did] = n
		}
		return n
	}
	for i, h := range res.Hits {
		a.Hits[i] = Hit{Hit: h, SpaceName: name(h.Space)}
	}
	for i, v := range a.Facets["space"] {
		a.Facets["space"][i].Label = name(v.Value)
	}
	a.TookMS = float64(cat.c.Now().Sub(began).Microseconds()) / 1000
	return a, nil
}

// request turns a question into an index request, or says what is wrong.
func request(q Question) (index.Request, error) {
	var ps vocab.Problems
	node, err := query.Parse(q.Q)
	if err != nil {
		ps = append(ps, vocab.ProblemsOf(err, "query")...)
	}
	req := index.Request{
		Query: node, Filters: map[string][]string{}, Reader: q.Reader,
		Sort: q.Sort, Limit: q.Limit, Offset: q.Offset, After: q.Cursor, Highlight: true,
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

// Coverage says how much of each log the answers rest on.
func (cat *Catalog) Coverage() []Coverage {
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	return []Coverage{cat.coverage(cat.ix.Cursor())}
}

func (cat *Catalog) coverage(cursor uint64) Coverage {
	size := cat.c.Log.Size()
	c := Coverage{Hub: cat.c.Log.Origin(), LogSize: size, Indexed: min(cursor, size), State: "current"}
	switch {
	case cat.c.Log.ReadOnly() != nil:
		c.State = "read-only"
	case cursor < size:
		c.State = "behind"
	}
	return c
}

// Suggest completes prefix among what the reader may see.
func (cat *Catalog) Suggest(ctx context.Context, prefix string, reader vocab.Reader, limit int) ([]index.Suggestion, error) {
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	return cat.ix.Suggest(ctx, prefix, reader, limit)
}

// Default returns the audience of what a space publishes without saying for
// whom, and whether the space stands, so that others may see anything of it.
func (cat *Catalog) Default(space string) (audience vocab.Audience, stands bool) {
	s, ok := cat.c.Registry.Space(space)
	return cat.fallback(space), !ok || s.Standing == registry.Admitted
}

// Audience tells for whom an entry's document is. What says only that an
// offering is gone names an offering that may be hidden, so it is for its space
// alone; descriptors and what the hub itself says are for everybody, but for the
// names of offerings that it removes. An error means that it could not be told,
// so it is for nobody.
func (cat *Catalog) Audience(ctx context.Context, rec ledger.Record) (vocab.Audience, error) {
	switch rec.Leaf.Kind {
	case vocab.KindSpace, vocab.KindEpoch, vocab.KindRedaction:
		return vocab.AudiencePublic, nil
	case vocab.KindOffering, vocab.KindParticipant, vocab.KindAct:
	default:
		return vocab.AudienceSpace, nil
	}
	r, err := cat.c.Reader.ReadDocument(ctx, cat.c.Processor, rec.Document, rec.ReceivedAt)
	switch {
	case err != nil:
		return vocab.AudienceSpace, err
	case r.Act != nil && r.Act.Verb != vocab.Removal, r.Participant != nil && r.Participant.Audience == vocab.AudiencePublic:
		return vocab.AudiencePublic, nil
	case r.Offering != nil:
		return vocab.AudienceOf(r.Offering, cat.fallback(rec.Fact.Space)), nil
	}
	return vocab.AudienceSpace, nil
}

// SpaceNames returns the names of all spaces that have an entry, by DID.
func (cat *Catalog) SpaceNames() map[string]vocab.Text {
	names := map[string]vocab.Text{}
	for _, s := range cat.c.Registry.Spaces() {
		names[s.Space.DID] = s.Space.Name
	}
	return names
}

// Spaces lists the spaces that have an entry, by their Chinese names, with the
// number of offerings that the reader may see.
func (cat *Catalog) Spaces(ctx context.Context, reader vocab.Reader) ([]SpaceSummary, error) {
	cat.mu.RLock()
	res, err := cat.ix.Search(ctx, index.Request{
		Query: query.All{}, Reader: reader, Facets: []string{"space"}, FacetSize: index.MaxFacetSize, Limit: 1,
	})
	cat.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for _, v := range res.Facets["space"] {
		counts[v.Value] = v.Count
	}
	states := cat.c.Registry.Spaces()
	out := make([]SpaceSummary, len(states))
	for i, s := range states {
		out[i] = SpaceSummary{Space: s.Space, Offerings: counts[s.Space.DID]}
		if reader.MaySee(vocab.AudienceSpace, s.Space.DID) {
			// Leaf records have a time, and no name: to others this would put a
			// name to hidden entries, withdrawals too.
			out[i].LastEntry = s.LastEntry
		}
	}
	slices.SortStableFunc(out, func(a, b SpaceSummary) int { return cmp.Compare(a.Name.In("zh"), b.Name.In("zh")) })
	return out, nil
}

// States returns the state of the registry and of the index, for comparing
// with a fold of the log.
func (cat *Catalog) States(ctx context.Context) ([]State, error) {
	now := cat.c.Now()
	position := cat.c.Registry.Position()
	digest, n := cat.c.Registry.Digest(now)
	states := []State{{View: "registry", Position: position, Offerings: n, Digest: digest}}
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	cursor := cat.ix.Cursor()
	shown := map[vocab.Key]vocab.Digest{}
	for k, d := range cat.ix.All(ctx) {
		shown[k] = d
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return append(states, State{View: "index", Position: cursor, Offerings: len(shown), Digest: registry.DigestOf(shown)}), nil
}

// Count is the number of offerings in the index.
func (cat *Catalog) Count() uint64 {
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	return cat.ix.Count()
}

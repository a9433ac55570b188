package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"lianmu/hub/view"
	"lianmu/index"
)

// facetOrder is the order of the facets beside the results.
var facetOrder = []string{"kind", "space", "theme", "scene", "region", "industry", "form", "frequency", "level", "registration", "publisher", "format"}

// sorts that a reader may choose, the default first.
var sorts = []string{"relevance", "-modified", "modified", "title", "completeness"}

const (
	pageSize   = 20
	facetShort = 6 // values shown before "more"
)

// filter is one field:value restriction.
type filter struct{ Field, Value string }

func (f filter) String() string { return f.Field + ":" + f.Value }

// searchState is a search as its URL says it.
type searchState struct {
	Q       string
	Filters []filter
	Sort    string // "" is relevance
	Stale   bool   // also what is in logs that have been silent for long
	Cursor  string
}

// readState reads a search from the URL, bounded.
func readState(args url.Values) *searchState {
	s := &searchState{Q: cut(strings.TrimSpace(args.Get("q")), maxQuery), Cursor: cut(args.Get("cursor"), maxQuery), Stale: args.Get("stale") == "1"}
	if v := args.Get("sort"); v != sorts[0] && slices.Contains(sorts, v) {
		s.Sort = v
	}
	for _, v := range args["filter"] {
		i := strings.IndexAny(v, ":=")
		if i <= 0 || i == len(v)-1 || len(s.Filters) == maxFilters {
			continue
		}
		f := filter{v[:i], v[i+1:]}
		if !slices.Contains(s.Filters, f) {
			s.Filters = append(s.Filters, f)
		}
	}
	return s
}

// url is the link to the search, without a cursor unless there is one.
func (s *searchState) url() string {
	v := url.Values{}
	if s.Q != "" {
		v.Set("q", s.Q)
	}
	for _, f := range s.Filters {
		v.Add("filter", f.String())
	}
	if s.Sort != "" {
		v.Set("sort", s.Sort)
	}
	if s.Stale {
		v.Set("stale", "1")
	}
	if s.Cursor != "" {
		v.Set("cursor", s.Cursor)
	}
	if len(v) == 0 {
		return "/search"
	}
	return "/search?" + v.Encode()
}

// first is the first page of the search.
func (s searchState) first() searchState {
	s.Cursor = ""
	return s
}

// toggle returns the link with f added or taken away, on the first page.
func (s *searchState) toggle(f filter) string {
	n := s.first()
	n.Filters = nil
	for _, g := range s.Filters {
		if g != f {
			n.Filters = append(n.Filters, g)
		}
	}
	if len(n.Filters) == len(s.Filters) {
		n.Filters = append(n.Filters, f)
	}
	return n.url()
}

// choice is a link that a reader may take: a facet's value, a chip, a sort.
type choice struct {
	Label string
	Field string // of a chip: the facet's name
	Count int
	URL   string
	On    bool
}

// facetView is a facet beside the results.
type facetView struct {
	Name, Label string
	Values      []choice
	More        []choice // behind "more"
	Open        bool     // something is chosen in it
}

// results is the body of the search page.
type results struct {
	State    *searchState
	Total    uint64
	Hits     []hitView
	Facets   []facetView
	Chips    []choice
	ClearURL string
	Sorts    []choice
	SortNow  string
	Next     string
	First    string // link to the first page, "" when on it
	Coverage coverage
	Conflict bool // a hit is marked 标识冲突
	TookMS   float64
	Samples  []choice
	Nearer   []choice // where nothing was found: searches for less that find something
}

func (s *Site) search(q *request) {
	state := readState(q.args)
	ask := view.Question{Q: state.Q, Facets: facetOrder, Sort: state.Sort, Limit: pageSize, Cursor: state.Cursor, Stale: state.Stale, Reader: q.reader}
	for _, f := range state.Filters {
		ask.Filter = append(ask.Filter, f.String())
	}
	a, err := s.config.Catalog.Find(q.Context(), ask)
	if err != nil {
		s.fail(q, err)
		return
	}
	logs := q.t.logNames(a.Coverage)
	names := s.names(q, logs)
	res := results{State: state, Total: a.Total, Coverage: q.t.rests(a, logs), TookMS: a.TookMS, Samples: q.t.samples()}
	for _, h := range a.Hits {
		res.Hits = append(res.Hits, s.hit(q.t, h, names))
		res.Conflict = res.Conflict || h.Conflict
	}
	first := state.first()
	if res.Coverage.Stale = state.Stale; len(res.Coverage.LeftOut) > 0 {
		n := first
		n.Stale = !n.Stale
		res.Coverage.Switch = n.url()
	}
	if a.Total == 0 {
		res.Nearer = s.nearer(q, ask, state)
	}
	res.Facets = q.t.facets(state, a.Facets, names)
	for _, f := range state.Filters {
		res.Chips = append(res.Chips, choice{Field: q.t.sayOr("field."+f.Field, f.Field), Label: q.t.valueName(f, a.Facets, names), URL: state.toggle(f)})
	}
	if len(state.Filters) > 0 {
		n := first
		n.Filters = nil
		res.ClearURL = n.url()
	}
	res.SortNow = state.Sort
	if state.Sort == "" { // without words nothing is more relevant than another
		res.SortNow = sorts[0]
		if state.Q == "" {
			res.SortNow = "-modified"
		}
	}
	for _, name := range sorts {
		if name == sorts[0] && state.Q == "" {
			continue
		}
		n := first
		if n.Sort = name; name == sorts[0] {
			n.Sort = ""
		}
		c := choice{Label: q.t.say("sort." + name), URL: n.url(), On: name == res.SortNow}
		res.Sorts = append(res.Sorts, c)
	}
	if state.Cursor != "" {
		res.First = first.url()
	}
	if a.Next != "" {
		n := first
		n.Cursor = a.Next
		res.Next = n.url()
	}
	title := q.t.say("search.title")
	if state.Q != "" {
		title = cut(state.Q, 60) + " · " + title
	}
	s.render(q, http.StatusOK, "search", page{Title: title, Query: state.Q, Body: res})
}

// facets lays out the counts beside the results, in our order.
func (t *tongue) facets(state *searchState, counts map[string][]index.FacetValue, names names) []facetView {
	var out []facetView
	for _, name := range facetOrder {
		f := facetView{Name: name, Label: t.say("field." + name)}
		seen := map[string]bool{}
		for _, v := range counts[name] {
			x := filter{name, v.Value}
			seen[v.Value] = true
			c := choice{Label: t.valueName(x, counts, names), Count: v.Count, URL: state.toggle(x), On: slices.Contains(state.Filters, x)}
			f.Open = f.Open || c.On
			if len(f.Values) < facetShort || c.On {
				f.Values = append(f.Values, c)
			} else {
				f.More = append(f.More, c)
			}
		}
		for _, x := range state.Filters { // chosen, but not among the values counted
			if x.Field == name && !seen[x.Value] {
				f.Values = append(f.Values, choice{Label: t.valueName(x, counts, names), URL: state.toggle(x), On: true, Count: -1})
				f.Open = true
			}
		}
		if len(f.Values) > 0 {
			out = append(out, f)
		}
	}
	return out
}

// valueName is how a filter's value is called in the reader's language.
func (t *tongue) valueName(f filter, counts map[string][]index.FacetValue, names names) string {
	name := ""
	switch f.Field {
	case "space":
		name = names.space(f.Value)
	case "hub":
		name = names.logs[f.Value]
	}
	if name != "" {
		return name
	}
	if s := t.sayOr(f.Field+"."+f.Value, ""); s != "" {
		return s
	}
	for _, v := range counts[f.Field] {
		if v.Value == f.Value {
			if s := v.Label.In(t.lang); s != "" {
				return s
			}
		}
	}
	if f.Field == "space" || f.Field == "hub" {
		return short(f.Value)
	}
	if i := strings.LastIndexAny(f.Value, "/#"); i >= 0 && i < len(f.Value)-1 && strings.Contains(f.Value, "://") {
		return f.Value[i+1:] // the name in another vocabulary's IRI
	}
	return f.Value
}

// samples are searches that show what can be asked.
func (t *tongue) samples() []choice {
	var out []choice
	for _, w := range strings.Split(t.say("samples"), "|") {
		out = append(out, choice{Label: w, URL: (&searchState{Q: w}).url()})
	}
	return out
}

// suggest answers the search box's script: a JSON array of texts with the
// name of what they are, in the reader's language.
func (s *Site) suggest(q *request) {
	type item struct {
		Text string `json:"text"`
		Kind string `json:"kind"`
	}
	items := []item{}
	if prefix := strings.TrimSpace(q.args.Get("q")); prefix != "" && len(prefix) <= 200 {
		found, err := s.config.Catalog.Suggest(q.Context(), prefix, q.reader, 8)
		if err != nil && q.Context().Err() == nil {
			s.config.Logger.Warn("suggestions failed", "error", err)
		}
		for _, f := range found {
			items = append(items, item{f.Text, q.t.sayOr("suggest."+f.Kind, "")})
		}
	}
	q.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	q.w.Header().Set("Cache-Control", "private, max-age=30")
	q.w.Header().Set("Vary", "Accept-Language, Cookie, Authorization")
	_ = json.NewEncoder(q.w).Encode(items) // fails only where the reader has gone
}

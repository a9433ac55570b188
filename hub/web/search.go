package web

import (
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"lianmu/hub/view"
	"lianmu/index"
	"lianmu/vocab"
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
	Cursor  string
}

// readState reads a search from the URL, bounded.
func readState(args url.Values) *searchState {
	s := &searchState{Q: cut(strings.TrimSpace(args.Get("q")), maxQuery), Cursor: cut(args.Get("cursor"), maxQuery)}
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
	if s.Cursor != "" {
		v.Set("cursor", s.Cursor)
	}
	if len(v) == 0 {
		return "/search"
	}
	return "/search?" + v.Encode()
}

// toggle returns the link with f added or taken away, on the first page.
func (s *searchState) toggle(f filter) string {
	n := searchState{Q: s.Q, Sort: s.Sort}
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

// badge is a small label on a hit.
type badge struct{ Kind, Text string }

// hitView is a hit as it is shown.
type hitView struct {
	URL          string
	Title        template.HTML // escaped, with marks
	TitleLang    string
	Other        phrase // the title in the other language
	Kind         string
	Space        string
	SpaceURL     string
	Publisher    phrase
	Regions      string
	Modified     time.Time
	Received     bool // Modified is when it came here
	Summary      template.HTML
	SummaryLang  string
	Badges       []badge
	Completeness int
	Demo         bool
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
	Coverage []view.Coverage
	TookMS   float64
	Samples  []choice
	Nearer   []choice // where nothing was found: searches for less that find something
}

func (s *Site) search(q *request) {
	state := readState(q.args)
	ask := view.Question{Q: state.Q, Facets: facetOrder, Sort: state.Sort, Limit: pageSize, Cursor: state.Cursor, Reader: q.reader}
	for _, f := range state.Filters {
		ask.Filter = append(ask.Filter, f.String())
	}
	a, err := s.config.Catalog.Find(q.Context(), ask)
	if err != nil {
		s.fail(q, err)
		return
	}
	names := s.spaceNames(q)
	res := results{State: state, Total: a.Total, Coverage: a.Coverage, TookMS: a.TookMS, Samples: q.t.samples()}
	for _, h := range a.Hits {
		res.Hits = append(res.Hits, s.hit(q.t, h, names))
	}
	if a.Total == 0 {
		res.Nearer = s.nearer(q, ask, state)
	}
	res.Facets = q.t.facets(state, a.Facets, names)
	for _, f := range state.Filters {
		res.Chips = append(res.Chips, choice{Field: q.t.sayOr("field."+f.Field, f.Field), Label: q.t.valueName(f, a.Facets, names), URL: state.toggle(f)})
	}
	if len(state.Filters) > 0 {
		res.ClearURL = (&searchState{Q: state.Q, Sort: state.Sort}).url()
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
		n := searchState{Q: state.Q, Filters: state.Filters, Sort: name}
		if name == sorts[0] {
			n.Sort = ""
		}
		c := choice{Label: q.t.say("sort." + name), URL: n.url(), On: name == res.SortNow}
		res.Sorts = append(res.Sorts, c)
	}
	if state.Cursor != "" {
		res.First = (&searchState{Q: state.Q, Filters: state.Filters, Sort: state.Sort}).url()
	}
	if a.Next != "" {
		res.Next = (&searchState{Q: state.Q, Filters: state.Filters, Sort: state.Sort, Cursor: a.Next}).url()
	}
	title := q.t.say("search.title")
	if state.Q != "" {
		title = cut(state.Q, 60) + " · " + title
	}
	s.render(q, http.StatusOK, "search", page{Title: title, Query: state.Q, Body: res})
}

// spaceNames maps DIDs to the spaces' names in the reader's language.
func (s *Site) spaceNames(q *request) map[string]string {
	names := map[string]string{}
	for did, name := range s.config.Catalog.SpaceNames() {
		names[did] = name.In(q.t.lang)
	}
	return names
}

func (s *Site) hit(t *tongue, h view.Hit, names map[string]string) hitView {
	title, summary := t.pick(h.Title), t.pick(h.Summary)
	v := hitView{
		URL:   offeringURL(h.Space, h.ID),
		Title: t.highlight("title", title.Text, h.Highlights), TitleLang: title.Lang, Other: t.other(h.Title),
		Kind: t.sayOr("kind."+string(h.Kind), string(h.Kind)), Space: h.SpaceName.In(t.lang), SpaceURL: "/space?" + url.Values{"did": {h.Space}}.Encode(),
		Publisher: t.pick(h.Publisher), Modified: h.Modified, Received: h.Received, Completeness: min(max(h.Completeness, 0), 100),
		Summary: t.highlight("summary", summary.Text, h.Highlights), SummaryLang: summary.Lang,
		Demo: s.config.Demo && isDemo(h.Publisher, h.Summary),
	}
	if v.Space == "" {
		v.Space = names[h.Space]
	}
	if v.Space == "" {
		v.Space = short(h.Space)
	}
	var regions []string
	for _, r := range h.Terms["region"] {
		if len(regions) < 3 {
			regions = append(regions, t.label(r))
		}
	}
	v.Regions = strings.Join(regions, t.say("list.comma"))
	for _, field := range []string{"form", "frequency", "level"} {
		for _, x := range h.Terms[field] {
			kind := field
			if field == "level" && x.Code != "001" {
				kind = "guarded"
			}
			if l := t.label(x); l != "" {
				v.Badges = append(v.Badges, badge{kind, l})
			}
		}
	}
	for i, f := range h.Formats {
		if i == 4 {
			break
		}
		v.Badges = append(v.Badges, badge{"format", f})
	}
	if h.Personal != nil && *h.Personal {
		v.Badges = append(v.Badges, badge{"personal", t.say("badge.personal")})
	}
	if h.Policy {
		v.Badges = append(v.Badges, badge{"policy", t.say("badge.policy")})
	}
	return v
}

// isDemo tells whether a description says of itself that it is demonstration data.
func isDemo(texts ...vocab.Text) bool {
	for _, x := range texts {
		if strings.Contains(x["zh"], "演示") || strings.Contains(x["en"], "(demo") {
			return true
		}
	}
	return false
}

// highlight puts the index's marks into a text. A fragment of another
// language than the text shown is passed over, so that marking never changes
// what is read.
func (t *tongue) highlight(field, text string, found map[string][]string) template.HTML {
	best := template.HTML(template.HTMLEscapeString(text))
	whole := string(best)
	for _, f := range found[field] {
		m := strings.Trim(string(marked(f)), "… ")
		plain := strings.NewReplacer("<mark>", "", "</mark>", "").Replace(m)
		if plain == "" || plain == m {
			continue
		}
		if i := strings.Index(whole, plain); i >= 0 {
			return template.HTML(whole[:i] + m + whole[i+len(plain):])
		}
		// A long description is shown in part: what was found may lie beyond it.
		if field == "summary" && sameScript(text, plain) {
			best = template.HTML("… " + m + " …")
		}
	}
	return best
}

// sameScript reports whether both texts are, or are not, mostly Chinese.
func sameScript(a, b string) bool { return chinese(a) == chinese(b) }

func chinese(s string) bool {
	han, all := 0, 0
	for _, r := range s {
		all++
		if r >= 0x2e80 && r < 0xa000 {
			han++
		}
	}
	return han*4 > all
}

// facets lays out the counts beside the results, in our order.
func (t *tongue) facets(state *searchState, counts map[string][]index.FacetValue, names map[string]string) []facetView {
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
func (t *tongue) valueName(f filter, counts map[string][]index.FacetValue, names map[string]string) string {
	if f.Field == "space" && names[f.Value] != "" {
		return names[f.Value]
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
	if f.Field == "space" {
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

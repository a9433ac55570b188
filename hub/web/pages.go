package web

import (
	"net/http"
	"strings"

	"lianmu/hub/view"
	"lianmu/index"
)

// tile is a theme on the start page.
type tile struct {
	choice
	Code  string
	Group string // first letter of the code: a, b, c, d, or x
}

// welcome is the body of the start page.
type welcome struct {
	Spaces   []spaceRow
	Total    uint64
	Entries  uint64
	Tiles    []tile
	Kinds    []choice
	Newest   []hitView
	Samples  []choice
	Coverage coverage
	Hubs     []NamedURL // of the demonstration
}

func (s *Site) start(q *request) {
	a, err := s.config.Catalog.Find(q.Context(), view.Question{Facets: []string{"theme", "kind"}, Sort: "-modified", Limit: 4, Reader: q.reader})
	if err != nil {
		s.fail(q, err)
		return
	}
	all, err := s.config.Catalog.Spaces(q.Context(), q.reader)
	if err != nil {
		s.fail(q, err)
		return
	}
	logs := q.t.logNames(a.Coverage)
	names := s.names(q, logs)
	spaces := s.standing(all, false, names)
	b := welcome{Spaces: spaces, Total: a.Total, Coverage: q.t.rests(a, logs), Samples: q.t.samples(), Hubs: s.config.Hubs}
	for _, c := range a.Coverage {
		b.Entries += c.LogSize
	}
	state := &searchState{}
	for _, v := range a.Facets["theme"] {
		f := filter{"theme", v.Value}
		b.Tiles = append(b.Tiles, tile{choice{Label: q.t.valueName(f, a.Facets, names), Count: v.Count, URL: state.toggle(f)}, v.Value, group(v)})
	}
	for _, v := range a.Facets["kind"] {
		f := filter{"kind", v.Value}
		b.Kinds = append(b.Kinds, choice{Label: q.t.valueName(f, a.Facets, names), Count: v.Count, URL: state.toggle(f)})
	}
	for _, h := range a.Hits {
		b.Newest = append(b.Newest, s.hit(q.t, h, names))
	}
	s.render(q, http.StatusOK, "start", page{Title: q.t.say("site.name"), Start: true, Body: b})
}

// group is the colour group of a theme tile: the national themes begin with
// A to D.
func group(v index.FacetValue) string {
	if len(v.Value) == 5 && v.Value[0] >= 'A' && v.Value[0] <= 'D' {
		return strings.ToLower(v.Value[:1])
	}
	return "x"
}

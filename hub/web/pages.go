package web

import (
	"net/http"
	"sort"
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
	Spaces   []view.SpaceSummary
	Total    uint64
	Entries  uint64
	Tiles    []tile
	Kinds    []choice
	Newest   []hitView
	Samples  []choice
	Coverage []view.Coverage
}

func (s *site) start(q *request) {
	a, err := s.config.Catalog.Find(q.Context(), view.Question{Facets: []string{"theme", "kind"}, Sort: "-modified", Limit: 4, Reader: q.reader})
	if err != nil {
		s.fail(q, err)
		return
	}
	spaces, err := s.config.Catalog.Spaces(q.Context(), q.reader)
	if err != nil {
		s.fail(q, err)
		return
	}
	b := welcome{Spaces: spaces, Total: a.Total, Coverage: a.Coverage, Samples: q.t.samples()}
	for _, c := range a.Coverage {
		b.Entries += c.LogSize
	}
	state := &searchState{}
	names := s.spaceNames(q)
	for _, v := range a.Facets["theme"] {
		f := filter{"theme", v.Value}
		b.Tiles = append(b.Tiles, tile{choice{Label: q.t.valueName(f, a.Facets, nil), Count: v.Count, URL: state.toggle(f)}, v.Value, group(v)})
	}
	for _, v := range a.Facets["kind"] {
		f := filter{"kind", v.Value}
		b.Kinds = append(b.Kinds, choice{Label: q.t.valueName(f, a.Facets, nil), Count: v.Count, URL: state.toggle(f)})
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

// spaceGroup is the spaces of one type.
type spaceGroup struct {
	Label  string
	Spaces []view.SpaceSummary
}

func (s *site) spaces(q *request) {
	byType := map[string]*spaceGroup{}
	var keys []string
	all, err := s.config.Catalog.Spaces(q.Context(), q.reader)
	if err != nil {
		s.fail(q, err)
		return
	}
	for _, sp := range all {
		key := q.t.label(sp.Type)
		if byType[key] == nil {
			byType[key] = &spaceGroup{Label: key}
			keys = append(keys, key)
		}
		byType[key].Spaces = append(byType[key].Spaces, sp)
	}
	sort.SliceStable(keys, func(i, j int) bool { return keys[i] != "" && keys[j] == "" })
	var groups []*spaceGroup
	for _, k := range keys {
		groups = append(groups, byType[k])
	}
	body := struct {
		Groups []*spaceGroup
		Count  int
	}{groups, len(all)}
	s.render(q, http.StatusOK, "spaces", page{Title: q.t.say("spaces.title"), Body: body})
}

// spaceBody is the page of one space.
type spaceBody struct {
	Space    view.SpaceSummary
	Newest   []hitView
	Total    uint64
	All      string
	Themes   []choice
	Forms    []choice
	Coverage []view.Coverage
}

func (s *site) space(q *request) {
	did := q.args.Get("did")
	all, err := s.config.Catalog.Spaces(q.Context(), q.reader)
	if err != nil {
		s.fail(q, err)
		return
	}
	for _, sp := range all {
		if sp.DID != did {
			continue
		}
		mine := filter{"space", did}
		a, err := s.config.Catalog.Find(q.Context(), view.Question{Filter: []string{mine.String()}, Facets: []string{"theme", "form"}, Sort: "-modified", Limit: 8, Reader: q.reader})
		if err != nil {
			s.fail(q, err)
			return
		}
		state := &searchState{Filters: []filter{mine}}
		b := spaceBody{Space: sp, Total: a.Total, All: state.url(), Coverage: a.Coverage}
		for _, h := range a.Hits {
			b.Newest = append(b.Newest, s.hit(q.t, h, map[string]string{did: q.t.named(did, sp.Name).Text}))
		}
		list := func(field string) (out []choice) {
			for _, v := range a.Facets[field] {
				f := filter{field, v.Value}
				out = append(out, choice{Label: q.t.valueName(f, a.Facets, nil), Count: v.Count, URL: state.toggle(f)})
			}
			return out
		}
		b.Themes, b.Forms = list("theme"), list("form")
		s.render(q, http.StatusOK, "space", page{Title: q.t.named(did, sp.Name).Text, Body: b})
		return
	}
	s.problem(q, http.StatusNotFound, nil)
}

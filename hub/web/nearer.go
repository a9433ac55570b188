package web

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"lianmu/hub/view"
)

const mostNearer = 4 // searches made for a reader who found nothing

// nearer offers a reader who found nothing searches for less: each word alone,
// or, of one Chinese word, its beginning and its end. Only those that find
// something are offered; where they fail, none are.
func (s *Site) nearer(q *request, ask view.Question, state *searchState) []choice {
	var out []choice
	for _, words := range lesser(state.Q) {
		ask.Q, ask.Facets, ask.Sort, ask.Cursor, ask.Limit = words, nil, "", "", 1
		a, err := s.config.Catalog.Find(q.Context(), ask)
		if err != nil {
			s.config.Logger.Warn("a nearer search failed", "error", err)
			return nil
		}
		if a.Total > 0 {
			n := searchState{Q: words, Filters: state.Filters, Stale: state.Stale}
			out = append(out, choice{Label: words, Count: int(a.Total), URL: n.url()})
		}
	}
	return out
}

// lesser are searches for parts of what was asked, at most mostNearer. A query
// with operators says too exactly what it wants.
func lesser(q string) []string {
	words := strings.Fields(q)
	if slices.ContainsFunc(words, func(w string) bool {
		return w == "OR" || w == "AND" || w == "NOT" || w == "或" || strings.HasPrefix(w, "-") || strings.ContainsFunc(w, operator)
	}) {
		return nil
	}
	if len(words) == 1 {
		r := []rune(words[0])
		if len(r) < 3 || slices.ContainsFunc(r, func(r rune) bool { return !unicode.Is(unicode.Han, r) }) {
			return nil
		}
		words = []string{string(r[:2]), string(r[len(r)-2:])}
	}
	var out []string
	for _, w := range words {
		if utf8.RuneCountInString(w) > 1 && !slices.Contains(out, w) && len(out) < mostNearer {
			out = append(out, w)
		}
	}
	if len(out) == 1 && out[0] == q {
		return nil
	}
	return out
}

// operator tells the characters that mean something in a query.
func operator(r rune) bool {
	return strings.ContainsRune("\"“”「」:：()（）|｜－", r)
}

package index

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/searcher"

	"lianmu/vocab"
)

// What a term of the suggest field stands for: its first byte.
const (
	suggestTitle     = 't'
	suggestKeyword   = 'k'
	suggestTheme     = 'm'
	suggestPublisher = 'p'
)

var suggestKinds = []struct {
	prefix byte
	name   string
}{
	{suggestKeyword, "keyword"}, {suggestTheme, "theme"}, {suggestPublisher, "publisher"}, {suggestTitle, "title"},
}

const (
	maxSuggest    = 60  // runes of a folded text
	maxCandidates = 100 // terms of one kind that are looked at
	maxSuggested  = 20
	countedUpTo   = 1000 // documents of one suggestion
)

// Suggest returns at most limit (20) completions of prefix among what the
// reader may see: keywords, themes, publishers and titles that begin with
// it, then titles that hold it further on. Something that only stands in
// documents out of sight is never suggested, and counts leave those out.
func (ix *Index) Suggest(ctx context.Context, prefix string, reader vocab.Reader, limit int) (out []Suggestion, err error) {
	defer contain(&err)
	key := folded(cut(prefix, maxSuggest), maxSuggest)
	limit = min(limit, maxSuggested)
	out = []Suggestion{}
	if key == "" || limit <= 0 {
		return out, nil
	}
	snap, err := ix.snapshot()
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	c, err := newCompiler(ctx, ix.seen, snap, reader)
	if err != nil {
		return nil, err
	}
	s := &suggester{c: c, seeing: c.visible, seen: map[string]bool{}}
	for i, kind := range suggestKinds {
		// Each kind gets its share of the room that is left, so that a common
		// prefix does not fill the list with one kind.
		share := (limit - len(out) + len(suggestKinds) - i - 1) / (len(suggestKinds) - i)
		found, err := s.beginning(kind.prefix, kind.name, key, share)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	if len(out) < limit {
		found, err := s.inside(prefix, limit-len(out))
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

type suggester struct {
	c      *compiler
	seeing func() (search.Searcher, error) // what the reader may see
	seen   map[string]bool                 // folded texts already suggested
}

// beginning walks the dictionary from key on.
func (s *suggester) beginning(prefix byte, kind, key string, limit int) ([]Suggestion, error) {
	dict, err := s.c.snap.FieldDictPrefix(fieldSuggest, []byte(string(prefix)+key))
	if err != nil {
		return nil, err
	}
	defer dict.Close()
	type candidate struct {
		term  string
		count uint64
	}
	var candidates []candidate
	for len(candidates) < maxCandidates {
		e, err := dict.Next()
		if err != nil {
			return nil, err
		}
		if e == nil {
			break
		}
		candidates = append(candidates, candidate{strings.Clone(e.Term), e.Count})
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int { return cmp.Compare(b.count, a.count) })
	var out []Suggestion
	for _, c := range candidates {
		if len(out) == limit {
			break
		}
		if s.seen[c.term[1:]] {
			continue
		}
		first, n, err := s.visible(func() (search.Searcher, error) {
			return searcher.NewTermSearcher(s.c.ctx, s.c.snap, c.term, fieldSuggest, 0, plainly)
		})
		if err != nil {
			return nil, err
		}
		if n == 0 {
			continue
		}
		doc, err := s.c.docs.stored(first)
		if err != nil {
			return nil, err
		}
		if text := original(doc, prefix, c.term[1:]); text != "" {
			s.seen[c.term[1:]] = true
			out = append(out, Suggestion{Text: text, Kind: kind, Count: n})
		}
	}
	return out, nil
}

// titleField is titles as suggestions weigh them.
var titleField = textField{name: fieldTitle, boost: 1, length: textFields[0].length}

// visible counts the documents of a searcher that the reader may see, as
// far as countedUpTo, and returns the first.
func (s *suggester) visible(term func() (search.Searcher, error)) (first uint64, n int, err error) {
	both, err := s.c.all([]func() (search.Searcher, error){term, s.seeing}, plainly)
	if err != nil {
		return 0, 0, err
	}
	defer both.Close()
	sctx := &search.SearchContext{DocumentMatchPool: search.NewDocumentMatchPool(both.DocumentMatchPoolSize()+1, 0), IndexReader: s.c.snap}
	for n < countedUpTo {
		m, err := both.Next(sctx)
		if err != nil || m == nil {
			return first, n, err
		}
		if n == 0 {
			first = m.IndexInternalID.Value()
		}
		n++
		sctx.DocumentMatchPool.Put(m)
	}
	return first, n, nil
}

// inside finds titles that hold what was typed as words; the last word may be
// unfinished.
func (s *suggester) inside(typed string, limit int) ([]Suggestion, error) {
	groups := groupsOf(typed)
	if len(groups) == 0 || len(groups) > maxUnfolding {
		return nil, nil
	}
	open := openWord(typed)
	if open != "" {
		groups = groups[:len(groups)-1]
	}
	parts := each(groups, func(g group) (search.Searcher, error) { return s.c.inField(titleField, g) })
	if open != "" {
		parts = append(parts, func() (search.Searcher, error) { return s.startingWith(open) })
	}
	titles, err := s.c.all(parts, scored)
	if err != nil {
		return nil, err
	}
	filter, err := s.seeing()
	if err != nil {
		_ = titles.Close()
		return nil, err
	}
	both, err := searcher.NewConjunctionSearcher(s.c.ctx, s.c.snap, []search.Searcher{titles, filter}, scored)
	if err != nil {
		closeAll([]search.Searcher{titles, filter})
		return nil, err
	}
	defer both.Close()
	both.SetQueryNorm(1)
	found, err := collect(s.c.ctx, s.c.snap, both, page{size: limit * 3})
	if err != nil {
		return nil, err
	}
	var out []Suggestion
	for _, r := range found.rows {
		doc, err := s.c.docs.stored(r.num)
		if err != nil {
			return nil, err
		}
		title := titleWith(doc, groups, open)
		key := folded(title, maxSuggest)
		if title == "" || s.seen[key] || len(out) == limit {
			continue
		}
		s.seen[key] = true
		out = append(out, Suggestion{Text: title, Kind: "title"})
	}
	return out, nil
}

// startingWith matches titles with a word that starts with what was typed.
// Words are indexed by their stems, which may be shorter than what was typed
// (transport, transporta…): those are candidates too, and titleWith decides.
func (s *suggester) startingWith(open string) (search.Searcher, error) {
	var terms []string
	for n := min(4, len(open)); n < len(open); n++ {
		terms = append(terms, open[:n])
	}
	dict, err := s.c.snap.FieldDictPrefix(fieldTitle, []byte(open))
	if err != nil {
		return nil, err
	}
	defer dict.Close()
	for range maxCandidates {
		e, err := dict.Next()
		if err != nil {
			return nil, err
		}
		if e == nil {
			break
		}
		terms = append(terms, strings.Clone(e.Term))
	}
	return s.c.anyTerm(fieldTitle, terms)
}

// openWord is the word at the end, folded but not stemmed, if it may go on:
// "" after a space, and in scripts without spaces, where every character is a
// word.
func openWord(typed string) string {
	if r, _ := utf8.DecodeLastRuneInString(typed); !unicode.IsLetter(r) && !unicode.IsNumber(r) {
		return ""
	}
	typed = folded(typed, maxSuggest)
	at := strings.LastIndexFunc(typed, func(r rune) bool { return r == ' ' || spaceless(r) })
	if at < 0 {
		return typed
	}
	_, n := utf8.DecodeRuneInString(typed[at:])
	return typed[at+n:]
}

// titleWith is the title, of those in several languages, in which the groups
// stand and a word starts with open; "" if there is none.
func titleWith(doc *stored, groups []group, open string) string {
	terms := map[string]bool{}
	for _, g := range groups {
		for _, t := range g {
			terms[t] = true
		}
	}
	for _, t := range doc.titles {
		if len(terms) > 0 && len(spans(t, terms)) == 0 {
			continue
		}
		key := folded(t, maxTitle)
		for at := 0; ; at++ {
			i := strings.Index(key[at:], open)
			if i < 0 {
				break
			}
			at += i
			if before, _ := utf8.DecodeLastRuneInString(key[:at]); at == 0 || before == ' ' || spaceless(before) {
				return t
			}
		}
	}
	return ""
}

// original finds the text behind a folded one in a document that has it.
func original(doc *stored, kind byte, key string) string {
	var texts []string
	switch kind {
	case suggestTitle:
		texts = doc.titles
	case suggestKeyword:
		texts = doc.keywords
	case suggestTheme:
		for _, t := range doc.hit.Terms["theme"] {
			texts = append(texts, values(t.Label)...)
		}
	case suggestPublisher:
		texts = values(doc.hit.Publisher)
	}
	for _, t := range texts {
		if folded(t, maxSuggest) == key {
			return t
		}
	}
	return ""
}

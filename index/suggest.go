package index

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/searcher"
	segment "github.com/blevesearch/scorch_segment_api/v2"

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
	maxWalked     = 400 // terms of one kind that are gone through for them, those out of sight included
	maxSuggested  = 20
	countedUpTo   = 1000 // documents of one suggestion
)

// Suggest returns at most limit (20) completions of prefix among what the
// reader may see: keywords, themes, publishers and titles that begin with
// it, then titles that hold it further on. Something that only stands in
// documents out of sight, or in the logs whose origins are left out, is never
// suggested; neither counts nor order tell of them.
func (ix *Index) Suggest(ctx context.Context, prefix string, reader vocab.Reader, limit int, without ...string) (out []Suggestion, err error) {
	defer contain(&err)
	key := folded(cut(prefix, maxSuggest), maxSuggest)
	limit = min(limit, maxSuggested)
	out = []Suggestion{}
	if key == "" || limit <= 0 {
		return out, nil
	}
	if len(without) > maxWithout {
		return nil, tooManyWithout()
	}
	snap, err := ix.snapshot()
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	c, err := newCompiler(ctx, ix.seen, snap, sightOf(reader, without))
	if err != nil {
		return nil, err
	}
	s := &suggester{c: c, seen: map[string]bool{}}
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
	c    *compiler
	seen map[string]bool // folded texts already suggested
}

// candidate is a term with the documents in sight that hold it.
type candidate struct {
	term  string
	count uint64
	first uint64 // document number of the first
}

// candidates are the terms of a field, in sight, that begin with prefix.
func (s *suggester) candidates(field, prefix string) ([]candidate, error) {
	dict, err := s.c.snap.FieldDictPrefix(field, []byte(prefix))
	if err != nil {
		return nil, err
	}
	defer dict.Close()
	holders := holders{census: s.c.census}
	for _, seg := range s.c.snap.Segments() {
		d, err := seg.Segment().Dictionary(field)
		if err != nil {
			return nil, err
		}
		holders.dicts, holders.segments = append(holders.dicts, d), append(holders.segments, seg)
	}
	var out []candidate
	for walked := 0; walked < maxWalked && len(out) < maxCandidates; walked++ {
		if err := s.c.ctx.Err(); err != nil {
			return nil, err
		}
		e, err := dict.Next()
		if err != nil {
			return nil, err
		}
		if e == nil {
			break
		}
		c := candidate{term: strings.Clone(e.Term)}
		if c.count, c.first, err = holders.of(c.term); err != nil {
			return nil, err
		}
		if c.count > 0 {
			out = append(out, c)
		}
	}
	return out, nil
}

// holders counts the documents in sight that hold a term of one field.
type holders struct {
	census   census
	segments []*scorch.SegmentSnapshot
	dicts    []segment.TermDictionary // by segment
	list     segment.PostingsList     // made use of again and again
}

func (h *holders) of(term string) (count, first uint64, err error) {
	base := uint64(0)
	for i, s := range h.segments {
		if h.list, err = h.dicts[i].PostingsList([]byte(term), s.Deleted(), h.list); err != nil {
			return 0, 0, err
		}
		docs, err := documentsOf(h.list)
		if err != nil {
			return 0, 0, err
		}
		if !h.census.everything() {
			docs = roaring.And(docs, h.census.seen[i])
		}
		if count == 0 && !docs.IsEmpty() {
			first = base + uint64(docs.Minimum())
		}
		count += docs.GetCardinality()
		base += s.Segment().Count()
	}
	return count, first, nil
}

// beginning suggests what begins with key, the commonest first.
func (s *suggester) beginning(prefix byte, kind, key string, limit int) ([]Suggestion, error) {
	candidates, err := s.candidates(fieldSuggest, string(prefix)+key)
	if err != nil {
		return nil, err
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
		doc, err := s.c.docs.stored(c.first)
		if err != nil {
			return nil, err
		}
		if text := original(doc, prefix, c.term[1:]); text != "" {
			s.seen[c.term[1:]] = true
			out = append(out, Suggestion{Text: text, Kind: kind, Count: int(min(c.count, countedUpTo))})
		}
	}
	return out, nil
}

// titleField is titles as suggestions weigh them.
var titleField = textField{name: fieldTitle, boost: 1, length: textFields[0].length}

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
	filter, err := s.c.visible()
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
	beginning, err := s.candidates(fieldTitle, open)
	if err != nil {
		return nil, err
	}
	for _, c := range beginning {
		terms = append(terms, c.term)
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

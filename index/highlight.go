package index

import (
	"cmp"
	"html"
	"slices"
	"strings"
	"unicode/utf8"

	"lianmu/index/query"
)

// maxFragment is the length of a fragment of the description, in runes, and
// maxSearched how much of a description is searched for the best one.
const (
	maxFragment = 160
	maxSearched = 600
)

// highlightTerms are the terms of what a query looks for, without what it
// excludes.
func highlightTerms(n query.Node) map[string]bool {
	terms := map[string]bool{}
	var walk func(query.Node)
	walk = func(n query.Node) {
		switch n := n.(type) {
		case query.And:
			for _, p := range n.Parts {
				walk(p)
			}
		case query.Or:
			for _, p := range n.Parts {
				walk(p)
			}
		case query.Word:
			addTerms(terms, n.Text)
		case query.Phrase:
			addTerms(terms, n.Text)
		}
	}
	walk(n)
	return terms
}

func addTerms(terms map[string]bool, text string) {
	for _, g := range groupsOf(text) {
		for _, t := range g {
			terms[t] = true
		}
	}
}

// highlights are the fragments of a document in which terms stand: titles and
// keywords whole, of each description the best part. They are HTML-escaped,
// with <mark> around what was found.
func highlights(doc *stored, terms map[string]bool) map[string][]string {
	out := map[string][]string{}
	for field, values := range map[string][]string{"title": doc.titles, "keyword": doc.keywords} {
		for _, v := range values {
			if !mayHold(v, terms) {
				continue
			}
			if s := spans(v, terms); len(s) > 0 {
				out[field] = append(out[field], marked(v, s))
			}
		}
	}
	for _, v := range doc.descriptions {
		if !mayHold(v, terms) {
			continue
		}
		s := spans(v[:forward(v, 0, maxSearched)], terms)
		if len(s) == 0 {
			s = spans(v, terms)
		}
		if len(s) > 0 {
			out["summary"] = append(out["summary"], fragment(v, s))
		}
	}
	return out
}

// mayHold tells cheaply whether text can hold one of the terms, so that most
// texts need not be cut into units. Of an English stem it looks for all but the
// last letter, which stemming may have changed; a text with letters that
// folding changes may hold anything.
func mayHold(text string, terms map[string]bool) bool {
	lower := ""
	for t := range terms {
		if t[0] >= utf8.RuneSelf {
			if strings.Contains(text, t) {
				return true
			}
			continue
		}
		if lower == "" {
			if strings.ContainsFunc(text, foldable) {
				return true
			}
			lower = strings.ToLower(text)
		}
		if len(t) > 3 {
			t = t[:len(t)-1]
		}
		if strings.Contains(lower, t) {
			return true
		}
	}
	return false
}

// foldable: accented Latin and full-width letters and digits.
func foldable(r rune) bool { return r >= 0xC0 && r < 0x250 || r >= 0xFF10 && r <= 0xFF5A }

// span is a stretch of bytes.
type span struct{ start, end int }

// spans finds terms in text; what touches is one span.
func spans(text string, terms map[string]bool) []span {
	if ideographs(terms) && plainChinese([]byte(text)) {
		return written(text, terms)
	}
	return spansOfUnits(text, terms)
}

// ideographs tells whether the terms are nothing but unified ideographs, which
// stand in a plain Chinese text as they are written.
func ideographs(terms map[string]bool) bool {
	for t := range terms {
		for _, r := range t {
			if r < 0x4E00 || r > 0x9FFF {
				return false
			}
		}
	}
	return true
}

// written finds terms where they are written, without cutting text into units.
func written(text string, terms map[string]bool) []span {
	var all []span
	for t := range terms {
		for at := 0; ; {
			i := strings.Index(text[at:], t)
			if i < 0 {
				break
			}
			all = append(all, span{at + i, at + i + len(t)})
			_, n := utf8.DecodeRuneInString(t)
			at += i + n // the next may begin inside of this one
		}
	}
	slices.SortFunc(all, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	var found []span
	for _, s := range all {
		found = extend(found, s)
	}
	return found
}

// extend adds a span that does not start before those found.
func extend(found []span, s span) []span {
	if n := len(found); n > 0 && s.start <= found[n-1].end {
		found[n-1].end = max(found[n-1].end, s.end)
		return found
	}
	return append(found, s)
}

func spansOfUnits(text string, terms map[string]bool) []span {
	only := new(initials)
	for t := range terms {
		if t[0] < byte(len(only)) {
			only[t[0]] = true
		}
	}
	units := unitsWith(text, only)
	var found []span
	add := func(start, end int) { found = extend(found, span{start, end}) }
	for i := range units {
		u := &units[i]
		if i+1 < len(units) && pairs(u, &units[i+1]) && terms[string(pair(u, &units[i+1]))] {
			add(u.start, units[i+1].end)
		} else if terms[string(u.term)] {
			add(u.start, u.end)
		}
	}
	return found
}

// marked escapes text and marks the spans.
func marked(text string, found []span) string {
	var b strings.Builder
	at := 0
	for _, s := range found {
		b.WriteString(html.EscapeString(text[at:s.start]))
		b.WriteString("<mark>")
		b.WriteString(html.EscapeString(text[s.start:s.end]))
		b.WriteString("</mark>")
		at = s.end
	}
	b.WriteString(html.EscapeString(text[at:]))
	return b.String()
}

// fragment is the part of text, at most maxFragment runes, that holds most of
// what was found, a little before its first; "…" stands for what is left out.
func fragment(text string, found []span) string {
	best := span{}
	most := 0
	for i := range found {
		start := back(text, found[i].start, maxFragment/5)
		end := forward(text, start, maxFragment)
		n := 0
		for j := i; j < len(found) && found[j].end <= end; j++ {
			n += found[j].end - found[j].start
		}
		if n > most || best.end == 0 {
			best, most = span{start, end}, n
		}
	}
	var inside []span
	for _, s := range found {
		if s.start < best.end && s.end > best.start {
			inside = append(inside, span{max(s.start, best.start) - best.start, min(s.end, best.end) - best.start})
		}
	}
	out := marked(text[best.start:best.end], inside)
	if best.start > 0 {
		out = "…" + out
	}
	if best.end < len(text) {
		out += "…"
	}
	return out
}

// back moves at most n runes towards the start.
func back(text string, at, n int) int {
	for ; n > 0 && at > 0; n-- {
		_, size := utf8.DecodeLastRuneInString(text[:at])
		at -= size
	}
	return at
}

// forward moves at most n runes towards the end.
func forward(text string, at, n int) int {
	for ; n > 0 && at < len(text); n-- {
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	return at
}

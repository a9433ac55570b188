package index

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/searcher"
	"golang.org/x/text/unicode/norm"
)

// holding leaves of s the documents in which phrase really stands. The pairs of
// 季報表 also stand in 統計報表-季報, and in real titles that is most of what has
// them; without term vectors, which would cost a quarter more of indexing, the
// order is read from the stored text.
func (c *compiler) holding(s search.Searcher, phrase []unit) search.Searcher {
	run := runOf(phrase)
	return searcher.NewFilteringSearcher(c.ctx, s, func(_ *search.SearchContext, d *search.DocumentMatch) bool {
		found := false
		err := c.docs.visit(d.IndexInternalID.Value(), func(field string, value []byte) {
			if !found && (field == fieldTitle || field == fieldKeyword || field == fieldText) {
				found = holds(value, phrase, run)
			}
		})
		if err != nil {
			panic(err) // contained as ErrDamaged; a filter has no other way to fail
		}
		return found
	})
}

// runOf is a phrase that is one run of characters, as it is written in folded
// text; nil for any other.
func runOf(phrase []unit) []byte {
	run := slices.Clone(phrase[0].term)
	for i := 1; i < len(phrase); i++ {
		if !pairs(&phrase[i-1], &phrase[i]) {
			return nil
		}
		run = append(run, phrase[i].term...)
	}
	if !phrase[0].char {
		return nil
	}
	return run
}

// holds tells whether phrase stands in a stored text. A run of characters does
// where its bytes do; mostly that needs no folding of the text.
func holds(text []byte, phrase []unit, run []byte) bool {
	if run != nil {
		return bytes.Contains(text, run) || !plainChinese(text) && bytes.Contains(norm.NFKC.Bytes(text), run)
	}
	return follows(unitsOf(string(text)), phrase)
}

// plainChinese tells, for the text that there is most of, that folding changes
// no character of a run in it: ideographs, ASCII and punctuation.
func plainChinese(text []byte) bool {
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		i += n
		switch {
		case r >= 0x4E00 && r <= 0x9FFF: // unified ideographs
		case r >= '！' && r <= '～', r >= '\u3000' && r <= '】', r >= '\u2010' && r <= '\u2027':
		default:
			return false
		}
	}
	return true
}

// follows tells whether phrase occurs in text within one value. Characters
// that stand together in the phrase must stand together in the text.
func follows(text, phrase []unit) bool {
next:
	for i := 0; i+len(phrase) <= len(text); i++ {
		for j := range phrase {
			u := &text[i+j]
			if string(u.term) != string(phrase[j].term) || j > 0 && (u.first || pairs(&phrase[j-1], &phrase[j]) && !u.joined) {
				continue next
			}
		}
		return true
	}
	return false
}

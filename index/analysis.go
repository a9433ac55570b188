package index

import (
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/english"
	"golang.org/x/text/unicode/norm"
)

// One analysis serves Chinese and English in one field, for documents,
// queries and highlights alike. Text is folded (NFKC, which includes the
// full-width forms; lower case; Latin letters without their accents) and cut
// into units: a unit is one Han, kana or Hangul character, or one word of
// letters and digits, English stemmed. A run of characters is indexed as its
// pairs and its last character, a word as itself: one character is then found
// by the terms that begin with it, and a fifth of the cost of indexing is saved
// over indexing every character beside its pairs. There is no stop list:
// all words of a query must match, and a word that only queries drop would
// not be missed but one that only documents drop would never match.
//
// Simplified and Traditional characters stay apart: 交通運輸 does not find
// 交通运输. No maintained library that folds them could be had, and a table of
// our own would be wrong in places that nobody sees; where one is to be had,
// folder.add is its place.
//
// It is written out, instead of put together from bleve's filters, because
// highlights and phrases need the place of every unit in the original, and
// because analysis is most of the cost of indexing.

// maxWord bounds a word in bytes; base64 and the like would else fill the
// dictionary. Queries are cut the same.
const maxWord = 64

// Separators inside a stored field. Nothing runs across them.
const (
	valueBreak   = '\x1f' // between values
	sectionBreak = '\x1e' // in text: between descriptions and the rest
)

// unit is a character or a word. Terms of characters that stand side by side
// lie side by side in one buffer; see pair.
type unit struct {
	term       []byte
	at, to     int  // term in the buffer, where it is not stemmed
	start, end int  // bytes of the original
	char       bool // a single character of a script written without spaces
	joined     bool // nothing stands between it and the unit before
	first      bool // first of a value; never joined
}

// folder folds runes one by one into a buffer that the units' terms point into.
type folder struct {
	buf   []byte
	units []unit
	word  int // start of the open word in buf, or -1
	from  int // start of the open word in the original
	to    int // end of the last rune added
	gap   bool
	fresh bool

	initials *initials // first letters of the words to stem; nil: all
}

// initials are first letters of words, which stemming leaves as they are.
type initials ['z' + 1]bool

// unitsOf cuts text into units.
func unitsOf(text string) []unit { return unitsWith(text, nil) }

// unitsWith does the same and stems only the words with these first letters:
// stemming is most of the cost, and whoever looks for few terms can do without
// the rest.
func unitsWith(text string, only *initials) []unit {
	f := &folder{initials: only, buf: make([]byte, 0, len(text)+16), units: make([]unit, 0, len(text)/3+1), word: -1, gap: true, fresh: true}
	if norm.NFKC.IsNormalString(text) {
		for i, r := range text {
			f.add(r, i, i+utf8.RuneLen(r))
		}
	} else {
		var it norm.Iter
		it.InitString(norm.NFKC, text)
		for !it.Done() {
			start := it.Pos()
			segment := it.Next()
			for len(segment) > 0 {
				r, n := utf8.DecodeRune(segment)
				f.add(r, start, it.Pos())
				segment = segment[n:]
			}
		}
	}
	f.close()
	for i := range f.units {
		if u := &f.units[i]; u.term == nil {
			u.term = f.buf[u.at:u.to]
		}
	}
	return f.units
}

// add takes the next rune, which stands at start..end of the original.
func (f *folder) add(r rune, start, end int) {
	switch {
	case r < utf8.RuneSelf:
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			f.letter(r, start, end)
			return
		}
	case spaceless(r):
		f.close()
		at := len(f.buf)
		f.buf = utf8.AppendRune(f.buf, r)
		f.push(unit{at: at, to: len(f.buf), start: start, end: end, char: true})
		return
	case unicode.IsLetter(r), unicode.IsNumber(r):
		f.letter(plain(unicode.ToLower(r)), start, end)
		return
	case unicode.Is(unicode.Mn, r) && f.word >= 0: // an accent that does not compose
		f.to = end
		return
	}
	f.close()
	f.gap = true
	if r == valueBreak || r == sectionBreak {
		f.fresh = true
	}
}

func (f *folder) letter(r rune, start, end int) {
	if f.word < 0 {
		f.word, f.from = len(f.buf), start
	}
	if len(f.buf)-f.word < maxWord {
		f.buf = utf8.AppendRune(f.buf, r)
	}
	f.to = end
}

// close ends the open word.
func (f *folder) close() {
	if f.word < 0 {
		return
	}
	u := unit{at: f.word, to: len(f.buf), start: f.from, end: f.to}
	if word := f.buf[f.word:]; f.initials == nil || (word[0] < byte(len(f.initials)) && f.initials[word[0]]) {
		u.term = stem(word)
	}
	f.push(u)
	f.word = -1
}

func (f *folder) push(u unit) {
	u.joined, u.first = !f.gap, f.fresh
	f.gap, f.fresh = false, false
	f.units = append(f.units, u)
}

// spaceless: scripts whose words are not set apart.
func spaceless(r rune) bool {
	return r >= 0x2E80 && (unicode.Is(unicode.Han, r) || unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Hangul) || r == 'ー')
}

// plain takes the accents from a Latin letter: feeds are named Málaga, and
// typed Malaga.
func plain(r rune) rune {
	if r < 0xC0 || !unicode.Is(unicode.Latin, r) {
		return r
	}
	if d := norm.NFD.PropertiesString(string(r)).Decomposition(); len(d) > 0 {
		base, _ := utf8.DecodeRune(d)
		return base
	}
	return r
}

// stem reduces an English word; nil for codes, figures and other languages,
// which stay as they are.
func stem(word []byte) (stemmed []byte) {
	if len(word) < 4 {
		return nil
	}
	for _, c := range word {
		if c < 'a' || c > 'z' {
			return nil
		}
	}
	defer func() { // the stemmer is generated code; no word may stop the index
		if recover() != nil {
			stemmed = nil
		}
	}()
	env := stemmers.Get().(*snowballstem.Env)
	defer stemmers.Put(env)
	env.SetCurrent(string(word))
	english.Stem(env)
	return []byte(env.Current())
}

var stemmers = sync.Pool{New: func() any { return snowballstem.NewEnv("") }}

// pairs tells whether u and the unit before it make a pair.
func pairs(before, u *unit) bool { return before.char && u.char && u.joined }

// pair is the term of two characters side by side, which are so in the buffer too.
func pair(a, b *unit) []byte { return a.term[:len(a.term)+len(b.term)] }

// analyzer gives bleve the terms of a document's field.
type analyzer struct{}

// Analyze implements analysis.Analyzer. Offsets are not indexed.
func (analyzer) Analyze(input []byte) analysis.TokenStream {
	units := unitsOf(string(input))
	slab := make([]analysis.Token, len(units))
	stream := make(analysis.TokenStream, len(units))
	for i := range units {
		term := units[i].term
		if i+1 < len(units) && pairs(&units[i], &units[i+1]) {
			term = pair(&units[i], &units[i+1])
		}
		slab[i] = analysis.Token{Term: term, Position: i + 1}
		stream[i] = &slab[i]
	}
	return stream
}

// group is terms that must stand in one field: a word, a single character, or
// all pairs of a run of characters.
type group []string

// single tells whether the group is one character, which the terms that begin
// with it stand for.
func (g group) single() bool {
	r, n := utf8.DecodeRuneInString(g[0])
	return len(g) == 1 && n == len(g[0]) && spaceless(r)
}

// text is the run of characters behind a group of pairs.
func (g group) text() string {
	text := g[0]
	for _, p := range g[1:] {
		_, n := utf8.DecodeRuneInString(p)
		text += p[n:]
	}
	return text
}

// groupsOf cuts a query's word into groups.
func groupsOf(text string) []group {
	units := unitsOf(text)
	var groups []group
	for i := 0; i < len(units); {
		j := i + 1
		var g group
		for ; j < len(units) && pairs(&units[j-1], &units[j]); j++ {
			g = append(g, string(pair(&units[j-1], &units[j])))
		}
		if g == nil {
			g = group{string(units[i].term)}
		}
		groups = append(groups, g)
		i = j
	}
	return groups
}

// folded is text in the form in which titles and suggestions are compared:
// units without their stems' losses, one space where something stood between.
func folded(text string, maxRunes int) string {
	out := make([]byte, 0, len(text))
	runes, gap := 0, false
	for _, r := range norm.NFKC.String(text) {
		if !unicode.IsLetter(r) && !unicode.IsNumber(r) {
			gap = len(out) > 0
			continue
		}
		if gap {
			out = append(out, ' ')
			runes++
		}
		if runes++; runes > maxRunes {
			break
		}
		gap = false
		out = utf8.AppendRune(out, plain(unicode.ToLower(r)))
	}
	return string(out)
}

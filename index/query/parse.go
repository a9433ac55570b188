package query

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"lianmu/vocab"
)

// Bounds of a query.
const (
	MaxRunes = 1000
	MaxTerms = 64
	MaxDepth = 8
)

// Parse reads a search as a person types it: words (all must match),
// "phrases", -not, field:value, OR, parentheses. Full-width forms
// (“”「」：－（）｜) and names of fields in Chinese are understood; AND, OR and
// NOT are operators in capitals only, 或 only as a word of its own. What is
// merely unfinished (an open quote or parenthesis, a trailing OR) is read as
// far as it goes. Bounds: 1,000 characters, 64 terms, 8 levels; beyond them, or
// where a field is unknown, the error is vocab.Problems naming the place.
func Parse(s string) (Node, error) {
	if utf8.RuneCountInString(s) > MaxRunes {
		return nil, vocab.Problems{vocab.NewProblem("/q", "query.too_long",
			"搜索词最多 %d 个字符，请缩短", "a search has at most %d characters; shorten it", MaxRunes)}
	}
	p := &parser{in: []rune(strings.ToValidUTF8(s, " "))}
	n := p.or(0)
	for p.err == nil && p.at < len(p.in) { // a closing parenthesis that nothing opened
		p.at++
		n = and(n, p.or(0))
	}
	if p.err != nil {
		return nil, p.err
	}
	return tidy(n), nil
}

type parser struct {
	in    []rune
	at    int
	terms int
	err   error
}

// or reads alternatives up to a closing parenthesis or the end.
func (p *parser) or(depth int) Node {
	if depth > MaxDepth {
		p.fail(vocab.NewProblem("/q", "query.too_deep",
			"括号最多嵌套 %d 层（第 %d 个字符处）", "parentheses nest at most %d deep (at character %d)", MaxDepth, p.at+1))
		return All{}
	}
	var alternatives []Node
	for {
		alternatives = append(alternatives, p.and(depth))
		if p.err != nil || !p.operator("OR", "或") && !p.bar() {
			return or(alternatives...)
		}
	}
}

// and reads parts up to an OR, a closing parenthesis or the end.
func (p *parser) and(depth int) Node {
	var parts []Node
	for p.err == nil {
		p.spaces()
		if p.at == len(p.in) || narrow(p.in[p.at]) == ')' || p.peekBar() || p.peekOperator("OR", "或") > 0 {
			break
		}
		if p.operator("AND") {
			continue
		}
		parts = append(parts, p.unary(depth))
	}
	return and(parts...)
}

// unary reads one part with its negations; any number of them counts once,
// since nobody means two.
func (p *parser) unary(depth int) Node {
	negated := false
	for {
		if p.operator("NOT") {
			negated = true
			p.spaces()
		} else if p.at < len(p.in) && narrow(p.in[p.at]) == '-' {
			p.at++
			negated = p.at < len(p.in) && !isSpace(p.in[p.at]) || negated
		} else {
			break
		}
	}
	part := p.primary(depth)
	if _, empty := part.(All); negated && !empty {
		return Not{part}
	}
	return part
}

func (p *parser) primary(depth int) Node {
	if p.err != nil || p.at == len(p.in) || isSpace(p.in[p.at]) {
		return All{}
	}
	r := narrow(p.in[p.at])
	if r == '(' {
		p.at++
		n := p.or(depth + 1)
		if p.at < len(p.in) && p.err == nil {
			p.at++ // the closing parenthesis: or stops nowhere else
		}
		return n
	}
	if breaksWord(p.in[p.at]) && closing(p.in[p.at]) == 0 { // ')' or '|' after an operator
		return All{}
	}
	if c := closing(p.in[p.at]); c != 0 {
		text := p.quoted(c)
		if text == "" {
			return All{}
		}
		return p.term(Phrase{text})
	}
	start := p.at
	if f, ok := p.field(); ok || p.err != nil {
		return p.term(f)
	}
	p.at = start
	word := p.bare()
	if slices.Contains([]string{"OR", "AND", "NOT", "或"}, word) { // an operator where none can stand
		return p.term(Phrase{word})
	}
	return p.term(Word{word})
}

// field reads name:value; it is not one where the name is not a plain short
// word or the colon belongs to a time, an IRI or a sentence.
func (p *parser) field() (Node, bool) {
	start := p.at
	end := start
	for end < len(p.in) && (unicode.IsLetter(p.in[end])) {
		end++
	}
	if end == start || end == len(p.in) || narrow(p.in[end]) != ':' {
		return nil, false
	}
	written := string(p.in[start:end])
	name, isField := FieldName(written)
	p.at = end + 1
	if p.at == len(p.in) || breaksWord(p.in[p.at]) && closing(p.in[p.at]) == 0 {
		return Word{written}, isField
	}
	var value string
	if c := closing(p.in[p.at]); c != 0 {
		value = p.quoted(c)
	} else {
		value = p.bare()
	}
	switch {
	case isField && value == "":
		return Word{written}, true
	case isField:
		return Field{name, value}, true
	case strings.ContainsFunc(value, func(r rune) bool { return strings.ContainsRune(":/@?#", narrow(r)) }) || !couldBeName(written):
		return nil, false
	}
	p.fail(vocab.NewProblem("/q", "query.unknown_field",
		"没有名为“%[1]s”的字段（第 %[2]d 个字符处）。可用的字段：%[3]s。若要搜索这几个字本身，请加引号",
		"there is no field %[1]q (at character %[2]d); the fields are %[4]s; to search for these words themselves, put them in quotes",
		written, start+1, known(true), known(false)))
	return All{}, false
}

// couldBeName tells a mistyped field from prose: Chinese uses the colon in
// sentences, and names of fields are short.
func couldBeName(s string) bool {
	n := utf8.RuneCountInString(s)
	if strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII && narrow(r) > unicode.MaxASCII }) {
		return n <= 4
	}
	return n <= 16
}

// quoted reads from an opening quote to its closing one, or to the end.
func (p *parser) quoted(end rune) string {
	start := p.at + 1
	p.at = start
	for p.at < len(p.in) && p.in[p.at] != end {
		p.at++
	}
	text := unquote(string(p.in[start:p.at]))
	if p.at < len(p.in) {
		p.at++
	}
	return text
}

// bare reads to whatever ends a word.
func (p *parser) bare() string {
	start := p.at
	for p.at < len(p.in) && !breaksWord(p.in[p.at]) {
		p.at++
	}
	return string(p.in[start:p.at])
}

func (p *parser) term(n Node) Node {
	p.terms++
	if p.terms > MaxTerms {
		p.fail(vocab.NewProblem("/q", "query.too_many_terms",
			"一次最多搜索 %d 个词（第 %d 个字符处）", "a search has at most %d terms (at character %d)", MaxTerms, p.at+1))
	}
	return n
}

func (p *parser) spaces() {
	for p.at < len(p.in) && isSpace(p.in[p.at]) {
		p.at++
	}
}

// peekOperator returns the length of the operator that stands here as a word
// of its own, else 0.
func (p *parser) peekOperator(names ...string) int {
	for _, name := range names {
		op := []rune(name)
		rest := p.in[p.at:]
		if len(rest) >= len(op) && slices.Equal(rest[:len(op)], op) && (len(rest) == len(op) || breaksWord(rest[len(op)])) {
			return len(op)
		}
	}
	return 0
}

func (p *parser) operator(names ...string) bool {
	n := p.peekOperator(names...)
	p.at += n
	return n > 0
}

func (p *parser) peekBar() bool { return p.at < len(p.in) && narrow(p.in[p.at]) == '|' }

func (p *parser) bar() bool {
	seen := false
	for p.peekBar() {
		p.at++
		seen = true
	}
	return seen
}

func (p *parser) fail(problem vocab.Problem) {
	if p.err == nil {
		p.err = vocab.Problems{problem}
	}
}

// and and or flatten, drop what is empty, and unwrap a single part.
func and(parts ...Node) Node {
	var flat []Node
	for _, n := range parts {
		switch n := n.(type) {
		case nil, All:
		case And:
			flat = append(flat, n.Parts...)
		default:
			flat = append(flat, n)
		}
	}
	if len(flat) == 0 {
		return All{}
	}
	if len(flat) == 1 {
		return flat[0]
	}
	return And{flat}
}

func or(parts ...Node) Node {
	var flat []Node
	for _, n := range parts {
		switch n := n.(type) {
		case nil, All:
		case Or:
			flat = append(flat, n.Parts...)
		default:
			flat = append(flat, n)
		}
	}
	if len(flat) == 0 {
		return All{}
	}
	if len(flat) == 1 {
		return flat[0]
	}
	return Or{flat}
}

// tidy drops words of punctuation alone ("&", "…") where something else is
// asked for; alone they stay, and find nothing.
func tidy(n Node) Node {
	switch v := n.(type) {
	case And:
		parts := make([]Node, 0, len(v.Parts))
		for _, p := range v.Parts {
			if !hollow(p) {
				parts = append(parts, tidy(p))
			}
		}
		if len(parts) == 0 {
			return tidy(v.Parts[0])
		}
		return and(parts...)
	case Or:
		parts := make([]Node, len(v.Parts))
		for i, p := range v.Parts {
			parts[i] = tidy(p)
		}
		return or(parts...)
	case Not:
		return Not{tidy(v.Part)}
	}
	return n
}

// hollow: nothing in n can be looked for.
func hollow(n Node) bool {
	var text string
	switch v := n.(type) {
	case Word:
		text = v.Text
	case Phrase:
		text = v.Text
	case Not:
		return hollow(v.Part)
	case And:
		return !slices.ContainsFunc(v.Parts, func(p Node) bool { return !hollow(p) })
	case Or:
		return !slices.ContainsFunc(v.Parts, func(p Node) bool { return !hollow(p) })
	default:
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) })
}

// closing is the quote that closes r, or 0 where r opens none. A stray closing
// quote opens one too: input methods get them the wrong way round.
func closing(r rune) rune {
	switch r {
	case '"', '“', '”', '＂':
		if r == '“' {
			return '”'
		}
		return r
	case '「':
		return '」'
	case '『':
		return '』'
	}
	return 0
}

func isQuote(r rune) bool { return strings.ContainsRune("\"“”＂「」『』", r) }

// isSpace: white space, control characters, what could not be decoded, and the
// full-width commas and stops that separate words in Chinese lists.
func isSpace(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || r == utf8.RuneError || strings.ContainsRune("，、；。」』", r)
}

func breaksWord(r rune) bool {
	return isSpace(r) || isQuote(r) || strings.ContainsRune("()|", narrow(r))
}

// unquote replaces quotes inside a text by spaces and collapses space.
func unquote(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return isQuote(r) || unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}

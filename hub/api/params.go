package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"lianmu/vocab"
)

// params reads a query string by name and collects all that is wrong with it.
// A handler asks for each parameter it knows and then calls end, which
// refuses the ones that nobody asked for.
type params struct {
	values url.Values
	known  []string
	wrong  vocab.Problems
}

func readParams(r *http.Request) *params {
	p := &params{}
	raw := r.URL.RawQuery
	if raw == "" {
		return p
	}
	if len(raw) > maxQuery {
		p.add("", "request.too_long", "查询串过长，最多 %d 字节。", "The query string is too long; at most %d bytes.", maxQuery)
		return p
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		p.add("", "request.query", "查询串格式有误，请检查 %% 编码，参数间用 & 分隔。",
			"The query string is malformed; check its %%-encoding and put & between parameters.")
		return p
	}
	p.values = values
	return p
}

func (p *params) add(name, code, zh, en string, args ...any) {
	path := ""
	if name != "" {
		path = "/" + name
	}
	p.wrong = append(p.wrong, vocab.NewProblem(path, code, zh, en, args...))
}

// texts returns a parameter that may be repeated up to count times, each at
// most max characters.
func (p *params) texts(name string, count, max int) []string {
	p.known = append(p.known, name)
	vs := p.values[name]
	if len(vs) > count {
		if count == 1 {
			p.add(name, "request.repeated", "参数 %s 只能出现一次。", "Parameter %s may be given only once.", name)
		} else {
			p.add(name, "request.repeated", "参数 %s 最多重复 %d 次。", "Parameter %s may be given at most %d times.", name, count)
		}
		return nil
	}
	for _, v := range vs {
		if len(v) > max && utf8.RuneCountInString(v) > max {
			p.add(name, "request.too_long", "参数 %s 过长，最多 %d 个字符。", "Parameter %s is too long; at most %d characters.", name, max)
			return nil
		}
		if !printable(v) {
			p.add(name, "request.encoding", "参数 %s 含控制字符或不是 UTF-8。", "Parameter %s has control characters or is not UTF-8.", name)
			return nil
		}
	}
	return vs
}

// text returns a parameter that is given once or not at all, then "".
func (p *params) text(name string, max int) string {
	if vs := p.texts(name, 1, max); len(vs) == 1 {
		return vs[0]
	}
	return ""
}

// yes reports whether a parameter is given as true.
func (p *params) yes(name string) bool {
	switch p.text(name, 5) {
	case "true":
		return true
	case "", "false":
	default:
		p.add(name, "request.boolean", "参数 %s 应是 true 或 false。", "Parameter %s must be true or false.", name)
	}
	return false
}

// number returns a whole number within [min, max], or otherwise where the
// parameter is absent.
func (p *params) number(name string, min, max, otherwise int) int {
	s := p.text(name, 20)
	if s == "" {
		if len(p.values[name]) == 1 && p.values[name][0] == "" {
			p.addRange(name, min, max)
		}
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < min || n > max {
		p.addRange(name, min, max)
		return otherwise
	}
	return n
}

func (p *params) addRange(name string, min, max int) {
	p.add(name, "request.number", "参数 %s 应是 %d 到 %d 的整数。", "Parameter %s must be a whole number from %d to %d.", name, min, max)
}

// end returns all that was wrong as vocab.Problems, unknown parameters
// included, or nil.
func (p *params) end() error {
	if len(p.values) > 0 {
		var unknown []string
		for name := range p.values {
			if !slices.Contains(p.known, name) {
				unknown = append(unknown, name)
			}
		}
		slices.Sort(unknown)
		for i, name := range unknown {
			if i == 8 { // the rest would tell nothing new
				break
			}
			p.addUnknown(name)
		}
	}
	if len(p.wrong) > 0 {
		return p.wrong
	}
	return nil
}

func (p *params) addUnknown(name string) {
	shown := strconv.Quote(cut(strings.ToValidUTF8(name, "?"), 40))
	if len(p.known) == 0 {
		p.add("", "request.unknown_parameter", "此地址不接受参数 %s。", "This address takes no parameter %s.", shown)
		return
	}
	if best := nearest(name, p.known); best != "" {
		p.add("", "request.unknown_parameter", "没有参数 %s，是否想用 %s?", "There is no parameter %s; did you mean %s?", shown, best)
		return
	}
	all := strings.Join(p.known, ", ")
	p.add("", "request.unknown_parameter", "没有参数 %s，可用的有：%s。", "There is no parameter %s; there are %s.", shown, all)
}

// cut shortens s to at most n runes.
func cut(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i] + "…"
		}
		n--
	}
	return s
}

// nearest returns the name within two typing errors of s, or "".
func nearest(s string, names []string) string {
	if len(s) > 32 {
		return ""
	}
	best, least := "", 3
	for _, n := range names {
		if d := distance(strings.ToLower(s), n); d < least && d < len(n) {
			best, least = n, d
		}
	}
	return best
}

// distance is Levenshtein's, over bytes: names of parameters are ASCII.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

package shape

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"lianmu/vocab"
)

// Personal reports whether a text holds a person's identity number or mobile
// number, so that whoever would keep or repeat it does not.
func Personal(text string) bool { return personIn(text) != nil }

// personIn returns what in a text is a person's identity number or mobile
// number, nil where nothing is. Neither width, script, invisible characters nor
// percent escapes matter, nor letters that look like digits, nor what parts the
// digits, as far as people could group a number so. Numbers of other kinds,
// which have groups as well, are left alone where their form tells: dates and
// times, addresses, versions, decimals, amounts, codes of organisations and
// products.
func personIn(s string) *finding {
	if !mayHold(s) {
		return nil
	}
	for range 3 {
		folded := uuidIn.ReplaceAllString(foldDigits(s), " u ")
		if f := personInForms(folded); f != nil {
			return f
		}
		if like := unmask(folded); like != folded {
			if f := personInForms(like); f != nil {
				return f
			}
		}
		plain := unescape(s)
		if plain == s {
			break
		}
		s = plain
	}
	return nil
}

// personInForms looks first for numbers as they are mostly written, then, beside
// addresses, for those that are parted in any way.
func personInForms(s string) *finding {
	if f := personAsWritten(s); f != nil {
		return f
	}
	s = addressIn.ReplaceAllString(s, " u ")
	if f := inRuns(s, identityIn); f != nil {
		return f
	}
	return inRuns(momentIn.ReplaceAllString(s, " u "), mobileIn)
}

// mayHold rules out most texts at once: there are not enough digits in them.
func mayHold(s string) bool {
	digits := 0
	for _, r := range s {
		if r < 0x80 {
			if isDigit(byte(r)) || strings.IndexByte("OoIl", byte(r)) >= 0 {
				digits++
			}
		} else if unicode.IsNumber(r) || chineseDigits[r] != 0 {
			digits++
		}
		if digits == mobileDigits {
			return true
		}
	}
	return false
}

var (
	// uuidIn is a UUID within a text (RFC 9562), whose groups of digits are no
	// number.
	uuidIn = regexp.MustCompile(`(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
	// addressIn is a web address, in which digits are grouped as they come.
	addressIn = regexp.MustCompile(`(?i)\b(?:https?|wss?|nats|tls)://[^\s"'<>（）()，。；、]+`)
	// momentIn is a date, a time of day or both.
	momentIn = regexp.MustCompile(`\b(?:19|20)[0-9]{2} ?[-./年] ?(?:0?[1-9]|1[0-2]) ?[-./月] ?(?:[12][0-9]|3[01]|0?[1-9])\b|\b(?:[01]?[0-9]|2[0-4]):[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]{1,9})?)?\b`)
)

// chineseDigits are the characters that digits are written and told with.
var chineseDigits = func() map[rune]byte {
	m := map[rune]byte{}
	for digit, forms := range []string{"〇零○", "一壹幺弌", "二贰貳两", "三叁參叄", "四肆", "五伍", "六陆陸", "七柒", "八捌", "九玖"} {
		for _, r := range forms {
			m[r] = '0' + byte(digit)
		}
	}
	return m
}()

// foldDigits brings digits and separators into one form and takes out what
// nobody sees.
func foldDigits(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < 0x80 && r != '\t':
			return r
		case r == 0x200C, r == 0x200D, isInvisible(r), isBidi(r), unicode.Is(unicode.Mn, r), unicode.Is(unicode.Me, r):
			return -1
		case unicode.Is(unicode.Nd, r):
			return '0' + digitOf(r)
		case r == '\t', unicode.Is(unicode.Zs, r), isFiller(r):
			return ' '
		case unicode.Is(unicode.Pd, r), r == 0x2212:
			return '-'
		case strings.ContainsRune("•‧∙⋅・", r):
			return '·'
		case r == '⁄', r == '∕':
			return '/'
		case r == '。':
			return '.'
		}
		return r
	}, norm.NFKC.String(s))
}

// digitOf is the value of a decimal digit of any script: Unicode has them in
// rows of ten that begin with zero (The Unicode Standard, 4.6).
func digitOf(r rune) rune {
	for _, t := range unicode.Nd.R16 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return (r - rune(t.Lo)) % 10
		}
	}
	for _, t := range unicode.Nd.R32 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return (r - rune(t.Lo)) % 10
		}
	}
	return 0
}

// unmask puts digits in the place of what is written instead of them: Chinese
// characters, and among digits the letters that look like some.
func unmask(s string) string {
	s = strings.Map(func(r rune) rune {
		if d, ok := chineseDigits[r]; ok {
			return rune(d)
		}
		return r
	}, s)
	return likeDigits.ReplaceAllStringFunc(s, func(word string) string {
		if !strings.ContainsAny(word, "0123456789") {
			return word
		}
		return digitLetters.Replace(word)
	})
}

var (
	likeDigits   = regexp.MustCompile(`\b[0-9OoIl]+[Xx]?\b`)
	digitLetters = strings.NewReplacer("O", "0", "o", "0", "I", "1", "l", "1")
)

// unescape takes percent escapes out, where there are sound ones.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			n, _ := strconv.ParseUint(s[i+1:i+3], 16, 8)
			b = append(b, byte(n))
			i += 2
			continue
		}
		b = append(b, s[i])
	}
	return strings.ToValidUTF8(string(b), " ")
}

// part is a group of digits and what parts it from the one before.
type part struct {
	group
	sep string // without the spaces; "" for the first, and where there are spaces alone
}

const mostBetween = 6 // bytes between two groups of one number

// inRuns looks at every number that neighbouring groups could make up, however
// they are parted, but not by letters.
func inRuns(s string, look func(run []part, i, j int, digits string) *finding) *finding {
	var run []part
	flush := func() *finding {
		var all strings.Builder
		for _, p := range run {
			all.WriteString(p.digits)
		}
		from := 0
		for i := range run {
			to := from
			for j := i; j < len(run); j++ {
				if to += len(run[j].digits); to-from > personalCodeSize {
					break
				}
				if to-from >= mobileDigits {
					if f := look(run, i, j, all.String()[from:to]); f != nil {
						return f
					}
				}
				if run[j].x {
					break
				}
			}
			from += len(run[i].digits)
		}
		run = run[:0]
		return nil
	}
	for i := 0; i < len(s); {
		if !isAlnum(s[i]) {
			i++
			continue
		}
		from := i
		for i < len(s) && isAlnum(s[i]) {
			i++
		}
		g, ok := groupOf(s[from:i])
		g.end = i
		p := part{group: g}
		if n := len(run); n > 0 {
			between := s[run[n-1].end:from]
			p.sep = strings.ReplaceAll(between, " ", "")
			if !ok || g.before || run[n-1].after || len(between) > mostBetween || strings.ContainsFunc(between, unicode.IsLetter) {
				p.sep = ""
				if f := flush(); f != nil {
					return f
				}
			}
		}
		if ok {
			run = append(run, p)
		}
	}
	return flush()
}

// sizesOf tells how digits are grouped, as "3-4-4".
func sizesOf(run []part) string {
	sizes := make([]byte, 0, 2*len(run))
	for i, p := range run {
		if i > 0 {
			sizes = append(sizes, '-')
		}
		sizes = strconv.AppendInt(sizes, int64(len(p.digits)), 10)
	}
	return string(sizes)
}

// How people group a mobile number, and identity numbers of 18 and 15 digits.
var (
	mobileSizes   = set("3-8 7-4 3-4-4 3-3-5 3-5-3 4-3-4 4-4-3 5-6 6-5 4-7 8-3 3-2-2-4 3-4-2-2 3-2-2-2-2 2-3-3-3 1-3-3-4 1-2-4-4 1-1-1-1-1-1-1-1-1-1-1")
	identitySizes = set("18 17 6-8-4 6-8-3 6-8-3-0 6-12 6-11 14-4 14-3 6-4-2-2-4 6-4-2-2-3 6-4-4-4 6-4-4-3 2-4-8-4 2-4-8-3 3-3-4-4-4 3-3-4-4-3 3-3-8-4 3-3-8-3 4-4-4-4-2 4-4-4-4-1")
	olderSizes    = set("15 6-6-3 6-9 12-3 6-2-2-2-3 3-3-6-3 3-3-3-3-3 5-5-5")
)

// mobileIn reports a mobile number in several groups.
func mobileIn(run []part, i, j int, digits string) *finding {
	if i == j || run[j].x || !isMobile(digits) {
		return nil
	}
	// The country's code and the trunk prefix stand before, alone or at the first group.
	prefix, number := len(digits)-mobileDigits, slices.Clone(run[i:j+1])
	for prefix > 0 {
		if n := len(number[0].digits); n <= prefix {
			number, prefix = number[1:], prefix-n
			continue
		}
		number[0].digits, prefix = number[0].digits[prefix:], 0
	}
	first := j + 1 - len(number)
	if !mobileSizes[sizesOf(number)] && len(number) > 1 {
		return nil
	}
	var seps []string
	dots, steps := true, false
	for _, p := range number[1:] {
		seps = append(seps, p.sep)
		dots, steps = dots && p.sep == ".", steps || p.sep == "/" || p.sep == "_"
	}
	switch {
	case len(seps) > 0 && seps[0] == "." && (len(seps) == 1 || !dots):
		return nil // a decimal, and what follows it
	case steps && isDate(digits[len(digits)-8:]), goesOn(run, first, j, seps):
		return nil // a path
	}
	return mobileNumber
}

// goesOn reports whether a number has further groups before or after it that
// are parted as its own are, by what parts the steps of versions, paths and
// addresses of machines.
func goesOn(run []part, i, j int, seps []string) bool {
	same := func(sep string) bool {
		return sep != "" && strings.Trim(sep, "./_:\\") == "" && slices.Contains(seps, sep)
	}
	return i > 0 && same(run[i].sep) && !isPrefix(run[i-1].digits) || j+1 < len(run) && same(run[j+1].sep)
}

func isPrefix(digits string) bool {
	return slices.Contains([]string{"0", "86", "086", "0086"}, digits)
}

// identityIn reports an identity number: one of 18 characters in groups as
// people write it, or in any with its check digit right, or one of 15.
func identityIn(run []part, i, j int, digits string) *finding {
	number := digits
	switch len(digits) {
	case personalCodeSize - 1:
		if !run[j].x {
			return nil
		}
		number += "X"
	case personalCodeSize, 15:
	default:
		return nil
	}
	switch {
	case vocab.IsPersonal(number),
		len(number) == personalCodeSize && vocab.MaybePersonal(number) && identitySizes[sizesOf(run[i:j+1])],
		!run[j].x && vocab.OlderPersonal(number) && olderSizes[sizesOf(run[i:j+1])]:
		return identityNumber
	}
	return nil
}

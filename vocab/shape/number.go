package shape

import (
	"regexp"
	"strings"
	"time"

	"lianmu/vocab"
)

// personAsWritten looks for numbers in text that is folded, as people mostly
// write them. Spaces and hyphens between groups of digits do not matter. Dots,
// slashes, middle dots and underscores part a number only where people group it
// so (see dotted): they are in versions, decimals, paths and dates too.
func personAsWritten(s string) *finding {
	if f := personDotted(s); f != nil {
		return f
	}
	var run []group
	for i := 0; i < len(s); {
		if !isAlnum(s[i]) {
			i++
			continue
		}
		from := i
		for i < len(s) && isAlnum(s[i]) {
			i++
		}
		token := s[from:i]
		if f := codeOfPerson(s[from:min(i+1, len(s))]); f != nil {
			return f
		}
		g, ok := groupOf(token)
		if n := len(run); n > 0 && (!ok || g.before || run[n-1].after || !joins(s[run[n-1].end:from])) {
			if f := personInRun(run); f != nil {
				return f
			}
			run = run[:0]
		}
		if ok {
			g.end = i
			run = append(run, g)
		}
	}
	return personInRun(run)
}

// joins reports whether what stands between two groups of digits leaves them
// one number.
func joins(between string) bool {
	return len(between) <= 3 && strings.Trim(between, " -") == ""
}

// dotted is a mobile number in groups of 3, 4 and 4 digits, or an identity
// number in groups of 6, 8 and 4, as people write them.
var dotted = regexp.MustCompile(`(?:(?:00|0)?86 ?[-./_· )]?|0)?(?:(1[3-9][0-9]) ?([-./_·]) ?([0-9]{4}) ?[-./_·] ?([0-9]{4})|([0-9]{6}) ?([-./_·]) ?([0-9]{8}) ?[-./_·] ?([0-9]{3}[0-9Xx]))`)

// personDotted looks for a number whose groups are parted by more than spaces
// and hyphens. Where the groups go on with the same separator it is no number of
// a person (an OID, a path), nor where the last two are a date.
func personDotted(s string) *finding {
	for from := 0; ; {
		at := dotted.FindStringSubmatchIndex(s[from:])
		if at == nil {
			return nil
		}
		part := func(i int) string {
			if at[2*i] < 0 {
				return ""
			}
			return s[from+at[2*i] : from+at[2*i+1]]
		}
		start, end := from+at[0], from+at[1]
		sep := part(2) + part(6)
		goesOn := touches(s[:start], sep, true) || touches(s[end:], sep, false)
		switch {
		case goesOn:
		case part(1) != "" && !isDate(part(3)+part(4)):
			return mobileNumber
		case part(5) != "" && vocab.MaybePersonal(part(5)+part(7)+strings.ToUpper(part(8))):
			return identityNumber
		}
		// What begins within the match may be one too.
		for from = start; from < len(s) && isDigit(s[from]); from++ {
		}
	}
}

// touches reports whether digits stand right before (or after) a match, at once
// or parted by its separator.
func touches(rest, sep string, before bool) bool {
	if before {
		rest = strings.TrimSuffix(rest, sep)
		return rest != "" && isDigit(rest[len(rest)-1])
	}
	rest = strings.TrimPrefix(rest, sep)
	return rest != "" && isDigit(rest[0])
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// isDate reports whether eight digits are a day of our times.
func isDate(s string) bool {
	t, err := time.Parse("20060102", s)
	return err == nil && t.Year() >= 1990 && t.Year() < 2050
}

// group is a token of digits, with or without letters at either end that touch
// it: "tel13800001234".
type group struct {
	digits        string
	x             bool // an X follows, which ends an identity number
	before, after bool // letters that part it from its neighbours
	end           int
}

const mostLetters = 12 // of a word that touches a number; hashes are not such words

func groupOf(token string) (group, bool) {
	from := strings.IndexAny(token, "0123456789")
	if from < 0 {
		return group{x: true}, token == "X" || token == "x"
	}
	to := strings.LastIndexAny(token, "0123456789") + 1
	g := group{digits: token[from:to], before: from > 0, after: to < len(token)}
	if rest := token[to:]; rest == "X" || rest == "x" {
		g.x, g.after = true, false
	}
	return g, from <= mostLetters && len(token)-to <= mostLetters && strings.Trim(g.digits, "0123456789") == ""
}

const mobileDigits = 11

// personInRun looks at every number that whole neighbouring groups make up.
func personInRun(run []group) *finding {
	var all strings.Builder
	for _, g := range run {
		all.WriteString(g.digits)
	}
	from := 0
	for i := range run {
		to := from
		for _, g := range run[i:] {
			if to += len(g.digits); to-from > personalCodeSize {
				break
			}
			number := all.String()[from:to]
			switch {
			case isMobile(number):
				return mobileNumber
			case g.x && len(number) == personalCodeSize-1 && vocab.MaybePersonal(number+"X"), vocab.MaybePersonal(number):
				return identityNumber
			}
			if g.x {
				break
			}
		}
		from += len(run[i].digits)
	}
	return nil
}

// isMobile reports whether s is a Chinese mobile number, with or without the
// country's or the trunk prefix.
func isMobile(s string) bool {
	if len(s) < mobileDigits {
		return false
	}
	prefix, n := s[:len(s)-mobileDigits], s[len(s)-mobileDigits:]
	return n[0] == '1' && n[1] >= '3' && (prefix == "" || isPrefix(prefix))
}

// codeOfPerson finds a natural person in the national codes that hold a
// 主体标识码. The last character of token may already be what follows it: of a
// code it is the check character when it is an asterisk.
func codeOfPerson(token string) *finding {
	if last := len(token) - 1; !isAlnum(token[last]) && token[last] != '*' {
		token = token[:last]
	}
	if len(token) <= personalCodeSize || len(token) > 64 {
		return nil
	}
	token = strings.ToUpper(token)
	if code := vocab.SubjectOf(token); code != "" && vocab.IsPersonal(code) {
		return identityNumber
	}
	for _, from := range map[int][]int{32: {1}, 47: {2}}[len(token)] { // miscopied within one
		if vocab.MaybePersonal(token[from : from+personalCodeSize]) {
			return identityNumber
		}
	}
	return nil
}

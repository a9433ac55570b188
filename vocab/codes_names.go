package vocab

import (
	"strings"
	"unicode"
)

// foldWidth turns full-width letters, digits and marks into ASCII and the
// ideographic space into a space: people type codes with a Chinese keyboard.
func foldWidth(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case '！' <= r && r <= '～':
			return r - '！' + '!'
		case r == '　':
			return ' '
		}
		return r
	}, s)
}

// foldName reduces a name to what tells it apart: lower case, no white space,
// no separators.
func foldName(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || strings.ContainsRune("、,，;；·-_'’()（）", r) {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// industryVariants reads the ways to write a class of GB/T 4754: "0065" in
// identifiers, "651" or "6510" for a group or class, "I65" or "I6510" with the
// letter of its section, which must be the right one.
func industryVariants(l *CodeList) func(string) []string {
	section := make(map[string]string) // of each division
	current := ""
	for _, t := range l.terms {
		if isDigits(t.Code) {
			section[t.Code] = current
		} else {
			current = t.Code
		}
	}
	return func(s string) []string {
		s = strings.ToUpper(strings.TrimSpace(s))
		if len(s) == 4 && strings.HasPrefix(s, "00") {
			return []string{s[2:]}
		}
		letter := ""
		if s != "" && s[0] >= 'A' && s[0] <= 'T' {
			letter, s = s[:1], s[1:]
		}
		if len(s) < 2 || len(s) > 4 || !isDigits(s) {
			return nil
		}
		if division := s[:2]; letter == "" || section[division] == letter {
			return []string{division}
		}
		return nil
	}
}

// regionVariants reads codes of two to twelve digits, narrowing down to the
// province where the city is not listed, and names with an ending that people
// add or leave out.
func regionVariants(l *CodeList) func(string) []string {
	return func(s string) []string {
		s = strings.TrimSpace(s)
		if isDigits(s) {
			switch len(s) {
			case 2:
				return []string{s + "00"}
			case 4:
				return []string{s[:2] + "00"}
			case 6, 9, 12: // county, town, village
				return []string{s[:4], s[:2] + "00"}
			}
			return nil
		}
		s = strings.TrimPrefix(s, "中国")
		lower := strings.ToLower(s)
		for _, ending := range []string{" municipality", " province", " city", " shi", " sheng", " autonomous region"} {
			if strings.HasSuffix(lower, ending) {
				return []string{s[:len(s)-len(ending)]}
			}
		}
		return []string{s, shortRegion(s)}
	}
}

// shortRegion leaves out what kind of place it is.
func shortRegion(s string) string {
	for _, ending := range []string{"特别行政区", "壮族自治区", "回族自治区", "维吾尔自治区", "自治区", "省", "市"} {
		if short, has := strings.CutSuffix(s, ending); has && short != "" {
			return short
		}
	}
	return s
}

// nameCities makes regions known by their short names, and cities by their
// province and their own name together: 江苏省苏州市, 江苏苏州. A city whose
// English name is shared says which province it is in; Suzhou alone is the one
// in Jiangsu.
func nameCities(l *CodeList) {
	for i, t := range l.terms { // provinces first: 吉林 is the province
		if strings.HasSuffix(t.Code, "00") {
			l.name(shortRegion(t.Label["zh"]), i)
		}
	}
	for i, t := range l.terms {
		if strings.HasSuffix(t.Code, "00") {
			continue
		}
		full, short := t.Label["zh"], shortRegion(t.Label["zh"])
		l.name(short, i)
		if p, ok := l.byCode[t.Code[:2]+"00"]; ok {
			province := l.terms[p].Label["zh"]
			for _, prefix := range []string{province, shortRegion(province)} {
				l.name(prefix+full, i)
				l.name(prefix+short, i)
			}
		}
	}
}

// frequencyIRIs are the vocabularies whose last part is a word that the table
// knows.
var frequencyIRIs = []string{
	"http://publications.europa.eu/resource/authority/frequency/",
	"https://publications.europa.eu/resource/authority/frequency/",
	"http://purl.org/cld/freq/",
	"https://purl.org/cld/freq/",
	"http://purl.org/linked-data/sdmx/2009/code#freq-",
	"freq:",
}

func frequencyVariants(s string) []string {
	s = strings.TrimSpace(s)
	for _, iri := range frequencyIRIs {
		word, has := strings.CutPrefix(s, iri)
		if !has {
			continue
		}
		if one, isSDMX := sdmxFrequencies[word]; isSDMX && strings.HasSuffix(iri, "-") {
			return []string{one}
		}
		return []string{word}
	}
	return []string{strings.TrimSuffix(s, "更新")}
}

// sdmxFrequencies are the one-letter codes of the SDMX code list.
var sdmxFrequencies = map[string]string{
	"D": "daily", "W": "weekly", "M": "monthly", "Q": "quarterly", "S": "semiannual", "A": "annual",
}

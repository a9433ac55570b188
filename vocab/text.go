package vocab

import (
	"fmt"
	"sort"
	"strings"
	"unicode"
)

// Text is one human-readable text in several languages. Keys are BCP 47 tags
// folded to what readers choose by: "zh" (any Simplified or unspecified
// Chinese), "zh-hant" (Traditional), the primary subtag of any other language
// ("en", "fr"), and "und" where the source named no language and the script
// does not tell.
type Text map[string]string

// Texts is the same for fields with several values, such as keywords.
type Texts map[string][]string

// In returns the text in the wanted language, or the nearest that there is:
// zh stands in for zh-hant and the other way round, then en, then und, then
// the first by tag. It returns "" only for an empty Text.
func (t Text) In(lang string) string {
	order := []string{lang}
	switch lang {
	case "zh":
		order = append(order, "zh-hant")
	case "zh-hant":
		order = append(order, "zh")
	}
	for _, l := range append(order, "en", "und", "zh", "zh-hant") {
		if s := t[l]; s != "" {
			return s
		}
	}
	for _, l := range t.Languages() {
		if t[l] != "" {
			return t[l]
		}
	}
	return ""
}

// Languages returns the tags present, sorted.
func (t Text) Languages() []string {
	tags := make([]string, 0, len(t))
	for l := range t {
		tags = append(tags, l)
	}
	sort.Strings(tags)
	return tags
}

// Printable writes every character of s that cannot be seen, or that steers
// terminals or the direction of text, as an escape such as \u202e. Line ends
// and spaces of any width stay.
func Printable(s string) string {
	if strings.IndexFunc(s, unseen) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !unseen(r):
			b.WriteRune(r)
		case r > 0xFFFF:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func unseen(r rune) bool {
	return r != '\n' && !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r)
}

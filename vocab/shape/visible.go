package shape

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// isBidi: the overrides, embeddings and isolates that make text read as
// something else (UAX #9; CVE-2021-42574).
func isBidi(r rune) bool { return r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 }

// isControl: C0 and DEL. Line ends and tabs are treated before.
func isControl(r rune) bool { return r < 0x20 || r == 0x7F }

// isBanned: tag characters, which hide whole sentences, and noncharacters,
// which are no text (Unicode 23.7 and 23.9).
func isBanned(r rune) bool {
	return r >= 0xE0000 && r <= 0xE007F || r >= 0xFDD0 && r <= 0xFDEF || r&0xFFFE == 0xFFFE
}

// isInvisible: characters that show nothing and change nothing that a reader
// of a catalogue could miss: soft hyphen, zero-width space, direction marks,
// word joiners, byte order marks inside a text and the like. Joiners (U+200C,
// U+200D), which several scripts and emoji need, are not among them.
func isInvisible(r rune) bool {
	switch {
	case r < 0xAD, r == 0x200C, r == 0x200D:
		return false
	case r == 0xAD, r == 0x61C, r == 0x180E, r == 0x200B, r == 0x200E, r == 0x200F, r == 0xFEFF,
		r >= 0x2060 && r <= 0x206F, r >= 0xFFF9 && r <= 0xFFFB:
		return true
	case r < 0x1BCA0:
		return false
	}
	return r <= 0x1BCA3 || r >= 0x1D173 && r <= 0x1D17A
}

// isFiller: letters and symbols by class that show as a blank.
func isFiller(r rune) bool {
	switch r {
	case 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0:
		return true
	}
	return false
}

// shows reports whether there is anything in s that a reader sees.
func shows(s string) bool {
	for _, r := range s {
		switch {
		case r > 0x20 && r < 0x7F:
			return true
		case unicode.In(r, unicode.Z, unicode.C, unicode.M), isFiller(r):
		default:
			return true
		}
	}
	return false
}

// bare reduces a text to its letters and digits, in one width and case, so
// that a word in it is found however it was spaced, dressed up or broken by
// characters that nobody sees.
func bare(s string) string {
	return strings.Map(func(r rune) rune {
		if isFiller(r) || !unicode.IsLetter(r) && !unicode.IsNumber(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKC.String(s))
}

// mostMarks is how many marks stand on one letter in writing that has them.
const mostMarks = 4

// oddScripts have letters that look like those of others, Latin ones above all, and
// are not those of names that are usual here.
var oddScripts = []*unicode.RangeTable{unicode.Cyrillic, unicode.Greek, unicode.Coptic, unicode.Armenian, unicode.Cherokee, unicode.Lisu, unicode.Deseret}

// OddLetters lists the characters of a name, each once, by which it may look like
// another that it is not: those that show nothing, marks on letters that have none,
// letters of scripts that look like Latin, phonetic ones, and radicals. It is for
// people to look at: honest names have such, too.
func OddLetters(name string) (odd []rune) {
	base, marks := rune(0), 0
	for _, r := range norm.NFC.String(name) {
		is := false
		if unicode.Is(unicode.M, r) {
			marks++
			is = marks > mostMarks || unicode.In(base, unicode.Han, unicode.Latin, unicode.Common)
		} else {
			base, marks = r, 0
			is = r == 0x200C || r == 0x200D || isInvisible(r) || isFiller(r) || unicode.In(r, oddScripts...) ||
				r >= 0x250 && r <= 0x2AF || r >= 0x1D00 && r <= 0x1DBF || r >= 0x2E80 && r <= 0x2FDF
		}
		if is && !slices.Contains(odd, r) {
			odd = append(odd, r)
		}
	}
	return odd
}

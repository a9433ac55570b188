package shape

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"lianmu/vocab"
)

// Bounds of texts, in characters. Texts between shown and most are accepted
// and shown cut short, with a warning; longer ones refuse the document.
const (
	shownTitle       = 1000
	mostTitle        = 32768
	mostDescription  = 32768
	mostKeyword      = 200
	mostLabel        = 1000
	mostLanguages    = 50 // of one text
	mostKeywords     = 200
	mostIRI          = 2048 // bytes
	personalCodeSize = 18
)

// limit says how a text is bounded and whether it may have lines.
type limit struct {
	shown, most int
	lines       bool
}

var (
	titleLimit       = limit{shown: shownTitle, most: mostTitle}
	labelLimit       = limit{shown: mostLabel, most: mostTitle}
	keywordLimit     = limit{shown: mostKeyword, most: mostKeyword}
	descriptionLimit = limit{shown: mostDescription, most: mostDescription, lines: true}
)

// fold turns a BCP 47 tag into the tag that readers choose by (vocab.Text).
// ok is false for what is no language: "", "und", "mul", or a text that is
// not a tag at all (RFC 5646, section 2.1).
func fold(tag string) (string, bool) {
	switch tag {
	case "":
		return "", false
	case "zh", "en":
		return tag, true
	}
	tag = strings.ToLower(strings.ReplaceAll(tag, "_", "-"))
	if !isTag(tag) {
		return "", false
	}
	primary, rest, _ := strings.Cut(tag, "-")
	switch primary {
	case "zh", "zho", "chi", "cmn":
		for sub := range strings.SplitSeq(rest, "-") {
			switch sub {
			case "hans":
				return "zh", true
			case "hant", "tw", "hk", "mo":
				return "zh-hant", true
			}
		}
		return "zh", true
	case "eng":
		return "en", true
	case "und", "mul", "zxx", "mis":
		return "", false
	}
	if len(primary) < 2 || len(primary) > 3 || strings.Trim(primary, "abcdefghijklmnopqrstuvwxyz") != "" {
		return "", false
	}
	return primary, true
}

// isTag reports whether s has the form of a language tag: subtags of one to
// eight letters and digits.
func isTag(s string) bool {
	if len(s) > 100 {
		return false
	}
	for sub := range strings.SplitSeq(s, "-") {
		if len(sub) < 1 || len(sub) > 8 {
			return false
		}
		for i := range len(sub) {
			if !isAlnum(sub[i]) {
				return false
			}
		}
	}
	return true
}

// guess is the language of untagged text: "zh" for Han characters without
// kana or hangul, else "und".
func guess(s string) string {
	han := false
	for _, r := range s {
		switch {
		case r < 0x1100:
		case r >= 0x3040 && r <= 0x30FF, r >= 0x31F0 && r <= 0x31FF, r >= 0xFF66 && r <= 0xFF9D, // kana
			r <= 0x11FF, r >= 0x3130 && r <= 0x318F, r >= 0xAC00 && r <= 0xD7AF: // hangul
			return "und"
		case unicode.Is(unicode.Han, r):
			han = true
		}
	}
	if han {
		return "zh"
	}
	return "und"
}

// clean makes s fit to be shown: trimmed, with plain line ends, on one line
// where lines are not wanted. Control characters, bidirectional overrides, tag
// characters and personal codes refuse the document; C1 controls (left over
// from a wrong character encoding) and what is invisible are taken out with a
// warning. A text that shows nothing is "". ok is false where s cannot be used.
func (rd *reading) clean(s string, at place, lim limit) (string, bool) {
	if !rd.spend(len(s) / 64) {
		return "", false
	}
	s = strings.TrimSpace(s)
	if !isClean(s, lim.lines) {
		var ok bool
		if s, ok = rd.scrub(s, at, lim.lines); !ok {
			return "", false
		}
	}
	if !shows(s) {
		return "", true
	}
	if hasPersonalCode(s) {
		rd.refusePersonal(at)
		return "", false
	}
	return rd.bound(s, at, lim)
}

// isClean reports whether scrub would leave s as it is.
func isClean(s string, lines bool) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 0x20 && c < 0x7F:
		case c >= 0xE3 && c <= 0xE9 && i+2 < len(s) && s[i+1]&0xC0 == 0x80 && s[i+2]&0xC0 == 0x80:
			i += 2 // U+3000 to U+9FFF: nothing there to scrub
		case lines && (c == '\n' || c == '\t'):
		case c < utf8.RuneSelf:
			return false
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError || r < 0xA0 || r == 0x2028 || r == 0x2029 || isBidi(r) || isInvisible(r) || isBanned(r) {
				return false
			}
			i += size - 1
		}
	}
	return true
}

func (rd *reading) scrub(s string, at place, lines bool) (string, bool) {
	var b strings.Builder
	b.Grow(len(s))
	c1, unseen := false, rune(0)
	for i, r := range s {
		c1 = c1 || r > 0x7F && r < 0xA0
		switch {
		case r == '\r':
			if i+1 < len(s) && s[i+1] == '\n' {
				continue
			}
			r = '\n'
			fallthrough
		case r == '\n', r == '\t', r == 0x85, r == 0x2028, r == 0x2029:
			if !lines {
				r = ' '
			} else if r != '\t' {
				r = '\n'
			}
		case isControl(r), isBanned(r):
			rd.refuse(at, "text.control", "文本含控制字符 U+%04X：请删去后重新提交。", "The text has the control character U+%04X: take it out and submit again.", r)
			return "", false
		case isBidi(r):
			rd.refuse(at, "text.bidi", "文本含改变书写方向的字符 U+%04X，会使人看到的与实际不同：请删去。", "The text has the direction override U+%04X, which makes it read as something else: take it out.", r)
			return "", false
		case isInvisible(r):
			unseen = r
			continue
		case r > 0x7F && r < 0xA0:
			continue
		case r == utf8.RuneError:
			r = '�'
		}
		b.WriteRune(r)
	}
	if c1 {
		rd.warn(at, "text.encoding", "文本含乱码字符（U+0080 至 U+009F），已略去：请检查来源的字符编码。", "The text has characters U+0080 to U+009F, left over from a wrong character encoding; they are left out. Check the encoding of your source.")
	}
	if unseen != 0 {
		rd.warn(at, "text.invisible", "文本含看不见的字符（例如 U+%04X），已略去：请删去。", "The text has characters that cannot be seen, such as U+%04X; they are left out. Take them out.", unseen)
	}
	return strings.TrimSpace(b.String()), true
}

// bound refuses what is too long and cuts what is too long to show.
func (rd *reading) bound(s string, at place, lim limit) (string, bool) {
	if len(s) <= lim.shown {
		return s, true // bytes are never fewer than characters
	}
	n := utf8.RuneCountInString(s)
	switch {
	case n <= lim.shown:
		return s, true
	case n > lim.most:
		rd.refuse(at, "text.long", "文本有 %d 个字符，最多 %d 个：请缩短。", "The text has %d characters; at most %d are allowed: shorten it.", n, lim.most)
		return "", false
	}
	rd.warn(at, "text.cut", "文本有 %d 个字符，只显示前 %d 个：请缩短。", "The text has %d characters; only the first %d are shown: shorten it.", n, lim.shown)
	cut := 0
	for i := range s {
		if cut++; cut > lim.shown-1 {
			return strings.TrimSpace(s[:i]) + "…", true
		}
	}
	return s, true
}

// hasPersonalCode reports whether s holds a resident identity number: a run
// of exactly 18 letters and digits that package vocab knows as one. Such a run
// covers one of every 18 places, so only those are looked at.
func hasPersonalCode(s string) bool {
	for i := personalCodeSize - 1; i < len(s); i += personalCodeSize {
		if !isAlnum(s[i]) {
			continue
		}
		from, to := i, i+1
		for from > 0 && i-from < personalCodeSize && isAlnum(s[from-1]) {
			from--
		}
		for to < len(s) && to-from <= personalCodeSize && isAlnum(s[to]) {
			to++
		}
		if to-from == personalCodeSize && vocab.IsPersonal(s[from:to]) {
			return true
		}
	}
	return false
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

func (rd *reading) refusePersonal(at place) {
	rd.refuse(at, "identifier.personal", "这里有自然人的证件号或标识码，目录不得收录：请删去，改用单位的名称、代码或服务台。", "There is a natural person's identity number or code here, which a catalogue must not hold: take it out and name the organisation, its code or a desk.")
}

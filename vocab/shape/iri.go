package shape

import "strings"

// fault says why an IRI cannot be used.
type fault struct{ code, zh, en string }

var (
	faultLong     = &fault{"iri.long", "超过 2048 字节。", "it is longer than 2,048 bytes."}
	faultRelative = &fault{"iri.relative", "不是绝对 IRI，应带协议，例如 https: 、urn: 、did: 。", "it is not absolute; it needs a scheme such as https:, urn: or did:."}
	faultChar     = &fault{"iri.character", "含空格、控制字符或 IRI 不允许的字符，请按 %20 的方式转义。", "it has a space, a control character or another that an IRI may not hold; escape it, as in %20."}
	faultEmpty    = &fault{"iri.relative", "协议之后没有内容。", "there is nothing after the scheme."}
)

// excluded are the printable characters that RFC 3986 leaves out.
var excluded = func() (set [128]bool) {
	for _, c := range []byte("<>\"{}|\\^`") {
		set[c] = true
	}
	return set
}()

// checkIRI holds s to RFC 3987's absolute form as far as a catalogue needs it:
// a scheme and something after it, at most 2,048 bytes, none of the
// characters that RFC 3986 excludes, no control or direction characters.
// Percent escapes are left as they are: IRIs are compared byte by byte.
func checkIRI(s string) *fault {
	if len(s) > mostIRI {
		return faultLong
	}
	n := schemeLen(s)
	if n == 0 {
		return faultRelative
	}
	if n+1 == len(s) {
		return faultEmpty
	}
	for _, r := range s {
		switch {
		case r <= 0x20, r >= 0x7F && r <= 0xA0, isBidi(r), r == 0x200E, r == 0x200F, r == 0xFEFF, r == '�',
			r == 0x2028, r == 0x2029, r == 0x3000:
			return faultChar
		case r < 0x80 && excluded[r]:
			return faultChar
		}
	}
	return nil
}

// schemeLen is the length of the scheme in front of the colon, 0 for none
// (RFC 3986 section 3.1).
func schemeLen(s string) int {
	for i := 0; i < len(s); i++ {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		switch {
		case letter:
		case c == ':':
			return i
		case i == 0, !(c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.'):
			return 0
		}
	}
	return 0
}

func hasScheme(s, scheme string) bool {
	n := schemeLen(s)
	return n > 0 && strings.EqualFold(s[:n], scheme)
}

// looksLikeIRI tells a reference from a phrase that happens to hold a colon.
func looksLikeIRI(s string) bool {
	switch strings.ToLower(s[:schemeLen(s)]) {
	case "http", "https", "did", "urn":
		return checkIRI(s) == nil
	}
	return false
}

package shape

import (
	"net/url"
	"slices"
	"strings"
)

// fault says why an IRI cannot be used.
type fault struct{ code, zh, en string }

var (
	faultLong     = &fault{"iri.long", "超过 2048 字节。", "it is longer than 2,048 bytes."}
	faultRelative = &fault{"iri.relative", "不是绝对 IRI，应带协议，例如 https: 、urn: 、did: 。", "it is not absolute; it needs a scheme such as https:, urn: or did:."}
	faultChar     = &fault{"iri.character", "含空格、控制字符或 IRI 不允许的字符，请按 %20 的方式转义。", "it has a space, a control character or another that an IRI may not hold; escape it, as in %20."}
	faultEscape   = &fault{"iri.escape", "百分号后面应是两位十六进制数，例如 %20；百分号本身写成 %25。", "a percent sign must be followed by two hexadecimal digits, as in %20; the sign itself is %25."}
	faultHost     = &fault{"iri.host", "网址中的主机名或端口有误。", "the host or port in it is wrong."}
	faultScheme   = &fault{"iri.scheme", "以 javascript: 、data: 、file: 等开头的地址会使浏览器运行程序或读取本机，不予收录。", "it begins with javascript:, data:, file: or the like, which makes a browser run a program or read the reader's own machine."}
	faultEmpty    = &fault{"iri.relative", "协议之后没有内容。", "there is nothing after the scheme."}
)

// excluded are the printable characters that RFC 3986 leaves out.
var excluded = func() (set [128]bool) {
	for _, c := range []byte("<>\"{}|\\^`") {
		set[c] = true
	}
	return set
}()

// active are the schemes that a browser runs or that name the reader's own
// machine: no catalogue's business.
var active = []string{"javascript", "vbscript", "data", "blob", "file", "about"}

// checkIRI holds s to RFC 3987's absolute form as far as a catalogue needs it:
// a scheme that is not active and something after it, at most 2,048 bytes,
// none of the characters that RFC 3986 excludes, nothing invisible, percent
// escapes that are whole, and a host in web addresses. Escapes are left as
// they are: IRIs are compared byte by byte.
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
	for i, r := range s {
		switch {
		case r <= 0x20, r >= 0x7F && r <= 0xA0, r == '�', r == 0x2028, r == 0x2029, r == 0x3000,
			r == 0x200C, r == 0x200D, isFiller(r), isBidi(r), isInvisible(r), isBanned(r):
			return faultChar
		case r == '%' && (i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2])):
			return faultEscape
		case r < 0x80 && excluded[r]:
			return faultChar
		}
	}
	switch scheme := strings.ToLower(s[:n]); {
	case slices.Contains(active, scheme):
		return faultScheme
	case scheme == "http" || scheme == "https":
		if u, err := url.Parse(s); err != nil || u.Hostname() == "" {
			return faultHost
		}
	}
	return nil
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'F' || c >= 'a' && c <= 'f'
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

// looksLikeIRI tells a reference from a phrase that happens to hold a colon.
func looksLikeIRI(s string) bool {
	switch strings.ToLower(s[:schemeLen(s)]) {
	case "http", "https", "did", "urn":
		return checkIRI(s) == nil
	}
	return false
}

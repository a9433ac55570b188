package vocab

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Alphabets of the national identifiers. A character's value is its index.
const (
	usccAlphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"       // GB 32100: no I O S V Z
	mod37        = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*" // GB/T 17710, ISO 7064 MOD 37-2
	alnum        = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"  // the same without the check character *
	digits       = "0123456789"
)

// usccWeights are 3^i mod 31 (GB 32100-2015).
var usccWeights = [17]int{1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28}

// CheckUSCC verifies a 统一社会信用代码 (GB 32100-2015): 18 characters of which
// the last checks the others. Any single wrong character is found. Prefixes and
// regions are not judged, and neither is the organisation code's own check
// digit within it (positions 9 to 17, see CheckOrganisation): the outer one
// covers it, and codes are in use whose inner one does not hold.
//
// Errors are Problems with code identifier.form or identifier.check_digit, and
// an empty path.
func CheckUSCC(s string) error {
	n := naming{"统一社会信用代码", "unified social credit code"}
	if err := n.form(s, 18, strings.Repeat("u", 18)); err != nil {
		return err
	}
	return n.check(s, 0, s[17], usccCheck(s))
}

func usccCheck(s string) byte {
	sum := 0
	for i, w := range usccWeights {
		sum += w * strings.IndexByte(usccAlphabet, s[i])
	}
	return usccAlphabet[(31-sum%31)%31]
}

// CheckOrganisation verifies an 组织机构代码 (GB 11714-1997): eight characters
// and a check digit, with or without a hyphen before it.
func CheckOrganisation(s string) error {
	n := naming{"组织机构代码", "organisation code"}
	if len(s) == 10 && s[8] == '-' {
		s = s[:8] + s[9:]
	}
	if err := n.form(s, 9, "aaaaaaaaa"); err != nil {
		return err
	}
	sum := 0
	for i, w := range [8]int{3, 7, 9, 10, 5, 8, 4, 2} {
		sum += w * strings.IndexByte(alnum, s[i])
	}
	return n.check(s, 0, s[8], "0X987654321"[sum%11])
}

// CheckSubject verifies a 主体标识码 (NDI-TR-2025-04): 18 characters, for an
// organisation its 统一社会信用代码. One with the form of a natural person's
// identity number is refused, and not repeated in the message.
func CheckSubject(s string) error {
	if IsPersonal(s) {
		return Problems{NewProblem("", "identifier.personal",
			"这里填的是自然人身份证号；请改填单位的统一社会信用代码。目录不接受、不保存证件号。",
			"This is a natural person's identity number. Give the organisation's unified social credit code. The catalogue takes and keeps no identity numbers.")}
	}
	return CheckUSCC(s)
}

// CheckPlatform verifies the code of a node or connector (NDI-TR-2025-04), 32
// characters: type 1 to 5 (全域, 区域, 行业功能节点, 业务节点, 接入连接器), subject
// 18, region or industry 4, random 8, check 1.
func CheckPlatform(s string) error {
	return checkCode(s, naming{"平台标识码", "platform code"}, "12345")
}

// CheckProduct verifies the code of a data product (type 6) or data resource
// (type 7), built like a platform's, with an optional "•" and 1 to 32
// characters of an older identifier after it, 65 characters in all.
func CheckProduct(s string) error {
	n := naming{"数据标识码", "data product code"}
	code, extension, extended := strings.Cut(s, "•")
	if err := checkCode(code, n, "67"); err != nil {
		return err
	}
	if !extended {
		return nil
	}
	if length := utf8.RuneCountInString(extension); length < 1 || length > 32 {
		return n.wrong("“•”之后的扩展码应为 1 至 32 个字符，现有 %d 个",
			"the extension after “•” must have 1 to 32 characters, it has %d", length)
	}
	at := 33
	for _, r := range extension {
		at++
		if r == utf8.RuneError || r == '•' || !unicode.IsGraphic(r) || unicode.IsSpace(r) {
			return n.wrong("第 %d 位的字符 %q 不能用于扩展码", "character %[2]q at position %[1]d is not allowed in the extension", at, r)
		}
	}
	return nil
}

// CheckContract verifies the code of a digital contract, 47 characters: type 1,
// node type 1, subject 18, region or industry 4, time 14 (yyyyMMddHHmmss),
// random 8, check 1.
func CheckContract(s string) error {
	n := naming{"合约标识码", "contract code"}
	if err := n.form(s, 47, "dd"+strings.Repeat("u", 18)+strings.Repeat("d", 18)+"aaaaaaaa*"); err != nil {
		return err
	}
	if _, err := time.Parse("20060102150405", s[24:38]); err != nil {
		return n.wrong("第 25 至 38 位 %q 不是有效时间（年月日时分秒）",
			"positions 25 to 38, %q, are not a time (yyyyMMddHHmmss)", s[24:38])
	}
	if err := n.check(s, 0, s[46], mod37Check(s[:46])); err != nil {
		return err
	}
	return n.subject(s[2:20], 2)
}

// checkCode verifies the 32 characters that platforms and products share.
func checkCode(s string, n naming, types string) error {
	if err := n.form(s, 32, "d"+strings.Repeat("u", 18)+"dddd"+"aaaaaaaa*"); err != nil {
		return err
	}
	if !strings.Contains(types, s[:1]) {
		return n.wrong("第 1 位（类型）是 %[1]q，应为 %[2]s 之一", "position 1, the type, is %[1]q; it must be one of %[2]s",
			s[:1], strings.Join(strings.Split(types, ""), ", "))
	}
	if err := n.check(s, 0, s[31], mod37Check(s[:31])); err != nil {
		return err
	}
	return n.subject(s[1:19], 1)
}

// mod37Check computes the check character of ISO 7064 MOD 37-2 (GB/T 17710):
// with weights 2^(i-1) from the right, the whole sums to 1 modulo 37. It finds
// any single wrong character and any two neighbours exchanged.
func mod37Check(body string) byte {
	p := 0
	for i := range len(body) {
		p = (p + strings.IndexByte(mod37, body[i])) * 2 % 37
	}
	return mod37[(38-p)%37]
}

// naming is what an identifier is called in messages.
type naming struct{ zh, en string }

func (n naming) wrong(zh, en string, args ...any) error {
	return n.problem("identifier.form", zh, en, args...)
}

func (n naming) problem(code, zh, en string, args ...any) error {
	return Problems{NewProblem("", code, n.zh+"有误："+zh+"。", "Wrong "+n.en+": "+en+".", args...)}
}

// form checks the length and, character by character, the alphabet: 'd' a
// digit, 'u' the alphabet of GB 32100, 'a' digits and capitals, '*' those and
// the asterisk.
func (n naming) form(s string, length int, pattern string) error {
	if utf8.RuneCountInString(s) != length {
		return n.wrong("应为 %d 个字符，现有 %d 个", "it must have %d characters, it has %d", length, utf8.RuneCountInString(s))
	}
	at := 0
	for _, r := range s {
		allowed := map[byte]string{'d': digits, 'u': usccAlphabet, 'a': alnum, '*': mod37}[pattern[at]]
		at++
		if strings.ContainsRune(allowed, r) && r != utf8.RuneError {
			continue
		}
		if 'a' <= r && r <= 'z' && strings.ContainsRune(allowed, unicode.ToUpper(r)) {
			return n.wrong("第 %d 位 %q 应为大写字母", "%[2]q at position %[1]d must be a capital letter", at, r)
		}
		return n.wrong("第 %d 位的字符 %q 不允许出现在这里", "character %[2]q is not allowed at position %[1]d", at, r)
	}
	return nil
}

// check compares the check character, the last of s, which stands after skip
// other characters.
func (n naming) check(s string, skip int, found, expected byte) error {
	if found == expected {
		return nil
	}
	return n.problem("identifier.check_digit",
		"第 %[1]d 位的校验码是 %[2]c，按前面各位计算应为 %[3]c；请核对是否抄错",
		"the check digit at position %[1]d is %[2]c, but the characters before it give %[3]c; compare it with the original",
		skip+len(s), found, expected)
}

// subject checks the 主体标识码 within a longer code, after skip characters.
func (n naming) subject(s string, skip int) error {
	if IsPersonal(s) {
		return CheckSubject(s)
	}
	return naming{n.zh + "中的主体标识码", "subject code within the " + n.en}.check(s, skip, s[17], usccCheck(s))
}

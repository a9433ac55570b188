package vocab

import (
	"strings"
	"time"
)

// Kinds of identifier that LooksLikeIdentifier tells apart.
const (
	IdentifierSubject  = "subject"  // 统一社会信用代码, 主体标识码
	IdentifierPlatform = "platform" // 平台, 连接器
	IdentifierProduct  = "product"  // 数据产品, 数据资源
	IdentifierContract = "contract" // 数字合约
	IdentifierPersonal = "personal" // a natural person's identity number
)

// LooksLikeIdentifier reports whether s has the form of a national identifier,
// so that it can be verified wherever it is given, and which. A code with one
// character miscopied still has its form; an arbitrary number or text of the
// same length does not, because a known registration prefix and a province must
// stand in their places.
func LooksLikeIdentifier(s string) (kind string, ok bool) {
	if IsPersonal(s) {
		return IdentifierPersonal, true
	}
	code, _, extended := strings.Cut(s, "•")
	switch {
	case len(s) == 18 && usccForm(s):
		return IdentifierSubject, true
	case len(code) == 32 && nodeForm(code[1:]):
		switch {
		case code[0] == '6' || code[0] == '7':
			return IdentifierProduct, true
		case '1' <= code[0] && code[0] <= '5' && !extended:
			return IdentifierPlatform, true
		}
	case len(s) == 47 && isDigits(s[:2]) && subjectForm(s[2:20]) && isDigits(s[20:38]) && s[24:26] == "20" &&
		in(alnum, s[38:46]) && in(mod37, s[46:]):
		return IdentifierContract, true
	}
	return "", false
}

// CheckIdentifier verifies s as the kind that LooksLikeIdentifier returned.
func CheckIdentifier(kind, s string) error {
	switch kind {
	case IdentifierPlatform:
		return CheckPlatform(s)
	case IdentifierProduct:
		return CheckProduct(s)
	case IdentifierContract:
		return CheckContract(s)
	}
	return CheckSubject(s)
}

// SubjectOf returns the 主体标识码 in an identifier, or "" where s does not have
// the form of one. It does not verify.
func SubjectOf(s string) string {
	switch kind, _ := LooksLikeIdentifier(s); kind {
	case IdentifierSubject, IdentifierPersonal:
		return s
	case IdentifierPlatform, IdentifierProduct:
		return s[1:19]
	case IdentifierContract:
		return s[2:20]
	}
	return ""
}

// nodeForm looks at what follows the type: subject, region or industry, random
// part, check character.
func nodeForm(s string) bool {
	return subjectForm(s[:18]) && isDigits(s[18:22]) && in(alnum, s[22:30]) && in(mod37, s[30:])
}

func subjectForm(s string) bool { return usccForm(s) || IsPersonal(s) }

// usccPrefixes are the registering department and kind of organisation in use
// (GB 32100-2015 and its later additions).
const usccPrefixes = " 11 12 13 19 21 29 31 32 33 34 35 39 41 49 51 52 53 54 59 61 62 69 71 72 79 81 89 91 92 93 A1 A9 N1 N2 N3 N9 Y1 "

// usccForm reports whether s could be a 统一社会信用代码: a known prefix, then
// six digits that begin with a province, or with 10 for the national registry.
// Of plain numbers every tenth would pass, so one without a letter must also
// satisfy its own check digit or the organisation code's.
func usccForm(s string) bool {
	if !strings.Contains(usccPrefixes, " "+s[:2]+" ") || !in(usccAlphabet, s) || !isDigits(s[2:8]) ||
		!isProvince(s[2:4]) && s[2:4] != "10" {
		return false
	}
	return !isDigits(s) || s[17] == usccCheck(s) || CheckOrganisation(s[8:17]) == nil
}

// IsPersonal reports whether s has the form of a natural person's identity
// number (GB 11643): 18 digits, the last of which may be X, that begin with a
// province, hold a date of birth and satisfy ISO 7064 MOD 11-2. An organisation
// may by rare chance have such a code; it is treated as a person's, because the
// contrary mistake would publish one.
func IsPersonal(s string) bool {
	if !personalForm(s) {
		return false
	}
	p := 0
	for i := range 17 {
		p = (p + int(s[i]-'0')) * 2 % 11
	}
	last := "0123456789X"[(12-p)%11]
	return s[17] == last || last == 'X' && s[17] == 'x'
}

// MaybePersonal reports whether s has the form of a natural person's identity
// number, whether or not its check digit is right: one miscopied is a person's
// all the same. What is a sound 统一社会信用代码 besides is an organisation's.
func MaybePersonal(s string) bool {
	if IsPersonal(s) {
		return true
	}
	return personalForm(s) && !(usccForm(s) && s[17] == usccCheck(s))
}

// OlderPersonal reports whether s has the form of the identity numbers that were
// given until 1999 (GB 11643-1989): 15 digits, which begin with a county and hold
// a date of birth without its century. They have no check digit, so of other
// numbers of 15 digits one in a hundred has this form.
func OlderPersonal(s string) bool {
	if len(s) != 15 || !isDigits(s) || !isProvince(s[:2]) || s[2:4] == "00" || s[4:6] == "00" || s[12:] == "000" {
		return false
	}
	_, err := time.Parse("20060102", "19"+s[6:12])
	return err == nil
}

// NearPersonal reports whether s, given as an organisation's code and none, may
// be a person's identity number with a character too many, too few or miscopied:
// digits alone but for an X at the end, that begin with a province or hold a date
// of birth near its place.
func NearPersonal(s string) bool {
	s = strings.ToUpper(s)
	s = strings.Map(func(r rune) rune {
		switch {
		case r == 'O':
			return '0'
		case r == 'I', r == 'L':
			return '1'
		case r >= '0' && r <= '9', r >= 'A' && r <= 'Z', r > 0x7F:
			return r
		}
		return -1
	}, s)
	s = strings.TrimSuffix(s, "X")
	if len(s) < 14 || len(s) > 20 || !isDigits(s) {
		return false
	}
	for at := 5; at <= 7 && at+8 <= len(s); at++ {
		if born, err := time.Parse("20060102", s[at:at+8]); err == nil && born.Year() >= 1880 && born.Year() <= 2100 {
			return true
		}
	}
	return isProvince(s[:2])
}

// personalForm looks at everything of GB 11643 but the check digit.
func personalForm(s string) bool {
	if len(s) != 18 || !isDigits(s[:17]) || !isProvince(s[:2]) || !isDigits(s[17:]) && s[17] != 'X' && s[17] != 'x' {
		return false
	}
	born, err := time.Parse("20060102", s[6:14])
	return err == nil && born.Year() >= 1880 && born.Year() <= 2100
}

// isProvince accepts the first two digits of GB/T 2260, and 83, which
// identity numbers of residents from Taiwan begin with.
func isProvince(s string) bool {
	_, ok := Regions.byCode[s+"00"]
	return ok || s == "83"
}

func in(alphabet, s string) bool {
	for i := range len(s) {
		if strings.IndexByte(alphabet, s[i]) < 0 {
			return false
		}
	}
	return true
}

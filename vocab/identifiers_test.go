package vocab

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Vectors of NDI-TR-2025-04 and of published registrations.
var validCodes = []struct {
	kind, code, subject string
}{
	{IdentifierSubject, "91512081MA62K0260E", "91512081MA62K0260E"},
	{IdentifierSubject, "12430000MB0L046927", "12430000MB0L046927"},
	{IdentifierProduct, "691512081MA62K0260E31000000000A*", "91512081MA62K0260E"},
	{IdentifierProduct, "791512081MA62K0260E31000000000AE", "91512081MA62K0260E"},
	{IdentifierPlatform, "491512081MA62K0260E310000000001O", "91512081MA62K0260E"},
	{IdentifierPlatform, "591512081MA62K0260E006500000001A", "91512081MA62K0260E"},
	{IdentifierProduct, "691512081MA62K0260E31000000000A*•OLD-2024/0001", "91512081MA62K0260E"},
	{IdentifierProduct, "691512081MA62K0260E31000000000A*•上海交通0001", "91512081MA62K0260E"},
	{IdentifierContract, withCheck("8491512081MA62K0260E310020260102030405A1B2C3D4"), "91512081MA62K0260E"},
}

func withCheck(body string) string { return body + string(mod37Check(body)) }

func TestValidCodes(t *testing.T) {
	for _, tt := range validCodes {
		kind, ok := LooksLikeIdentifier(tt.code)
		if !ok || kind != tt.kind {
			t.Errorf("LooksLikeIdentifier(%s) = %q, %v, want %q", tt.code, kind, ok, tt.kind)
		}
		if err := CheckIdentifier(kind, tt.code); err != nil {
			t.Errorf("%s: %v", tt.code, err)
		}
		if got := SubjectOf(tt.code); got != tt.subject {
			t.Errorf("SubjectOf(%s) = %q", tt.code, got)
		}
	}
}

// wants tells which problem an identifier gives, and what its message says.
func wants(t *testing.T, err error, code string, in ...string) {
	t.Helper()
	var ps Problems
	if !errors.As(err, &ps) || len(ps) != 1 || ps[0].Code != code {
		t.Fatalf("got %v, want one %s", err, code)
	}
	for _, s := range in {
		if !strings.Contains(ps[0].Message["en"], s) {
			t.Errorf("%q does not say %q", ps[0].Message["en"], s)
		}
	}
	for lang, m := range ps[0].Message {
		if strings.Contains(m, "%!") || m == "" {
			t.Errorf("%s message is malformed: %q", lang, m)
		}
	}
}

func TestRefusedCodes(t *testing.T) {
	tests := []struct {
		name  string
		check func(string) error
		in    string
		code  string
		say   []string
	}{
		{"check digit", CheckUSCC, "91512081MA62K0260A", "identifier.check_digit", []string{"position 18", "is A", "give E"}},
		{"miscopied", CheckUSCC, "91512081MA62K0261E", "identifier.check_digit", nil},
		{"letter that is not used", CheckUSCC, "91512081MA62KO260E", "identifier.form", []string{"'O'", "position 14"}},
		{"lower case", CheckUSCC, "91512081ma62k0260e", "identifier.form", []string{"capital", "position 9"}},
		{"short", CheckUSCC, "91512081MA62K0260", "identifier.form", []string{"18", "17"}},
		{"empty", CheckUSCC, "", "identifier.form", nil},
		{"Chinese", CheckUSCC, "91512081MA62K026零E", "identifier.form", []string{"'零'", "position 17"}},
		{"not UTF-8", CheckUSCC, "91512081MA62K0260\xff", "identifier.form", nil},
		{"person", CheckSubject, "11010519491231002X", "identifier.personal", nil},
		{"product check digit", CheckProduct, "691512081MA62K0260E31000000000A0", "identifier.check_digit", []string{"position 32", "is 0", "give *"}},
		{"product type", CheckProduct, "491512081MA62K0260E310000000001O", "identifier.form", []string{`"4"`, "6, 7"}},
		{"platform type", CheckPlatform, "691512081MA62K0260E31000000000A*", "identifier.form", []string{`"6"`}},
		{"subject within", CheckProduct, withCheck("691512081MA62K0261E31000000000A"), "identifier.check_digit", []string{"subject code within", "position 19"}},
		{"person within", CheckProduct, withCheck("611010519491231002X31000000000A"), "identifier.personal", nil},
		{"empty extension", CheckProduct, "691512081MA62K0260E31000000000A*•", "identifier.form", []string{"1 to 32"}},
		{"long extension", CheckProduct, "691512081MA62K0260E31000000000A*•" + strings.Repeat("x", 33), "identifier.form", []string{"33"}},
		{"space in extension", CheckProduct, "691512081MA62K0260E31000000000A*•a b", "identifier.form", []string{"position 35"}},
		{"second bullet", CheckProduct, "691512081MA62K0260E31000000000A*•a•b", "identifier.form", nil},
		{"contract time", CheckContract, withCheck("8491512081MA62K0260E310020261302030405A1B2C3D4"), "identifier.form", []string{"20261302030405"}},
		{"contract check digit", CheckContract, "8491512081MA62K0260E310020260102030405A1B2C3D4!", "identifier.form", []string{"position 47"}},
		{"organisation check digit", CheckOrganisation, "MA62K0261", "identifier.check_digit", []string{"position 9", "is 1", "give 0"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wants(t, tt.check(tt.in), tt.code, tt.say...) })
	}
	if err := CheckSubject("11010519491231002X"); strings.Contains(err.Error(), "1949") {
		t.Error("the message repeats the identity number")
	}
}

func TestCheckOrganisation(t *testing.T) {
	for _, code := range []string{"MA62K0260", "MB0L04692", "MB0L0469-2"} {
		if err := CheckOrganisation(code); err != nil {
			t.Errorf("%s: %v", code, err)
		}
	}
}

func TestIsPersonal(t *testing.T) {
	for in, want := range map[string]bool{
		"11010519491231002X": true, "11010519491231002x": true, "440524188001010014": true, // the examples of GB 11643
		"110105194912310021": false, "11010519491331002X": false, "99010519491231002X": false,
		"91512081MA62K0260E": false, "12430000MB0L046927": false, "": false, "123456789012345678": false,
	} {
		if IsPersonal(in) != want {
			t.Errorf("IsPersonal(%q) = %v", in, !want)
		}
	}
}

// What has the length of an identifier but not its form is left alone.
func TestLooksLikeIdentifierIsSure(t *testing.T) {
	for _, s := range []string{"", "123456789012345679", "913401234567890124", "abcdefghijklmnopqr", "ABCDEFGHJKLMNPQRTU", "550e8400e29b41d4a716446655440000",
		"D41D8CD98F00B204E9800998ECF8427E", "https://example.org/data/00001", "91999981MA62K0260E", "491512081MA62K0260E310000000001O•x",
		strings.Repeat("1", 47), strings.Repeat("6", 32), strings.Repeat("•", 32), "•", strings.Repeat("9", 1<<20)} {
		if kind, ok := LooksLikeIdentifier(s); ok {
			t.Errorf("LooksLikeIdentifier(%.40q) = %q", s, kind)
		}
	}
}

// The check digits promise to find any single wrong character.
func TestSingleErrorsAreFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SampledFrom(validCodes).Draw(t, "code")
		code, _, _ := strings.Cut(v.code, "•")
		at := rapid.IntRange(0, len(code)-1).Draw(t, "at")
		c := rapid.SampledFrom([]byte(mod37)).Draw(t, "char")
		if code[at] == c {
			t.Skip("the same character")
		}
		wrong := code[:at] + string(c) + code[at+1:]
		if CheckIdentifier(v.kind, wrong) == nil {
			t.Fatalf("%s was accepted for %s", wrong, code)
		}
	})
}

// MOD 37-2 also promises to find two neighbours exchanged.
func TestTranspositionsAreFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.StringOfN(rapid.SampledFrom([]rune(alnum)), 2, 46, -1).Draw(t, "body")
		at := rapid.IntRange(0, len(body)-2).Draw(t, "at")
		swapped := body[:at] + body[at+1:at+2] + body[at:at+1] + body[at+2:]
		if swapped != body && mod37Check(swapped) == mod37Check(body) {
			t.Fatalf("%s and %s have the same check character", body, swapped)
		}
	})
}

// Every USCC made by the rule is accepted, and has its form.
func TestGeneratedUSCC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prefix := rapid.SampledFrom(strings.Fields(usccPrefixes)).Draw(t, "prefix")
		region := rapid.SampledFrom(Regions.All()).Draw(t, "region").Code + rapid.StringMatching(`[0-9]{2}`).Draw(t, "county")
		org := rapid.StringOfN(rapid.SampledFrom([]rune(usccAlphabet)), 9, 9, -1).Draw(t, "organisation")
		body := prefix + region + org
		code := body + string(usccCheck(body))
		if err := CheckUSCC(code); err != nil {
			t.Fatal(err)
		}
		if kind, ok := LooksLikeIdentifier(code); !ok || (kind != IdentifierSubject && kind != IdentifierPersonal) {
			t.Fatalf("LooksLikeIdentifier(%s) = %q", code, kind)
		}
	})
}

func FuzzIdentifiers(f *testing.F) {
	for _, v := range validCodes {
		f.Add(v.code)
	}
	f.Add("11010519491231002X")
	f.Add("•\xff")
	f.Fuzz(func(t *testing.T, s string) {
		for _, check := range []func(string) error{CheckUSCC, CheckOrganisation, CheckSubject, CheckPlatform, CheckProduct, CheckContract} {
			var ps Problems
			if err := check(s); err != nil && (!errors.As(err, &ps) || len(ps) != 1 || ps[0].Message["zh"] == "" || len(ps[0].Message["en"]) > 400) {
				t.Errorf("%q: %v", s, err)
			}
		}
		if kind, ok := LooksLikeIdentifier(s); ok && (SubjectOf(s) == "" || kind == "") {
			t.Errorf("%q looks like a %q without a subject", s, kind)
		}
	})
}

// An identity number with a wrong digit is a person's all the same, unless it
// is an organisation's sound code.
func TestMaybePersonal(t *testing.T) {
	for s, want := range map[string]bool{
		"11010519491231002X": true, "11010519491231002x": true, "110105194912310021": true,
		"110105194913310021": false, // no such month
		"990105194912310021": false, // no such province
		"11010519491231002A": false, "1101051949123100": false, "": false,
		"91512081MA62K0260E": false, "913100000000000439": false,
	} {
		if got := MaybePersonal(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
	// 11 机关, 310120 上海奉贤, and an organisation code that reads like a date.
	sound := 0
	for n := range 1000 {
		s := fmt.Sprintf("11310120120115%03d", n)
		for last := range 10 {
			s := s + string(rune('0'+last))
			if MaybePersonal(s) == (CheckUSCC(s) == nil && !IsPersonal(s)) {
				t.Errorf("%s: person %v, code %v", s, IsPersonal(s), CheckUSCC(s))
			}
			if CheckUSCC(s) == nil {
				sound++
			}
		}
	}
	if sound == 0 {
		t.Error("none of them is a sound code")
	}
}

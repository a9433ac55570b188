package index

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestGroups(t *testing.T) {
	for in, want := range map[string]string{
		"公交":            "[[公交]]",
		"交通运输":          "[[交通 通运 运输]]",
		"港":             "[[港]]",
		"GTFS公交":        "[[gtfs] [公交]]",
		"GTFS-RT":       "[[gtfs] [rt]]",
		"B0300":         "[[b0300]]",
		"ＧＴＦＳ　１２":       "[[gtfs] [12]]",
		"Málaga":        "[[malaga]]",
		"Ma\u0301laga":  "[[malaga]]",
		"ma̱laga":       "[[malaga]]", // an accent that does not compose
		"stations":      "[[station]]",
		"Stationing":    "[[station]]",
		"公，交":           "[[公] [交]]",
		"東京バス":          "[[東京 京バ バス]]",
		"한국":            "[[한국]]",
		"㎏":             "[[kg]]",
		"did:key:z6Mk":  "[[did] [key] [z6mk]]",
		"ﬁle":           "[[file]]",
		"3.14":          "[[3] [14]]",
		"& …":           "[]",
		"":              "[]",
		"〇一二三":          "[[〇一 一二 二三]]",
		"İstanbul":      "[[istanbul]]",
		"a\x1fb":        "[[a] [b]]",
		"公\x1f交":        "[[公] [交]]",
		"data\u200bset": "[[data] [set]]",
	} {
		if got := fmt.Sprint(groupsOf(in)); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestFollows(t *testing.T) {
	for _, c := range []struct {
		text, phrase string
		want         bool
	}{
		{"上海公共交通车辆", "公共交通", true},
		{"共交 公共 交通", "公共交通", false}, // all pairs, but apart
		{"公共 交通", "公共 交通", true},
		{"公共交通", "公共 交通", true},
		{"交通公共", "公共 交通", false},
		{"公共\x1f交通", "公共 交通", false}, // two values
		{"open data portals", "data portal", true},
		{"open data-portal", "data portal", true},
		{"data open portal", "data portal", false},
		{"data", "data portal", false},
	} {
		if got := follows(unitsOf(c.text), unitsOf(c.phrase)); got != c.want {
			t.Errorf("%q in %q: %v", c.phrase, c.text, got)
		}
	}
}

// A run of characters is looked for in bytes, which must come to the same as
// looking for its units.
func FuzzHolds(f *testing.F) {
	for _, s := range []string{"上海公交", "ｶﾞｿﾘﾝ，公交", "か\u3099公交", "㈠公交（上海）", "\u1100\u1161公", "公\u0301交", "公\u200d交", "公ー交", "\xff公\xff交"} {
		f.Add(s, uint8(1), uint8(2))
	}
	f.Fuzz(func(t *testing.T, s string, from, length uint8) {
		s = cut(s, 500)
		units := unitsOf(s)
		if int(from) >= len(units) {
			return
		}
		phrase := units[from:min(len(units), int(from)+1+int(length))]
		if run := runOf(phrase); run != nil && !holds([]byte(s), phrase, run) {
			t.Fatalf("%q does not hold its own %q", s, run)
		}
		// The same characters in another text.
		for _, other := range []string{s[len(s)/2:], strings.Join(strings.Split(s, ""), " "), s + s} {
			other = cut(other, 1000)
			if run := runOf(phrase); run != nil && holds([]byte(other), phrase, run) != follows(unitsOf(other), phrase) {
				t.Fatalf("%q in %q", run, other)
			}
		}
	})
}

// FuzzUnits: whatever the text, units lie inside it, in order, on whole runes;
// a text finds itself as a phrase; marks only add tags to the escaped text.
func FuzzUnits(f *testing.F) {
	for _, s := range []string{"上海公交 GTFS-RT", "Ｆｕｌｌ　ｗｉｄｔｈ", "Ma\u0301laga", "\xff\xfe公\xff", "<script>公交</script>&amp;", "ﷺ", "한국어", "İİ", "e\u0301\u0301\u0301", "\u1100\u1161公"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = cut(s, 5000)
		units := unitsOf(s)
		terms := map[string]bool{}
		at := 0
		for i, u := range units {
			if u.start < 0 || u.end > len(s) || u.start > u.end || u.start < at || len(u.term) == 0 || len(u.term) > 2*maxWord+utf8.UTFMax {
				t.Fatalf("%q: unit %d is %+v", s, i, u)
			}
			if at = u.start; !utf8.RuneStart(s[u.start]) || u.end < len(s) && !utf8.RuneStart(s[u.end]) {
				t.Fatalf("%q: unit %d cuts a rune", s, i)
			}
			terms[string(u.term)] = true
		}
		if len(units) > 0 && !follows(units, units) {
			t.Fatalf("%q does not follow itself", s)
		}
		var again int
		for range analyzerTerms(s) {
			again++
		}
		if again < len(units) {
			t.Fatalf("%q: %d terms of %d units", s, again, len(units))
		}
		found := spans(s, terms)
		out := marked(s, found)
		if rest := strings.NewReplacer("<mark>", "", "</mark>", "").Replace(out); strings.ContainsAny(rest, "<>\"'") {
			t.Fatalf("%q is not escaped: %q", s, out)
		}
		if len(found) > 0 {
			if f := fragment(s, found); utf8.RuneCountInString(plainText(f)) > maxFragment+2 || !strings.Contains(f, "<mark>") {
				t.Fatalf("%q: fragment %q", s, f)
			}
		}
		folded(s, maxSuggest)
	})
}

func analyzerTerms(s string) []string {
	var out []string
	for _, t := range (analyzer{}).Analyze([]byte(s)) {
		out = append(out, string(t.Term))
	}
	return out
}

// plainText undoes marks and escapes.
func plainText(s string) string {
	return strings.NewReplacer("<mark>", "", "</mark>", "", "&lt;", "<", "&gt;", ">", "&#34;", `"`, "&#39;", "'", "&amp;", "&").Replace(s)
}

func TestAnalyzerGivesPairsAndLastCharacter(t *testing.T) {
	if got, want := analyzerTerms("上海港 GTFS"), []string{"上海", "海港", "港", "gtfs"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

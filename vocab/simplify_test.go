package vocab

import (
	"testing"
	"unicode/utf8"
)

func TestSimplify(t *testing.T) {
	for from, want := range map[string]string{
		"港口數據空間":     "港口数据空间",
		"上海港務集團資訊網絡": "上海港务集团资讯网络",
		"機密級 涉密等級":   "机密级 涉密等级",
		"臺灣":         "台湾",
		"港口数据空间":     "港口数据空间",
		"Port 1":     "Port 1",
		"":           "",
	} {
		if got := Simplify(from); got != want {
			t.Errorf("%s: %s, want %s", from, got, want)
		}
	}
}

// The table is of pairs, and what it gives is nothing that it would change again.
func TestSimplifierIsSound(t *testing.T) {
	if n := utf8.RuneCountInString(simplified); n%2 != 0 {
		t.Fatalf("%d characters are no pairs", n)
	}
	seen := map[rune]rune{}
	pair := []rune(simplified)
	for i := 0; i+1 < len(pair); i += 2 {
		from, to := pair[i], pair[i+1]
		if old, ok := seen[from]; ok && old != to {
			t.Errorf("%c is both %c and %c", from, old, to)
		}
		seen[from] = to
		if again, ok := simplifier[to]; ok {
			t.Errorf("%c becomes %c, and that %c", from, to, again)
		}
	}
	if len(simplifier) < 300 {
		t.Errorf("only %d characters", len(simplifier))
	}
}

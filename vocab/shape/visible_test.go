package shape

import "testing"

func TestOddLetters(t *testing.T) {
	for name, want := range map[string]string{
		"浦东区可信数据空间": "", "Hub of Pudong (2)": "", "Café Zürich": "", "བོད་ལྗོངས": "", "港口 A 区〇一号・データ": "", "ئۇيغۇر": "", "": "",
		"甲\u200d方": "\u200d", "甲\u3164\u2800方": "\u3164\u2800", "甲\u0301\u0301": "\u0301", "港口集团\u0410": "\u0410",
		"p\u03bfrt": "\u03bf", "⼈民": "⼈", "p\u0251rt\u0251": "\u0251", "x\u00adx": "\u00ad",
		"བ\u0f71\u0f71\u0f71\u0f71\u0f71": "\u0f71",
	} {
		if got := string(OddLetters(name)); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

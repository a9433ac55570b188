package peering

import (
	"testing"
	"unicode/utf8"
)

func TestWordsAreApart(t *testing.T) {
	seen := map[string]bool{}
	for i, pair := range words {
		if utf8.RuneCountInString(pair[0]) != 2 || pair[1] == "" {
			t.Errorf("line %d: %q", i+1, pair)
		}
		for _, w := range pair {
			if seen[w] {
				t.Errorf("%s stands twice", w)
			}
			seen[w] = true
		}
	}
}

// The words of a key are the same in every version of the program: people have
// them on paper.
func TestFingerprint(t *testing.T) {
	w := Fingerprint("did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK")
	want := Words{
		ZH: "羊毛 沙漠 鞋子 柠檬 司机 锯子 微风 橘子",
		EN: "wool desert shoe lemon driver saw breeze orange",
	}
	if w != want {
		t.Errorf("%+v", w)
	}
	if Fingerprint("did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doL") == w {
		t.Error("another key has the same words")
	}
}

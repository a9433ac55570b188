package vocab_test

import (
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"lianmu/vocab"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "",
		"标题　title é 😀\nsecond line": "标题　title é 😀\nsecond line",
		"a\u202eb":                  `a\u202eb`,
		"\x1b[2J":                   `\u001b[2J`,
		"x\u009b\u200by":            `x\u009b\u200by`,
		"flag\U000E0041":            `flag\U000e0041`,
		"\uFFFE":                    `\ufffe`,
	} {
		if got := vocab.Printable(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		for _, r := range vocab.Printable(rapid.String().Draw(t, "s")) {
			if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
				t.Fatalf("%U is left", r)
			}
		}
	})
}

// What a document brings along cannot steer the terminal that shows a problem.
func TestNewProblemIsPrintable(t *testing.T) {
	p := vocab.NewProblem("/a\u202eb", "x", "“%s”", "%q", "\x1b[2J")
	if p.Path != `/a\u202eb` || p.Message["zh"] != `“\u001b[2J”` || p.Message["en"] != `"\x1b[2J"` {
		t.Errorf("%+v", p)
	}
}

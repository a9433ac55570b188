package query

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"lianmu/vocab"
)

var update = flag.Bool("update", false, "rewrite the golden file")

const golden = "testdata/queries.txt"

// tree prints n with its types, so that the golden file shows what was understood.
func tree(n Node) string {
	list := func(name string, parts []Node) string {
		texts := make([]string, len(parts))
		for i, p := range parts {
			texts[i] = tree(p)
		}
		return name + "(" + strings.Join(texts, ", ") + ")"
	}
	switch n := n.(type) {
	case And:
		return list("and", n.Parts)
	case Or:
		return list("or", n.Parts)
	case Not:
		return "not(" + tree(n.Part) + ")"
	case Word:
		return "word<" + n.Text + ">"
	case Phrase:
		return "phrase<" + n.Text + ">"
	case Field:
		return n.Name + "<" + n.Value + ">"
	}
	return "all"
}

// The golden file has three lines a case: the query, its tree or problem
// codes, its canonical form; then an empty line.
func TestGolden(t *testing.T) {
	raw, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, block := range strings.Split(strings.TrimSpace(string(raw)), "\n\n") {
		lines := strings.Split(block, "\n")
		q := strings.TrimPrefix(lines[0], "> ")
		n, err := Parse(q)
		got := ""
		if err != nil {
			var ps vocab.Problems
			if !errors.As(err, &ps) {
				t.Fatalf("%s: %v is not vocab.Problems", q, err)
			}
			got = "! " + ps[0].Code
		} else {
			got = tree(n) + "\n= " + n.String()
		}
		fmt.Fprintf(&out, "> %s\n%s\n\n", q, got)
		if want := strings.Join(lines[1:], "\n"); got != want && !*update {
			t.Errorf("%s\n got %s\nwant %s", q, got, want)
		}
	}
	if *update {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBounds(t *testing.T) {
	for _, c := range []struct{ q, code string }{
		{strings.Repeat("数", MaxRunes+1), "query.too_long"},
		{strings.Repeat("数 ", MaxTerms+1), "query.too_many_terms"},
		{strings.Repeat("(", MaxDepth+1) + "a", "query.too_deep"},
		{"nofield:x", "query.unknown_field"},
	} {
		_, err := Parse(c.q)
		ps := vocab.Problems{}
		if !errors.As(err, &ps) || ps[0].Code != c.code || ps[0].Path != "/q" {
			t.Errorf("%.20s: %v, want %s", c.q, err, c.code)
			continue
		}
		for _, lang := range []string{"zh", "en"} {
			if m := ps[0].Message[lang]; m == "" || strings.Contains(m, "%!") {
				t.Errorf("%s: %s message %q", c.code, lang, m)
			}
		}
	}
	for _, q := range []string{strings.Repeat("数", MaxRunes), strings.Repeat("数 ", MaxTerms), strings.Repeat("(", MaxDepth) + "a"} {
		if _, err := Parse(q); err != nil {
			t.Errorf("%.20s: %v", q, err)
		}
	}
}

func TestUnknownFieldNamesKnownOnes(t *testing.T) {
	_, err := Parse("作者：张三")
	ps := vocab.Problems{}
	if !errors.As(err, &ps) {
		t.Fatal(err)
	}
	for _, f := range fields {
		if !strings.Contains(ps[0].Message["zh"], f.name+"（"+f.aliases[0]+"）") || !strings.Contains(ps[0].Message["en"], f.name) {
			t.Errorf("%v does not name %s", ps[0].Message, f.name)
		}
	}
}

func TestFieldName(t *testing.T) {
	for in, want := range map[string]string{
		"theme": "theme", "THEME": "theme", "ｔｈｅｍｅ": "theme", "主题": "theme", "地区": "region",
		"提供方": "publisher", "安全级别": "level", "登记状态": "registration", "标题": "", "": "",
	} {
		if got, ok := FieldName(in); got != want || ok != (want != "") {
			t.Errorf("FieldName(%q) = %q, %v", in, got, ok)
		}
	}
}

// FuzzParse: never panics; what was understood, printed and read again is
// understood the same.
func FuzzParse(f *testing.F) {
	raw, err := os.ReadFile(golden)
	if err != nil {
		f.Fatal(err)
	}
	for _, line := range strings.Split(string(raw), "\n") {
		if q, ok := strings.CutPrefix(line, "> "); ok {
			f.Add(q)
		}
	}
	f.Fuzz(func(t *testing.T, q string) {
		n, err := Parse(q)
		if err != nil {
			if ps := (vocab.Problems{}); !errors.As(err, &ps) || len(ps) == 0 {
				t.Fatalf("%v is not vocab.Problems", err)
			}
			return
		}
		printed := n.String()
		if len([]rune(printed)) > MaxRunes { // OR and names of fields grow in print
			return
		}
		again, err := Parse(printed)
		if err != nil {
			t.Fatalf("%q prints as %q: %v", q, printed, err)
		}
		if !reflect.DeepEqual(n, again) {
			t.Fatalf("%q is %s, prints as %q, which is %s", q, tree(n), printed, tree(again))
		}
	})
}

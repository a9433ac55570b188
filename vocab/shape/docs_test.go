package shape

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"lianmu/vocab"
)

// The examples of the guides are accepted, without a warning but for what
// they leave out, and the full ones score 100.
func TestExamplesInTheGuides(t *testing.T) {
	for _, file := range []string{"offering.md", "offering.zh-CN.md"} {
		kinds, full := map[vocab.EntryKind]int{}, 0
		for i, example := range examples(t, file) {
			rd := accept(t, example)
			kinds[rd.Kind]++
			for _, w := range rd.Warnings {
				if !strings.HasPrefix(w.Code, "missing.") {
					t.Errorf("%s: example %d: %+v", file, i+1, w)
				}
			}
			if rd.Offering != nil && rd.Offering.Completeness == 100 {
				full++
			}
		}
		if kinds[vocab.KindOffering] != 3 || full != 1 || kinds[vocab.KindWithdrawal] != 1 || kinds[vocab.KindDeregistration] != 1 || kinds[vocab.KindSpace] != 1 {
			t.Errorf("%s: %v, %d full", file, kinds, full)
		}
	}
}

// The guide to spaces has one full example of each kind of document, without
// anything to warn of.
func TestExamplesOfSpaces(t *testing.T) {
	for _, file := range []string{"space.md", "space.zh-CN.md"} {
		kinds := map[vocab.EntryKind]int{}
		for _, example := range examples(t, file) {
			rd := accept(t, example)
			kinds[rd.Kind]++
			if len(rd.Warnings) > 0 {
				t.Errorf("%s: %v\n%s", file, rd.Warnings, example)
			}
			switch {
			case rd.Space != nil:
				hasAll(t, file, rd.Space)
			case rd.Participant != nil:
				hasAll(t, file, rd.Participant)
			case rd.Consent != nil:
				hasAll(t, file, rd.Consent)
			}
		}
		for _, k := range []vocab.EntryKind{vocab.KindSpace, vocab.KindParticipant, vocab.KindConsent, vocab.KindWithdrawal, vocab.KindAct, vocab.KindRedaction} {
			if kinds[k] != 1 {
				t.Errorf("%s: %d examples of a %v", file, kinds[k], k)
			}
		}
	}
}

func examples(t *testing.T, file string) (out []string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", file))
	if err != nil {
		t.Fatal(err)
	}
	for i, block := range strings.Split(string(b), "```json\n")[1:] {
		example, _, ok := strings.Cut(block, "```")
		if !ok {
			t.Fatalf("%s: example %d has no end", file, i+1)
		}
		out = append(out, example)
	}
	return out
}

// hasAll reports fields of a struct that an example leaves empty.
func hasAll(t *testing.T, file string, v any) {
	t.Helper()
	s := reflect.ValueOf(v).Elem()
	for i := range s.NumField() {
		if s.Field(i).IsZero() {
			t.Errorf("%s: the example of a %s does not show %s", file, s.Type().Name(), s.Type().Field(i).Name)
		}
	}
}

// Codes and keys that the guides name exist.
func TestGuidesNameWhatExists(t *testing.T) {
	src := ""
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(files, "../identifiers.go", "../../federation/judge/judge.go", "../../federation/registry/consent.go",
		"../../hub/intake/prepare.go", "../../hub/intake/unseen.go") {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(f, "_test.go") {
			src += string(b)
		}
	}
	context, err := os.ReadFile("../jsonld/contexts/lianmu-v1.jsonld")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"offering.md", "offering.zh-CN.md", "space.md", "space.zh-CN.md"} {
		b, err := os.ReadFile(filepath.Join("..", "..", "docs", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range strings.Split(string(b), "`") {
			prefix, rest, ok := strings.Cut(code, ".")
			switch prefix {
			case "context", "audience", "id", "iri", "type", "offering", "title", "shape", "level", "identifier", "text", "date", "price", "geo", "contact", "member", "participant", "consent", "space", "document", "subject", "role", "key", "endpoint", "did":
				if ok && rest != "*" && !strings.ContainsAny(rest, " .") && !strings.Contains(src, `"`+code+`"`) {
					t.Errorf("%s names the code %s, which nothing says", file, code)
				}
			}
		}
		for _, line := range strings.Split(string(b), "\n") {
			cells := strings.Split(line, "|")
			if len(cells) != 6 || strings.HasPrefix(line, "|---") {
				continue
			}
			for _, key := range strings.FieldsFunc(cells[1]+","+cells[2], func(r rune) bool { return strings.ContainsRune("、,` ", r) }) {
				if key == "@id" || key == "plain" || key == "key" || key == "Chinese" || key == "中文字段" || key == "英文字段" || key == "英文类型" {
					continue
				}
				if !strings.Contains(string(context), "\n    \""+key+"\":") {
					t.Errorf("%s names the key %s, which the context does not have", file, key)
				}
			}
		}
	}
}

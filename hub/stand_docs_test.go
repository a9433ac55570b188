package hub_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The threat model names tests and files that exist, the same in both languages,
// and every test that attacks a whole hub.
func TestThreatModelNamesWhatExists(t *testing.T) {
	tests := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2:
			return fs.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil // its own package's tests tell
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && testName.MatchString(f.Name.Name) {
				tests[f.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var named [][]string
	for _, doc := range []string{"../docs/threat-model.md", "../docs/threat-model.zh-CN.md"} {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		names := slices.Compact(slices.Sorted(slices.Values(testName.FindAllString(string(text), -1))))
		named = append(named, names)
		for _, name := range names {
			if !tests[name] {
				t.Errorf("%s names %s, which is no test", doc, name)
			}
		}
		for name := range tests {
			if strings.HasPrefix(name, "TestStand") && !slices.Contains(names, name) && attacks(name) {
				t.Errorf("%s does not name %s", doc, name)
			}
		}
		files := sourceFile.FindAllStringSubmatch(string(text), -1)
		if len(files) < 20 {
			t.Errorf("%s: only %d files are named", doc, len(files))
		}
		for _, m := range files {
			if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
				t.Errorf("%s: %v", doc, err)
			}
		}
	}
	if !slices.Equal(named[0], named[1]) {
		t.Errorf("the languages name other tests:\n%v\n%v", named[0], named[1])
	}
	if len(named[0]) < 80 {
		t.Errorf("only %d tests are named", len(named[0]))
	}
}

var (
	testName   = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`)
	sourceFile = regexp.MustCompile("`([a-z/]+(?:/[a-z_]+\\.go)?)`(?:、|,|）|\\))")
)

// attacks tells the tests of this kind from others whose names begin likewise.
func attacks(name string) bool { return name != "TestStandsInTheSameBatch" }

package hub_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// NewProblem fills both formats with the same arguments, so both must use them
// all: else one language ends in %!(EXTRA …) or lacks what the other tells.
func TestProblemsUseTheirArgumentsInBothLanguages(t *testing.T) {
	seen := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2 {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil // not ours to judge here
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || call.Ellipsis.IsValid() {
				return true
			}
			// Any call with two neighbouring literals of which the first is
			// Chinese and the second not: NewProblem and the short forms of it.
			for i := 0; i+1 < len(call.Args); i++ {
				zh, en := literal(call.Args[i]), literal(call.Args[i+1])
				if !han.MatchString(zh) || en == "" || han.MatchString(en) {
					continue
				}
				seen++
				used, others := arguments(zh), arguments(en)
				// Arguments named by number may differ: one text for each language.
				if used != others && !(strings.Contains(zh, "%[") && strings.Contains(en, "%[")) {
					t.Errorf("%s: the languages use other arguments: %q and %q", set.Position(call.Pos()), zh, en)
				}
				break
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 150 {
		t.Errorf("only %d messages seen: the test does not see the calls", seen)
	}
}

var (
	han  = regexp.MustCompile(`\p{Han}`)
	verb = regexp.MustCompile(`%[-+# 0]*(\[(\d+)\])?[0-9]*(\.[0-9]+)?([a-zA-Z%])`)
)

// literal is the text of a string literal, or of several added up.
func literal(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			s, _ := strconv.Unquote(e.Value)
			return s
		}
	case *ast.BinaryExpr:
		if l, r := literal(e.X), literal(e.Y); l != "" && r != "" {
			return l + r
		}
	}
	return ""
}

// arguments lists which arguments a format uses, as "12": each once, in order.
func arguments(format string) string {
	used, next := map[int]bool{}, 1
	for _, m := range verb.FindAllStringSubmatch(format, -1) {
		if m[4] == "%" {
			continue
		}
		if m[2] != "" {
			next, _ = strconv.Atoi(m[2])
		}
		used[next] = true
		next++
	}
	out := ""
	for i := range 20 {
		if used[i] {
			out += strconv.Itoa(i) + " "
		}
	}
	return out
}

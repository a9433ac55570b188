package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentedCommandsParse: every command line in the description of the
// command line is one that the program takes.
func TestDocumentedCommandsParse(t *testing.T) {
	word := regexp.MustCompile(`'[^']*'|\S+`)
	for _, name := range []string{"cli.md", "cli.zh-CN.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for _, line := range strings.Split(string(text), "\n") {
			if !strings.HasPrefix(line, "lianmu ") {
				continue
			}
			line, _, _ = strings.Cut(line, " #")
			line, _, _ = strings.Cut(line, " < ")
			args := word.FindAllString(line, -1)[1:]
			for i := range args {
				args[i] = strings.Trim(args[i], "'")
			}
			parser, err := newParser()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parser.Parse(arrange(args)); err != nil {
				t.Errorf("%s: %s: %v", name, line, err)
			}
			seen++
		}
		if seen < 20 {
			t.Errorf("%s: only %d command lines", name, seen)
		}
	}
}

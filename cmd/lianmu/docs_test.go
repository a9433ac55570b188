package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentedCommandsParse: every command line in what a newcomer reads first is
// one that the program takes.
func TestDocumentedCommandsParse(t *testing.T) {
	word := regexp.MustCompile(`'[^']*'|\S+`)
	for name, least := range map[string]int{
		"docs/cli.md": 20, "docs/cli.zh-CN.md": 20, "docs/peers.md": 10, "docs/peers.zh-CN.md": 10, "README.md": 10, "README.zh-CN.md": 10,
	} {
		text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for _, line := range strings.Split(string(text), "\n") {
			line = strings.TrimSpace(line)
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
		if seen < least {
			t.Errorf("%s: only %d command lines", name, seen)
		}
	}
}

package main

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/rivo/uniseg"
	"pgregory.net/rapid"
)

func TestArrange(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"", "--help"},
		{"publish -x", "publish -x"},
		{"search", "search"},
		{"search a -b", "search -- a -b"},
		{"search -地铁 交通 --facets", "search --facets -- -地铁 交通"},
		{"search --hub H a --limit 3 -b --json", "search --hub=H --limit=3 --json -- a -b"},
		{"search --sort -modified a", "search --sort=-modified -- a"},
		{"search --hub=H -- --facets -h", "search --hub=H -- --facets -h"},
		{"search -h", "search -h"},
		{"search --stale --hub H 潮位", "search --stale --hub=H -- 潮位"},
		{"search a --hub", "search --hub -- a"},
	} {
		if got := strings.Join(arrange(strings.Fields(tc.args)), " "); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.args, got, tc.want)
		}
	}
}

// TestMisuse: what is wrong with a command line is said in one language, with
// where its usage is.
func TestMisuse(t *testing.T) {
	for _, tc := range []struct{ args, en, zh string }{
		{"publish", "missing flags: --hub=URL (usage: lianmu publish --help)", "缺少选项：--hub=URL（用法见 lianmu publish --help）"},
		{"serach", `did you mean "search"`, `是想写 "search" 吗`},
		{"nonsense-at-all", "unexpected argument", "不认识 nonsense-at-all"},
		{"key", `expected one of "new"`, "后面要写子命令"},
		{"key show", "expected", "后面要写"},
		{"publish --hub x --nonsense-at-all", "unknown flag", "没有选项 --nonsense-at-all"},
		{"publish --hub x --give-up soon", "expected duration", "不是时长"},
		{"search --hub x --stale=潮位", "bool value", "--stale 后面不写值"},
		{"peer remove --hub x --key k did:key:z6Mk", "--keep or --purge", "请写 --keep 或 --purge"},
		{"publish --hub x --window many", "int", "应为整数"},
		{"deregister urn:a", "withdraw --deregister", "withdraw --deregister"},
		{"verify --bundle a.bundle", "log verify --bundle", "log verify --bundle"},
		{"hub --dir x --open --http 127.0.0.1:99999", "0 to 65535", "0 到 65535"},
		{"hub --dir x --open --nats nowhere", "--nats is HOST:PORT", "--nats 应写成"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			t.Chdir(t.TempDir())
			code, _, errs := runCLI(t, "", strings.Fields(tc.args)...)
			if code != 2 || !strings.Contains(errs, tc.en) {
				t.Errorf("exit %d: %s", code, errs)
			}
			inChinese(t)
			code, _, errs = runCLI(t, "", strings.Fields(tc.args)...)
			if code != 2 || !strings.Contains(errs, tc.zh) {
				t.Errorf("exit %d: %s", code, errs)
			}
		})
	}
}

func TestBusyPortIsSaidOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, flag := range []string{"--http", "--nats"} {
		args := []string{"hub", "--open", "--dir", t.TempDir(), "--http", "127.0.0.1:0", "--nats", "127.0.0.1:0", "--log-level", "error"}
		args[slices.Index(args, flag)+1] = l.Addr().String()
		code, _, errs := runCLI(t, "", args...)
		said := errs[strings.Index(errs, "lianmu: "):]
		want := fmt.Sprintf("%s is in use, perhaps by another hub; choose another port with %s", l.Addr(), flag)
		if code != 2 || !strings.Contains(said, want) || strings.Count(said, l.Addr().String()) != 1 {
			t.Errorf("exit %d: %s", code, errs)
		}
	}
}

// TestHelpIsTranslated: every command, flag and argument has its Chinese, and
// no translation is left over.
func TestHelpIsTranslated(t *testing.T) {
	parser, err := kong.New(&commands{})
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	want := func(help string) {
		if help != "" && helpInChinese[help] == "" {
			t.Errorf("no Chinese for %q", help)
		}
		used[help] = true
	}
	err = kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		switch n := node.(type) {
		case *kong.Node:
			want(n.Help)
			for _, arg := range n.Positional {
				want(arg.Help)
			}
		case *kong.Flag:
			want(n.Help)
		}
		return next(nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	for help := range helpInChinese {
		if !used[help] {
			t.Errorf("nothing says %q any more", help)
		}
	}
	inChinese(t)
	code, out, _ := runCLI(t, "")
	if code != 0 || !strings.Contains(out, "用法：lianmu") || !strings.Contains(out, "检索。") || strings.Contains(out, "Usage") {
		t.Errorf("exit %d\n%s", code, out)
	}
}

func TestWrap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := clean(rapid.StringOf(rapid.SampledFrom([]rune("ab 港口 数。"))).Draw(t, "text"))
		cells := rapid.IntRange(2, 40).Draw(t, "cells")
		lines := wrap(text, cells)
		for _, line := range lines {
			if uniseg.StringWidth(line) > cells {
				t.Fatalf("%q is wider than %d", line, cells)
			}
		}
		without := func(s string) string { return strings.ReplaceAll(s, " ", "") }
		if without(strings.Join(lines, "")) != without(text) {
			t.Fatalf("%q became %q", text, lines)
		}
	})
}

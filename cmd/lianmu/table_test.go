package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rivo/uniseg"

	"lianmu/vocab"
)

func TestTableAlignsChinese(t *testing.T) {
	tab := table{Head: []string{"名称", "n", "x"}, Right: map[int]bool{1: true}}
	tab.add("上海港集装箱", "1", "甲")
	tab.add("air", "1,000", "b")
	var b strings.Builder
	if err := tab.write(&b); err != nil {
		t.Fatal(err)
	}
	want := "名称              n  x\n上海港集装箱      1  甲\nair           1,000  b\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestTableLeavesOutWhatNoRowHas(t *testing.T) {
	for want, cells := range map[string][2]string{"a  c\n1  3\n4  6\n": {"", ""}, "a  b  c\n1     3\n4  5  6\n": {"", "5"}} {
		tab := table{Head: []string{"a", "b", "c"}, Spare: map[int]bool{1: true}}
		tab.add("1", cells[0], "3")
		tab.add("4", cells[1], "6")
		var b strings.Builder
		if err := tab.write(&b); err != nil || b.String() != want {
			t.Errorf("%v: got\n%swant\n%s", err, b.String(), want)
		}
	}
}

func TestTableCannotBeSteered(t *testing.T) {
	tab := table{}
	tab.add("a\x1b[2Jb\u202ec\nd", "x")
	var b strings.Builder
	if err := tab.write(&b); err != nil {
		t.Fatal(err)
	}
	if b.String() != "a[2Jbc d  x\n" {
		t.Errorf("got %q", b.String())
	}
}

func TestCut(t *testing.T) {
	for _, tc := range []struct {
		s     string
		cells int
		want  string
	}{
		{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"上海港", 6, "上海港"}, {"上海港口", 6, "上海…"}, {"a上海港口", 6, "a上海…"}, {"", 3, ""},
	} {
		got := cut(tc.s, tc.cells)
		if got != tc.want || uniseg.StringWidth(got) > tc.cells {
			t.Errorf("cut(%q, %d) = %q, want %q", tc.s, tc.cells, got, tc.want)
		}
	}
}

func TestNumber(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := number(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

func TestDescribe(t *testing.T) {
	ps := vocab.Problems{vocab.NewProblem("/title", "x", "太长", "too long"), vocab.NewProblem("", "y", "过期", "expired")}
	if got := describe(errors.Join(ps)); got != "/title: too long; expired" && got != "/title: 太长；过期" {
		t.Errorf("got %q", got)
	}
}

func TestDescribeFiles(t *testing.T) {
	there, absent := writeFile(t, "a", "x"), filepath.Join(t.TempDir(), "b")
	_, exists := os.OpenFile(there, os.O_CREATE|os.O_EXCL, 0o600)
	_, missing := os.Open(absent)
	for _, tc := range []struct {
		err  error
		want string
	}{
		{exists, fmt.Sprintf(tr("文件 %s 已经存在", "there is a file %s already"), there)},
		{missing, fmt.Sprintf(tr("没有文件 %s", "there is no file %s"), absent)},
	} {
		if got := describe(tc.err); !strings.HasPrefix(got, tc.want) {
			t.Errorf("got %q, want %q…", got, tc.want)
		}
	}
}

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/rivo/uniseg"

	"lianmu/vocab"
)

// table is aligned text for a terminal. Widths are those of a terminal cell,
// where a Chinese character takes two.
type table struct {
	Head  []string
	Right map[int]bool // columns of numbers
	Spare map[int]bool // columns that are left out where no row has anything in them
	rows  [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// write prints the table with two spaces between columns and none at line ends.
func (t *table) write(w io.Writer) error {
	rows := t.rows
	if t.Head != nil {
		rows = append([][]string{t.Head}, rows...)
	}
	var widths []int
	used := map[int]bool{}
	for n, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], uniseg.StringWidth(clean(cell)))
			used[i] = used[i] || !t.Spare[i] || cell != "" && (n > 0 || t.Head == nil)
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if !used[i] {
				continue
			}
			cell = clean(cell)
			pad := strings.Repeat(" ", widths[i]-uniseg.StringWidth(cell))
			if i > 0 {
				line.WriteString("  ")
			}
			if t.Right[i] {
				line.WriteString(pad + cell)
			} else {
				line.WriteString(cell + pad)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cut shortens s to a number of terminal cells, with an ellipsis where
// something is missing.
func cut(s string, cells int) string {
	s = clean(s)
	if uniseg.StringWidth(s) <= cells {
		return s
	}
	var b strings.Builder
	used := 0
	for g := uniseg.NewGraphemes(s); g.Next(); {
		if used+g.Width() > cells-1 {
			break
		}
		used += g.Width()
		b.WriteString(g.Str())
	}
	return strings.TrimRight(b.String(), " ") + "…"
}

// cutStart is cut for paths, whose end tells more than their beginning.
func cutStart(s string, cells int) string {
	s = clean(s)
	if uniseg.StringWidth(s) <= cells {
		return s
	}
	for g := uniseg.NewGraphemes(s); g.Next() && uniseg.StringWidth(s) > cells-1; {
		s = strings.TrimPrefix(s, g.Str())
	}
	return "…" + s
}

// wrap breaks s into lines of at most that many terminal cells: between words,
// and inside what has none, as Chinese.
func wrap(s string, cells int) (lines []string) {
	for s = clean(s); uniseg.StringWidth(s) > cells; {
		used, end, blank := 0, 0, 0
		for g := uniseg.NewGraphemes(s); g.Next() && used+g.Width() <= cells; {
			used += g.Width()
			if _, end = g.Positions(); g.Str() == " " {
				blank = end
			}
		}
		if end == 0 { // one character wider than the line
			break
		}
		if blank > end/2 {
			end = blank
		}
		lines = append(lines, strings.TrimRight(s[:end], " "))
		s = s[end:]
	}
	return append(lines, s)
}

// describe is an error in the reader's language.
func describe(err error) string {
	var ps vocab.Problems
	if errors.As(err, &ps) {
		return sayProblems(ps)
	}
	if text := ofFile(err); text != "" {
		return text
	}
	return translated(err.Error())
}

// ofFile says of a file that could not be opened what to do; "" of other errors.
func ofFile(err error) string {
	bad, ok := err.(*fs.PathError) // wrapped it has been explained
	if !ok || bad.Op != "open" {
		return ""
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Sprintf(tr("文件 %s 已经存在，不会覆盖：请换一个名称", "there is a file %s already, which is not overwritten: give another name"), bad.Path)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf(tr("没有文件 %s：请核对名称和所在的文件夹", "there is no file %s: check its name and folder"), bad.Path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf(tr("没有权限打开文件 %s：请检查权限，或换用有权限的用户", "the file %s may not be opened: check its permissions, or do it as another user"), bad.Path)
	}
	return ""
}

// sayProblems joins problems in the reader's language, each with its path.
func sayProblems(ps vocab.Problems) string {
	parts := make([]string, 0, len(ps))
	for _, p := range ps {
		text := say(p.Message)
		if p.Path != "" {
			text = p.Path + ": " + text
		}
		parts = append(parts, text)
	}
	return clean(strings.Join(parts, tr("；", "; ")))
}

// sayWrapped is the text of an error, in which problems that it wraps stand in
// the reader's language.
func sayWrapped(err error) string {
	var ps vocab.Problems
	if !chinese || !errors.As(err, &ps) {
		return err.Error()
	}
	return strings.Replace(err.Error(), ps.Error(), sayProblems(ps), 1)
}

// number writes n with thousands separators.
func number[T ~int | ~int64 | ~uint64](n T) string {
	s := fmt.Sprint(n)
	start := 0
	if s[0] == '-' {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

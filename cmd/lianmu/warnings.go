package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"lianmu/vocab"
)

// maxWarnings is how many kinds of warning are shown, maxKinds how many are
// told apart.
const (
	maxWarnings = 10
	maxKinds    = 1000
)

// warning is one kind of warning: the same code at the same place, wherever in
// a list that place is.
type warning struct {
	Count   uint64     `json:"count"`
	Code    string     `json:"code"`
	Path    string     `json:"path"` // of the first such warning, as File and Line
	Message vocab.Text `json:"message"`
	File    string     `json:"file"`
	Line    int        `json:"line"`
}

// warned is one line of the list of warnings.
type warned struct {
	File     string         `json:"file"`
	Line     int            `json:"line"`
	ID       string         `json:"id,omitempty"`
	Status   vocab.Status   `json:"status"`
	Warnings vocab.Problems `json:"warnings"`
}

// warnings gathers the warnings of a run by kind. The zero value is ready.
type warnings struct {
	kinds map[string]*warning
	list  io.Writer // every document with warnings as a JSON line; nil: not written
	err   error     // of list
}

var listPlace = regexp.MustCompile(`/[0-9]+(/|$)`)

func (ws *warnings) add(o outcome) {
	if ws.kinds == nil {
		ws.kinds = make(map[string]*warning)
	}
	for _, p := range o.Receipt.Warnings {
		kind := p.Code + " " + listPlace.ReplaceAllString(p.Path, "/*$1")
		k := ws.kinds[kind]
		if k == nil {
			if len(ws.kinds) == maxKinds {
				continue
			}
			k = &warning{Code: p.Code, Path: p.Path, Message: p.Message, File: o.File, Line: o.Line}
			ws.kinds[kind] = k
		}
		k.Count++
	}
	if ws.list != nil && ws.err == nil {
		ws.err = json.NewEncoder(ws.list).Encode(warned{o.File, o.Line, cmp.Or(o.Receipt.ID, o.ID), o.Receipt.Status, o.Receipt.Warnings})
	}
}

// top returns the n kinds to look at first: what is wrong with what is there, a
// misspelt name for one, before what could be added; then by frequency.
func (ws *warnings) top(n int) []warning {
	all := make([]warning, 0, len(ws.kinds))
	for _, k := range ws.kinds {
		all = append(all, *k)
	}
	slices.SortFunc(all, func(a, b warning) int {
		absent := func(w warning) int {
			if strings.HasPrefix(w.Code, "missing.") {
				return 1
			}
			return 0
		}
		return cmp.Or(absent(a)-absent(b), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Path, b.Path))
	})
	return all[:min(n, len(all))]
}

// writeWarnings lists the most frequent kinds, each with a place to look at.
func (s *summary) writeWarnings(w io.Writer) error {
	if len(s.WarningExamples) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := table{Head: []string{tr("提醒", "warning"), tr("次数", "times"), tr("例如", "such as"), tr("内容", "what")}, Right: map[int]bool{1: true}}
	for _, k := range s.WarningExamples {
		t.add(k.Code, number(k.Count), fmt.Sprintf("%s:%d", cutStart(k.File, 30), k.Line),
			sayProblems(vocab.Problems{{Path: k.Path, Message: k.Message}}))
	}
	if err := t.write(w); err != nil {
		return err
	}
	if more := len(s.warned.kinds) - len(s.WarningExamples); more > 0 {
		_, err := fmt.Fprintf(w, tr("… 另有 %s 种；用 --warnings 文件 可得到全部清单\n", "… and more kinds: %s; --warnings FILE writes the whole list\n"), number(more))
		return err
	}
	return nil
}

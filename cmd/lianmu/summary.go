package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"lianmu/vocab"
)

// summary adds up what became of the documents of one run. It is told of them
// one at a time.
type summary struct {
	Documents  uint64 `json:"documents"`
	Accepted   uint64 `json:"accepted"`
	Renewed    uint64 `json:"renewed"`
	Unchanged  uint64 `json:"unchanged"`
	Superseded uint64 `json:"superseded"`
	Refused    uint64 `json:"refused"`
	Failed     uint64 `json:"failed"` // no receipt could be had
	// Absent are deletions in a feed of changes of what is not published.
	Absent uint64 `json:"nothing_to_take_down"`
	// Warnings counts warnings by code; WarnedDocuments who had any. What is
	// unchanged is left out: whether the hub was asked depends on the run.
	Warnings        map[string]uint64 `json:"warnings"`
	WarnedDocuments uint64            `json:"warned_documents"`
	WarningExamples []warning         `json:"warning_examples"` // the maxWarnings to look at first
	ElapsedS        float64           `json:"elapsed_s"`
	PerSecond       float64           `json:"per_second"`
	Refusals        []refusal         `json:"refusals"` // the first maxListed by file and line
	Stopped         string            `json:"stopped,omitempty"`

	now     func() time.Time
	start   time.Time
	list    io.Writer // every refusal as a JSON line; nil: not written
	warned  warnings
	listErr error
}

// maxListed is how many refusals are shown.
const maxListed = 20

// refusal is one document that is not in the catalogue, and why.
type refusal struct {
	File     string         `json:"file"`
	Line     int            `json:"line"`
	ID       string         `json:"id,omitempty"`
	Status   string         `json:"status"` // refused or failed
	Problems vocab.Problems `json:"problems"`
}

func newSummary(now func() time.Time) *summary {
	return &summary{Warnings: make(map[string]uint64), Refusals: []refusal{}, WarningExamples: []warning{}, now: now, start: now()}
}

func (s *summary) add(o outcome) {
	s.Documents++
	if len(o.Receipt.Warnings) > 0 && o.Receipt.Status != vocab.Unchanged {
		s.WarnedDocuments++
		for _, w := range o.Receipt.Warnings {
			if _, seen := s.Warnings[w.Code]; seen || len(s.Warnings) < 256 {
				s.Warnings[w.Code]++
			}
		}
		s.warned.add(o)
	}
	r := refusal{File: o.File, Line: o.Line, ID: cmp.Or(o.Receipt.ID, o.ID)}
	switch {
	case o.Err != nil:
		s.Failed++
		r.Status, r.Problems = "failed", failure(o.Err)
	case o.Receipt.Status == vocab.Accepted:
		s.Accepted++
		return
	case o.Receipt.Status == vocab.Renewed:
		s.Renewed++
		return
	case o.Receipt.Status == vocab.Unchanged:
		s.Unchanged++
		return
	case o.Receipt.Status == vocab.Superseded:
		s.Superseded++
		return
	case o.Removal && len(o.Receipt.Problems) > 0 && o.Receipt.Problems[0].Code == "offering.unknown":
		s.Absent++
		return
	default:
		s.Refused++
		r.Status, r.Problems = "refused", o.Receipt.Problems
	}
	s.show(r)
	if s.list != nil && s.listErr == nil {
		s.listErr = json.NewEncoder(s.list).Encode(r)
	}
}

// show keeps the refusals to be shown: those first in the files, whatever
// order the answers come in.
func (s *summary) show(r refusal) {
	at, _ := slices.BinarySearchFunc(s.Refusals, r, func(a, b refusal) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	s.Refusals = slices.Insert(s.Refusals, at, r)
	s.Refusals = s.Refusals[:min(len(s.Refusals), maxListed)]
}

func failure(err error) vocab.Problems {
	if errors.Is(err, context.Canceled) {
		return vocab.Problems{vocab.NewProblem("", "client.interrupted",
			"在收到回执之前被中断；再运行一次即可", "interrupted before the receipt came; run it again")}
	}
	return vocab.ProblemsOf(err, "client.no_answer")
}

// finish prints the summary and tells the exit code: stopped is why the run
// ended before its input did, nil where it did not.
func (s *summary) finish(c *streams, asJSON bool, stopped error) error {
	elapsed := s.now().Sub(s.start)
	s.ElapsedS, s.PerSecond = elapsed.Seconds(), perSecond(s.Documents, elapsed)
	if stopped != nil {
		s.Stopped = describe(stopped)
		if errors.Is(stopped, context.Canceled) {
			s.Stopped = tr("被中断", "interrupted")
		}
	}
	s.WarningExamples = s.warned.top(maxWarnings)
	err := s.write(c.Out, asJSON)
	switch {
	case err != nil:
		return err
	case s.warned.err != nil:
		return fmt.Errorf(tr("写不了提醒清单：%w", "cannot write the list of warnings: %w"), s.warned.err)
	case s.listErr != nil:
		return fmt.Errorf(tr("写不了退回清单：%w", "cannot write the list of refusals: %w"), s.listErr)
	case stopped != nil:
		fmt.Fprintf(c.Err, tr("没有做完：%s。再运行一次，只会发送还缺的。\n", "not finished: %s. Run it again: only what is missing is sent.\n"), s.Stopped)
		return exitCode(1)
	case s.Refused > 0 || s.Failed > 0:
		return exitCode(1)
	}
	return nil
}

func (s *summary) write(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(s)
	}
	t := table{Right: map[int]bool{1: true}}
	t.add(tr("已接收", "accepted"), number(s.Accepted))
	t.add(tr("已续期", "renewed"), number(s.Renewed))
	t.add(tr("无变化", "unchanged"), number(s.Unchanged))
	t.add(tr("已有更新版本", "superseded"), number(s.Superseded))
	t.add(tr("被退回", "refused"), number(s.Refused))
	t.add(tr("未得到答复", "failed"), number(s.Failed))
	if s.Absent > 0 {
		t.add(tr("无可下架", "not there"), number(s.Absent), tr("要求删除、而本来就没有在架的", "deletions of what is not published"))
	}
	t.add(tr("合计", "total"), number(s.Documents), s.rate())
	t.add(tr("有提醒的", "with warnings"), number(s.WarnedDocuments))
	if err := t.write(w); err != nil {
		return err
	}
	if err := s.writeWarnings(w); err != nil || len(s.Refusals) == 0 {
		return err
	}
	fmt.Fprintln(w)
	list := table{Head: []string{tr("位置", "where"), "@id", tr("原因", "why")}}
	for _, r := range s.Refusals {
		list.add(fmt.Sprintf("%s:%d", cutStart(r.File, 40), r.Line), cut(cmp.Or(r.ID, "-"), 60), sayProblems(r.Problems))
	}
	if err := list.write(w); err != nil {
		return err
	}
	if rest := s.Refused + s.Failed - uint64(len(s.Refusals)); rest > 0 {
		_, err := fmt.Fprintf(w, tr("… 另有 %s 份；用 --refused 文件 可得到全部清单\n", "… and %s more; --refused FILE writes the whole list\n"), number(rest))
		return err
	}
	return nil
}

func (s *summary) rate() string {
	return fmt.Sprintf(tr("用时 %.1f 秒，每秒 %.0f 份", "in %.1f s, %.0f a second"), s.ElapsedS, s.PerSecond)
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lianmu/hub/admission"
)

// logRedactCmd deletes bodies of entries, visibly.
type logRedactCmd struct {
	office `embed:""`
	Ground string   `required:"" enum:"authority,personal,classified,retention" placeholder:"GROUND" help:"authority, personal, classified or retention."`
	Reason string   `placeholder:"TEXT" help:"Why; it stands in the log, for everybody. Never what is deleted."`
	Yes    bool     `short:"y" help:"Do it without asking."`
	Index  []uint64 `arg:"" name:"index" help:"Numbers of the entries (lianmu log show)."`
}

// Run asks, and deletes the bodies, or proposes to where a second person must
// agree.
func (c *logRedactCmd) Run(ctx context.Context, s *streams) error {
	slices.Sort(c.Index)
	c.Index = slices.Compact(c.Index) // there is one receipt for each
	list := make([]string, 0, 10)
	for _, i := range c.Index[:min(len(c.Index), 10)] {
		list = append(list, strconv.FormatUint(i, 10))
	}
	if more := len(c.Index) - len(list); more > 0 {
		list = append(list, fmt.Sprintf("+%d", more))
	}
	question := fmt.Sprintf(tr("删除第 %s 条记录的正文吗？正文无法恢复，删除本身会记入账本。",
		"Delete the bodies of entries %s? They cannot be had back, and that they were deleted stands in the log."), strings.Join(list, " "))
	if err := ask(s, c.Yes, question); err != nil {
		return err
	}
	hub, err := c.enter(s)
	if err != nil {
		return err
	}
	order := struct {
		Entries []uint64 `json:"entries"`
		Ground  string   `json:"ground"`
		Reason  string   `json:"reason,omitempty"`
	}{c.Index, c.Ground, c.Reason}
	var out admission.Result
	if err := hub.post(ctx, "/api/v1/redactions", order, &out); err != nil {
		return refusedBy(s, err)
	}
	switch {
	case c.JSON:
		return json.NewEncoder(s.Out).Encode(out)
	case out.Proposal != nil:
		_, err = fmt.Fprintf(s.Out, tr("已提出，编号 %s，%s 前须由另一人复核：%s\n",
			"proposed as %s; until %s another officer has to agree, with: %s\n"), out.Proposal.ID, minute(out.Proposal.Expires), approving(c.Hub, out.Proposal.ID))
		note(s, out.Warnings)
		return err
	}
	t := table{Head: []string{tr("记录", "entry"), tr("结果", "result"), tr("删除记录", "redaction")}, Right: map[int]bool{0: true, 2: true}}
	failed := 0
	for i, r := range out.Receipts {
		at := ""
		if r.Log != nil {
			at = strconv.FormatUint(r.Log.Index, 10)
		} else {
			failed++
		}
		t.add(strconv.FormatUint(c.Index[i], 10), string(r.Status), at)
	}
	if err := t.write(s.Out); err != nil {
		return err
	}
	if failed > 0 {
		return exitCode(1)
	}
	return nil
}

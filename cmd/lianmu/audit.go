package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"lianmu/hub/audit"
	"lianmu/vocab"
)

type auditCmd struct {
	Show   auditShowCmd   `cmd:"" help:"Show the audit trail, newest first."`
	Export auditExportCmd `cmd:"" help:"Write the audit trail as JSON lines, with a signed last line."`
	Verify auditVerifyCmd `cmd:"" help:"Check an exported audit trail, or a hub's."`
}

type auditShowCmd struct {
	office  `embed:""`
	Who     string `placeholder:"WHO" help:"Only what this DID or person did."`
	Act     string `placeholder:"ACT" help:"Only this act, or all below it (space takes space.admit too), such as space.admit, space.reject, space.suspend, space.resume, space.keys.replace, space.keys.compromise, offering.remove, invitation.create, log.redact, proposal.approve, session.open; a signed act's name such as KeyReplacement too."`
	Outcome string `placeholder:"WORD" help:"Only begun, done, refused or failed."`
	Since   string `placeholder:"TIME" help:"From then on: a date, a time, or how long ago (24h)."`
	Until   string `placeholder:"TIME" help:"Before then, likewise."`
	Limit   int    `default:"50" help:"Records to show."`
}

// auditPage is the answer of GET /api/v1/audit.
type auditPage struct {
	Items []json.RawMessage `json:"items"`
	Next  string            `json:"next"`
}

// Run shows records, page after page up to the limit.
func (c *auditShowCmd) Run(ctx context.Context, s *streams) error {
	if c.Limit < 1 {
		return errors.New(tr("--limit 至少为 1", "--limit is at least 1"))
	}
	q, err := span(c.Since, c.Until, s.Now())
	if err != nil {
		return err
	}
	act, err := actNamed(c.Act)
	if err != nil {
		return err
	}
	for name, value := range map[string]string{"who": c.Who, "act": act, "outcome": c.Outcome} {
		if value != "" {
			q.Set(name, value)
		}
	}
	hub, err := c.enter(s)
	if err != nil {
		return err
	}
	t := table{Head: []string{tr("时间", "time"), tr("结果", "outcome"), tr("操作", "act"), tr("对象", "object"), tr("何人", "who"), tr("来自", "from"), tr("说明", "detail")}}
	enc := json.NewEncoder(s.Out)
	for left := c.Limit; left > 0; {
		q.Set("limit", strconv.Itoa(min(left, 100)))
		var page auditPage
		if err := hub.operate(ctx, http.MethodGet, "/api/v1/audit?"+q.Encode(), &page); err != nil {
			return refusedBy(s, err)
		}
		for _, raw := range page.Items {
			if c.JSON { // as it was sealed
				if err := enc.Encode(raw); err != nil {
					return err
				}
				continue
			}
			var r audit.Record
			if err := receive(raw, &r); err != nil {
				return err
			}
			detail := strings.TrimSpace(r.Code + " " + r.Detail)
			if r.Count > 1 {
				detail = fmt.Sprintf(tr("%s 次 %s", "%s times %s"), number(r.Count), detail)
			}
			t.add(second(r.Time), sayOutcome(r.Outcome), sayAct(r.Act), cut(r.Object, 60), cut(r.Who, 60), r.From, cut(detail, 60))
		}
		if left -= len(page.Items); page.Next == "" {
			break
		}
		q.Set("cursor", page.Next)
	}
	if c.JSON {
		return nil
	}
	return t.write(s.Out)
}

func sayOutcome(o audit.Outcome) string {
	switch o {
	case audit.Begun:
		return tr("开始", "begun")
	case audit.Done:
		return tr("完成", "done")
	case audit.Refused:
		return tr("拒绝", "refused")
	case audit.Failed:
		return tr("失败", "failed")
	}
	return string(o)
}

// span are the parameters since and until.
func span(since, until string, now time.Time) (url.Values, error) {
	q := url.Values{}
	for name, text := range map[string]string{"since": since, "until": until} {
		if text == "" {
			continue
		}
		at, err := moment(text, now)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", name, err)
		}
		q.Set(name, at.UTC().Format(time.RFC3339))
	}
	return q, nil
}

// moment reads a date or time, of here where it names no zone, or how long ago.
func moment(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	if ago, err := time.ParseDuration(text); err == nil {
		return now.Add(-ago), nil
	}
	return time.Time{}, fmt.Errorf(tr("时间 %q 读不懂：可写 2026-11-21、\"2026-11-21 08:30\" 或 24h（多久以前）", "the time %q is not understood: write 2026-11-21, \"2026-11-21 08:30\" or 24h (how long ago)"), text)
}

type auditExportCmd struct {
	desk  `embed:""`
	Since string `placeholder:"TIME" help:"From then on: a date, a time, or how long ago (24h)."`
	Until string `placeholder:"TIME" help:"Before then, likewise."`
	Out   string `placeholder:"FILE" help:"File to write; never overwritten. Without it, standard output."`
}

// Run writes an export and checks it while it comes; exit code 1 if something
// is at fault.
func (c *auditExportCmd) Run(ctx context.Context, s *streams) (err error) {
	q, err := span(c.Since, c.Until, s.Now())
	if err != nil {
		return err
	}
	out := s.Out
	if c.Out != "" {
		f, err := os.OpenFile(c.Out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Sync(), f.Close()) }()
		out = f
	}
	report, err := fetchAudit(ctx, s, c.Hub, c.Key, q, out)
	if err != nil {
		return refusedBy(s, err)
	}
	fmt.Fprint(s.Err, sayReport(report))
	return nil
}

// fetchAudit writes a hub's export to out and checks it on the way.
func fetchAudit(ctx context.Context, s *streams, address, keyFile string, q url.Values, out io.Writer) (audit.Report, error) {
	hub, err := enterHub(address, keyFile, s.Now)
	if err != nil {
		return audit.Report{}, err
	}
	info, err := hub.info(ctx)
	if err != nil {
		return audit.Report{}, err
	}
	path := "/api/v1/audit/export"
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	resp, err := hub.unhurried(ctx, http.MethodGet, path, "", nil, 0)
	if err != nil {
		return audit.Report{}, err
	}
	defer resp.Body.Close()
	report, err := audit.Verify(io.TeeReader(resp.Body, out), s.Now())
	if err != nil {
		_, _ = io.Copy(out, resp.Body) // what is at fault is wanted too
		return report, err
	}
	if report.SignedBy != info.Hub {
		return report, vocab.Problems{vocab.NewProblem("", "audit.unsigned",
			"导出的末行没有节点 %s 的签名：可能没有传完，请重试。", "The export does not end with the signature of the hub %s: it may not have come whole, try again.", info.Hub)}
	}
	return report, nil
}

type auditVerifyCmd struct {
	Hub  string `placeholder:"URL" env:"LIANMU_HTTP_HUB" help:"Check the trail of this hub (needs --key); without it, an export."`
	Key  string `placeholder:"FILE" env:"LIANMU_OPERATOR_KEY" help:"An operator's key; the hub's own is DIR/hub.key."`
	By   string `placeholder:"DID" help:"DID of the hub that must have signed the export."`
	JSON bool   `name:"json" help:"Print the result as JSON."`
	File string `arg:"" optional:"" help:"File of an export; none or - is standard input."`
}

// Run checks a trail and prints what it holds; exit code 1 if it is at fault.
func (c *auditVerifyCmd) Run(ctx context.Context, s *streams) error {
	var report audit.Report
	var err error
	switch {
	case c.File == "" && c.Hub != "" && c.Key != "":
		report, err = fetchAudit(ctx, s, c.Hub, c.Key, nil, io.Discard)
	case c.File == "" || c.File == "-":
		report, err = audit.Verify(s.In, s.Now())
	default:
		var f *os.File
		if f, err = os.Open(c.File); err != nil {
			return err
		}
		report, err = audit.Verify(f, s.Now())
		_ = f.Close()
	}
	if err == nil && c.By != "" && report.SignedBy != c.By {
		err = vocab.Problems{vocab.NewProblem("", "audit.unsigned",
			"末行不是 %s 签名的。", "Its last line is not signed by %s.", c.By)}
	}
	if c.JSON {
		if jerr := json.NewEncoder(s.Out).Encode(report); jerr != nil {
			return jerr
		}
	} else if _, werr := fmt.Fprint(s.Out, sayReport(report)); werr != nil {
		return werr
	}
	if err != nil {
		return refusedBy(s, err)
	}
	return nil
}

// sayReport tells what a trail holds and what cannot be known of it.
func sayReport(r audit.Report) string {
	var b strings.Builder
	if r.Records == 0 {
		b.WriteString(tr("没有记录\n", "no records\n"))
	} else {
		fmt.Fprintf(&b, tr("%s 条记录，第 %s 至 %s 条，%s 至 %s，前后相接\n", "%s records, %s to %s, from %s to %s, each following the one before\n"),
			number(r.Records), number(r.First), number(r.Last), minute(r.From), minute(r.To))
		fmt.Fprintf(&b, tr("末条摘要 %s\n", "hash of the last %s\n"), r.Hash)
	}
	if r.Before > 0 {
		fmt.Fprintf(&b, tr("之前的 %s 条不在其中（已过保存期，或未导出）\n", "the %s records before them are not here: too old, or not exported\n"), number(r.Before))
	}
	if len(r.Unfinished) > 0 {
		fmt.Fprintf(&b, tr("%d 项操作只有开始、没有结果：第 %v 条\n", "%d acts began and have no outcome: records %v\n"), len(r.Unfinished), r.Unfinished)
	}
	if r.SignedBy != "" {
		fmt.Fprintf(&b, tr("签名 %s，%s\n", "signed by %s, %s\n"), r.SignedBy, minute(r.SignedAt))
	} else {
		b.WriteString(tr("没有签名的末行：末尾是否被截去无法得知\n", "there is no signed last line: whether records were cut off at the end cannot be known\n"))
	}
	return b.String()
}

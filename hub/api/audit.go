package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"lianmu/hub/audit"
	"lianmu/vocab"
)

// trailPage is a page of the audit trail, newest first, with the hash that the
// whole trail is held to at present.
type trailPage struct {
	list[audit.Record]
	Head audit.Head `json:"head"`
}

// trail lists records of the audit trail. A page may be empty and yet have a
// next: one request looks through so many records and no more.
func (a *api) trail(w http.ResponseWriter, r *http.Request) error {
	p := readParams(r)
	f := audit.Filter{
		Who: p.text("who", 256), Act: p.text("act", 64), Outcome: audit.Outcome(p.text("outcome", 16)),
		Since: p.time("since"), Until: p.time("until"),
	}
	limit := p.number("limit", 1, maxLimit, 50)
	before := p.sequence("cursor")
	switch f.Outcome {
	case "", audit.Begun, audit.Done, audit.Refused, audit.Failed:
	default:
		p.add("outcome", "request.value", "outcome 应为 begun、done、refused 或 failed。", "outcome is begun, done, refused or failed.")
	}
	if err := p.end(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	items, next, err := a.Trail.List(ctx, before, limit, f)
	if err != nil {
		return err
	}
	cursor := ""
	if next != 0 {
		cursor = strconv.FormatUint(next, 10)
	}
	return answer(w, http.StatusOK, trailPage{listed(items, cursor), a.Trail.Head()})
}

// exportTrail writes the trail as JSON lines, signed at the end. That somebody
// takes it out of the hub is in the trail itself.
func (a *api) exportTrail(w http.ResponseWriter, r *http.Request) error {
	p := readParams(r)
	since, until := p.time("since"), p.time("until")
	if err := p.end(); err != nil {
		return err
	}
	who, err := a.Guard.Who(r)
	if err != nil {
		return err
	}
	span := func(t time.Time) string {
		if t.IsZero() {
			return ".."
		}
		return t.UTC().Format(time.RFC3339)
	}
	object := "" // all of it
	if !since.IsZero() || !until.IsZero() {
		object = span(since) + "/" + span(until) // ISO 8601-2: .. is open
	}
	head := w.Header()
	head.Set("Content-Type", "application/x-ndjson")
	head.Set("Content-Disposition", `attachment; filename="audit.jsonl"`)
	out := takeTime(w, r)
	err = a.Trail.Do(r.Context(), recordOf(who, "audit.export", object), func(ctx context.Context) (string, error) {
		return "", a.Trail.Export(ctx, out, since, until)
	})
	if err != nil {
		head.Del("Content-Disposition")
	}
	return err
}

// time reads a time (RFC 3339), or zero where the parameter is absent.
func (p *params) time(name string) time.Time {
	s := p.text(name, 40)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		p.add(name, "request.time", "参数 %s 应为 RFC 3339 时间，例如 2026-11-21T08:00:00+08:00。", "Parameter %s must be a time as RFC 3339 has it, such as 2026-11-21T00:00:00Z.", name)
	}
	return t
}

// sequence reads a cursor that is a number from 1; 0 where there is none.
func (p *params) sequence(name string) uint64 {
	s := p.text(name, 20)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 {
		p.wrong = append(p.wrong, vocab.NewProblem("/"+name, "index.cursor",
			"翻页游标无效，请从第一页重新开始。", "The cursor is not valid; start again from the first page."))
	}
	return n
}

package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"lianmu/hub/access"
	"lianmu/hub/audit"
	"lianmu/hub/intake"
)

// Bounds of a page of the quarantine.
const (
	refusalsShown = 20
	refusalsRead  = 100 // at once,
	refusalsMost  = 1000
)

// refusal is a refused submission, as a row or in full.
type refusal struct {
	intake.Quarantined
	URL     string
	Claimed spaceTitle // as the document says, which proves nothing
	Size    int64      // bytes
	Text    string     // the document, where it is shown in full
}

// quarantineBody is the page of refused submissions.
type quarantineBody struct {
	Space, Code string // filters
	Rows        []refusal
	Looked      int    // how many were looked through
	Next        string // link to older ones
	First       string // link to the newest, on a later page
	One         bool   // a single one, in full
}

func (s *Site) quarantine(q *request) {
	if !s.need(q, access.QuarantineRead) {
		return
	}
	b := quarantineBody{Space: cut(strings.TrimSpace(q.args.Get("space")), maxQuery), Code: cut(strings.TrimSpace(q.args.Get("code")), 200)}
	at, err := strconv.ParseUint(q.args.Get("at"), 10, 63)
	if err == nil && at > 0 {
		b.One = true
		s.oneRefusal(q, &b, at)
		return
	}
	before, err := strconv.ParseUint(q.args.Get("before"), 10, 63)
	if err != nil {
		before = 0
	}
	if before != 0 {
		b.First = b.url(0)
	}
	for b.Looked < refusalsMost && len(b.Rows) < refusalsShown {
		items, err := s.config.Quarantine.List(q.Context(), before, refusalsRead)
		if err != nil {
			s.refuse(q, err)
			return
		}
		if len(items) == 0 {
			before = 0
			break
		}
		for _, item := range items {
			if len(b.Rows) == refusalsShown {
				break
			}
			before = item.Sequence
			b.Looked++
			if b.takes(item) {
				b.Rows = append(b.Rows, s.refusal(q, item))
			}
		}
	}
	if before > 1 {
		if older, err := s.config.Quarantine.List(q.Context(), before, 1); err != nil || len(older) > 0 {
			b.Next = b.url(before)
		}
	}
	s.render(q, http.StatusOK, "quarantine", page{Title: q.t.say("quarantine.title"), Body: b})
}

// takes reports whether the filters let an item through.
func (b *quarantineBody) takes(item intake.Quarantined) bool {
	if b.Space != "" && item.Space != b.Space {
		return false
	}
	if b.Code == "" {
		return true
	}
	for _, p := range item.Problems {
		if p.Code == b.Code || strings.HasPrefix(p.Code, b.Code+".") {
			return true
		}
	}
	return false
}

func (b *quarantineBody) url(before uint64) string {
	args := url.Values{}
	for name, v := range map[string]string{"space": b.Space, "code": b.Code} {
		if v != "" {
			args.Set(name, v)
		}
	}
	if before != 0 {
		args.Set("before", strconv.FormatUint(before, 10))
	}
	if len(args) == 0 {
		return "/admin/quarantine"
	}
	return "/admin/quarantine?" + args.Encode()
}

func (s *Site) refusal(q *request, item intake.Quarantined) refusal {
	item = item.For(q.who)
	r := refusal{Quarantined: item, Size: int64(item.Bytes), URL: "/admin/quarantine?at=" + strconv.FormatUint(item.Sequence, 10)}
	if item.Space != "" {
		r.Claimed = s.titled(q.t, item.Space)
	}
	return r
}

// oneRefusal shows a refusal with its document, where that is kept.
func (s *Site) oneRefusal(q *request, b *quarantineBody, at uint64) {
	items, err := s.config.Quarantine.List(q.Context(), at+1, 1)
	if err != nil {
		s.refuse(q, err)
		return
	}
	if len(items) == 0 || items[0].Sequence != at {
		s.problem(q, http.StatusNotFound, nil)
		return
	}
	r := s.refusal(q, items[0])
	r.Text = pretty(r.Document)
	b.Rows, b.First = []refusal{r}, "/admin/quarantine"
	s.render(q, http.StatusOK, "quarantine", page{Title: q.t.say("quarantine.one", at), Body: *b})
}

// recordsShown is how many records of the trail are on a page.
const recordsShown = 50

// trailBody is the page of the audit trail.
type trailBody struct {
	Who, Act, Outcome, Since, Until string // filters, as given
	Lines                           []string
	Outcomes                        []audit.Outcome
	Records                         []audit.Record
	Next, First                     string
	Head                            audit.Head
	Export                          string
	Check                           string        // link that has the chain checked
	Report                          *audit.Report // where that was asked for
	Broken                          []string      // what is wrong with the chain
}

// trail shows the audit trail, newest first. With verify=1 the whole chain is
// checked, which reads all of it.
func (s *Site) trail(q *request) {
	if !s.need(q, access.AuditRead) {
		return
	}
	get := func(name string) string { return cut(strings.TrimSpace(q.args.Get(name)), 500) }
	b := trailBody{
		Who: get("who"), Act: get("act"), Outcome: get("outcome"), Since: get("since"), Until: get("until"),
		Outcomes: []audit.Outcome{audit.Begun, audit.Done, audit.Refused, audit.Failed}, Head: s.config.Trail.Head(),
	}
	f := audit.Filter{Who: b.Who, Act: b.Act, Outcome: audit.Outcome(b.Outcome)}
	var ok1, ok2 bool
	f.Since, ok1 = day(b.Since)
	f.Until, ok2 = day(b.Until)
	if !f.Until.IsZero() {
		f.Until = f.Until.AddDate(0, 0, 1) // that day too
	}
	if !ok1 || !ok2 {
		b.Lines = []string{q.t.say("audit.day")}
	}
	b.Export = "/api/v1/audit/export" + span(f.Since, f.Until)
	if q.args.Get("verify") != "" {
		report, err := s.config.Trail.Verify(q.Context())
		if b.Broken = q.t.lines(err); err != nil && b.Broken == nil {
			s.refuse(q, err)
			return
		}
		b.Report = &report
	}
	before, err := strconv.ParseUint(q.args.Get("before"), 10, 63)
	if err != nil {
		before = 0
	}
	var next uint64
	if b.Records, next, err = s.config.Trail.List(q.Context(), before, recordsShown, f); err != nil {
		s.refuse(q, err)
		return
	}
	if next != 0 {
		b.Next = b.url("before", strconv.FormatUint(next, 10))
	}
	if before != 0 {
		b.First = b.url("", "")
	}
	b.Check = b.url("verify", "1")
	s.render(q, http.StatusOK, "audit", page{Title: q.t.say("audit.title"), Body: b})
}

// url is this page with its filters and one thing more.
func (b *trailBody) url(name, value string) string {
	args := url.Values{}
	for k, v := range map[string]string{"who": b.Who, "act": b.Act, "outcome": b.Outcome, "since": b.Since, "until": b.Until, name: value} {
		if k != "" && v != "" {
			args.Set(k, v)
		}
	}
	if len(args) == 0 {
		return "/admin/audit"
	}
	return "/admin/audit?" + args.Encode()
}

// day reads a day as a form gives it, midnight in UTC+8; "" is none.
func day(s string) (time.Time, bool) {
	if s == "" {
		return time.Time{}, true
	}
	t, err := time.ParseInLocation(time.DateOnly, s, beijing)
	return t, err == nil
}

// span are the parameters of an export.
func span(since, until time.Time) string {
	args := url.Values{}
	for k, t := range map[string]time.Time{"since": since, "until": until} {
		if !t.IsZero() {
			args.Set(k, t.UTC().Format(time.RFC3339))
		}
	}
	if len(args) == 0 {
		return ""
	}
	return "?" + args.Encode()
}

// deed is what an act of the trail is called; of something that was refused, which
// the trail knows by the right that it needs, the right's name; "" for what is
// neither, such as a route.
func (t *tongue) deed(act string) string {
	if key := "deed." + act; t.has(key) {
		return t.say(key)
	}
	if right := access.Right(act); slices.Contains(access.Rights(), right) {
		return right.Name()[t.lang]
	}
	return ""
}

// exported is what an export took, in words; "" of any other record. The trail has
// two times with a slash between, where two dots are open (ISO 8601-2).
func (t *tongue) exported(r audit.Record) string {
	if r.Act != "audit.export" {
		return ""
	}
	since, until, _ := strings.Cut(r.Object, "/")
	show := func(s string) string {
		if at, err := time.Parse(time.RFC3339, s); err == nil {
			return stamp(at)
		}
		return ""
	}
	switch since, until = show(since), show(until); {
	case since == "" && until == "" && strings.Trim(r.Object, "./") != "":
		return "" // not a period that we know
	case since == "" && until == "":
		return t.say("audit.whole")
	case until == "":
		return t.say("audit.whole.since", since)
	case since == "":
		return t.say("audit.whole.until", until)
	}
	return since + " – " + until
}

// labelled is whom the trail names, with long keys shortened and all else whole: of
// people both the pseudonym and what tells them apart count.
func labelled(who string) string {
	at := strings.Index(who, "did:")
	if at < 0 {
		return who
	}
	return who[:at] + short(who[at:])
}

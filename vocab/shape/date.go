package shape

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"lianmu/vocab"
)

// Dates come as xsd:dateTime, xsd:date, gYearMonth or gYear, and as people
// write them in tables: 2024/3/1, 2024年3月1日, 20240301. One without a zone is
// taken as UTC.
var datePattern = regexp.MustCompile(`^([+-]?\d{4,9})(?:[-/.年](\d{1,2})(?:[-/.月](\d{1,2})日?)?月?)?年?` +
	`(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(\.\d{1,9})?)?)? ?(Z|z|[+-]\d{2}:?\d{2})?$`)

var compactDate = regexp.MustCompile(`^(\d{4})(\d{2})(\d{2})$`)

type dateError int

const (
	dateOK    dateError = iota
	dateForm            // does not look like a date
	dateRange           // looks like one, but there is no such day, or its year is not 1 to 9999
)

// unit is how exact a date was given.
type unit int

const (
	unitTime unit = iota
	unitDay
	unitMonth
	unitYear
)

// parseDate reads one date; the result is in UTC, the start of what is named.
func parseDate(s string) (time.Time, unit, dateError) {
	s = strings.TrimSpace(s)
	if len(s) > 64 {
		return time.Time{}, 0, dateForm
	}
	// The two usual forms, without the pattern; whatever fails here is judged below.
	if t, err := time.Parse(time.DateOnly, s); err == nil && t.Year() >= 1 {
		return t, unitDay, dateOK
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil && t.UTC().Year() >= 1 && t.UTC().Year() <= 9999 && t.Year() >= 1 {
		if _, off := t.Zone(); off <= 14*3600 && off >= -14*3600 {
			return t.UTC(), unitTime, dateOK
		}
	}
	if m := compactDate.FindStringSubmatch(s); m != nil {
		s = m[1] + "-" + m[2] + "-" + m[3]
	}
	m := datePattern.FindStringSubmatch(s)
	if m == nil || m[4] != "" && m[3] == "" {
		return time.Time{}, 0, dateForm
	}
	year, err := strconv.Atoi(m[1])
	if err != nil || year < 1 || year > 9999 {
		return time.Time{}, 0, dateRange
	}
	month, day, u := 1, 1, unitYear
	if m[2] != "" {
		month, _ = strconv.Atoi(m[2])
		u = unitMonth
	}
	if m[3] != "" {
		day, _ = strconv.Atoi(m[3])
		u = unitDay
	}
	var hour, minute, second, nano int
	if m[4] != "" {
		hour, _ = strconv.Atoi(m[4])
		minute, _ = strconv.Atoi(m[5])
		second, _ = strconv.Atoi("0" + m[6])
		u = unitTime
		if m[7] != "" {
			f, _ := strconv.ParseFloat(m[7], 64)
			nano = int(f * 1e9)
		}
	}
	zone := time.UTC
	if z := m[8]; z != "" && z != "Z" && z != "z" {
		h, _ := strconv.Atoi(z[1:3])
		mi, _ := strconv.Atoi(z[len(z)-2:])
		if h > 14 || mi > 59 {
			return time.Time{}, 0, dateRange
		}
		off := h*3600 + mi*60
		if z[0] == '-' {
			off = -off
		}
		zone = time.FixedZone("", off)
	}
	if month < 1 || month > 12 || day < 1 || day > 31 || hour > 24 || minute > 59 || second > 60 || hour == 24 && minute+second > 0 {
		return time.Time{}, 0, dateRange
	}
	if d := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC); d.Day() != day {
		return time.Time{}, 0, dateRange // 30 February
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nano, zone).UTC()
	if t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, 0, dateRange
	}
	return t, u, dateOK
}

// clockSkew is how far a clock may be ahead of ours, dayAhead how far a day
// without a zone: it begins first at UTC+14.
const (
	clockSkew = 5 * time.Minute
	dayAhead  = 14 * time.Hour
)

// past reads the first date of a field that tells what has happened. One in
// the future is left out: entries are ordered by it, and who wrote 9999 would
// stand before all others for ever.
func (rd *reading) past(s subject, field string) time.Time {
	for _, v := range rd.values(s, field) {
		t, u, ok := rd.dateOf(v)
		if !ok {
			continue
		}
		limit := clockSkew
		if u != unitTime {
			limit = dayAhead
		}
		if t.After(rd.now.Add(limit)) {
			rd.warn(v.at, "date.future", "日期在未来，已略去，也不用于排序：请检查时钟或日期。", "The date is in the future; it is left out and not used for order. Check your clock or the date.")
			continue
		}
		return t
	}
	return time.Time{}
}

func (rd *reading) dateOf(v value) (time.Time, unit, bool) {
	text, _, ok := v.text()
	if !ok {
		if x, isNumber := v.raw["@value"].(float64); isNumber && x == math.Trunc(x) && math.Abs(x) < 1e9 {
			text, ok = strconv.Itoa(int(x)), true // a year, written as a number
		}
	}
	if !ok {
		if n, isNode := rd.node(v); isNode { // time:Instant
			for _, iv := range rd.values(n, "instant") {
				if _, _, ok := iv.text(); ok {
					return rd.dateOf(iv)
				}
			}
		}
		rd.wrongType(v, "日期，例如 2026-01-31", "a date such as 2026-01-31")
		return time.Time{}, 0, false
	}
	t, u, bad := parseDate(text)
	switch bad {
	case dateForm:
		rd.warn(v.at, "date.form", "看不懂的日期%[1]s，已略去：请写成 2026-01-31 或 2026-01-31T08:00:00+08:00。", "The date %[1]s is not understood and is left out: write 2026-01-31 or 2026-01-31T08:00:00+08:00.", quote(text))
	case dateRange:
		rd.refuse(v.at, "date.range", "没有%[1]s这一天，或年份不在 1 至 9999 之间：请更正。", "There is no such day as %[1]s, or its year is not within 1 to 9999: correct it.", quote(text))
	}
	return t, u, bad == dateOK
}

// present is the first property of a field that s has, for naming it.
func (rd *reading) present(s subject, field string) string {
	for _, iri := range rd.p.fields[field] {
		if _, ok := s.node[iri]; ok {
			return iri
		}
	}
	return rd.p.fields[field][0]
}

// period reads the temporal extent: a node with start and end, an ISO 8601
// interval, or two dates as people join them; several become one that spans
// them all.
func (rd *reading) period(s subject) *vocab.Period {
	var out *vocab.Period
	for _, v := range rd.values(s, "temporal") {
		p, ok := rd.periodOf(v)
		if !ok {
			continue
		}
		if !p.Start.IsZero() && !p.End.IsZero() && p.End.Before(p.Start) {
			rd.warn(v.at, "date.order", "结束早于开始，已略去：请更正。", "The end is before the start; the period is left out. Correct it.")
			continue
		}
		if out == nil {
			out = &p
			continue
		}
		if p.Start.IsZero() || !out.Start.IsZero() && p.Start.Before(out.Start) {
			out.Start = p.Start
		}
		if p.End.IsZero() || !out.End.IsZero() && p.End.After(out.End) {
			out.End = p.End
		}
	}
	return out
}

func (rd *reading) periodOf(v value) (vocab.Period, bool) {
	var p vocab.Period
	n, isNode := rd.node(v)
	if isNode {
		for _, sv := range rd.first(n, "startDate") {
			p.Start, _, _ = rd.dateOf(sv)
		}
		for _, ev := range rd.first(n, "endDate") {
			if t, u, ok := rd.dateOf(ev); ok {
				p.End = lastDay(t, u)
			}
		}
		return p, !p.Start.IsZero() || !p.End.IsZero()
	}
	text, _, ok := v.text()
	if !ok {
		if _, number := v.raw["@value"].(float64); !number {
			rd.wrongType(v, "起止日期，例如 2020-01-01/2025-12-31", "a period such as 2020-01-01/2025-12-31")
			return p, false
		}
	}
	from, to := cutInterval(text)
	single := text == "" || to == "" && !strings.ContainsAny(text, "/")
	if single {
		t, u, ok := rd.dateOf(v)
		return vocab.Period{Start: t, End: lastDay(t, u)}, ok
	}
	start, _, bad1 := openDate(from)
	end, u, bad2 := openDate(to)
	switch {
	case bad1 == dateRange || bad2 == dateRange:
		rd.refuse(v.at, "date.range", "起止日期%[1]s中有不存在的日期，或年份不在 1 至 9999 之间：请更正。", "The period %[1]s names a day that does not exist, or a year not within 1 to 9999: correct it.", quote(text))
		return p, false
	case bad2 == dateForm && bad1 == dateOK && !start.IsZero():
		if t, ok := addDuration(start, to); ok {
			return vocab.Period{Start: start, End: t}, true
		}
	}
	if bad1 != dateOK || bad2 != dateOK || start.IsZero() && end.IsZero() {
		rd.warn(v.at, "date.form", "看不懂的起止日期%[1]s，已略去：请写成 2020-01-01/2025-12-31。", "The period %[1]s is not understood and is left out: write 2020-01-01/2025-12-31.", quote(text))
		return p, false
	}
	return vocab.Period{Start: start, End: lastDay(end, u)}, true
}

// cutInterval parts "a/b", "a至b", "a - b" and the like.
func cutInterval(s string) (from, to string) {
	if rest, ok := strings.CutPrefix(strings.TrimSpace(s), "start="); ok { // DCMI Period
		from, to, _ = strings.Cut(rest, ";")
		_, to, _ = strings.Cut(to, "end=")
		to, _, _ = strings.Cut(to, ";")
		return strings.TrimSpace(from), strings.TrimSpace(to)
	}
	for _, mark := range []string{"/", "至", "到", "～", "~", "—", "–", " - ", " to "} {
		if from, to, ok := strings.Cut(s, mark); ok && (mark != "/" || strings.Count(s, "/") == 1) {
			to = strings.TrimLeft(to, "—–")
			if strings.TrimSpace(to) == "" {
				to = ".."
			}
			return strings.TrimSpace(from), strings.TrimSpace(to)
		}
	}
	if len(s) == 9 && s[4] == '-' { // 2018-2023
		return s[:4], s[5:]
	}
	return s, ""
}

// openDate reads one end of an interval; "" and ".." are open (ISO 8601-2).
func openDate(s string) (time.Time, unit, dateError) {
	switch s {
	case "", "..", "至今", "今", "present", "now":
		return time.Time{}, unitTime, dateOK
	}
	return parseDate(s)
}

// lastDay is the start of the last day of what t names, so that a period "to
// 2023" covers December.
func lastDay(t time.Time, u unit) time.Time {
	if t.IsZero() {
		return t
	}
	switch u {
	case unitYear:
		return t.AddDate(1, 0, -1)
	case unitMonth:
		return t.AddDate(0, 1, -1)
	}
	return t
}

var durationPattern = regexp.MustCompile(`^P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,5})D)?$`)

// addDuration adds an ISO 8601 duration of whole days or more.
func addDuration(t time.Time, s string) (time.Time, bool) {
	m := durationPattern.FindStringSubmatch(s)
	if m == nil || len(s) < 3 {
		return t, false
	}
	n := func(i int) int { x, _ := strconv.Atoi("0" + m[i]); return x }
	end := t.AddDate(n(1), n(2), 7*n(3)+n(4))
	return end, end.Year() <= 9999
}

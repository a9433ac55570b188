package shape

import (
	"math"
	"strings"
	"time"

	"lianmu/vocab"
)

// assuranceLevels has no terms: no national list of levels of an
// organisation's identity check is published, so what is written is kept.
var assuranceLevels = &code{field: "assurance", list: &vocab.CodeList{}}

// participant reads an organisation that a space has admitted. Its subject
// code and its name are required. What decides who it is, who may see it and
// how long it holds is never guessed.
func (rd *reading) participant(s subject) *vocab.Participant {
	p := &vocab.Participant{
		Code:       rd.participantCode(s),
		Name:       rd.textOf(s, "agentName", labelLimit, true),
		Roles:      rd.roles(s),
		Level:      rd.assurance(s),
		ValidUntil: rd.validUntil(rd.values(s, "validUntil")),
		Audience:   rd.audience(s),
	}
	if len(p.Name) == 0 && !rd.has(s, "agentName") {
		rd.refuse(*s.at, "title.missing", "缺少名称：请用“名称”写明单位的名称。", "The name is missing: give the organisation's, as \"name\".")
	} else if len(p.Name) == 0 && len(rd.problems) == 0 {
		rd.refuse(s.at.member(rd.present(s, "agentName")), "title.missing", "名称里什么也看不见：请写明单位的名称。", "The name shows nothing: give the organisation's.")
	}
	for i, v := range rd.values(s, "did") {
		if i > 0 {
			rd.refuse(v.at, "member.several", "此项只能有一个值。", "This takes one value.")
			break
		}
		p.DID = rd.did(v)
	}
	if p.Audience == "" {
		p.Audience = vocab.AudienceSpace
	}
	rd.unknownMembers(s)
	return p
}

// participantCode reads the 主体标识码, or the 统一社会信用代码 that stands for
// it; where both are given they must be the same.
func (rd *reading) participantCode(s subject) string {
	code, given := "", false
	for _, f := range []struct {
		field string
		check func(string) error
	}{{"subjectCode", vocab.CheckSubject}, {"uscc", vocab.CheckUSCC}} {
		for _, v := range rd.values(s, f.field) {
			given = true
			switch c := rd.codeOf(v, f.check); {
			case c == "" || c == code:
			case code == "":
				code = c
			default:
				rd.refuse(v.at, "subject.several", "这里有两个不同的主体标识码：一份文件只登记一个单位。", "Here are two different subject codes: a document is about one organisation.")
			}
		}
	}
	if code == "" && (!given || len(rd.problems) == 0) {
		rd.refuse(*s.at, "subject.missing", "缺少主体标识码：请用“主体标识码”写明单位的统一社会信用代码。", "The subject code is missing: give the organisation's unified social credit code as \"subjectCode\".")
	}
	return code
}

// assurance reads the level of the organisation's identity check as written.
func (rd *reading) assurance(s subject) vocab.Term {
	for i, v := range rd.values(s, "assurance") {
		if i > 0 {
			rd.warn(v.at, "shape.several", "此项只取一个值，其余已略去。", "This takes one value; the others are left out.")
			break
		}
		if x, ok := v.raw["@value"].(float64); ok {
			return vocab.Term{Label: label("", decimal(x))}
		}
		if t := rd.termsOf(v, assuranceLevels); len(t) > 0 {
			return t[0]
		}
	}
	return vocab.Term{}
}

// validUntil reads the first moment at which the entry holds no more. A day, a
// month or a year holds to its end, in UTC. One that is not understood refuses
// the document: without it the entry would hold for ever.
func (rd *reading) validUntil(values []value) time.Time {
	var out time.Time
	for i, v := range values {
		text, _, ok := v.text()
		if x, number := v.raw["@value"].(float64); number && x == math.Trunc(x) {
			text, ok = decimal(x), true
		}
		t, u, bad := parseDate(strings.TrimSpace(text))
		switch {
		case i > 0:
			rd.refuse(v.at, "member.several", "此项只能有一个值。", "This takes one value.")
			return out
		case !ok || bad == dateForm:
			rd.refuse(v.at, "date.form", "看不懂的有效期：请写成 2027-12-31 或 2027-12-31T16:00:00Z。", "The end of validity is not understood: write 2027-12-31 or 2027-12-31T16:00:00Z.")
			continue
		case bad == dateRange:
			rd.refuse(v.at, "date.range", "没有这一天，或年份不在 1 至 9999 之间：请更正。", "There is no such day, or its year is not within 1 to 9999: correct it.")
			continue
		}
		switch u {
		case unitDay:
			t = t.AddDate(0, 0, 1)
		case unitMonth:
			t = t.AddDate(0, 1, 0)
		case unitYear:
			t = t.AddDate(1, 0, 0)
		}
		if t.Year() > 9999 { // what JSON cannot write; meant is "for ever"
			t = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
		}
		if !t.After(rd.now) {
			rd.warn(v.at, "date.past", "有效期已过：此条目登记后不再起作用。", "The end of validity is past: the entry counts for nothing.")
		}
		out = t
	}
	return out
}

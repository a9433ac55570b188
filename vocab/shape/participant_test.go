package shape

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"lianmu/vocab"
)

// aParticipant is a sound entry with more members.
func aParticipant(members string) string {
	return `{` + lianmu + `,"@id":"https://space.example/participants/1","@type":"Participant","subjectCode":"91512081MA62K0260E","name":{"zh":"示例物流公司"}` + members + `}`
}

func TestParticipantInFull(t *testing.T) {
	for name, d := range map[string]string{
		"Chinese keys": `{` + lianmu + `,"@id":"urn:x:p1","类型":"接入主体","主体标识码":"91512081ma62k0260e","DID":"did:web:p.example","名称":{"zh":"示例物流公司","en":"Logistics"},
			"角色":"提供方、使用方","认证等级":"二级","有效期至":"2027-12-31","可见范围":"互认"}`,
		"English keys": `{` + lianmu + `,"id":"urn:x:p1","type":"Participant","uscc":"91512081MA62K0260E","did":{"@id":"did:web:p.example"},"name":{"zh":"示例物流公司","en":"Logistics"},
			"role":["provider","consumer"],"level":"二级","validUntil":"2028-01-01T00:00:00Z","audience":"recognised"}`,
		"prefixes": `{"@context":{"lm":"https://w3id.org/lianmu/ns#","foaf":"http://xmlns.com/foaf/0.1/"},"@id":"urn:x:p1","@type":["lm:Participant","foaf:Organization"],"lm:subjectCode":"91512081MA62K0260E","lm:did":"did:web:p.example",
			"foaf:name":[{"@value":"示例物流公司","@language":"zh"},{"@value":"Logistics","@language":"en"}],"lm:role":["provider","使用方"],"lm:level":"二级","lm:validUntil":"2027-12","lm:audience":"互认"}`,
	} {
		rd := accept(t, d)
		want := &vocab.Participant{
			ID: "urn:x:p1", Code: "91512081MA62K0260E", DID: "did:web:p.example", Name: vocab.Text{"zh": "示例物流公司", "en": "Logistics"},
			Roles: []vocab.Term{{Code: "provider", Label: vocab.Roles.Label("provider")}, {Code: "consumer", Label: vocab.Roles.Label("consumer")}},
			Level: vocab.Term{Label: vocab.Text{"zh": "二级"}}, ValidUntil: time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC), Audience: vocab.AudienceRecognised,
		}
		if rd.Kind != vocab.KindParticipant || rd.ID != "urn:x:p1" || !reflect.DeepEqual(rd.Participant, want) || rd.Offering != nil || rd.Space != nil {
			t.Errorf("%s:\n%+v\n%+v", name, rd.Participant, want)
		}
		if len(rd.Warnings) > 0 {
			t.Errorf("%s: %v", name, rd.Warnings)
		}
	}
}

func TestParticipantDefaults(t *testing.T) {
	p := accept(t, aParticipant("")).Participant
	if p.Audience != vocab.AudienceSpace || !p.ValidUntil.IsZero() || p.DID != "" || len(p.Roles) > 0 || said(p.Level) {
		t.Errorf("%+v", p)
	}
	for members, want := range map[string]string{
		`,"validUntil":"2027-02-28"`:                "2027-03-01T00:00:00Z", // to the end of the day
		`,"validUntil":"2027"`:                      "2028-01-01T00:00:00Z",
		`,"validUntil":2027`:                        "2028-01-01T00:00:00Z",
		`,"validUntil":"2027-12-31T16:00:00+08:00"`: "2027-12-31T08:00:00Z",
		`,"validUntil":"9999-12-31"`:                "9999-12-31T23:59:59Z",
	} {
		if got := accept(t, aParticipant(members)).Participant.ValidUntil.Format(time.RFC3339); got != want {
			t.Errorf("%s: %s, want %s", members, got, want)
		}
	}
	for members, want := range map[string]vocab.Text{
		`,"level":2`:                                {"und": "2"},
		`,"level":["L2","L1"]`:                      {"und": "L2"},
		`,"level":{"label":{"zh":"二级"}}`:            {"zh": "二级"},
		`,"level":{"@id":"https://l.example/high"}`: {"und": "high"},
	} {
		if got := accept(t, aParticipant(members)).Participant.Level.Label; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v", members, got)
		}
	}
	if rd := accept(t, aParticipant(`,"validUntil":"2020-01-01"`)); find(rd.Warnings, "date.past") == nil {
		t.Error("not warned of what is past")
	}
	if rd := accept(t, aParticipant(`,"validuntil":"2027-01-01"`)); find(rd.Warnings, "member.unknown") == nil {
		t.Error("a slip of the pen is not pointed out")
	}
}

func TestParticipantRefused(t *testing.T) {
	for name, c := range map[string]struct{ doc, code, path string }{
		"no code":           {`{` + lianmu + `,"@id":"urn:x:1","@type":"Participant","name":"a"}`, "subject.missing", ""},
		"empty code":        {`{` + lianmu + `,"@id":"urn:x:1","@type":"Participant","name":"a","subjectCode":" "}`, "subject.missing", ""},
		"no name":           {`{` + lianmu + `,"@id":"urn:x:1","@type":"Participant","subjectCode":"91512081MA62K0260E"}`, "title.missing", ""},
		"a name of nothing": {`{` + lianmu + `,"@id":"urn:x:1","@type":"Participant","subjectCode":"91512081MA62K0260E","name":"\u200b "}`, "title.missing", "/name"},
		"no id":             {`{` + lianmu + `,"@type":"Participant","subjectCode":"91512081MA62K0260E","name":"a"}`, "id.missing", "/@id"},
		"relative id":       {`{` + lianmu + `,"@id":"p1","@type":"Participant","subjectCode":"91512081MA62K0260E","name":"a"}`, "iri.relative", "/@id"},
		"check digit":       {strings.Replace(aParticipant(""), "0260E", "0260F", 1), "identifier.check_digit", "/subjectCode"},
		"code a number":     {strings.Replace(aParticipant(""), `"91512081MA62K0260E"`, "7", 1), "shape.type", "/subjectCode"},
		"two codes":         {aParticipant(`,"uscc":"12430000MB0L046927"`), "subject.several", "/uscc"},
		"a wrong DID":       {aParticipant(`,"did":"p.example"`), "did.form", "/did"},
		"a DID URL":         {aParticipant(`,"did":"did:web:p.example#k"`), "did.form", "/did"},
		"two DIDs":          {aParticipant(`,"did":["did:web:a.example","did:web:b.example"]`), "member.several", "/did/1"},
		"role unknown":      {aParticipant(`,"role":"站长"`), "role.unknown", "/role"},
		"validity unclear":  {aParticipant(`,"validUntil":"长期"`), "date.form", "/validUntil"},
		"no such day":       {aParticipant(`,"validUntil":"2027-02-30"`), "date.range", "/validUntil"},
		"validity twice":    {aParticipant(`,"validUntil":["2027-01-01","2028-01-01"]`), "member.several", "/validUntil/1"},
		"validity a node":   {aParticipant(`,"validUntil":{"startDate":"2027-01-01"}`), "date.form", "/validUntil"},
		"audience unknown":  {aParticipant(`,"audience":"friends"`), CodeUnknownLevel, "/audience"},
		"secret":            {aParticipant(`,"securityLevel":"机密"`), CodeForbidden, "/securityLevel"},
		"an offering too":   {`{` + lianmu + `,"@id":"urn:x:1","@type":["Participant","Dataset"],"subjectCode":"91512081MA62K0260E","name":"a"}`, "type.several", "/@type"},
	} {
		ps := refuse(t, c.doc)
		if p := find(ps, c.code); p == nil || p.Path != c.path {
			t.Errorf("%s: want %s at %s, got %+v", name, c.code, c.path, ps)
		}
	}
	ps := refuse(t, `{`+lianmu+`,"@type":"Participant","subjectCode":"91512081MA62K0260F","did":"x","role":"y","validUntil":"z"}`)
	for _, code := range []string{"id.missing", "identifier.check_digit", "did.form", "role.unknown", "date.form", "title.missing"} {
		if find(ps, code) == nil {
			t.Errorf("%s is not said: %v", code, codes(ps))
		}
	}
}

// A participant is withdrawn like an offering.
func TestParticipantWithdrawn(t *testing.T) {
	if rd := accept(t, `{`+lianmu+`,"@id":"https://space.example/participants/1","@type":"Withdrawal"}`); rd.Kind != vocab.KindWithdrawal || rd.Participant != nil {
		t.Errorf("%+v", rd)
	}
}

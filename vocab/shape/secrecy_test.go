package shape

import (
	"fmt"
	"testing"

	"lianmu/vocab"
)

// A text that its writer marked as classified is refused whatever the mark is
// called; a mark that nobody understands closes it.
func TestSecrecyUnderOtherNames(t *testing.T) {
	names := []string{
		"密级", "涉密等级", "保密级别", "涉密级别", "定密", "数据密级", "安全等级", "机密等级", "是否涉密", "密級", "機密等級", "密\u200b级", "国家秘密", "安全分级",
		"classification", "secrecy", "secrecyLevel", "securityClassification", "security_level", "Classification-Level", "confidentiality", "miji", "isClassified",
		"http://e.example/ns#classification", "https://e.example/terms/secrecyLevel", "urn:x:secrecy", "https://e.example/密级",
	}
	for _, name := range names {
		for value, forbidden := range map[string]bool{
			`"绝密"`: true, `"机密"`: true, `"秘密"`: true, `"核心"`: true, `"核心数据"`: true, `"機密"`: true, `"机密★10年"`: true, `"机 密"`: true, `"005"`: true,
			`"secret"`: true, `"Top Secret"`: true, `"CONFIDENTIAL"`: true, `["内部","绝密"]`: true, `{"@id":"https://e.example/levels/top-secret"}`: true,
			`"内部"`: false, `"二级"`: false, `3`: false, `"公开"`: false, `"non-confidential"`: false, `"不含机密"`: false, `{"@id":"https://e.example/levels/3"}`: false,
		} {
			d := doc(fmt.Sprintf(`"audience":"public","%s":%s`, name, value))
			if forbidden {
				if ps := refuse(t, d); find(ps, CodeForbidden) == nil {
					t.Errorf("%s %s: %+v", name, value, ps)
				}
				continue
			}
			rd := accept(t, d)
			if got := vocab.AudienceOf(rd.Offering, vocab.AudiencePublic); got != vocab.AudienceSpace {
				t.Errorf("%s %s is shown to %s", name, value, got)
			}
			if find(rd.Warnings, "level.member") == nil || find(rd.Warnings, "member.unknown") != nil {
				t.Errorf("%s %s: %+v", name, value, rd.Warnings)
			}
		}
	}
	const foreign = `"@context":{"dct":"http://purl.org/dc/terms/","dcat":"http://www.w3.org/ns/dcat#"},"@id":"urn:x:1","@type":"dcat:Dataset","dct:title":"t"`
	for name, d := range map[string]string{
		"on a distribution":          doc(`"distribution":{"accessURL":"https://d.example","密级":"机密"}`),
		"of no known type":           `{` + lianmu + `,"@id":"urn:x:2","@type":"Thing","title":"b","密级":"绝密"}`,
		"left out by expansion":      `{` + foreign + `,"密级":"机密"}`,
		"left out, within":           `{` + foreign + `,"备注":[{"保密级别":"secret"}]}`,
		"left out, a name we know":   `{` + foreign + `,"安全级别":"机密"}`,
		"left out beside one read":   `{` + foreign + `,"https://w3id.org/lianmu/ns#securityLevel":"001","安全级别":"机密"}`,
		"renamed by a context":       `{"@context":["https://w3id.org/lianmu/v1",{"x":"https://e.example/ns#secrecyLevel"}],"@id":"urn:x:1","@type":"Dataset","title":"t","x":"机密"}`,
		"answered with yes":          doc(`"是否涉密":"是"`),
		"answered with true":         doc(`"isClassified":true`),
		"participant":                aParticipant(`,"密级":"机密"`),
		"beside a level that is low": doc(`"securityLevel":"001","密级":"秘密"`),
	} {
		if ps := refuse(t, d); find(ps, CodeForbidden) == nil {
			t.Errorf("%s: %+v", name, ps)
		}
	}
	for name, d := range map[string]string{
		"left out":          `{` + foreign + `,"密级":"内部"}`,
		"a level left out":  `{` + foreign + `,"安全级别":"内部"}`,
		"audience left out": `{` + foreign + `,"可见范围":"本空间"}`,
		"within":            doc(`"audience":"public","distribution":{"accessURL":"https://d.example","密级":"内部"}`),
	} {
		rd := accept(t, d)
		if got := vocab.AudienceOf(rd.Offering, vocab.AudiencePublic); got != vocab.AudienceSpace || find(rd.Warnings, "level.member") == nil {
			t.Errorf("%s is shown to %s, %+v", name, got, rd.Warnings)
		}
	}
}

// What only resembles it closes nothing.
func TestNoSecrecy(t *testing.T) {
	for _, members := range []string{
		`"industryClassification":"G54"`, `"secretKeyRequired":"no"`, `"保密协议":"https://e.example/nda"`, `"商业秘密":"不含"`,
		`"密级":""`, `"密级":null`, `"classification":[]`, `"是否涉密":"否"`, `"isClassified":false`, `"涉密":"不涉密"`,
		`"description":"密级：机密"`, `"publisher":{"name":"示例港务","http://www.w3.org/ns/org#classification":{"@id":"https://e.example/company"}}`,
		`"securityLevel":"001"`,
	} {
		rd := accept(t, doc(members))
		if got := vocab.AudienceOf(rd.Offering, vocab.AudiencePublic); got != vocab.AudiencePublic {
			t.Errorf("%s is shown to %s: %+v", members, got, rd.Warnings)
		}
	}
}

// A descriptor's own default stays what it says.
func TestSecrecyInADescriptor(t *testing.T) {
	rd := accept(t, `{`+lianmu+`,"@id":"`+spaceKey+`","@type":"Space","name":"示例空间","安全等级":"等保三级","defaultAudience":"public"}`)
	if rd.Space.Audience != vocab.AudiencePublic || find(rd.Warnings, "level.member") == nil {
		t.Errorf("%+v %+v", rd.Space, rd.Warnings)
	}
	if ps := refuse(t, `{`+lianmu+`,"@id":"`+spaceKey+`","@type":"Space","name":"示例空间","密级":"机密"}`); find(ps, CodeForbidden) == nil {
		t.Errorf("%+v", ps)
	}
}

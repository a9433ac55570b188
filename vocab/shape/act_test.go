package shape

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"lianmu/vocab"
)

const (
	anID   = "urn:uuid:0f3c2f6e-4f0a-4c56-9d7b-0d4f6a3d1c11"
	digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
)

// anAct is an act of a type with what all acts have, and more members.
func anAct(verb, members string) string {
	return `{` + lianmu + `,"@type":"` + verb + `","@id":"` + anID + `","space":"` + spaceKey + `","by":"` + otherKey + `"` + members + `}`
}

func TestActs(t *testing.T) {
	d, err := vocab.ParseDigest(digest)
	if err != nil {
		t.Fatal(err)
	}
	for doc, want := range map[string]vocab.Act{
		anAct("Admission", `,"descriptor":"`+digest+`"`):                                                                {Verb: vocab.Admission, Descriptor: d},
		anAct("准入", `,"空间描述摘要":"`+digest+`","理由":"材料齐全","复核":"did:web:b.example"`):                                      {Verb: vocab.Admission, Descriptor: d, Reason: "材料齐全", Second: "did:web:b.example"},
		anAct("Rejection", `,"reason":"no code"`):                                                                       {Verb: vocab.Rejection, Reason: "no code"},
		anAct("不予准入", `,"reason":"no code"`):                                                                            {Verb: vocab.Rejection, Reason: "no code"},
		anAct("暂停", `,"理由":"整改"`):                                                                                       {Verb: vocab.Suspension, Reason: "整改"},
		anAct("Resumption", ``):                                                                                         {Verb: vocab.Resumption},
		anAct("恢复", ``):                                                                                                 {Verb: vocab.Resumption},
		anAct("KeyReplacement", `,"keys":["`+otherKey+`"],"evidence":"2026-017"`):                                       {Verb: vocab.KeyReplacement, Keys: []string{otherKey}, Evidence: "2026-017"},
		anAct("更换密钥", `,"密钥":["`+otherKey+`","`+spaceKey+`"],"备案编号":"2026-017"`):                                        {Verb: vocab.KeyReplacement, Keys: []string{otherKey, spaceKey}, Evidence: "2026-017"},
		anAct("KeyCompromise", `,"key":"`+spaceKey+`","from":123,"reason":"UKey lost"`):                                 {Verb: vocab.KeyCompromise, Key: spaceKey, From: 123, Reason: "UKey lost"},
		anAct("密钥失窃", `,"密钥":"`+spaceKey+`","起始位置":0`):                                                                  {Verb: vocab.KeyCompromise, Key: spaceKey},
		anAct("KeyCompromise", `,"key":"`+spaceKey+`"`):                                                                 {Verb: vocab.KeyCompromise, Key: spaceKey},
		anAct("Removal", `,"offerings":["https://space.example/1",{"@id":"urn:x:2"},"urn:x:2"]`):                        {Verb: vocab.Removal, Offerings: []string{"https://space.example/1", "urn:x:2"}},
		anAct("Withholding", `,"offerings":["urn:x:2"],"from":7,"created":"2026-11-21T08:00:00.25Z"`):                   {Verb: vocab.Withholding, Offerings: []string{"urn:x:2"}, From: 7, Created: time.Date(2026, 11, 21, 8, 0, 0, 25e7, time.UTC)},
		anAct("Withholding", `,"offerings":["urn:x:2"],"from":7,"created":"2026-11-21T08:00:00Z","key":"`+otherKey+`"`): {Verb: vocab.Withholding, Offerings: []string{"urn:x:2"}, From: 7, Created: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC), Key: otherKey},
		anAct("Release", `,"from":7,"reason":"corrected"`):                                                              {Verb: vocab.Release, From: 7, Reason: "corrected"},
		anAct("解除禁用", `,"起始位置":7`):                                                                                      {Verb: vocab.Release, From: 7},
		anAct("收回公开", `,"目录条目":"urn:x:2","起始位置":0,"签署时间":"2026-11-21T16:00:00+08:00"`):                                  {Verb: vocab.Withholding, Offerings: []string{"urn:x:2"}, Created: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)},
		anAct("强制注销", `,"目录条目":"urn:x:2"`):                                                                              {Verb: vocab.Removal, Offerings: []string{"urn:x:2"}},
	} {
		want.ID, want.Space, want.By = anID, spaceKey, otherKey
		rd := accept(t, doc)
		if rd.Kind != vocab.KindAct || rd.ID != anID || !reflect.DeepEqual(*rd.Act, want) || len(rd.Warnings) > 0 {
			t.Errorf("%s:\n%+v\n%+v", doc, rd.Act, want)
		}
	}
	// In full IRIs, without our context.
	rd := accept(t, `{"@context":{"a":"https://w3id.org/lianmu/ns#"},"@type":"a:Suspension","@id":"`+anID+`","a:space":{"@id":"`+spaceKey+`"},"a:by":"P-17","a:reason":"r"}`)
	if rd.Act == nil || rd.Act.Verb != vocab.Suspension || rd.Act.By != "P-17" || rd.Act.Space != spaceKey {
		t.Errorf("%+v", rd)
	}
	full := make([]string, vocab.MaxRemoved)
	for i := range full {
		full[i] = fmt.Sprintf(`"urn:x:%d"`, i)
	}
	if rd := accept(t, anAct("Removal", `,"offerings":[`+strings.Join(full, ",")+`]`)); len(rd.Act.Offerings) != vocab.MaxRemoved {
		t.Errorf("%d offerings", len(rd.Act.Offerings))
	}
	if ps := refuse(t, anAct("Removal", `,"offerings":["urn:x:more",`+strings.Join(full, ",")+`]`)); find(ps, "shape.many") == nil {
		t.Errorf("%v", ps)
	}
}

func TestActsRefused(t *testing.T) {
	for name, c := range map[string]struct{ doc, code, path string }{
		"@id no UUID":           {strings.Replace(anAct("Admission", ""), anID, "urn:x:1", 1), "id.uuid", "/@id"},
		"no space":              {strings.Replace(anAct("Admission", ""), `"space":"`+spaceKey+`",`, "", 1), "member.missing", ""},
		"space no DID":          {strings.Replace(anAct("Admission", ""), `"space":"`+spaceKey, `"space":"https://s.example`, 1), "did.form", "/space"},
		"two spaces":            {strings.Replace(anAct("Admission", ""), `"space":`, `"所属空间":"did:web:a.example","space":`, 1), "member.several", "/space/1"},
		"nobody":                {strings.Replace(anAct("Admission", ""), `,"by":"`+otherKey+`"`, "", 1), "member.missing", ""},
		"by nothing":            {strings.Replace(anAct("Admission", ""), otherKey, " ", 1), "member.missing", "/by"},
		"by a number":           {strings.Replace(anAct("Admission", ""), `"`+otherKey+`"`, "7", 1), "shape.type", "/by"},
		"by far too long":       {strings.Replace(anAct("Admission", ""), otherKey, strings.Repeat("x", 201), 1), "text.long", "/by"},
		"agreed with himself":   {anAct("Admission", `,"second":"`+otherKey+`"`), "second.same", ""},
		"two verbs":             {strings.Replace(anAct("Admission", ""), `"Admission"`, `["Admission","Suspension"]`, 1), "type.several", "/@type"},
		"an offering too":       {strings.Replace(anAct("Admission", ""), `"Admission"`, `["Admission","Dataset"]`, 1), "type.several", "/@type"},
		"reason too long":       {anAct("Rejection", `,"reason":"`+strings.Repeat("长", 501)+`"`), "text.long", "/reason"},
		"two reasons":           {anAct("Rejection", `,"reason":["a","b"]`), "member.several", "/reason/1"},
		"a person's number":     {anAct("Rejection", `,"reason":"`+personal+`"`), "identifier.personal", "/reason"},
		"suspended without why": {anAct("Suspension", ""), "member.missing", ""},
		"digest":                {anAct("Admission", `,"descriptor":"abc"`), "digest.form", "/descriptor"},
		"two withheld":          {anAct("Withholding", `,"offerings":["urn:x:1","urn:x:2"],"from":1,"created":"2026-11-21T08:00:00Z"`), "member.several", ""},
		"released nowhere":      {anAct("Release", ``), "member.missing", ""},
		"withheld nowhere":      {anAct("Withholding", `,"offerings":["urn:x:1"],"created":"2026-11-21T08:00:00Z"`), "member.missing", ""},
		"withheld at no time":   {anAct("Withholding", `,"offerings":["urn:x:1"],"from":1`), "member.missing", ""},
		"no keys":               {anAct("KeyReplacement", `,"evidence":"1"`), "member.missing", ""},
		"no evidence":           {anAct("KeyReplacement", `,"keys":"`+otherKey+`"`), "member.missing", ""},
		"a key of another sort": {anAct("KeyReplacement", `,"keys":"did:web:x.example","evidence":"1"`), "key.form", "/keys"},
		"no key":                {anAct("KeyCompromise", `,"from":1`), "member.missing", ""},
		"from before the log":   {anAct("KeyCompromise", `,"key":"`+spaceKey+`","from":-1`), "number.form", "/from"},
		"from a fraction":       {anAct("KeyCompromise", `,"key":"`+spaceKey+`","from":1.5`), "number.form", "/from"},
		"from a text":           {anAct("KeyCompromise", `,"key":"`+spaceKey+`","from":"1"`), "number.form", "/from"},
		"nothing to remove":     {anAct("Removal", ``), "member.missing", ""},
		"removed no IRI":        {anAct("Removal", `,"offerings":["1"]`), "iri.relative", "/offerings"},
		"member of another act": {anAct("Resumption", `,"from":1`), "member.unknown", "/from"},
		"member of no act":      {anAct("Resumption", `,"until":"2027"`), "member.unknown", "/until"},
	} {
		ps := refuse(t, c.doc)
		if p := find(ps, c.code); p == nil || p.Path != c.path {
			t.Errorf("%s: want %s at %s, got %+v", name, c.code, c.path, ps)
		}
	}
	ps := refuse(t, `{`+lianmu+`,"@type":"KeyCompromise","@id":"x","from":-1,"wrong":1}`)
	for _, code := range []string{"iri.relative", "member.missing", "number.form", "member.unknown"} {
		if find(ps, code) == nil {
			t.Errorf("%s is not said: %v", code, codes(ps))
		}
	}
}

func TestRedactions(t *testing.T) {
	leaf := slices.Repeat([]byte{1, 250}, 37)
	text := base64.RawURLEncoding.EncodeToString(leaf)
	key, content := vocab.KeyOf(spaceKey, "urn:x:1"), vocab.DigestOf([]byte("content"))
	whole := `{` + lianmu + `,"@type":"Redaction","@id":"` + anID + `","index":12,"leaf":"` + text + `","ground":"personal","reason":"r","by":"a","second":"b","space":"` + spaceKey + `","signer":"` + otherKey + `","keys":["` + spaceKey + `"],"offeringKey":"` + key.String() + `","created":"2026-11-21T08:00:00.123456789+08:00","contentDigest":"` + content.String() + `","nameBarred":true,"audience":"public","hub":"` + otherKey + `"}`
	want := &vocab.Redaction{
		ID: anID, Index: 12, Leaf: leaf, Ground: "personal", Reason: "r", By: "a", Second: "b", Space: spaceKey, Signer: otherKey, Keys: []string{spaceKey}, Key: key, Content: content, Barred: true, Audience: vocab.AudiencePublic, Hub: otherKey,
		Created: time.Date(2026, 11, 21, 0, 0, 0, 123456789, time.UTC),
	}
	chinese := strings.NewReplacer(`"Redaction"`, `"删除正文"`, `"index"`, `"记录序号"`, `"leaf"`, `"叶记录"`, `"ground":"personal"`, `"依据":"个人信息"`, `"reason"`, `"理由"`, `"by"`, `"经办"`,
		`"second"`, `"复核"`, `"space"`, `"所属空间"`, `"signer"`, `"签名密钥"`, `"keys"`, `"密钥"`, `"offeringKey"`, `"条目键"`, `"created"`, `"签署时间"`, `"contentDigest"`, `"内容摘要"`, `"nameBarred"`, `"名称禁用"`, `"audience"`, `"可见范围"`, `"hub"`, `"归属节点"`).Replace(whole)
	for _, doc := range []string{whole, chinese} {
		rd := accept(t, doc)
		if rd.Kind != vocab.KindRedaction || !reflect.DeepEqual(rd.Redaction, want) || len(rd.Warnings) > 0 {
			t.Errorf("%s:\n%+v\n%+v", doc, rd.Redaction, want)
		}
	}
	for given, ground := range map[string]string{"主管机关要求": "authority", "涉密": "classified", "Retention": "retention"} {
		if got := accept(t, strings.Replace(whole, `"personal"`, `"`+given+`"`, 1)).Redaction.Ground; got != ground {
			t.Errorf("%s: %s", given, got)
		}
	}
	for name, c := range map[string]struct{ old, new, code, path string }{
		"no index":         {`"index":12,`, ``, "member.missing", ""},
		"index a text":     {`"index":12`, `"index":"12"`, "number.form", "/index"},
		"two indices":      {`"index":12`, `"index":[12,13]`, "member.several", "/index"},
		"two of two names": {`"index":12`, `"index":12,"记录序号":13`, "member.several", "/index"},
		"no leaf":          {`"leaf":"` + text + `",`, ``, "member.missing", ""},
		"leaf padded":      {text, text + "=", "redaction.leaf", "/leaf"},
		"leaf empty":       {text, "", "redaction.leaf", "/leaf"},
		"leaf too long":    {text, strings.Repeat("A", 400), "redaction.leaf", "/leaf"},
		"leaf in base64":   {text, strings.ReplaceAll(text, "-", "+") + "+/", "redaction.leaf", "/leaf"},
		"no ground":        {`"ground":"personal",`, ``, "member.missing", ""},
		"another ground":   {`"personal"`, `"mood"`, "redaction.ground", "/ground"},
		"nobody":           {`"by":"a",`, ``, "member.missing", ""},
		"by himself":       {`"second":"b"`, `"second":"a"`, "second.same", ""},
		"key":              {key.String(), "ab", "digest.form", "/offeringKey"},
		"content":          {content.String(), "ab", "digest.form", "/contentDigest"},
		"audience":         {`"audience":"public"`, `"audience":"some"`, "redaction.audience", "/audience"},
		"signer no key":    {`"signer":"` + otherKey, `"signer":"did:web:a.example`, "key.form", "/signer"},
		"date alone":       {"2026-11-21T08:00:00.123456789+08:00", "2026-11-21", "date.form", "/created"},
		"@id":              {anID, "urn:x:1", "id.uuid", "/@id"},
		"unknown":          {`"by"`, `"from":1,"by"`, "member.unknown", "/from"},
	} {
		ps := refuse(t, strings.Replace(whole, c.old, c.new, 1))
		if p := find(ps, c.code); p == nil || p.Path != c.path {
			t.Errorf("%s: want %s at %s, got %+v", name, c.code, c.path, ps)
		}
	}
}

// No profile changes what an act or a key says.
func TestActsAreFixed(t *testing.T) {
	r, err := NewReader(strings.NewReader("prefixes: {e: 'https://e.example/'}\nfields: {operator: ['e:key', 'e:space'], did: ['lm:space', 'lm:by']}"))
	if err != nil {
		t.Fatal(err)
	}
	rd, err := r.Read(expand(t, anAct("Resumption", "")), testNow)
	if err != nil || rd.Act.Space != spaceKey {
		t.Errorf("%+v %v", rd, err)
	}
}

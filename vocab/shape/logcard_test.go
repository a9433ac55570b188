package shape

import (
	"reflect"
	"strings"
	"testing"

	"lianmu/vocab"
)

const (
	anOrigin = "lianmu/z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK/2"
	aCard    = `{` + lianmu + `,"@type":"Log","@id":"` + anID + `","origin":"` + anOrigin + `","hub":"` + spaceKey + `","verifierKey":"` + anOrigin + `+5f3a0c1d+AZYBpxJJcxiYr4Cm1XeSeTrpDOqvXW4JzQ8YEbGbKHdU",
		"epoch":2,"name":{"zh":"示例目录节点","en":"Example hub"},"address":["nats://hub.example:4222","https://hub.example"],"contact":"服务台 021-60000000","jurisdiction":"CN",
		"retention":3650,"agreement":"` + digest + `","open":true,"openUntil":12}`
)

func TestLogCard(t *testing.T) {
	d, err := vocab.ParseDigest(digest)
	if err != nil {
		t.Fatal(err)
	}
	want := &vocab.LogCard{
		ID: anID, Origin: anOrigin, Hub: spaceKey, VerifierKey: anOrigin + "+5f3a0c1d+AZYBpxJJcxiYr4Cm1XeSeTrpDOqvXW4JzQ8YEbGbKHdU", Epoch: 2,
		Name: vocab.Text{"zh": "示例目录节点", "en": "Example hub"}, Addresses: []string{"nats://hub.example:4222", "https://hub.example"}, Contact: "服务台 021-60000000",
		Jurisdiction: "CN", Retention: 3650, Agreement: d, Open: true, OpenUntil: 12,
	}
	chinese := strings.NewReplacer(`"@type":"Log"`, `"类型":"目录账本"`, `"origin"`, `"账本名称"`, `"hub"`, `"归属节点"`, `"verifierKey"`, `"验签公钥"`, `"epoch"`, `"期号"`, `"name"`, `"名称"`, `"address"`, `"节点地址"`,
		`"contact"`, `"联系方式"`, `"jurisdiction"`, `"所在法域"`, `"retention"`, `"保存期限"`, `"agreement"`, `"协议摘要"`, `"openUntil"`, `"开放至"`, `"open"`, `"是否开放"`).Replace(aCard)
	for _, doc := range []string{aCard, chinese} {
		rd := accept(t, doc)
		if rd.Kind != vocab.KindLog || !reflect.DeepEqual(rd.Log, want) || len(rd.Warnings) > 0 {
			t.Errorf("%s\n%+v\n%+v\n%v", doc, rd.Log, want, rd.Warnings)
		}
	}
	if until := want.AdmittedUntil(); until != 1<<64-1 {
		t.Errorf("of an open hub, until %d", until)
	}
	if want.Open = false; want.AdmittedUntil() != 12 {
		t.Errorf("of one that was open, until %d", want.AdmittedUntil())
	}
}

func TestLogCardRefused(t *testing.T) {
	for name, c := range map[string]struct{ old, new, code, path string }{
		"no hub":              {`"hub":"` + spaceKey + `",`, ``, "member.missing", ""},
		"hub no key":          {`"hub":"` + spaceKey, `"hub":"did:web:hub.example`, "key.form", "/hub"},
		"another hub's":       {`"hub":"` + spaceKey, `"hub":"` + otherKey, "log.origin", "/origin"},
		"another epoch":       {`"epoch":2`, `"epoch":3`, "log.origin", "/origin"},
		"no origin":           {`"origin":"` + anOrigin + `",`, ``, "member.missing", ""},
		"no verifier key":     {`"verifierKey"`, `"schlüssel"`, "member.missing", ""},
		"another log's key":   {`"verifierKey":"lianmu`, `"verifierKey":"elsewhere`, "log.key", "/verifierKey"},
		"no key in it":        {`+AZYBpxJJcxiYr4Cm1XeSeTrpDOqvXW4JzQ8YEbGbKHdU`, ``, "log.key", "/verifierKey"},
		"no name":             {`"name"`, `"description"`, "title.missing", ""},
		"address of a mail":   {`nats://hub.example:4222`, `mailto:desk@hub.example`, "log.address", "/address/0"},
		"address with secret": {`nats://hub.example:4222`, `nats://user:secret@hub.example:4222`, "log.address", "/address/0"},
		"too many addresses":  {`["nats`, `["urn:a","https://1.example","https://2.example","https://3.example","https://4.example","https://5.example","https://6.example","https://7.example","https://8.example","nats`, "shape.many", "/address/9"},
		"jurisdiction":        {`"CN"`, `"China"`, "log.jurisdiction", "/jurisdiction"},
		"retention":           {`3650`, `3650000`, "number.form", "/retention"},
		"retention a text":    {`3650`, `"3650"`, "number.form", "/retention"},
		"agreement":           {digest, "ab", "digest.form", "/agreement"},
		"open a text":         {`"open":true`, `"open":"yes"`, "shape.type", "/open"},
		"unknown member":      {`"open":true`, `"opened":true`, "member.unknown", "/opened"},
		"@id":                 {anID, "urn:x:1", "id.uuid", "/@id"},
	} {
		ps := refuse(t, strings.Replace(aCard, c.old, c.new, 1))
		if p := find(ps, c.code); p == nil || p.Path != c.path {
			t.Errorf("%s: want %s at %s, got %+v", name, c.code, c.path, ps)
		}
	}
}

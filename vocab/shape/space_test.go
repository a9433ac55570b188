package shape

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"lianmu/vocab"
)

const (
	spaceKey = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
	otherKey = "did:key:z6MkedhxZcu1pgCSsBCN5Bwpdv5txRBqDsUWya3EN1k1uw6a"
	lianmu   = `"@context":"https://w3id.org/lianmu/v1"`
)

// aSpace is a descriptor with more members.
func aSpace(members string) string {
	return `{` + lianmu + `,"@id":"` + spaceKey + `","@type":"Space","name":{"zh":"示例空间"},` + members + `}`
}

// The same descriptor in the ways that spaces write.
func TestSpaceInFull(t *testing.T) {
	for name, d := range map[string]string{
		"Chinese keys": `{` + lianmu + `,"@id":"` + spaceKey + `","类型":"数据空间","名称":{"zh":"示例航运空间","en":"Shipping"},"空间类型":"行业","描述":"港航。",
			"运营方":{"名称":"示例港航公司","统一社会信用代码":"91512081MA62K0260E"},"地域分类":"上海市","行业分类":"G","角色":["运营方","提供方"],
			"接入点":[{"接入点类型":"dsp","接入点地址":"https://s.example/dsp"},"https://s.example/ndi"],"联系方式":"数据服务台 021-60000000",
			"密钥":["` + spaceKey + `","` + otherKey + `"],"默认可见范围":"互认","规则代码集":["https://r.example/1","urn:x:r2","urn:x:r2"],"归属节点":"` + otherKey + `"}`,
		"English keys": `{` + lianmu + `,"@id":"` + spaceKey + `","@type":"Space","name":{"zh":"示例航运空间","en":"Shipping"},"spaceType":"industry","description":{"zh":"港航。"},
			"operator":{"name":{"zh":"示例港航公司"},"uscc":"91512081MA62K0260E"},"region":"3100","industry":"G","role":["operator","provider"],
			"endpoint":[{"@type":"Endpoint","endpointType":"dsp","endpointURL":"https://s.example/dsp"},{"endpointURL":"https://s.example/ndi"}],"contact":"数据服务台 021-60000000",
			"key":["` + spaceKey + `","` + otherKey + `"],"defaultAudience":"recognised","ruleScheme":["https://r.example/1",{"@id":"urn:x:r2"}],"hub":"` + otherKey + `"}`,
		"prefixes": `{"@context":{"lm":"https://w3id.org/lianmu/ns#","foaf":"http://xmlns.com/foaf/0.1/","dct":"http://purl.org/dc/terms/","dcat":"http://www.w3.org/ns/dcat#"},"@id":"` + spaceKey + `","@type":"lm:Space",
			"foaf:name":[{"@value":"示例航运空间","@language":"zh"},{"@value":"Shipping","@language":"en"}],"lm:spaceType":"行业","dct:description":"港航。",
			"lm:operator":{"foaf:name":"示例港航公司","lm:uscc":"91512081MA62K0260E"},"lm:region":"3100","lm:industry":"G","lm:role":"运营方、提供方",
			"lm:endpoint":{"@list":[{"lm:endpointType":"dsp","dcat:endpointURL":{"@id":"https://s.example/dsp"}},{"@id":"https://s.example/ndi"}]},"dcat:contactPoint":"数据服务台 021-60000000",
			"lm:key":[{"@id":"` + spaceKey + `"},"` + otherKey + `"],"lm:defaultAudience":"recognized","lm:ruleScheme":[{"@id":"https://r.example/1"},"urn:x:r2"],"lm:hub":{"@id":"` + otherKey + `"}}`,
	} {
		rd := accept(t, d)
		term := func(l *vocab.CodeList, code string) vocab.Term { return vocab.Term{Code: code, Label: l.Label(code)} }
		want := &vocab.Space{
			DID: spaceKey, Name: vocab.Text{"zh": "示例航运空间", "en": "Shipping"}, Description: vocab.Text{"zh": "港航。"},
			Type: term(vocab.SpaceTypes, "industry"), Operator: vocab.Agent{Name: vocab.Text{"zh": "示例港航公司"}, Code: "91512081MA62K0260E"},
			Region: term(vocab.Regions, "3100"), Industry: term(vocab.Industries, "G"), Contact: "数据服务台 021-60000000",
			Roles:     []vocab.Term{term(vocab.Roles, "operator"), term(vocab.Roles, "provider")},
			Endpoints: []vocab.Endpoint{{Type: "dsp", URL: "https://s.example/dsp"}, {URL: "https://s.example/ndi"}},
			Keys:      []string{spaceKey, otherKey}, Audience: vocab.AudienceRecognised, Schemes: []string{"https://r.example/1", "urn:x:r2"}, Hub: otherKey,
		}
		if rd.Kind != vocab.KindSpace || !reflect.DeepEqual(rd.Space, want) {
			t.Errorf("%s:\n%+v\n%+v", name, rd.Space, want)
		}
		if len(rd.Warnings) > 0 {
			t.Errorf("%s: %v", name, rd.Warnings)
		}
	}
}

// The plain key "operator" is ODRL's, which makes an IRI of a bare name.
func TestOperatorByName(t *testing.T) {
	for member, want := range map[string]vocab.Agent{
		`"operator":"示例港航公司"`:                      {Name: vocab.Text{"zh": "示例港航公司"}},
		`"operator":"Example Port Data Ltd"`:       {Name: vocab.Text{"und": "Example Port Data Ltd"}},
		`"运营方":"示例港航公司"`:                           {Name: vocab.Text{"zh": "示例港航公司"}},
		`"operator":"did:web:port.example"`:        {ID: "did:web:port.example"},
		`"operator":{"@id":"did:web:p.example"}`:   {ID: "did:web:p.example"},
		`"spaceOperator":{"name":{"en":"Port"}}`:   {Name: vocab.Text{"en": "Port"}},
		`"operator":{"uscc":"91512081MA62K0260E"}`: {Code: "91512081MA62K0260E"},
	} {
		if got := accept(t, aSpace(member)).Space.Operator; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v", member, got)
		}
	}
}

func TestSpaceRefused(t *testing.T) {
	many := func(n int, format string) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = fmt.Sprintf(format, i)
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	var keys []string // 17 that differ in a letter
	for _, c := range "123456789ABCDEFGH" {
		keys = append(keys, `"`+spaceKey[:len(spaceKey)-1]+string(c)+`"`)
	}
	for name, c := range map[string]struct{ member, code, path string }{
		"type not in the list":    {`"spaceType":"测试"`, "space.type", "/spaceType"},
		"role not in the list":    {`"role":["运营方","站长"]`, "role.unknown", "/role"},
		"role of another list":    {`"role":{"@id":"https://r.example/boss"}`, "role.unknown", "/role"},
		"key of another method":   {`"key":"did:web:s.example"`, "key.form", "/key"},
		"key of another type":     {`"key":["` + spaceKey + `","did:key:zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv"]`, "key.form", "/key/1"},
		"key too short":           {`"key":"` + spaceKey[:len(spaceKey)-1] + `"`, "key.form", "/key"},
		"key with a wrong letter": {`"key":"` + spaceKey[:len(spaceKey)-1] + `0"`, "key.form", "/key"},
		"key a number":            {`"key":7`, "key.form", "/key"},
		"key with its method":     {`"密钥":"` + spaceKey + `#` + spaceKey[8:] + `"`, "key.form", "/密钥"},
		"key twice":               {`"key":["` + spaceKey + `","` + spaceKey + `"]`, "key.twice", "/key/1"},
		"too many keys":           {`"key":[` + strings.Join(keys, ",") + `]`, "shape.many", "/key/16"},
		"too many endpoints":      {`"endpoint":` + many(17, `"https://s.example/%d"`), "shape.many", "/endpoint/16"},
		"too many schemes":        {`"ruleScheme":` + many(65, `"urn:x:%d"`), "shape.many", "/ruleScheme/64"},
		"too many roles":          {`"role":` + many(201, `"角色%d"`), "shape.many", "/role/200"},
		"hub no DID":              {`"hub":"https://hub.example"`, "did.form", "/hub"},
		"two hubs":                {`"hub":["did:web:a.example","did:web:b.example"]`, "member.several", "/hub/1"},
		"endpoint without URL":    {`"endpoint":{"endpointType":"dsp"}`, "endpoint.missing", "/endpoint"},
		"endpoint a number":       {`"endpoint":7`, "endpoint.missing", "/endpoint"},
		"endpoint relative":       {`"endpoint":{"endpointURL":"dsp"}`, "iri.relative", "/endpoint/endpointURL"},
		"endpoint that runs":      {`"endpoint":["javascript:alert(1)"]`, "iri.scheme", "/endpoint"},
		"endpoint type too long":  {`"endpoint":{"endpointURL":"https://s.example","endpointType":"` + strings.Repeat("x", 65) + `"}`, "text.long", "/endpoint/endpointType"},
		"scheme no IRI":           {`"ruleScheme":"rules"`, "iri.relative", "/ruleScheme"},
		"audience unknown":        {`"defaultAudience":"friends"`, CodeUnknownLevel, "/defaultAudience"},
		"audience secret":         {`"defaultAudience":"机密"`, CodeUnknownLevel, "/defaultAudience"},
		"operator's code wrong":   {`"operator":{"name":"a","uscc":"91512081MA62K0260F"}`, "identifier.check_digit", "/operator/uscc"},
		"name in French only":     {`"name":{"fr":"Espace"}`, "title.language", "/name"},
	} {
		d := aSpace(c.member)
		if strings.HasPrefix(c.member, `"name"`) {
			d = `{` + lianmu + `,"@id":"` + spaceKey + `","@type":"Space",` + c.member + `}`
		}
		ps := refuse(t, d)
		if p := find(ps, c.code); p == nil || p.Path != c.path {
			t.Errorf("%s: want %s at %s, got %+v", name, c.code, c.path, ps)
		}
	}
	// All that is wrong is said at once.
	ps := refuse(t, aSpace(`"spaceType":"x","role":"y","key":"z","endpoint":7,"ruleScheme":"r","defaultAudience":"a"`))
	if got := codes(ps); !slices.Equal(got, []string{"endpoint.missing", "iri.relative", "key.form", CodeUnknownLevel, "role.unknown", "space.type"}) {
		t.Errorf("%v", got)
	}
	for _, id := range []string{"https://s.example", "did:key:zabc#zabc", "did:web:s.example/a", "did:WEB:x", "did:web:"} {
		if ps := refuse(t, `{`+lianmu+`,"@id":"`+id+`","@type":"Space","name":"a"}`); find(ps, "id.did") == nil {
			t.Errorf("%s: %v", id, ps)
		}
	}
}

// The narrowest of what a descriptor says holds, in whatever namespace it is
// said.
func TestDefaultAudience(t *testing.T) {
	for members, want := range map[string]vocab.Audience{
		`"defaultAudience":"public"`:                     vocab.AudiencePublic,
		`"defaultAudience":"公开","可见范围":"本空间"`:            vocab.AudienceSpace,
		`"audience":"recognised"`:                        vocab.AudienceRecognised,
		`"https://e.example/ns#defaultAudience":"space"`: vocab.AudienceSpace,
		`"https://e.example/ns#默认可见范围":"本空间"`:            vocab.AudienceSpace,
		`"description":"a"`:                              "",
	} {
		if got := accept(t, aSpace(members)).Space.Audience; got != want {
			t.Errorf("%s: %q, want %q", members, got, want)
		}
	}
}

// What an operator should ask about.
func TestOddSpaces(t *testing.T) {
	for members, code := range map[string]string{
		`"operator":"示例公司"`:                          "missing.uscc",
		`"operator":{"uscc":"91512081MA62K0260E"}`:   "",
		`"operator":"did:web:s.example"`:             "missing.operatorName",
		`"key":"` + otherKey + `"`:                   "key.name",
		`"spacetype":"industry"`:                     "member.unknown",
		`"contact":{"fn":"服务台","telephone":"95588"}`: "missing.operator",
	} {
		rd := accept(t, aSpace(members))
		if code != "" && find(rd.Warnings, code) == nil {
			t.Errorf("%s: %v", members, codes(rd.Warnings))
		}
	}
	if rd := accept(t, aSpace(`"key":"`+spaceKey+`"`)); find(rd.Warnings, "key.name") != nil || find(rd.Warnings, "member.unknown") != nil {
		t.Errorf("%v", rd.Warnings)
	}
}

package shape

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"lianmu/vocab"
)

// The same offering in the ways that publishers write.
func TestStyles(t *testing.T) {
	const ours = `"@context":"https://w3id.org/lianmu/v1"`
	const prefixes = `"dcat":"http://www.w3.org/ns/dcat#","dct":"http://purl.org/dc/terms/","foaf":"http://xmlns.com/foaf/0.1/","schema":"http://schema.org/","lm":"https://w3id.org/lianmu/ns#","skos":"http://www.w3.org/2004/02/skos/core#"`
	for name, doc := range map[string]string{
		"plain Chinese keys":  `{` + ours + `,"@id":"urn:x:1","类型":"数据集","标题":{"zh":"港口作业","en":"Port work"},"关键词":"港口、物流","提供方":{"名称":"示例港务"},"资源主题":"交通运输","分发":{"下载地址":"https://d.example/1.csv","格式":"csv"}}`,
		"plain English keys":  `{` + ours + `,"id":"urn:x:1","type":"Dataset","title":{"zh":"港口作业","en":"Port work"},"keyword":{"zh":["港口","物流"]},"publisher":{"name":"示例港务"},"theme":"B0300","distribution":[{"downloadURL":"https://d.example/1.csv","format":"CSV"}]}`,
		"value objects":       `{` + ours + `,"id":"urn:x:1","type":"Dataset","title":[{"@value":"港口作业","@language":"zh-Hans"},{"@value":"Port work","@language":"en-GB"}],"keyword":[{"@value":"港口","@language":"zh-CN"},{"@value":"物流","@language":"zh"}],"publisher":"示例港务","theme":"Transport","distribution":[{"downloadURL":"https://d.example/1.csv","mediaType":"text/csv"}]}`,
		"prefixes":            `{"@context":{` + prefixes + `},"@id":"urn:x:1","@type":"dcat:Dataset","dct:title":[{"@value":"港口作业","@language":"zh"},{"@value":"Port work","@language":"en"}],"dcat:keyword":["港口","物流"],"dct:publisher":{"foaf:name":"示例港务"},"dcat:theme":{"@id":"https://w3id.org/lianmu/ns#B0300"},"dcat:distribution":{"dcat:downloadURL":{"@id":"https://d.example/1.csv"},"dct:format":"csv"}}`,
		"vocab and term maps": `{"@context":{"@vocab":"http://purl.org/dc/terms/","数据集":"http://www.w3.org/ns/dcat#Dataset","标题":{"@id":"title","@container":"@language"},"词":{"@id":"http://www.w3.org/ns/dcat#keyword","@language":"zh"},"得":"http://www.w3.org/ns/dcat#distribution","址":{"@id":"http://www.w3.org/ns/dcat#downloadURL","@type":"@id"},"题":"http://www.w3.org/ns/dcat#theme","名":"http://xmlns.com/foaf/0.1/name"},"@id":"urn:x:1","@type":"数据集","标题":{"zh":"港口作业","en":"Port work"},"词":["港口","物流"],"publisher":{"名":"示例港务"},"题":"B0300","得":{"址":"https://d.example/1.csv","format":"csv"}}`,
		"type-scoped":         `{"@context":{"D":{"@id":"http://www.w3.org/ns/dcat#Dataset","@context":{"t":{"@id":"http://purl.org/dc/terms/title","@container":"@language"},"k":"http://www.w3.org/ns/dcat#keyword","p":{"@id":"http://purl.org/dc/terms/publisher","@context":{"n":"http://xmlns.com/foaf/0.1/name"}},"th":"http://www.w3.org/ns/dcat#theme","d":"http://www.w3.org/ns/dcat#distribution","u":"http://www.w3.org/ns/dcat#downloadURL","f":"http://purl.org/dc/terms/format"}}},"@id":"urn:x:1","@type":"D","t":{"zh":"港口作业","en":"Port work"},"k":["港口","物流"],"p":{"n":"示例港务"},"th":"B0300","d":{"@context":{"u":"http://www.w3.org/ns/dcat#downloadURL","f":"http://purl.org/dc/terms/format"},"u":"https://d.example/1.csv","f":"csv"}}`,
		"flattened":           `{"@context":{` + prefixes + `},"@graph":[{"@id":"_:p","foaf:name":"示例港务"},{"@id":"_:c","skos:prefLabel":{"@value":"交通运输","@language":"zh"}},{"@id":"urn:x:1","@type":"dcat:Dataset","dct:title":[{"@value":"港口作业","@language":"zh"},{"@value":"Port work","@language":"en"}],"dcat:keyword":["港口","物流"],"dct:publisher":{"@id":"_:p"},"dcat:theme":{"@id":"_:c"},"dcat:distribution":{"@id":"_:d"}},{"@id":"_:d","@type":"dcat:Distribution","dcat:downloadURL":{"@id":"https://d.example/1.csv"},"dct:format":"csv"}]}`,
		"reverse":             `{"@context":{` + prefixes + `,"of":{"@reverse":"dcat:distribution"}},"@type":"dcat:Distribution","dcat:downloadURL":{"@id":"https://d.example/1.csv"},"dct:format":"csv","of":{"@id":"urn:x:1","@type":"dcat:Dataset","dct:title":[{"@value":"港口作业","@language":"zh"},{"@value":"Port work","@language":"en"}],"dcat:keyword":["港口","物流"],"dct:publisher":{"foaf:name":"示例港务"},"dcat:theme":"交通运输"}}`,
		"in a catalogue":      `{"@context":{` + prefixes + `},"@id":"urn:x:cat","@type":"dcat:Catalog","dct:title":"目录","dcat:dataset":{"@id":"urn:x:1","@type":"dcat:Dataset","dct:title":[{"@value":"港口作业","@language":"zh"},{"@value":"Port work","@language":"en"}],"dcat:keyword":["港口","物流"],"dct:publisher":{"foaf:name":"示例港务"},"dcat:theme":"B0300","dcat:distribution":{"dcat:downloadURL":{"@id":"https://d.example/1.csv"},"dct:format":"csv"}}}`,
		"catalogue reversed":  `{"@context":{` + prefixes + `},"@id":"urn:x:1","@type":"dcat:Dataset","@reverse":{"dcat:dataset":{"@id":"urn:x:cat","@type":"dcat:Catalog","dct:title":"目录"}},"dct:title":[{"@value":"港口作业","@language":"zh"},{"@value":"Port work","@language":"en"}],"dcat:keyword":["港口","物流"],"dct:publisher":{"foaf:name":"示例港务"},"dcat:theme":"B0300","dcat:distribution":{"dcat:downloadURL":{"@id":"https://d.example/1.csv"},"dct:format":"csv"}}`,
		"included":            `{"@context":{` + prefixes + `},"@id":"urn:x:1","@type":"dcat:Dataset","dct:title":[{"@value":"港口作业","@language":"zh"},{"@value":"Port work","@language":"en"}],"dcat:keyword":["港口","物流"],"dct:publisher":{"@id":"_:org"},"dcat:theme":"B0300","dcat:distribution":{"dcat:downloadURL":{"@id":"https://d.example/1.csv"},"dct:format":"csv"},"@included":[{"@id":"_:org","foaf:name":"示例港务"}]}`,
		"lists":               `{"@context":{` + prefixes + `},"@id":"urn:x:1","@type":"dcat:Dataset","dct:title":{"@list":[{"@value":"港口作业","@language":"zh"},{"@value":"Port work","@language":"en"}]},"dcat:keyword":{"@list":["港口","物流"]},"dct:publisher":"示例港务","dcat:theme":"B0300","dcat:distribution":{"@set":[{"dcat:downloadURL":"https://d.example/1.csv","dct:format":{"@id":"http://publications.europa.eu/resource/authority/file-type/CSV"}}]}}`,
		"schema.org":          `{"@context":{` + prefixes + `},"@id":"urn:x:1","@type":"schema:Dataset","schema:name":[{"@value":"港口作业","@language":"zh"},{"@value":"Port work","@language":"en"}],"schema:keywords":"港口,物流","schema:publisher":{"schema:name":"示例港务"},"schema:about":"B0300","schema:distribution":{"schema:contentUrl":"https://d.example/1.csv","schema:encodingFormat":"text/csv"}}`,
		"named twice":         `{"@context":{` + prefixes + `},"@graph":[{"@id":"urn:x:1","@type":"dcat:Dataset","dct:title":{"@value":"港口作业","@language":"zh"},"dcat:keyword":["港口","物流"],"dct:publisher":"示例港务"},{"@id":"urn:x:1","dct:title":{"@value":"Port work","@language":"en"},"dcat:theme":"B0300","dcat:distribution":{"dcat:downloadURL":"https://d.example/1.csv","dct:format":"csv"}}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			rd := accept(t, doc)
			o := rd.Offering
			if rd.Kind != vocab.KindOffering || rd.ID != "urn:x:1" || o.ID != "urn:x:1" || o.Kind != vocab.Dataset {
				t.Fatalf("kind %v, id %q, offering %+v", rd.Kind, rd.ID, o)
			}
			if want := (vocab.Text{"zh": "港口作业", "en": "Port work"}); !reflect.DeepEqual(o.Title, want) {
				t.Errorf("title %v", o.Title)
			}
			if got := o.Keywords["zh"]; len(o.Keywords) != 1 || !slices.Equal(slices.Sorted(slices.Values(got)), []string{"港口", "物流"}) {
				t.Errorf("keywords %v", o.Keywords)
			}
			if o.Publisher.Name["zh"] != "示例港务" {
				t.Errorf("publisher %+v", o.Publisher)
			}
			if len(o.Themes) != 1 || o.Themes[0].Code != "B0300" || o.Themes[0].Label["zh"] != "交通运输" {
				t.Errorf("themes %+v", o.Themes)
			}
			if len(o.Distributions) != 1 || o.Distributions[0].DownloadURL != "https://d.example/1.csv" || o.Distributions[0].Format != "CSV" {
				t.Errorf("distributions %+v", o.Distributions)
			}
		})
	}
}

const allFields = `{
 "@context":"https://w3id.org/lianmu/v1",
 "@id":"https://space.example/products/1",
 "@type":"数据产品",
 "标题":"长三角集装箱到港预报",
 "描述":"未来 72 小时。\n逐船。",
 "关键词":["集装箱","到港"],
 "产品标识码":"691512081MA62K0260E31000000000A*",
 "提供方":{"名称":"示例航运数据有限公司（演示数据）","统一社会信用代码":"91512081MA62K0260E"},
 "联系方式":{"名称":"数据服务台","电子邮箱":"data@example.com","联系电话":"021-60000000"},
 "资源主题":["B0300","商业贸易"],
 "应用场景":"市场监测",
 "行业分类":"交通运输、仓储和邮政业",
 "地域分类":["上海市","江苏省"],
 "产品交付形式":"API产品",
 "更新频率":"每日",
 "安全级别":"敏感",
 "质量等级":"A级",
 "数据来源":"收集取得",
 "数据级别":"一般数据",
 "是否涉及个人信息":"否",
 "计费方式":"按次数","价格":0.5,"币种":"人民币","计价单位":"元/次",
 "登记状态":"已登记","登记编号":"沪数登 2026-0001",
 "可见范围":"互认",
 "发布时间":"2026年3月1日","更新时间":"2026-11-20T08:30:00+08:00",
 "覆盖时间范围":"2020-01至2026-06","空间范围":"长江三角洲","经纬度范围":"116,27,123,35",
 "访问服务":{"标题":"查询接口","接口地址":"https://api.example/eta","遵循标准":"https://spec.openapis.org/oas/v3.1.0"},
 "许可协议":"https://license.example/1","详情页":"https://space.example/p/1",
 "数据规模":"约 2 亿条",
 "使用策略":{"@type":"Offer","允许":[{"动作":["使用","读取"],"约束":{"约束项":"用途","运算符":"任一","约束值":["科研","保险定价"]}}],"禁止":{"动作":"出售"}}
}`

func TestAllFields(t *testing.T) {
	rd := accept(t, allFields)
	if len(rd.Warnings) > 0 {
		t.Errorf("warnings %v", rd.Warnings)
	}
	no := false
	term := func(code string, l *vocab.CodeList) vocab.Term {
		t.Helper()
		x, ok := l.Find(code)
		if !ok {
			t.Fatalf("%s is not in %s", code, l.Name)
		}
		return x
	}
	want := &vocab.Offering{
		ID: "https://space.example/products/1", Kind: vocab.Product,
		Title:       vocab.Text{"zh": "长三角集装箱到港预报"},
		Description: vocab.Text{"zh": "未来 72 小时。\n逐船。"},
		Keywords:    vocab.Texts{"zh": {"集装箱", "到港"}},
		Identifiers: []string{"691512081MA62K0260E31000000000A*"},
		Publisher:   vocab.Agent{Name: vocab.Text{"zh": "示例航运数据有限公司（演示数据）"}, Code: "91512081MA62K0260E"},
		Contact:     "数据服务台 · data@example.com · 021-60000000",
		Themes:      []vocab.Term{term("B0300", vocab.Themes), term("B0400", vocab.Themes)},
		Scenes:      []vocab.Term{term("U0300", vocab.Scenes)},
		Industry:    []vocab.Term{term("G", vocab.Industries)},
		Region:      []vocab.Term{term("3100", vocab.Regions), term("3200", vocab.Regions), {Label: vocab.Text{"zh": "长江三角洲"}}},
		Form:        term("002", vocab.Forms), Frequency: term("002", vocab.Frequencies), Level: term("003", vocab.Levels),
		Quality: term("001", vocab.Qualities), Source: term("002", vocab.Sources), Importance: term("general", vocab.Importances),
		PersonalData: &no,
		Charge:       vocab.Charge{Model: term("count", vocab.Charging), Price: "0.5", Currency: "CNY", Unit: "元/次"},
		License:      "https://license.example/1",
		Registration: term("registered", vocab.Registrations), RegistrationCode: "沪数登 2026-0001",
		Audience:    vocab.AudienceRecognised,
		Services:    []vocab.ServiceEndpoint{{Title: vocab.Text{"zh": "查询接口"}, EndpointURL: "https://api.example/eta", ConformsTo: "https://spec.openapis.org/oas/v3.1.0"}},
		Policy:      vocab.Policy{Present: true, Actions: []string{"use", "read"}, Prohibited: []string{"sell"}, Purposes: []string{"科研", "保险定价"}},
		LandingPage: "https://space.example/p/1",
		Issued:      time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Modified: time.Date(2026, 11, 20, 0, 30, 0, 0, time.UTC),
		Spatial:      &vocab.Box{West: 116, South: 27, East: 123, North: 35},
		Temporal:     &vocab.Period{Start: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC)},
		Completeness: 100,
	}
	if !reflect.DeepEqual(rd.Offering, want) {
		g, _ := json.MarshalIndent(rd.Offering, "", " ")
		w, _ := json.MarshalIndent(want, "", " ")
		t.Errorf("got %s\nwant %s", g, w)
	}
}

// doc is a minimal offering with further members.
func doc(members string) string {
	if members != "" {
		members = "," + members
	}
	return `{"@context":"https://w3id.org/lianmu/v1","@id":"urn:x:1","@type":"Dataset","title":"t"` + members + `}`
}

func TestRefused(t *testing.T) {
	const ctx = `"@context":"https://w3id.org/lianmu/v1"`
	long := func(n int) string { return strings.Repeat("长", n) }
	many := func(n int, f string) string {
		var parts []string
		for i := range n {
			parts = append(parts, fmt.Sprintf(f, i))
		}
		return strings.Join(parts, ",")
	}
	for name, tc := range map[string]struct{ doc, code, path string }{
		"no @id":                          {`{` + ctx + `,"@type":"Dataset","title":"t"}`, "id.missing", "/@id"},
		"blank @id":                       {`{` + ctx + `,"@id":"_:b","@type":"Dataset","title":"t"}`, "iri.relative", "/@id"},
		"relative @id":                    {`{` + ctx + `,"@id":"products/1","@type":"Dataset","title":"t"}`, "iri.relative", "/@id"},
		"@id with a space":                {`{` + ctx + `,"@id":"urn:x:a b","@type":"Dataset","title":"t"}`, "iri.character", "/@id"},
		"@id with a zero-width space":     {`{` + ctx + `,"@id":"urn:x:a\u200bb","@type":"Dataset","title":"t"}`, "iri.character", "/@id"},
		"@id with a tag":                  {`{` + ctx + `,"@id":"urn:x:a\udb40\udc41","@type":"Dataset","title":"t"}`, "iri.character", "/@id"},
		"@id with a bad escape":           {`{` + ctx + `,"@id":"https://e.example/%zz","@type":"Dataset","title":"t"}`, "iri.escape", "/@id"},
		"@id with a bad host":             {`{` + ctx + `,"@id":"https://[::1/1","@type":"Dataset","title":"t"}`, "iri.host", "/@id"},
		"@id a script":                    {`{` + ctx + `,"@id":"javascript:alert(1)","@type":"Dataset","title":"t"}`, "iri.scheme", "/@id"},
		"@id a file":                      {`{` + ctx + `,"@id":"FILE:///etc/passwd","@type":"Dataset","title":"t"}`, "iri.scheme", "/@id"},
		"title of zero width":             {`{` + ctx + `,"@id":"urn:x:1","@type":"Dataset","title":"\u200b\u2060"}`, "title.missing", ""},
		"title of a filler":               {`{` + ctx + `,"@id":"urn:x:1","@type":"Dataset","title":{"zh":"\u3164","en":"\u2800 \u0301"}}`, "title.missing", ""},
		"@id with an override":            {`{` + ctx + `,"@id":"urn:x:a\u202eb","@type":"Dataset","title":"t"}`, "iri.character", "/@id"},
		"@id of 10 KB":                    {`{` + ctx + `,"@id":"urn:x:` + strings.Repeat("a", 10000) + `","@type":"Dataset","title":"t"}`, "iri.long", "/@id"},
		"scheme alone":                    {`{` + ctx + `,"@id":"urn:","@type":"Dataset","title":"t"}`, "iri.relative", "/@id"},
		"no type":                         {`{` + ctx + `,"@id":"urn:x:1","title":"t"}`, "type.missing", "/@type"},
		"unknown type":                    {`{` + ctx + `,"@id":"urn:x:1","@type":"Datset","title":"t"}`, "type.missing", "/@type"},
		"catalogue alone":                 {`{` + ctx + `,"@id":"urn:x:1","@type":"Catalog","title":"t"}`, "type.missing", "/@type"},
		"nothing":                         {`{}`, "type.missing", "/@type"},
		"two offerings":                   {`{` + ctx + `,"@graph":[{"@id":"urn:x:1","@type":"Dataset","title":"a"},{"@id":"urn:x:2","@type":"DataProduct","title":"b"}]}`, "offering.several", ""},
		"two nameless offerings":          {`{` + ctx + `,"@graph":[{"@type":"Dataset","title":"a"},{"@type":"Dataset","title":"b"}]}`, "offering.several", ""},
		"two in a catalogue":              {`{` + ctx + `,"@id":"urn:x:c","@type":"Catalog","dataset":[{"@id":"urn:x:1","@type":"Dataset","title":"a"},{"@id":"urn:x:2","@type":"Dataset","title":"b"}]}`, "offering.several", ""},
		"offering and withdrawal":         {`{` + ctx + `,"@id":"urn:x:1","@type":["Dataset","Withdrawal"],"title":"a"}`, "type.several", "/@type"},
		"both, in two nodes":              {`{` + ctx + `,"@graph":[{"@id":"urn:x:1","@type":"Dataset","title":"a"},{"@id":"urn:x:1","@type":"Withdrawal"}]}`, "type.several", "/@graph/0/@type"},
		"withdrawal without @id":          {`{` + ctx + `,"@type":"Withdrawal","title":"a"}`, "id.missing", "/@id"},
		"space without DID":               {`{` + ctx + `,"@id":"https://s.example","@type":"Space","name":"a"}`, "id.did", "/@id"},
		"space without name":              {`{` + ctx + `,"@id":"did:key:zabc","@type":"Space","description":"a"}`, "title.missing", ""},
		"no title":                        {`{` + ctx + `,"@id":"urn:x:1","@type":"Dataset","description":"a"}`, "title.missing", ""},
		"blank title":                     {`{` + ctx + `,"@id":"urn:x:1","@type":"Dataset","title":"  "}`, "title.missing", ""},
		"title a number":                  {`{` + ctx + `,"@id":"urn:x:1","@type":"Dataset","title":7}`, "shape.type", "/title"},
		"title a node":                    {`{` + ctx + `,"@id":"urn:x:1","@type":"Dataset","dct:title":{"@id":"urn:x:t"}}`, "shape.type", "/dct:title"},
		"title too long":                  {`{` + ctx + `,"@id":"urn:x:1","@type":"Dataset","title":"` + long(mostTitle+1) + `"}`, "text.long", "/title"},
		"control in title":                {`{` + ctx + `,"@id":"urn:x:1","@type":"Dataset","title":"a\u0007b"}`, "text.control", "/title"},
		"override in title":               {`{` + ctx + `,"@id":"urn:x:1","@type":"Dataset","标题":"a\u202eb"}`, "text.bidi", "/标题"},
		"tag character":                   {doc(`"keyword":["a","b\udb40\udc41"]`), "text.control", "/keyword/1"},
		"noncharacter":                    {doc(`"description":"a\uFFFE"`), "text.control", "/description"},
		"isolate in keyword":              {doc(`"keyword":["a","b\u2066"]`), "text.bidi", "/keyword/1"},
		"control in description":          {doc(`"description":"a\u0000"`), "text.control", "/description"},
		"control in a name":               {doc(`"publisher":{"name":"a\u001b[31m"}`), "text.control", "/publisher/name"},
		"control in a format":             {doc(`"distribution":[{"format":"a"},{"format":"b\u0001"}]`), "text.control", "/distribution/1/format"},
		"override in a term":              {doc(`"theme":"x\u202dy"`), "text.bidi", "/theme"},
		"override in a purpose":           {doc(`"policy":{"permission":{"action":"use","constraint":{"leftOperand":"purpose","operator":"eq","rightOperand":"x\u202d"}}}`), "text.bidi", "/policy/permission/constraint/rightOperand"},
		"description too long":            {doc(`"description":"` + long(mostDescription+1) + `"`), "text.long", "/description"},
		"keyword too long":                {doc(`"keyword":["` + long(mostKeyword+1) + `","a"]`), "text.long", "/keyword/0"},
		"too many keywords":               {doc(`"keyword":[` + many(mostKeywords+1, `"k%d"`) + `]`), "shape.many", "/keyword/200"},
		"too many distributions":          {doc(`"distribution":[` + many(mostAccess+1, `{"accessURL":"https://d.example/%d"}`) + `]`), "shape.many", "/distribution/500"},
		"too many themes":                 {doc(`"theme":[` + many(mostTerms+1, `"t%d"`) + `]`), "shape.many", "/theme/200"},
		"too many identifiers":            {doc(`"identifier":[` + many(mostIdentifiers+1, `"i%d"`) + `]`), "shape.many", "/identifier/100"},
		"level unknown":                   {doc(`"securityLevel":"somewhat"`), CodeUnknownLevel, "/securityLevel"},
		"level a number":                  {doc(`"安全级别":3`), CodeUnknownLevel, "/安全级别"},
		"level empty":                     {doc(`"安全级别":""`), CodeUnknownLevel, "/安全级别"},
		"level a node":                    {doc(`"安全级别":{"name":"x"}`), CodeUnknownLevel, "/安全级别"},
		"two levels":                      {doc(`"安全级别":["公开","敏感"]`), "shape.several", "/安全级别/1"},
		"level in a foreign key":          {`{"@context":[{"ex":"https://e.example/ns#"},"https://w3id.org/lianmu/v1"],"@id":"urn:x:1","@type":"Dataset","title":"t","ex:安全级别":"不知道"}`, CodeUnknownLevel, "/ex:安全级别"},
		"audience unknown":                {doc(`"audience":"friends"`), CodeUnknownLevel, "/audience"},
		"audience a number":               {doc(`"可见范围":1`), CodeUnknownLevel, "/可见范围"},
		"personal data unclear":           {doc(`"personalData":"perhaps"`), "shape.code", "/personalData"},
		"personal data a number":          {doc(`"personalData":1`), "shape.code", "/personalData"},
		"personal data both":              {doc(`"personalData":[true,"否"]`), "shape.several", "/personalData/1"},
		"importance unknown":              {doc(`"importance":"普通"`), CodeUnknownLevel, "/importance"},
		"level with an override":          {doc(`"安全级别":"公\u202e开"`), CodeUnknownLevel, "/安全级别"},
		"level nearly public":             {doc(`"安全级别":"公开★"`), CodeUnknownLevel, "/安全级别"},
		"audience restricted":             {doc(`"audience":"restricted"`), CodeUnknownLevel, "/audience"},
		"wrong check digit, Chinese keys": {doc(`"提供方":{"统一社会信用代码":"91512081MA62K0260F"}`), "identifier.check_digit", "/提供方/统一社会信用代码"},
		"wrong USCC":                      {doc(`"publisher":{"name":"a","uscc":"91512081MA62K0260F"}`), "identifier.check_digit", "/publisher/uscc"},
		"USCC a number":                   {doc(`"统一社会信用代码":91512081000000`), "shape.type", "/统一社会信用代码"},
		"USCC too short":                  {doc(`"统一社会信用代码":"91512081MA62K0260"`), "identifier.form", "/统一社会信用代码"},
		"wrong product code":              {doc(`"产品标识码":"691512081MA62K0260E31000000000AA"`), "identifier.check_digit", "/产品标识码"},
		"wrong platform code":             {doc(`"platformCode":"491512081MA62K0260E310000000001A"`), "identifier.check_digit", "/platformCode"},
		"wrong code as identifier":        {doc(`"identifier":"691512081MA62K0260E31000000000AA"`), "identifier.check_digit", "/identifier"},
		"year 0":                          {doc(`"issued":"0000-01-01"`), "date.range", "/issued"},
		"year 12345":                      {doc(`"modified":"12345-01-01"`), "date.range", "/modified"},
		"30 February":                     {doc(`"modified":"2026-02-30"`), "date.range", "/modified"},
		"month 13":                        {doc(`"temporal":{"startDate":"2026-13-01"}`), "date.range", "/temporal/startDate"},
		"interval beyond":                 {doc(`"temporal":"2026-01-01/99999-01-01"`), "date.range", "/temporal"},
	} {
		t.Run(name, func(t *testing.T) {
			ps := refuse(t, tc.doc)
			p := find(ps, tc.code)
			if p == nil || p.Path != tc.path {
				t.Errorf("want %s at %q, got %v %v", tc.code, tc.path, codes(ps), ps)
			}
		})
	}
}

func TestForbiddenIsNeverOverlooked(t *testing.T) {
	for name, d := range map[string]string{
		"label":               doc(`"安全级别":"机密"`),
		"code":                doc(`"securityLevel":"005"`),
		"IRI":                 doc(`"securityLevel":{"@id":"lm:004"}`),
		"English":             doc(`"securityLevel":"Top Secret"`),
		"with a suffix":       doc(`"securityLevel":"机密★10年"`),
		"importance":          doc(`"importance":"核心数据"`),
		"importance code":     doc(`"数据级别":"core"`),
		"in a concept":        doc(`"安全级别":{"prefLabel":"绝密"}`),
		"on a distribution":   doc(`"distribution":{"accessURL":"https://d.example","安全级别":"机密"}`),
		"in a foreign key":    `{"@context":{"@vocab":"https://e.example/ns#"},"@id":"urn:x:1","@type":"http://www.w3.org/ns/dcat#Dataset","http://purl.org/dc/terms/title":"t","安全级别":"机密"}`,
		"beside other faults": doc(`"安全级别":"机密","可见范围":"x","产品标识码":"1"`),
		"of two offerings":    `{"@context":"https://w3id.org/lianmu/v1","@graph":[{"@id":"urn:x:1","@type":"Dataset","title":"a"},{"@id":"urn:x:2","@type":"Dataset","title":"b","安全级别":"机密"}]}`,
		"of no known type":    `{"@context":"https://w3id.org/lianmu/v1","@id":"urn:x:2","@type":"Thing","title":"b","安全级别":"绝密"}`,
		"third grade":         doc(`"securityLevel":"秘密"`),
		"traditional 1":       doc(`"securityLevel":"機密"`),
		"traditional 2":       doc(`"securityLevel":"絕密級"`),
		"zero-width space":    doc(`"securityLevel":"机\u200b密"`),
		"spaced":              doc(`"securityLevel":"机　 密"`),
		"filler":              doc(`"securityLevel":"絕\u3164密"`),
		"override":            doc(`"securityLevel":"\u202e机\u202c密"`),
		"punctuated":          doc(`"securityLevel":"机·密"`),
		"full width":          doc(`"securityLevel":"ＴＯＰ－ＳＥＣＲＥＴ"`),
		"full-width code":     doc(`"securityLevel":"０\u200b０５"`),
		"core, broken":        doc(`"importance":"核\u2060心"`),
		"audience":            doc(`"可见范围":"机密"`),
		"audience 2":          doc(`"audience":["公开","Con\u00adfidential"]`),
		"rights":              doc(`"securityLevel":"001","http://purl.org/dc/terms/accessRights":"机密"`),
		"rights, an IRI":      doc(`"securityLevel":"001","accessRights":{"@id":"http://publications.europa.eu/resource/authority/access-right/CONFIDENTIAL"}`),
		"rights, a node":      doc(`"securityLevel":"001","accessRights":{"prefLabel":"内部 秘密"}`),
		"rights, foreign key": doc(`"securityLevel":"001","访问权限":"機密"`),
		"dct:rights":          doc(`"securityLevel":"001","rights":"Strictly confidential"`),
		"rights, below":       doc(`"distribution":{"accessURL":"https://d.example","accessRights":"秘密"}`),
		"broken key":          doc(`"安全\u200b级 别":"机密"`),
		"second value":        doc(`"安全级别":["公开","机密"]`),
	} {
		t.Run(name, func(t *testing.T) {
			ps := refuse(t, d)
			n := 0
			for _, p := range ps {
				if p.Code == CodeForbidden {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%s said %d times: %v", CodeForbidden, n, ps)
			}
		})
	}
}

// A hundred other faults do not crowd it out.
func TestForbiddenBesideManyFaults(t *testing.T) {
	bad := strings.TrimSuffix(strings.Repeat(`"a\u202e",`, 150), ",")
	ps := refuse(t, doc(`"theme":[`+bad+`],"zz":{"安全级别":"机密"}`))
	if find(ps, CodeForbidden) == nil || len(ps) > maxProblems+1 {
		t.Errorf("%d problems, forbidden %v", len(ps), find(ps, CodeForbidden))
	}
}

// personal is a made-up identity number with a right check digit.
const personal = "11010519491231002X"

func TestPersonalCodesAreNotRepeated(t *testing.T) {
	if !vocab.IsPersonal(personal) {
		t.Fatal("the sample has no valid check digit")
	}
	for name, d := range map[string]string{
		"title":            `{"@context":"https://w3id.org/lianmu/v1","@id":"urn:x:1","@type":"Dataset","title":"档案 ` + personal + `"}`,
		"description":      doc(`"description":"联系人证件号：` + personal + `。"`),
		"uscc":             doc(`"统一社会信用代码":"` + personal + `"`),
		"subject code":     doc(`"publisher":{"主体标识码":"` + personal + `"}`),
		"identifier":       doc(`"identifier":"` + personal + `"`),
		"identifier IRI":   doc(`"identifier":{"@id":"urn:cn:id:` + personal + `"}`),
		"contact":          doc(`"contact":"` + personal + `"`),
		"publisher":        doc(`"publisher":"` + personal + `"`),
		"publisher's IRI":  doc(`"publisher":{"@id":"urn:cn:` + personal + `"}`),
		"in a data code":   doc(`"产品标识码":"6` + personal + `31000000000A*"`),
		"keyword":          doc(`"keyword":["a","` + personal + `"]`),
		"registrationCode": doc(`"登记编号":"` + personal + `"`),
	} {
		t.Run(name, func(t *testing.T) {
			ps := refuse(t, d)
			for _, p := range ps {
				if strings.Contains(p.Message["zh"]+p.Message["en"], personal) {
					t.Errorf("repeated: %v", p)
				}
			}
			if name != "in a data code" && find(ps, "identifier.personal") == nil {
				t.Errorf("got %v", ps)
			}
		})
	}
}

func TestWarned(t *testing.T) {
	for name, tc := range map[string]struct{ members, code, path string }{
		"no description":          {``, "missing.description", ""},
		"keyword a number":        {`"keyword":["a",7]`, "shape.type", "/keyword/1"},
		"description a number":    {`"description":7`, "shape.type", "/description"},
		"publisher a number":      {`"publisher":7`, "shape.type", "/publisher"},
		"theme true":              {`"theme":true`, "shape.type", "/theme"},
		"date of words":           {`"modified":"last year"`, "date.form", "/modified"},
		"date true":               {`"issued":true`, "shape.type", "/issued"},
		"date to come":            {`"modified":"2026-11-21T12:06:00Z"`, "date.future", "/modified"},
		"end before start":        {`"temporal":"2026-01-01/2020-01-01"`, "date.order", "/temporal"},
		"period of words":         {`"temporal":{"@value":"spring"}`, "date.form", "/temporal"},
		"relative link":           {`"landingPage":"page.html"`, "iri.relative", "/landingPage"},
		"script as link":          {`"landingPage":"javascript:alert(1)"`, "iri.scheme", "/landingPage"},
		"script as endpoint":      {`"accessService":{"endpointURL":"JavaScript:alert(1)"}`, "iri.scheme", "/accessService/endpointURL"},
		"size of words":           {`"distribution":{"byteSize":"large"}`, "shape.type", "/distribution/byteSize"},
		"negative size":           {`"distribution":{"byteSize":-1}`, "shape.type", "/distribution/byteSize"},
		"distribution a number":   {`"distribution":7`, "shape.type", "/distribution"},
		"price of words":          {`"价格":"不贵"`, "price.form", "/价格"},
		"currency unknown":        {`"price":"1","priceCurrency":"shells"`, "price.currency", "/priceCurrency"},
		"box of words":            {`"bbox":"here"`, "geo.form", "/bbox"},
		"box out of range":        {`"bbox":"0,0,200,10"`, "geo.range", "/bbox"},
		"mobile number":           {`"contact":"13800001234"`, "contact.private", "/contact"},
		"person as contact":       {`"contact":{"@type":"vcard:Individual","fn":"张三","email":"desk@example.com"}`, "contact.private", "/contact"},
		"unknown member":          {`"tittle":"x"`, "member.unknown", "/tittle"},
		"two frequencies":         {`"更新频率":["每日","每月"]`, "shape.several", "/更新频率/1"},
		"date far to come":        {`"issued":"9999-12-31"`, "date.future", "/issued"},
		"only later one to come":  {`"modified":["2027","2026-01-01"]`, "date.future", "/modified/0"},
		"rights closed":           {`"securityLevel":"001","accessRights":"non-public"`, "audience.narrowed", "/accessRights"},
		"rights in prose, public": {`"securityLevel":"001","accessRights":"仅供成员单位使用"`, "audience.unclear", "/accessRights"},
		"zero-width space":        {`"keyword":["a","b\u200bc"]`, "text.invisible", "/keyword/1"},
		"next line":               {`"description":"a\u0085b"`, "text.encoding", "/description"},
		"link with bad escape":    {`"landingPage":"https://e.example/%zz"`, "iri.escape", "/landingPage"},
		"link with zero width":    {`"landingPage":"https://e.example/a\u200b"`, "iri.character", "/landingPage"},
		"link without host":       {`"landingPage":"https://[::1/1"`, "iri.host", "/landingPage"},
		"unknown key, turned":     {`"a\u202eb":"x"`, "member.unknown", `/a\u202eb`},
		"access rights in prose":  {`"accessRights":"ask us"`, "audience.unclear", "/accessRights"},
		"policy a number":         {`"dct:x":1,"policy":{"@value":7}`, "shape.type", "/policy"},
		"mis-encoded text":        {`"description":"\u00c3\u0098stfold"`, "text.encoding", "/description"},
		"two texts in a language": {`"description":["a","b"]`, "text.several", "/description/1"},
		"name too long to show":   {`"publisher":"` + strings.Repeat("长", 1500) + `"`, "text.cut", "/publisher"},
	} {
		t.Run(name, func(t *testing.T) {
			rd := accept(t, doc(tc.members))
			p := find(rd.Warnings, tc.code)
			if p == nil || p.Path != tc.path {
				t.Errorf("want %s at %q, got %v", tc.code, tc.path, rd.Warnings)
			}
		})
	}
}

package shape

import (
	"encoding/json"
	"strings"
	"testing"

	"lianmu/vocab"
	"lianmu/vocab/jsonld"
)

// miscopied has the form of an identity number and a wrong check digit.
const miscopied = "110105194912310021"

func TestPersonIn(t *testing.T) {
	for text, want := range map[string]*finding{
		personal: identityNumber, miscopied: identityNumber, strings.ToLower(personal): identityNumber,
		"证件号：" + personal + "。":               identityNumber,
		"ID" + personal:                       identityNumber,
		"110105 19491231 002X":                identityNumber,
		"110105-19491231-002X":                identityNumber,
		"1101 0519 4912 3100 2X":              identityNumber,
		"110105 1949-12-31 002 X":             identityNumber,
		"110105  19491231 - 002X":             identityNumber,
		"1 1 0 1 0 5 1 9 4 9 1 2 3 1 0 0 2 X": identityNumber,
		"１１０１０５１９４９１２３１００２Ｘ":                  identityNumber,
		"110105\u200b19491231\u00ad002X":      identityNumber,
		"110105\u201319491231\u2014002X":      identityNumber,
		"110105\u300019491231\u3000002X":      identityNumber,
		"张三110105194912310021，李四":             identityNumber,
		"1" + personal + "310000000001O":      identityNumber, // within a platform code
		"1" + personal + "310012345678*":      identityNumber,
		"13800001234":                         mobileNumber,
		"手机13800001234":                       mobileNumber,
		"tel13800001234":                      mobileNumber,
		"138-0000-1234":                       mobileNumber,
		"138 0000 1234":                       mobileNumber,
		"+86 138 0000 1234":                   mobileNumber,
		"+8613800001234":                      mobileNumber,
		"(+86)138-00001234":                   mobileNumber,
		"008613800001234":                     mobileNumber,
		"013800001234":                        mobileNumber,
		"１３８００００１２３４":                         mobileNumber,
		"１３８ ００００ １２３４":                       mobileNumber,
		"①③⑧⓪⓪⓪⓪①②③④":                         mobileNumber,
		"tel:+86-138-0000-1234":               mobileNumber,
		"021-60000000 / 13800001234":          mobileNumber,
		"021-60000000 13800001234":            mobileNumber,

		"138.1234.5678":              mobileNumber,
		"138/1234/5678":              mobileNumber,
		"138·1234·5678":              mobileNumber,
		"138・1234・5678":              mobileNumber,
		"138•1234•5678":              mobileNumber,
		"138_1234_5678":              mobileNumber,
		"１３８．１２３４．５６７８":              mobileNumber,
		"138 . 1234 . 5678":          mobileNumber,
		"138-1234.5678":              mobileNumber,
		"电话138.1234.5678。":           mobileNumber,
		"+86.138.1234.5678":          mobileNumber,
		"0086 138.1234.5678":         mobileNumber,
		"021.60000000/138.1234.5678": mobileNumber,
		"v1.138.12 138.1234.5678":    mobileNumber,
		"110105.19491231.002X":       identityNumber,
		"110105/19491231/0021":       identityNumber,

		"138.12345678":                         nil, // a longitude
		"131.2345 45.6789":                     nil,
		"v138.1234.567":                        nil,
		"1.2.156.138.1234.5678":                nil, // an OID
		"138.1234.5678.9":                      nil,
		"/138/2024/1121/a.csv":                 nil, // a date
		"135_2025_1231.csv":                    nil,
		"1.10.1234/2026.11.21":                 nil,
		"192.168.131.1234":                     nil,
		"10.5194/essd-13-2437-2021":            nil,
		"110105.19491331.0021":                 nil,
		"":                                     nil,
		"91512081MA62K0260E":                   nil,
		"913100000000000439":                   nil, // a USCC of digits alone
		"12430000MB0L046927":                   nil,
		"021-60000000":                         nil,
		"+86 21 6000 0000":                     nil,
		"400-800-1234":                         nil,
		"12345678901":                          nil, // no mobile number begins with 12
		"138000012345":                         nil, // twelve digits
		"a1b13800001234c5":                     nil, // within a hash
		"2026-11-21T15:30:00+08:00":            nil,
		"2026-11-21 15:30:00":                  nil,
		"2020-01-01/2025-12-31":                nil,
		"0f3c2138-1234-5678-9d7b-0d4f6a3d1c11": nil, // a UUID
		"urn:uuid:00000138-0000-1234-8000-138000012345": nil,
		spaceKey:                           nil,
		"491512081MA62K0260E310000000001O": nil,
		strings.Repeat("1", 400):           nil,
		strings.Repeat("7 ", 400):          nil,
		"110105 19491331 0021":             nil, // no such month
		"31.2,121.4,31.5,121.8":            nil,
	} {
		if got := personIn(text); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

// Whatever surrounds a number, it is found; whatever is found is not repeated.
func TestPersonalIsRefused(t *testing.T) {
	const name = `"name":{"zh":"示例物流公司"}`
	ours := func(members string) string {
		return `{` + lianmu + `,"@id":"urn:x:1","@type":"Participant",` + members + `}`
	}
	sound := `"subjectCode":"91512081MA62K0260E",` + name
	for what, c := range map[string]struct{ doc, path string }{
		"subject code":            {ours(`"subjectCode":"` + personal + `",` + name), "/subjectCode"},
		"subject code miscopied":  {ours(`"subjectCode":"` + miscopied + `",` + name), "/subjectCode"},
		"subject code spaced out": {ours(`"主体标识码":"110105 19491231 002X",` + name), "/主体标识码"},
		"@id":                     {strings.Replace(ours(sound), "urn:x:1", "urn:x:"+personal, 1), "/@id"},
		"name":                    {ours(`"subjectCode":"91512081MA62K0260E","name":{"zh":"张三 13800001234"}`), "/name/zh"},
		"description":             {ours(sound + `,"description":"经办：张三，138-0000-1234"`), "/description"},
		"unknown member":          {ours(sound + `,"备注":["a",{"x":"１３８００００１２３４"}]`), "/备注/1/x"},
		"a number":                {ours(sound + `,"tel":13800001234`), "/tel"},
		"telephone":               {ours(sound + `,"contact":{"fn":"服务台","telephone":"13800001234"}`), "/contact/telephone"},
		"member 证件号":              {ours(sound + `,"证件号":"E12345678"`), "/证件号"},
		"member 身份证号":             {ours(sound + `,"x":{"法人身份证号":"（略）"}`), "/x/法人身份证号"},
		"member idNumber":         {ours(sound + `,"idNumber":"E12345678"`), "/idNumber"},
		"member id_card_no":       {ours(sound + `,"legal":[{"id_card_no":"1"}]`), "/legal/0/id_card_no"},
		"member passportNo":       {ours(sound + `,"schema:passportNo":"E1"`), "/schema:passportNo"},
		"member's name a number":  {ours(sound + `,"x":{"13800001234":"a"}`), "/x"},
		"a person":                {strings.Replace(ours(sound), `"Participant"`, `["Participant","foaf:Person"]`, 1), "/@type"},
		"a person within":         {ours(sound + `,"contact":{"@type":"vcard:Individual","fn":"服务台"}`), "/contact/@type"},
		"left out by expansion":   {`{"@context":{"lm":"https://w3id.org/lianmu/ns#","foaf":"http://xmlns.com/foaf/0.1/"},"@id":"urn:x:1","@type":"lm:Participant","lm:subjectCode":"91512081MA62K0260E","foaf:name":"a","备注":"` + personal + `"}`, "/备注"},
		"named by a context":      {`{"@context":["https://w3id.org/lianmu/v1",{"zjh":"https://e.example/ns#idNumber"}],"@id":"urn:x:1","@type":"Participant",` + sound + `,"zjh":"E12345678"}`, "/zjh"},
		"typed by a context":      {`{"@context":["https://w3id.org/lianmu/v1",{"R":"https://e.example/ns#NaturalPerson"}],"@id":"urn:x:1","@type":["Participant","R"],` + sound + `}`, "/@type"},
		"in the context":          {`{"@context":["https://w3id.org/lianmu/v1",{"t":"https://e.example/13800001234"}],"@id":"urn:x:1","@type":"Participant",` + sound + `}`, "/@context/1/t"},
		"in the proof":            {ours(sound + `,"proof":{"type":"DataIntegrityProof","nonce":"13800001234"}`), "/proof/nonce"},
		"with other faults":       {ours(`"subjectCode":"91512081MA62K0260F","validUntil":"` + personal + `"`), "/validUntil"},
	} {
		for _, space := range []bool{false, true} {
			doc, code := c.doc, CodePersonal
			if space {
				if what == "@id" {
					continue // which must be a DID anyway
				}
				code = CodeSpacePersonal
				doc = strings.ReplaceAll(strings.ReplaceAll(doc, "Participant", "Space"), `"urn:x:1"`, `"`+spaceKey+`"`)
			}
			ps := refuse(t, doc)
			if p := find(ps, code); p == nil || p.Path != c.path {
				t.Errorf("%s: want %s at %s, got %+v", what, code, c.path, ps)
			}
			said, err := json.Marshal(ps)
			if err != nil {
				t.Fatal(err)
			}
			for _, secret := range []string{personal, miscopied, "19491231", "13800001234", "0000-1234", "００００", "E12345678"} {
				if strings.Contains(string(said), secret) {
					t.Errorf("%s: the refusal repeats it: %s", what, said)
				}
			}
		}
	}
	rd, err := newReader(t).Read(expand(t, strings.Replace(ours(sound), "urn:x:1", "urn:x:"+personal, 1)), testNow)
	if err == nil || rd.ID != "" {
		t.Errorf("the @id is kept: %+v", rd)
	}
}

// What has no person in it is taken, however many digits it has.
func TestNothingPersonal(t *testing.T) {
	for _, members := range []string{
		`,"did":"` + spaceKey + `"`,
		`,"identifier":"urn:uuid:00000138-0000-1234-8000-138000012345"`,
		`,"证件号":"","idNumber":null,"mobile":[]`,
		`,"contact":{"fn":"数据服务台","telephone":"021-60000000","email":"desk@example.com"}`,
		`,"平台标识码":"491512081MA62K0260E310000000001O"`,
		`,"proof":{"type":"DataIntegrityProof","verificationMethod":"did:key:13800001234","proofValue":"13800001234"}`,
	} {
		accept(t, aParticipant(members))
	}
	accept(t, strings.Replace(aParticipant(""), "91512081MA62K0260E", "913100000000000439", 1))
}

// A document that cannot be told for what it is may have been meant as a
// participant: it is not to be kept, and no other problem quotes it.
func TestPersonalInWhatCannotBeTold(t *testing.T) {
	for name, doc := range map[string]string{
		"a slip in the type": `{` + lianmu + `,"@id":"urn:x:1","@type":"Particpant","subjectCode":"` + personal + `"}`,
		"two participants":   `{` + lianmu + `,"@graph":[{"@id":"urn:x:` + personal + `","@type":"Participant"},{"@id":"urn:x:2","@type":"Participant"}]}`,
	} {
		ps := refuse(t, doc)
		said, err := json.Marshal(ps)
		if err != nil {
			t.Fatal(err)
		}
		if find(ps, CodeUnfiledPersonal) == nil || strings.Contains(string(said), personal) {
			t.Errorf("%s: %s", name, said)
		}
	}
	if ps := refuse(t, `{`+lianmu+`,"@id":"urn:x:1","@type":"Particpant","name":"a"}`); find(ps, CodeUnfiledPersonal) != nil {
		t.Errorf("%+v", ps)
	}
}

// A graph made by hand is searched too.
func TestPersonalInABareGraph(t *testing.T) {
	g := &jsonld.Graph{Nodes: []map[string]any{{
		"@id": "urn:x:1", "@type": []any{ownNamespace + "Participant"},
		ownNamespace + "subjectCode": []any{map[string]any{"@value": "91512081MA62K0260E"}},
		ownNamespace + "note":        []any{map[string]any{"@list": []any{map[string]any{"@value": "a"}, map[string]any{"@value": personal}}}},
	}}}
	_, err := newReader(t).Read(g, testNow)
	if p := find(vocab.ProblemsOf(err, ""), CodePersonal); p == nil || p.Path != "/lm:note/1" {
		t.Errorf("%v", err)
	}
}

// Looking for numbers costs linear time, whatever digits there are.
func TestManyDigits(t *testing.T) {
	for _, unit := range []string{"7 ", "7", "7-7X ", "٧ ", "①", "138 "} {
		text := strings.Repeat(unit, 100_000/len(unit))
		few := testing.AllocsPerRun(1, func() { personIn(text[:len(text)/10]) })
		many := testing.AllocsPerRun(1, func() { personIn(text) })
		if many > 20*few+100 {
			t.Errorf("%q: %v allocations for a tenth, %v for all", unit, few, many)
		}
	}
}

func BenchmarkReadParticipant(b *testing.B) {
	r, g := newReader(b), expand(b, aParticipant(`,"role":["provider"],"validUntil":"2027-12-31","description":"021-60000000"`))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Read(g, testNow); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHostileDigits is the dearest text of the largest document.
func BenchmarkHostileDigits(b *testing.B) {
	text := strings.Repeat("7 ", 120_000)
	b.ReportAllocs()
	for b.Loop() {
		if personIn(text) != nil {
			b.Fatal("found")
		}
	}
}

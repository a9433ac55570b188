package shape

import (
	"slices"
	"strings"
	"testing"
	"time"

	"lianmu/vocab"
)

// A document without a context hears that first, and what to add.
func TestContextMissing(t *testing.T) {
	for name, d := range map[string]string{
		"plain keys":       `{"@id":"urn:x:1","类型":"数据产品","标题":"测试泊位"}`,
		"plain title":      `{"@id":"urn:x:1","@type":"http://www.w3.org/ns/dcat#Dataset","title":"t"}`,
		"plain graph":      `{"@graph":[{"id":"urn:x:1","type":"Dataset","title":"t"}]}`,
		"plain everything": `{"标识":"urn:x:1","类型":"数据产品","标题":"t"}`,
	} {
		ps := refuse(t, d)
		if p := ps[0]; p.Code != "context.missing" || p.Path != "/@context" || !strings.Contains(p.Message["zh"], `"@context": "https://w3id.org/lianmu/v1"`) || !strings.Contains(p.Message["en"], `"@context": "https://w3id.org/lianmu/v1"`) {
			t.Errorf("%s: %+v", name, ps)
		}
		if find(ps, "type.missing") != nil {
			t.Errorf("%s: the type is there: %+v", name, ps)
		}
	}
	for name, d := range map[string]string{
		"prefixes undeclared": `{"@id":"urn:x:1","@type":"dcat:Dataset","dct:title":"t"}`,
		"another context":     `{"@context":{"@vocab":"https://e.example/"},"@id":"urn:x:1","类型":"数据产品","标题":"t"}`,
	} {
		if ps := refuse(t, d); find(ps, "context.missing") != nil || find(ps, "type.missing") == nil {
			t.Errorf("%s: %+v", name, ps)
		}
	}
	// Nothing is wrong with a document that needs none.
	accept(t, `{"@type":"Withdrawal","@id":"urn:x:1","why":"maintenance"}`)
}

func TestOddIDs(t *testing.T) {
	for id, odd := range map[string]bool{
		"https://e.example/e\u0301":                     true,
		"https://e.example/\u00e9":                      false,
		"https://a:b@e.example/1":                       true,
		"did:key:z6MkExample":                           true,
		"did:web:e.example#data-1":                      false,
		"https://数据.example/泊位":                         false,
		"urn:uuid:0f3c2f6e-4f0a-4c56-9d7b-0d4f6a3d1c11": false,
	} {
		rd := accept(t, `{"@context":"https://w3id.org/lianmu/v1","@id":"`+id+`","@type":"Dataset","title":"t"}`)
		if p := find(rd.Warnings, "id.form"); (p != nil) != odd {
			t.Errorf("%s: %v", id, p)
		}
	}
}

// Order hangs on these dates: what is to come does not count.
func TestFutureDatesAreLeftOut(t *testing.T) {
	for members, want := range map[string]string{ // now is 2026-11-21T12:00:00Z
		`"modified":"9999-12-31","issued":"2027-01-01T00:00:00Z"`: "0001-01-01",
		`"modified":["2027","2026-01-02"]`:                        "2026-01-02",
		`"modified":"2026-11-21T12:04:00Z"`:                       "2026-11-21",
		`"modified":"2026-11-22"`:                                 "2026-11-22", // today, east of here
		`"modified":"2026-11-23"`:                                 "0001-01-01",
		`"modified":"2026-11-22T00:00:00Z"`:                       "0001-01-01",
	} {
		o := accept(t, doc(members)).Offering
		if got := o.Modified.Format(time.DateOnly); got != want || !o.Issued.IsZero() {
			t.Errorf("%s: modified %s, issued %s", members, got, o.Issued)
		}
	}
}

// Statements of rights can only narrow what the rest says.
func TestRightsNarrow(t *testing.T) {
	const public, recognised, space = vocab.AudiencePublic, vocab.AudienceRecognised, vocab.AudienceSpace
	for members, want := range map[string]vocab.Audience{
		`"accessRights":"public"`:                                            public,
		`"securityLevel":"001","accessRights":"Restricted"`:                  space,
		`"securityLevel":"001","accessRights":"non-public"`:                  space,
		`"securityLevel":"001","accessRights":"有条件开放"`:                       recognised,
		`"securityLevel":"001","accessRights":"see our terms"`:               space,
		`"audience":"public","accessRights":"see our terms"`:                 public,
		`"audience":"public","accessRights":"non-public"`:                    space,
		`"securityLevel":"001","accessRights":"本产品不含机密信息"`:                   space,
		`"securityLevel":"001","rights":"restricted"`:                        space,
		`"securityLevel":"001","rights":"© 2026 Example. No trade secrets."`: "",
		`"rights":"public"`: "",
		`"securityLevel":"001","accessRights":{"@id":"http://publications.europa.eu/resource/authority/access-right/RESTRICTED"}`: space,
	} {
		if got := accept(t, doc(members)).Offering.Audience; got != want {
			t.Errorf("%s: %q, want %q", members, got, want)
		}
	}
}

// What cannot be seen is taken out of what is shown; joiners stay.
func TestInvisibleIsLeftOut(t *testing.T) {
	rd := accept(t, doc(`"keyword":["\ufeff泊\u200b位\u200e","\u06a9\u200c\u06af","\u3164"],"publisher":{"name":"示\u2062例"},"description":{"en\u202e":"words"}`))
	o := rd.Offering
	if got := o.Keywords["zh"]; !slices.Equal(got, []string{"泊位"}) {
		t.Errorf("%q", got)
	}
	if got := o.Keywords["und"]; !slices.Equal(got, []string{"\u06a9\u200c\u06af"}) {
		t.Errorf("%q", got)
	}
	if o.Publisher.Name["zh"] != "示例" || o.Description["und"] != "words" {
		t.Errorf("%q %q", o.Publisher.Name, o.Description)
	}
}

package shape

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"lianmu/vocab"
)

const (
	holder   = "91512081MA62K0260E"
	aProduct = "691512081MA62K0260E31000000000A*"
)

// aConsent is a sound one with more members.
func aConsent(members string) string {
	return `{` + lianmu + `,"@id":"https://space.example/consents/1","@type":"ListingConsent","subjectCode":"` + holder + `","productCode":"` + aProduct + `","space":"` + spaceKey + `"` + members + `}`
}

func TestConsentInFull(t *testing.T) {
	for name, d := range map[string]string{
		"Chinese keys": `{` + lianmu + `,"@id":"urn:x:c1","类型":"上架授权","主体标识码":"91512081ma62k0260e","DID":"` + otherKey + `","产品标识码":["` + aProduct + `","` + aProduct + `•旧-1"],
			"可上架空间":["` + spaceKey + `","did:web:b.example"],"有效期至":"2027-12-31","可见范围":"公开"}`,
		"English keys": `{` + lianmu + `,"id":"urn:x:c1","type":"ListingConsent","uscc":"91512081MA62K0260E","did":{"@id":"` + otherKey + `"},"productCode":["` + aProduct + `","` + aProduct + `","` + aProduct + `•旧-1"],
			"space":[{"@id":"` + spaceKey + `"},"did:web:b.example","` + spaceKey + `"],"validUntil":"2028-01-01T00:00:00Z"}`,
		"prefixes": `{"@context":{"lm":"https://w3id.org/lianmu/ns#"},"@id":"urn:x:c1","@type":"lm:ListingConsent","lm:subjectCode":"91512081MA62K0260E","lm:did":"` + otherKey + `","lm:productCode":["` + aProduct + `","` + aProduct + `•旧-1"],
			"lm:space":["` + spaceKey + `","did:web:b.example"],"lm:validUntil":"2027-12"}`,
	} {
		rd := accept(t, d)
		want := &vocab.Consent{
			ID: "urn:x:c1", Holder: holder, DID: otherKey, Products: []string{aProduct, aProduct + "•旧-1"}, Spaces: []string{spaceKey, "did:web:b.example"},
			ValidUntil: time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC),
		}
		if rd.Kind != vocab.KindConsent || rd.ID != "urn:x:c1" || !reflect.DeepEqual(rd.Consent, want) || typed(rd) != 1 || len(rd.Warnings) > 0 {
			t.Errorf("%s:\n%+v\n%+v %v", name, rd.Consent, want, rd.Warnings)
		}
	}
	c := accept(t, aConsent("")).Consent
	if c.DID != "" || !c.ValidUntil.IsZero() || len(c.Products) != 1 || len(c.Spaces) != 1 {
		t.Errorf("%+v", c)
	}
	if rd := accept(t, aConsent(`,"validUntil":"2020-01-01"`)); find(rd.Warnings, "date.past") == nil {
		t.Error("not warned of what is past")
	}
}

func TestConsentRefused(t *testing.T) {
	many := func(n int, form string) string {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprintf(form, i)
		}
		return `["` + strings.Join(all, `","`) + `"]`
	}
	without := func(member string) string {
		d := aConsent("")
		at := strings.Index(d, `,"`+member+`":`)
		end := strings.IndexAny(d[at+1:], ",}")
		return d[:at] + d[at+1+end:]
	}
	for name, c := range map[string]struct{ doc, code, path string }{
		"no holder":            {without("subjectCode"), "member.missing", ""},
		"no product":           {without("productCode"), "member.missing", ""},
		"no space":             {without("space"), "member.missing", ""},
		"no id":                {without("@id"), "id.missing", "/@id"},
		"empty holder":         {strings.Replace(aConsent(""), holder, " ", 1), "subject.missing", "/subjectCode"},
		"empty product":        {strings.Replace(aConsent(""), aProduct, " ", 1), "member.missing", "/productCode"},
		"two holders":          {aConsent(`,"uscc":"12430000MB0L046927"`), "member.several", "/uscc"},
		"another's product":    {strings.Replace(aConsent(""), `"subjectCode":"`+holder, `"subjectCode":"12430000MB0L046927`, 1), "consent.holder", "/productCode"},
		"check digit":          {strings.Replace(aConsent(""), "A*", "B*", 1), "identifier.check_digit", "/productCode"},
		"a platform's code":    {strings.Replace(aConsent(""), aProduct, "1"+aProduct[1:], 1), "identifier.form", "/productCode"},
		"a person":             {strings.Replace(aConsent(""), `"subjectCode":"`+holder, `"subjectCode":"11010519491231002X`, 1), CodeConsentPersonal, "/subjectCode"},
		"a person beside":      {aConsent(`,"https://x.example/note":"手机 13800138000"`), CodeConsentPersonal, "/https:~1~1x.example~1note"},
		"too many products":    {strings.Replace(aConsent(""), `"`+aProduct+`"`, many(65, aProduct+"•%d"), 1), "shape.many", "/productCode"},
		"too many spaces":      {strings.Replace(aConsent(""), `"`+spaceKey+`"`, many(65, "did:web:%d.example"), 1), "shape.many", "/space"},
		"no DID of a space":    {strings.Replace(aConsent(""), spaceKey, "space.example", 1), "did.form", "/space"},
		"a DID that is no key": {aConsent(`,"did":"did:web:p.example"`), "key.form", "/did"},
		"two DIDs":             {aConsent(`,"did":["` + spaceKey + `","` + otherKey + `"]`), "member.several", "/did/1"},
		"validity unclear":     {aConsent(`,"validUntil":"长期"`), "date.form", "/validUntil"},
		"for its space":        {aConsent(`,"audience":"space"`), "consent.public", ""},
		"for some":             {aConsent(`,"可见范围":"互认"`), "consent.public", ""},
		"restricted":           {aConsent(`,"http://purl.org/dc/terms/accessRights":"restricted"`), "consent.public", ""},
		"audience unknown":     {aConsent(`,"audience":"friends"`), CodeUnknownLevel, "/audience"},
		"secret":               {aConsent(`,"securityLevel":"机密"`), CodeForbidden, "/securityLevel"},
		"a member of others":   {aConsent(`,"role":"provider"`), "member.unknown", "/role"},
		"a slip of the pen":    {aConsent(`,"validuntil":"2027-01-01"`), "member.unknown", "/validuntil"},
		"a participant too":    {strings.Replace(aConsent(""), `"ListingConsent"`, `["ListingConsent","Participant"]`, 1), "type.several", "/@type"},
	} {
		ps := refuse(t, c.doc)
		if p := find(ps, c.code); p == nil || p.Path != c.path {
			t.Errorf("%s: want %s at %s, got %+v", name, c.code, c.path, ps)
		}
	}
	accept(t, strings.Replace(aConsent(""), `"`+aProduct+`"`, many(64, aProduct+"•%d"), 1))
}

// A consent is withdrawn like an offering.
func TestConsentWithdrawn(t *testing.T) {
	if rd := accept(t, `{`+lianmu+`,"@id":"https://space.example/consents/1","@type":"Withdrawal"}`); rd.Kind != vocab.KindWithdrawal || rd.Consent != nil {
		t.Errorf("%+v", rd)
	}
}

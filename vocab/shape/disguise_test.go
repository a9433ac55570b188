package shape

import (
	"strings"
	"testing"

	"lianmu/vocab"
)

// older is a made-up identity number of 15 digits; disguised ones follow.
const older = "110105900307851"

func TestPersonInDisguise(t *testing.T) {
	for _, text := range []string{
		"(138)0013 8000", "（138）0013-8000", "138,0013,8000", "138、0013、8000", "138，0013，8000", "138:0013:8000", "138|0013|8000",
		"138~0013~8000", `138\\0013\\8000`, "138;0013;8000", "138*0013*8000", "138#0013#8000", "138+0013+8000", "138=0013=8000", "[138][0013][8000]",
		"138 (0013) 8000", "138 -- 0013 -- 8000", "1,3,8,0,0,1,3,8,0,0,0", "1380,013,8000", "138,00138000", "1380013,8000",
		"+86,138,0013,8000", "86(138)0013 8000", "0086:138:0013:8000", "0,138,0013,8000", "+86138,0013,8000",
		"tel:138%300138000", "tel:%31%33%38%30%30%31%33%38%30%30%30", "138%2C0013%2C8000", "138%252C0013%252C8000", "tel:+86%20138%200013%208000",
		"一三八〇〇一三八〇〇〇", "一三八零零一三八零零零", "壹叁捌零零壹叁捌零零零", "幺三八〇〇幺三八〇〇〇", "电话一三八〇〇一三八〇〇〇转", "138〇〇138〇〇〇", "一三八 〇〇一三 八〇〇〇",
		"138O0138OOO", "l38OOl38OOO", "I3800138000", "138-OO13-8OOO", "138,oo13,8ooo",
		"١٣٨٠٠١٣٨٠٠٠", "1️⃣3️⃣8️⃣0️⃣0️⃣1️⃣3️⃣8️⃣0️⃣0️⃣0️⃣", "𝟏𝟑𝟖𝟎𝟎𝟏𝟑𝟖𝟎𝟎𝟎",
		"联系 2026-11-21 15:30 138,0013,8000", "见 https://d.example/1 或 138、0013、8000", "138,0013,8000,139,0013,8001",
		`["138","00138000"]`,
	} {
		text = strings.ReplaceAll(text, `\\`, `\`)
		if got := personIn(text); got != mobileNumber {
			t.Errorf("%q: %v", text, got)
		}
	}
	for _, text := range []string{
		"110105,19900307,851x", "110105、19491231、002X", "110105|1949|12|31|0021", "(110105)19491231(0021)", "110105,194912310021",
		"110105:19491231:002x", "11O1O519491231OO2X", "1101051949I23I002X", "一一〇一〇五一九四九一二三一〇〇二X", "110105%2019491231%20002X",
		"11,01,05,19,49,12,31,00,2X",
		older, "张三" + older, "110105-900307-851", "110105,900307,851", "11O1O59OO3O7851", "一一〇一〇五九〇〇三〇七八五一", "ID" + older,
		"1" + miscopied + "310000000001O", "4" + miscopied + "310112345678*",
	} {
		if got := personIn(text); got != identityNumber {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// Numbers of other kinds are left alone, however many digits they have.
func TestNoPersonInOtherNumbers(t *testing.T) {
	for _, text := range []string{
		// codes of organisations, products, contracts, places, standards
		"91512081MA62K0260E", "913100000000000439", "9131 0000 0000 0004 39", "12430000MB0L046927", "491512081MA62K0260E310000000001O",
		"691512081MA62K0260E310000000001O•138,0013", "GB/T 13800-2013", "ISBN 978-7-138-00138-0", "ISSN 1380-0138", "10.13800/j.cnki.2013.8000",
		"310000000012345", "000000000000000", "110000900307851", "999999900307851",
		// dates and times
		"2026-11-15 08:30:00.123", "2026-11-15T08:30:00.123Z", "2026-11-15 08:30:00,123", "2026年11月15日 18:30:00", "13:00-18:00", "2013-12-31/2014-12-31",
		"20261121153000", "1700000000000", "1700000000", "1763712345678901", "2026/11/15 08:30:00 138", "15/11/2026 08:30:00",
		// amounts, decimals, places, lists
		"130,000,000.00", "138,000,138.00", "1,380,013,800", "138.0013,35.6789", "35.1234,138.1234,1000", "138.12345678", "121.4737,31.2304,138.1234,35.6895",
		"131,2345,45,6789", "1.38e10", "138 万 0013 条 8000 元", "138%", "100%2026", "138.1234,5678", "136.7123;35.1234",
		// addresses, versions, identifiers of other systems
		"192.168.131.12:8080", "172.16.138.1", "1.2.156.138.1234.5678", "2.16.156.10197.1.501", "v15.138.1234.5678", "2001:138:13:8000::1",
		"https://d.example/1380/0138/000?x=138,0013,8000", "https://d.example/item/" + older, "http://e.example:13800/138,0013,8000", "nats://10.138.0.13:8000",
		"urn:oid:1.2.138.1380.0138.1", "did:web:example.com:u:138", spaceKey, "did:key:zDnaeSDzmqJ6eYqvY6ZrbxCjRDhWDSxmVJsHwTXt4UWXvBJYe",
		"sha256:13800138000abcdef0123456789abcdef0123456789abcdef0123456789abcde", "a1b13800138000c5", "urn:uuid:13800138-0001-4138-8000-138001380000",
		// words
		"第一、二、三、四、五、六、七、八、九章", "一三五七九，二四六八〇", "二〇二六年十一月二十一日", "三一重工", "Ol lo Il OO lIlI oO Ol", "一一对应",
		"400-800-1380", "021,6000,0000", "(021)6000 0000", "12345,678901", "服务台 8000 分机 138",
	} {
		if got := personIn(text); got != nil {
			t.Errorf("%q is taken for %s", text, got.en)
		}
	}
}

// Members of a list, and members meant for a person's papers, are looked at too.
func TestPersonalInListsAndMembers(t *testing.T) {
	for members, path := range map[string]string{
		`,"x":["138","00138000"]`:                    "/x",
		`,"x":["138","0013","8000"]`:                 "/x",
		`,"x":[138,13800001]`:                        "/x",
		`,"x":["110105","19491231","002X"]`:          "/x",
		`,"港澳通行证":"C1"`:                              "/港澳通行证",
		`,"cell":"x"`:                                "/cell",
		`,"x":{"cell_number":"x"}`:                   "/x/cell_number",
		`,"did":"did:web:example.com:138:0013:8000"`: "/did",
		`,"x":"tel:138%300138000"`:                   "/x",
		`,"x":` + older:                              "/x",
		`,"description":"负责人 ` + older + `"`:         "/description",
	} {
		if p := find(refuse(t, aParticipant(members)), CodePersonal); p == nil || p.Path != path {
			t.Errorf("%s: %+v", members, p)
		}
	}
	for _, members := range []string{`,"x":[138.1234,35.5678,138.4321,36.1]`, `,"x":["2019","2020","2021"]`, `,"x":["a",138,"00138000"]`, `,"cellular":"5G"`, `,"x":[1,2,3]`} {
		accept(t, aParticipant(members))
	}
}

// A code of a person that was mistyped is no organisation's mistyped code: it is
// refused as a person's, and nothing of it is quoted or kept.
func TestMistypedPersons(t *testing.T) {
	for _, code := range []string{
		"11010519900307851", "1101051990030785123", "11O1O519900307851X", "110105199003078512", "110105 19900307 851", "10105199003078512", older, "110105900307O51", "13800138000",
	} {
		for _, d := range []string{
			strings.Replace(aParticipant(""), "91512081MA62K0260E", code, 1),
			`{` + lianmu + `,"@id":"` + spaceKey + `","@type":"Space","name":"示例空间","operator":{"name":"示例","uscc":"` + code + `"}}`,
			doc(`"publisher":{"name":"示例","uscc":"` + code + `"}`),
		} {
			ps := refuse(t, d)
			personal := false
			for _, p := range ps {
				personal = personal || strings.HasSuffix(p.Code, ".personal")
				for _, text := range p.Message {
					if strings.Contains(text, code) || strings.Contains(text, "19900307") {
						t.Errorf("%s is repeated: %s", code, text)
					}
				}
			}
			if !personal {
				t.Errorf("%s: %+v", code, ps)
			}
		}
	}
	for _, code := range []string{"91512081MA62K0260F", "913100000000000438", "91512081MA62K026", "MA62K026-0", "1243000OMB0L046927"} {
		ps := refuse(t, strings.Replace(aParticipant(""), "91512081MA62K0260E", code, 1))
		for _, p := range ps {
			if strings.HasSuffix(p.Code, ".personal") {
				t.Errorf("%s: %+v", code, p)
			}
		}
	}
}

// A contact that is a person's number is left out, however it is written.
func TestContactsInDisguise(t *testing.T) {
	for _, contact := range []string{"(138)0013-8000", "138、0013、8000", "一三八〇〇一三八〇〇〇", "138O0138OOO", "tel:138%300138000"} {
		rd := accept(t, doc(`"contactPoint":"`+contact+`"`))
		if rd.Offering.Contact != "" || find(rd.Warnings, "contact.private") == nil {
			t.Errorf("%s: %q %+v", contact, rd.Offering.Contact, rd.Warnings)
		}
		if ps := refuse(t, `{`+lianmu+`,"@id":"`+spaceKey+`","@type":"Space","name":"示例空间","contact":"`+contact+`"}`); find(ps, CodeSpacePersonal) == nil {
			t.Errorf("%s in a descriptor: %+v", contact, ps)
		}
	}
	if rd := accept(t, doc(`"contactPoint":"数据服务台 021-60000000"`)); rd.Offering.Contact == "" {
		t.Errorf("%+v", rd.Warnings)
	}
}

func TestForms(t *testing.T) {
	for s, want := range map[string]bool{older: true, "110105901307851": false, "110105900307000": false, "": false} {
		if vocab.OlderPersonal(s) != want {
			t.Errorf("%s: %v", s, !want)
		}
	}
}

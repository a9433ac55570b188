package shape

import (
	"slices"

	"lianmu/vocab"
)

var consentMembers = []string{"productCode", "subjectCode", "uscc", "did", "space", "validUntil", "audience"}

// consent reads that the holder of products lets spaces list them, as strictly
// as an act: listings are put together by it on every hub. It is for everybody;
// one that says otherwise would be of no use, and is refused.
func (rd *reading) consent(s subject) *vocab.Consent {
	c := &vocab.Consent{}
	rd.foreign(s, consentMembers)
	if v, ok := rd.must(s, "持有方的主体标识码（subjectCode）", "the holder's subject code (subjectCode)", "subjectCode", "uscc"); ok {
		if c.Holder = rd.codeOf(v, vocab.CheckSubject); c.Holder == "" && len(rd.problems) == 0 {
			rd.refuse(v.at, "subject.missing", "缺少主体标识码：请写明持有方的统一社会信用代码。", "The subject code is missing: give the holder's unified social credit code.")
		}
	}
	c.Products = rd.distinct(s, "产品标识码（productCode）", "the codes of the products (productCode)", "productCode", func(v value) string {
		code := rd.codeOf(v, vocab.CheckProduct)
		if code != "" && c.Holder != "" && code[1:19] != c.Holder {
			rd.refuse(v.at, "consent.holder", "产品标识码中的主体不是持有方 %[1]s：只有标识码所属的主体可以授权，请核对。", "The subject within this code is not the holder, %[1]s: only the one whose code it is may consent. Check it.", c.Holder)
		}
		return code
	})
	c.Spaces = rd.distinct(s, "可上架空间（space）", "the spaces that may list them (space)", "space", rd.did)
	if v, ok := rd.one(s, "did"); ok {
		c.DID = rd.key(v)
	}
	c.ValidUntil = rd.validUntil(rd.ours(s, "validUntil"))
	if a := rd.audience(s); a != "" && a != vocab.AudiencePublic {
		rd.refuse(*s.at, "consent.public", "上架授权须人人可见，别的目录节点才能据此合并登记：请删去可见范围、访问权限等限制。", "A consent is for everybody, or other hubs could not go by it: take out what narrows who may see it (audience, access rights).")
	}
	return c
}

// distinct reads the values of a member, of which there must be some, and takes
// each once.
func (rd *reading) distinct(s subject, zh, en, name string, read func(value) string) []string {
	values := rd.ours(s, name)
	switch {
	case len(values) == 0:
		rd.refuse(*s.at, "member.missing", "缺少%[1]s：请补上。", "It lacks %[2]s: add it.", zh, en)
		return nil
	case len(values) > vocab.MaxConsented:
		rd.refuse(s.at.member(ownNamespace+name), "shape.many", "此项最多 %[1]d 个：请分几份。", "At most %[1]d are allowed: use several documents.", vocab.MaxConsented)
		return nil
	}
	out := make([]string, 0, len(values))
	for _, v := range values {
		text := read(v)
		if text == "" && len(rd.problems) == 0 {
			rd.refuse(v.at, "member.missing", "缺少%[1]s：请补上。", "It lacks %[2]s: add it.", zh, en)
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

package shape

import (
	"encoding/base64"
	"slices"
	"strings"

	"lianmu/vocab"
)

const mostLeaf = 256 // bytes of a leaf record; version 1 has 74

// grounds are the words for why a body was deleted.
var grounds = map[string]string{
	"authority": "authority", "主管机关要求": "authority",
	"personal": "personal", "个人信息": "personal",
	"classified": "classified", "涉密": "classified",
	"retention": "retention", "保存期满": "retention",
}

var redactionMembers = []string{"index", "leaf", "ground", "signer", "keys", "key", "offeringKey", "created", "contentDigest", "nameBarred", "audience", "hub"}

// redaction reads that the body of an entry was deleted, as strictly as an act.
func (rd *reading) redaction(s subject) *vocab.Redaction {
	r := &vocab.Redaction{}
	r.Reason, r.By, r.Second = rd.decided(s)
	rd.foreign(s, slices.Concat(decisionMembers, redactionMembers))
	if v, ok := rd.position(s); ok {
		r.Index = rd.whole(v)
	}
	if v, ok := rd.must(s, "叶记录（leaf）", "the leaf record (leaf)", "leaf"); ok {
		r.Leaf = rd.leaf(v)
	}
	if v, ok := rd.must(s, "依据（ground）", "the ground (ground)", "ground"); ok {
		text, _, _ := v.text()
		if r.Ground = grounds[strings.ToLower(strings.TrimSpace(text))]; r.Ground == "" {
			rd.refuse(v.at, "redaction.ground", "依据应为以下之一：主管机关要求、个人信息、涉密、保存期满。", "The ground is one of authority, personal, classified, retention.")
		}
	}
	if v, ok := rd.one(s, "space"); ok {
		r.Space = rd.did(v)
	}
	if v, ok := rd.one(s, "signer"); ok {
		r.Signer = rd.key(v)
	}
	r.Keys = rd.keys(s)
	if v, ok := rd.one(s, "offeringKey"); ok {
		r.Key = vocab.Key(rd.digest(v))
	}
	if v, ok := rd.one(s, "created"); ok {
		r.Created = rd.moment(v)
	}
	if v, ok := rd.one(s, "contentDigest"); ok {
		r.Content = rd.digest(v)
	}
	if v, ok := rd.one(s, "nameBarred"); ok {
		r.Barred = rd.yes(v)
	}
	r.Hub = rd.homeHub(s)
	if v, ok := rd.one(s, "audience"); ok {
		text, _, _ := v.text()
		switch a := vocab.Audience(text); a {
		case vocab.AudiencePublic, vocab.AudienceRecognised, vocab.AudienceSpace:
			r.Audience = a
		default:
			rd.refuse(v.at, "redaction.audience", "可见范围应为 public、recognised 或 space。", "The audience is public, recognised or space.")
		}
	}
	return r
}

// position reads which entry it is. Our context reads the plain key "index" as
// ODRL's action of that name.
func (rd *reading) position(s subject) (value, bool) {
	const odrlIndex = "http://www.w3.org/ns/odrl/2/index"
	if plain, ok := s.node[odrlIndex]; ok {
		if values := appendValues(nil, s.at, odrlIndex, plain); len(values) == 1 && len(rd.ours(s, "index")) == 0 {
			return values[0], true
		}
		rd.refuse(s.at.member(odrlIndex), "member.several", "此项只能有一个值。", "This takes one value.")
		return value{}, false
	}
	return rd.must(s, "记录序号（index）", "the entry's position (index)", "index")
}

// leaf reads a leaf record in base64url without padding (RFC 4648, section 5).
func (rd *reading) leaf(v value) []byte {
	text, _, _ := v.text()
	if len(text) <= base64.RawURLEncoding.EncodedLen(mostLeaf) {
		if b, err := base64.RawURLEncoding.Strict().DecodeString(text); err == nil && len(b) > 0 {
			return b
		}
	}
	rd.refuse(v.at, "redaction.leaf", "叶记录应为不带填充的 base64url 文本。", "A leaf record is base64url text without padding.")
	return nil
}

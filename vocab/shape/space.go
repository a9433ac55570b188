package shape

import (
	"regexp"
	"slices"
	"strings"

	"lianmu/vocab"
)

// Bounds of a space's descriptor.
const (
	mostKeys      = 16
	mostEndpoints = 16
	mostRoles     = 16
	mostSchemes   = 64
	mostDID       = 2048 // bytes
)

var wordLimit = limit{shown: 64, most: 64} // of a word for programs

// didForm is a DID without path, query or fragment (DID Core 3.1).
var didForm = regexp.MustCompile(`^did:[a-z0-9]+:[A-Za-z0-9._:%-]+$`)

func isDID(s string) bool { return len(s) <= mostDID && didForm.MatchString(s) }

// keyForm is a did:key of an Ed25519 key: the multicodec 0xed01 and 32 bytes
// in base58btc. Whether the key is a sound one is package identity's to say.
var keyForm = regexp.MustCompile(`^did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}$`)

// space reads a space's descriptor. Its name is required, and what is given
// must be right; what else a descriptor should have is only warned of, so that
// a trial can begin with a name.
func (rd *reading) space(s subject) *vocab.Space {
	sp := &vocab.Space{
		Name:        rd.textOf(s, "title", titleLimit, true),
		Description: rd.textOf(s, "description", descriptionLimit, false),
		Type:        rd.spaceType(s),
		Operator:    rd.operator(s),
		Homepage:    rd.link(s, "homepage"),
		Contact:     rd.contact(s),
		Roles:       rd.roles(s),
		Endpoints:   rd.endpoints(s),
		Keys:        rd.keys(s),
		Audience:    rd.defaultAudience(s),
		Schemes:     rd.schemes(s),
		Hub:         rd.homeHub(s),
	}
	switch {
	case len(rd.problems) > 0:
	case len(sp.Name) == 0:
		rd.refuse(*s.at, "title.missing", "缺少名称：请用“名称”写明空间叫什么。", "The name is missing: say what the space is called, as \"name\".")
	case !hasReader(sp.Name):
		rd.refuse(s.at.member(rd.present(s, "title")), "title.language", "名称没有中文也没有英文：请至少写一种。", "The name is neither in Chinese nor in English: give it in one of them.")
	}
	_, places := rd.extent(s)
	if t := rd.terms(s, "region", places...); len(t) > 0 {
		sp.Region = t[0]
	}
	if t := rd.terms(s, "industry"); len(t) > 0 {
		sp.Industry = t[0]
	}
	rd.unknownMembers(s, "key", "keys", "hub")
	rd.warnSecrecy("不予采用", "and is not used")
	rd.oddSpace(s, sp)
	return sp
}

// hasReader reports whether a name is in Chinese or English, or may be.
func hasReader(t vocab.Text) bool {
	return t["zh"] != "" || t["zh-hant"] != "" || t["en"] != "" || t["und"] != ""
}

// oddSpace says what an operator who decides on the descriptor should ask
// about.
func (rd *reading) oddSpace(s subject, sp *vocab.Space) {
	if len(rd.problems) > 0 {
		return
	}
	noOperator := len(sp.Operator.Name) == 0 && sp.Operator.ID == ""
	for _, m := range []struct {
		gone         bool
		code, zh, en string
	}{
		{!said(sp.Type), "missing.spaceType", "没有写明空间类型（企业、行业、城市、个人、跨境）。", "It does not say the type of the space (enterprise, industry, city, personal, cross-border)."},
		{len(sp.Description) == 0, "missing.description", "没有写明描述。", "It has no description."},
		{noOperator, "missing.operator", "没有写明运营方。", "It does not say who operates the space."},
		{!noOperator && sp.Operator.Code == "", "missing.uscc", "没有写明运营方的统一社会信用代码。", "It does not give the operator's unified social credit code."},
		{!noOperator && len(sp.Operator.Name) == 0, "missing.operatorName", "没有写明运营方的名称。", "It does not give the operator's name."},
		{!said(sp.Region), "missing.region", "没有写明所属地域。", "It does not say the region."},
		{!said(sp.Industry), "missing.industry", "没有写明所属行业。", "It does not say the industry."},
		{sp.Contact == "", "missing.contact", "没有写明联系方式。", "It does not say whom to contact."},
	} {
		if m.gone {
			rd.warn(*s.at, m.code, m.zh, m.en)
		}
	}
	if id, _ := s.node["@id"].(string); len(sp.Keys) > 0 && keyForm.MatchString(id) && !slices.Contains(sp.Keys, id) {
		rd.warn(*s.at, "key.name", "所列密钥中没有空间名称所用的那一把，此描述生效后它不能再签名：请确认这是有意更换。", "The keys do not include the one that the space is named after, which cannot sign any more once this stands: make sure that it is meant to be retired.")
	}
}

// spaceType reads the type, which must be one of the national list.
func (rd *reading) spaceType(s subject) vocab.Term {
	t := rd.term(s, "spaceType")
	if said(t) && vocab.SpaceTypes.Label(t.Code) == nil {
		rd.refuse(s.at.member(rd.present(s, "spaceType")), "space.type", "空间类型应为企业、行业、城市、个人、跨境之一。", "The type of a space is one of enterprise, industry, city, personal, cross-border.")
	}
	return t
}

// operator reads who runs the space. Our context reads the plain key
// "operator" as ODRL's, which makes an IRI of a bare name.
func (rd *reading) operator(s subject) vocab.Agent {
	for _, v := range rd.values(s, "operator") {
		name, ours := strings.CutPrefix(v.id(), ownNamespace)
		if !ours || len(v.raw) > 1 {
			continue
		}
		if name, ok := rd.clean(name, v.at, labelLimit); ok && name != "" {
			return vocab.Agent{Name: label("", name), Code: rd.agentCode(s)}
		}
	}
	return rd.agent(s, "operator")
}

// roles reads roles of the national list; any other refuses the document.
func (rd *reading) roles(s subject) []vocab.Term {
	roles := rd.terms(s, "role")
	at := s.at.member(rd.present(s, "role"))
	if len(roles) > mostRoles {
		rd.refuse(at, "shape.many", "角色最多 %d 个：请删减。", "At most %d roles are allowed: take some out.", mostRoles)
		return nil
	}
	if slices.ContainsFunc(roles, func(t vocab.Term) bool { return vocab.Roles.Label(t.Code) == nil }) {
		names := choose(vocab.Roles, nil)
		rd.refuse(at, "role.unknown", "有不认识的角色，请用以下之一：%[1]s。", "There is a role that is not known; use one of: %[2]s.", names["zh"], names["en"])
		return nil
	}
	return roles
}

// endpoints reads where programs reach the space: nodes with type and address,
// or bare addresses.
func (rd *reading) endpoints(s subject) []vocab.Endpoint {
	var out []vocab.Endpoint
	for _, v := range rd.values(s, "endpoint") {
		if len(out) == mostEndpoints {
			rd.refuse(v.at, "shape.many", "接入点最多 %d 个：请删减。", "At most %d endpoints are allowed: take some out.", mostEndpoints)
			break
		}
		e, at := vocab.Endpoint{}, v.at
		if n, ok := rd.node(v); ok {
			if types := rd.values(n, "endpointType"); len(types) > 0 {
				e.Type, _ = rd.oneLine(types[0], wordLimit)
			}
			if addresses := rd.values(n, "endpointURL"); len(addresses) > 0 {
				e.URL, at = textOrID(addresses[0]), addresses[0].at
			} else {
				e.URL = v.id()
			}
		} else {
			e.URL = textOrID(v)
		}
		switch why := checkIRI(e.URL); {
		case e.URL == "":
			rd.refuse(at, "endpoint.missing", "接入点没有地址：请写明“接入点地址”。", "The endpoint has no address: give it as \"endpointURL\".")
		case why != nil:
			rd.refuse(at, why.code, "接入点的地址无效："+why.zh, "The endpoint's address is not valid: "+why.en)
		case !slices.Contains(out, e):
			out = append(out, e)
		}
	}
	return out
}

// keys reads the did:keys that may sign.
func (rd *reading) keys(s subject) []string {
	var out []string
	for _, v := range rd.ours(s, "key", "keys") {
		if len(out) == mostKeys {
			rd.refuse(v.at, "shape.many", "密钥最多 %d 把：请删减。", "At most %d keys are allowed: take some out.", mostKeys)
			break
		}
		switch key := rd.key(v); {
		case key == "":
		case slices.Contains(out, key):
			rd.refuse(v.at, "key.twice", "这把密钥已经列出：请删去重复的。", "This key is listed already: take it out.")
		default:
			out = append(out, key)
		}
	}
	return out
}

// key reads one did:key; "" where it is none.
func (rd *reading) key(v value) string {
	key := textOrID(v)
	if !keyForm.MatchString(key) {
		rd.refuse(v.at, "key.form", "密钥应写成 did:key:z6Mk…（Ed25519 公钥）；可用 lianmu key show 查看。", "A key is written as did:key:z6Mk…, an Ed25519 public key; lianmu key show prints it.")
		return ""
	}
	return key
}

// homeHub reads which hub is the space's home; "" where it does not say.
func (rd *reading) homeHub(s subject) string {
	if v, ok := rd.one(s, "hub"); ok {
		return rd.did(v)
	}
	return ""
}

// defaultAudience reads who may see what says nothing about it. The plain word
// for an offering's audience is heeded too, so that nobody opens by mistake
// what he meant to close.
func (rd *reading) defaultAudience(s subject) vocab.Audience {
	var out vocab.Audience
	for _, field := range []string{"defaultAudience", "audience"} {
		for _, v := range rd.values(s, field) {
			word, given := rd.audienceWord("audience", v)
			if word == "" {
				rd.unknownLevel(v.at, given, "公开、互认、本空间", "public, recognised, space")
				continue
			}
			out = vocab.NarrowerAudience(out, word)
		}
	}
	return out
}

// schemes reads the IRIs of the rule schemes that the space follows.
func (rd *reading) schemes(s subject) []string {
	var out []string
	for _, v := range rd.values(s, "ruleScheme") {
		if len(out) == mostSchemes {
			rd.refuse(v.at, "shape.many", "规则代码集最多 %d 个：请删减。", "At most %d rule schemes are allowed: take some out.", mostSchemes)
			break
		}
		iri := textOrID(v)
		if why := checkIRI(iri); why != nil {
			rd.refuse(v.at, why.code, "规则代码集应写成 IRI："+why.zh, "A rule scheme is given by its IRI: "+why.en)
			continue
		}
		if !slices.Contains(out, iri) {
			out = append(out, iri)
		}
	}
	return out
}

// textOrID is a value that is an IRI, written as text or as a reference.
func textOrID(v value) string {
	if s, _, ok := v.text(); ok {
		return strings.TrimSpace(s)
	}
	return v.id()
}

package shape

import (
	"regexp"
	"slices"
	"strings"

	"lianmu/vocab"
)

// The fields that a profile may name.
var fieldNames = []string{
	"title", "description", "keywords", "identifiers", "productCode", "license", "landingPage", "issued", "modified",
	"publisher", "contact", "agentName", "uscc", "subjectCode", "platformCode", "email", "telephone", "contactURL", "vcardValue",
	"theme", "scene", "industry", "region", "form", "frequency", "level", "quality", "importance", "source", "charging", "registration", "spaceType",
	"audience", "accessRights", "rights", "personalData",
	"price", "priceCurrency", "priceUnit", "offer", "free", "registrationCode",
	"distribution", "accessService", "servesDataset", "accessURL", "downloadURL", "dataDump", "format", "mediaType", "byteSize", "endpointURL", "conformsTo",
	"policy", "permission", "prohibition", "obligation", "action", "constraint", "operand", "leftOperand", "rightOperand",
	"spatial", "bbox", "geometry", "box", "latitude", "longitude", "temporal", "startDate", "endDate", "instant",
	"label", "notation", "operator", "homepage",
	"role", "endpoint", "endpointType", "defaultAudience", "ruleScheme", "did", "assurance", "validUntil",
}

var codedFields = []string{"theme", "scene", "industry", "region", "form", "frequency", "level", "quality", "importance", "source", "charging", "registration", "spaceType", "role"}

// guardedFields must not be overlooked, whatever namespace their key is in.
var guardedFields = map[string]bool{"level": true, "importance": true, "audience": true, "accessRights": true, "personalData": true, "defaultAudience": true}

const mostIdentifiers = 100

func (rd *reading) offering(s subject, c class) *vocab.Offering {
	o := &vocab.Offering{Kind: c.kind()}
	o.Title = rd.textOf(s, "title", titleLimit, true)
	if len(o.Title) == 0 && len(rd.problems) == 0 {
		rd.refuse(*s.at, "title.missing", "缺少标题：请用“标题”（dct:title）写明数据叫什么。", "The title is missing: say what the data is called, as \"title\" (dct:title).")
	}
	o.Description = rd.textOf(s, "description", descriptionLimit, false)
	o.Keywords = rd.keywords(s)

	o.Publisher = rd.agent(s, "publisher")
	o.Contact = rd.contact(s)

	o.Themes = rd.terms(s, "theme")
	o.Scenes = rd.terms(s, "scene")
	o.Industry = rd.terms(s, "industry")
	box, places := rd.extent(s)
	o.Spatial = box
	o.Region = rd.terms(s, "region", places...)
	o.Form = rd.term(s, "form")
	o.Frequency = rd.term(s, "frequency")
	o.Level = rd.term(s, "level")
	o.Quality = rd.term(s, "quality")
	o.Importance = rd.term(s, "importance")
	o.Source = rd.term(s, "source")
	o.PersonalData = rd.personalData(s)
	o.Audience = rd.audience(s)

	rd.charge(s, o)
	o.License = rd.line(s, "license")
	o.Registration = rd.term(s, "registration")
	o.RegistrationCode = rd.registrationCode(s)
	o.Identifiers = rd.identifiers(s)

	rd.access(s, c, o)
	o.Policy = rd.policy(s)
	o.LandingPage = rd.link(s, "landingPage")

	o.Issued = rd.past(s, "issued")
	o.Modified = rd.past(s, "modified")
	o.Temporal = rd.period(s)

	rd.unknownMembers(s)
	o.Completeness = rd.complete(o, s.at)
	return o
}

// personalData reads yes or no; anything else refuses the document, because a
// guess either way could let personal data out.
func (rd *reading) personalData(s subject) *bool {
	var out *bool
	for _, v := range rd.values(s, "personalData") {
		b, ok := v.raw["@value"].(bool)
		if text, _, isText := v.text(); isText {
			var meaning string
			meaning, ok = rd.p.word("personalData", text)
			b = meaning == "yes"
		}
		given, _, _ := v.text()
		switch {
		case !ok:
			rd.refuse(v.at, "shape.code", "是否涉及个人信息，应为“是”或“否”，看不懂%[1]s。", "Whether it has personal data must be yes or no; %[1]s is not understood.", quote(given))
		case out != nil && *out != b:
			rd.refuse(v.at, "shape.several", "是否涉及个人信息，前后矛盾。", "Whether it has personal data is said to be both yes and no.")
		default:
			out = &b
		}
	}
	return out
}

// audience reads who may see the offering. Our own property says it; other
// statements of rights can only narrow it, the plain ones always, prose where
// our own is absent. What the level means comes on top (vocab.AudienceOf).
func (rd *reading) audience(s subject) vocab.Audience {
	var out vocab.Audience
	for _, v := range rd.values(s, "audience") {
		word, given := rd.audienceWord("audience", v)
		if word == "" {
			rd.unknownLevel(v.at, given, "公开、互认、本空间", "public, recognised, space")
			continue
		}
		out = vocab.NarrowerAudience(out, word)
	}
	explicit := out != ""
	for _, v := range rd.values(s, "accessRights") {
		word, given := rd.audienceWord("accessRights", v)
		switch {
		case word != "":
			out = rd.narrow(out, word, v, given)
		case !explicit:
			// A statement of rights in prose may well be a restriction.
			out = vocab.AudienceSpace
			rd.warn(v.at, "audience.unclear", "访问权限%[1]s看不出谁能看到，暂按“本空间”处理：请写明“可见范围”。", "The access rights %[1]s do not tell who may see this; it is shown to its own space only. Say \"audience\".", quote(given))
		}
	}
	for _, v := range rd.values(s, "rights") { // mostly a licence in prose: only a plain word counts
		if word, given := rd.audienceWord("accessRights", v); word != "" && word != vocab.AudiencePublic {
			out = rd.narrow(out, word, v, given)
		}
	}
	return rd.narrowed(out)
}

// narrow takes a plain statement of rights into account and says so where it
// closes.
func (rd *reading) narrow(out, word vocab.Audience, v value, given string) vocab.Audience {
	if word == vocab.AudienceSpace {
		rd.warn(v.at, "audience.narrowed", "权限说明为%[1]s，因此只有本空间能看到：若本应公开，请改正此项。", "The rights say %[1]s, so only the own space can see this. If it should be public, correct that.", quote(given))
	}
	return vocab.NarrowerAudience(out, word)
}

func (rd *reading) audienceWord(field string, v value) (vocab.Audience, string) {
	given, _, ok := v.text()
	if !ok {
		given = v.id()
		if n, isNode := rd.node(v); isNode && given == "" {
			given = rd.textOf(n, "label", labelLimit, false).In("zh")
		}
	}
	if w, ok := rd.p.word(field, given); ok {
		return vocab.Audience(w), given
	}
	if _, local := splitIRI(given); looksLikeIRI(given) {
		for _, ns := range rd.p.namespaces {
			if w, ok := rd.p.word(field, local); ok && strings.HasPrefix(given, ns) {
				return vocab.Audience(w), given
			}
		}
	}
	return "", given
}

var price = regexp.MustCompile(`^(?:[¥￥]\s*)?(\d{1,15}(?:,\d{3})*(?:\.\d{1,8})?)\s*(元(?:\s*/\s*\S{1,20})?)?$`)

// charge reads what it costs, flat or from schema.org's offers.
func (rd *reading) charge(s subject, o *vocab.Offering) {
	o.Charge.Model = rd.term(s, "charging")
	at := s
	if !rd.has(s, "price") {
		if offers := rd.first(s, "offer"); len(offers) > 0 {
			if n, ok := rd.node(offers[0]); ok {
				at = n
			}
		}
	}
	for _, v := range rd.values(at, "price") {
		raw, ok := rd.lineOf(v)
		if !ok || raw == "" {
			continue
		}
		if m := price.FindStringSubmatch(raw); m != nil {
			o.Charge.Price = strings.ReplaceAll(m[1], ",", "")
			if m[2] != "" {
				o.Charge.Currency, o.Charge.Unit = "CNY", strings.ReplaceAll(m[2], " ", "")
			}
			break
		}
		if t, ok := rd.p.codes["charging"].find(raw); ok && o.Charge.Model.Code == "" { // 面议
			o.Charge.Model = t
			break
		}
		rd.warn(v.at, "price.form", "看不懂的价格%[1]s，已略去：请写成数字，例如 1200.00 。", "The price %[1]s is not understood and is left out: write a number such as 1200.00.", quote(raw))
	}
	if c := rd.line(at, "priceCurrency"); c != "" {
		switch up := strings.ToUpper(c); {
		case c == "元" || c == "人民币" || up == "RMB":
			o.Charge.Currency = "CNY"
		case len(up) == 3 && strings.Trim(up, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "":
			o.Charge.Currency = up
		default:
			rd.warn(at.at.member(rd.present(at, "priceCurrency")), "price.currency", "看不懂的币种%[1]s，已略去：请用三个字母的代码，例如 CNY 。", "The currency %[1]s is not understood and is left out: use a three-letter code such as CNY.", quote(c))
		}
	}
	if u := rd.line(at, "priceUnit"); u != "" {
		o.Charge.Unit = u
	}
}

func (rd *reading) registrationCode(s subject) string {
	for _, v := range rd.values(s, "registrationCode") {
		if id, ok := rd.identifierOf(v); ok {
			return id
		}
	}
	return ""
}

// identifiers gathers the product code, which is verified, and the general
// ones.
func (rd *reading) identifiers(s subject) []string {
	var out []string
	add := func(id string, at place) bool {
		if id == "" || slices.Contains(out, id) {
			return true
		}
		if len(out) == mostIdentifiers {
			rd.refuse(at, "shape.many", "标识符最多 %d 个：请删减。", "At most %d identifiers are allowed: take some out.", mostIdentifiers)
			return false
		}
		out = append(out, id)
		return true
	}
	for _, v := range rd.values(s, "productCode") {
		if !add(rd.codeOf(v, vocab.CheckProduct), v.at) {
			return out
		}
	}
	for _, v := range rd.values(s, "identifiers") {
		if id, ok := rd.identifierOf(v); ok && !add(id, v.at) {
			return out
		}
	}
	return out
}

const ownNamespace = "https://w3id.org/lianmu/ns#"

// unknownMembers points out keys that our context took up but that mean
// nothing: most likely slips of the pen, and the data in them is not shown.
// also names further members of our namespace that mean something here.
func (rd *reading) unknownMembers(s subject, also ...string) {
	var odd []string
	for iri := range s.node {
		if !strings.HasPrefix(iri, ownNamespace) {
			continue
		}
		_, known := rd.p.props[iri]
		if _, guarded := rd.p.property(iri); !known && guarded == "" && !slices.Contains(also, strings.TrimPrefix(iri, ownNamespace)) {
			odd = append(odd, iri)
		}
	}
	slices.Sort(odd)
	for _, iri := range odd[:min(len(odd), 10)] {
		rd.warn(s.at.member(iri), "member.unknown", "没有名为%[1]s的字段，此项不参与检索：请检查写法。", "There is no field called %[1]s; it is not read for search. Check the spelling.", quote(strings.TrimPrefix(iri, ownNamespace)))
	}
}

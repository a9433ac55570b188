package shape

import "lianmu/vocab"

// missing is one field that completeness counts.
type missing struct {
	name    string
	weight  int
	present func(*vocab.Offering) bool
	code    string
	message vocab.Text // shared between readings; nobody writes to it
}

var completeness = []struct {
	name, zh, en string
	present      func(*vocab.Offering) bool
}{
	{"title", "标题", "a title", func(o *vocab.Offering) bool { return len(o.Title) > 0 }},
	{"description", "描述", "a description", func(o *vocab.Offering) bool { return len(o.Description) > 0 }},
	{"keywords", "关键词", "keywords", func(o *vocab.Offering) bool { return len(o.Keywords) > 0 }},
	{"publisher", "提供方", "a publisher", func(o *vocab.Offering) bool {
		return len(o.Publisher.Name) > 0 || o.Publisher.ID != "" || o.Publisher.Code != ""
	}},
	{"theme", "资源主题", "a theme", func(o *vocab.Offering) bool { return len(o.Themes) > 0 }},
	{"industry", "行业分类", "an industry", func(o *vocab.Offering) bool { return len(o.Industry) > 0 }},
	{"region", "地域分类", "a region", func(o *vocab.Offering) bool { return len(o.Region) > 0 || o.Spatial != nil }},
	{"form", "产品交付形式", "a delivery form", func(o *vocab.Offering) bool { return said(o.Form) }},
	{"frequency", "更新频率", "an update frequency", func(o *vocab.Offering) bool { return said(o.Frequency) }},
	{"level", "安全级别", "a security level", func(o *vocab.Offering) bool { return said(o.Level) }},
	{"personalData", "是否涉及个人信息", "whether it has personal data", func(o *vocab.Offering) bool { return o.PersonalData != nil }},
	{"access", "分发或访问服务", "a distribution or service", func(o *vocab.Offering) bool { return len(o.Distributions) > 0 || len(o.Services) > 0 }},
	{"terms", "使用策略或许可协议", "a policy or license", func(o *vocab.Offering) bool { return o.Policy.Present || o.License != "" }},
	{"modified", "更新时间", "a date of change", func(o *vocab.Offering) bool { return !o.Modified.IsZero() || !o.Issued.IsZero() }},
	{"contact", "联系方式", "a contact", func(o *vocab.Offering) bool { return o.Contact != "" }},
	{"quality", "质量等级", "a quality grade", func(o *vocab.Offering) bool { return said(o.Quality) }},
	{"charge", "计费方式", "what it costs", func(o *vocab.Offering) bool { return said(o.Charge.Model) || o.Charge.Price != "" }},
	{"temporal", "覆盖时间范围", "the period that it covers", func(o *vocab.Offering) bool { return o.Temporal != nil }},
	{"landingPage", "详情页", "a landing page", func(o *vocab.Offering) bool { return o.LandingPage != "" }},
}

// weightNames are the fields that a profile may weigh.
var weightNames = func() (names []string) {
	for _, c := range completeness {
		names = append(names, c.name)
	}
	return names
}()

func said(t vocab.Term) bool { return t.Code != "" || len(t.Label) > 0 }

func missingFor(weights map[string]int) []missing {
	var out []missing
	for _, c := range completeness {
		if w := weights[c.name]; w > 0 {
			out = append(out, missing{
				name: c.name, weight: w, present: c.present, code: "missing." + c.name,
				message: vocab.Text{"zh": "没有写明" + c.zh + "：补上后更容易被找到。", "en": "It does not say " + c.en + ": with it, it is easier to find."},
			})
		}
	}
	return out
}

// complete sums the weights of what is there and warns of what is not.
func (rd *reading) complete(o *vocab.Offering, at *place) int {
	sum := 0
	for _, m := range rd.p.missing {
		if m.present(o) {
			sum += m.weight
			continue
		}
		if len(rd.problems) == 0 {
			rd.warnings = append(rd.warnings, vocab.Problem{Path: rd.pointer(*at), Code: m.code, Message: m.message})
		}
	}
	return sum
}

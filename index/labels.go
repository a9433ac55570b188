package index

import (
	"slices"
	"strings"

	"lianmu/vocab"
)

// facetValues are what a term counts as: its code, or else what the source
// said; a region also counts as its province.
func facetValues(field string, t vocab.Term) []string {
	v := t.Code
	if v == "" {
		v = t.Label.In("zh")
	}
	v = cut(v, maxValue)
	if field == "region" && t.Code != "" {
		if p := provinceOf(v); p != v {
			return []string{v, p}
		}
	}
	return []string{v}
}

// provinceOf is the province of a GB/T 2260 code of four or six digits; code
// itself where there is none.
func provinceOf(code string) string {
	if len(code) != 4 && len(code) != 6 {
		return code
	}
	if p := code[:2] + "00"; vocab.Regions.Label(p) != nil {
		return p
	}
	return code
}

// termNames are the words that a term can be found by: its labels in both
// languages and its code, unless that is an IRI.
func termNames(field string, t vocab.Term) []string {
	names := values(cutText(t.Label, maxValue))
	if len(names) == 0 {
		names = values(labelOf(field, t.Code))
	}
	if t.Code != "" && !strings.Contains(t.Code, ":") {
		names = append(names, cut(t.Code, maxValue))
	}
	return names
}

// codeLists are the national codes of the facets that have some.
var codeLists = map[string]*vocab.CodeList{
	"theme": vocab.Themes, "scene": vocab.Scenes, "industry": vocab.Industries, "region": vocab.Regions,
	"form": vocab.Forms, "frequency": vocab.Frequencies, "level": vocab.Levels, "quality": vocab.Qualities,
	"registration": vocab.Registrations,
}

// ownLabels names values that are no national codes.
var ownLabels = map[string]map[string]vocab.Text{
	"audience": {
		"public":     {"zh": "公开", "en": "Public"},
		"recognised": {"zh": "互认空间可见", "en": "Recognised spaces"},
		"space":      {"zh": "本空间可见", "en": "Own space only"},
	},
	"personal": {
		"yes": {"zh": "涉及个人信息", "en": "Personal data"},
		"no":  {"zh": "不涉及个人信息", "en": "No personal data"},
	},
	"policy": {
		"none":        {"zh": "未附使用策略", "en": "No policy"},
		"unspecified": {"zh": "有使用策略，未列动作", "en": "Policy without actions"},
	},
}

// further ways to type a value of ownLabels.
var synonyms = map[string]map[string]string{
	"personal": {"是": "yes", "否": "no", "有": "yes", "无": "no", "true": "yes", "false": "no"},
	"policy":   {"无": "none"},
}

// labelOf names a facet's value in both languages; nil where the value speaks
// for itself.
func labelOf(field, value string) vocab.Text {
	if list := codeLists[field]; list != nil {
		return list.Label(value)
	}
	if field == "kind" {
		return vocab.KindLabel(vocab.OfferingKind(value))
	}
	return ownLabels[field][value]
}

// resolve returns the values that a person may mean by v: v itself, its other
// cases, and the code whose label it is.
func resolve(field, v string) []string {
	v = strings.TrimSpace(v)
	out := []string{v}
	if field != "id" && field != "space" && field != "hub" {
		out = append(out, strings.ToUpper(v), strings.ToLower(v))
	}
	if list := codeLists[field]; list != nil {
		if t, ok := list.Find(v); ok {
			out = append(out, t.Code)
		}
	}
	if field == "kind" {
		if k, ok := vocab.ParseKind(v); ok {
			out = append(out, string(k))
		}
	}
	for code, label := range ownLabels[field] {
		for _, name := range label {
			if strings.EqualFold(name, v) {
				out = append(out, code)
			}
		}
	}
	if code, ok := synonyms[field][strings.ToLower(v)]; ok {
		out = append(out, code)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

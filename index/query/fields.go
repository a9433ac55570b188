package query

import (
	"slices"
	"strings"
)

// fields are the canonical names in the order in which a problem lists them,
// each with its aliases. The Chinese ones are the words that catalogue pages
// and registration forms use.
var fields = []struct {
	name    string
	aliases []string
}{
	{"space", []string{"空间", "数据空间"}},
	{"hub", []string{"节点", "目录节点"}},
	{"kind", []string{"类型", "产品类型", "type"}},
	{"theme", []string{"主题", "资源主题", "topic"}},
	{"scene", []string{"场景", "应用场景", "scenario"}},
	{"industry", []string{"行业", "行业分类"}},
	{"region", []string{"地区", "地域", "区域", "地域分类", "area"}},
	{"form", []string{"形式", "交付形式", "交付方式", "delivery"}},
	{"frequency", []string{"频率", "更新频率"}},
	{"level", []string{"级别", "安全级别"}},
	{"quality", []string{"质量", "质量等级"}},
	{"registration", []string{"登记", "登记状态", "status"}},
	{"publisher", []string{"提供方", "发布方", "发布者", "provider"}},
	{"format", []string{"格式", "数据格式"}},
	{"audience", []string{"公开范围", "可见范围"}},
	{"personal", []string{"个人信息", "是否涉及个人信息"}},
	{"policy", []string{"策略", "使用策略", "使用限制"}},
	{"id", []string{"标识"}},
	{"code", []string{"标识码", "产品标识码", "登记编号"}},
}

var byAlias = func() map[string]string {
	m := map[string]string{}
	for _, f := range fields {
		m[f.name] = f.name
		for _, a := range f.aliases {
			m[a] = f.name
		}
	}
	return m
}()

// FieldName resolves a field's name or Chinese alias to its canonical name
// (space, hub, kind, theme, scene, industry, region, form, frequency, level,
// quality, registration, publisher, format, audience, personal, policy, id,
// code); ok is false if there is none. Case and full-width letters do not
// matter.
func FieldName(s string) (name string, ok bool) {
	name, ok = byAlias[strings.ToLower(strings.Map(narrow, s))]
	return name, ok
}

// FieldNames are the canonical names.
func FieldNames() []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return names
}

// known lists the fields for a problem's message, in Chinese or in English.
func known(zh bool) string {
	names := FieldNames()
	if zh {
		for i, f := range fields {
			names[i] += "（" + f.aliases[0] + "）"
		}
		return strings.Join(names, "、")
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// narrow folds the full-width forms of ASCII.
func narrow(r rune) rune {
	if r >= '！' && r <= '～' {
		return r - '！' + '!'
	}
	return r
}

package shape

import (
	"fmt"
	"slices"
	"strings"
)

// subject finds the one node that the document is about: of the nodes at the
// top (or, where none there has a type that we know, of those nearest to it)
// the only offering, withdrawal, deregistration or space. A service that is
// merely referred to as an access service does not count, and neither do
// several nodes with one @id.
func (rd *reading) subject() (candidate, bool) {
	found := rd.nearest()
	if len(found) > 1 {
		rest := slices.DeleteFunc(slices.Clone(found), func(c candidate) bool {
			return c.class == classService && rd.g.services[c.id]
		})
		if len(rest) > 0 {
			found = rest
		}
	}
	switch {
	case len(found) == 0:
		rd.noSubject()
		return candidate{}, false
	case len(found) > 1:
		names := make([]string, 0, 5)
		for _, c := range found[:min(len(found), 5)] {
			names = append(names, quote(c.id))
		}
		list := strings.Join(names, ", ")
		if len(found) > 5 {
			list += fmt.Sprintf(" … (%d)", len(found))
		}
		rd.refuse(place{}, "offering.several", "一份文档只能描述一个数据产品、资源或服务，这里有：%[1]s。请分开提交；只作访问服务的，请用 dcat:accessService 引用。", "A document describes one offering; here are several: %[1]s. Submit them one by one; refer to a mere access service by dcat:accessService.", list)
		return candidate{}, false
	}
	c := found[0]
	if c.clash {
		rd.refuse(c.place().member("@type"), "type.several", "同一份文档不能既是描述又是下架、注销或空间描述：请只留一种类型。", "One document cannot be both a description and a withdrawal, deregistration or space: keep one type.")
		return candidate{}, false
	}
	return c, true
}

// nearest lists the candidates of the level nearest to the top, one for each
// @id.
func (rd *reading) nearest() []candidate {
	level := -1
	for _, c := range rd.g.candidates {
		if level < 0 || c.level < level {
			level = c.level
		}
	}
	var out []candidate
	at := map[string]int{}
	for _, c := range rd.g.candidates {
		if c.level != level {
			continue
		}
		if i, ok := at[c.id]; ok && c.id != "" {
			have := &out[i]
			have.clash = have.clash || have.class.entry() != c.class.entry()
			have.class = min(have.class, c.class)
			continue
		}
		at[c.id] = len(out)
		out = append(out, c)
	}
	slices.SortStableFunc(out, func(a, b candidate) int { return strings.Compare(a.id, b.id) })
	return out
}

// noSubject refuses a document without a node of a type that we know.
func (rd *reading) noSubject() {
	rd.refuse(place{up: &place{}, iri: "@type", n: 1}, "type.missing",
		"没有可识别的类型：请在 @type 中写明“数据产品”“数据资源”“数据服务”或“数据集”（dcat:Dataset、dcat:DataService），并检查 @context。",
		"There is no type that is known here: give @type as DataProduct, DataResource, DataService or Dataset (dcat:Dataset, dcat:DataService), and check the @context.")
}

package shape

import (
	"slices"
	"strings"

	"lianmu/vocab"
)

var (
	reasonLimit = limit{shown: 500, most: 500}
	nameLimit   = limit{shown: 200, most: 200} // of a person's pseudonym or a file's number
)

// actMembers are the members of an act beside those that all have, by what it
// does.
var actMembers = map[vocab.Verb][]string{
	vocab.Admission:      {"descriptor"},
	vocab.Rejection:      {"descriptor"},
	vocab.Suspension:     nil,
	vocab.Resumption:     nil,
	vocab.KeyReplacement: {"keys", "key", "evidence"},
	vocab.KeyCompromise:  {"key", "from"},
	vocab.Removal:        {"offerings"},
	vocab.Release:        {"from"},
	vocab.Withholding:    {"offerings", "from", "created", "key"},
}

// decisionMembers are those that acts and redactions share.
var decisionMembers = []string{"space", "reason", "by", "second"}

// act reads what the hub decided about a space. It is strict: what it does
// cannot be taken back, so nothing in it is guessed or left out.
func (rd *reading) act(s subject) *vocab.Act {
	a := &vocab.Act{Verb: rd.verb(s)}
	if v, ok := rd.must(s, "所属空间（space）", "the space (space)", "space"); ok {
		a.Space = rd.did(v)
	}
	a.Reason, a.By, a.Second = rd.decided(s)
	if a.Verb == vocab.Suspension && a.Reason == "" {
		rd.refuse(*s.at, "member.missing", "暂停必须写明理由（reason）：使用者会看到。", "A suspension must state its reason (reason), which users are shown.")
	}
	rd.foreign(s, slices.Concat(decisionMembers, actMembers[a.Verb]))
	switch a.Verb {
	case vocab.Admission, vocab.Rejection:
		if v, ok := rd.one(s, "descriptor"); ok {
			a.Descriptor = rd.digest(v)
		}
	case vocab.KeyReplacement:
		if a.Keys = rd.keys(s); len(a.Keys) == 0 {
			rd.refuse(*s.at, "member.missing", "缺少今后可以签名的密钥（keys）。", "It lacks the keys that may sign from here on (keys).")
		}
		if v, ok := rd.must(s, "证明材料的备案编号（evidence）", "the number under which the evidence is filed (evidence)", "evidence"); ok {
			a.Evidence, _ = rd.oneLine(v, nameLimit)
		}
	case vocab.KeyCompromise:
		if v, ok := rd.must(s, "失窃的密钥（key）", "the key (key)", "key"); ok {
			a.Key = rd.key(v)
		}
		if v, ok := rd.one(s, "from"); ok { // absent: from the first entry on
			a.From = rd.whole(v)
		}
	case vocab.Removal:
		a.Offerings = rd.removed(s)
	case vocab.Release:
		if v, ok := rd.must(s, "被删除记录的位置（from）", "the position of the redacted entry (from)", "from"); ok {
			a.From = rd.whole(v)
		}
	case vocab.Withholding:
		if a.Offerings = rd.removed(s); len(a.Offerings) > 1 {
			rd.refuse(*s.at, "member.several", "一次只能收回一项（offerings）。", "It is about one offering (offerings).")
		}
		if v, ok := rd.must(s, "新版本的位置（from）", "the position of the newer version (from)", "from"); ok {
			a.From = rd.whole(v)
		}
		if v, ok := rd.must(s, "新版本的签署时间（created）", "when the newer version was signed (created)", "created"); ok {
			a.Created = rd.moment(v)
		}
		if v, ok := rd.one(s, "key"); ok { // absent: the one that the space is named after
			a.Key = rd.key(v)
		}
	}
	return a
}

// verb is what the node's type says; one act does one thing.
func (rd *reading) verb(s subject) vocab.Verb {
	var out vocab.Verb
	for _, t := range asList(s.node["@type"]) {
		iri, _ := t.(string)
		local, ours := strings.CutPrefix(iri, ownNamespace)
		verb := vocab.Verb(local)
		if _, known := actMembers[verb]; !ours || !known {
			continue
		}
		if out != "" && out != verb {
			rd.refuse(s.at.member("@type"), "type.several", "一份决定只能做一件事：请只留一种类型。", "One act does one thing: keep one type.")
		}
		out = verb
	}
	if out == "" {
		rd.refuse(s.at.member("@type"), "type.missing", "看不出这份决定做什么。", "It does not say what this act does.")
	}
	return out
}

// decided reads why and by whom.
func (rd *reading) decided(s subject) (reason, by, second string) {
	if v, ok := rd.one(s, "reason"); ok {
		reason, _ = rd.oneLine(v, reasonLimit)
	}
	if v, ok := rd.must(s, "经办人（by）", "who decided (by)", "by"); ok {
		if by, ok = rd.oneLine(v, nameLimit); ok && by == "" {
			rd.refuse(v.at, "member.missing", "缺少经办人（by）：请补上。", "It lacks who decided (by): add it.")
		}
	}
	if v, ok := rd.one(s, "second"); ok {
		second, _ = rd.oneLine(v, nameLimit)
	}
	if second != "" && second == by {
		rd.refuse(*s.at, "second.same", "复核人与经办人不能是同一人。", "Who agrees must not be who decided.")
	}
	return reason, by, second
}

// removed reads the @ids of a Removal.
func (rd *reading) removed(s subject) []string {
	values := rd.ours(s, "offerings")
	switch {
	case len(values) == 0:
		rd.refuse(*s.at, "member.missing", "缺少要注销的条目（offerings）。", "It lacks the offerings to remove (offerings).")
		return nil
	case len(values) > vocab.MaxRemoved:
		rd.refuse(s.at.member(ownNamespace+"offerings"), "shape.many", "一次最多注销 %d 条：请分几次。", "At most %d offerings are removed at once: do it in parts.", vocab.MaxRemoved)
		return nil
	}
	seen := make(map[string]bool, len(values))
	out := make([]string, 0, len(values))
	for _, v := range values {
		id := textOrID(v)
		if why := checkIRI(id); why != nil {
			rd.refuse(v.at, why.code, "@id 无效："+why.zh, "The @id is not valid: "+why.en)
			continue
		}
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

// foreign refuses members of our namespace that this document does not have.
func (rd *reading) foreign(s subject, allowed []string) {
	var odd []string
	for iri := range s.node {
		if name, ours := strings.CutPrefix(iri, ownNamespace); ours && !slices.Contains(allowed, name) {
			odd = append(odd, iri)
		}
	}
	slices.Sort(odd)
	for _, iri := range odd {
		rd.refuse(s.at.member(iri), "member.unknown", "此类文件没有这个字段：请删去或检查类型。", "A document of this type has no such member: take it out, or check the type.")
	}
}

package access

import (
	"slices"

	"lianmu/vocab"
)

// Role is what somebody is to this hub.
type Role string

// Roles. The first three are the offices that no two of which are in one hand
// (三员分立): who runs the machine, who guards it, and who watches both.
const (
	System      Role = "system"
	Security    Role = "security"
	Audit       Role = "audit"
	Review      Role = "review"
	Regulator   Role = "regulator"
	Space       Role = "space"
	Participant Role = "participant"
	Anonymous   Role = "anonymous"
)

// admins are the three separate offices.
var admins = []Role{System, Security, Audit}

// Right is something that one may or may not do.
type Right string

// Rights.
const (
	Search         Right = "search"          // what one may see of the catalogue
	Submit         Right = "submit"          // documents; their signatures decide what becomes of them
	ReadAll        Right = "read.all"        // see every audience
	SpaceAdmit     Right = "space.admit"     // admit, reject, invite; the waiting list
	SpaceSuspend   Right = "space.suspend"   // suspend, resume
	SpaceKeys      Right = "space.keys"      // replace keys, declare one compromised
	OfferingRemove Right = "offering.remove" // for good, against the space's will
	LogRedact      Right = "log.redact"      // delete the body of an entry
	Approve        Right = "approve"         // be the second person; needs the right proposed too
	QuarantineRead Right = "quarantine.read" // what was refused and why
	ViewsRead      Right = "views.read"      // how far each view has come
	IndexRebuild   Right = "index.rebuild"   // build the index anew
	AuditRead      Right = "audit.read"      // the audit trail
	RolesRead      Right = "roles.read"      // who holds which office
	PeerRead       Right = "peer.read"       // which hubs are peers, on what terms, and how far each mirror is
	PeerManage     Right = "peer.manage"     // with whom logs are exchanged; export and import
)

// Row is one line of the table: a role and all it may do.
type Row struct {
	Role   Role       `json:"role"`
	Name   vocab.Text `json:"name"`
	Rights []Right    `json:"rights"`
}

// table is the one place that says who may do what. Whoever is something may
// also do what anybody may.
var table = []Row{
	{System, vocab.Text{"zh": "系统管理员", "en": "system administrator"},
		[]Right{Search, Submit, QuarantineRead, ViewsRead, IndexRebuild, RolesRead, PeerRead}},
	{Security, vocab.Text{"zh": "安全管理员", "en": "security administrator"},
		[]Right{Search, Submit, SpaceSuspend, SpaceKeys, LogRedact, Approve, QuarantineRead, ViewsRead, RolesRead, PeerRead, PeerManage}},
	{Audit, vocab.Text{"zh": "审计管理员", "en": "audit administrator"},
		[]Right{Search, Submit, ViewsRead, AuditRead, RolesRead, PeerRead}},
	{Review, vocab.Text{"zh": "业务审核员", "en": "business reviewer"},
		[]Right{Search, Submit, ReadAll, SpaceAdmit, SpaceSuspend, OfferingRemove, LogRedact, Approve, QuarantineRead, ViewsRead, RolesRead, PeerRead}},
	{Regulator, vocab.Text{"zh": "监管", "en": "regulator"},
		[]Right{Search, Submit, ReadAll, QuarantineRead, ViewsRead, RolesRead, PeerRead}},
	{Space, vocab.Text{"zh": "数据空间", "en": "space"}, []Right{Search, Submit}},
	{Participant, vocab.Text{"zh": "接入主体", "en": "participant"}, []Right{Search, Submit}},
	{Anonymous, vocab.Text{"zh": "匿名访客", "en": "anonymous"}, []Right{Search, Submit}},
}

// rightNames are the rights for people, in the order in which they are shown.
var rightNames = []struct {
	Right Right
	Name  vocab.Text
}{
	{Search, vocab.Text{"zh": "检索", "en": "search"}},
	{Submit, vocab.Text{"zh": "提交", "en": "submit"}},
	{ReadAll, vocab.Text{"zh": "查看全部可见范围", "en": "see every audience"}},
	{SpaceAdmit, vocab.Text{"zh": "准入", "en": "admit spaces"}},
	{SpaceSuspend, vocab.Text{"zh": "暂停与恢复", "en": "suspend and resume spaces"}},
	{SpaceKeys, vocab.Text{"zh": "处置密钥", "en": "handle lost and stolen keys"}},
	{OfferingRemove, vocab.Text{"zh": "强制注销", "en": "remove offerings"}},
	{LogRedact, vocab.Text{"zh": "删除正文", "en": "redact entries"}},
	{Approve, vocab.Text{"zh": "复核", "en": "approve as second person"}},
	{QuarantineRead, vocab.Text{"zh": "查看退回区", "en": "read the quarantine"}},
	{ViewsRead, vocab.Text{"zh": "查看视图状态", "en": "read the state of views"}},
	{IndexRebuild, vocab.Text{"zh": "重建索引", "en": "rebuild the index"}},
	{AuditRead, vocab.Text{"zh": "查看审计记录", "en": "read the audit trail"}},
	{RolesRead, vocab.Text{"zh": "查看任职情况", "en": "see who holds which office"}},
	{PeerRead, vocab.Text{"zh": "查看对等节点", "en": "see the peers"}},
	{PeerManage, vocab.Text{"zh": "管理对等节点", "en": "manage the peers"}},
}

// Table returns every role with its rights, administrators first.
func Table() []Row {
	out := slices.Clone(table)
	for i := range out {
		out[i].Rights = slices.Clone(out[i].Rights)
	}
	return out
}

// Rights returns every right, in the order in which they are shown.
func Rights() []Right {
	out := make([]Right, len(rightNames))
	for i, r := range rightNames {
		out[i] = r.Right
	}
	return out
}

// Name returns the right for people, in "zh" and "en"; its code in both where
// it is none.
func (r Right) Name() vocab.Text {
	for _, n := range rightNames {
		if n.Right == r {
			return n.Name
		}
	}
	return vocab.Text{"zh": string(r), "en": string(r)}
}

// Name returns the role for people, in "zh" and "en"; its code in both where it
// is none.
func (r Role) Name() vocab.Text {
	for _, row := range table {
		if row.Role == r {
			return row.Name
		}
	}
	return vocab.Text{"zh": string(r), "en": string(r)}
}

// May reports whether the role has the right. An unknown role has none.
func (r Role) May(right Right) bool {
	for _, row := range table {
		if row.Role == r {
			return slices.Contains(row.Rights, right)
		}
	}
	return false
}

// Office reports whether the role is one that the hub's operator gives.
func (r Role) Office() bool {
	return slices.Contains(admins, r) || r == Review || r == Regulator
}

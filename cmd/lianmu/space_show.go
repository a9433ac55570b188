package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"lianmu/hub/admission"
	"lianmu/vocab"
)

// spaceInfo is a space as GET /api/v1/spaces/{did} tells it.
type spaceInfo struct {
	vocab.Space
	Standing     string     `json:"standing"`
	Reason       string     `json:"reason"`
	Decided      time.Time  `json:"decided"`
	Offerings    int        `json:"offerings"`
	Participants int        `json:"participants"`
	LastEntry    time.Time  `json:"last_entry"`
	Log          string     `json:"log"` // that tells of it: its home, if it has one
	Keys         []spaceKey `json:"keys"`

	raw json.RawMessage
}

// spaceKey is a key that signs or signed for a space.
type spaceKey struct {
	DID         string    `json:"did"`
	From        uint64    `json:"from"`
	Until       uint64    `json:"until"`
	Added       time.Time `json:"added"`
	Retired     time.Time `json:"retired"`
	Compromised bool      `json:"compromised"`
	Since       uint64    `json:"since"`
}

func readSpace(raw []byte) (sp spaceInfo, err error) {
	sp.raw = raw
	err = receive(raw, &sp)
	return sp, err
}

// listSpaces reads all pages of the list of spaces.
func listSpaces(ctx context.Context, hub *hubClient) ([]spaceInfo, error) {
	var out []spaceInfo
	for raw, err := range items(ctx, hub, "/api/v1/spaces") {
		if err != nil {
			return nil, err
		}
		sp, err := readSpace(raw)
		if err != nil {
			return nil, err
		}
		out = append(out, sp)
	}
	return out, nil
}

// nameSpace finds the DID of a space by DID, or by a name that only one has.
func nameSpace(ctx context.Context, hub *hubClient, wanted string) (string, error) {
	if strings.HasPrefix(wanted, "did:") {
		return wanted, nil
	}
	list, err := listSpaces(ctx, hub)
	if err != nil {
		return "", err
	}
	all := make([]naming, len(list))
	for i, sp := range list {
		all[i] = naming{sp.DID, sp.Name}
	}
	return findSpace(all, wanted)
}

// naming is a DID with the names that go with it.
type naming struct {
	did  string
	name vocab.Text
}

// called reports whether a name is the one that is meant, in any of its languages.
func called(name vocab.Text, wanted string) bool {
	return slices.ContainsFunc(name.Languages(), func(l string) bool { return strings.EqualFold(name[l], wanted) })
}

// named writes what an operator called somebody with the DID that was found: a name
// may be another's than was meant.
func named(wanted, did string) string {
	if wanted == did {
		return did
	}
	return fmt.Sprintf(tr("%s（%s）", "%s (%s)"), clean(wanted), did)
}

// findSpace finds the one space of this DID or name.
func findSpace(list []naming, wanted string) (string, error) {
	var found []string
	for _, n := range list {
		if n.did == wanted || called(n.name, wanted) {
			found = append(found, n.did)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf(tr("没有名为“%s”的空间；请写 DID，或用 lianmu space list、lianmu space waiting 查看", "there is no space %q; give its DID, or see lianmu space list and lianmu space waiting"), wanted)
	}
	return "", fmt.Errorf(tr("名为“%s”的空间不止一个，请写 DID：%s", "several spaces are called %q, give the DID: %s"), wanted, strings.Join(found, " "))
}

func sayStanding(standing string) string {
	switch standing {
	case "unadmitted":
		return tr("未准入", "unadmitted")
	case "admitted":
		return tr("已准入", "admitted")
	case "rejected":
		return tr("不予准入", "rejected")
	case "suspended":
		return tr("已暂停", "suspended")
	}
	return standing
}

// describeSpace shows what a space says of itself.
func describeSpace(t *table, sp *vocab.Space) {
	row := func(zh, en, text string) {
		if text != "" {
			t.add(tr(zh, en), cut(text, 120))
		}
	}
	t.add("DID", sp.DID)
	row("名称", "name", allNames(sp.Name))
	row("类型", "type", say(sp.Type.Label))
	row("运营方", "operator", strings.TrimSpace(say(sp.Operator.Name)+"  "+sp.Operator.Code))
	row("地域", "region", say(sp.Region.Label))
	row("行业", "industry", say(sp.Industry.Label))
	row("联系方式", "contact", sp.Contact)
	row("主页", "homepage", sp.Homepage)
	roles := make([]string, len(sp.Roles))
	for i, r := range sp.Roles {
		roles[i] = say(r.Label)
	}
	row("角色", "roles", strings.Join(roles, tr("、", ", ")))
	for _, e := range sp.Endpoints {
		row("接入点", "endpoint", strings.TrimSpace(e.Type+" "+e.URL))
	}
	row("默认可见范围", "default audience", string(sp.Audience))
	row("简介", "description", say(sp.Description))
}

func showApplicant(s *streams, a *admission.Applicant) error {
	t := table{}
	describeSpace(&t, &a.Space)
	for _, k := range a.Space.Keys {
		t.add(tr("密钥", "key"), k)
	}
	t.add(tr("提交时间", "presented"), minute(a.Presented))
	if a.Invitation != "" {
		t.add(tr("邀请", "invitation"), strings.TrimSpace(a.Invitation+"  "+a.Note))
	} else {
		t.add(tr("邀请", "invitation"), tr("无", "none"))
	}
	t.add(tr("描述摘要", "descriptor"), a.Digest.String())
	for _, p := range a.Odd {
		t.add(tr("注意", "odd"), say(p.Message))
	}
	return t.write(s.Out)
}

func showSpace(s *streams, sp spaceInfo) error {
	t := table{}
	describeSpace(&t, &sp.Space)
	if sp.Standing != "" {
		standing := sayStanding(sp.Standing)
		if sp.Reason != "" {
			standing += tr("，理由：", ", reason: ") + sp.Reason
		}
		if !sp.Decided.IsZero() {
			standing += "  " + minute(sp.Decided)
		}
		t.add(tr("状态", "standing"), standing)
	}
	if sp.Log != "" {
		t.add(tr("归属账本", "home log"), sp.Log)
	}
	t.add(tr("产品数", "offerings"), number(sp.Offerings))
	for _, k := range sp.Keys {
		state := tr("有效", "valid")
		switch {
		case k.Compromised:
			state = fmt.Sprintf(tr("已失窃，第 %s 条起作废", "compromised, void from entry %s on"), number(k.Since))
		case k.Until != 0:
			state = fmt.Sprintf(tr("第 %s 条起停用", "retired at entry %s"), number(k.Until))
		}
		t.add(tr("密钥", "key"), k.DID+"  "+state)
	}
	return t.write(s.Out)
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"lianmu/hub/admission"
	"lianmu/vocab"
)

// spaceCmd is the operator's side of admission; the space's is join.
type spaceCmd struct {
	Invite      spaceInviteCmd      `cmd:"" help:"Invite a space: prints a code and a link, once."`
	Invitations spaceInvitationsCmd `cmd:"" help:"List invitations."`
	Revoke      spaceRevokeCmd      `cmd:"" help:"Make an invitation useless."`
	Waiting     spaceWaitingCmd     `cmd:"" help:"List the spaces that wait for admission, and what is odd about each."`
	Admit       spaceAdmitCmd       `cmd:"" help:"Admit a space that waits."`
	Reject      spaceRejectCmd      `cmd:"" help:"Reject a space that waits; it may present itself again."`
	Suspend     spaceSuspendCmd     `cmd:"" help:"Suspend a space: nothing more is taken from it, and its offerings leave the search."`
	Resume      spaceResumeCmd      `cmd:"" help:"Resume a suspended space: all that it had is back."`
	Compromised spaceCompromisedCmd `cmd:"" help:"Declare a key stolen: lists what it signed since, and takes it down."`
	ReplaceKeys spaceReplaceKeysCmd `cmd:"" name:"replace-keys" help:"Give a space new keys on filed evidence, where all its own are lost."`
	Remove      spaceRemoveCmd      `cmd:"" help:"Deregister offerings of a space for good; more than 50 need a second officer."`
	Release     spaceReleaseCmd     `cmd:"" help:"Let a space publish again under the name of an entry that was redacted for what it said."`
	Proposals   spaceProposalsCmd   `cmd:"" help:"List what waits for a second officer."`
	Approve     spaceApproveCmd     `cmd:"" help:"Agree as second officer: it is done at once."`
	List        spaceListCmd        `cmd:"" help:"List the spaces of a hub."`
	Show        spaceShowCmd        `cmd:"" help:"Show a space: its description, standing and keys."`
}

// spacePath is the address of a space; its DID is one segment.
func spacePath(did, rest string) string { return "/api/v1/spaces/" + url.PathEscape(did) + rest }

// act sends an order and shows what came of it; exit code 1 if it was refused.
func (o office) act(ctx context.Context, s *streams, hub *hubClient, did string, order admission.Order, done string) error {
	var out admission.Result
	if err := hub.post(ctx, spacePath(did, "/acts"), order, &out); err != nil {
		return refusedBy(s, err)
	}
	return o.show(s, out, done)
}

func (o office) show(s *streams, out admission.Result, done string) error {
	if o.JSON {
		return json.NewEncoder(s.Out).Encode(out)
	}
	var err error
	switch {
	case out.Proposal != nil:
		_, err = fmt.Fprintf(s.Out, tr("超过 %d 项，需另一人复核（%s 前有效）：%s\n", "more than %d: a second officer must agree until %s, with: %s\n"),
			admission.MaxAlone, minute(out.Proposal.Expires), approving(o.Hub, out.Proposal.ID))
		note(s, out.Warnings)
	case out.Receipt != nil && out.Receipt.Status == vocab.Unchanged:
		_, err = fmt.Fprintln(s.Out, tr("本来就是如此，没有变化", "it was so before: nothing has changed"))
	case out.Receipt != nil && out.Receipt.Log != nil:
		_, err = fmt.Fprintf(s.Out, tr("%s（账本第 %s 条）\n", "%s (entry %s of the log)\n"), done, number(out.Receipt.Log.Index))
	default:
		_, err = fmt.Fprintln(s.Out, done)
	}
	if out.Receipt != nil {
		note(s, out.Receipt.Warnings)
	}
	return err
}

type spaceInviteCmd struct {
	office `embed:""`
	Note   string `placeholder:"TEXT" help:"For whom it is; shown beside the application, at most 200 characters."`
	Days   int    `default:"14" help:"How many days it holds, at most 365."`
}

// invited is the answer of POST /api/v1/invitations.
type invited struct {
	Code    string    `json:"code"`
	Link    string    `json:"link"`
	Expires time.Time `json:"expires"`
}

// Run makes an invitation and prints its code, which nobody can look up later.
func (c *spaceInviteCmd) Run(ctx context.Context, s *streams) error {
	hub, err := c.enter(s)
	if err != nil {
		return err
	}
	var out invited
	if err := hub.post(ctx, "/api/v1/invitations", map[string]any{"note": c.Note, "days": c.Days}, &out); err != nil {
		return refusedBy(s, err)
	}
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(out)
	}
	link := out.Link
	if !strings.Contains(link, "://") { // a hub that does not know its own address
		link = hub.base + "/join#" + out.Code
	}
	_, err = fmt.Fprintf(s.Out, tr("邀请码  %s\n链接    %s\n有效期  %s，只能用一次，只显示这一次\n对方运行：lianmu join %[4]s --name … --operator … --uscc …\n",
		"code    %s\nlink    %s\nuntil   %s; it works once and is shown this once\nthey run: lianmu join %[4]s --name … --operator … --uscc …\n"),
		out.Code, link, minute(out.Expires), shellWord(link))
	return err
}

type spaceInvitationsCmd struct {
	office `embed:""`
}

// Run lists invitations; their codes are known to who was given them.
func (c *spaceInvitationsCmd) Run(ctx context.Context, s *streams) error {
	list, shown, err := pages[admission.Invitation](ctx, s, c.office, "/api/v1/invitations")
	if shown || err != nil {
		return err
	}
	t := table{Head: []string{tr("编号", "id"), tr("备注", "note"), tr("有效期", "until"), tr("状态", "state")}}
	for _, i := range list {
		state := tr("可用", "open")
		switch {
		case i.Revoked:
			state = tr("已撤销", "revoked")
		case i.UsedBy != "":
			state = tr("已用：", "used by ") + i.UsedBy
		case !i.Open(s.Now()):
			state = tr("已过期", "expired")
		}
		t.add(i.ID, cut(i.Note, 40), minute(i.Expires), state)
	}
	return t.write(s.Out)
}

type spaceRevokeCmd struct {
	desk `embed:""`
	ID   string `arg:"" name:"id" help:"Number of the invitation (lianmu space invitations)."`
}

// Run revokes an invitation that nobody has used.
func (c *spaceRevokeCmd) Run(ctx context.Context, s *streams) error {
	hub, err := c.enter(s)
	if err != nil {
		return err
	}
	if err := hub.operate(ctx, http.MethodDelete, "/api/v1/invitations/"+url.PathEscape(c.ID), nil); err != nil {
		return refusedBy(s, err)
	}
	_, err = fmt.Fprintln(s.Out, tr("已撤销", "revoked"))
	return err
}

type spaceWaitingCmd struct {
	office `embed:""`
}

// Run lists who waits.
func (c *spaceWaitingCmd) Run(ctx context.Context, s *streams) error {
	list, shown, err := pages[admission.Applicant](ctx, s, c.office, "/api/v1/applicants")
	if shown || err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Fprintln(s.Err, tr("没有等待准入的空间", "no space waits for admission"))
	}
	for i := range list {
		if i > 0 {
			fmt.Fprintln(s.Out)
		}
		if err := showApplicant(s, &list[i]); err != nil {
			return err
		}
	}
	return nil
}

type spaceListCmd struct {
	Hub  string `required:"" placeholder:"URL" env:"LIANMU_HTTP_HUB" help:"http://HOST:PORT."`
	Key  string `placeholder:"FILE" env:"LIANMU_OPERATOR_KEY" help:"An operator's key, to see what is not public too."`
	JSON bool   `name:"json" help:"Print the spaces as JSON lines."`
}

// Run lists the spaces, all pages.
func (c *spaceListCmd) Run(ctx context.Context, s *streams) error {
	hub, err := enterHub(c.Hub, c.Key, s.Now)
	if err != nil {
		return err
	}
	list, err := listSpaces(ctx, hub)
	if err != nil {
		return err
	}
	t := table{Head: []string{tr("名称", "name"), tr("状态", "standing"), tr("类型", "type"), tr("产品数", "offerings"), "DID", tr("归属账本", "home log")}, Right: map[int]bool{3: true}, Spare: map[int]bool{5: true}}
	several := slices.ContainsFunc(list, func(sp spaceInfo) bool { return sp.Log != list[0].Log })
	for _, sp := range list {
		if c.JSON {
			if _, err := fmt.Fprintf(s.Out, "%s\n", sp.raw); err != nil {
				return err
			}
			continue
		}
		t.add(cut(say(sp.Name), 36), sayStanding(sp.Standing), say(sp.Type.Label), number(sp.Offerings), sp.DID, map[bool]string{true: sp.Log}[several])
	}
	if c.JSON {
		return nil
	}
	return t.write(s.Out)
}

type spaceShowCmd struct {
	Hub  string `required:"" placeholder:"URL" env:"LIANMU_HTTP_HUB" help:"http://HOST:PORT."`
	Key  string `placeholder:"FILE" env:"LIANMU_OPERATOR_KEY" help:"An operator's key, to see what is not public too."`
	JSON bool   `name:"json" help:"Print the hub's answer as it is."`
	DID  string `arg:"" name:"did" help:"DID of the space, or its name where only one has it."`
}

// Run shows one space.
func (c *spaceShowCmd) Run(ctx context.Context, s *streams) error {
	hub, err := enterHub(c.Hub, c.Key, s.Now)
	if err != nil {
		return err
	}
	did, err := nameSpace(ctx, hub, c.DID)
	if err != nil {
		return err
	}
	var raw []byte
	if err := hub.call(ctx, http.MethodGet, spacePath(did, ""), nil, &raw, hub.key != nil); err != nil {
		return refusedBy(s, err)
	}
	if c.JSON {
		_, err := fmt.Fprintf(s.Out, "%s\n", strings.TrimSpace(string(raw)))
		return err
	}
	sp, err := readSpace(raw)
	if err != nil {
		return err
	}
	return showSpace(s, sp)
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"lianmu/hub/admission"
	"lianmu/vocab"
)

type spaceAdmitCmd struct {
	office `embed:""`
	Reason string `placeholder:"TEXT" help:"Why; it stands in the log, for everybody."`
	Yes    bool   `short:"y" help:"Do it without asking."`
	DID    string `arg:"" name:"did" help:"DID of the space, or its name where only one has it."`
}

// Run shows the descriptor and what is odd about it, asks, and admits what was
// shown and nothing else.
func (c *spaceAdmitCmd) Run(ctx context.Context, s *streams) error {
	return c.decide(ctx, s, c.DID, admission.Order{Verb: vocab.Admission, Reason: c.Reason}, c.Yes,
		tr("准入这个空间吗？", "Admit this space?"), tr("已准入", "admitted"))
}

type spaceRejectCmd struct {
	office `embed:""`
	Reason string `required:"" placeholder:"TEXT" help:"Why; it stands in the log, for everybody."`
	Yes    bool   `short:"y" help:"Do it without asking."`
	DID    string `arg:"" name:"did" help:"DID of the space, or its name where only one has it."`
}

// Run shows the descriptor, asks, and rejects it.
func (c *spaceRejectCmd) Run(ctx context.Context, s *streams) error {
	return c.decide(ctx, s, c.DID, admission.Order{Verb: vocab.Rejection, Reason: c.Reason}, c.Yes,
		tr("不准入这个空间吗？", "Reject this space?"), tr("已记为不予准入", "rejected"))
}

// decide lets the officer look at who waits before an order about them.
func (o office) decide(ctx context.Context, s *streams, wanted string, order admission.Order, yes bool, question, done string) error {
	hub, err := o.enter(s)
	if err != nil {
		return err
	}
	quiet := o
	quiet.JSON = false
	list, _, err := pages[admission.Applicant](ctx, s, quiet, "/api/v1/applicants")
	if err != nil {
		return err
	}
	all := make([]naming, len(list))
	for i, a := range list {
		all[i] = naming{a.DID, a.Space.Name}
	}
	did, err := findSpace(all, wanted)
	if err != nil && strings.HasPrefix(wanted, "did:") {
		did = wanted // perhaps admitted before: the hub says so
	} else if err != nil {
		return err
	}
	if i := slices.IndexFunc(list, func(a admission.Applicant) bool { return a.DID == did }); i >= 0 {
		order.Descriptor = list[i].Digest
		if !o.JSON {
			if err := showApplicant(s, &list[i]); err != nil {
				return err
			}
		}
		if err := ask(s, yes, question); err != nil {
			return err
		}
	}
	return o.act(ctx, s, hub, did, order, done)
}

type spaceSuspendCmd struct {
	office `embed:""`
	Reason string `required:"" placeholder:"TEXT" help:"Why; it stands in the log, for everybody."`
	Yes    bool   `short:"y" help:"Do it without asking."`
	DID    string `arg:"" name:"did" help:"DID of the space, or its name where only one has it."`
}

// Run suspends a space.
func (c *spaceSuspendCmd) Run(ctx context.Context, s *streams) error {
	return c.about(ctx, s, c.DID, admission.Order{Verb: vocab.Suspension, Reason: c.Reason}, c.Yes,
		tr("暂停空间 %s吗？它的产品会从检索中消失，也不再收它的内容，直到恢复。", "Suspend the space %s? Its offerings leave the search and nothing more is taken from it, until it is resumed."), tr("已暂停", "suspended"))
}

type spaceResumeCmd struct {
	office `embed:""`
	Reason string `placeholder:"TEXT" help:"Why; it stands in the log, for everybody."`
	Yes    bool   `short:"y" help:"Do it without asking."`
	DID    string `arg:"" name:"did" help:"DID of the space, or its name where only one has it."`
}

// Run resumes a space.
func (c *spaceResumeCmd) Run(ctx context.Context, s *streams) error {
	return c.about(ctx, s, c.DID, admission.Order{Verb: vocab.Resumption, Reason: c.Reason}, c.Yes,
		tr("恢复空间 %s吗？它原有的产品会重新出现在检索中。", "Resume the space %s? All that it had is back in the search."), tr("已恢复", "resumed"))
}

// about finds the space that is meant by a DID or name, asks, unless yes, and
// sends the order. The question has a place for the space (%s).
func (o office) about(ctx context.Context, s *streams, wanted string, order admission.Order, yes bool, question, done string) error {
	hub, err := o.enter(s)
	if err != nil {
		return err
	}
	did, err := nameSpace(ctx, hub, wanted)
	if err != nil {
		return err
	}
	if err := ask(s, yes, fmt.Sprintf(question, named(wanted, did))); err != nil {
		return err
	}
	return o.act(ctx, s, hub, did, order, done)
}

type spaceReplaceKeysCmd struct {
	office   `embed:""`
	New      []string `required:"" placeholder:"DID" help:"Keys that may sign from now on, and no others."`
	Proof    []string `placeholder:"FILE" help:"File with what lianmu key prove printed, signed by the new keys; repeat it where there are several."`
	Evidence string   `required:"" placeholder:"NUMBER" help:"Number under which the evidence is filed."`
	Reason   string   `placeholder:"TEXT" help:"Why; it stands in the log, for everybody."`
	Yes      bool     `short:"y" help:"Do it without asking."`
	DID      string   `arg:"" name:"did" help:"DID of the space, or its name where only one has it."`
}

// Run replaces all keys of a space.
func (c *spaceReplaceKeysCmd) Run(ctx context.Context, s *streams) error {
	var proofs []string
	for _, path := range c.Proof {
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		proofs = append(proofs, strings.Fields(string(raw))...)
	}
	return c.about(ctx, s, c.DID, admission.Order{Verb: vocab.KeyReplacement, Keys: c.New, Proofs: proofs, Evidence: c.Evidence, Reason: c.Reason}, c.Yes,
		tr("更换空间 %s 的全部密钥吗？原来的密钥从此不能再签名。", "Replace all keys of the space %s? Those that it has can sign no more."), tr("密钥已更换", "the keys are replaced"))
}

type spaceCompromisedCmd struct {
	office  `embed:""`
	From    uint64 `required:"" placeholder:"POSITION" help:"First entry of the log that does not count any more."`
	Space   string `placeholder:"DID" help:"The space whose key it is (found by itself, where the hub lists its keys)."`
	Reason  string `placeholder:"TEXT" help:"Why; it stands in the log, for everybody."`
	DryRun  bool   `name:"dry-run" help:"Only list what it would take down."`
	Yes     bool   `short:"y" help:"Do it without asking."`
	KeyName string `arg:"" name:"key" help:"DID of the key that was stolen."`
}

// Run lists what the key signed since, asks, and declares it stolen.
func (c *spaceCompromisedCmd) Run(ctx context.Context, s *streams) error {
	hub, err := c.enter(s)
	if err != nil {
		return err
	}
	did, err := c.owner(ctx, hub)
	if err != nil {
		return err
	}
	order := admission.Order{Verb: vocab.KeyCompromise, Key: c.KeyName, From: c.From, Reason: c.Reason, DryRun: true}
	var would admission.Result
	if err := hub.post(ctx, spacePath(did, "/acts"), order, &would); err != nil {
		return refusedBy(s, err)
	}
	if c.DryRun && c.JSON {
		return json.NewEncoder(s.Out).Encode(would)
	}
	if !c.JSON {
		if err := showTaken(s, would); err != nil {
			return err
		}
	}
	if c.DryRun {
		return nil
	}
	if err := ask(s, c.Yes, tr("宣布这把密钥失窃，并使以上内容作废吗？不能撤回。", "Declare this key stolen and all of this void? It cannot be taken back.")); err != nil {
		return err
	}
	order.DryRun = false
	return c.act(ctx, s, hub, did, order, tr("密钥已作废", "the key is void"))
}

// owner finds the space whose key it is.
func (c *spaceCompromisedCmd) owner(ctx context.Context, hub *hubClient) (string, error) {
	if c.Space != "" {
		return nameSpace(ctx, hub, c.Space)
	}
	list, err := listSpaces(ctx, hub)
	if err != nil {
		return "", err
	}
	for _, sp := range list {
		if sp.DID == c.KeyName {
			return sp.DID, nil
		}
		var full spaceInfo // the list does not tell keys
		if err := hub.get(ctx, spacePath(sp.DID, ""), &full); err != nil {
			return "", err
		}
		if slices.ContainsFunc(full.Keys, func(k spaceKey) bool { return k.DID == c.KeyName }) {
			return sp.DID, nil
		}
	}
	return "", errors.New(tr("不知道这把密钥属于哪个空间：请用 --space 写明", "no space lists this key: say whose it is with --space"))
}

func showTaken(s *streams, would admission.Result) error {
	t := table{Head: []string{tr("账本位置", "position"), tr("类型", "kind"), "@id"}, Right: map[int]bool{0: true}}
	for _, e := range would.Taken {
		t.add(number(e.Index), e.Kind, cut(e.ID, 100))
	}
	if len(would.Taken) > 0 {
		if err := t.write(s.Out); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(s.Out, tr("这把密钥（连同它加进来的密钥）此后签署、将作废的记录共 %s 条\n", "%s entries that this key, and those that it added, signed since then would be void\n"), number(would.Total))
	return err
}

type spaceRemoveCmd struct {
	office `embed:""`
	Reason string   `required:"" placeholder:"TEXT" help:"Why; it stands in the log, for everybody."`
	Yes    bool     `short:"y" help:"Do it without asking."`
	DID    string   `arg:"" name:"did" help:"DID of the space, or its name where only one has it."`
	IDs    []string `arg:"" name:"id" help:"@id of each offering."`
}

// Run deregisters offerings against the space's will.
func (c *spaceRemoveCmd) Run(ctx context.Context, s *streams) error {
	question := fmt.Sprintf(tr("强制注销空间 %%s 的 %d 项产品吗？不能撤回。", "Deregister %d offerings of the space %%s? It cannot be taken back."), len(c.IDs))
	return c.about(ctx, s, c.DID, admission.Order{Verb: vocab.Removal, Offerings: c.IDs, Reason: c.Reason}, c.Yes, question, tr("已注销", "deregistered"))
}

type spaceReleaseCmd struct {
	office `embed:""`
	Entry  uint64 `required:"" placeholder:"POSITION" help:"Entry of the log that was redacted."`
	Reason string `required:"" placeholder:"TEXT" help:"Why; it stands in the log, for everybody."`
	Yes    bool   `short:"y" help:"Do it without asking."`
	DID    string `arg:"" name:"did" help:"DID of the space, or its name where only one has it."`
}

// Run lets a space publish again under the name of an entry that was redacted.
func (c *spaceReleaseCmd) Run(ctx context.Context, s *streams) error {
	question := fmt.Sprintf(tr("准许空间 %%s 再用第 %d 条记录的 @id 发布吗？请先确认内容已改正。", "Let the space %%s publish again under the @id of entry %d? Make sure first that it has been put right."), c.Entry)
	return c.about(ctx, s, c.DID, admission.Order{Verb: vocab.Release, From: c.Entry, Reason: c.Reason}, c.Yes, question, tr("已解除", "lifted"))
}

type spaceProposalsCmd struct {
	office `embed:""`
}

// Run lists what waits for a second officer.
func (c *spaceProposalsCmd) Run(ctx context.Context, s *streams) error {
	list, shown, err := pages[admission.Proposal](ctx, s, c.office, "/api/v1/proposals")
	if shown || err != nil {
		return err
	}
	t := table{Head: []string{tr("编号", "id"), tr("事项", "what"), tr("数量", "entries"), tr("空间", "space"), tr("提出人", "by"), tr("有效期", "until"), tr("理由", "reason")}, Right: map[int]bool{2: true}}
	var stuck []string
	for _, p := range list {
		t.add(p.ID, p.Act, number(len(p.Offerings)+len(p.Entries)), cut(p.Space, 60), cut(p.By, 60), minute(p.Expires), cut(p.Reason, 60))
		if p.Nobody {
			stuck = append(stuck, p.ID)
		}
	}
	if len(stuck) > 0 {
		fmt.Fprintf(s.Err, tr("提醒：除提出人之外没有人有权批准 %s，请在节点配置的 operators 中再任命一人\n", "note: nobody but who proposed them may approve %s: name another officer under operators in the hub's configuration\n"), strings.Join(stuck, tr("、", ", ")))
	}
	return t.write(s.Out)
}

type spaceApproveCmd struct {
	office `embed:""`
	ID     string `arg:"" name:"id" help:"Number of the proposal (lianmu space proposals)."`
}

// Run approves a proposal, which is done at once.
func (c *spaceApproveCmd) Run(ctx context.Context, s *streams) error {
	hub, err := c.enter(s)
	if err != nil {
		return err
	}
	var out admission.Result
	if err := hub.post(ctx, "/api/v1/proposals/"+url.PathEscape(c.ID)+"/approve", struct{}{}, &out); err != nil {
		return refusedBy(s, err)
	}
	return c.show(s, out, tr("已执行", "done"))
}

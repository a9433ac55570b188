package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"lianmu/hub/peering"
)

type peerShowCmd struct {
	office `embed:""`
	DID    string `arg:"" name:"did" help:"DID of the hub, or its name where only one has it."`
}

// Run shows all that is known of a peer.
func (c *peerShowCmd) Run(ctx context.Context, s *streams) error {
	hub, did, err := c.enterPeer(ctx, s, c.DID)
	if err != nil {
		return err
	}
	var raw []byte
	if err := hub.operate(ctx, http.MethodGet, peerPath(did, ""), &raw); err != nil {
		return refusedBy(s, err)
	}
	if c.JSON {
		_, err := fmt.Fprintf(s.Out, "%s\n", strings.TrimSpace(string(raw)))
		return err
	}
	var p struct {
		peering.PeerInfo
		Faults map[string][]peering.Fault `json:"faults"`
	}
	if err := receive(raw, &p); err != nil {
		return err
	}
	if err := c.showPeer(s, &p.PeerInfo); err != nil {
		return err
	}
	for _, l := range p.Logs {
		fmt.Fprintln(s.Out)
		if err := c.showLog(s, l, p.Faults[l.Origin]); err != nil {
			return err
		}
	}
	return nil
}

func (d desk) showPeer(s *streams, p *peering.PeerInfo) error {
	t := table{}
	row := func(zh, en, text string) {
		if text != "" {
			t.add(tr(zh, en), cut(text, 120))
		}
	}
	if p.About != nil {
		describeCard(&t, p.About, p.Words)
	} else {
		t.add("DID", p.DID)
		row("指纹", "words", p.Words.ZH)
		t.add("", p.Words.EN)
	}
	state := sayPeerState(p.State)
	if p.Why == "peer.outbound" {
		state += tr("：对方的名片改为境外，须重新批准并写明 --outbound", ": its card says now that it is outside the mainland; approve it again with --outbound")
	}
	row("状态", "state", state)
	for _, a := range []struct {
		zh, en string
		*peering.Approval
	}{{"出境批准", "outbound", p.Outbound}, {"重要数据", "important data", p.Important}} {
		if a.Approval != nil {
			row(a.zh, a.en, fmt.Sprintf(tr("%s（%s，%s）", "%s (%s, %s)"), a.Reason, a.By, minute(a.At)))
		}
	}
	if p.Relays {
		row("转交", "relays", tr("也接收它转来的其他节点账本", "logs of other hubs are taken from it too"))
	}
	row("备注", "note", p.Note)
	if p.Says != nil && p.About != nil {
		d.describeNewer(&t, p)
	}
	if !p.Added.IsZero() {
		row("登记", "added", strings.TrimSpace(minute(p.Added)+"  "+p.By))
	}
	for i, a := range p.Addresses {
		t.add(map[bool]string{true: tr("连接地址", "dialled at")}[i == 0], cut(a, 120))
	}
	if p.Plain {
		row("", "", tr("有地址没有 TLS：途中的人能看到交换的内容，但改不了", "an address is without TLS: what is exchanged can be read on the way, though not altered"))
	}
	if l := p.Link; l != nil {
		connected := tr("未连通", "not connected")
		if l.Connected {
			connected = tr("已连通", "connected")
		}
		row("连接", "link", strings.TrimSpace(connected+"  "+l.Address))
		if !l.Heard.IsZero() {
			row("最近应答", "heard", second(l.Heard))
		}
		row("收 / 发字节", "bytes in / out", number(l.In)+" / "+number(l.Out))
		wrapped(&t, tr("最近的问题", "last error"), sayComplaint(s, l.Error))
	}
	if !p.Asked.IsZero() {
		row("对方最近来询", "asked here", second(p.Asked))
	}
	return t.write(s.Out)
}

// describeNewer shows what a hub says of itself since its card was taken, and the
// command that takes it on the same terms.
func (d desk) describeNewer(t *table, p *peering.PeerInfo) {
	words := []string{"peer", "approve"}
	if p.Relays {
		words = append(words, "--relays")
	}
	if p.Important != nil {
		words = append(words, "--important", p.Important.Reason)
	}
	t.add(tr("新名片", "new card"), tr("对方的名片改了，批准之后才采用：", "its card has changed, and is taken once approved: ")+d.command(append(words, p.DID)...))
	for _, change := range []struct{ zh, en, was, is string }{
		{"名称", "name", allNames(p.About.Name), allNames(p.Says.Name)},
		{"联系部门", "contact", p.About.Contact, p.Says.Contact},
		{"法域", "jurisdiction", p.About.Jurisdiction, p.Says.Jurisdiction},
		{"地址", "address", strings.Join(p.About.Addresses, "  "), strings.Join(p.Says.Addresses, "  ")},
	} {
		if change.is != change.was {
			t.add("", cut(fmt.Sprintf(tr("%s：%s（原为 %s）", "%s: %s (was %s)"), tr(change.zh, change.en), orDash(change.is), orDash(change.was)), 160))
		}
	}
}

// wrapped adds a text whole, on as many lines as it takes; none where there is none.
func wrapped(t *table, name, text string) {
	if text == "" {
		return
	}
	for i, line := range wrap(text, 100) {
		t.add(map[bool]string{true: name}[i == 0], strings.TrimSpace(line))
	}
}

// showLog shows a mirrored log, with the entries of it that do not stand.
func (d desk) showLog(s *streams, l peering.LogInfo, faults []peering.Fault) error {
	t := table{}
	row := func(zh, en, text string) {
		if text != "" {
			t.add(tr(zh, en), cut(text, 120))
		}
	}
	row("账本", "log", l.Origin)
	row("状态", "state", sayLogState(l.State))
	if l.Why != nil {
		wrapped(&t, tr("原因", "why"), say(l.Why.Message))
	}
	if l.State == peering.Offered || l.State == peering.Stopped {
		t.add(tr("处置", "to do"), tr("与对方核实后，接受：", "clear it up with its hub, then: ")+d.command("peer", "accept", l.Origin))
	}
	entries := fmt.Sprintf(tr("%s 条，还差 %s 条", "%s, %s behind"), number(l.Size), number(l.Lag))
	if !l.LagKnown {
		entries = fmt.Sprintf(tr("%s 条；眼下没有节点提供它，还差多少不明", "%s; nobody offers it now, so how many are lacking is not known"), number(l.Size))
	}
	row("记录", "entries", entries)
	for _, n := range []struct {
		zh, en string
		n      int
	}{
		{"有误", "faulty", l.Faulty}, {"不对本节点公开", "not for this hub", l.Withheld}, {"缺少正文", "without document", l.Missing}, {"已删除正文", "redacted", l.Redacted},
	} {
		if n.n > 0 {
			row(n.zh, n.en, number(n.n))
		}
	}
	if !l.Heard.IsZero() {
		row("最近一次消息", "alive", second(l.Heard))
	}
	if l.Source != "" && l.Source != l.Hub {
		row("抄自", "copied from", l.Source)
	}
	wrapped(&t, tr("最近的问题", "last error"), sayComplaint(s, l.Error))
	if err := t.write(s.Out); err != nil {
		return err
	}
	for _, f := range faults {
		fmt.Fprintf(s.Out, tr("第 %s 条有误，只留作证据：%s\n", "entry %s does not stand and is kept as evidence: %s\n"), number(f.Index), clean(say(f.Problem.Message)))
	}
	for i, note := range l.Evidence {
		fmt.Fprintf(s.Out, tr("证据 %d：\n", "evidence %d:\n"), i+1)
		for _, line := range strings.Split(strings.TrimSpace(string(note)), "\n") {
			fmt.Fprintf(s.Out, "    %s\n", clean(line))
		}
	}
	return nil
}

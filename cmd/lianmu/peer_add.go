package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"lianmu/hub/peering"
	"lianmu/vocab"
)

// peerTerms are what an officer lets a peer have.
type peerTerms struct {
	Outbound  string `placeholder:"REASON" help:"On what ground descriptions may leave the mainland (出境); needed for a hub outside."`
	Important string `placeholder:"REASON" help:"On what ground descriptions of 重要数据 may go to it; without it they do not."`
	Relays    bool   `help:"Take logs of hubs unknown here from it too."`
	Note      string `placeholder:"TEXT" help:"For the officers."`
	Yes       bool   `short:"y" help:"Do it without asking."`
}

func (t peerTerms) terms() peering.Terms {
	return peering.Terms{Outbound: t.Outbound, Important: t.Important, Relays: t.Relays, Note: t.Note}
}

type peerAddCmd struct {
	office    `embed:""`
	peerTerms `embed:""`
	Card      string `arg:"" name:"card" help:"File of the other hub's card (- is standard input), or its address: nats://, tls://, http:// or https://, for trials."`
}

// peerPreview is the answer of POST /api/v1/peers/preview.
type peerPreview struct {
	peering.Preview
	Card json.RawMessage `json:"card"`
}

// shownHub names another hub: its card, an address, or both.
type shownHub struct {
	Card json.RawMessage `json:"card,omitempty"`
	URL  string          `json:"url,omitempty"`
}

// addition is the question of POST /api/v1/peers.
type addition struct {
	shownHub
	peering.Terms
}

// Run shows who the other hub is and what would leave, asks, and adds what was
// shown and nothing else.
func (c *peerAddCmd) Run(ctx context.Context, s *streams) error {
	hub, err := c.enter(s)
	if err != nil {
		return err
	}
	asked, err := c.named(s)
	if err != nil {
		return err
	}
	seen, err := c.look(ctx, s, hub, asked, c.peerTerms, tr("把它加为对等节点吗？", "Make it a peer?"), nil)
	if err != nil {
		return err
	}
	var info json.RawMessage
	if err := hub.post(ctx, "/api/v1/peers", addition{shownHub{Card: seen.Card, URL: asked.URL}, c.terms()}, &info); err != nil {
		return refusedBy(s, err)
	}
	return c.done(s, info, tr("已添加。对方也批准本节点之后，才能收到它的条目；查看进展：", "Added. Its entries come once it has approved this hub too; to see how it goes: ")+c.command("peer", "list"))
}

// named reads the argument: an address, or a file with a card.
func (c *peerAddCmd) named(s *streams) (shownHub, error) {
	if strings.Contains(c.Card, "://") {
		return shownHub{URL: c.Card}, nil
	}
	in := s.In
	if c.Card != "-" {
		f, err := os.Open(c.Card)
		if err != nil {
			return shownHub{}, err
		}
		defer f.Close()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, peering.MaxCard+2))
	raw = []byte(strings.TrimSpace(string(raw)))
	switch {
	case err != nil:
		return shownHub{}, err
	case len(raw) > peering.MaxCard || !json.Valid(raw) || raw[0] != '{':
		return shownHub{}, fmt.Errorf(tr("%s 不是名片文件。请对方用 lianmu peer invite 生成；试用时也可以直接写对方的地址", "%s is no card: have the other side make one with lianmu peer invite; for a trial give its address instead"), c.Card)
	}
	return shownHub{Card: raw}, nil
}

// look shows a hub's card and what would leave to it, and asks. What is missing for
// a yes is said before. had is an outbound approval that there is already.
func (o office) look(ctx context.Context, s *streams, hub *hubClient, asked shownHub, terms peerTerms, question string, had *peering.Approval) (*peerPreview, error) {
	var seen peerPreview
	if err := hub.post(ctx, "/api/v1/peers/preview", asked, &seen); err != nil {
		return nil, refusedBy(s, err)
	}
	if !o.JSON {
		if err := showPreview(s, &seen); err != nil {
			return nil, err
		}
	}
	if seen.Outbound && terms.Outbound == "" && had == nil {
		return nil, errors.New(tr("未做任何事：对方在境外，向它提供目录属于向境外提供。请先完成出境评估，再用 --outbound 写明批准的依据",
			"nothing was done: the other hub is outside the mainland. Have the transfer assessed first, then say with --outbound on what ground it was approved"))
	}
	return &seen, ask(s, terms.Yes, question)
}

func showPreview(s *streams, p *peerPreview) error {
	t := table{}
	describeCard(&t, &p.Peer, p.Words)
	if err := t.write(s.Out); err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "\n%s\n", tr("请打电话与对方逐词核对指纹：名称可以自取，指纹仿冒不了。", "Compare the words with the other side over the telephone: anybody can take a name, nobody these words."))
	fmt.Fprintf(s.Out, "\n%s\n", tr("会向它提供：", "What would leave to it:"))
	rows := table{Head: []string{tr("可见范围", "audience"), tr("安全级别", "level"), tr("产品数", "offerings"), tr("提供", "what leaves")}, Right: map[int]bool{2: true}}
	for _, r := range p.Rows {
		leaves := tr("只有叶记录", "leaf records alone")
		if r.Leaves {
			leaves = tr("完整描述", "descriptions")
		}
		level := say(r.Label)
		if r.Level == "" {
			level = tr("未写明", "not said")
		}
		rows.add(sayAudience(r.Audience), level, number(r.Offerings), leaves)
	}
	if len(p.Rows) == 0 {
		fmt.Fprintln(s.Out, tr("（还没有产品）", "(there are no offerings yet)"))
	} else if err := rows.write(s.Out); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.Out, tr("账本 %s 条记录的叶记录（种类、时间、摘要，没有内容）对所有节点公开\n", "the leaf records of all %s entries (kind, time, digests, no content) are open to every hub\n"), number(p.Entries))
	for _, n := range p.Notes {
		fmt.Fprintf(s.Out, tr("提醒：%s\n", "note: %s\n"), say(n.Message))
	}
	fmt.Fprintln(s.Out)
	return err
}

// describeCard shows what a hub says of itself.
func describeCard(t *table, c *vocab.LogCard, words peering.Words) {
	row := func(zh, en, text string) { t.add(tr(zh, en), cut(text, 120)) }
	row("名称", "name", allNames(c.Name))
	t.add("DID", c.Hub)
	row("指纹", "words", words.ZH)
	row("", "", words.EN)
	row("账本", "log", c.Origin)
	for i, a := range c.Addresses {
		t.add(map[bool]string{true: tr("地址", "address")}[i == 0], cut(a, 120))
	}
	row("联系部门", "contact", orElse(c.Contact, tr("没有留下", "none named")))
	row("法域", "jurisdiction", c.Jurisdiction)
	retention := tr("未设期限", "not bounded")
	if c.Retention > 0 {
		retention = fmt.Sprintf(tr("离开账本后 %s 天", "%s days after leaving the log"), number(c.Retention))
	}
	row("正文保存", "retention", retention)
	agreement := tr("没有写明", "none named")
	if !c.Agreement.IsZero() {
		agreement = "SHA-256 " + c.Agreement.String()
	}
	row("交换协议", "agreement", agreement)
	admits := tr("逐个准入空间", "spaces one by one")
	if c.Open {
		admits = tr("开放试用，凡签名者都能发布", "whoever signs (open, for trials)")
	}
	row("准入", "admits", admits)
}

// allNames is a name in all its languages.
func allNames(name vocab.Text) string {
	all := make([]string, 0, len(name))
	for _, l := range name.Languages() {
		all = append(all, name[l])
	}
	return strings.Join(all, " / ")
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func sayAudience(a vocab.Audience) string {
	switch a {
	case vocab.AudiencePublic:
		return tr("公开", "public")
	case vocab.AudienceRecognised:
		return tr("互认", "recognised")
	case vocab.AudienceSpace:
		return tr("本空间", "space")
	}
	return string(a)
}

type peerApproveCmd struct {
	office    `embed:""`
	peerTerms `embed:""`
	DID       string `arg:"" name:"did" help:"DID of the hub, or its name where only one has it."`
}

// Run shows the card of a hub that is known, the newest that there is, what would
// leave, asks, and approves that card.
func (c *peerApproveCmd) Run(ctx context.Context, s *streams) error {
	hub, did, err := c.enterPeer(ctx, s, c.DID)
	if err != nil {
		return err
	}
	var peer peering.PeerInfo
	if err := hub.asMe(ctx, peerPath(did, ""), &peer); err != nil {
		return refusedBy(s, err)
	}
	shown, path, body := shownHub{Card: peer.Card}, peerPath(did, "/approve"), any(c.terms())
	if len(peer.Newer) > 0 {
		shown.Card = peer.Newer
		path, body = "/api/v1/peers", addition{shown, c.terms()}
	}
	if _, err := c.look(ctx, s, hub, shown, c.peerTerms, tr("批准它为对等节点吗？未重新写明的条件随之取消。", "Approve it? Terms that are not named anew lapse."), peer.Outbound); err != nil {
		return err
	}
	var info json.RawMessage
	if err := hub.post(ctx, path, body, &info); err != nil {
		return refusedBy(s, err)
	}
	return c.done(s, info, tr("已批准", "approved"))
}

// done prints what the hub answered, or a word.
func (o office) done(s *streams, info json.RawMessage, word string) error {
	if o.JSON && info != nil {
		_, err := fmt.Fprintf(s.Out, "%s\n", info)
		return err
	}
	_, err := fmt.Fprintln(s.Out, word)
	return err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"lianmu/vocab"
)

// aboutPeer does something about a peer, after a question where one is given; it has a
// place for the peer (%s).
func (d desk) aboutPeer(ctx context.Context, s *streams, wanted, act string, body any, yes bool, question, done string) error {
	hub, did, err := d.enterPeer(ctx, s, wanted)
	if err != nil {
		return err
	}
	if question != "" {
		if err := ask(s, yes, fmt.Sprintf(question, named(wanted, did))); err != nil {
			return err
		}
	}
	if err := hub.post(ctx, peerPath(did, "/"+act), body, nil); err != nil {
		return refusedBy(s, err)
	}
	_, err = fmt.Fprintln(s.Out, done)
	return err
}

type peerPauseCmd struct {
	desk `embed:""`
	DID  string `arg:"" name:"did" help:"DID of the hub, or its name where only one has it."`
}

// Run pauses the exchange.
func (c *peerPauseCmd) Run(ctx context.Context, s *streams) error {
	return c.aboutPeer(ctx, s, c.DID, "pause", struct{}{}, true, "", tr("已暂停；已镜像的条目保留", "paused; what was mirrored stays"))
}

type peerResumeCmd struct {
	desk `embed:""`
	DID  string `arg:"" name:"did" help:"DID of the hub, or its name where only one has it."`
}

// Run goes on.
func (c *peerResumeCmd) Run(ctx context.Context, s *streams) error {
	return c.aboutPeer(ctx, s, c.DID, "resume", struct{}{}, true, "", tr("已恢复，从上次的位置接着交换", "resumed, from where it was"))
}

type peerBlockCmd struct {
	desk `embed:""`
	Yes  bool   `short:"y" help:"Do it without asking."`
	DID  string `arg:"" name:"did" help:"DID of the hub, or its name where only one has it."`
}

// Run refuses a hub.
func (c *peerBlockCmd) Run(ctx context.Context, s *streams) error {
	return c.aboutPeer(ctx, s, c.DID, "block", struct{}{}, c.Yes,
		tr("拒绝 %s吗？它不能再申请，也不从任何节点接收它的账本。", "Refuse %s? It cannot present itself again, and its logs are taken from nobody."), tr("已拒绝", "blocked"))
}

type peerRemoveCmd struct {
	desk  `embed:""`
	Keep  bool   `xor:"what" required:"" help:"Keep the mirrored logs: they age."`
	Purge bool   `xor:"what" required:"" help:"Throw the mirrored logs away, from index and disk."`
	Yes   bool   `short:"y" help:"Do it without asking."`
	DID   string `arg:"" name:"did" help:"DID of the hub, or its name where only one has it."`
}

// Run ends being peers.
func (c *peerRemoveCmd) Run(ctx context.Context, s *streams) error {
	question, done := tr("移除 %s吗？镜像的账本保留。", "Remove %s? Its mirrored logs stay."), tr("已移除，镜像保留", "removed, the mirrors kept")
	if c.Purge {
		question = tr("移除 %s 并清除从它镜像的账本吗？其条目立即从检索中消失，以后须从头镜像。", "Remove %s and throw its mirrored logs away? Their entries leave the search at once, and would have to be copied anew.")
		done = tr("已移除，镜像正在清除", "removed; the mirrors are being thrown away")
	}
	return c.aboutPeer(ctx, s, c.DID, "remove", map[string]bool{"purge": c.Purge}, c.Yes, question, done)
}

type peerAcceptCmd struct {
	desk   `embed:""`
	Yes    bool   `short:"y" help:"Do it without asking."`
	Origin string `arg:"" name:"origin" help:"Name of the log (lianmu peer show), such as lianmu/z6Mk…/2."`
}

// Run accepts a log: another epoch of a hub, or one that was stopped.
func (c *peerAcceptCmd) Run(ctx context.Context, s *streams) error {
	did := vocab.HubOf(c.Origin)
	if did == "" {
		return errors.New(tr("账本名称形如 lianmu/z6Mk…/2，见 lianmu peer show", "the name of a log is like lianmu/z6Mk…/2: see lianmu peer show"))
	}
	return c.aboutPeer(ctx, s, did, "accept", map[string]string{"origin": c.Origin}, c.Yes,
		fmt.Sprintf(tr("接受账本 %s 吗？请先与该节点的联系部门核实。若是新的一期，原账本的条目立即撤下。（%%s）", "Accept the log %s? Clear it up with its hub first. If it is a new epoch, the entries of the former log leave at once. (%%s)"), strings.ReplaceAll(clean(c.Origin), "%", "%%")),
		tr("已接受", "accepted"))
}

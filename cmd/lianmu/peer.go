package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"lianmu/hub/peering"
	"lianmu/vocab"
)

// peerCmd is with whom a hub exchanges logs.
type peerCmd struct {
	Invite  peerInviteCmd  `cmd:"" help:"Write this hub's card, to be given to the operator of another."`
	Add     peerAddCmd     `cmd:"" help:"Make another hub a peer, by its card or address: shows who it is and what would leave, then asks."`
	List    peerListCmd    `cmd:"" help:"List the peers, how far their logs are copied, and what was wrong."`
	Show    peerShowCmd    `cmd:"" help:"Show a peer: card, terms, connection, logs, evidence."`
	Approve peerApproveCmd `cmd:"" help:"Approve a hub that waits, or was paused or blocked; or change the terms of a peer."`
	Pause   peerPauseCmd   `cmd:"" help:"Exchange nothing with a peer for a while."`
	Resume  peerResumeCmd  `cmd:"" help:"Go on after a pause."`
	Block   peerBlockCmd   `cmd:"" help:"Refuse a hub, until it is approved."`
	Remove  peerRemoveCmd  `cmd:"" help:"End being peers, and keep or purge the mirrored logs."`
	Accept  peerAcceptCmd  `cmd:"" help:"Have a log mirrored: a new epoch of a hub, or one that was stopped."`
}

// exchangedLogs is the answer of GET /api/v1/peers.
type exchangedLogs struct {
	Items  []peering.PeerInfo `json:"items"`
	Others []peering.LogInfo  `json:"others"`
}

// listPeers asks for all peers; raw is the answer as it came.
func listPeers(ctx context.Context, hub *hubClient) (all exchangedLogs, raw []byte, err error) {
	if err := hub.operate(ctx, http.MethodGet, "/api/v1/peers", &raw); err != nil {
		return all, nil, err
	}
	if err := receive(raw, &all); err != nil {
		return all, nil, notUnderstood(hub.base, err)
	}
	if all.Items == nil { // it tells everybody what logs there are, and officers alone the rest
		return all, nil, vocab.Problems{vocab.NewProblem("", "access.forbidden",
			"这把密钥没有“查看对等节点”的权限。请换用有此权限的密钥（见 lianmu access show）。", "this key may not see the peers: use one that may (see lianmu access show)")}
	}
	return all, raw, nil
}

// namePeer finds the DID of the hub that is meant by a DID or a name. Anybody can
// take a name: whoever else goes by it is told of.
func namePeer(ctx context.Context, s *streams, hub *hubClient, wanted string) (string, error) {
	if strings.HasPrefix(wanted, "did:") {
		return wanted, nil
	}
	all, _, err := listPeers(ctx, hub)
	if err != nil {
		return "", err
	}
	did, err := peering.Named(all.Items, all.Others, wanted)
	if err != nil {
		return "", err
	}
	for _, p := range all.Items {
		if p.DID != did && p.About != nil && called(p.About.Name, wanted) {
			fmt.Fprintf(s.Err, tr("注意：这里指 %s；自称“%s”的还有 %s（%s）\n", "note: %s is meant; %q is also what %s calls itself (%s)\n"), did, clean(wanted), p.DID, sayPeerState(p.State))
		}
	}
	return did, nil
}

// enterPeer returns the hub, and the DID of the other one that is meant.
func (d desk) enterPeer(ctx context.Context, s *streams, wanted string) (hub *hubClient, did string, err error) {
	if hub, err = d.enter(s); err == nil {
		did, err = namePeer(ctx, s, hub, wanted)
	}
	if err != nil {
		return nil, "", refusedBy(s, err)
	}
	return hub, did, nil
}

// peerPath is the address of a peer; its DID is one segment.
func peerPath(did, rest string) string { return "/api/v1/peers/" + url.PathEscape(did) + rest }

type peerInviteCmd struct {
	Hub string `required:"" placeholder:"URL" env:"LIANMU_HTTP_HUB" help:"http://HOST:PORT."`
	Out string `placeholder:"FILE" help:"File to write; never overwritten. Without it, standard output."`
}

// Run writes the card, which is no secret, and what to tell the other side with it.
func (c *peerInviteCmd) Run(ctx context.Context, s *streams) error {
	hub, err := newHubClient(c.Hub, nil, s.Now)
	if err != nil {
		return err
	}
	var raw []byte
	if err := hub.get(ctx, "/api/v1/hub", &raw); err != nil {
		return err
	}
	var card struct {
		Hub     string   `json:"hub"`
		Address []string `json:"address"`
	}
	if err := receive(raw, &card); err != nil || card.Hub == "" {
		return errors.New(tr("答复不是目录账本名片（是联目节点吗？）", "the answer is no log card (is it a lianmu hub?)"))
	}
	if c.Out == "" {
		if _, err := fmt.Fprintf(s.Out, "%s\n", raw); err != nil {
			return err
		}
	} else if err := writeNew(c.Out, raw); err != nil {
		return err
	}
	words := peering.Fingerprint(card.Hub)
	fmt.Fprintf(s.Err, tr("节点    %s\n指纹    %s\n        %s\n地址    %s\n把名片交给对方，并用另一途径（如电话）核对指纹。对方运行（--hub 和 --key 写对方自己的）：\n  %s\n",
		"hub      %s\nwords    %[3]s\n         %[2]s\naddress  %[4]s\nGive the card to the other side, and compare the words another way, such as by telephone. They run, with a hub and key of their own:\n  %[5]s\n"),
		card.Hub, words.ZH, words.EN, strings.Join(card.Address, "  "), elsewhere("peer", "add", orElse(c.Out, "CARD.json")))
	return nil
}

// writeNew writes a file that is not there yet.
func writeNew(path string, content []byte) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = f.Write(content)
	return err
}

type peerListCmd struct {
	office `embed:""`
}

// Run lists the peers, then the logs that come by way of them.
func (c *peerListCmd) Run(ctx context.Context, s *streams) error {
	hub, err := c.enter(s)
	if err != nil {
		return err
	}
	all, raw, err := listPeers(ctx, hub)
	if err != nil {
		return refusedBy(s, err)
	}
	if c.JSON {
		return printPeers(s, raw)
	}
	if len(all.Items)+len(all.Others) == 0 {
		_, err := fmt.Fprintln(s.Err, tr("还没有对等节点；用对方的名片添加：", "there are no peers yet; add one by its card: ")+c.command("peer", "add", "CARD.json"))
		return err
	}
	t := table{Head: []string{tr("名称", "name"), tr("状态", "state"), tr("账本", "log"), tr("落后条数", "lag"), tr("静默", "silent"),
		tr("收到字节", "bytes in"), tr("发出字节", "bytes out"), "DID", tr("最近的问题", "last error")}, Right: map[int]bool{3: true, 4: true, 5: true, 6: true}}
	for _, p := range all.Items {
		in, out, complaint := "-", "-", (*peering.Complaint)(nil)
		state := sayPeerState(p.State)
		if p.Link != nil {
			in, out, complaint = number(p.Link.In), number(p.Link.Out), p.Link.Error
			if !p.Link.Connected {
				state = tr("未连通", "not connected")
			}
		}
		if p.Says != nil {
			state += tr("，名片有变", ", new card")
		}
		log, lag, age := "-", "-", "-"
		for _, l := range p.Logs {
			log, lag, age = sayLogState(l.State), sayLag(l), sayAge(l.AgeS)
			complaint = graver(complaint, l.Error)
			if l.State == peering.Offered || l.State == peering.Stopped { // waits for a decision: that first
				break
			}
		}
		name := vocab.Text{}
		if p.About != nil {
			name = p.About.Name
		}
		t.add(cut(say(name), 36), state, log, lag, age, in, out, p.DID, cut(sayComplaint(s, complaint), 80))
	}
	for _, l := range all.Others {
		t.add(cut(say(l.Name), 36), tr("不是对等节点", "no peer"), sayLogState(l.State), sayLag(l), sayAge(l.AgeS), "-", "-", l.Hub, cut(sayComplaint(s, l.Error), 80))
	}
	return t.write(s.Out)
}

// printPeers prints each peer as a line, then each log of others.
func printPeers(s *streams, raw []byte) error {
	var lines struct {
		Items  []json.RawMessage `json:"items"`
		Others []json.RawMessage `json:"others"`
	}
	if err := json.Unmarshal(raw, &lines); err != nil {
		return err
	}
	for _, line := range append(lines.Items, lines.Others...) {
		if _, err := fmt.Fprintf(s.Out, "%s\n", line); err != nil {
			return err
		}
	}
	return nil
}

// graver is the complaint to be told of two, either of which may be nil: what is
// still wrong, then the later one.
func graver(a, b *peering.Complaint) *peering.Complaint {
	switch {
	case a == nil, b != nil && a.Over && !b.Over:
		return b
	case b == nil, b.Over && !a.Over, !b.At.After(a.At):
		return a
	}
	return b
}

// sayComplaint tells what was last wrong, how long ago, and whether it is over; ""
// for nothing.
func sayComplaint(s *streams, c *peering.Complaint) string {
	if c == nil {
		return ""
	}
	says := tr("%s前：%s", "%s ago: %s")
	if c.Over {
		says = tr("已恢复（%s前：%s）", "over (%s ago: %s)")
	}
	return fmt.Sprintf(says, howLong(int64(s.Now().Sub(c.At).Seconds())), sayProblems(c.Problem))
}

// sayAge writes how long a hub has been silent; "-" stands for never heard.
func sayAge(seconds int64) string {
	if seconds < 0 {
		return "-"
	}
	return howLong(seconds)
}

// sayLag is how many entries a mirror lacks, where anybody can tell.
func sayLag(l peering.LogInfo) string {
	if !l.LagKnown {
		return tr("不明", "unknown")
	}
	return number(l.Lag)
}

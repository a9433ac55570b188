package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"lianmu/federation/identity"
	"lianmu/vocab"
)

type withdrawCmd struct {
	Hub        string        `required:"" placeholder:"URL" env:"LIANMU_HUB" help:"nats://HOST:PORT, wss://HOST/nats, or http://HOST:PORT."`
	Key        string        `required:"" placeholder:"FILE" env:"LIANMU_KEY" help:"The space's key."`
	HubDID     string        `name:"hub-did" placeholder:"DID" env:"LIANMU_HUB_DID" help:"The hub's DID, had from elsewhere: the key then speaks to no other (without it, the one that answers is believed)."`
	Deregister bool          `help:"Deregister: final, the @id cannot be published again."`
	GiveUp     time.Duration `default:"5m" help:"Stop when the hub has not answered for so long."`
	JSON       bool          `name:"json" help:"Print the receipts as JSON lines."`
	IDs        []string      `arg:"" name:"id" help:"@id of each offering."`
}

// Run withdraws or deregisters and prints the receipts; exit code 1 if any
// was refused or got no answer.
func (c *withdrawCmd) Run(ctx context.Context, s *streams) error {
	key, err := identity.ReadKey(c.Key)
	if err != nil {
		return err
	}
	if c.GiveUp <= 0 {
		return errors.New(tr("--give-up 必须大于 0", "--give-up must be more than 0"))
	}
	to, err := dial(ctx, c.Hub, caller{Key: key, HubDID: c.HubDID, Now: s.Now, Notice: func(text string) { fmt.Fprintln(s.Err, text) }})
	if err != nil {
		return err
	}
	defer to.Close()

	t := table{Head: []string{"@id", tr("结果", "status"), tr("账本位置", "position"), tr("说明", "remarks")}, Right: map[int]bool{2: true}}
	failed := false
	enc := json.NewEncoder(s.Out)
	p := &publisher{To: to, Key: key, Window: 64, GiveUp: c.GiveUp, Now: s.Now, Done: func(o outcome) {
		r := o.Receipt
		if o.Err != nil {
			r = vocab.Receipt{Status: "failed", ID: o.ID, Problems: failure(o.Err)}
		}
		failed = failed || o.Err != nil || r.Status == vocab.Refused
		if c.JSON {
			_ = enc.Encode(r) // a broken pipe shows at the next write of whoever reads
			return
		}
		position := "-"
		if r.Log != nil {
			position = number(r.Log.Index)
		}
		t.add(cut(o.ID, 80), sayStatus(r.Status), position, sayProblems(append(r.Problems, r.Warnings...)))
	}}
	stopped := p.Run(ctx, withdrawals(c.IDs, c.Deregister))
	if !c.JSON {
		if err := t.write(s.Out); err != nil {
			return err
		}
	}
	if stopped != nil {
		return stopped
	}
	if failed {
		return exitCode(1)
	}
	return nil
}

// withdrawals yields the unsigned document that takes down each id.
func withdrawals(ids []string, final bool) iter.Seq[document] {
	typ := "Withdrawal"
	if final {
		typ = "Deregistration"
	}
	return func(yield func(document) bool) {
		for i, id := range ids {
			raw, err := takeDown(typ, id)
			d := document{File: "args", Line: i + 1, Raw: raw, outline: outline{ID: id}}
			if err != nil {
				d.Problems = vocab.ProblemsOf(err, "json.syntax")
			}
			if !yield(d) {
				return
			}
		}
	}
}

// takeDown is the unsigned document that withdraws or deregisters id.
func takeDown(typ, id string) ([]byte, error) {
	return json.Marshal(struct {
		Context string `json:"@context"`
		Type    string `json:"@type"`
		ID      string `json:"@id"`
	}{"https://w3id.org/lianmu/v1", typ, id})
}

// sayStatus names what became of a submission.
func sayStatus(s vocab.Status) string {
	switch s {
	case vocab.Accepted:
		return tr("已接收", "accepted")
	case vocab.Renewed:
		return tr("已续期", "renewed")
	case vocab.Unchanged:
		return tr("无变化", "unchanged")
	case vocab.Superseded:
		return tr("已有更新版本", "superseded")
	case vocab.Refused:
		return tr("被退回", "refused")
	case vocab.Busy:
		return tr("节点忙", "busy")
	case vocab.Waiting:
		return tr("等待准入", "waiting")
	}
	return string(s)
}

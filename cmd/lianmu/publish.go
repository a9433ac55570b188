package main

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"lianmu/federation/identity"
)

type publishCmd struct {
	Hub      string        `required:"" placeholder:"URL" env:"LIANMU_HUB" help:"nats://HOST:PORT, wss://HOST/nats, or http://HOST:PORT."`
	Key      string        `placeholder:"FILE" env:"LIANMU_KEY" help:"The space's key; needed for NATS, and for what is not signed yet."`
	HubDID   string        `name:"hub-did" placeholder:"DID" env:"LIANMU_HUB_DID" help:"The hub's DID, had from elsewhere: the key then speaks to no other (without it, the one that answers is believed)."`
	Files    []string      `arg:"" optional:"" help:"Files (.json .jsonld .jsonl .ndjson, each also .gz), folders, or - for standard input."`
	Expires  time.Duration `default:"8760h" help:"How long new signatures hold; 0 is for ever."`
	Resign   bool          `help:"Sign anew what is signed already, with this key."`
	Window   int           `default:"256" help:"Requests in flight, 1 to 4096."`
	GiveUp   time.Duration `default:"5m" help:"Stop when the hub has not answered, or has taken nothing, for so long."`
	Refused  string        `placeholder:"FILE" help:"Write what was refused or failed, and why, as JSON lines."`
	Warnings string        `placeholder:"FILE" help:"Write what was taken with warnings, and which, as JSON lines."`
	Progress bool          `help:"Show the progress bar even where this is no terminal."`
	JSON     bool          `name:"json" help:"Print the summary as JSON."`
}

// Run publishes and prints a summary; exit code 1 if anything was refused or
// got no answer.
func (c *publishCmd) Run(ctx context.Context, s *streams) error {
	if c.Window < 1 || c.Window > 4096 {
		return errors.New(tr("--window 应在 1 到 4096 之间", "--window must be from 1 to 4096"))
	}
	if c.Expires < 0 || c.GiveUp <= 0 {
		return errors.New(tr("--expires 不能为负，--give-up 必须大于 0", "--expires must not be negative, and --give-up must be more than 0"))
	}
	p := &publisher{Expires: c.Expires, Resign: c.Resign, Window: c.Window, GiveUp: c.GiveUp, Now: s.Now}
	if c.Key != "" {
		key, err := identity.ReadKey(c.Key)
		if err != nil {
			return err
		}
		p.Key = key
	} else if c.Resign {
		return errors.New(tr("--resign 要和 --key 一起用", "--resign needs --key"))
	}
	in, err := openInput(c.Files, s.In)
	if err != nil {
		return err
	}
	bar := newProgress(s, c.Progress, in.total, tr("份", "documents"))
	defer bar.finish()
	p.Tell = bar.waiting
	if p.To, err = dial(ctx, c.Hub, caller{Key: p.Key, HubDID: c.HubDID, Now: s.Now, Notice: bar.say}); err != nil {
		return err
	}
	defer p.To.Close()

	sum := newSummary(s.Now)
	refused, err := createList(c.Refused, &sum.list)
	if err != nil {
		return err
	}
	defer refused.Close()
	warned, err := createList(c.Warnings, &sum.warned.list)
	if err != nil {
		return err
	}
	defer warned.Close()
	if len(c.Files) == 0 && isTerminal(s.In) {
		bar.say(tr("没有给出文件，从标准输入读取（Ctrl-D 结束）", "no files given: reading standard input (Ctrl-D ends it)"))
	}
	p.Done = func(o outcome) {
		sum.add(o)
		bar.set(in.read.Load(), sum.Documents)
	}
	docs := in.documents()
	if in.again {
		if p.Repeats, err = p.repeats(ctx, docs); err != nil {
			return err
		}
		in.read.Store(0)
	}
	stopped := p.Run(ctx, docs)
	bar.finish()
	return sum.finish(s, c.JSON, stopped)
}

// createList opens the file for a list, if it has a name; closing none is
// harmless.
func createList(name string, list *io.Writer) (*os.File, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Create(name)
	if err == nil {
		*list = f
	}
	return f, err
}

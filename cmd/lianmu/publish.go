package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"lianmu/federation/identity"
)

type publishCmd struct {
	Hub      string        `required:"" placeholder:"URL" env:"LIANMU_HUB" help:"nats://HOST:PORT, or http://HOST:PORT."`
	Key      string        `placeholder:"FILE" env:"LIANMU_KEY" help:"The space's key; needed for what is not signed yet."`
	Files    []string      `arg:"" optional:"" help:"Files (.json .jsonld .jsonl .ndjson, each also .gz), folders, or - for standard input."`
	Expires  time.Duration `default:"8760h" help:"How long new signatures hold; 0 is for ever."`
	Resign   bool          `help:"Sign anew what is signed already, with this key."`
	Window   int           `default:"256" help:"Requests in flight, 1 to 4096."`
	GiveUp   time.Duration `default:"5m" help:"Stop when the hub has not answered for so long."`
	Refused  string        `placeholder:"FILE" help:"Write what was refused or failed, and why, as JSON lines."`
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
	to, err := dial(ctx, c.Hub, func(text string) { fmt.Fprintln(s.Err, text) })
	if err != nil {
		return err
	}
	defer to.Close()
	p.To = to

	sum := newSummary(s.Now)
	if c.Refused != "" {
		f, err := os.Create(c.Refused)
		if err != nil {
			return err
		}
		defer f.Close()
		sum.list = f
	}
	bar := newProgress(s, c.Progress, in.total, tr("份", "documents"))
	p.Done = func(o outcome) {
		sum.add(o)
		bar.set(in.read.Load(), sum.Documents)
	}
	stopped := p.Run(ctx, in.documents())
	bar.finish()
	return sum.finish(s, c.JSON, stopped)
}

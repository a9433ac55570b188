package main

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/url"
	"os"
	"time"

	"lianmu/cmd/lianmu/demo"
	"lianmu/federation/identity"
	"lianmu/hub"
)

type demoCmd struct {
	Dir      string     `placeholder:"DIR" help:"Keep the catalogue in this folder; without it a temporary one, removed at the end."`
	HTTP     string     `name:"http" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address of pages and API; port 0 picks one."`
	NATS     string     `name:"nats" placeholder:"HOST:PORT" help:"Address of the embedded NATS server (default 127.0.0.1:4222, or any free port where that is taken)."`
	LogLevel slog.Level `name:"log-level" default:"warn" help:"debug, info, warn or error."`
}

// What the demonstration publishes with.
const (
	demoExpires = 365 * 24 * time.Hour
	demoGiveUp  = 20 * time.Second
)

// samples are searches that find something in the demonstration data.
var samples = []string{"港口 集装箱", "电池 回收", "container"}

// Run starts a hub with demonstration data and runs it until ctx ends.
func (c *demoCmd) Run(ctx context.Context, s *streams) error {
	dir := c.Dir
	if dir == "" {
		temp, err := os.MkdirTemp("", "lianmu-demo-*")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temp)
		dir = temp
	}
	log := slog.New(slog.NewTextHandler(s.Err, &slog.HandlerOptions{Level: c.LogLevel}))
	h, err := startHub(ctx, hub.Config{
		Dir: dir, HTTP: c.HTTP, NATS: c.natsAddress(), Open: true, Demo: true, Now: s.Now, Logger: log,
	})
	if err != nil {
		return err
	}
	info := h.Info()
	sum, err := publishDemo(ctx, s, info.NATS)
	info = h.Info() // the log has grown
	if err == nil {
		err = awaitDemo(ctx, s, info.HTTP)
	}
	if err == nil {
		err = announce(s, dir, info, sum)
	}
	if err != nil {
		return closeAfter(ctx, h, err)
	}
	return serve(ctx, h, log)
}

// natsAddress is the usual port if it is free: the demonstration should come
// up on any machine, and say where it is.
func (c *demoCmd) natsAddress() string {
	if c.NATS != "" {
		return c.NATS
	}
	const usual = "127.0.0.1:4222"
	l, err := net.Listen("tcp", usual)
	if err != nil {
		return "127.0.0.1:0"
	}
	_ = l.Close()
	return usual
}

// publishDemo publishes every space's descriptor and offerings over NATS, each
// signed with its own key, as any space would.
func publishDemo(ctx context.Context, s *streams, hub string) (*summary, error) {
	spaces, err := demo.Spaces()
	if err != nil {
		return nil, err
	}
	sum := newSummary(s.Now)
	for _, space := range spaces {
		if err := publishSpace(ctx, s, hub, space, sum); err != nil {
			return nil, fmt.Errorf("demo space %s: %w", space.Slug, err)
		}
	}
	return sum, nil
}

func publishSpace(ctx context.Context, s *streams, hub string, space demo.Space, sum *summary) error {
	key, err := identity.ImportKey("ed25519", space.SeedHex)
	if err != nil {
		return err
	}
	to, err := dial(ctx, hub, caller{Key: key, Now: s.Now, Notice: func(text string) { fmt.Fprintln(s.Err, text) }})
	if err != nil {
		return err
	}
	defer to.Close()
	p := &publisher{To: to, Key: key, Expires: demoExpires, Window: 64, GiveUp: demoGiveUp, Now: s.Now, Done: sum.add}
	return p.Run(ctx, demoDocuments(space))
}

func demoDocuments(space demo.Space) iter.Seq[document] {
	return func(yield func(document) bool) {
		for i, raw := range append([][]byte{space.Descriptor}, space.Offerings...) {
			if !yield(documentAt(space.Slug, i, raw)) {
				return
			}
		}
	}
}

// awaitDemo returns when the pages show what was published.
func awaitDemo(ctx context.Context, s *streams, address string) error {
	client, err := newHubClient(address, nil, s.Now)
	if err != nil {
		return err
	}
	return awaitIndexed(ctx, client)
}

// announce says where the catalogue is and what to look for.
func announce(s *streams, dir string, info hub.Info, sum *summary) error {
	fmt.Fprintf(s.Out, tr("演示目录已就绪：%s/\n", "the demonstration catalogue is ready: %s/\n"), info.HTTP)
	fmt.Fprintf(s.Out, tr("  接收 %d，无变化 %d，退回 %d（有几份故意写错，退回原因可供参考）\n",
		"  %d accepted, %d unchanged, %d refused (a few are faulty on purpose, to show what a refusal says)\n"),
		sum.Accepted+sum.Renewed, sum.Unchanged, sum.Refused)
	for _, r := range sum.Refusals {
		fmt.Fprintf(s.Out, "    %s\n", clean(cmp.Or(r.ID, r.File)))
		for _, line := range wrap(sayProblems(r.Problems), 90) {
			fmt.Fprintf(s.Out, "      %s\n", line)
		}
	}
	fmt.Fprintln(s.Out, tr("试着检索：", "searches to try:"))
	for _, words := range samples {
		fmt.Fprintf(s.Out, "  %s/search?q=%s   (%s)\n", info.HTTP, url.QueryEscape(words), words)
	}
	fmt.Fprintf(s.Out, tr("命令行：lianmu search --hub %s 港口；发布：lianmu publish --hub %s --key FILE FILES\n",
		"on the command line: lianmu search --hub %s 港口; publish: lianmu publish --hub %s --key FILE FILES\n"), info.HTTP, info.NATS)
	if err := showMember(s, dir, info); err != nil {
		return err
	}
	return ready(s, info)
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"

	"lianmu/cmd/lianmu/demo"
	"lianmu/hub/web"
	"lianmu/vocab"
)

type demoCmd struct {
	Dir      string     `placeholder:"DIR" help:"Keep the catalogue in this folder; without it a temporary one, removed at the end."`
	HTTP     string     `name:"http" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address of pages and API; port 0 picks one."`
	NATS     string     `name:"nats" placeholder:"HOST:PORT" help:"Address of the embedded NATS server (default 127.0.0.1:4222, or any free port where that is taken)."`
	LogLevel slog.Level `name:"log-level" default:"warn" help:"debug, info, warn or error."`
}

// samples are searches whose first hits come from all hubs of the demonstration.
var samples = []string{"主题:应急管理", "企业", "quality OR safety"}

// Run starts hubs with demonstration data that exchange their logs, and runs them
// until ctx ends. The first hub is the one to look at; the others listen where
// there is room.
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
	hubs, err := c.open(ctx, s, dir, log)
	var sum *summary
	if err == nil {
		err = hubs.befriend(ctx, s, dir)
	}
	if err == nil {
		sum, err = hubs.publish(ctx, s)
	}
	if err == nil {
		err = hubs.await(ctx, s)
	}
	if err == nil {
		err = hubs.announce(s, dir, sum)
	}
	if err != nil {
		return hubs.close(ctx, err)
	}
	return hubs.serve(ctx, log)
}

// open starts the hubs: the first one last, as its start page names the others.
func (c *demoCmd) open(ctx context.Context, s *streams, dir string, log *slog.Logger) (demoHubs, error) {
	for _, address := range []struct{ flag, at string }{{"--http", c.HTTP}, {"--nats", c.NATS}} {
		if err := checkAddress(address.flag, address.at); err != nil {
			return nil, err
		}
	}
	hubs := make(demoHubs, len(demo.Hubs))
	errs := make(chan error)
	for i, h := range demo.Hubs[1:] {
		go func() {
			started, err := startHub(ctx, demoConfig(h, dir, "127.0.0.1:0", "127.0.0.1:0", nil, s, log))
			hubs[i+1] = demoHub{h, started}
			errs <- err
		}()
	}
	var err error
	for range hubs[1:] {
		err = errors.Join(err, <-errs)
	}
	if err != nil {
		return hubs, err
	}
	var others []web.NamedURL
	for _, h := range hubs[1:] {
		others = append(others, web.NamedURL{Name: h.name(), URL: h.hub.Info().HTTP})
	}
	hubs[0].Hub = demo.Hubs[0]
	hubs[0].hub, err = startHub(ctx, demoConfig(demo.Hubs[0], dir, c.HTTP, c.natsAddress(), others, s, log))
	return hubs, err
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

// announce says where the catalogue is and what to look for.
func (all demoHubs) announce(s *streams, dir string, sum *summary) error {
	info := all[0].hub.Info()
	fmt.Fprintf(s.Out, tr("演示目录已就绪：%s/\n", "the demonstration catalogue is ready: %s/\n"), info.HTTP)
	fmt.Fprintf(s.Out, tr("%d 个目录节点互为对等节点，在任何一个都能检索到全部公开条目：\n", "%d hubs exchange their logs; what is public is found at each:\n"), len(all))
	t := table{}
	for _, h := range all {
		t.add("  "+say(h.name()), h.hub.Info().HTTP+"/")
	}
	if err := t.write(s.Out); err != nil {
		return err
	}
	fmt.Fprintf(s.Out, tr("  接收 %d，无变化 %d，退回 %d（有几份故意写错，退回原因可供参考）\n",
		"  %d accepted, %d unchanged, %d refused (a few are faulty on purpose, to show what a refusal says)\n"),
		sum.Accepted+sum.Renewed, sum.Unchanged, sum.Refused)
	for _, r := range sum.Refusals {
		fmt.Fprintf(s.Out, "    %s\n", clean(cmp.Or(r.ID, r.File)))
		for _, line := range wrap(sayProblems(r.Problems), 90) {
			fmt.Fprintf(s.Out, "      %s\n", line)
		}
	}
	fmt.Fprintln(s.Out, tr("试着检索（每个都能找到几个节点的条目，各条注明来自哪个节点）：", "searches to try (each finds entries of all the hubs, and says of each where it comes from):"))
	for _, words := range samples {
		fmt.Fprintf(s.Out, "  %s/search?q=%s   (%s)\n", info.HTTP, url.QueryEscape(words), words)
	}
	fmt.Fprintf(s.Out, tr("命令行：lianmu search --hub %s %s\n发布：lianmu publish --hub %s --key FILE FILES\n",
		"on the command line: lianmu search --hub %s %s\nto publish: lianmu publish --hub %s --key FILE FILES\n"), info.HTTP, samples[0], info.NATS)
	fmt.Fprintf(s.Out, tr("对等节点：lianmu peer list --hub %s --key %s\n", "the peers: lianmu peer list --hub %s --key %s\n"), info.HTTP, all[0].key(dir))
	if err := showMember(s, dir, info); err != nil {
		return err
	}
	return ready(s, info)
}

// name is the hub's, in both languages.
func (h demoHub) name() vocab.Text { return vocab.Text{"zh": h.NameZH, "en": h.NameEN} }

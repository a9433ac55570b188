package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"lianmu/cmd/lianmu/demo"
	"lianmu/federation/identity"
	"lianmu/hub"
	"lianmu/hub/peering"
	"lianmu/hub/view"
	"lianmu/hub/web"
	"lianmu/vocab"
)

// What the demonstration publishes with, and how long it waits for its hubs.
const (
	demoExpires = 365 * 24 * time.Hour
	demoGiveUp  = 20 * time.Second
)

// demoHub is a demonstration hub that runs.
type demoHub struct {
	demo.Hub
	hub *hub.Hub
}

// demoHubs are all of them, the one to look at first.
type demoHubs []demoHub

// key is the file of the hub's own key.
func (h demoHub) key(dir string) string { return filepath.Join(dir, h.Slug, "hub.key") }

func demoConfig(h demo.Hub, dir, http, nats string, others []web.NamedURL, s *streams, log *slog.Logger) hub.Config {
	return hub.Config{
		Dir: filepath.Join(dir, h.Slug), HTTP: http, NATS: nats, Open: true, Demo: true, DemoHubs: others,
		Peering: peering.Settings{Name: vocab.Text{"zh": h.NameZH, "en": h.NameEN}, Contact: "https://" + h.Slug + ".example/desk"},
		Now:     s.Now, Logger: log.With("hub", h.Slug),
	}
}

// befriend has each hub add the card of each other, as its operators would.
func (all demoHubs) befriend(ctx context.Context, s *streams, dir string) error {
	cards := make([]json.RawMessage, len(all))
	for i, h := range all {
		cards[i] = h.hub.Peers().Card()
	}
	return all.each(func(i int, h demoHub) error {
		key, err := identity.ReadKey(h.key(dir))
		if err != nil {
			return err
		}
		client, err := newHubClient(h.hub.Info().HTTP, key, s.Now)
		if err != nil {
			return err
		}
		for j, card := range cards {
			if j == i {
				continue
			}
			if err := client.post(ctx, "/api/v1/peers", shownHub{Card: card}, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// each does something with every hub at once.
func (all demoHubs) each(do func(i int, h demoHub) error) error {
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, h := range all {
		wg.Go(func() {
			if err := do(i, h); err != nil {
				errs[i] = fmt.Errorf("demo hub %s: %w", h.Slug, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// publish publishes every space's descriptor and offerings over NATS at its home
// hub, each signed with its own key, as any space would.
func (all demoHubs) publish(ctx context.Context, s *streams) (*summary, error) {
	spaces, err := demo.Spaces()
	if err != nil {
		return nil, err
	}
	sum := newSummary(s.Now)
	var mu sync.Mutex // guards sum
	add := func(o outcome) {
		mu.Lock()
		defer mu.Unlock()
		sum.add(o)
	}
	return sum, all.each(func(_ int, h demoHub) error {
		for _, space := range spaces {
			if space.Hub != h.Slug {
				continue
			}
			if err := publishSpace(ctx, s, h.hub.Info(), space, add); err != nil {
				return fmt.Errorf("space %s: %w", space.Slug, err)
			}
		}
		return nil
	})
}

func publishSpace(ctx context.Context, s *streams, at hub.Info, space demo.Space, done func(outcome)) error {
	key, err := identity.ImportKey("ed25519", space.SeedHex)
	if err != nil {
		return err
	}
	to, err := dial(ctx, at.NATS, caller{Key: key, Now: s.Now, Notice: func(text string) { fmt.Fprintln(s.Err, text) }})
	if err != nil {
		return err
	}
	defer to.Close()
	p := &publisher{To: to, Key: key, Expires: demoExpires, Window: 64, GiveUp: demoGiveUp, Now: s.Now, Done: done}
	return p.Run(ctx, demoDocuments(space, at.DID))
}

func demoDocuments(space demo.Space, hub string) iter.Seq[document] {
	return func(yield func(document) bool) {
		for i, raw := range append([][]byte{space.At(hub)}, space.Offerings...) {
			if !yield(documentAt(space.Slug, i, raw)) {
				return
			}
		}
	}
}

// await returns when every hub shows the logs of all.
func (all demoHubs) await(ctx context.Context, s *streams) error {
	want := map[string]uint64{}
	for _, h := range all {
		info := h.hub.Info()
		want[info.Origin] = info.LogSize
	}
	ctx, cancel := context.WithTimeout(ctx, 3*demoGiveUp)
	defer cancel()
	return all.each(func(_ int, h demoHub) error {
		client, err := newHubClient(h.hub.Info().HTTP, nil, s.Now)
		if err != nil {
			return err
		}
		for {
			var told struct {
				Coverage []view.Coverage `json:"coverage"`
			}
			if err := client.get(ctx, "/api/v1/peers", &told); err != nil {
				return err
			}
			var lacking []string
			for origin, size := range want {
				if !slices.ContainsFunc(told.Coverage, func(c view.Coverage) bool { return c.Hub == origin && c.Indexed >= size }) {
					lacking = append(lacking, origin)
				}
			}
			if len(lacking) == 0 {
				return nil
			}
			if err := sleep(ctx, 20*time.Millisecond); err != nil {
				return fmt.Errorf(tr("还没有收全账本 %s：%w", "it does not show all of %s: %w"), strings.Join(lacking, " "), err)
			}
		}
	})
}

// serve waits for ctx or the part of a hub that fails, then closes all in order.
func (all demoHubs) serve(ctx context.Context, log *slog.Logger) error {
	failed := make(chan error, len(all))
	for _, h := range all {
		go func() { failed <- h.hub.Wait() }()
	}
	var err error
	select {
	case <-ctx.Done():
		log.Info("stopping")
	case err = <-failed:
	}
	return all.close(ctx, err)
}

// close closes all hubs at once; err is why, nil where it was asked to.
func (all demoHubs) close(ctx context.Context, err error) error {
	closed := all.each(func(_ int, h demoHub) error {
		if h.hub == nil { // it never started
			return nil
		}
		return closeAfter(ctx, h.hub, nil)
	})
	return errors.Join(err, closed)
}

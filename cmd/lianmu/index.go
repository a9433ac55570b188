package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

type indexCmd struct {
	Rebuild indexRebuildCmd `cmd:"" help:"Build the index anew from the log, beside the one in use, and swap."`
}

type indexRebuildCmd struct {
	Hub      string `required:"" placeholder:"URL" env:"LIANMU_HTTP_HUB" help:"http://HOST:PORT."`
	Key      string `required:"" placeholder:"FILE" env:"LIANMU_KEY" help:"An operator's key; the hub's own is DIR/hub.key."`
	Progress bool   `help:"Show the progress bar even where this is no terminal."`
	JSON     bool   `name:"json" help:"Print the result as JSON."`
}

// rebuildState is the answer of GET /api/v1/index/rebuild.
type rebuildState struct {
	Done    uint64 `json:"done"`
	Total   uint64 `json:"total"`
	Running bool   `json:"running"`
	Failed  string `json:"failed,omitempty"`
}

// Run starts a rebuild and waits until it has been swapped in.
func (c *indexRebuildCmd) Run(ctx context.Context, s *streams) error {
	hub, err := enterHub(c.Hub, c.Key, s.Now)
	if err != nil {
		return err
	}
	start := s.Now()
	if err := hub.operate(ctx, http.MethodPost, "/api/v1/index/rebuild", nil); err != nil {
		return err
	}
	var state rebuildState
	var bar *progress
	for {
		if err := hub.operate(ctx, http.MethodGet, "/api/v1/index/rebuild", &state); err != nil {
			return err
		}
		if bar == nil {
			bar = newProgress(s, c.Progress, int64(state.Total), tr("条", "entries"))
		}
		bar.set(int64(state.Done), state.Done)
		if !state.Running {
			break
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	bar.finish()
	if state.Failed != "" {
		return fmt.Errorf(tr("重建失败，原索引仍在使用：%s", "the rebuild failed, the index in use stays: %s"), state.Failed)
	}
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(map[string]any{"entries": state.Total, "elapsed_s": s.Now().Sub(start).Seconds()})
	}
	_, err = fmt.Fprintf(s.Out, tr("索引已由 %s 条账本记录重建，用时 %.1f 秒\n", "index rebuilt from %s log entries in %.1f s\n"),
		number(state.Total), s.Now().Sub(start).Seconds())
	return err
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

type logCmd struct {
	Checkpoint logCheckpointCmd `cmd:"" help:"Print the last signed checkpoint."`
	Epoch      logEpochCmd      `cmd:"" help:"Let the log of a stopped hub go on under a new name and key, after an older copy had to be restored."`
	Export     logExportCmd     `cmd:"" help:"Write a log as a file that another hub imports: across a gap in the network."`
	Import     logImportCmd     `cmd:"" help:"Have a hub take in a log from such a file, verified like any mirror."`
	Redact     logRedactCmd     `cmd:"" help:"Delete the bodies of entries, visibly, on one of four grounds."`
	Show       logShowCmd       `cmd:"" help:"List entries."`
	Verify     logVerifyCmd     `cmd:"" help:"Check checkpoint, tree, every document and its proof, and the views."`
}

type logCheckpointCmd struct {
	Hub string `required:"" placeholder:"URL" env:"LIANMU_HTTP_HUB" help:"http://HOST:PORT."`
}

// Run prints the checkpoint, a C2SP signed note, as the hub serves it.
func (c *logCheckpointCmd) Run(ctx context.Context, s *streams) error {
	client, err := newHubClient(c.Hub, nil, s.Now)
	if err != nil {
		return err
	}
	note, err := newSource(client).Checkpoint(ctx)
	if err != nil {
		return err
	}
	if note == nil {
		return errors.New(tr("账本还没有签封：还没有任何记录", "the log has no checkpoint yet: there is no entry"))
	}
	if _, _, err := readNote(note); err != nil {
		return err
	}
	_, err = s.Out.Write(note)
	return err
}

// logShowCmd lists entries.
type logShowCmd struct {
	Hub  string `required:"" placeholder:"URL" env:"LIANMU_HTTP_HUB" help:"http://HOST:PORT."`
	Key  string `placeholder:"FILE" env:"LIANMU_OPERATOR_KEY" help:"An operator's key, to see what is not public too."`
	From uint64 `help:"First entry, from 0 (default: the last 20)."`
	To   uint64 `help:"Entry after the last one shown (default: the end; at most 10,000 at a time)."`
	JSON bool   `name:"json" help:"Print one JSON object an entry, with the document."`
}

// maxShown bounds one listing.
const maxShown = 10_000

// entryLine is one entry as it is shown.
type entryLine struct {
	Index      uint64          `json:"index"`
	Kind       string          `json:"kind"`
	ReceivedAt time.Time       `json:"received_at"`
	Space      string          `json:"space,omitempty"`
	ID         string          `json:"id,omitempty"`
	SHA256     string          `json:"sha256"`
	Document   json.RawMessage `json:"document,omitempty"` // absent where the reader may not see it
}

// Run lists entries by their leaf records, and what their documents say.
func (c *logShowCmd) Run(ctx context.Context, s *streams) error {
	client, err := enterHub(c.Hub, c.Key, s.Now)
	if err != nil {
		return err
	}
	source := newSource(client)
	size, err := source.size(ctx)
	if err != nil {
		return err
	}
	from, to := c.From, c.To
	if to == 0 || to > size {
		to = size
	}
	if c.From == 0 && c.To == 0 && size > 20 {
		from = size - 20
	}
	if from > to || to-from > maxShown {
		return fmt.Errorf(tr("--from 应小于 --to，且一次最多 %d 条；账本现有 %d 条", "--from must be less than --to, with at most %d entries at a time; the log has %d"), maxShown, size)
	}
	t := table{Head: []string{tr("序号", "index"), tr("收到时间", "received"), tr("种类", "kind"), tr("空间", "space"), "@id", "SHA-256"}, Right: map[int]bool{0: true}}
	enc := json.NewEncoder(s.Out)
	for line, err := range source.entries(ctx, from, to, size) {
		if err != nil {
			return err
		}
		if c.JSON {
			if err := enc.Encode(line); err != nil {
				return err
			}
			continue
		}
		t.add(fmt.Sprint(line.Index), line.ReceivedAt.UTC().Format("2006-01-02 15:04:05.000 MST"), line.Kind, cut(orDash(line.Space), 24), cut(orDash(line.ID), 60), line.SHA256[:16])
	}
	if c.JSON {
		return nil
	}
	return t.write(s.Out)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

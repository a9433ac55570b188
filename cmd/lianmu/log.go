package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/ledger"
	"lianmu/hub"
	"lianmu/hub/view"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

type logCmd struct {
	Checkpoint logCheckpointCmd `cmd:"" help:"Print the last signed checkpoint. 账本签封。"`
	Epoch      logEpochCmd      `cmd:"" help:"Let the log of a stopped hub go on under a new name and key, after an older copy had to be restored. 另立账本。"`
	Show       logShowCmd       `cmd:"" help:"List entries. 列出账本记录。"`
	Verify     logVerifyCmd     `cmd:"" help:"Check checkpoint, tree, every document and its proof, and the views. 核验账本。"`
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
	note, err := httpSource{client}.Checkpoint(ctx)
	if err != nil {
		return err
	}
	if note == nil {
		return errors.New(tr("账本还没有签封：还没有任何记录", "the log has no checkpoint yet: there is no entry"))
	}
	_, err = s.Out.Write(note)
	return err
}

type logVerifyCmd struct {
	Hub      string `placeholder:"URL" env:"LIANMU_HTTP_HUB" xor:"where" required:"" help:"http://HOST:PORT of a running hub."`
	Dir      string `placeholder:"DIR" xor:"where" required:"" help:"The folder of a hub that is stopped."`
	NATSURL  string `name:"nats-url" placeholder:"URL" env:"LIANMU_NATS_URL" help:"With --dir: the external NATS server that holds the log, where the hub uses one."`
	Key      string `placeholder:"FILE" env:"LIANMU_KEY" help:"With --hub: an operator's key, to check the views and what is not public too."`
	Vkey     string `placeholder:"KEY" help:"With --hub: the log's verifier key, had from elsewhere; without it the hub's own word is taken."`
	Progress bool   `help:"Show the progress bar even where this is no terminal."`
	JSON     bool   `name:"json" help:"Print the report as JSON."`
}

// Run verifies and prints a report; exit code 1 on any fault.
func (c *logVerifyCmd) Run(ctx context.Context, s *streams) error {
	start := s.Now()
	var bar *progress
	tick := func(done, total uint64) {
		if bar == nil {
			bar = newProgress(s, c.Progress, int64(total), tr("条", "entries"))
		}
		bar.set(int64(done), done)
	}
	var r *verification
	var err error
	if c.Dir != "" {
		r, err = c.verifyFolder(ctx, s, tick)
	} else {
		r, err = c.verifyHub(ctx, s, tick)
	}
	if bar != nil {
		bar.finish()
	}
	if err != nil {
		return err
	}
	r.ElapsedS = s.Now().Sub(start).Seconds()
	if c.JSON {
		err = json.NewEncoder(s.Out).Encode(r)
	} else {
		err = r.write(s.Out)
	}
	if err == nil && !r.Clean() {
		return exitCode(1)
	}
	return err
}

// verification is the report of one verification.
type verification struct {
	*hub.VerifyReport
	ViewsChecked bool    `json:"views_checked"`
	ElapsedS     float64 `json:"elapsed_s"`
}

// verifyFolder verifies a stopped hub.
func (c *logVerifyCmd) verifyFolder(ctx context.Context, s *streams, tick func(done, total uint64)) (*verification, error) {
	log := slog.New(slog.NewTextHandler(s.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	r, err := hub.Verify(ctx, hub.Config{Dir: c.Dir, NATSURL: c.NATSURL, Open: true, Now: s.Now, Logger: log}, tick)
	if err != nil {
		return nil, err
	}
	return &verification{VerifyReport: r, ViewsChecked: true}, nil
}

// verifyHub verifies a running hub by what it serves to anybody, and with an
// operator's key also what is not public, and what its views show.
func (c *logVerifyCmd) verifyHub(ctx context.Context, s *streams, tick func(done, total uint64)) (*verification, error) {
	var key identity.Signer
	if c.Key != "" {
		k, err := identity.ReadKey(c.Key)
		if err != nil {
			return nil, err
		}
		key = k
	}
	client, err := newHubClient(c.Hub, key, s.Now)
	if err != nil {
		return nil, err
	}
	info, err := client.info(ctx)
	if err != nil {
		return nil, err
	}
	vkey := c.Vkey
	if vkey == "" {
		vkey = info.VerifierKey
	}
	reader, err := shape.NewReader()
	if err != nil {
		return nil, err
	}
	r := &verification{VerifyReport: &hub.VerifyReport{Views: []view.State{}, Faults: []string{}}, ViewsChecked: key != nil}
	fold := hub.NewFold(jsonld.New(jsonld.Limits{}), reader)
	// The views are asked before and after: a hub that goes on working in
	// between is compared at whichever position the log was read to.
	var views []view.State
	if key != nil {
		if err := client.operate(ctx, http.MethodGet, "/api/v1/views", &views); err != nil {
			return nil, err
		}
	}
	r.Log, err = ledger.Verify(ctx, httpSource{client}, vkey, func(rec ledger.Record) error {
		_, err := fold.Add(rec)
		return err
	}, tick)
	if err != nil {
		return nil, err
	}
	r.Folded = fold.State(s.Now())
	if key == nil {
		return r, nil
	}
	r.Views = views
	if faults := hub.CompareViews(r.Folded, views); len(faults) > 0 {
		if err := client.operate(ctx, http.MethodGet, "/api/v1/views", &r.Views); err != nil {
			return nil, err
		}
		r.Faults = hub.CompareViews(r.Folded, r.Views)
		if moved(r.Folded, r.Views) {
			return nil, errors.New(tr("核验期间账本还在增长，视图无法比对；请在节点空闲时再试，或停下节点后用 --dir",
				"the log kept growing while it was verified, so the views cannot be compared; try again when the hub is idle, or stop it and use --dir"))
		}
	}
	return r, nil
}

// moved tells whether a view has gone beyond what was verified.
func moved(folded view.State, views []view.State) bool {
	for _, v := range views {
		if v.Position > folded.Position {
			return true
		}
	}
	return false
}

func (r *verification) write(w io.Writer) error {
	t := table{}
	t.add(tr("账本", "log"), r.Log.Origin)
	t.add(tr("根", "root"), r.Log.Root)
	t.add(tr("记录", "entries"), fmt.Sprintf(tr("%s 条，已核 %s 条，%.1f MB", "%s, %s checked, %.1f MB"), number(r.Log.Size), number(r.Log.Checked), float64(r.Log.Bytes)/1e6))
	if r.Log.Withheld > 0 {
		t.add("", fmt.Sprintf(tr("其中 %s 条的正文不对外公开，只核了叶记录（用 --key 给出运营者密钥可全部核验）", "%s documents are not public: only their leaf records were checked (an operator's --key checks them all)"), number(r.Log.Withheld)))
	}
	if r.Folded.Position > 0 && r.Log.Withheld == 0 {
		t.add(tr("在架", "on offer"), number(r.Folded.Offerings))
	}
	for _, v := range r.Views {
		t.add(tr("视图 ", "view ")+v.View, fmt.Sprintf(tr("到第 %s 条，%s 项", "at %s entries, %s offerings"), number(v.Position), number(v.Offerings)))
	}
	if !r.ViewsChecked {
		t.add(tr("视图", "views"), tr("没有核（要用 --key 给出运营者密钥）", "not checked (needs an operator's --key)"))
	}
	t.add(tr("用时", "time"), fmt.Sprintf(tr("%.1f 秒", "%.1f s"), r.ElapsedS))
	if r.Clean() {
		t.add(tr("结论", "result"), tr("无误", "clean"))
	} else {
		t.add(tr("结论", "result"), fmt.Sprintf(tr("发现 %s 处问题", "%s faults found"), number(r.Log.Faults+uint64(len(r.Faults)))))
	}
	if err := t.write(w); err != nil {
		return err
	}
	for _, p := range append(r.Log.Problems, r.Faults...) {
		if _, err := fmt.Fprintf(w, "  %s\n", clean(p)); err != nil {
			return err
		}
	}
	return nil
}

// logShowCmd lists entries.
type logShowCmd struct {
	Hub  string `required:"" placeholder:"URL" env:"LIANMU_HTTP_HUB" help:"http://HOST:PORT."`
	Key  string `placeholder:"FILE" env:"LIANMU_KEY" help:"An operator's key, to see what is not public too."`
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
	var key identity.Signer
	if c.Key != "" {
		k, err := identity.ReadKey(c.Key)
		if err != nil {
			return err
		}
		key = k
	}
	client, err := newHubClient(c.Hub, key, s.Now)
	if err != nil {
		return err
	}
	source := httpSource{client}
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
		t.add(fmt.Sprint(line.Index), line.ReceivedAt.Format("2006-01-02 15:04:05.000Z"), line.Kind, cut(orDash(line.Space), 24), cut(orDash(line.ID), 60), line.SHA256[:16])
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

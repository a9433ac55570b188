package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"lianmu/federation/ledger"
	"lianmu/hub"
	"lianmu/hub/view"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

type logVerifyCmd struct {
	Hub      string `placeholder:"URL" env:"LIANMU_HTTP_HUB" help:"http://HOST:PORT of a running hub."`
	Dir      string `placeholder:"DIR" help:"Instead of --hub: the folder of a hub that is stopped."`
	Log      string `placeholder:"ORIGIN" help:"With --hub: a log that the hub mirrors (lianmu peer show), as it would export it; needs --key of a security administrator."`
	Bundle   string `placeholder:"FILE" help:"Instead of --hub: a file of lianmu log export."`
	NATSURL  string `name:"nats-url" placeholder:"URL" env:"LIANMU_NATS_URL" help:"With --dir: the external NATS server that holds the log, where the hub uses one."`
	Key      string `placeholder:"FILE" env:"LIANMU_OPERATOR_KEY" help:"With --hub: an operator's key, to check the views and what is not public too."`
	Vkey     string `placeholder:"KEY" help:"With --hub or --bundle: the log's verifier key, had from elsewhere; without it the word of the hub, or of the card in the bundle, is taken."`
	Progress bool   `help:"Show the progress bar even where this is no terminal."`
	JSON     bool   `name:"json" help:"Print the report as JSON."`
}

// Run verifies and prints a report; exit code 1 on any fault.
func (c *logVerifyCmd) Run(ctx context.Context, s *streams) error {
	switch {
	case c.Bundle != "" && (c.Dir != "" || c.Log != ""), c.Dir != "" && c.Log != "":
		return errors.New(tr("--bundle、--dir 和 --log 只能用一个", "--bundle, --dir and --log cannot be used together"))
	case c.Hub == "" && c.Dir == "" && c.Bundle == "":
		return errors.New(tr("要核验哪里：--hub http://主机:端口（运行中的节点）、--dir 文件夹（已停止的节点），还是 --bundle 文件（离线包）？",
			"verify what: --hub http://HOST:PORT (a running hub), --dir DIR (one that is stopped), or --bundle FILE (a log in a file)?"))
	case c.Dir != "" && c.Hub != "" && c.Hub != os.Getenv("LIANMU_HTTP_HUB"):
		return errors.New(tr("--hub 和 --dir 只能用一个", "--hub and --dir cannot be used together"))
	}
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
	switch {
	case c.Dir != "":
		r, err = c.verifyFolder(ctx, s, tick)
	case c.Bundle != "":
		r, err = c.verifyFile(ctx, s, tick)
	case c.Log != "":
		r, err = c.verifyMirror(ctx, s, tick)
	default:
		r, err = c.verifyHub(ctx, s, tick)
	}
	if bar != nil {
		bar.finish()
	}
	if err != nil {
		return refusedBy(s, err)
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
	bundle       bool    // there are no views
}

// verifyFolder verifies a stopped hub.
func (c *logVerifyCmd) verifyFolder(ctx context.Context, s *streams, tick func(done, total uint64)) (*verification, error) {
	// Opening would make a hub of a folder that is none, and find it clean.
	if _, err := os.Stat(filepath.Join(c.Dir, "log.key")); err != nil {
		return nil, fmt.Errorf(tr("%s 不是节点的文件夹：%w；请核对 --dir", "%s is no hub's folder: %w; check --dir"), c.Dir, err)
	}
	log := slog.New(slog.NewTextHandler(s.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	r, err := hub.Verify(ctx, hub.Config{Dir: c.Dir, NATSURL: c.NATSURL, Now: s.Now, Logger: log}, tick)
	if err != nil {
		return nil, err
	}
	return &verification{VerifyReport: r, ViewsChecked: true}, nil
}

// verifyHub verifies a running hub. What the hub redacts meanwhile looks like a
// loss to who reads by the checkpoint of before, so then it is verified again.
func (c *logVerifyCmd) verifyHub(ctx context.Context, s *streams, tick func(done, total uint64)) (*verification, error) {
	for try := 1; ; try++ {
		r, client, err := c.verifyHubOnce(ctx, s, tick)
		if err != nil || r.Clean() || try == 3 {
			return r, err
		}
		if meanwhile, err := redactedSince(ctx, client, r.Log.Size); err != nil || !meanwhile {
			return r, err
		}
	}
}

// redactedSince reports whether one of the entries from from on is a redaction.
func redactedSince(ctx context.Context, client *hubClient, from uint64) (bool, error) {
	var now logInfo // what client.info says is of the beginning
	if err := client.get(ctx, "/api/v1/log", &now); err != nil {
		return false, err
	}
	source := newSource(client)
	size, err := awaitSigned(ctx, source, now.Size)
	if err != nil {
		return false, err
	}
	for n := from / tileWidth; n*tileWidth < size; n++ {
		leaves, err := source.leaves(ctx, n, size)
		if err != nil {
			return false, err
		}
		for i, l := range leaves {
			if n*tileWidth+uint64(i) >= from && l.Kind == vocab.KindRedaction {
				return true, nil
			}
		}
	}
	return false, nil
}

// verifyHubOnce verifies a running hub by what it serves to anybody, and with an
// operator's key also what is not public, and what its views show.
func (c *logVerifyCmd) verifyHubOnce(ctx context.Context, s *streams, tick func(done, total uint64)) (*verification, *hubClient, error) {
	client, err := enterHub(c.Hub, c.Key, s.Now)
	if err != nil {
		return nil, nil, err
	}
	info, err := client.info(ctx)
	if err != nil {
		return nil, nil, err
	}
	vkey := c.Vkey
	if vkey == "" {
		vkey = info.VerifierKey
	}
	reader, err := shape.NewReader()
	if err != nil {
		return nil, nil, err
	}
	source := newSource(client)
	r := &verification{VerifyReport: &hub.VerifyReport{Views: []view.State{}, Faults: []string{}}, ViewsChecked: client.key != nil}
	fold := &foldAt{Fold: hub.NewFold(jsonld.New(jsonld.Limits{}), reader, info.Hub, info.openUntil()), now: s.Now()}
	want := info.Size
	if client.key != nil {
		if err := client.operate(ctx, http.MethodGet, "/api/v1/views", &r.Views); err != nil {
			return nil, nil, err
		}
		slices.SortStableFunc(r.Views, func(a, b view.State) int { return cmp.Compare(a.Position, b.Position) })
		fold.want = r.Views
		for _, v := range r.Views {
			want = max(want, v.Position)
		}
	}
	signed, err := awaitSigned(ctx, source, want)
	if err != nil {
		return nil, nil, err
	}
	if signed < want {
		r.Faults = append(r.Faults, fmt.Sprintf(tr("节点有 %d 条记录，签封只到第 %d 条，等不到新的签封", "the hub has %d entries, of which %d are signed, and no new checkpoint comes"), want, signed))
	}
	r.Log, err = ledger.Verify(ctx, source, vkey, func(rec ledger.Record) error {
		fold.upTo(rec.Index)
		_, err := fold.Add(rec)
		return err
	}, tick)
	if err != nil {
		return nil, nil, err
	}
	fold.upTo(r.Log.Size)
	r.Folded = fold.State(s.Now())
	if client.key == nil || r.Log.Checked < r.Log.Size || len(fold.states) < len(r.Views) {
		r.ViewsChecked = false // nothing to compare them with; the log's faults say why
		return r, client, nil
	}
	for i, v := range r.Views {
		r.Faults = append(r.Faults, hub.CompareViews(fold.states[i], []view.State{v})...)
	}
	stuck, err := behind(ctx, client, r.Views, r.Log.Size)
	r.Faults = append(r.Faults, stuck...)
	return r, client, err
}

// foldAt folds a log and keeps the state at each position where a view stood
// when it was asked: a hub that goes on working is compared at that position.
type foldAt struct {
	*hub.Fold
	now    time.Time
	want   []view.State
	states []view.State // as many as have been passed, in the order of want
}

// upTo is called before entry n is folded. The views' positions never decrease
// in want.
func (f *foldAt) upTo(n uint64) {
	for len(f.states) < len(f.want) && f.want[len(f.states)].Position <= n {
		state := f.State(f.now)
		state.Position = f.want[len(f.states)].Position // also where the entry ahead of it has no document
		f.states = append(f.states, state)
	}
}

// patientTries at patientPause are how long a verifier waits for what a hub
// does in the background.
const (
	patientTries = 50
	patientPause = 200 * time.Millisecond
)

// awaitSigned waits until the signed checkpoint, which follows the log by about
// a second, covers want entries, and returns how many it covers.
func awaitSigned(ctx context.Context, source *httpSource, want uint64) (uint64, error) {
	for try := 0; ; try++ {
		size, err := source.size(ctx)
		if err != nil || size >= want || try == patientTries {
			return size, err
		}
		if err := sleep(ctx, patientPause); err != nil {
			return size, err
		}
	}
}

// behind names the views that do not reach the end of the log that was
// verified and do not move either.
func behind(ctx context.Context, client *hubClient, before []view.State, size uint64) (faults []string, err error) {
	for try := 0; ; try++ {
		var now []view.State
		if err := client.operate(ctx, http.MethodGet, "/api/v1/views", &now); err != nil {
			return nil, err
		}
		faults = nil
		for _, v := range before {
			i := slices.IndexFunc(now, func(n view.State) bool { return n.View == v.View })
			if v.Position < size && (i < 0 || now[i].Position <= v.Position) {
				faults = append(faults, fmt.Sprintf(tr("视图 %s 停在第 %d 条，账本有 %d 条", "%s stands at entry %d, the log has %d"), v.View, v.Position, size))
			}
		}
		if len(faults) == 0 || try == patientTries {
			return faults, nil
		}
		if err := sleep(ctx, patientPause); err != nil {
			return nil, err
		}
	}
}

func (r *verification) write(w io.Writer) error {
	t := table{}
	t.add(tr("账本", "log"), r.Log.Origin)
	t.add(tr("根", "root"), r.Log.Root)
	t.add(tr("记录", "entries"), fmt.Sprintf(tr("%s 条，已核 %s 条，%.1f MB", "%s, %s checked, %.1f MB"), number(r.Log.Size), number(r.Log.Checked), float64(r.Log.Bytes)/1e6))
	if r.Log.Redacted > 0 {
		t.add("", fmt.Sprintf(tr("其中 %s 条的正文已依规删除，账本中有删除记录，只核了叶记录", "%s documents were redacted, as the log says; only their leaf records are checked"), number(r.Log.Redacted)))
	}
	switch {
	case r.Log.Withheld > 0 && r.bundle:
		t.add("", fmt.Sprintf(tr("其中 %s 条不公开，没有随账本给出正文，只核了叶记录", "of %s the document is not public and not handed on; only their leaf records are checked"), number(r.Log.Withheld)))
	case r.Log.Withheld > 0:
		t.add("", fmt.Sprintf(tr("其中 %s 条的正文没有向您出示，未核，只核了叶记录（用 --key 给出运营者密钥可全部核验）", "of %s the document was not shown to you: only their leaf records are checked (with an operator's --key all are)"), number(r.Log.Withheld)))
	}
	if r.Folded.Position > 0 && r.Log.Withheld == 0 {
		t.add(tr("在架", "on offer"), number(r.Folded.Offerings))
	}
	for _, v := range r.Views {
		t.add(tr("视图 ", "view ")+v.View, fmt.Sprintf(tr("到第 %s 条，%s 项", "at %s entries, %s offerings"), number(v.Position), number(v.Offerings)))
	}
	if !r.ViewsChecked && !r.bundle {
		t.add(tr("视图", "views"), tr("没有核（要用 --key 给出运营者密钥）", "not checked (needs an operator's --key)"))
	}
	t.add(tr("用时", "time"), fmt.Sprintf(tr("%.1f 秒", "%.1f s"), r.ElapsedS))
	switch {
	case r.Clean() && r.Log.Withheld > 0:
		t.add(tr("结论", "result"), fmt.Sprintf(tr("无误，但有 %s 份文档没有向您出示，未核", "clean; not shown to you and not checked: %s of its documents"), number(r.Log.Withheld)))
	case r.Clean():
		t.add(tr("结论", "result"), tr("无误", "clean"))
	default:
		t.add(tr("结论", "result"), fmt.Sprintf(tr("发现 %s 处问题", "%s faults found"), number(r.Log.Faults+uint64(len(r.Faults)))))
	}
	if err := t.write(w); err != nil {
		return err
	}
	faults := make([]string, 0, len(r.Log.Problems)+len(r.Faults))
	for i, p := range r.Log.Problems {
		if i < len(r.Log.Errors) {
			p = sayWrapped(r.Log.Errors[i])
		}
		faults = append(faults, p)
	}
	for _, p := range append(faults, r.Faults...) {
		if _, err := fmt.Fprintf(w, "  %s\n", clean(translated(p))); err != nil {
			return err
		}
	}
	return nil
}

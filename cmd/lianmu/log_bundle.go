package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"lianmu/federation/exchange"
	"lianmu/hub/peering"
	"lianmu/vocab"
)

type logExportCmd struct {
	desk     `embed:""`
	Out      string `required:"" placeholder:"FILE" help:"File to write; never overwritten."`
	Log      string `placeholder:"ORIGIN" help:"Name of a mirrored log (lianmu peer show); without it, the hub's own."`
	From     uint64 `help:"First entry: as many as the other side holds (lianmu peer show, there); without it, all."`
	Progress bool   `help:"Show the progress bar even where this is no terminal."`
}

// Run writes a bundle and looks whether it is whole; what is not is taken away
// again.
func (c *logExportCmd) Run(ctx context.Context, s *streams) (err error) {
	f, err := os.OpenFile(c.Out, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			_ = os.Remove(c.Out)
		}
	}()
	hub, err := c.enter(s)
	if err != nil {
		return err
	}
	bar := newProgress(s, c.Progress, 0, tr("字节", "bytes"))
	size, err := exportLog(ctx, hub, c.Log, c.From, io.MultiWriter(f, &counting{bar: bar}))
	bar.finish()
	if err != nil {
		return refusedBy(s, err)
	}
	if err := f.Sync(); err != nil {
		return err
	}
	b, err := openBundle(f, size)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, tr("已导出 %s 的第 %s 至 %s 条，%s 字节：%s\n对方运行（--hub 和 --key 写对方自己的）：\n  %s\n", "exported %s, entries %s to %s, %s bytes: %s\nthey run, with a hub and key of their own:\n  %s\n"),
		b.origin, number(b.From()), number(max(b.size, 1)-1), number(size), c.Out, elsewhere("log", "import", c.Out))
	return err
}

// exportLog writes the bundle of a log, "" is the hub's own, and returns its
// length in bytes.
func exportLog(ctx context.Context, hub *hubClient, origin string, from uint64, w io.Writer) (int64, error) {
	path := "/api/v1/logs/" + url.PathEscape(orElse(origin, "own")) + "/export"
	if from > 0 {
		path += fmt.Sprint("?from=", from)
	}
	resp, err := hub.unhurried(ctx, http.MethodGet, path, "", nil, 0)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	n, err := io.Copy(w, resp.Body)
	if err != nil {
		err = unreachable(hub.base, err)
	}
	return n, err
}

// counting moves a bar by the bytes written.
type counting struct {
	bar *progress
	n   int64
}

func (c *counting) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	c.bar.set(c.n, uint64(c.n))
	return len(b), nil
}

// bundleFile is a bundle with what its checkpoint says, which nobody has checked.
type bundleFile struct {
	*exchange.Bundle
	origin string
	size   uint64 // entries of the log
}

func openBundle(r io.ReaderAt, size int64) (b bundleFile, err error) {
	if b.Bundle, err = exchange.OpenBundle(r, size); err != nil {
		return b, err
	}
	b.origin, b.size, err = readNote(b.Checkpoint())
	return b, err
}

type logImportCmd struct {
	desk     `embed:""`
	Progress bool   `help:"Show the progress bar even where this is no terminal."`
	JSON     bool   `name:"json" help:"Print the result as JSON."`
	File     string `arg:"" name:"file" help:"A bundle (lianmu log export)."`
}

// Run sends a bundle to the hub, which takes it in as it would from a peer.
func (c *logImportCmd) Run(ctx context.Context, s *streams) error {
	hub, err := c.enter(s)
	if err != nil {
		return err
	}
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	b, err := openBundle(f, info.Size()) // what is broken need not be sent
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	done, err := c.send(ctx, s, hub, f, info.Size(), b)
	if err != nil {
		return refusedBy(s, err)
	}
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(done)
	}
	if _, err := fmt.Fprintf(s.Out, tr("已导入 %s：新增 %s 条，共 %s 条\n", "imported %s: %s entries taken in, %s held\n"), done.Origin, number(done.Entries), number(done.Size)); err != nil {
		return err
	}
	if done.Faulty > 0 {
		fmt.Fprintf(s.Out, tr("其中 %s 条没有通过验证，只留作证据\n", "%s of them do not stand and are kept as evidence alone\n"), number(done.Faulty))
	}
	if done.Filled > 0 {
		fmt.Fprintf(s.Out, tr("另补齐了此前缺少的 %s 份文档\n", "%s documents that were lacking before are filled in\n"), number(done.Filled))
	}
	if done.Missing > 0 {
		fmt.Fprintf(s.Err, tr("注意：该账本缺少 %s 份文档（下架、注销、处置、空间描述等），据此显示的产品可能已经过时。"+
			"离线包可能在途中被改动过，也可能原本就不公开，从包里分辨不出。请对方直接从自己的节点重新导出（lianmu log export），再导入一次；与对方节点联网后也会自动补齐\n",
			"Note: %s documents of the log are lacking (withdrawals, decisions, descriptions of spaces and the like), so what is shown of it may be out of date. "+
				"The bundle may have been altered on the way, or they are not public: the bundle alone cannot tell. Have the other side export it anew from its own hub (lianmu log export) and import that; a connection to that hub fills them in too\n"), number(done.Missing))
	}
	return nil
}

// send shows first how much has been sent, then how much has been taken in.
func (c *logImportCmd) send(ctx context.Context, s *streams, hub *hubClient, f *os.File, size int64, b bundleFile) (done peering.Imported, err error) {
	bar := newProgress(s, c.Progress, size, tr("字节", "bytes"))
	sent := make(chan struct{})
	body := &sending{r: io.NewSectionReader(f, 0, size), bar: bar, sent: sent}
	watched, stop := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		select {
		case <-sent:
			bar.finish()
			c.watch(watched, s, hub, b)
		case <-watched.Done():
		}
	}()
	resp, err := hub.unhurried(ctx, http.MethodPost, "/api/v1/logs/import", "application/octet-stream", body, size)
	stop()
	<-over
	bar.finish()
	if err != nil {
		return done, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return done, unreachable(hub.base, err)
	}
	if err := receive(raw, &done); err != nil {
		return done, notUnderstood(hub.base, err)
	}
	return done, nil
}

// watch shows how much of a log the hub holds, until ctx ends.
func (c *logImportCmd) watch(ctx context.Context, s *streams, hub *hubClient, b bundleFile) {
	did := vocab.HubOf(b.origin)
	if did == "" {
		return
	}
	bar := newProgress(s, c.Progress, int64(b.size), tr("条", "entries"))
	defer bar.finish()
	for sleep(ctx, 500*time.Millisecond) == nil {
		var peer peering.PeerInfo
		if hub.operate(ctx, http.MethodGet, peerPath(did, ""), &peer) != nil {
			continue // it is to be seen in the end what came of it
		}
		for _, l := range peer.Logs {
			if l.Origin == b.origin {
				bar.set(int64(l.Size), l.Size)
			}
		}
	}
}

// sending moves a bar by the bytes read, and tells at the end.
type sending struct {
	r    io.Reader
	bar  *progress
	n    int64
	sent chan struct{} // closed at the end; nil then
}

func (r *sending) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	r.n += int64(n)
	r.bar.set(r.n, uint64(r.n))
	if err != nil && r.sent != nil {
		close(r.sent)
		r.sent = nil
	}
	return n, err
}

// readNote reads a checkpoint's first two lines: the log's name and how many
// entries it covers (C2SP tlog-checkpoint).
func readNote(note []byte) (origin string, size uint64, err error) {
	lines := strings.SplitN(string(note), "\n", 3)
	if len(lines) == 3 {
		size, err = strconv.ParseUint(lines[1], 10, 64)
	}
	if len(lines) < 3 || err != nil || clean(lines[0]) != lines[0] { // a signed note has no controls
		return "", 0, errors.New(tr("账本签封的格式不对", "the checkpoint is malformed"))
	}
	return lines[0], size, nil
}

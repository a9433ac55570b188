package hub

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"lianmu/hub/view"
)

// purgeNote is the file that stands in Dir from before a body is deleted until
// the index has been built anew without it, so that a crash does not leave its
// words in old index files.
const purgeNote = "index.purge"

const purgeRetry = time.Minute // after a rebuild that failed

// purge has the index built anew after redactions, in the background and once
// for all that come in meanwhile.
type purge struct {
	catalog *view.Catalog
	note    string
	log     *slog.Logger
	wake    chan struct{}

	mu     sync.Mutex
	wanted int // how often it was asked for; the note goes when none came since
}

// newPurge goes on from a note that was left.
func newPurge(dir string, c *view.Catalog, log *slog.Logger) *purge {
	p := &purge{catalog: c, note: filepath.Join(dir, purgeNote), log: log, wake: make(chan struct{}, 1)}
	if _, err := os.Stat(p.note); err == nil {
		p.begin()
	}
	return p
}

// want writes the note. The returned function takes it back where nothing came
// of it.
func (p *purge) want() (forget func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err = os.Stat(p.note)
	stood := err == nil
	if !stood {
		f, err := os.OpenFile(p.note, os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(f.Sync(), f.Close(), syncDir(filepath.Dir(p.note))); err != nil {
			return nil, err
		}
	}
	p.wanted++
	n := p.wanted
	return func() {
		if !stood {
			p.settle(n)
		}
	}, nil
}

// begin starts a purge, or has one more follow the one that runs.
func (p *purge) begin() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// settle removes the note unless more was asked for since.
func (p *purge) settle(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wanted != n {
		return
	}
	if err := os.Remove(p.note); err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.log.Warn("the note of a purge cannot be removed; the index is built anew at the next start", "err", err)
	}
}

// run purges whenever it is asked for, until ctx ends.
func (p *purge) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		}
		p.mu.Lock()
		n := p.wanted
		p.mu.Unlock()
		err := p.catalog.Purge(ctx)
		if ctx.Err() != nil {
			return // the note stands; the next start goes on
		}
		if err == nil {
			p.settle(n)
			continue
		}
		p.log.Error("the index could not be built anew; its files still hold words of redacted entries", "err", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(purgeRetry):
			p.begin()
		}
	}
}

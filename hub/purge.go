package hub

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"lianmu/federation/ledger"
	"lianmu/hub/view"
)

// purgedFile holds, in Dir, how many of the log's redactions the index was built
// anew after. Any other number than the log's means that old index files may
// hold words of redacted entries: after a crash, or when another process of this
// hub redacted.
const purgedFile = "index.purged"

const (
	purgeLook  = time.Second // between two looks for redactions by others
	purgeRetry = time.Minute // after a rebuild that failed
)

// purge has the index built anew after redactions, in any log that is shown, and
// after a log was taken out of it: in the background, and once for all that come
// in meanwhile.
type purge struct {
	catalog *view.Catalog
	ledger  *ledger.Log
	path    string
	log     *slog.Logger
}

func newPurge(dir string, l *ledger.Log, c *view.Catalog, log *slog.Logger) *purge {
	return &purge{catalog: c, ledger: l, path: filepath.Join(dir, purgedFile), log: log}
}

// run purges whenever there is something to, until ctx ends.
func (p *purge) run(ctx context.Context) {
	done, err := readNumber(p.path, 0, 0)
	if err != nil {
		p.log.Warn("it is not known whether the index was built anew after the last redactions; it is built anew", "err", err)
		done = -1
	}
	for pause := purgeLook; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = purgeLook
		n := p.ledger.Redactions()
		due, err := p.catalog.PurgeDue()
		if err == nil && !due && (n == 0 || n == done) {
			continue
		}
		if err == nil {
			err = p.catalog.Purge(ctx)
		}
		if ctx.Err() != nil {
			return // the next start goes on
		}
		if err == nil {
			err = writeNumber(p.path, n)
		}
		if err != nil {
			p.log.Error("the index could not be built anew; its files still hold words of redacted entries", "err", err)
			pause = purgeRetry
			continue
		}
		done = n
	}
}

package hub

import (
	"context"
	"log/slog"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"lianmu/federation/ledger"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// mostDamaged bounds how many damaged entries are told apart.
const mostDamaged = 100_000

// damage remembers which entries of the log were found missing or altered, and
// logs each once.
type damage struct {
	log *slog.Logger

	mu    sync.Mutex
	found map[uint64]bool
	first uint64
}

func (d *damage) report(index uint64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.found[index] || len(d.found) >= mostDamaged {
		return
	}
	if d.found == nil {
		d.found = map[uint64]bool{}
	}
	if len(d.found) == 0 || index < d.first {
		d.first = index
	}
	d.found[index] = true
	d.log.Error("the log is damaged; restore it from a backup", "index", index, "err", err)
}

// count is how many entries were found so since the start, and the lowest of them.
func (d *damage) count() (n int, first uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.found), d.first
}

// readable tells who may have a record's document. Telling costs as much as
// reading it, and changes only with its space's default, so it is remembered.
type readable struct {
	catalog *view.Catalog
	known   *lru.Cache[audienceOf, vocab.Audience]
}

// audienceOf is a document in a log, under a default audience.
type audienceOf struct {
	origin   string
	digest   vocab.Digest
	fallback vocab.Audience
}

const readableKept = 65_536 // some 6 MB

func newReadable(c *view.Catalog) (*readable, error) {
	known, err := lru.New[audienceOf, vocab.Audience](readableKept)
	return &readable{c, known}, err
}

// mayRead tells whether a reader may have the document of a record of the hub's
// own log.
func (r *readable) mayRead(reader vocab.Reader, rec ledger.Record) bool {
	return r.mayReadOf(reader, r.catalog.Origin(), rec)
}

// mayReadOf is mayRead of any log that is shown. It goes by that log alone, so a
// relay gives nobody what its origin would not.
func (r *readable) mayReadOf(reader vocab.Reader, origin string, rec ledger.Record) bool {
	if rec.Redacted {
		return false // whatever it was
	}
	fallback, stands := r.catalog.Default(origin, rec.Fact.Space)
	if !stands { // what a suspended space said is out of sight
		return reader.MaySee(vocab.AudienceSpace, rec.Fact.Space)
	}
	key := audienceOf{origin, rec.Leaf.SHA256, fallback}
	audience, ok := r.known.Get(key)
	if !ok {
		var err error
		if audience, err = r.catalog.Audience(context.Background(), origin, rec); err != nil {
			return reader.All // else it may have been the time that it took
		}
		r.known.Add(key, audience)
	}
	return reader.MaySee(audience, rec.Fact.Space)
}

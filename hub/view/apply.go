package view

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"lianmu/index"
	"lianmu/vocab"
	"lianmu/vocab/shape"
)

// chunk is the most entries applied as one batch: large batches cost the
// index least, and this many readings fit in memory easily.
const chunk = 1000

// item is an entry with its reading.
type item struct {
	index      uint64
	receivedAt time.Time
	fact       vocab.Fact
	reading    *shape.Reading
	document   []byte
}

// fresh holds readings between intake and index, in bounded memory: what does
// not fit is read again from the log.
type fresh struct {
	mu    sync.Mutex
	items map[uint64]item
}

const freshItems = 6_000 // some 20 KB each

func newFresh() *fresh { return &fresh{items: map[uint64]item{}} }

func (f *fresh) put(i uint64, it item) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.items) < freshItems {
		f.items[i] = it
	}
}

// get returns what is there of [from, to).
func (f *fresh) get(from, to uint64) map[uint64]item {
	f.mu.Lock()
	defer f.mu.Unlock()
	got := make(map[uint64]item, to-from)
	for i := from; i < to; i++ {
		if it, ok := f.items[i]; ok {
			got[i] = it
		}
	}
	return got
}

// drop forgets [from, to), which the index has now, and, where there is no room
// left, what is older.
func (f *fresh) drop(from, to uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	full := len(f.items) == freshItems
	for i := from; i < to; i++ {
		delete(f.items, i)
	}
	if full {
		for i := range f.items {
			if i < from {
				delete(f.items, i)
			}
		}
	}
}

// errIndex marks errors of the index itself, which building it anew can mend.
var errIndex = errors.New("the index cannot be written")

// apply brings ix from one position to the next in one batch.
func (cat *Catalog) apply(ctx context.Context, ix *index.Index, from, to uint64) error {
	items, err := cat.items(ctx, from, to)
	if err != nil {
		return err
	}
	puts, deletes := cat.changes(items)
	notes, err := cat.reconcile(ctx, ix, items, from)
	if err != nil {
		return err
	}
	if err := ix.ApplyNoting(ctx, puts, deletes, notes, to); err != nil {
		return fmt.Errorf("%w: entries %d to %d: %w", errIndex, from, to, err)
	}
	return nil
}

// items returns the entries [from, to) with readings of those that stand.
func (cat *Catalog) items(ctx context.Context, from, to uint64) ([]item, error) {
	have := cat.fresh.get(from, to)
	items := make([]item, 0, to-from)
	for i := from; i < to; {
		if it, ok := have[i]; ok {
			items = append(items, it)
			i++
			continue
		}
		end := i + 1 // a run that intake did not hand over
		for end < to {
			if _, ok := have[end]; ok {
				break
			}
			end++
		}
		for rec, err := range cat.c.Log.Read(ctx, i, end) {
			if err != nil {
				return nil, err
			}
			items = append(items, item{index: rec.Index, receivedAt: rec.ReceivedAt, fact: rec.Fact, document: rec.Document})
		}
		i = end
	}
	return items, cat.read(ctx, items)
}

// read fills in missing readings of what stands and of what the hub decided, on
// all cores. What it returns
// is ctx's error alone: a document that cannot be read although intake could
// is left out and reported, and the rest goes on.
func (cat *Catalog) read(ctx context.Context, items []item) error {
	var wg sync.WaitGroup
	next := make(chan *item, len(items))
	for i := range items {
		it := &items[i]
		if it.reading == nil && it.document != nil && cat.matters(*it) {
			next <- it
		}
	}
	close(next)
	if len(next) == 0 {
		return nil
	}
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for it := range next {
				r, err := cat.c.Reader.ReadDocument(ctx, cat.c.Processor, it.document, it.receivedAt)
				if err != nil && ctx.Err() == nil { // once more: it may have run out of time
					r, err = cat.c.Reader.ReadDocument(ctx, cat.c.Processor, it.document, it.receivedAt)
				}
				if err != nil && ctx.Err() == nil {
					cat.c.Logger.Error("an entry of the log cannot be read", "index", it.index, "err", err)
					continue
				}
				it.reading = r
			}
		})
	}
	wg.Wait()
	return ctx.Err() // nothing half read may move the cursor
}

// matters reports whether the index needs to know what an entry says.
func (cat *Catalog) matters(it item) bool {
	switch it.fact.Kind {
	case vocab.KindOffering:
		return cat.stands(it)
	case vocab.KindAct, vocab.KindRedaction:
		return true
	}
	return false
}

// stands reports whether an entry is the version that stands: entries that
// were overtaken are never indexed, so a rebuild costs what is shown.
func (cat *Catalog) stands(it item) bool {
	v, ok := cat.c.Registry.Version(vocab.KeyOf(it.fact.Space, it.fact.ID))
	return ok && v.Position == it.index && v.Published()
}

// changes turns entries into puts and deletes by what stands now.
func (cat *Catalog) changes(items []item) (puts []index.Doc, deletes []vocab.Key) {
	now := cat.c.Now()
	for _, it := range items {
		switch it.fact.Kind {
		case vocab.KindOffering, vocab.KindWithdrawal, vocab.KindDeregistration:
		default:
			continue
		}
		key := vocab.KeyOf(it.fact.Space, it.fact.ID)
		v, ok := cat.c.Registry.Version(key)
		switch {
		case !ok:
		case !v.Shown(now):
			deletes = append(deletes, key)
		case v.Position == it.index && it.reading != nil && it.reading.Offering != nil:
			puts = append(puts, cat.doc(key, it))
		}
	}
	return puts, deletes
}

func (cat *Catalog) doc(key vocab.Key, it item) index.Doc {
	return index.Doc{
		Key: key, Position: it.index, Space: it.fact.Space, Hub: cat.origin,
		Audience: vocab.AudienceOf(it.reading.Offering, cat.fallback(it.fact.Space)),
		Digest:   it.fact.Digest, ReceivedAt: it.receivedAt, Offering: it.reading.Offering,
	}
}

// fallback is the audience of an offering of a space that says neither audience
// nor level: the space's default, else the hub's.
func (cat *Catalog) fallback(space string) vocab.Audience {
	if s, ok := cat.c.Registry.Space(space); ok && s.Space.Audience != "" {
		return s.Space.Audience
	}
	return cat.c.Fallback
}

package view

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"lianmu/index"
	"lianmu/vocab"
)

// chunk is the most entries applied as one batch: large batches cost the
// index least, and this many readings fit in memory easily.
const chunk = 1000

// errIndex marks errors of the index itself, which building it anew can mend.
var errIndex = errors.New("the index cannot be written")

// apply brings e from one position of a log to the next in one batch.
func (cat *Catalog) apply(ctx context.Context, e *edition, f *feed, from, to uint64) error {
	purged := redactions(f) // what is redacted by now is not read any more
	items, err := cat.items(ctx, f, from, to)
	if err != nil {
		return err
	}
	notes, err := cat.reconcile(ctx, e, f, items)
	if err != nil {
		return err
	}
	if from == 0 {
		notes[notePurged+f.origin] = purged
		if !f.own {
			notes[noteFallbackOf+f.origin] = string(f.Fallback)
		}
	}
	puts, deletes := cat.changes(e, f, items)
	cat.inTurn(f, func() { err = e.advance(ctx, f, puts, deletes, notes, to) })
	return err
}

// items returns the entries [from, to) of a log with readings of those that
// stand.
func (cat *Catalog) items(ctx context.Context, f *feed, from, to uint64) ([]item, error) {
	have := f.fresh.get(from, to)
	items := make([]item, 0, to-from)
	for i := from; i < to; {
		if it, ok := have[i]; ok {
			items = append(items, it)
			i++
			continue
		}
		end := i + 1 // a run that was not handed over
		for end < to {
			if _, ok := have[end]; ok {
				break
			}
			end++
		}
		for rec, err := range f.Log.Read(ctx, i, end) {
			if err != nil {
				return nil, err
			}
			items = append(items, item{index: rec.Index, receivedAt: rec.ReceivedAt, fact: rec.Fact, document: rec.Document})
		}
		i = end
	}
	return items, cat.read(ctx, f, items)
}

// at returns the entries of a log at ascending positions, with their readings.
func (cat *Catalog) at(ctx context.Context, f *feed, positions []uint64) ([]item, error) {
	items := make([]item, 0, len(positions))
	for i := 0; i < len(positions); {
		end := i + 1 // neighbours are read in one go
		for end < len(positions) && positions[end] == positions[end-1]+1 {
			end++
		}
		for rec, err := range f.Log.Read(ctx, positions[i], positions[end-1]+1) {
			if err != nil {
				return nil, err
			}
			items = append(items, item{index: rec.Index, receivedAt: rec.ReceivedAt, fact: rec.Fact, document: rec.Document})
		}
		i = end
	}
	return items, cat.read(ctx, f, items)
}

// read fills in missing readings of what stands and of what the hub decided, on
// all cores, of a mirror on all but one. What it returns is ctx's error alone: a
// document that cannot be read although intake could is left out and reported, and
// the rest goes on.
func (cat *Catalog) read(ctx context.Context, f *feed, items []item) error {
	var wg sync.WaitGroup
	next := make(chan *item, len(items))
	for i := range items {
		it := &items[i]
		if it.reading == nil && it.document != nil && cat.matters(f, *it) {
			next <- it
		}
	}
	close(next)
	if len(next) == 0 {
		return nil
	}
	readers := workers()
	if f.own {
		readers = runtime.GOMAXPROCS(0)
	}
	for range readers {
		wg.Go(func() {
			for it := range next {
				cat.inTurn(f, func() { cat.readItem(ctx, f, it) })
			}
		})
	}
	wg.Wait()
	return ctx.Err() // nothing half read may move the cursor
}

func (cat *Catalog) readItem(ctx context.Context, f *feed, it *item) {
	r, err := cat.c.Reader.ReadDocument(ctx, cat.c.Processor, it.document, it.receivedAt)
	if err != nil && ctx.Err() == nil { // once more: it may have run out of time
		r, err = cat.c.Reader.ReadDocument(ctx, cat.c.Processor, it.document, it.receivedAt)
	}
	if err == nil {
		it.reading = r
	} else if ctx.Err() == nil {
		cat.c.Logger.Error("an entry of the log cannot be read", "log", f.origin, "index", it.index, "err", err)
	}
}

// matters reports whether the index needs to know what an entry says.
func (cat *Catalog) matters(f *feed, it item) bool {
	switch it.fact.Kind {
	case vocab.KindOffering:
		return cat.stands(f, it)
	case vocab.KindAct, vocab.KindRedaction:
		return true
	}
	return false
}

// stands reports whether an entry is the version that stands: entries that
// were overtaken are never indexed, so a rebuild costs what is shown.
func (cat *Catalog) stands(f *feed, it item) bool {
	v, ok := cat.c.Union.Version(vocab.KeyOf(it.fact.Space, it.fact.ID))
	return ok && v.Log == f.origin && v.Position == it.index && v.Published()
}

// changes turns entries of a log into puts and deletes by what stands now, in
// whichever log.
func (cat *Catalog) changes(e *edition, f *feed, items []item) (puts []index.Doc, deletes []vocab.Key) {
	now := cat.c.Now()
	for _, it := range items {
		switch it.fact.Kind {
		case vocab.KindOffering, vocab.KindWithdrawal, vocab.KindDeregistration:
		case vocab.KindParticipant, vocab.KindConsent: // they may take the name of an offering
		case vocab.KindAct:
			deletes = append(deletes, cat.ended(it)...)
			continue
		default:
			continue
		}
		if it.fact.ID == "" { // its body is not here, or not yet
			continue
		}
		key := vocab.KeyOf(it.fact.Space, it.fact.ID)
		v, ok := cat.c.Union.Version(key)
		switch {
		case !ok || !v.Shown(now):
			deletes = append(deletes, key)
		case v.Log == f.origin && v.Position == it.index && it.reading != nil && it.reading.Offering != nil:
			puts = append(puts, cat.doc(e, f, key, it))
		}
	}
	return puts, deletes
}

// ended are the offerings that an act of a hub names and that are not shown
// any more.
func (cat *Catalog) ended(it item) (gone []vocab.Key) {
	if it.reading == nil || it.reading.Act == nil {
		return nil
	}
	now := cat.c.Now()
	for _, id := range it.reading.Act.Offerings {
		key := vocab.KeyOf(it.reading.Act.Space, id)
		if v, ok := cat.c.Union.Version(key); !ok || !v.Shown(now) {
			gone = append(gone, key)
		}
	}
	return gone
}

func (cat *Catalog) doc(e *edition, f *feed, key vocab.Key, it item) index.Doc {
	product, rank := cat.product(e, it.fact.Space, it.reading.Offering)
	return index.Doc{
		Key: key, Position: it.index, Space: it.fact.Space, Hub: f.origin,
		Audience: vocab.AudienceOf(it.reading.Offering, cat.fallback(f, it.fact.Space)),
		Digest:   it.fact.Digest, ReceivedAt: it.receivedAt, Offering: it.reading.Offering,
		Product: product, Rank: rank,
	}
}

// fallback is the audience of an offering in a log whose document says neither
// audience nor level: the default of its space, else the log's.
func (cat *Catalog) fallback(f *feed, space string) vocab.Audience {
	if s, ok := cat.c.Union.Space(space); ok && s.Space.Audience != "" {
		return s.Space.Audience
	}
	return f.Fallback
}

package exchange

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// Bounds of a Mend. The documents are judged late together, for which the log is
// folded anew: however a source gives them, that takes at most one part in
// foldShare of the time where it takes long.
const (
	mendBytes  = 32 << 20
	mendAtOnce = 1000             // entries
	mendTime   = 15 * time.Second // of asking one source
	foldShare  = 20
	foldLong   = 100 * time.Millisecond
)

// Mend asks src for documents that the mirror lacks, those that were missing
// first, and puts in what is right: at most some thousand entries or 32 MB of
// them, and as many as it gives in mendTime; nothing soon after a Mend that took
// long. own is as for Advance. It returns how many it filled in; errors are those
// of Advance.
func (f *Follower) Mend(ctx context.Context, src Source, own bool) (filled int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.Log.ReadOnly(); err != nil {
		return 0, err
	}
	if err := f.level(ctx); err != nil {
		return 0, err
	}
	lacking := append(f.Log.First(ledger.Missing), f.Log.First(ledger.Withheld)...)
	filled, _, err = f.copying(src, own).mend(ctx, lacking)
	return filled, err
}

// MendAll is Mend for everything that the mirror lacks, of a source that somebody
// has brought and that is at hand, such as a bundle: it is asked for each document
// once, and however long judging them takes.
func (f *Follower) MendAll(ctx context.Context, src Source, own bool) (filled int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.Log.ReadOnly(); err != nil {
		return 0, err
	}
	if err := f.level(ctx); err != nil {
		return 0, err
	}
	c := f.copying(src, own)
	c.atHand = true
	for from := uint64(0); from < f.Log.Size(); {
		var lacking []uint64
		next := from
		for ; next < f.Log.Size() && len(lacking) < mendAtOnce; next++ {
			if _, state, _ := f.Log.At(next); state == ledger.Missing || state == ledger.Withheld {
				lacking = append(lacking, next)
			}
		}
		n, all, err := c.mend(ctx, lacking)
		filled += n
		if err != nil {
			return filled, err
		}
		if all || n == 0 {
			from = next
		}
	}
	return filled, nil
}

// mend asks for the documents of these entries, each of which is lacking; all:
// there was time and room for each of them.
func (c *copying) mend(ctx context.Context, indexes []uint64) (filled int, all bool, err error) {
	if !c.atHand && c.f.Now().Before(c.f.rested) {
		return 0, false, nil
	}
	items, all, err := c.late(ctx, indexes)
	if err != nil || len(items) == 0 {
		return 0, all, err
	}
	reads := map[uint64]any{}
	for _, it := range items {
		if it.state == ledger.Held {
			reads[it.index] = it.read
		}
	}
	began := c.f.Now()
	verdicts, err := c.f.Judge.Late(ctx, reads)
	if took := c.f.Now().Sub(began); took >= foldLong {
		c.f.rested = began.Add(foldShare * took)
	}
	if err != nil {
		return 0, all, err
	}
	c.scanned, c.lacks = 0, nil
	var bad []*item
	for _, it := range items {
		fact := vocab.Fact{Kind: it.leaf.Kind, Digest: it.leaf.SHA256}
		if it.state == ledger.Held {
			v, ok := verdicts[it.index]
			if !ok {
				continue // it is here by now
			}
			if v.Err != nil {
				it.fault = v.Err
				bad = append(bad, it)
				continue
			}
			fact = v.Fact
		}
		if err := c.fill(ctx, it, fact, &filled); err != nil {
			return filled, all, err
		}
	}
	for _, it := range bad {
		if len(c.lacking()) > 0 && !(c.own && all) {
			break // what they hang on may come yet
		}
		it.state = ledger.Faulty
		if err := c.fill(ctx, it, vocab.Fact{Kind: it.leaf.Kind, Digest: it.leaf.SHA256}, &filled); err != nil {
			return filled, all, err
		}
	}
	return filled, all, nil
}

// fill puts one document in its place.
func (c *copying) fill(ctx context.Context, it *item, fact vocab.Fact, filled *int) error {
	m := ledger.Mirrored{Leaf: it.leaf, State: it.state, Document: it.document, Fact: fact}
	if it.fault != nil {
		m.Fault = faultText(it.fault)
	}
	err := c.f.Log.Fill(ctx, it.index, m)
	if errors.Is(err, ledger.ErrRedaction) {
		return nil // and it stays away
	}
	if err != nil {
		c.f.astray = true // the judge folded it already
		return fmt.Errorf("a late body of entry %d: %w", it.index, err)
	}
	*filled++
	if it.leaf.Kind == vocab.KindRedaction && m.State == ledger.Held {
		c.f.erase(ctx, it.index, m.Document)
	}
	if c.f.Filled != nil {
		c.f.Filled(it.index)
	}
	return nil
}

// late fetches those of the documents that src has right, and reads them; all: it
// was asked for each of them.
func (c *copying) late(ctx context.Context, indexes []uint64) (items []*item, all bool, err error) {
	var lack []*item
	var leaves []ledger.Leaf
	for _, i := range indexes {
		leaf, state, _ := c.f.Log.At(i)
		if state == ledger.Missing || state == ledger.Withheld {
			lack, leaves = append(lack, &item{index: i, leaf: leaf}), append(leaves, leaf)
		}
	}
	asking, cancel := context.WithTimeout(ctx, mendTime)
	defer cancel()
	for sum := 0; len(lack) > 0 && sum < mendBytes; {
		documents, err := c.askInPace(asking, c.src, c.pace, leaves)
		if err != nil && asking.Err() != nil && ctx.Err() == nil {
			if len(items) > 0 {
				break // what came is worth having
			}
			err = fault("peer.slow", "对方太慢：%[1]d 秒里没有给出所缺的文档。", "it is too slow: none of the documents that are lacking in %[1]d s", int(mendTime.Seconds()))
		}
		if err != nil {
			return nil, false, err
		}
		some := lack[:len(documents)]
		inParallel(len(some), func(i int) {
			if d := documents[i]; d.State == DocumentGiven && some[i].leaf.Matches(d.Bytes) {
				some[i].judge(ctx, c.f.Judge, d.Bytes)
			}
		})
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		for _, it := range some {
			if it.document != nil || it.state == ledger.Faulty {
				items, sum = append(items, it), sum+len(it.document)
			}
		}
		lack, leaves = lack[len(documents):], leaves[len(documents):]
	}
	return items, len(lack) == 0, nil
}

// doubt decides what becomes of an entry that does not stand as far as is known.
// If nothing is lacking that says who may sign, it is faulty. Else the log's own
// hub is asked for that once; a relay is not believed to have kept it back with
// reason, so the entry stays missing until it can be judged, as where there is no
// time to ask.
func (b *batch) doubt(ctx context.Context, it *item, why error) (fact vocab.Fact, verdict, failed error) {
	c := b.c
	if err := b.flush(ctx); err != nil {
		return fact, nil, err
	}
	lacks := c.lacking()
	if len(lacks) > 0 && c.own && !c.mended {
		n, all, err := c.mend(ctx, lacks)
		if err != nil {
			return fact, nil, err
		}
		if n > 0 {
			fact, why = c.f.Judge.Stand(it.index, it.leaf, it.read)
		}
		c.mended, c.heard = true, all
	}
	switch {
	case why == nil:
	case len(lacks) > 0 && !c.heard:
		it.state, it.document = ledger.Missing, nil
		return fact, errRightsLack, nil
	default:
		it.state = ledger.Faulty
	}
	return fact, why, nil
}

// lacking lists the entries in the mirror whose documents say who may sign, and
// are not here.
func (c *copying) lacking() []uint64 {
	for ; c.scanned < c.f.Log.Size(); c.scanned++ {
		leaf, state, _ := c.f.Log.At(c.scanned)
		if bearsRights(leaf.Kind) && (state == ledger.Missing || state == ledger.Withheld) {
			c.lacks = append(c.lacks, c.scanned)
		}
	}
	return c.lacks
}

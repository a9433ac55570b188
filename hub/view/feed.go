package view

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lianmu/federation/ledger"
	"lianmu/federation/registry"
	"lianmu/vocab"
	"lianmu/vocab/shape"
)

// Feed is a log that the catalogue shows: the hub's own, or a mirror.
type Feed struct {
	Log      *ledger.Log
	Registry *registry.Registry // fold of that log alone; the index never goes beyond it
	HubDID   string
	Fallback vocab.Audience // of what says neither audience nor level and whose space says nothing either
	Since    time.Time      // of a mirror: when it was first held here; what it says of the time before counts for no name (OfferingByKey)
}

// feed is a Feed that is being followed.
type feed struct {
	Feed
	origin string
	own    bool
	fresh  *fresh // readings that were just made

	fault atomic.Pointer[string] // why it is not followed just now
	retry time.Time              // not before; the follower's own
	stop  context.CancelFunc     // ends its watch; nil for the own log

	mu    sync.Mutex
	late  []uint64 // entries whose bodies came late, to be applied again
	level bool     // all of its spaces are to be levelled
	fills uint64   // how often a body came late
}

// mostLate is how many late bodies are told apart; beyond it all is levelled.
const mostLate = 1000

func newFeed(f Feed, own bool, room *atomic.Int64) *feed {
	if f.Fallback == "" {
		f.Fallback = vocab.AudienceSpace
	}
	most := freshMirror
	if own {
		most = freshItems
	}
	return &feed{Feed: f, origin: f.Log.Origin(), own: own, fresh: newFresh(most, room)}
}

// end is how far entries can be applied: an entry is in the log a moment before
// the registry knows it, and what the registry does not know yet would pass for
// overtaken.
func (f *feed) end() uint64 { return min(f.Log.Size(), f.Registry.Position()) }

// knows reports whether the log has anything of a space.
func (f *feed) knows(space string) bool {
	_, ok := f.Registry.Space(space)
	return ok
}

// owe takes what is to be done again since the last call.
func (f *feed) owe() (late []uint64, level bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	late, level = f.late, f.level
	f.late, f.level = nil, false
	return late, level
}

func (f *feed) levelAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.level = true
}

// Attach shows a log from now on: the catalogue follows it from where its index
// stands, and asks the union, which it enters there, what stands. The log is not
// closed by the catalogue: Detach it first. A log that is attached already is
// replaced by f, and its spaces are gone through again; the hub's own log is
// always attached, and an error.
func (cat *Catalog) Attach(f Feed) error {
	if f.Log == nil || f.Registry == nil {
		return errors.New("view: a feed needs a log and its registry")
	}
	origin := f.Log.Origin()
	switch {
	case origin == cat.own.origin:
		return fmt.Errorf("view: %s is the hub's own log, which is shown already", origin)
	case origin == "" || strings.ContainsAny(origin, "\n"):
		return fmt.Errorf("view: %q is no origin", origin)
	}
	next := newFeed(f, false, &cat.room)
	next.level = true // what else is known of its spaces may be worth less now
	run, stop := context.WithCancel(cat.run)
	next.stop = stop
	cat.feedsMu.Lock()
	if cat.closed {
		cat.feedsMu.Unlock()
		stop()
		return errClosed
	}
	old := cat.mirrors[origin]
	cat.c.Union.Add(origin, f.HubDID, f.Registry)
	cat.mirrors[origin] = next
	cat.stopped.Go(func() { cat.watch(run, next) })
	cat.feedsMu.Unlock()
	if old != nil {
		old.stop()
	}
	cat.poke()
	return nil
}

// errClosed: the catalogue was closed.
var errClosed = errors.New("the catalogue is closed")

// Detach shows a log no more, from when it returns; it is then read no more.
// purge: its offerings leave the index, and what other logs have of its spaces
// takes their place; else they stay in it, unseen, so that attaching the log
// again goes on where it stood. A log that is not attached can be purged as well.
// After an error it is unseen, and Detach can be repeated.
func (cat *Catalog) Detach(ctx context.Context, origin string, purge bool) error {
	if origin == cat.own.origin {
		return fmt.Errorf("view: %s is the hub's own log, which is always shown", origin)
	}
	cat.writing.Lock() // nobody reads the log now, and nobody will
	defer cat.writing.Unlock()
	cat.reading.Lock()
	cat.feedsMu.Lock()
	f := cat.mirrors[origin]
	delete(cat.mirrors, origin)
	cat.c.Union.Remove(origin)
	cat.detached++
	cat.feedsMu.Unlock()
	cat.reading.Unlock()
	if f != nil {
		f.stop()
		f.fresh.clear()
	}
	e := cat.edition()
	if !purge && f == nil {
		return nil
	}
	if f != nil {
		if err := cat.levelKnown(ctx, e, f, false, map[string]string{}); err != nil {
			return err
		}
	}
	if !purge || !slices.Contains(e.mirrors(), origin) {
		return nil
	}
	return e.forget(ctx, origin)
}

// feeds are all logs that are shown: the own one, then mirrors by origin.
func (cat *Catalog) feeds() []*feed {
	cat.feedsMu.RLock()
	defer cat.feedsMu.RUnlock()
	all := make([]*feed, 1, len(cat.mirrors)+1)
	all[0] = cat.own
	for _, f := range cat.mirrors {
		all = append(all, f)
	}
	slices.SortFunc(all[1:], func(a, b *feed) int { return strings.Compare(a.origin, b.origin) })
	return all
}

// feed returns the log of an origin; nil where it is not shown.
func (cat *Catalog) feed(origin string) *feed {
	if origin == cat.own.origin {
		return cat.own
	}
	cat.feedsMu.RLock()
	defer cat.feedsMu.RUnlock()
	return cat.mirrors[origin]
}

// Appended hands over the reading of an entry just appended to the own log, so
// that the index need not read the log for it. It never blocks.
func (cat *Catalog) Appended(i uint64, receivedAt time.Time, f vocab.Fact, r *shape.Reading) {
	cat.own.fresh.put(i, item{index: i, receivedAt: receivedAt, fact: f, reading: r})
}

// AppendedTo is Appended, of a mirror. What no log attached has is dropped.
func (cat *Catalog) AppendedTo(origin string, i uint64, receivedAt time.Time, f vocab.Fact, r *shape.Reading) {
	if to := cat.feed(origin); to != nil {
		to.fresh.put(i, item{index: i, receivedAt: receivedAt, fact: f, reading: r})
		if !to.own {
			cat.poke() // its registry may just have come level with it
		}
	}
}

// Filled tells that the body of an entry of a mirror came late, and that the
// mirror's registry knows it.
func (cat *Catalog) Filled(origin string, index uint64) {
	f := cat.feed(origin)
	if f == nil {
		return
	}
	f.mu.Lock()
	f.fills++
	if f.late = append(f.late, index); len(f.late) > mostLate {
		f.late, f.level = nil, true
	}
	f.mu.Unlock()
	cat.poke()
}

// PaceOf waits, at most a second, while the index is far behind a log and
// following: then the cores are better spent on it than on taking in more.
func (cat *Catalog) PaceOf(origin string) {
	f := cat.feed(origin)
	if f == nil {
		return
	}
	most := uint64(f.fresh.most) - 2*chunk // leaves room for a batch under way
	for range 100 {
		if cat.behind(f) <= most || cat.Fault() != nil || f.fault.Load() != nil {
			return
		}
		if !sleep(cat.run, 10*time.Millisecond) {
			return
		}
	}
}

// watch wakes the follower whenever a mirror has grown.
func (cat *Catalog) watch(ctx context.Context, f *feed) {
	for {
		changed := f.Log.Changed()
		if cat.behind(f) > 0 {
			cat.poke()
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// poke wakes the follower.
func (cat *Catalog) poke() {
	select {
	case cat.wake <- struct{}{}:
	default:
	}
}

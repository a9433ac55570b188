package view

import (
	"context"
	"errors"
	"os"
)

// ErrRebuilding: a rebuild is under way already.
var ErrRebuilding = errors.New("the index is being rebuilt already")

// Rebuild folds all logs that are shown into a new index beside the current one,
// which goes on answering, and swaps when it is level, or nearly so with mirrors
// that are growing. It returns when that is done. What the index has of logs that
// are not attached is not taken over.
func (cat *Catalog) Rebuild(ctx context.Context) error {
	if !cat.building.TryLock() {
		return ErrRebuilding
	}
	defer cat.building.Unlock()
	cat.rebuilds.Store(true)
	defer cat.rebuilds.Store(false)
	for {
		again, err := cat.rebuild(ctx)
		if err != nil || !again {
			return err
		}
		cat.c.Logger.Info("a log was detached while the index was built anew; it is begun again")
	}
}

// rebuild is one attempt; again tells that a log went away meanwhile.
func (cat *Catalog) rebuild(ctx context.Context) (again bool, err error) {
	cat.feedsMu.RLock()
	detached := cat.detached
	cat.feedsMu.RUnlock()
	began := map[*feed]uint64{} // how many bodies had come late
	for _, f := range cat.feeds() {
		f.mu.Lock()
		began[f] = f.fills
		f.mu.Unlock()
	}
	ix, path, err := nextIndex(cat.c.Dir)
	if err != nil {
		return false, err
	}
	fail := func(err error) error { return errors.Join(err, ix.Close(), os.RemoveAll(path)) }
	err = ix.ApplyNoting(ctx, nil, nil, map[string]string{noteFallback: string(cat.c.Fallback)}, 0)
	if err != nil {
		return false, fail(err)
	}
	e, err := newEdition(ix)
	if err == nil {
		err = cat.fill(ctx, e)
	}
	if err == nil {
		err = e.warm(ctx)
	}
	if err != nil {
		return false, fail(err)
	}
	cat.writing.Lock()
	defer cat.writing.Unlock()
	cat.feedsMu.RLock()
	again = cat.detached != detached
	cat.feedsMu.RUnlock()
	if again {
		return true, fail(nil)
	}
	if err := cat.swap(e, path); err != nil {
		return false, err
	}
	for _, f := range cat.feeds() {
		f.mu.Lock()
		f.level = f.level || f.fills != began[f] // they may have come behind where it read
		f.mu.Unlock()
	}
	cat.poke()
	return false, nil
}

// RebuildProgress says how far a running rebuild is, in entries of all logs.
func (cat *Catalog) RebuildProgress() (done, total uint64, running bool) {
	return cat.done.Load(), cat.total.Load(), cat.rebuilds.Load()
}

// fill applies all there is of every log, in turn, the own log first.
func (cat *Catalog) fill(ctx context.Context, e *edition) error {
	for level := false; !level; {
		level = true
		var done, total uint64
		for _, f := range cat.feeds() {
			if err := ctx.Err(); err != nil {
				return err
			}
			n, left, err := cat.fillOne(ctx, e, f)
			if err != nil {
				return err
			}
			if left > 0 && (f.own || left >= chunk) {
				level = false
			}
			done, total = done+n, total+n+left
		}
		cat.done.Store(done)
		cat.total.Store(total)
	}
	return nil
}

// fillOne applies one batch of a log. A mirror that cannot be read is left for
// later, as the follower does: it must not keep the others from being searched.
func (cat *Catalog) fillOne(ctx context.Context, e *edition, f *feed) (done, left uint64, err error) {
	cat.reading.Lock() // who detaches a log waits until this is done
	defer cat.reading.Unlock()
	if cat.feed(f.origin) != f {
		return 0, 0, nil
	}
	from, end := e.at(f), f.end()
	if from >= end {
		return from, 0, nil
	}
	to := min(from+chunk, end)
	if err := cat.apply(ctx, e, f, from, to); err != nil {
		if f.own || errors.Is(err, errIndex) || ctx.Err() != nil {
			return from, 0, err
		}
		cat.c.Logger.Error("a mirror cannot be read for the new index", "log", f.origin, "err", err)
		return from, 0, nil
	}
	return to, end - to, nil
}

// swap makes e the index that answers. The caller holds writing.
func (cat *Catalog) swap(e *edition, path string) error {
	if err := point(cat.c.Dir, path); err != nil {
		return errors.Join(err, e.Close())
	}
	cat.mu.Lock()
	old := cat.ix
	cat.ix = e
	cat.mu.Unlock()
	// Whoever searched held mu, so nobody uses the old one any more; closing it
	// takes seconds and need not hold up those who search now.
	if err := old.Close(); err != nil {
		cat.c.Logger.Warn("closing the old index", "err", err)
	}
	sweep(cat.c.Dir, path, cat.c.Logger)
	return nil
}

// repair replaces an index that can no longer be written, as when its files
// were deleted under the running hub. False if that did not work either.
func (cat *Catalog) repair(ctx context.Context) bool {
	if err := cat.Rebuild(ctx); err != nil {
		if !errors.Is(err, ErrRebuilding) {
			cat.c.Logger.Error("the index could not be built anew", "err", err)
		}
		return false
	}
	return true
}

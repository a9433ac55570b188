package view

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// feedRetry is how long a mirror that cannot be read is left alone.
const feedRetry = 2 * time.Second

// follow applies entries in batches: at once when many wait, else after
// gathering for Config.Every, because small batches cost the index dearly. The
// own log goes first; mirrors are served in turn, one batch each, so that none
// holds up the others for longer than that.
func (cat *Catalog) follow() {
	ctx := cat.run
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	failures := 0 // of the index, one after another
	for ctx.Err() == nil {
		changed := cat.own.Log.Changed()
		worked, err := cat.round(ctx)
		if err == nil && !worked {
			select {
			case <-ctx.Done():
				return
			case <-changed:
				sleep(ctx, cat.c.Every)
				continue
			case <-cat.wake:
				sleep(ctx, cat.c.Every)
				continue
			case <-tick.C:
				// Nothing to apply; but is what was applied on disk?
				err = cat.unwritten()
			}
		}
		if err == nil {
			err = cat.maintain(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			failures = 0
			cat.faults.Store(nil)
			continue
		}
		text := err.Error()
		cat.faults.Store(&text)
		cat.c.Logger.Error("the index does not follow the log", "err", err)
		if errors.Is(err, errIndex) {
			failures++
		}
		if failures >= 3 && cat.repair(ctx) {
			failures = 0
		} else {
			sleep(ctx, 2*time.Second)
		}
	}
}

// round applies at most one batch of the own log and one of a mirror, and tells
// whether there was any. An error is the own log's or the index's.
func (cat *Catalog) round(ctx context.Context) (worked bool, err error) {
	if worked, err = cat.serve(ctx, cat.own); err != nil {
		return worked, err
	}
	mirrors := cat.feeds()[1:]
	after, _ := slices.BinarySearchFunc(mirrors, cat.turn+"\x00", func(f *feed, turn string) int { return strings.Compare(f.origin, turn) })
	for _, f := range slices.Concat(mirrors[after:], mirrors[:after]) {
		if cat.c.Now().Before(f.retry) {
			continue
		}
		did, err := cat.serve(ctx, f)
		switch {
		case err == nil:
			f.fault.Store(nil)
		case errors.Is(err, errIndex) || ctx.Err() != nil:
			return worked, err
		default: // it holds nobody else up
			text := err.Error()
			f.fault.Store(&text)
			f.retry = cat.c.Now().Add(feedRetry)
			cat.c.Logger.Error("the index does not follow a mirror", "log", f.origin, "err", err)
		}
		if did {
			cat.turn = f.origin
			return true, nil
		}
	}
	return worked, nil
}

// serve applies what is owed of a log and then one batch, as many entries as batch says.
func (cat *Catalog) serve(ctx context.Context, f *feed) (worked bool, err error) {
	cat.writing.Lock()
	defer cat.writing.Unlock()
	if cat.feed(f.origin) != f {
		return false, nil // detached meanwhile: it may be closed
	}
	e := cat.edition()
	if err := cat.settle(ctx, e, f); err != nil {
		return false, err
	}
	from := e.at(f)
	to := min(f.end(), from+cat.batch(f))
	if from >= to {
		if f.own && f.Log.Size() > from {
			sleep(ctx, time.Millisecond) // the registry will be there in a moment
			return true, nil
		}
		return false, nil
	}
	if err := cat.apply(ctx, e, f, from, to); err != nil {
		return false, err
	}
	f.fresh.drop(to)
	return true, nil
}

// batch is how many entries of a log are applied at once: fewer of a mirror while
// somebody searches, lest news of the own log wait for them and their rests.
func (cat *Catalog) batch(f *feed) uint64 {
	if !f.own && cat.background.searched() {
		return chunk / 5
	}
	return chunk
}

// settle does what is owed of a log: late bodies, and spaces that are to be gone
// through. Of a log that the index is ahead of, which is another of the same
// name, everything is forgotten first.
func (cat *Catalog) settle(ctx context.Context, e *edition, f *feed) error {
	if !f.own && e.at(f) > f.Log.Size() {
		cat.c.Logger.Warn("the index is ahead of a mirror; what it has of it is read anew", "log", f.origin, "index", e.at(f), "mirror", f.Log.Size())
		if err := e.forget(ctx, f.origin); err != nil {
			return err
		}
	}
	late, level := f.owe()
	var err error
	switch {
	case level:
		err = cat.levelLog(ctx, e, f)
	case len(late) > 0:
		err = cat.fillIn(ctx, e, f, late)
	}
	if err != nil {
		f.levelAll()
	}
	return err
}

// maintain does what time alone makes necessary: it takes offerings out of the
// index whose proof has expired, and looks whether providers are still verified.
// During a rebuild both wait for the new index.
func (cat *Catalog) maintain(ctx context.Context) error {
	if cat.rebuilds.Load() {
		return nil
	}
	now := cat.c.Now()
	if now.Sub(cat.expiredAt) < time.Second {
		return nil
	}
	cat.expiredAt = now
	keys := cat.c.Union.Expired(now)
	cat.writing.Lock()
	defer cat.writing.Unlock()
	e := cat.edition()
	if len(keys) > 0 {
		if err := e.write(ctx, nil, keys, nil); err != nil {
			cat.c.Logger.Error("expired offerings stay in the index", "offerings", len(keys), "err", err)
		}
	}
	return cat.reverify(ctx, e)
}

package view

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"lianmu/federation/ledger"
	"lianmu/federation/registry"
	"lianmu/index"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

// Config is what the catalogue is folded from and how.
type Config struct {
	Dir       string // holds the index
	Log       *ledger.Log
	Registry  *registry.Registry // the index never goes beyond it
	Processor *jsonld.Processor
	Reader    *shape.Reader
	Fallback  vocab.Audience // of an offering that says neither audience nor level
	Every     time.Duration  // how long a batch gathers; default 100 ms
	Now       func() time.Time
	Logger    *slog.Logger
}

// Catalog answers from the index and keeps it level with the log.
type Catalog struct {
	c      Config
	origin string // of the log

	mu sync.RWMutex // held for reading by whoever uses ix, for writing by a swap
	ix *index.Index

	// writing is held by whoever writes to ix, and by a swap, so that nobody
	// writes to an index that has been closed. Taken before mu.
	writing sync.Mutex

	fresh  *fresh        // readings that intake has just made
	reads  atomic.Uint64 // documents read to show one, or not to
	faults atomic.Pointer[string]

	building  sync.Mutex // one rebuild at a time
	done      atomic.Uint64
	total     atomic.Uint64
	rebuilds  atomic.Bool
	expiredAt time.Time // last look for expired offerings; follower's own

	stop    context.CancelFunc
	stopped sync.WaitGroup
}

// Open opens the index, or begins a new one where there is none or it is
// outdated or damaged, and starts to follow the log.
func Open(ctx context.Context, c Config) (*Catalog, error) {
	if c.Every <= 0 {
		c.Every = 100 * time.Millisecond
	}
	if c.Fallback == "" {
		c.Fallback = vocab.AudienceSpace
	}
	ix, err := openIndex(c.Dir, c.Logger)
	if err != nil {
		return nil, err
	}
	if ix.Cursor() > c.Log.Size() {
		// The log was restored from an older copy: what the index has beyond it
		// is not in the log any more.
		c.Logger.Warn("the index is ahead of the log and is built anew", "index", ix.Cursor(), "log", c.Log.Size())
		if err := ix.Close(); err != nil {
			return nil, err
		}
		if ix, err = createIndex(c.Dir); err != nil {
			return nil, err
		}
	}
	if ix, err = refit(ctx, ix, c); err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	cat := &Catalog{c: c, origin: c.Log.Origin(), ix: ix, fresh: newFresh(), stop: stop}
	cat.stopped.Go(func() { cat.follow(run) })
	return cat, nil
}

// Close stops following and closes the index.
func (cat *Catalog) Close() error {
	cat.stop()
	cat.stopped.Wait()
	cat.mu.Lock()
	defer cat.mu.Unlock()
	return cat.ix.Close()
}

// Appended hands over the reading of an entry just appended, so that the
// index need not read the log for it. It never blocks.
func (cat *Catalog) Appended(i uint64, receivedAt time.Time, f vocab.Fact, r *shape.Reading) {
	cat.fresh.put(i, item{index: i, receivedAt: receivedAt, fact: f, reading: r})
}

// Behind is how many entries the index lacks.
func (cat *Catalog) Behind() uint64 {
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	return cat.c.Log.Size() - min(cat.ix.Cursor(), cat.c.Log.Size())
}

// Pace waits, at most a second, while the index is more than paceBehind
// entries behind and following: then the cores are better spent on it than on
// taking in more.
func (cat *Catalog) Pace() {
	for range 100 {
		if cat.Behind() <= paceBehind || cat.Fault() != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// paceBehind leaves room among the fresh readings for a batch under way.
const paceBehind = freshItems - 2*chunk

// Fault returns nil, or why the index does not follow the log.
func (cat *Catalog) Fault() error {
	if s := cat.faults.Load(); s != nil {
		return errors.New(*s)
	}
	return nil
}

// follow applies entries in batches: at once when many wait, else after
// gathering for Config.Every, because small batches cost the index dearly.
func (cat *Catalog) follow(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	failures := 0 // of the index, one after another
	for {
		changed := cat.c.Log.Changed()
		var err error
		if cat.Behind() == 0 {
			select {
			case <-ctx.Done():
				return
			case <-changed:
				if !sleep(ctx, cat.c.Every) {
					return
				}
			case <-tick.C:
				// Nothing to apply; but is what was applied on disk?
				if err = cat.unwritten(); err == nil {
					failures = 0
					cat.faults.Store(nil)
					cat.expire(ctx)
					continue
				}
			}
		}
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = cat.level(ctx)
		}
		if err != nil && ctx.Err() == nil {
			text := err.Error()
			cat.faults.Store(&text)
			cat.c.Logger.Error("the index does not follow the log", "err", err)
			if errors.Is(err, errIndex) {
				failures++
			}
			if failures >= 3 && cat.repair(ctx) {
				failures = 0
			} else if !sleep(ctx, 2*time.Second) {
				return
			}
			continue
		}
		failures = 0
		cat.faults.Store(nil)
		cat.expire(ctx)
	}
}

// unwritten returns nil, or why the index cannot be written.
func (cat *Catalog) unwritten() error {
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	if err := cat.ix.Fault(); err != nil {
		return fmt.Errorf("%w: %w", errIndex, err)
	}
	return nil
}

// level applies one batch, at most chunk entries.
func (cat *Catalog) level(ctx context.Context) error {
	cat.writing.Lock()
	defer cat.writing.Unlock()
	cat.mu.RLock()
	ix := cat.ix
	cat.mu.RUnlock()
	from := ix.Cursor()
	to := min(cat.end(), from+chunk)
	if from >= to {
		sleep(ctx, time.Millisecond) // the registry will be there in a moment
		return nil
	}
	if err := cat.apply(ctx, ix, from, to); err != nil {
		return err
	}
	cat.fresh.drop(from, to)
	return nil
}

// end is how far entries can be applied: an entry is in the log a moment before
// the registry knows it, and what the registry does not know yet would pass for
// overtaken.
func (cat *Catalog) end() uint64 {
	return min(cat.c.Log.Size(), cat.c.Registry.Position())
}

// expire takes offerings out of the index whose proof has expired.
func (cat *Catalog) expire(ctx context.Context) {
	now := cat.c.Now()
	if now.Sub(cat.expiredAt) < time.Second || cat.rebuilds.Load() {
		return // during a rebuild it waits for the new index
	}
	cat.expiredAt = now
	keys := cat.c.Registry.Expired(now)
	if len(keys) == 0 {
		return
	}
	cat.writing.Lock()
	defer cat.writing.Unlock()
	cat.mu.RLock()
	ix := cat.ix
	cat.mu.RUnlock()
	if err := ix.Apply(ctx, nil, keys, ix.Cursor()); err != nil {
		cat.c.Logger.Error("expired offerings stay in the index", "offerings", len(keys), "err", err)
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

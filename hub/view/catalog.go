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
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

// Config is what the catalogue is folded from and how.
type Config struct {
	Dir       string // holds the index
	Log       *ledger.Log
	Registry  *registry.Registry // the index never goes beyond it
	Union     *registry.Union    // over all logs; nil: one over Registry alone
	Processor *jsonld.Processor
	Reader    *shape.Reader
	Fallback  vocab.Audience // of an offering that says neither audience nor level
	Every     time.Duration  // how long a batch gathers; default 100 ms
	// States tells, by origin, what is known of mirrors apart from their entries,
	// and the name of the own log. It must be quick. nil: nothing.
	States     func() map[string]LogState
	StaleAfter time.Duration // what is Stopped or Paused is left out from this age on; default 5 days
	Now        func() time.Time
	Logger     *slog.Logger
}

const defaultStaleAfter = 5 * 24 * time.Hour

// Catalog answers from the index and keeps it level with the logs.
type Catalog struct {
	c Config

	mu sync.RWMutex // held for reading by whoever uses ix, for writing by a swap
	ix *edition

	// writing is held by whoever writes to ix or reads a log for it, and by a
	// swap, so that nobody writes to an index that has been closed, or reads a log
	// that is. Taken before mu and feedsMu.
	writing sync.Mutex

	// reading is held while a rebuild reads logs, and while one is detached. Taken
	// after writing, before feedsMu.
	reading sync.Mutex

	own      *feed
	feedsMu  sync.RWMutex // guards mirrors, detached and closed
	mirrors  map[string]*feed
	detached uint64 // logs detached since the start
	closed   bool
	room     atomic.Int64  // for readings of mirrors
	turn     string        // origin of the mirror served last; follower's own
	wake     chan struct{} // a mirror has something

	background *background
	reads      atomic.Uint64 // documents read to show one, or not to
	faults     atomic.Pointer[string]

	building   sync.Mutex // one rebuild at a time
	done       atomic.Uint64
	total      atomic.Uint64
	rebuilds   atomic.Bool
	expiredAt  time.Time // last look for expired offerings; follower's own
	verifiedAt time.Time // last look at providers; follower's own

	run     context.Context // ends when Close begins
	stop    context.CancelFunc
	stopped sync.WaitGroup
}

// Open opens the index, or begins a new one where there is none or it is
// outdated or damaged, and starts to follow the log.
func Open(ctx context.Context, c Config) (*Catalog, error) {
	if c.Every <= 0 {
		c.Every = 100 * time.Millisecond
	}
	if c.StaleAfter <= 0 {
		c.StaleAfter = defaultStaleAfter
	}
	if c.Fallback == "" {
		c.Fallback = vocab.AudienceSpace
	}
	if c.Union == nil {
		c.Registry.SetOrigin(c.Log.Origin())
		c.Union = registry.NewUnion(c.Registry)
	}
	if is, of := c.Registry.Origin(), c.Log.Origin(); is != of {
		return nil, fmt.Errorf("view: the registry is of log %q, not of %q: SetOrigin", is, of)
	}
	if c.States == nil {
		c.States = func() map[string]LogState { return nil }
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
	e, err := newEdition(ix)
	if err != nil {
		return nil, errors.Join(err, ix.Close())
	}
	cat := newCatalog(ctx, c, e)
	cat.stopped.Go(cat.follow)
	cat.stopped.Go(cat.warm)
	return cat, nil
}

func newCatalog(ctx context.Context, c Config, e *edition) *Catalog {
	cat := &Catalog{c: c, ix: e, mirrors: map[string]*feed{}, wake: make(chan struct{}, 1), background: newBackground()}
	cat.run, cat.stop = context.WithCancel(context.WithoutCancel(ctx))
	cat.own = newFeed(Feed{Log: c.Log, Registry: c.Registry, Fallback: c.Fallback}, true, nil)
	cat.room.Store(freshMirrors)
	return cat
}

// warm does it for the index as it was found: a search that comes meanwhile waits
// for the same thing, and is slower by nothing.
func (cat *Catalog) warm() {
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	if err := cat.ix.warm(cat.run); err != nil && cat.run.Err() == nil {
		cat.c.Logger.Error("the index cannot be searched", "err", err)
	}
}

// Origin is the name of the own log.
func (cat *Catalog) Origin() string { return cat.own.origin }

// Close stops following and closes the index; logs stay open.
func (cat *Catalog) Close() error {
	cat.feedsMu.Lock()
	cat.closed = true
	cat.feedsMu.Unlock()
	cat.stop()
	cat.stopped.Wait()
	cat.mu.Lock()
	defer cat.mu.Unlock()
	return cat.ix.Close()
}

// edition is the index that answers now.
func (cat *Catalog) edition() *edition {
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	return cat.ix
}

// Behind is how many entries of the own log the index lacks.
func (cat *Catalog) Behind() uint64 { return cat.behind(cat.own) }

func (cat *Catalog) behind(f *feed) uint64 {
	size := f.Log.Size()
	return size - min(cat.edition().at(f), size)
}

// Pace is PaceOf the own log.
func (cat *Catalog) Pace() { cat.PaceOf(cat.own.origin) }

// Fault returns nil, or why the index does not follow the own log.
func (cat *Catalog) Fault() error {
	if s := cat.faults.Load(); s != nil {
		return errors.New(*s)
	}
	return nil
}

// unwritten returns nil, or why the index cannot be written.
func (cat *Catalog) unwritten() error {
	if err := cat.edition().Fault(); err != nil {
		return fmt.Errorf("%w: %w", errIndex, err)
	}
	return nil
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

package view

import (
	"context"
	"errors"
	"time"
)

// purgePause is between two looks whether another rebuild has ended.
const purgePause = 200 * time.Millisecond

// Forget drops readings of entries whose bodies were deleted, as far as they
// wait in memory for the index.
func (cat *Catalog) Forget(indexes ...uint64) {
	cat.fresh.mu.Lock()
	defer cat.fresh.mu.Unlock()
	for _, i := range indexes {
		delete(cat.fresh.items, i)
	}
}

// Purge builds the index anew and deletes the former one and every copy set
// aside: an index that has deleted an offering still holds its words in its
// files, until they happen to be merged. It takes as long as a rebuild, waits
// for one that runs, and answers meanwhile.
func (cat *Catalog) Purge(ctx context.Context) error {
	for {
		err := cat.Rebuild(ctx)
		if err == nil {
			sweepDamaged(cat.c.Dir, cat.c.Logger)
			return nil
		}
		if !errors.Is(err, ErrRebuilding) {
			return err
		}
		if !sleep(ctx, purgePause) {
			return ctx.Err()
		}
	}
}

package view

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// purgePause is between two looks whether another rebuild has ended.
const purgePause = 200 * time.Millisecond

// Forget drops readings of entries of the own log whose bodies were deleted, as
// far as they wait in memory for the index.
func (cat *Catalog) Forget(indexes ...uint64) { cat.own.fresh.forget(indexes...) }

// ForgetIn is Forget, of a mirror.
func (cat *Catalog) ForgetIn(origin string, indexes ...uint64) {
	if f := cat.feed(origin); f != nil {
		f.fresh.forget(indexes...)
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

// PurgeDue reports whether the files of the index may hold words that they must
// not: of entries redacted since it was built, of a log taken out of it. While a
// mirror is being taken in it waits, so that one Purge does for all.
func (cat *Catalog) PurgeDue() (bool, error) {
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	e := cat.ix
	due, err := e.Note(noteDue)
	if err != nil || due != "" {
		return due != "", err
	}
	for _, f := range cat.feeds() {
		if !f.own && f.end()-min(e.at(f), f.end()) > chunk {
			return false, nil
		}
		purged, err := e.Note(notePurged + f.origin)
		if err != nil {
			return false, err
		}
		if purged != redactions(f) && !(purged == "" && f.Log.Redactions() == 0) {
			return true, nil
		}
	}
	return false, nil
}

// redactions is how many redactions a log holds, as it is noted.
func redactions(f *feed) string { return strconv.Itoa(f.Log.Redactions()) }

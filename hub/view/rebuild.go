package view

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"lianmu/index"
)

// The index lives in a numbered folder below Dir; the file "current" names it.
// A rebuild writes the next folder and then renames "current" into place, so a
// crash leaves the old one or the new one, never half of either.
const currentFile = "current"

var indexNumber = regexp.MustCompile(`^[0-9]{6,10}$`)

// ErrRebuilding: a rebuild is under way already.
var ErrRebuilding = errors.New("the index is being rebuilt already")

// openIndex opens the current index. A damaged or outdated one is moved aside
// and replaced by a new, empty one: the log has everything.
func openIndex(dir string, log *slog.Logger) (*index.Index, error) {
	name, err := os.ReadFile(filepath.Join(dir, currentFile))
	if errors.Is(err, fs.ErrNotExist) {
		return createIndex(dir)
	}
	if err != nil {
		return nil, err
	}
	number := strings.TrimSpace(string(name))
	if !indexNumber.MatchString(number) {
		log.Error("the file that names the index is damaged; the index is built anew from the log, nothing is lost", "file", filepath.Join(dir, currentFile))
		sweep(dir, "", log)
		return createIndex(dir)
	}
	path := filepath.Join(dir, number)
	ix, err := index.Open(path)
	switch {
	case err == nil:
		sweep(dir, path, log)
		return ix, nil
	case errors.Is(err, index.ErrDamaged), errors.Is(err, fs.ErrNotExist):
		log.Error("the index cannot be opened and is built anew from the log; nothing is lost", "index", path, "err", err)
		sweepDamaged(dir, log)
		if err := os.Rename(path, path+".damaged"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("moving the damaged index aside: %w", err)
		}
		return createIndex(dir)
	case errors.Is(err, index.ErrOutdated):
		log.Info("the index was built with another mapping and is built anew from the log", "index", path)
		return createIndex(dir)
	}
	return nil, fmt.Errorf("index %s: %w", path, err)
}

// createIndex makes a new index current.
func createIndex(dir string) (*index.Index, error) {
	ix, path, err := nextIndex(dir)
	if err != nil {
		return nil, err
	}
	if err := point(dir, path); err != nil {
		return nil, errors.Join(err, ix.Close())
	}
	return ix, nil
}

// nextIndex creates an empty index in a folder with the next number.
func nextIndex(dir string) (*index.Index, string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", err
	}
	for n := 1; ; n++ {
		path := filepath.Join(dir, fmt.Sprintf("%06d", n))
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if _, err := os.Stat(path + ".damaged"); err == nil {
			continue
		}
		ix, err := index.Create(path)
		if err != nil && !errors.Is(err, fs.ErrExist) { // half an index on a full disk
			err = errors.Join(err, os.RemoveAll(path))
		}
		return ix, path, err
	}
}

// point makes path the current index.
func point(dir, path string) error {
	tmp := filepath.Join(dir, currentFile+".new")
	if err := os.WriteFile(tmp, []byte(filepath.Base(path)+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, currentFile))
}

// sweep deletes indexes that are not current (one damaged copy is kept).
func sweep(dir, current string, log *slog.Logger) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !e.IsDir() || path == current || strings.HasSuffix(e.Name(), ".damaged") {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			log.Warn("an old index could not be deleted", "index", path, "err", err)
		}
	}
}

// sweepDamaged deletes damaged copies, so that at most the newest is kept.
func sweepDamaged(dir string, log *slog.Logger) {
	old, err := filepath.Glob(filepath.Join(dir, "*.damaged")) // fails on a bad pattern only
	for _, path := range old {
		err = errors.Join(err, os.RemoveAll(path))
	}
	if err != nil {
		log.Warn("a damaged index could not be deleted", "err", err)
	}
}

// Rebuild folds the whole log into a new index beside the current one, which
// goes on answering, and swaps when it is level. It returns when that is done.
func (cat *Catalog) Rebuild(ctx context.Context) error {
	if !cat.building.TryLock() {
		return ErrRebuilding
	}
	defer cat.building.Unlock()
	cat.rebuilds.Store(true)
	defer cat.rebuilds.Store(false)
	ix, path, err := nextIndex(cat.c.Dir)
	if err != nil {
		return err
	}
	err = ix.ApplyNoting(ctx, nil, nil, map[string]string{noteFallback: string(cat.c.Fallback)}, 0)
	if err == nil {
		err = cat.fill(ctx, ix)
	}
	if err != nil {
		return errors.Join(err, ix.Close(), os.RemoveAll(path))
	}
	return cat.swap(ix, path)
}

// RebuildProgress says how far a running rebuild is, in entries.
func (cat *Catalog) RebuildProgress() (done, total uint64, running bool) {
	return cat.done.Load(), cat.total.Load(), cat.rebuilds.Load()
}

func (cat *Catalog) fill(ctx context.Context, ix *index.Index) error {
	for from := ix.Cursor(); from < cat.end(); from = ix.Cursor() {
		if err := ctx.Err(); err != nil {
			return err
		}
		end := cat.end()
		cat.total.Store(end)
		if err := cat.apply(ctx, ix, from, min(from+chunk, end)); err != nil {
			return err
		}
		cat.done.Store(ix.Cursor())
	}
	return nil
}

func (cat *Catalog) swap(ix *index.Index, path string) error {
	cat.writing.Lock()
	defer cat.writing.Unlock()
	if err := point(cat.c.Dir, path); err != nil {
		return errors.Join(err, ix.Close())
	}
	cat.mu.Lock()
	old := cat.ix
	cat.ix = ix
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

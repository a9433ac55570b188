package view

import (
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
	ix, err := index.Open(path, workers())
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
		ix, err := index.Create(path, workers())
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

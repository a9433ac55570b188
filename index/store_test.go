package index

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"lianmu/vocab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

func TestLifecycle(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "index")
	if _, err := open(dir, 2, testNap); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("open of nothing: %v", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Fatal("open made a folder")
	}
	ix, err := create(dir, 2, testNap)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := create(dir, 2, testNap); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("create over an index: %v", err)
	}
	if _, err := open(dir, 2, testNap); !errors.Is(err, ErrInUse) {
		t.Fatalf("second open: %v", err)
	}
	a, b, c := doc("a", "甲"), doc("b", "乙"), doc("c", "丙")
	ctx := context.Background()
	if err := ix.Apply(ctx, []Doc{a, b}, nil, 7); err != nil {
		t.Fatal(err)
	}
	if err := ix.Apply(ctx, []Doc{c}, []vocab.Key{a.Key}, 9); err != nil {
		t.Fatal(err)
	}
	for range 2 { // as applied, and as opened again
		if ix.Cursor() != 9 || ix.Count() != 2 {
			t.Fatalf("cursor %d, count %d", ix.Cursor(), ix.Count())
		}
		all := map[vocab.Key]vocab.Digest{}
		for k, d := range ix.All(ctx) {
			all[k] = d
		}
		if len(all) != 2 || all[b.Key] != b.Digest || all[c.Key] != c.Digest {
			t.Fatalf("all: %v", all)
		}
		if err := ix.Close(); err != nil {
			t.Fatal(err)
		}
		if err := ix.Close(); err != nil {
			t.Fatalf("second close: %v", err)
		}
		if _, err := ix.Search(ctx, Request{Reader: everyone}); !errors.Is(err, ErrClosed) {
			t.Fatalf("search after close: %v", err)
		}
		if err := ix.Apply(ctx, []Doc{a}, nil, 10); !errors.Is(err, ErrClosed) {
			t.Fatalf("apply after close: %v", err)
		}
		if ix, err = open(dir, 2, testNap); err != nil {
			t.Fatal(err)
		}
	}
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
}

// A cursor says what the documents say, at whatever moment the process stops:
// here every state that was on disk between batches is opened.
func TestCursorNeverApartFromDocuments(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "index")
	ix, err := create(dir, 2, testNap)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	var copies []string
	for i := range 12 {
		if err := ix.Apply(ctx, []Doc{doc(id(i), "数据"+id(i))}, nil, uint64(i+1)); err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(to, os.DirFS(dir)); err == nil {
			copies = append(copies, to)
		} // a file that went away meanwhile: no state that a stop could leave
	}
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	opened := 0
	for _, c := range append(copies, dir) {
		ix, err := open(c, 2, testNap)
		if errors.Is(err, ErrDamaged) { // copied while it was written
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		opened++
		if ix.Cursor() != ix.Count() {
			t.Errorf("cursor %d with %d documents", ix.Cursor(), ix.Count())
		}
		if err := ix.Close(); err != nil {
			t.Error(err)
		}
	}
	if opened == 0 {
		t.Error("nothing could be opened")
	}
}

func TestOutdated(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "index")
	ix, err := create(dir, 2, testNap)
	if err != nil {
		t.Fatal(err)
	}
	if err := ix.store.SetInternal(keyFingerprint, []byte("another mapping")); err != nil {
		t.Fatal(err)
	}
	apply(t, ix, doc("a", "甲")) // closing waits for batches, and so for what came before
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := open(dir, 2, testNap); !errors.Is(err, ErrOutdated) {
		t.Fatal(err)
	}
}

func TestDamaged(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "whole")
	ix, err := create(whole, 2, testNap)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		apply(t, ix, doc(id(i), "城市公交线路", described(strings.Repeat("站点与时刻。", i))))
	}
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(whole, "*.zap"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for name, harm := range map[string]func(dir string) error{
		"root.bolt deleted": func(dir string) error { return os.Remove(filepath.Join(dir, "root.bolt")) },
		"root.bolt empty":   func(dir string) error { return os.Truncate(filepath.Join(dir, "root.bolt"), 0) },
		"root.bolt cut":     func(dir string) error { return os.Truncate(filepath.Join(dir, "root.bolt"), 5000) },
		"root.bolt rewritten": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "root.bolt"), make([]byte, 65536), 0o600)
		},
		"segments deleted": segments(os.Remove),
		"segments empty":   segments(func(path string) error { return os.Truncate(path, 0) }),
		"segments cut":     segments(func(path string) error { return os.Truncate(path, 700) }),
		"segments' bytes":  segments(flip),
		"folder empty":     func(dir string) error { return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "index")
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			if err := harm(dir); err != nil {
				t.Fatal(err)
			}
			ix, err := open(dir, 2, testNap)
			if err == nil {
				// An older state that is whole may still be there; it says where it stands.
				if ix.Cursor() != ix.Count() || ix.Count() >= 20 {
					t.Errorf("opens with cursor %d and %d documents", ix.Cursor(), ix.Count())
				}
				if err := ix.Close(); err != nil {
					t.Error(err)
				}
			} else if !errors.Is(err, ErrDamaged) {
				t.Errorf("open: %v", err)
			}
		})
	}
}

// segments does harm to every segment file; which of them are in use is the store's affair.
func segments(harm func(path string) error) func(dir string) error {
	return func(dir string) error {
		files, err := filepath.Glob(filepath.Join(dir, "*.zap"))
		for _, f := range files {
			err = errors.Join(err, harm(f))
		}
		return err
	}
}

// flip changes one bit in the middle of a file.
func flip(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	at := info.Size() / 2
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		return errors.Join(err, f.Close())
	}
	b[0] ^= 0x40
	_, err = f.WriteAt(b, at)
	return errors.Join(err, f.Close())
}

func TestApplyStopsWithContextAndFault(t *testing.T) {
	ix := newIndex(t)
	if err := ix.await(context.Background(), func() bool { return ix.batches == 0 }); err != nil {
		t.Fatal(err)
	}
	// Pretend that too much is waiting to be written.
	ix.mu.Lock()
	ix.unwritten += maxUnwritten + 1
	ix.batches++
	ix.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := ix.Apply(ctx, []Doc{doc("a", "甲")}, nil, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting apply: %v", err)
	}
	full := errors.New("no space left on device")
	ix.failed(full)
	if err := ix.Apply(context.Background(), []Doc{doc("a", "甲")}, nil, 1); !errors.Is(err, full) {
		t.Errorf("apply on a full disk: %v", err)
	}
	ix.mu.Lock()
	ix.unwritten -= maxUnwritten + 1
	ix.batches--
	ix.mu.Unlock()
	// With nothing waiting, the next batch is tried, and its success clears the fault.
	apply(t, ix, doc("a", "甲"))
	if got := ids(t, ix, "甲"); len(got) != 1 {
		t.Error(got)
	}
}

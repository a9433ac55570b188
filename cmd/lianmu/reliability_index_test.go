package main

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// everyFile calls change for each file below dir.
func everyFile(t *testing.T, dir string, change func(path string, size int64) error) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		return change(path, info.Size())
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestIndexDamaged damages the search index of a stopped hub in several ways,
// and deletes it under a running one. The hub says so, builds it anew from the
// log, and shows what the log says.
func TestIndexDamaged(t *testing.T) {
	n := newNode(t, t.TempDir())
	seed := reliabilitySeed(t)
	rnd := rand.New(rand.NewPCG(seed, 3))
	tr := newTraffic(t, seed, 3)
	index := filepath.Join(n.dir, "index")
	n.start()
	junk := func(size int64) []byte {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		return b
	}
	tr.publish(n, 400)
	tr.check(n)

	const anew = "built anew from the log"
	// Without a message where an older state may have survived and be gone on from.
	for _, damage := range []struct {
		name, message string
		do            func()
	}{
		{"deleted", "", func() {
			if err := os.RemoveAll(index); err != nil {
				t.Fatal(err)
			}
		}},
		{"every file cut in half", anew, func() {
			everyFile(t, index, func(path string, size int64) error {
				if filepath.Base(path) == "current" {
					return nil
				}
				return os.Truncate(path, size/2)
			})
		}},
		{"every file overwritten with junk", anew, func() {
			everyFile(t, index, func(path string, size int64) error { return os.WriteFile(path, junk(size), 0o600) })
		}},
		{"the files of the index overwritten with junk", anew, func() {
			everyFile(t, index, func(path string, size int64) error {
				if filepath.Base(path) == "current" {
					return nil
				}
				return os.WriteFile(path, junk(size), 0o600)
			})
		}},
		{"segments overwritten with junk", "", func() {
			everyFile(t, index, func(path string, size int64) error {
				if !strings.HasSuffix(path, ".zap") {
					return nil
				}
				return os.WriteFile(path, junk(size), 0o600)
			})
		}},
		{"segments deleted", "", func() {
			everyFile(t, index, func(path string, _ int64) error {
				if !strings.HasSuffix(path, ".zap") {
					return nil
				}
				return os.Remove(path)
			})
		}},
		{"every file empty", anew, func() {
			everyFile(t, index, func(path string, _ int64) error { return os.Truncate(path, 0) })
		}},
	} {
		t.Log(damage.name)
		if code, _ := n.stop(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		damage.do()
		before := len(n.log.String())
		n.start()
		tr.publish(n, 50)
		tr.check(n)
		said := n.log.String()[before:]
		if damage.message != "" && !strings.Contains(said, damage.message) {
			t.Errorf("the hub's log does not say %q", damage.message)
		}
		if h := n.health(); len(h) > 0 {
			t.Errorf("health: %v", h)
		}
	}
	if kept, err := filepath.Glob(filepath.Join(index, "*.damaged")); err != nil || len(kept) > 1 {
		t.Errorf("damaged copies pile up: %v, %v", kept, err)
	}

	t.Log("deleted under the running hub")
	before := len(n.log.String())
	if err := os.RemoveAll(index); err != nil {
		t.Fatal(err)
	}
	tr.publish(n, 50)
	tr.check(n)
	n.within(time.Minute, "the index is on disk again", func() bool {
		_, err := os.Stat(filepath.Join(index, "current"))
		return err == nil
	})
	if !strings.Contains(n.log.String()[before:], "cannot be written") {
		t.Error("the hub's log says nothing of an index that cannot be written")
	}
	n.within(time.Minute, "the hub is well", func() bool { return len(n.health()) == 0 })
	tr.publish(n, 50)
	tr.check(n)
	n.kill() // what is on disk must do for the next start
	n.start()
	tr.check(n)
	n.verifyClean()
}

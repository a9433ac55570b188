//go:build linux

package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"lianmu/federation/ledger"
	"lianmu/hub/bus"
)

// smallDisk mounts a tmpfs for JetStream's folder, with a ballast file in it.
func smallDisk(t *testing.T, w *world, size string, ballast int) (release func()) {
	t.Helper()
	dir := filepath.Join(w.dir, "nats")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("no tmpfs may be mounted here: %v", err)
	}
	t.Cleanup(func() {
		w.stopBus()
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "ballast")
	if err := os.WriteFile(path, bytes.Repeat([]byte{1}, ballast), 0o600); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// The disk fills up under the log, twice as far as the hub looks ahead and once
// past it, and is emptied again: the reason is said, nothing is lost, and it
// goes on by itself.
func TestDiskFull(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a disk")
	}
	for name, reserve := range map[string]uint64{"with a reserve": 8 << 20, "to the last byte": 1} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.stopBus()
			release := smallDisk(t, w, "48m", 24<<20)
			b, err := bus.Start(context.Background(), bus.Config{Dir: filepath.Join(w.dir, "nats"), Logger: w.logger(), Poll: 10 * time.Millisecond, Reserve: reserve})
			if err != nil {
				t.Fatal(err)
			}
			w.bus = b
			c := w.config("a")
			c.AckWait = time.Second
			l, err := ledger.Open(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			kept := fillUp(t, l, 200) // until it fails
			if n := len(kept); n < 200 || uint64(n) > l.Size() {
				t.Fatalf("%d confirmed, size %d", n, l.Size())
			}
			// Once full, it says so at once and again.
			var failure error
			for range 100 {
				w.clock.move(time.Second) // so that a torn batch grows old
				if _, failure = l.Append(t.Context(), l.Size(), big(200)); errors.Is(failure, ledger.ErrFull) {
					break
				}
				time.Sleep(20 * time.Millisecond)
			}
			t.Logf("%d entries, then: %v; bus: %v", len(kept), failure, w.bus.Healthy())
			if !errors.Is(failure, ledger.ErrFull) || w.bus.Healthy() == nil {
				t.Fatalf("got %v; the bus says %v", failure, w.bus.Healthy())
			}

			release()
			var at uint64
			es := big(100)
			for i := 0; ; i++ {
				w.clock.move(time.Second) // so that a torn batch grows old
				at = l.Size()
				if _, err = l.Append(t.Context(), at, es); err == nil {
					break
				}
				if i > 500 {
					t.Fatalf("does not go on: %v; the bus says %v", err, w.bus.Healthy())
				}
				time.Sleep(20 * time.Millisecond)
			}
			t.Logf("went on at %d", at)
			for i, e := range kept {
				r, err := l.Get(t.Context(), uint64(i))
				if err != nil || !bytes.Equal(r.Document, e.Document) {
					t.Fatalf("entry %d was confirmed and is lost: %v", i, err)
				}
			}
			if r, err := l.Get(t.Context(), at); err != nil || !bytes.Equal(r.Document, es[0].Document) {
				t.Errorf("entry %d: %v", at, err)
			}
			wantClean(t, l, int(l.Size()))
			w.close(l)
			if err := w.bus.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			l = w.open("a")
			wantClean(t, l, int(l.Size()))
		})
	}
}

// fillUp appends batches of n until one fails, and returns what was confirmed.
func fillUp(t *testing.T, l *ledger.Log, n int) []ledger.Entry {
	t.Helper()
	var kept []ledger.Entry
	for range 1000 {
		es := big(n)
		if _, err := l.Append(t.Context(), l.Size(), es); err != nil {
			t.Logf("first failure: %v", err)
			return kept
		}
		kept = append(kept, es...)
	}
	t.Fatal("the disk does not fill up")
	return nil
}

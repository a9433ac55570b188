//go:build linux

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// smallDisk is a file system of its own that can be filled.
type smallDisk struct {
	t    *testing.T
	path string
}

func mountSmall(t *testing.T, size string) *smallDisk {
	t.Helper()
	d := &smallDisk{t: t, path: t.TempDir()}
	if err := syscall.Mount("tmpfs", d.path, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("mounting a tmpfs is not permitted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.path, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	return d
}

// grow gives the disk more room while it is in use.
func (d *smallDisk) grow(size string) {
	d.t.Helper()
	if err := syscall.Mount("tmpfs", d.path, "tmpfs", syscall.MS_REMOUNT, "size="+size); err != nil {
		d.t.Fatal(err)
	}
}

func (d *smallDisk) free() int64 {
	var s syscall.Statfs_t
	if err := syscall.Statfs(d.path, &s); err != nil {
		d.t.Fatal(err)
	}
	return int64(s.Bavail) * s.Bsize
}

// fill writes a ballast file that leaves so many bytes free.
func (d *smallDisk) fill(leave int64) {
	d.t.Helper()
	f, err := os.OpenFile(filepath.Join(d.path, "ballast"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for left := d.free() - leave; left > 0; left = d.free() - leave {
		if _, err := f.Write(block[:min(left, int64(len(block)))]); err != nil {
			return // no room left: that is what is wanted
		}
	}
}

func (d *smallDisk) empty() {
	if err := os.Remove(filepath.Join(d.path, "ballast")); err != nil {
		d.t.Fatal(err)
	}
}

// TestDiskFull fills the hub's disk under load, first to below the reserve that
// it keeps, then, between two looks at the disk, to the last byte. The hub says
// so, loses nothing, answers searches, and goes on by itself.
func TestDiskFull(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a disk under the real program")
	}
	d := mountSmall(t, "200m")
	n := newNode(t, filepath.Join(d.path, "hub"))
	tr := newTraffic(t, reliabilitySeed(t), 3)
	n.start()
	conn := tr.dial(n.info.NATS)
	tr.permit(100_000)
	f := tr.run(conn, 32)
	progress := func(what string) {
		t.Helper()
		before := tr.answered.Load()
		n.within(time.Minute, what, func() bool { return tr.answered.Load() > before+100 })
	}
	isFull := func() {
		t.Helper()
		n.within(20*time.Second, "/healthz says that the disk is full", func() bool {
			_, ok := n.health()["hub.disk_full"]
			return ok
		})
		p := n.health()["hub.disk_full"]
		if !strings.Contains(p.Message["zh"], "磁盘已满") || !strings.Contains(p.Message["en"], "disk is full") {
			t.Errorf("/healthz says %v", p.Message)
		}
		if status := n.get("/readyz", nil); status != http.StatusServiceUnavailable {
			t.Errorf("/readyz has status %d", status)
		}
		if status := n.get("/api/v1/search?q=port", nil); status != http.StatusOK {
			t.Errorf("search has status %d", status)
		}
		// A submission is answered at once, and says why it was not taken.
		n.within(20*time.Second, "a submission is answered hub.disk_full", func() bool {
			r, err := conn.submit(t.Context(), tr.next())
			return err == nil && r.Status == "busy" && len(r.Problems) == 1 && r.Problems[0].Code == "hub.disk_full" &&
				strings.Contains(r.Problems[0].Message["zh"], "磁盘已满") && r.RetryAfterMS > 0
		})
		if !strings.Contains(n.log.String(), "is full") {
			t.Error("the hub's log says nothing of a full disk")
		}
	}
	well := func() {
		t.Helper()
		began := time.Now()
		n.within(time.Minute, "the hub is well again", func() bool { return len(n.health()) == 0 })
		progress("submissions are taken again")
		t.Logf("well again after %v, with %d answers", time.Since(began), tr.answered.Load())
	}
	progress("submissions are taken")
	d.fill(20 << 20)
	isFull()
	d.empty()
	well()
	for range 2 {
		d.fill(0)
		isFull()
		d.empty()
		well()
	}
	d.fill(0)
	isFull()
	d.grow("400m") // instead of deleting something
	well()

	f.finish(t, time.Minute)
	m := tr.check(n)
	tr.repeatSome(n, conn, m, 100)
	n.verifyClean()
}

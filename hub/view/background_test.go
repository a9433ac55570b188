package view

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// While somebody searches, what nobody waits for leaves a processor free; else all
// of it runs at once.
func TestBackgroundLeavesRoom(t *testing.T) {
	cat := &Catalog{background: newBackground()}
	n := 4 * runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	var all sync.WaitGroup
	all.Add(n)
	for range n { // nobody searches: each waits for all others
		wg.Go(func() { cat.InBackground(func() { all.Done(); all.Wait() }) })
	}
	wg.Wait()

	var running, most atomic.Int64
	for range n {
		wg.Go(func() {
			cat.background.search()
			cat.InBackground(func() {
				now := running.Add(1)
				for was := most.Load(); now > was && !most.CompareAndSwap(was, now); was = most.Load() {
				}
				runtime.Gosched()
				running.Add(-1)
			})
		})
	}
	wg.Wait()
	if most.Load() > int64(workers()) {
		t.Errorf("%d at once, where %d leave a processor free", most.Load(), workers())
	}
}

package view

import (
	"runtime"
	"sync/atomic"
	"time"
)

const (
	askedFor = time.Second            // after a search another one is reckoned with
	mostRest = 200 * time.Millisecond // after a batch
)

// background keeps what nobody waits for, which is copying, reading and indexing
// the logs of other hubs, out of the way of searches. Go notices a request only
// where one of its processors has nothing to do, or every 10 ms, and takes one
// away from a goroutine that is busy after 10 ms: with all of them busy each step
// of a search waits as long. So as long as somebody searches one is left free, and
// of the rest a third, for what else goes on: merging segments, collecting garbage.
type background struct {
	slots chan struct{}
	asked atomic.Int64 // when somebody last searched, as UnixNano
}

func newBackground() *background {
	return &background{slots: make(chan struct{}, workers())}
}

// search says that somebody searches now.
func (b *background) search() { b.asked.Store(time.Now().UnixNano()) }

// searched reports whether somebody has searched lately.
func (b *background) searched() bool {
	return time.Since(time.Unix(0, b.asked.Load())) < askedFor
}

// InBackground runs f, some milliseconds of work or a batch that nobody waits
// for: while somebody searches at most as many of these run as there are
// processors but one, each with a rest of half as long as it took. f must not call
// it.
func (cat *Catalog) InBackground(f func()) {
	b := cat.background
	if b.searched() {
		b.slots <- struct{}{}
		began := time.Now()
		defer func() {
			time.Sleep(min(time.Since(began)/2, mostRest))
			<-b.slots
		}()
	}
	f()
}

// inTurn runs what has to do with the own log at once, and all else in the
// background.
func (cat *Catalog) inTurn(of *feed, f func()) {
	if of.own {
		f()
	} else {
		cat.InBackground(f)
	}
}

// workers is how many goroutines may be busy with what nobody waits for.
func workers() int { return max(1, runtime.GOMAXPROCS(0)-1) }

package view

import (
	"runtime"
	"sync/atomic"
	"time"
)

// askedFor is how long after a search another one is reckoned with.
const askedFor = time.Second

// background keeps what nobody waits for, which is copying, reading and indexing
// the logs of other hubs, out of the way of searches. Go notices a request only
// where one of its processors has nothing to do, or every 10 ms, and takes one
// away from a goroutine that is busy after 10 ms: with all of them busy each step
// of a search waits as long. So one is left free as long as somebody searches.
type background struct {
	slots chan struct{}
	asked atomic.Int64 // when somebody last searched, as UnixNano
}

func newBackground() *background {
	return &background{slots: make(chan struct{}, workers())}
}

// search says that somebody searches now.
func (b *background) search() { b.asked.Store(time.Now().UnixNano()) }

// InBackground runs f, some milliseconds of work or a batch that nobody waits
// for: while somebody searches at most as many of these run as there are
// processors but one. f must not call it.
func (cat *Catalog) InBackground(f func()) {
	b := cat.background
	if time.Since(time.Unix(0, b.asked.Load())) < askedFor {
		b.slots <- struct{}{}
		defer func() { <-b.slots }()
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

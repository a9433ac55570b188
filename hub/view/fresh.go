package view

import (
	"sync"
	"sync/atomic"
	"time"

	"lianmu/vocab"
	"lianmu/vocab/shape"
)

// item is an entry with its reading.
type item struct {
	index      uint64
	receivedAt time.Time
	fact       vocab.Fact
	reading    *shape.Reading
	document   []byte
}

// Readings kept of logs, some 20 KB each.
const (
	freshItems   = 6_000 // of the own log
	freshMirror  = 3_000 // of a mirror
	freshMirrors = 6_000 // of all mirrors together
)

// fresh holds readings between whoever made them and the index, in bounded
// memory: what does not fit is read again from the log.
type fresh struct {
	most int           // items
	room *atomic.Int64 // for items of all that share it; nil: not shared

	mu    sync.Mutex
	items map[uint64]item
}

func newFresh(most int, room *atomic.Int64) *fresh {
	return &fresh{most: most, room: room, items: map[uint64]item{}}
}

func (f *fresh) put(i uint64, it item) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, there := f.items[i]; there || len(f.items) >= f.most {
		return
	}
	if f.room != nil && f.room.Add(-1) < 0 {
		f.room.Add(1)
		return
	}
	f.items[i] = it
}

// get returns what is there of [from, to).
func (f *fresh) get(from, to uint64) map[uint64]item {
	f.mu.Lock()
	defer f.mu.Unlock()
	got := make(map[uint64]item, to-from)
	for i := from; i < to; i++ {
		if it, ok := f.items[i]; ok {
			got[i] = it
		}
	}
	return got
}

// drop forgets what is before to: the index has it now.
func (f *fresh) drop(to uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.items {
		if i < to {
			f.remove(i)
		}
	}
}

// forget drops single items.
func (f *fresh) forget(indexes ...uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, i := range indexes {
		f.remove(i)
	}
}

// clear drops everything.
func (f *fresh) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.items {
		f.remove(i)
	}
}

func (f *fresh) remove(i uint64) { // mu is held
	if _, there := f.items[i]; there {
		delete(f.items, i)
		if f.room != nil {
			f.room.Add(1)
		}
	}
}

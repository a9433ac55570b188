package index

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/blevesearch/bleve/v2/index/scorch"
	index "github.com/blevesearch/bleve_index_api"

	"lianmu/vocab"
)

// Cursor is the log position up to which entries have been applied.
func (ix *Index) Cursor() uint64 { return ix.cursor.Load() }

// Apply puts and deletes documents and sets the cursor, all in one batch: a
// search sees all of it or nothing. It may be lost by a crash together with its
// cursor, never apart from it. A key that is both put and deleted is deleted.
// Apply waits while too much is in memory only; where the store cannot write
// (a full disk), it returns that until it can.
func (ix *Index) Apply(ctx context.Context, puts []Doc, deletes []vocab.Key, cursor uint64) error {
	return ix.ApplyNoting(ctx, puts, deletes, nil, cursor)
}

// ApplyNoting is Apply, and keeps notes in the same batch: short texts by name
// that say what the documents were made by (see Note).
func (ix *Index) ApplyNoting(ctx context.Context, puts []Doc, deletes []vocab.Key, notes map[string]string, cursor uint64) error {
	b := index.NewBatch()
	for name, text := range notes {
		b.SetInternal(append(bytes.Clone(keyNote), name...), []byte(text))
	}
	for i := range puts {
		doc, err := puts[i].document()
		if err != nil {
			return err
		}
		b.Update(doc)
	}
	for _, k := range deletes {
		b.Delete(string(k[:]))
	}
	return ix.commit(ctx, b, len(puts)+len(deletes), cursor)
}

// Note returns what ApplyNoting last kept under a name; "" where there is
// nothing.
func (ix *Index) Note(name string) (string, error) {
	snap, err := ix.snapshot()
	if err != nil {
		return "", err
	}
	defer snap.Close()
	text, err := snap.GetInternal(append(bytes.Clone(keyNote), name...))
	return string(text), err
}

// commit applies one batch with its cursor.
func (ix *Index) commit(ctx context.Context, b *index.Batch, size int, cursor uint64) error {
	if err := ix.await(ctx, func() bool {
		// With nothing waiting, only a new batch can tell whether a fault has gone.
		return ix.unwritten <= maxUnwritten && (ix.fault == nil || ix.batches == 0)
	}); err != nil {
		return err
	}
	ix.mu.Lock()
	if ix.closed {
		ix.mu.Unlock()
		return ErrClosed
	}
	ix.unwritten += size
	ix.batches++
	ix.mu.Unlock()
	b.SetInternal(keyCursor, binary.BigEndian.AppendUint64(nil, cursor))
	b.SetPersistedCallback(func(err error) {
		if err != nil {
			return // the store tries again, and calls again
		}
		ix.mu.Lock()
		ix.unwritten -= size
		ix.batches--
		if !ix.dead {
			ix.fault = nil
		}
		ix.signal()
		ix.mu.Unlock()
	})
	done := make(chan error, 1)
	go func() { // should the store's own goroutine die of a damaged file, this one is left behind
		var err error
		defer func() { done <- err }()
		defer contain(&err)
		err = ix.store.Batch(b)
	}()
	err := ix.awaitOr(done)
	if err != nil {
		ix.mu.Lock()
		ix.unwritten -= size
		ix.batches--
		ix.signal()
		ix.mu.Unlock()
		return err
	}
	ix.cursor.Store(cursor)
	ix.revision.Add(1)
	return nil
}

// awaitOr waits for done, or for the store to die.
func (ix *Index) awaitOr(done <-chan error) error {
	for {
		ix.mu.Lock()
		dead, fault, changed := ix.dead, ix.fault, ix.changed
		ix.mu.Unlock()
		if dead {
			return fault
		}
		select {
		case err := <-done:
			return err
		case <-changed:
		}
	}
}

// await waits until ready, which is called with mu held, or a fault.
func (ix *Index) await(ctx context.Context, ready func() bool) error {
	for {
		ix.mu.Lock()
		ok, dead, fault, changed := ready(), ix.dead, ix.fault, ix.changed
		ix.mu.Unlock()
		switch {
		case dead:
			return fault
		case ok:
			return nil
		case fault != nil:
			return fault
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// signal wakes whoever waits; mu is held.
func (ix *Index) signal() {
	close(ix.changed)
	ix.changed = make(chan struct{})
}

// bleve names the callbacks of its background work in a global table, and tells
// them the folder only; running finds the index again.
const faultCallback = "lianmu.index"

var running sync.Map // folder → *Index

func init() {
	scorch.RegistryAsyncErrorCallbacks[faultCallback] = func(err error, dir string) {
		if v, ok := running.Load(dir); ok {
			v.(*Index).failed(err)
		}
	}
}

// failed notes why the store cannot write. A panic has ended the work for good;
// an error is tried again.
func (ix *Index) failed(err error) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if ix.dead {
		return
	}
	ix.dead = errors.Is(err, scorch.ErrAsyncPanic)
	if ix.fault = fmt.Errorf("the index in %s cannot be written: %w", ix.dir, err); ix.dead {
		ix.fault = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	ix.signal()
}

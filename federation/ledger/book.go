package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// swapTries bounds how often a checkpoint is swapped in against others' ones.
const swapTries = 5

// Keys in the bucket. A mirror's checkpoint stands under mirrorKeys + MirrorID.
const (
	stateKey     = "checkpoint"           // the last signed checkpoint
	witnessedKey = "checkpoint.witnessed" // one that others hold and this log does not fit, see Witness
	mirrorKeys   = "mirror."
)

// book is the last checkpoint that was signed, or of a mirror accepted, in both
// places where it is kept. The higher one is what may never be contradicted.
type book struct {
	key       string     // in the bucket
	state     Checkpoint // in the bucket
	revision  uint64     // of the bucket's entry; 0: there is none
	folder    Checkpoint // in Config.Dir
	witnessed Checkpoint // in the bucket; the own log's only
}

func (b *book) all() []Checkpoint { return []Checkpoint{b.state, b.folder, b.witnessed} }

func (b *book) highest() (c Checkpoint) {
	for _, o := range b.all() {
		if c.Note == nil || o.Size > c.Size {
			c = o
		}
	}
	return c
}

// loadBook reads every copy.
func (l *Log) loadBook(ctx context.Context) error {
	raw, err := readCheckpointFile(l.c.Dir)
	if err != nil {
		return err
	}
	if l.book.folder, err = l.readKept(raw, "in the data folder"); err != nil {
		return err
	}
	if !l.mirror {
		if l.book.witnessed, _, err = l.readBucket(ctx, witnessedKey); err != nil {
			return err
		}
	}
	return l.reloadState(ctx)
}

func (l *Log) reloadState(ctx context.Context) (err error) {
	l.book.state, l.book.revision, err = l.readBucket(ctx, l.book.key)
	return err
}

func (l *Log) readBucket(ctx context.Context, key string) (Checkpoint, uint64, error) {
	e, err := l.c.State.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return Checkpoint{}, 0, nil
	}
	if err != nil {
		return Checkpoint{}, 0, fmt.Errorf("%w (the last checkpoint: %w)", ErrUnavailable, err)
	}
	c, err := l.readKept(e.Value(), "in the state bucket")
	return c, e.Revision(), err
}

// compare freezes the log if it is not the one that c is of.
func (l *Log) compare(c Checkpoint) {
	if err := l.fits(c); err != nil {
		_ = l.freeze("%w", err)
	}
}

// keep brings the checkpoints that next makes into the book, as long as what is
// there wants for one, and publishes: swapped in against the last one in the
// bucket, written to the folder, then shown. At every step before the last, a
// crash leaves a checkpoint that nobody saw but that still may not be
// contradicted. The caller holds signing.
func (l *Log) keep(ctx context.Context, next func() (Checkpoint, error), wants func(last, next Checkpoint) bool) error {
	c, err := next()
	for tries := 0; err == nil && wants(l.book.state, c); tries++ {
		if tries == swapTries {
			return errors.New("others keep signing this log")
		}
		if err = l.swap(ctx, c); err == nil {
			c, err = next()
		}
	}
	if err != nil {
		return err
	}
	last := l.book.state
	if l.book.folder.Size <= last.Size && !bytes.Equal(l.book.folder.Note, last.Note) {
		if err := writeCheckpointFile(l.c.Dir, last.Note); err != nil {
			return err
		}
		l.book.folder = last
	}
	l.publish(last)
	return nil
}

// swap puts next in the bucket if nobody did since; else it learns what is there
// now and holds the log against it.
func (l *Log) swap(ctx context.Context, next Checkpoint) error {
	var err error
	var revision uint64
	if l.book.revision == 0 {
		revision, err = l.c.State.Create(ctx, l.book.key, next.Note)
	} else {
		revision, err = l.c.State.Update(ctx, l.book.key, next.Note, l.book.revision)
	}
	if err == nil {
		l.book.state, l.book.revision = next, revision
		return nil
	}
	before := l.book.revision
	if rerr := l.reloadState(ctx); rerr != nil {
		return errors.Join(err, rerr)
	}
	if l.book.revision == before {
		return fmt.Errorf("keeping the checkpoint: %w", err)
	}
	// Another process, or an earlier try of ours whose answer was lost.
	if l.book.state.Size > l.Size() {
		if err := l.catchUp(ctx); err != nil {
			return err
		}
	}
	l.compare(l.book.state)
	return l.ReadOnly()
}

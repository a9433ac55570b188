package exchange

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"lianmu/federation/ledger"
)

// leaves fetches the leaf records from entry from on, at most up to the next
// multiple of the chunk, and authenticates them by the checkpoint. Broken says
// which of them cannot be in any log; they and what follows are left out.
func (c *copying) leaves(ctx context.Context, from uint64) (good []ledger.Leaf, broken *LogFault, err error) {
	to := min((from/c.f.chunk+1)*c.f.chunk, c.cp.Size)
	raw := make([]byte, 0, (to-from)*ledger.LeafSize)
	for at := from; at < to; at = from + uint64(len(raw)/ledger.LeafSize) {
		err := c.pace.wait(func() (int, error) {
			part, err := c.src.Leaves(ctx, c.f.Log.Origin(), at, min(to, at+MaxLeaves))
			if err != nil {
				return 0, err
			}
			if err := checkLeaves(part, to-at); err != nil {
				return 0, garbage("leaves", err)
			}
			raw = append(raw, part...)
			return len(part), nil
		})
		if err != nil {
			return nil, nil, sourced(ctx, err)
		}
	}
	raw, broken, err = c.legible(ctx, from, raw)
	if err != nil {
		return nil, nil, err
	}
	if to = from + uint64(len(raw)/ledger.LeafSize); to == from {
		return nil, broken, nil
	}
	root, err := c.f.Log.RootWith(raw)
	if err != nil {
		return nil, nil, err
	}
	if size := c.f.Log.Size(); size != from { // the root is of more than that
		return nil, nil, fmt.Errorf("%w (another copied up to entry %d)", ledger.ErrConflict, size)
	}
	want := c.cp.Root
	if to < c.cp.Size {
		if want, err = c.rootAt(ctx, to); err != nil {
			return nil, nil, err
		}
	}
	if root != want {
		return nil, nil, c.blame(ctx, from, to)
	}
	good, late, err := c.timely(from, raw)
	if late != nil {
		broken = late
	}
	return good, broken, err
}

// legible cuts raw before the first record that cannot be read. If the tree has
// it so, that is the log's fault.
func (c *copying) legible(ctx context.Context, from uint64, raw []byte) ([]byte, *LogFault, error) {
	for i := 0; i < len(raw); i += ledger.LeafSize {
		record := raw[i : i+ledger.LeafSize]
		_, perr := ledger.ParseLeaf(record)
		if perr == nil {
			continue
		}
		index := from + uint64(i/ledger.LeafSize)
		h, err := c.hashOf(ctx, index)
		if err != nil {
			return nil, nil, err
		}
		if h != tlog.RecordHash(record) {
			return nil, nil, garbage("leaves", perr)
		}
		return raw[:i], logFault(index, "叶记录无法识别：%[1]v", "its leaf record cannot be read: %[1]v", perr), nil
	}
	return raw, nil, nil
}

// timely parses authenticated records, as far as their times are possible: never
// before the entry ahead, and not after the checkpoint was signed.
func (c *copying) timely(from uint64, raw []byte) (good []ledger.Leaf, broken *LogFault, err error) {
	var last time.Time
	if from > 0 {
		before, _, _ := c.f.Log.At(from - 1)
		last = before.ReceivedAt
	}
	good = make([]ledger.Leaf, 0, len(raw)/ledger.LeafSize)
	for i := from; len(raw) > 0; i, raw = i+1, raw[ledger.LeafSize:] {
		leaf, err := ledger.ParseLeaf(raw[:ledger.LeafSize])
		switch {
		case err != nil:
			return nil, nil, err // legible has read it
		case leaf.ReceivedAt.Before(last):
			return good, logFault(i, "收到时间 %[1]v 早于前一条的 %[2]v", "it was received at %[1]v, before the entry ahead of it, at %[2]v", leaf.ReceivedAt, last), nil
		case !c.cp.Time.IsZero() && leaf.ReceivedAt.After(c.cp.Time.Add(clockSlack)):
			return good, logFault(i, "收到时间 %[1]v 晚于签封时间 %[2]v", "it was received at %[1]v, after the checkpoint over it was signed, at %[2]v", leaf.ReceivedAt, c.cp.Time), nil
		}
		last = leaf.ReceivedAt
		good = append(good, leaf)
	}
	return good, nil, nil
}

// blame finds out why leaf records [from, to) do not continue what is held to
// what the checkpoint says. The log itself has forked if tiles that the checkpoint
// covers give another root for what is held; else the source is wrong.
func (c *copying) blame(ctx context.Context, from, to uint64) error {
	held := func(size uint64) (same bool, err error) {
		ours, err := c.f.Log.Root(size)
		if err != nil {
			return false, err
		}
		theirs, err := c.rootAt(ctx, size)
		return ours == theirs, err
	}
	same, err := held(from)
	if err != nil {
		return err
	}
	if same {
		return fault("peer.wrong", "对方给出的第 %[1]d 至 %[2]d 条叶记录与签封不符。", "the leaf records %[1]d to %[2]d that it gives are not those of the checkpoint", from, to-1)
	}
	why := fmt.Sprintf("of the tree over %d entries, the first %d are not those that are held", c.cp.Size, from)
	// The note that proves it is the one that covers the first difference.
	have := c.f.Log.Accepted()
	if have.Size <= from && have.Size > 0 {
		if same, err = held(have.Size); err != nil {
			return err
		}
	}
	if t, ok := c.toward(); ok && (same || have.Note == nil) && t.Size >= from {
		have = t
	}
	return &ledger.Contradiction{Have: have.Note, Got: c.cp.Note, Why: why}
}

// rootAt is the root of the first size entries of the checkpoint's tree, proven
// by tiles from the source.
func (c *copying) rootAt(ctx context.Context, size uint64) (tlog.Hash, error) {
	return c.proven(ctx, func(r tlog.HashReader) (tlog.Hash, error) { return tlog.TreeHash(int64(size), r) })
}

// hashOf is the hash of one leaf record in that tree, likewise.
func (c *copying) hashOf(ctx context.Context, index uint64) (tlog.Hash, error) {
	return c.proven(ctx, func(r tlog.HashReader) (tlog.Hash, error) {
		hashes, err := r.ReadHashes([]int64{tlog.StoredHashIndex(0, int64(index))})
		if err != nil {
			return tlog.Hash{}, err
		}
		return hashes[0], nil
	})
}

func (c *copying) proven(ctx context.Context, read func(tlog.HashReader) (tlog.Hash, error)) (h tlog.Hash, err error) {
	tiles := &tileReader{c: c, ctx: ctx}
	defer func() {
		if r := recover(); r != nil {
			err = garbage("tile", fmt.Errorf("%v", r))
		}
	}()
	if c.hashes == nil {
		c.hashes = map[tlog.Tile][]byte{}
	}
	h, err = read(tlog.TileHashReader(tlog.Tree{N: int64(c.cp.Size), Hash: c.cp.Root}, tiles))
	switch {
	case err == nil:
		return h, nil
	case tiles.err != nil:
		return h, tiles.err
	}
	return h, fault("peer.wrong", "对方给出的散列分块与签封不符：%[1]v。", "the hash tiles that it gives are not those of the checkpoint: %[1]v", err)
}

// tileReader brings tiles of the checkpoint's tree for tlog, which authenticates
// them, and keeps those that are authentic.
type tileReader struct {
	c   *copying
	ctx context.Context
	err error
}

// Height implements tlog.TileReader.
func (*tileReader) Height() int { return 8 }

// ReadTiles implements tlog.TileReader.
func (r *tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, t := range tiles {
		if kept, ok := r.c.hashes[t]; ok {
			out[i] = kept
			continue
		}
		r.err = r.c.pace.wait(func() (int, error) {
			b, err := r.c.src.Tile(r.ctx, r.c.f.Log.Origin(), ledger.TilePath(t))
			if err == nil && len(b) != t.W*tlog.HashSize {
				err = garbage("tile", fmt.Errorf("%s has %d bytes", ledger.TilePath(t), len(b)))
			}
			out[i] = b
			return len(b), err
		})
		if r.err != nil {
			r.err = sourced(r.ctx, r.err)
			return nil, r.err
		}
	}
	return out, nil
}

// SaveTiles implements tlog.TileReader.
func (r *tileReader) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	for i, t := range tiles {
		r.c.hashes[t] = data[i]
	}
}

// sourced makes an error of a source one that it may return.
func sourced(ctx context.Context, err error) error {
	var known *SourceFault
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fault("peer.silent", "对方没有答复：%[1]v。", "it does not answer: %[1]v", err)
}

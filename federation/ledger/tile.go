package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// tileHeight is 8 in C2SP tlog-tiles: 256 hashes a tile.
const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

// ParseTile reads a C2SP tlog-tiles path of a tile of height 8, as TilePath writes
// it: fs.ErrNotExist for any other. Entries tiles have level −1.
func ParseTile(path string) (tlog.Tile, error) {
	rest, ok := strings.CutPrefix(path, "tile/")
	if !ok || len(path) > 100 {
		return tlog.Tile{}, fmt.Errorf("%q: %w", path, fs.ErrNotExist)
	}
	if e, ok := strings.CutPrefix(rest, "entries/"); ok {
		rest = "data/" + e
	} else if strings.HasPrefix(rest, "data/") {
		return tlog.Tile{}, fmt.Errorf("%q: %w", path, fs.ErrNotExist)
	}
	t, err := tlog.ParseTilePath(fmt.Sprintf("tile/%d/%s", tileHeight, rest))
	if err != nil || t.L > 6 {
		return tlog.Tile{}, fmt.Errorf("%q: %w", path, fs.ErrNotExist)
	}
	return t, nil
}

// TilePath is the C2SP tlog-tiles path of a tile of height 8.
func TilePath(t tlog.Tile) string {
	p := strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", t.H))
	if e, ok := strings.CutPrefix(p, "data/"); ok {
		p = "entries/" + e
	}
	return "tile/" + p
}

// Tile serves C2SP tlog-tiles paths below the log's root: "tile/0/000",
// "tile/1/000.p/5", "tile/entries/000" (leaf records, each as a big-endian
// uint16 length and bytes). Only tiles within the last checkpoint are served;
// fs.ErrNotExist otherwise.
func (l *Log) Tile(path string) ([]byte, error) {
	t, err := ParseTile(path)
	if err != nil {
		return nil, err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	size := min(l.signed.Size, l.tree.size())
	level := max(t.L, 0)
	have := size >> (tileHeight * level) // hashes at that level
	if t.N < 0 || t.N > math.MaxInt64/tileWidth-1 || uint64(t.N)*tileWidth+uint64(t.W) > have {
		return nil, fmt.Errorf("%q: %w", path, fs.ErrNotExist)
	}
	if t.L >= 0 {
		return tlog.ReadTileData(t, &l.tree)
	}
	out := make([]byte, 0, t.W*(LeafSize+2))
	for i := uint64(t.N) * tileWidth; i < uint64(t.N)*tileWidth+uint64(t.W); i++ {
		out = binary.BigEndian.AppendUint16(out, LeafSize)
		out = append(out, l.tree.record(i)...)
	}
	return out, nil
}

// maxLeaves bounds one answer of Leaves.
const maxLeaves = 1 << 16

// Leaves returns the leaf records of entries [from, to), LeafSize bytes each; to
// is cut to the last checkpoint, and to 65,536 records. fs.ErrNotExist where
// there is none.
func (l *Log) Leaves(from, to uint64) ([]byte, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	to = min(to, l.signed.Size, l.tree.size())
	if from >= to {
		return nil, fmt.Errorf("leaf records from entry %d on: %w", from, fs.ErrNotExist)
	}
	to = min(to, from+maxLeaves)
	return bytes.Clone(l.tree.leaves[from*LeafSize : to*LeafSize]), nil
}

// Inclusion proves that entry index is in the tree of this size (RFC 6962
// §2.1.1); check it with tlog.CheckRecord. The size must be covered by the last
// checkpoint.
func (l *Log) Inclusion(index, size uint64) (tlog.RecordProof, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if size > min(l.signed.Size, l.tree.size()) || index >= size {
		return nil, fmt.Errorf("entry %d at size %d: %w", index, size, fs.ErrNotExist)
	}
	return tlog.ProveRecord(int64(size), int64(index), &l.tree)
}

// Consistency proves that the tree of size extends that of old (RFC 6962
// §2.1.2); check it with tlog.CheckTree. Old is at least 1; size must be covered
// by the last checkpoint.
func (l *Log) Consistency(old, size uint64) (tlog.TreeProof, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if old < 1 || old > size || size > min(l.signed.Size, l.tree.size()) {
		return nil, fmt.Errorf("sizes %d and %d: %w", old, size, fs.ErrNotExist)
	}
	return tlog.ProveTree(int64(size), int64(old), &l.tree)
}

package ledger

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"lianmu/vocab"
)

// tree holds leaf records and hashes in memory, about 170 bytes an entry. It
// only grows; the zero value is empty.
type tree struct {
	leaves []byte // LeafSize each
	states []EntryState
	counts [len(stateNames)]int // of the entries that no redaction names, by state
	hashes []tlog.Hash          // in tlog.StoredHashes order
	first  map[uint64]uint32
	more   map[uint64][]uint32 // further entries whose digests begin alike
}

func (t *tree) size() uint64 { return uint64(len(t.leaves) / LeafSize) }

func (t *tree) record(i uint64) []byte { return t.leaves[i*LeafSize : (i+1)*LeafSize] }

// leaf is the parsed record i; records in the tree were parsed before.
func (t *tree) leaf(i uint64) Leaf {
	l, _ := ParseLeaf(t.record(i))
	return l
}

func (t *tree) lastAt() time.Time {
	if n := t.size(); n > 0 {
		return t.leaf(n - 1).ReceivedAt
	}
	return time.Time{}
}

func (t *tree) add(record []byte, state EntryState) {
	n := t.size()
	// The hashes needed are in memory, so there is no error to have.
	hashes, err := tlog.StoredHashesForRecordHash(int64(n), tlog.RecordHash(record), t)
	if err != nil {
		panic(fmt.Sprintf("ledger: hashing entry %d: %v", n, err))
	}
	t.leaves, t.states = append(t.leaves, record...), append(t.states, state)
	t.counts[state]++
	t.hashes = append(t.hashes, hashes...)
	if t.first == nil {
		t.first, t.more = map[uint64]uint32{}, map[uint64][]uint32{}
	}
	k := binary.BigEndian.Uint64(record[10:18])
	if _, ok := t.first[k]; ok {
		t.more[k] = append(t.more[k], uint32(n))
	} else {
		t.first[k] = uint32(n)
	}
}

// find returns the first entry with this digest. Eight bytes of it lead to the
// candidates, the whole decides.
func (t *tree) find(d vocab.Digest) (uint64, bool) {
	for _, i := range t.candidates(d) {
		if t.has(i, d) {
			return uint64(i), true
		}
	}
	return 0, false
}

func (t *tree) findAll(d vocab.Digest) (all []uint64) {
	for _, i := range t.candidates(d) {
		if t.has(i, d) {
			all = append(all, uint64(i))
		}
	}
	return all
}

func (t *tree) candidates(d vocab.Digest) []uint32 {
	k := binary.BigEndian.Uint64(d[:8])
	i, ok := t.first[k]
	if !ok {
		return nil
	}
	return append([]uint32{i}, t.more[k]...)
}

func (t *tree) has(i uint32, d vocab.Digest) bool {
	return vocab.Digest(t.record(uint64(i))[10:42]) == d
}

// ReadHashes implements tlog.HashReader.
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(t.hashes)) {
			return nil, fmt.Errorf("no hash at %d", x)
		}
		out[i] = t.hashes[x]
	}
	return out, nil
}

// root is the tree's hash at size n, at most the present one.
func (t *tree) root(n uint64) tlog.Hash {
	h, err := tlog.TreeHash(int64(n), t)
	if err != nil {
		panic(fmt.Sprintf("ledger: root at %d: %v", n, err))
	}
	return h
}

// Root returns the root of the log's first size entries (RFC 6962 §2.1), or
// fs.ErrNotExist beyond its end.
func (l *Log) Root(size uint64) (tlog.Hash, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if size > l.tree.size() {
		return tlog.Hash{}, fmt.Errorf("the root at size %d: %w", size, fs.ErrNotExist)
	}
	return l.tree.root(size), nil
}

// RootWith returns the root that the log would have with these leaf records
// (LeafSize bytes each) after its last entry. Nothing is stored. ErrEntry where
// they are not leaf records.
func (l *Log) RootWith(leaves []byte) (tlog.Hash, error) {
	if len(leaves)%LeafSize != 0 {
		return tlog.Hash{}, fmt.Errorf("%w: %d bytes are no leaf records of %d bytes", ErrEntry, len(leaves), LeafSize)
	}
	l.mu.RLock()
	// What is in the tree never changes, so it is read without the lock.
	g := grown{n: l.tree.size(), hashes: l.tree.hashes}
	l.mu.RUnlock()
	for ; len(leaves) > 0; leaves = leaves[LeafSize:] {
		if _, err := ParseLeaf(leaves[:LeafSize]); err != nil {
			return tlog.Hash{}, fmt.Errorf("%w: entry %d: %w", ErrEntry, g.n, err)
		}
		hashes, err := tlog.StoredHashesForRecordHash(int64(g.n), tlog.RecordHash(leaves[:LeafSize]), &g)
		if err != nil {
			return tlog.Hash{}, err
		}
		g.more, g.n = append(g.more, hashes...), g.n+1
	}
	return tlog.TreeHash(int64(g.n), &g)
}

// grown is a tree's hashes and those of what might follow.
type grown struct {
	n            uint64
	hashes, more []tlog.Hash
}

// ReadHashes implements tlog.HashReader.
func (g *grown) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		switch n := int64(len(g.hashes)); {
		case x >= 0 && x < n:
			out[i] = g.hashes[x]
		case x >= n && x < n+int64(len(g.more)):
			out[i] = g.more[x-n]
		default:
			return nil, fmt.Errorf("no hash at %d", x)
		}
	}
	return out, nil
}

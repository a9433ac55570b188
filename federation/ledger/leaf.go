package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"lianmu/vocab"
)

// leafVersion is the first byte of a leaf record.
const leafVersion = 1

// LeafSize is the length of a leaf record in bytes.
const LeafSize = 1 + 1 + 8 + 32 + 32

// Leaf is a leaf record: version ‖ kind ‖ receivedAt (ms, big endian, 8 bytes)
// ‖ SHA-256(document) ‖ SM3(document). Its RFC 6962 leaf hash is in the tree.
type Leaf struct {
	Kind       vocab.EntryKind
	ReceivedAt time.Time
	SHA256     vocab.Digest
	SM3        [32]byte
}

// NewLeaf hashes a document. ReceivedAt is cut to milliseconds.
func NewLeaf(kind vocab.EntryKind, at time.Time, document []byte) Leaf {
	return Leaf{Kind: kind, ReceivedAt: millis(at), SHA256: sha256.Sum256(document), SM3: sm3.Sum(document)}
}

// millis is a time as leaf records hold it: UTC, whole milliseconds, not before
// 1970.
func millis(t time.Time) time.Time { return time.UnixMilli(max(t.UnixMilli(), 0)).UTC() }

// Bytes returns the leaf record.
func (l Leaf) Bytes() []byte {
	b := make([]byte, 0, LeafSize)
	b = append(b, leafVersion, byte(l.Kind))
	b = binary.BigEndian.AppendUint64(b, uint64(l.ReceivedAt.UnixMilli()))
	b = append(b, l.SHA256[:]...)
	return append(b, l.SM3[:]...)
}

// ParseLeaf reads a leaf record, which has exactly one form.
func ParseLeaf(b []byte) (Leaf, error) {
	var l Leaf
	if len(b) != LeafSize {
		return l, fmt.Errorf("a leaf record has %d bytes, not %d", LeafSize, len(b))
	}
	if b[0] != leafVersion {
		return l, fmt.Errorf("leaf record version %d is unknown", b[0])
	}
	ms := binary.BigEndian.Uint64(b[2:10])
	if ms > math.MaxInt64 {
		return l, errors.New("the leaf record's time is out of range")
	}
	l.Kind = vocab.EntryKind(b[1])
	l.ReceivedAt = time.UnixMilli(int64(ms)).UTC()
	copy(l.SHA256[:], b[10:42])
	copy(l.SM3[:], b[42:])
	return l, nil
}

// Matches reports whether the document is the one that the leaf is of, by both
// hashes.
func (l Leaf) Matches(document []byte) bool {
	return l.SHA256 == sha256.Sum256(document) && l.SM3 == sm3.Sum(document)
}

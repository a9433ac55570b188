package ledger

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

// leafCache is a file of leaf records, each with its entry's state and a CRC-32C,
// so that a start need not read the stream. It is never fsynced: what is damaged or missing is
// read from the stream again.
type leafCache struct {
	f       *os.File
	on      uint64 // records in the file
	unsaved []byte // records that could not be written yet
	loaded  []byte // as found at open, without CRCs; fills gaps where a body was deleted
}

// A record in the file is leaf record ‖ state ‖ CRC-32C of both.
const (
	statedSize = LeafSize + 1
	cachedSize = statedSize + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func openLeafCache(dir string) (*leafCache, error) {
	path := filepath.Join(dir, "leaves")
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	c := &leafCache{loaded: parseLeafCache(raw)}
	c.f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	return c, err
}

// parseLeafCache returns the records before the first that is damaged, without
// their CRCs.
func parseLeafCache(raw []byte) []byte {
	loaded := make([]byte, 0, len(raw))
	for ; len(raw) >= cachedSize; raw = raw[cachedSize:] {
		record := raw[:statedSize]
		if crc32.Checksum(record, castagnoli) != binary.BigEndian.Uint32(raw[statedSize:]) {
			break
		}
		if _, err := ParseLeaf(record[:LeafSize]); err != nil || int(record[LeafSize]) >= len(stateNames) {
			break
		}
		loaded = append(loaded, record...)
	}
	return loaded
}

// size is how many valid records were found at open.
func (c *leafCache) size() uint64 { return uint64(len(c.loaded) / statedSize) }

// at returns record i as found at open.
func (c *leafCache) at(i uint64) (record []byte, state EntryState, ok bool) {
	if i >= c.size() {
		return nil, Held, false
	}
	r := c.loaded[i*statedSize : (i+1)*statedSize]
	return r[:LeafSize], EntryState(r[LeafSize]), true
}

// forget frees what was found at open.
func (c *leafCache) forget() { c.loaded = nil }

// truncate keeps the first n records.
func (c *leafCache) truncate(n uint64) error {
	c.on = n
	return c.f.Truncate(int64(n * cachedSize))
}

// append adds records; what cannot be written is kept and tried again later.
func (c *leafCache) append(records []byte, states []EntryState) error {
	for i, state := range states {
		begin := len(c.unsaved)
		c.unsaved = append(append(c.unsaved, records[i*LeafSize:(i+1)*LeafSize]...), byte(state))
		c.unsaved = binary.BigEndian.AppendUint32(c.unsaved, crc32.Checksum(c.unsaved[begin:], castagnoli))
	}
	if _, err := c.f.WriteAt(c.unsaved, int64(c.on*cachedSize)); err != nil {
		return err
	}
	c.on += uint64(len(c.unsaved) / cachedSize)
	c.unsaved = c.unsaved[:0]
	return nil
}

func (c *leafCache) close() {
	if c != nil && c.f != nil {
		_ = c.f.Close()
	}
}

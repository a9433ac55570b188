package ledger

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

// leafCache is a file of leaf records, each with a CRC-32C, so that a start
// need not read the stream. It is never fsynced: what is damaged or missing is
// read from the stream again.
type leafCache struct {
	f       *os.File
	on      uint64 // records in the file
	unsaved []byte // records that could not be written yet
	loaded  []byte // as found at open; fills gaps where a body was deleted
}

const cachedSize = LeafSize + 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func openLeafCache(dir string) (*leafCache, error) {
	path := filepath.Join(dir, "leaves")
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	c := &leafCache{loaded: make([]byte, 0, len(raw))}
	for ; len(raw) >= cachedSize; raw = raw[cachedSize:] {
		record := raw[:LeafSize]
		if crc32.Checksum(record, castagnoli) != binary.BigEndian.Uint32(raw[LeafSize:]) {
			break
		}
		if _, err := ParseLeaf(record); err != nil {
			break
		}
		c.loaded = append(c.loaded, record...)
	}
	c.f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	return c, err
}

// records are the valid ones found at open, one after the other.
func (c *leafCache) records() []byte { return c.loaded }

// at returns record i as found at open.
func (c *leafCache) at(i uint64) ([]byte, bool) {
	if n := uint64(len(c.loaded) / LeafSize); i >= n {
		return nil, false
	}
	return c.loaded[i*LeafSize : (i+1)*LeafSize], true
}

// forget frees what was found at open.
func (c *leafCache) forget() { c.loaded = nil }

// truncate keeps the first n records.
func (c *leafCache) truncate(n uint64) error {
	c.on = n
	return c.f.Truncate(int64(n * cachedSize))
}

// append adds records; what cannot be written is kept and tried again later.
func (c *leafCache) append(records []byte) error {
	for ; len(records) >= LeafSize; records = records[LeafSize:] {
		c.unsaved = append(c.unsaved, records[:LeafSize]...)
		c.unsaved = binary.BigEndian.AppendUint32(c.unsaved, crc32.Checksum(records[:LeafSize], castagnoli))
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

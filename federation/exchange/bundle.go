package exchange

import (
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"io"

	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// A bundle is a log in a file, for where there is no connection. After the magic
// it is a row of frames: type, one byte; length of the payload, four, big endian;
// CRC-32C of the payload, four; payload. In this order:
//
//	H  a bundleHead as JSON
//	L  leaf records: index of the first, eight bytes; records. Together they are
//	   those from bundleHead.Leaves to its Size
//	T  a hash tile of level 1 and above: level, one; number, eight; hashes. All that
//	   the checkpoint's tree has; those of level 0 follow from the leaf records
//	D  documents: index of the first, eight; how many, four; zstd of them as in an
//	   answer. Together they are those from bundleHead.From to its Size
//	E  the number of frames before it, four
//
// The sums find what broke on the way. What is to be believed is for a Follower
// to find out, as with any source.
const bundleMagic = "lianmu log bundle 1\n"

const (
	frameHead      = 'H'
	frameLeaves    = 'L'
	frameTile      = 'T'
	frameDocuments = 'D'
	frameEnd       = 'E'

	frameStart  = 1 + 4 + 4
	frameLimit  = 16 << 20 // bytes of a payload
	bundleRaw   = 4 << 20  // documents of one frame, before a last one is added
	bundleTiles = 1 << 16  // of a log of mostEntries there are fewer
)

// bundleHead says what is in a bundle.
type bundleHead struct {
	Origin     string          `json:"origin"`
	Card       json.RawMessage `json:"card"`
	Checkpoint string          `json:"checkpoint"`
	Size       uint64          `json:"size"`   // of the checkpoint
	From       uint64          `json:"from"`   // the first entry whose document is in it
	Leaves     uint64          `json:"leaves"` // the first whose leaf record is: From, less what is left of its tile
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frameWriter writes frames.
type frameWriter struct {
	w io.Writer
	n uint32
}

func (f *frameWriter) put(kind byte, payload []byte) error {
	start := make([]byte, 0, frameStart)
	start = append(start, kind)
	start = binary.BigEndian.AppendUint32(start, uint32(len(payload)))
	start = binary.BigEndian.AppendUint32(start, crc32.Checksum(payload, castagnoli))
	if _, err := f.w.Write(start); err != nil {
		return err
	}
	f.n++
	_, err := f.w.Write(payload)
	return err
}

// broken is the error of a bundle that cannot be read.
func broken(zh, en string, args ...any) error {
	p := vocab.NewProblem("", "bundle.broken", zh, en, args...)
	return &SourceFault{Problem: vocab.NewProblem("", "bundle.broken", "离线包无法读取：%[1]s。请重新导出或重新拷贝。",
		"the bundle cannot be read: %[2]s. Export or copy it again", p.Message["zh"], p.Message["en"])}
}

const leafSize = ledger.LeafSize

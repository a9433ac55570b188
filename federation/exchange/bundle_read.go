package exchange

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// Bundle is a log in a file; it implements Source. Any number of goroutines may
// use it.
type Bundle struct {
	r      io.ReaderAt
	head   bundleHead
	leaves []byte // records from head.Leaves on
	tiles  map[tlog.Tile][]byte
	frames []documentFrame // by first
	sorted []uint32        // entries from head.From on, less it, by digest
	unpack unpacker

	mu   sync.Mutex
	kept []unpackedFrame // the last few, newest first
}

// documentFrame is where a frame of documents stands.
type documentFrame struct {
	first  uint64
	count  uint32
	at     int64 // of what is packed
	length int64
	sum    uint32 // of the whole payload
}

type unpackedFrame struct {
	first     uint64
	documents []Document
}

// OpenBundle reads what a bundle of so many bytes says of itself; its documents
// are read when they are asked for. Memory is bounded by the size of the file.
// Errors are *SourceFault with code bundle.broken.
func OpenBundle(r io.ReaderAt, size int64) (*Bundle, error) {
	b := &Bundle{r: r, tiles: map[tlog.Tile][]byte{}, unpack: newUnpacker(maxRaw)}
	magic := make([]byte, len(bundleMagic))
	if n, _ := r.ReadAt(magic, 0); string(magic[:n]) != bundleMagic {
		return nil, broken("这不是账本离线包", "this is no bundle of a log")
	}
	s := &frameScanner{r: r, at: int64(len(bundleMagic)), size: size}
	for ended := false; !ended; {
		kind, err := s.next()
		if err != nil {
			return nil, err
		}
		if (kind == frameHead) != (s.n == 1) {
			return nil, broken("首帧不对", "its first frame is another")
		}
		switch kind {
		case frameHead:
			err = b.readHead(s)
		case frameLeaves:
			err = b.readLeaves(s)
		case frameTile:
			err = b.readTile(s)
		case frameDocuments:
			err = b.readFrame(s)
		case frameEnd:
			ended = true
			err = s.end()
		default:
			err = broken("有未知的帧 %[1]q", "there is a frame of unknown type %[1]q", kind)
		}
		if err != nil {
			return nil, err
		}
	}
	return b, b.complete()
}

// frameScanner walks along the frames.
type frameScanner struct {
	r      io.ReaderAt
	at     int64 // of the payload
	size   int64 // of the file
	n      uint32
	length int64 // of the payload
	sum    uint32
}

// next steps to the next frame's payload.
func (s *frameScanner) next() (kind byte, err error) {
	s.at += s.length
	var start [frameStart]byte
	if _, err := s.r.ReadAt(start[:], s.at); err != nil {
		return 0, broken("在第 %[1]d 字节处中断（%[2]v）", "it breaks off at byte %[1]d (%[2]v)", s.at, err)
	}
	s.at += frameStart
	s.n++
	s.length, s.sum = int64(binary.BigEndian.Uint32(start[1:])), binary.BigEndian.Uint32(start[5:])
	if s.length > frameLimit || s.length > s.size-s.at {
		return 0, broken("在第 %[1]d 字节处中断", "it breaks off at byte %[1]d", s.at)
	}
	return start[0], nil
}

// payload reads the frame's payload and checks its sum.
func (s *frameScanner) payload(least int) ([]byte, error) {
	return payload(s.r, s.at, s.length, s.sum, least)
}

func payload(r io.ReaderAt, at, length int64, sum uint32, least int) ([]byte, error) {
	p := make([]byte, length)
	if _, err := r.ReadAt(p, at); err != nil && err != io.EOF {
		return nil, broken("在第 %[1]d 字节处读取失败（%[2]v）", "reading it at byte %[1]d failed (%[2]v)", at, err)
	}
	if len(p) < least || crc32.Checksum(p, castagnoli) != sum {
		return nil, broken("第 %[1]d 字节处的内容已损坏", "what is at byte %[1]d is damaged", at)
	}
	return p, nil
}

// end reads the last frame.
func (s *frameScanner) end() error {
	p, err := s.payload(4)
	if err != nil {
		return err
	}
	if len(p) != 4 || binary.BigEndian.Uint32(p) != s.n-1 || s.at+s.length != s.size {
		return broken("帧数不对，或末尾有多余内容", "it has another number of frames than it says, or something after the last one")
	}
	return nil
}

func (b *Bundle) readHead(s *frameScanner) error {
	p, err := s.payload(2)
	if err != nil {
		return err
	}
	h := &b.head
	if err := strict(p, h); err != nil {
		return broken("首帧不对（%[1]v）", "its first frame is wrong (%[1]v)", err)
	}
	if ledger.CheckOrigin(h.Origin) != nil || checkCard(h.Card) != nil || len(h.Card) == 0 || len(h.Checkpoint) > MaxNote ||
		h.Size > mostEntries || h.From > h.Size || h.Leaves != h.From&^0xff {
		return broken("首帧不对", "its first frame is wrong")
	}
	return nil
}

func (b *Bundle) readLeaves(s *frameScanner) error {
	p, err := s.payload(8 + leafSize)
	if err != nil {
		return err
	}
	n := uint64(len(b.leaves) / leafSize)
	if binary.BigEndian.Uint64(p) != b.head.Leaves+n || checkLeaves(p[8:], b.head.Size-b.head.Leaves-n) != nil {
		return broken("叶记录不连续", "its leaf records do not follow each other")
	}
	b.leaves = append(b.leaves, p[8:]...)
	return nil
}

func (b *Bundle) readTile(s *frameScanner) error {
	p, err := s.payload(9 + tlog.HashSize)
	if err != nil {
		return err
	}
	level, n, hashes := int(p[0]), binary.BigEndian.Uint64(p[1:]), p[9:]
	have := uint64(0)
	if level >= 1 && level <= 6 {
		have = b.head.Size >> (8 * level)
	}
	if n > have/256 || uint64(len(hashes)) != tlog.HashSize*min(256, have-n*256) || len(b.tiles) >= bundleTiles {
		return broken("散列分块不对", "a hash tile is wrong")
	}
	b.tiles[tlog.Tile{H: 8, L: level, N: int64(n)}] = hashes
	return nil
}

func (b *Bundle) readFrame(s *frameScanner) error {
	const start = 8 + 4
	p := make([]byte, min(start, s.length))
	if _, err := s.r.ReadAt(p, s.at); err != nil || len(p) < start {
		return broken("在第 %[1]d 字节处中断", "it breaks off at byte %[1]d", s.at)
	}
	f := documentFrame{first: binary.BigEndian.Uint64(p), count: binary.BigEndian.Uint32(p[8:]), at: s.at, length: s.length, sum: s.sum}
	if f.first != b.documented() || f.count == 0 || f.count > MaxDocuments || f.first+uint64(f.count) > b.head.Size {
		return broken("文档不连续", "its documents do not follow each other")
	}
	b.frames = append(b.frames, f)
	return nil
}

// documented is the entry after the last whose document is in the bundle.
func (b *Bundle) documented() uint64 {
	if len(b.frames) == 0 {
		return b.head.From
	}
	last := b.frames[len(b.frames)-1]
	return last.first + uint64(last.count)
}

// complete looks whether all is there, and sorts the digests.
func (b *Bundle) complete() error {
	if b.head.Leaves+uint64(len(b.leaves)/leafSize) != b.head.Size || b.documented() != b.head.Size {
		return broken("内容不全", "something is missing in it")
	}
	b.sorted = make([]uint32, b.head.Size-b.head.From)
	for i := range b.sorted {
		b.sorted[i] = uint32(i)
	}
	slices.SortFunc(b.sorted, func(i, j uint32) int {
		return cmp.Or(bytes.Compare(b.digest(i), b.digest(j)), cmp.Compare(i, j))
	})
	return nil
}

// digest is that of entry head.From + i, as its leaf record has it.
func (b *Bundle) digest(i uint32) []byte {
	at := (b.head.From - b.head.Leaves + uint64(i)) * leafSize
	return b.leaves[at+10 : at+42]
}

// Card is the log's signed card.
func (b *Bundle) Card() []byte { return b.head.Card }

// Checkpoint is the signed note that the bundle goes up to.
func (b *Bundle) Checkpoint() []byte { return []byte(b.head.Checkpoint) }

// From is the first entry that the bundle holds: what imports it must hold all
// before.
func (b *Bundle) From() uint64 { return b.head.From }

// Logs implements Source.
func (b *Bundle) Logs(context.Context, LogsRequest) (*LogsAnswer, error) {
	return &LogsAnswer{Card: b.head.Card, Logs: []Offered{{Card: b.head.Card, Checkpoint: b.head.Checkpoint}}}, nil
}

// holds says whether a question can be answered from the bundle.
func (b *Bundle) holds(ctx context.Context, origin string, from uint64) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case origin != b.head.Origin:
		return fault("bundle.origin", "离线包里是账本 %[1]s，不是 %[2]s。", "the bundle is of the log %[1]s, not of %[2]s", b.head.Origin, origin)
	case from < b.head.From:
		return fault("bundle.from", "离线包从第 %[1]d 条开始，这里只有 %[2]d 条；请从第 %[2]d 条起重新导出。",
			"the bundle begins at entry %[1]d, and %[2]d entries are here: export it from entry %[2]d on", b.head.From, from)
	}
	return nil
}

// Leaves implements Source.
func (b *Bundle) Leaves(ctx context.Context, origin string, from, to uint64) ([]byte, error) {
	if err := b.holds(ctx, origin, from); err != nil {
		return nil, err
	}
	to = min(to, b.head.Size, from+MaxLeaves)
	if from >= to {
		return nil, fault("bundle.from", "离线包只到第 %[1]d 条。", "the bundle ends at entry %[1]d", b.head.Size)
	}
	return b.leaves[(from-b.head.Leaves)*leafSize : (to-b.head.Leaves)*leafSize], nil
}

// Tile implements Source. Tiles of level 0 are there from head.Leaves on, which is
// all that is needed to prove what is held of a log of From entries or more.
func (b *Bundle) Tile(ctx context.Context, origin, path string) ([]byte, error) {
	if err := b.holds(ctx, origin, b.head.From); err != nil {
		return nil, err
	}
	t, err := ledger.ParseTile(path)
	absent := fault("bundle.tile", "离线包里没有散列分块 %[1]s。", "the bundle does not have the hash tile %[1]s", path)
	if err != nil || t.L < 0 {
		return nil, absent
	}
	if t.L > 0 {
		hashes := b.tiles[tlog.Tile{H: 8, L: t.L, N: t.N}]
		if len(hashes) < t.W*tlog.HashSize {
			return nil, absent
		}
		return hashes[:t.W*tlog.HashSize], nil
	}
	first := uint64(t.N) * 256
	if first < b.head.Leaves || first+uint64(t.W) > b.head.Size {
		return nil, absent
	}
	out := make([]byte, 0, t.W*tlog.HashSize)
	for i := first - b.head.Leaves; i < first-b.head.Leaves+uint64(t.W); i++ {
		h := tlog.RecordHash(b.leaves[i*leafSize : (i+1)*leafSize])
		out = append(out, h[:]...)
	}
	return out, nil
}

// Documents implements Source.
func (b *Bundle) Documents(ctx context.Context, origin string, digests []vocab.Digest) ([]Document, error) {
	if err := b.holds(ctx, origin, b.head.From); err != nil {
		return nil, err
	}
	var out []Document
	var frame unpackedFrame
	for _, d := range digests {
		i, ok := slices.BinarySearchFunc(b.sorted, d, func(i uint32, d vocab.Digest) int { return bytes.Compare(b.digest(i), d[:]) })
		if !ok {
			out = append(out, Document{State: DocumentMissing})
			continue
		}
		index := b.head.From + uint64(b.sorted[i])
		if index < frame.first || index >= frame.first+uint64(len(frame.documents)) {
			if frame.documents != nil {
				break // the next question begins with it
			}
			var err error
			if frame, err = b.frame(index); err != nil {
				return nil, err
			}
		}
		out = append(out, frame.documents[index-frame.first])
	}
	return out, nil
}

// keptFrames are unpacked at a time: as many as there are questions, and one that
// two of them share.
const keptFrames = askedAtOnce + 1

// frame returns the frame with an entry's document.
func (b *Bundle) frame(index uint64) (unpackedFrame, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, found := slices.BinarySearchFunc(b.frames, index, func(f documentFrame, i uint64) int { return cmp.Compare(f.first, i) })
	if !found {
		n--
	}
	f := b.frames[n]
	for _, u := range b.kept {
		if u.first == f.first {
			return u, nil
		}
	}
	p, err := payload(b.r, f.at, f.length, f.sum, 12)
	if err != nil {
		return unpackedFrame{}, err
	}
	raw, err := b.unpack.unpack(p[12:])
	if err != nil {
		return unpackedFrame{}, broken("第 %[1]d 字节处的内容已损坏（%[2]v）", "what is at byte %[1]d is damaged (%[2]v)", f.at, err)
	}
	documents, err := parseDocuments(raw, int(f.count))
	if err != nil || len(documents) != int(f.count) {
		return unpackedFrame{}, broken("第 %[1]d 字节处的内容已损坏", "what is at byte %[1]d is damaged", f.at)
	}
	u := unpackedFrame{f.first, documents}
	b.kept = append([]unpackedFrame{u}, b.kept[:min(len(b.kept), keptFrames-1)]...)
	return u, nil
}

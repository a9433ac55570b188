package index

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	index "github.com/blevesearch/bleve_index_api"
	segment "github.com/blevesearch/scorch_segment_api/v2"
	lru "github.com/hashicorp/golang-lru/v2"
	bolterrors "go.etcd.io/bbolt/errors"

	"lianmu/vocab"
)

// Settings of the store. The log is the truth and an index can be folded
// again, so a batch is not waited for until it is on disk; instead the
// persister naps, which lets it merge small batches in memory first (ten
// documents a batch cost 4 ms a document without the nap, 1 ms with it).
const (
	persisterNapMS       = 2000
	persisterNapNumFiles = 1000
	mergeFloor           = 300     // documents; with bleve's own 2,000, every flush at 200 a second merged a small index whole
	openTimeout          = "500ms" // for the lock of another process
	maxCached            = 64      // answers
	maxUnwritten         = 20_000  // documents in memory only; Apply waits beyond them
)

var (
	keyFingerprint = []byte("lianmu.mapping")
	keyCursor      = []byte("lianmu.cursor")
	keyNote        = []byte("lianmu.note.") // + name
)

// Index is an open index. One goroutine writes; any may search.
type Index struct {
	dir      string
	store    *scorch.Scorch
	analysis *index.AnalysisQueue
	cursor   atomic.Uint64
	revision atomic.Uint64               // rises with every batch
	cache    *lru.Cache[string, *Result] // first pages of everything
	columns  *columns
	phrases  *lru.Cache[phraseIn, *verified]
	seen     *seenCache
	products *products

	mu        sync.Mutex    // guards the rest
	unwritten int           // documents applied but not yet on disk
	batches   int           // batches applied but not yet on disk
	fault     error         // why the store cannot write; nil again when it can
	dead      bool          // the fault is for good
	changed   chan struct{} // closed and replaced when one of these changes
	closed    bool
}

// Create makes a new, empty index in dir, which must not exist (else the error
// is fs.ErrExist). Documents are analysed by so many workers at once.
func Create(dir string, workers int) (*Index, error) { return create(dir, workers, persisterNapMS) }

func create(dir string, workers, nap int) (ix *Index, err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	ix, err = start(dir, workers, nap)
	if err != nil {
		return nil, err
	}
	b := index.NewBatch()
	b.SetInternal(keyFingerprint, fingerprint())
	if err := ix.commit(context.Background(), b, 0, 0); err != nil {
		return nil, errors.Join(err, ix.Close())
	}
	return ix, nil
}

// Open opens an existing index: ErrInUse, ErrOutdated, ErrDamaged, or
// fs.ErrNotExist. Every file that it stands on is read once and held against
// its checksum, about a second a gigabyte. It never creates one. Where the last
// state cannot be read but an older one that is whole can, that one is opened,
// and its cursor says so.
func Open(dir string, workers int) (*Index, error) { return open(dir, workers, persisterNapMS) }

func open(dir string, workers, nap int) (*Index, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	if info, err := os.Stat(filepath.Join(dir, "root.bolt")); err != nil || info.Size() == 0 {
		return nil, fmt.Errorf("%w: %s has no usable root.bolt", ErrDamaged, dir)
	}
	ix, err := start(dir, workers, nap)
	if err != nil {
		return nil, err
	}
	if err := ix.check(); err != nil {
		return nil, errors.Join(err, ix.stop())
	}
	return ix, nil
}

// start runs the store on dir. What it panics of, damaged files above all, is
// ErrDamaged.
func start(dir string, workers, nap int) (ix *Index, err error) {
	defer contain(&err)
	cache, err := lru.New[string, *Result](maxCached)
	if err != nil {
		return nil, err
	}
	phrases, err := lru.New[phraseIn, *verified](maxPhrases)
	if err != nil {
		return nil, err
	}
	seen, err := lru.New[seenIn, *roaring.Bitmap](maxSeen)
	if err != nil {
		return nil, err
	}
	queue := index.NewAnalysisQueue(workers)
	opened := false
	defer func() {
		if !opened {
			queue.Close()
		}
	}()
	store, err := scorch.NewScorch(scorch.Name, map[string]any{
		"path":                   dir,
		"unsafe_batch":           true,
		"bolt_timeout":           openTimeout,
		"asyncErrorCallbackName": faultCallback,
		"scorchPersisterOptions": map[string]any{"PersisterNapTimeMSec": nap, "PersisterNapUnderNumFiles": persisterNapNumFiles},
		"scorchMergePlanOptions": map[string]any{
			"FloorSegmentSize": mergeFloor, "MaxSegmentsPerTier": 10, "SegmentsPerMergeTask": 10, "TierGrowth": 10.0,
			"MaxSegmentSize": 5_000_000, "ReclaimDeletesWeight": 2.0,
		},
	}, queue)
	if err != nil {
		return nil, err
	}
	if err := store.Open(); err != nil {
		if errors.Is(err, bolterrors.ErrTimeout) {
			return nil, fmt.Errorf("%w: %s", ErrInUse, dir)
		}
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, dir, err)
	}
	ix = &Index{
		dir: dir, cache: cache, columns: newColumns(maxColumnBytes), phrases: phrases, seen: seen, products: newProducts(),
		changed: make(chan struct{}), analysis: queue, store: store.(*scorch.Scorch),
	}
	running.Store(dir, ix)
	opened = true
	return ix, nil
}

// check holds what was opened against the mapping and the files' checksums.
// bleve opens an index that it cannot read as an empty one, which then lacks
// the mapping.
func (ix *Index) check() (err error) {
	defer contain(&err)
	snap, err := ix.snapshot()
	if err != nil {
		return err
	}
	defer snap.Close()
	built, err := snap.GetInternal(keyFingerprint)
	if err != nil || len(built) == 0 {
		return fmt.Errorf("%w: %s holds no readable state", ErrDamaged, ix.dir)
	}
	if !bytes.Equal(built, fingerprint()) {
		return fmt.Errorf("%w: %s", ErrOutdated, ix.dir)
	}
	for _, s := range snap.Segments() {
		if file, ok := s.Segment().(segment.PersistedSegment); ok {
			if err := checksum(file.Path()); err != nil {
				return fmt.Errorf("%w: %w", ErrDamaged, err)
			}
		}
	}
	cursor, err := snap.GetInternal(keyCursor)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if len(cursor) == 8 {
		ix.cursor.Store(binary.BigEndian.Uint64(cursor))
	}
	return nil
}

// checksum compares a segment file with the CRC-32 in its last four bytes.
func checksum(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() < 4 {
		return fmt.Errorf("%s is cut short", path)
	}
	h := crc32.NewIEEE()
	r := bufio.NewReaderSize(f, 1<<20)
	if _, err := io.CopyN(h, r, info.Size()-4); err != nil {
		return err
	}
	var want [4]byte
	if _, err := io.ReadFull(r, want[:]); err != nil {
		return err
	}
	if binary.BigEndian.Uint32(want[:]) != h.Sum32() {
		return fmt.Errorf("%s does not match its checksum", path)
	}
	return nil
}

// Close writes what is only in memory and closes. It can take as long as the
// persister naps, two seconds.
func (ix *Index) Close() error {
	ix.mu.Lock()
	if ix.closed {
		ix.mu.Unlock()
		return nil
	}
	if !ix.dead { // the store goes on trying: wait for how it fares now
		ix.fault = nil
	}
	ix.mu.Unlock()
	err := ix.await(context.Background(), func() bool { return ix.batches == 0 })
	return errors.Join(err, ix.stop())
}

func (ix *Index) stop() (err error) {
	defer contain(&err)
	ix.mu.Lock()
	already := ix.closed
	ix.closed = true
	ix.signal()
	ix.mu.Unlock()
	if already {
		return nil
	}
	running.CompareAndDelete(ix.dir, ix)
	err = ix.store.Close()
	ix.analysis.Close()
	return err
}

// Fault returns nil, or why the store cannot write what it holds in memory;
// nil again when it can. Searches go on either way.
func (ix *Index) Fault() error {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return ix.fault
}

// Count is the number of documents, 0 when closed.
func (ix *Index) Count() uint64 {
	snap, err := ix.snapshot()
	if err != nil {
		return 0
	}
	defer snap.Close()
	n, err := snap.DocCount()
	if err != nil {
		return 0
	}
	return n
}

// All yields key and digest of every document of one moment, for comparing
// with the log. A document whose digest cannot be read is yielded with a zero
// one, so that the comparison shows it.
func (ix *Index) All(ctx context.Context) iter.Seq2[vocab.Key, vocab.Digest] {
	return func(yield func(vocab.Key, vocab.Digest) bool) {
		snap, err := ix.snapshot()
		if err != nil {
			return
		}
		defer snap.Close()
		for _, s := range snap.Segments() {
			live := s.DocNumbersLive().Iterator()
			for live.HasNext() {
				key, digest := digestOf(s, uint64(live.Next()))
				if ctx.Err() != nil || !yield(key, digest) {
					return
				}
			}
		}
	}
}

func digestOf(s *scorch.SegmentSnapshot, num uint64) (key vocab.Key, digest vocab.Digest) {
	var err error
	defer contain(&err)
	err = s.VisitDocument(num, func(field string, _ byte, value []byte, _ []uint64) bool {
		switch field {
		case "_id":
			copy(key[:], value)
		case fieldDigest:
			copy(digest[:], value)
		}
		return true
	})
	return key, digest
}

// snapshot is the index as it stands; Close it.
func (ix *Index) snapshot() (*scorch.IndexSnapshot, error) {
	ix.mu.Lock()
	closed := ix.closed
	ix.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	r, err := ix.store.Reader()
	if err != nil {
		return nil, err
	}
	if s, ok := r.(*scorch.IndexSnapshot); ok && s != nil {
		return s, nil
	}
	return nil, ErrClosed
}

// contain turns a panic of the library into ErrDamaged.
func contain(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: %v", ErrDamaged, r)
	}
}

// Package ledger keeps a Merkle log over an append-only JetStream stream:
// append in fenced atomic batches, leaf records, hash tiles, signed
// checkpoints, proofs, and a verifier that trusts none of them.
//
// The stream is the log: stream order is log order, tree index = stream
// sequence − 1. What is kept beside it (the leaf cache in Config.Dir) can be
// thrown away; what was signed (the checkpoint in Config.State and Config.Dir)
// cannot, because it is what a rollback is noticed by. Both copies restored
// together from an older backup tell nothing: then only those who hold a later
// checkpoint (peers, witnesses, the operator's archive) can.
//
// A mirror is the same log in another hub: OpenMirror gives a Log that somebody
// else signs. It is read and served on like the own one, and grows by Extend and
// Accept instead of Append. What of it was authenticated, and how, is for
// federation/exchange; here it is held against the checkpoints only.
//
// It never looks into a document beyond hashing it, and never decides whether
// an entry should be in the log. The one exception is a redaction's document,
// which says of which entry the body is deleted.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/mod/sumdb/note"

	"lianmu/vocab"
)

// Errors that Append, Extend, Sync and Open return, tested with errors.Is.
var (
	// ErrConflict: the log is not at the expected size; Sync, decide again, retry.
	ErrConflict = errors.New("the log has grown meanwhile")
	// ErrReadOnly: the stream is shorter than, or at odds with, what was signed; or
	// Append on a mirror.
	ErrReadOnly = errors.New("the log is read-only")
	// ErrFull: the store has no room; nothing was appended.
	ErrFull = errors.New("the log's disk is full")
	// ErrUnavailable: the store does not answer or did not confirm. Retry: the
	// fence makes a repetition harmless.
	ErrUnavailable = errors.New("the log's store does not answer; try again")
	// ErrDamaged: an entry as stored is not what the tree says that it is.
	ErrDamaged = errors.New("the log is damaged")
	// ErrEntry: an entry is beyond what the log takes; nothing was appended.
	ErrEntry = errors.New("the log cannot take this entry")
	// ErrRedaction: an entry may not be redacted, or no redaction of it is in the log.
	ErrRedaction = errors.New("this entry cannot be redacted")
)

// What one Append may carry, and one document.
const (
	MaxBatch      = 1000
	MaxBatchBytes = 8 << 20
	MaxDocument   = 1<<20 - 64<<10 // leaves room for headers under the bus's 1 MB
)

// Entry is what is appended.
type Entry struct {
	Document []byte     // the secured document as received
	Fact     vocab.Fact // recomputed from Document by the caller; kept as hints
}

// Record is an entry as read back.
type Record struct {
	Index      uint64
	ReceivedAt time.Time // non-decreasing along the log
	Leaf       Leaf
	Fact       vocab.Fact // from header hints, which Append wrote
	Document   []byte     // nil where only facts were asked for, or where the body was deleted
	Redacted   bool       // a redaction names it: its Fact is kind and digest alone, its Document nil
	Redaction  []byte     // from Verify alone: the document of that redaction
	State      EntryState // other than Held: its Fact is kind and digest alone, its Document nil
	Fault      string     // why it is Faulty or Missing
	Evidence   []byte     // the document of a Faulty entry, where documents were asked for; nil where it must not be kept
}

// Config says where the log lives.
type Config struct {
	JetStream jetstream.JetStream
	Stream    string             // the log's stream, declared by hub/bus
	Subjects  string             // prefix of its subjects; default "lianmu.log.", of a mirror "lianmu.mirror.<id>."
	Late      string             // stream of a mirror's late bodies; default "LIANMU_LATE"
	State     jetstream.KeyValue // holds the last signed or accepted checkpoint
	Dir       string             // holds the leaf cache and the last signed or accepted checkpoint; each log has its own
	Origin    string             // the log's name, first line of each checkpoint
	Seed      []byte             // Ed25519 seed of log.key; not for OpenMirror
	// VerifierKey is the note verifier key of the log that is mirrored; for
	// OpenMirror alone.
	VerifierKey string
	Now         func() time.Time
	Logger      *slog.Logger
	// CheckpointEvery bounds how often a growing log is signed, and so how soon peers hear of an entry; default 250 ms.
	CheckpointEvery time.Duration
	// Heartbeat is after how long a log at rest is signed anew, with the time;
	// default 1 min.
	Heartbeat time.Duration
	// AckWait is how long an append waits for the store; default 10 s.
	AckWait time.Duration
	// Ready is asked before each append: nil, or why the store takes no writes
	// (wrapping syscall.ENOSPC where its disk is full). May be nil.
	Ready func() error
	// Failed hears that the store failed or did not confirm a write. May be nil.
	Failed func(error)
	// Damaged hears, at every reading, of an entry that is not in the store any
	// more, though no redaction names it, or is not what its leaf record says
	// (the error wraps ErrDamaged). It must not block. May be nil.
	Damaged func(index uint64, err error)
}

// Log is an open log. One goroutine appends; any may read.
type Log struct {
	c        Config
	log      *slog.Logger
	nc       *nats.Conn
	mirror   bool        // somebody else signs this log
	id       string      // MirrorID of the origin
	signer   note.Signer // nil in a mirror
	verifier note.Verifier
	vkey     string
	prefix   string // of JetStream's API

	// write is held by whoever moves the head: Append and Sync.
	write  sync.Mutex
	cache  *leafCache // owned by the holder of write
	unsure *unsure    // owned by the holder of write: an append without an answer
	torn   torn       // owned by the holder of write

	mu       sync.RWMutex // guards what follows; never held over I/O
	tree     tree
	lastAt   time.Time         // receivedAt of the last entry
	redacted map[uint64]uint64 // entry → the redaction that names it
	changed  chan struct{}
	late     map[uint64]late // by entry of a mirror, the body that came late
	signed   Checkpoint      // the last published one
	readOnly error

	signing sync.Mutex // held while a checkpoint is made or accepted; taken before write
	book    book       // owned by the holder of signing

	heard uint64 // owned by the holder of write: up to where the stream of late bodies was read

	stop context.CancelFunc
	done sync.WaitGroup
	once sync.Once
}

// Close signs a last checkpoint and stops the log's goroutines.
func (l *Log) Close(ctx context.Context) error {
	var err error
	l.once.Do(func() {
		l.stop()
		l.done.Wait()
		if !l.mirror && l.ReadOnly() == nil {
			err = l.sign(ctx)
		}
		l.write.Lock()
		defer l.write.Unlock()
		if l.unsure != nil {
			l.unsure.forget()
		}
		l.cache.close()
	})
	return err
}

// Size is the number of committed entries known.
func (l *Log) Size() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.tree.size()
}

// Origin is the log's name.
func (l *Log) Origin() string { return l.c.Origin }

// VerifierKey returns the note verifier key of log.key.
func (l *Log) VerifierKey() string { return l.vkey }

// ReadOnly returns nil, or why the log takes no entries (wraps ErrReadOnly).
func (l *Log) ReadOnly() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.readOnly
}

// freeze makes the log read-only for good; the first reason stays.
func (l *Log) freeze(format string, args ...any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.readOnly == nil {
		l.readOnly = fmt.Errorf("%w: "+format, append([]any{ErrReadOnly}, args...)...)
		l.log.Error("the log takes no more entries and is not signed", "reason", l.readOnly)
	}
	return l.readOnly
}

// remedy is what to do about a damaged store: own for the own log; a mirror can
// be fetched again.
func (l *Log) remedy(own string) string {
	if l.mirror {
		return "purge this mirror, so that it is fetched again"
	}
	return own
}

// FindAll returns the indexes of every entry with this document digest: a
// document is twice in the log after a torn batch was taken in.
func (l *Log) FindAll(d vocab.Digest) []uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.tree.findAll(d)
}

// Find returns the index of the first entry with this document digest.
func (l *Log) Find(d vocab.Digest) (uint64, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.tree.find(d)
}

// FindRun returns the first entry with the first of these digests, and how many of
// them, one at least, are those of the entries from it on: whoever asks for
// documents in the log's order can have them read in one go.
func (l *Log) FindRun(digests []vocab.Digest) (index, n uint64, ok bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if index, ok = l.tree.find(digests[0]); !ok {
		return 0, 0, false
	}
	for n = 1; n < uint64(len(digests)); n++ {
		if next, ok := l.tree.find(digests[n]); !ok || next != index+n {
			break
		}
	}
	return index, n, true
}

// At tells from memory what the log holds of an entry: its leaf record and state,
// Redacted where a redaction names it; false beyond the log's end.
func (l *Log) At(index uint64) (leaf Leaf, state EntryState, ok bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if index >= l.tree.size() {
		return Leaf{}, Held, false
	}
	if _, gone := l.redacted[index]; gone {
		return l.tree.leaf(index), Redacted, true
	}
	return l.tree.leaf(index), l.tree.states[index], true
}

// Changed returns a channel that is closed at the next change of Size.
func (l *Log) Changed() <-chan struct{} {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.changed
}

// extend adds committed leaf records and tells whoever waits. The caller holds
// write.
func (l *Log) extend(leaves []byte, states []EntryState) {
	if len(leaves) == 0 {
		return
	}
	l.mu.Lock()
	for i, state := range states {
		l.tree.add(leaves[i*LeafSize:(i+1)*LeafSize], state)
	}
	l.lastAt = l.tree.lastAt()
	close(l.changed)
	l.changed = make(chan struct{})
	l.mu.Unlock()
	// A cache that cannot be written costs time at the next start, no more.
	if err := l.cache.append(leaves, states); err != nil {
		l.log.Warn("the leaf cache cannot be written", "error", err)
	}
}

func full(reason string) error {
	return fmt.Errorf("%w: %s (%w)", ErrFull, reason, syscall.ENOSPC)
}

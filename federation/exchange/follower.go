package exchange

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// Judge decides which documents may stand; it is federation/judge behind any.
// Read may be called for several at a time, the others for one.
type Judge interface {
	// Read looks at a document by itself: its form, and its own proof at the
	// time in the leaf record. An error says why the document does not stand,
	// whatever else the log says; what is read is then nil where the document must
	// not be kept, not even as evidence.
	Read(ctx context.Context, leaf ledger.Leaf, document []byte) (any, error)
	// Stand says whether the signer had the right to this entry at its place in
	// the log. All entries before it have been applied, but where it is a
	// redaction, whose right does not hang on them.
	Stand(index uint64, leaf ledger.Leaf, read any) (vocab.Fact, error)
	// Apply folds an entry, in the log's order. For one that does not stand or
	// whose document is not here, fact has kind and digest alone, and read is
	// nil, or of a redacted one the reading of its redaction.
	Apply(index uint64, leaf ledger.Leaf, fact vocab.Fact, read any)
	// Late judges documents that came after their entries were applied without,
	// by index, each as it would have been in its place, and folds those that
	// stand. With none given it folds the log anew, whatever was applied.
	Late(ctx context.Context, late map[uint64]any) (map[uint64]Verdict, error)
	// Position is the number of entries applied.
	Position() uint64
}

// Verdict is what Late says of a document.
type Verdict struct {
	Fact vocab.Fact
	Err  error // why it may not stand; nil: it may
}

// Follower copies one log into its mirror. One Advance or Mend runs at a time.
type Follower struct {
	Log   *ledger.Log // opened by ledger.OpenMirror
	Judge Judge       // level with Log
	// Others are further sources of this log, best first: for documents that the
	// one in use does not have right. May be nil.
	Others func() []Source
	// Appended is told of every entry once it is in the mirror, in order. For one
	// that does not stand or whose document is not here, fact has kind and digest
	// alone and read is nil. May be nil.
	Appended func(index uint64, leaf ledger.Leaf, fact vocab.Fact, read any)
	// Filled is told of every entry whose document came late. May be nil.
	Filled func(index uint64)
	// Toward is the checkpoint up to which the last Advance copied, as Keep was
	// given it: what was copied is authentic by it, so with it a fork between is
	// proven before it was accepted. Both may be nil.
	Toward []byte
	Keep   func(note []byte) error
	Now    func() time.Time // measures how long a source is waited for
	Logger *slog.Logger     // may be nil

	mu     sync.Mutex // guards what follows
	again  bool       // reconsider has been through
	rested time.Time  // the log is not folded anew for late documents before
	astray bool       // the judge applied what may not be in the log as it was judged
	chunk  uint64     // chunkLeaves, or less in tests
	part   int        // askedFor, likewise
}

// Progress is what an Advance did.
type Progress struct {
	Size     uint64 // of the mirror now
	Entries  uint64 // taken, in all
	Faulty   uint64
	Withheld uint64
	Missing  uint64
	KeptBack uint64 // of these, what the log's own hub keeps back and may not (see MayWithhold)
	Redacted uint64
	Bytes    uint64 // of documents
}

// Bounds of copying.
const (
	chunkLeaves = 1 << 16 // leaf records that are authenticated together
	batchBytes  = 6 << 20 // of documents in one append to the mirror
	mostEntries = 1 << 31 // of a log
	clockSlack  = 5 * time.Minute
)

// Advance copies the log from src up to the checkpoint in note, beginning where
// the mirror ends, and accepts the checkpoint. own tells that src is the log's
// own hub, so that what it withholds is withheld (see MayWithhold).
//
// It checks, in this order: the checkpoint's signature; that it agrees with all
// that is held; the leaf records against the tree; each document against its leaf
// record; its own proof; the signer's right. A document that fails is kept as
// evidence; what a source does not have right is asked of the others, and then
// Missing. Neither stops the log.
//
// Errors: *SourceFault (try another source; what was taken stays, and the next
// Advance goes on there); *ledger.Contradiction (with both notes: the log forked);
// *LogFault; those of ctx; ledger.ErrConflict (another copied into the mirror
// meanwhile: go on); any other is the mirror's own store's. A checkpoint
// older than the one last accepted is no error and does nothing.
func (f *Follower) Advance(ctx context.Context, src Source, own bool, note []byte) (p Progress, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, err := f.start(src, own, note)
	if err != nil {
		return p, err
	}
	defer func() {
		p = c.progress
		p.Size = f.Log.Size()
	}()
	if err := c.agree(); err != nil {
		return p, err
	}
	if err := f.reconsider(ctx); err != nil {
		return p, err
	}
	for {
		// Whoever else copies into this mirror may have been quicker.
		size := f.Log.Size()
		if err := f.level(ctx); err != nil {
			return p, err
		}
		if size >= c.cp.Size {
			break
		}
		leaves, broken, err := c.leaves(ctx, size)
		if err != nil {
			return p, err
		}
		if err := f.keepToward(note); err != nil { // now that it extends all that is held
			return p, err
		}
		if err := c.take(ctx, size, leaves); err != nil {
			return p, err
		}
		if broken != nil {
			return p, broken
		}
	}
	err = f.Log.Accept(ctx, note)
	if errors.Is(err, ledger.ErrOlder) {
		err = nil
	}
	return p, c.proof(err)
}

// level brings the judge to where the mirror is. It is ahead after an append that
// failed: an entry is applied before it is written, as those after it are judged
// by it. Another process may have appended instead, what it had of the same entries.
func (f *Follower) level(ctx context.Context) error {
	if f.Judge.Position() == f.Log.Size() && !f.astray {
		return nil
	}
	_, err := f.Judge.Late(ctx, nil)
	f.astray = f.astray && err != nil
	return err
}

// copying is one Advance, or one Mend.
type copying struct {
	f      *Follower
	src    Source
	own    bool
	cp     ledger.Checkpoint
	hashes map[tlog.Tile][]byte // authentic tiles of the checkpoint's tree
	pace   *pace

	redactions map[uint64]redaction // in the part of the log under way, by the entry that they name
	others     []other              // nil until needed
	asked      bool
	atHand     bool   // src is looked through once, however long it takes: see MendAll
	wrong      int    // documents that src had wrong
	scanned    uint64 // entries before this were looked at by lacking
	lacks      []uint64
	mended     bool // the log's own hub was asked for lacks
	heard      bool // for each of them
	progress   Progress
}

// start reads the checkpoint.
func (f *Follower) start(src Source, own bool, note []byte) (*copying, error) {
	cp, err := ledger.ParseCheckpoint(note, f.Log.VerifierKey())
	if err != nil {
		return nil, fault("peer.wrong", "对方给出的不是该账本的签封：%[1]v。", "what it gives is not a checkpoint of the log: %[1]v", err)
	}
	if cp.Size > mostEntries {
		return nil, logFault(mostEntries, "账本超过 %[1]d 条，本程序无法镜像。", "the log has more than the %[1]d entries that can be mirrored", mostEntries)
	}
	c := f.copying(src, own)
	c.cp = cp
	return c, nil
}

func (f *Follower) copying(src Source, own bool) *copying {
	if f.chunk == 0 {
		f.chunk = chunkLeaves
	}
	if f.part == 0 {
		f.part = askedFor
	}
	if _, file := src.(*Bundle); file {
		own = false // nobody knows who wrote it
	}
	return &copying{f: f, src: src, own: own, pace: f.pace()}
}

func (f *Follower) pace() *pace { return &pace{now: f.Now, grace: graceOfSource} }

func (f *Follower) logger() *slog.Logger {
	if f.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return f.Logger
}

// keepToward remembers what is being copied to, before anything is.
func (f *Follower) keepToward(note []byte) error {
	if string(f.Toward) == string(note) {
		return nil
	}
	if f.Keep != nil {
		if err := f.Keep(note); err != nil {
			return err
		}
	}
	f.Toward = note
	return nil
}

// agree holds the checkpoint against what is in the mirror.
func (c *copying) agree() error {
	if err := c.f.Log.ReadOnly(); err != nil {
		return err
	}
	return c.proof(c.f.Log.Compare(c.cp))
}

// proof puts the note in a contradiction that really is at odds with the new one:
// entries beyond the last accepted checkpoint are authentic by the one that they
// were copied toward.
func (c *copying) proof(err error) error {
	var fork *ledger.Contradiction
	if !errors.As(err, &fork) {
		return err
	}
	accepted := c.f.Log.Accepted()
	if accepted.Note != nil && accepted.Size >= c.cp.Size {
		return err
	}
	if t, ok := c.toward(); ok && t.Size >= c.cp.Size {
		return &ledger.Contradiction{Have: t.Note, Got: fork.Got, Why: fork.Why}
	}
	return err
}

// toward is the checkpoint that the entries held were copied toward.
func (c *copying) toward() (ledger.Checkpoint, bool) {
	if c.f.Toward == nil {
		return ledger.Checkpoint{}, false
	}
	t, err := ledger.ParseCheckpoint(c.f.Toward, c.f.Log.VerifierKey())
	return t, err == nil
}

// pace notices a source that is so slow that another is to be tried: one that is
// waited for longer than a time of grace and what its answers are worth.
type pace struct {
	now   func() time.Time
	grace time.Duration

	mu     sync.Mutex // guards what follows
	waited time.Duration
	gained uint64 // bytes
}

// What a source may take, in all.
const (
	graceOfSource = 20 * time.Second
	leastRate     = 16 << 10 // bytes a second, of documents and leaf records unfolded
)

// wait measures how long get takes, and adds what it gained.
func (p *pace) wait(get func() (gained int, err error)) error {
	begun := p.now()
	n, err := get()
	ended := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waited += ended.Sub(begun)
	p.gained += uint64(n)
	allowed := p.grace + time.Duration(min(float64(p.gained)/leastRate*float64(time.Second), math.MaxInt64/4))
	if err == nil && p.waited > allowed {
		return fault("peer.slow", "对方太慢：%[1]d 秒里只给出 %[2]d 字节。", "it is too slow: %[2]d bytes in %[1]d s", int(p.waited.Seconds()), p.gained)
	}
	return err
}

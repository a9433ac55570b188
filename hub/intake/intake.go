// Package intake turns submissions into receipts: decode, verify, admit,
// append to the log. Work is bounded, order is the log's, and every refusal
// says all that is wrong.
//
// It never shows or searches anything.
package intake

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lianmu/federation/ledger"
	"lianmu/federation/registry"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

// Bounds of the pipeline.
const (
	defaultQueue = 4096     // submissions under way
	queueBytes   = 64 << 20 // of their documents
	batchEntries = 1000     // appended at once
	batchBytes   = 6 << 20  // below the log's 8 MB a batch, headers included
	busyRetry    = 200 * time.Millisecond
	stoppedRetry = 5 * time.Second

	failuresEvery = 10 * time.Second // between two lines about appends that fail
)

// Config is what intake works with.
type Config struct {
	Log        *ledger.Log
	Registry   *registry.Registry
	Processor  *jsonld.Processor
	Reader     *shape.Reader
	Quarantine *Quarantine
	// Queue is how many submissions may be under way before "busy"; default 4,096.
	Queue int
	// Appended is told of every entry after it is durable, in log order, with
	// its reading, so that views need not read it again. It must not block.
	Appended func(index uint64, receivedAt time.Time, f vocab.Fact, r *shape.Reading)
	// Pace is called before each append and may wait a little, so that a burst
	// does not leave the views far behind. May be nil.
	Pace    func()
	Now     func() time.Time
	Logger  *slog.Logger
	Metrics prometheus.Registerer
}

// Intake is a running pipeline: Submit queues, workers prepare in parallel,
// one sequencer decides and appends in batches.
type Intake struct {
	c       Config
	metrics metrics

	jobs  chan *job // queued; its capacity is the bound
	ready chan *job // prepared, for the sequencer

	mu      sync.Mutex // guards the four below
	queued  map[string]int
	waiting int
	bytes   int
	closed  bool

	// foldMu is held by whoever brings the registry level with the log.
	foldMu sync.Mutex

	failedAt   time.Time // sequencer's own: when a failure was last logged
	unappended int       // sequencer's own: documents that failed since

	workers   sync.WaitGroup
	sequencer sync.WaitGroup
}

// job is one submission on its way; done is called exactly once.
type job struct {
	raw   []byte
	claim string // whose queue share it uses: a subject's space, or "http"
	done  func(vocab.Receipt)

	fact    vocab.Fact
	reading *shape.Reading
	receipt vocab.Receipt
	read    bool // the reader has seen the whole document
}

// New starts the pipeline. The registry must be level with the log.
func New(c Config) *Intake {
	if c.Queue <= 0 {
		c.Queue = defaultQueue
	}
	in := &Intake{
		c: c, metrics: newMetrics(c.Metrics),
		jobs: make(chan *job, c.Queue), ready: make(chan *job, batchEntries),
		queued: map[string]int{},
	}
	for range max(2, runtime.GOMAXPROCS(0)) {
		in.workers.Go(func() {
			for j := range in.jobs {
				if in.prepare(j) {
					in.ready <- j
				} else {
					in.finish(j)
				}
			}
		})
	}
	in.sequencer.Go(in.sequence)
	return in
}

// Close takes no more submissions, answers those under way, and stops.
func (in *Intake) Close() {
	in.mu.Lock()
	already := in.closed
	in.closed = true
	in.mu.Unlock()
	if already {
		return
	}
	close(in.jobs)
	in.workers.Wait()
	close(in.ready)
	in.sequencer.Wait()
}

// Submit takes one document and returns its receipt. It copies nothing: raw
// must not change until it returns. With ctx done it answers Busy; what was
// already under way goes on, and repeating is harmless.
func (in *Intake) Submit(ctx context.Context, raw []byte) vocab.Receipt {
	answer := make(chan vocab.Receipt, 1)
	in.enqueue(&job{raw: raw, claim: "http", done: func(r vocab.Receipt) { answer <- r }})
	select {
	case r := <-answer:
		return r
	case <-ctx.Done():
		return busy(raw, busyRetry, nil)
	}
}

// enqueue queues j or answers it with Busy. Nobody may hold more than a fair
// share of a queue that others wait in: with n claims waiting, 1/(n+1) of it.
func (in *Intake) enqueue(j *job) {
	in.mu.Lock()
	share := cap(in.jobs) / (len(in.queued) + 1)
	if len(in.queued) == 0 || (len(in.queued) == 1 && in.queued[j.claim] > 0) {
		share = cap(in.jobs) * 3 / 4
	}
	if in.closed || in.waiting >= cap(in.jobs) || in.bytes+len(j.raw) > queueBytes || in.queued[j.claim] >= max(share, 1) {
		in.mu.Unlock()
		in.metrics.receipts.WithLabelValues(string(vocab.Busy)).Inc()
		j.done(busy(j.raw, busyRetry, nil))
		return
	}
	in.queued[j.claim]++
	in.waiting++
	in.bytes += len(j.raw)
	in.jobs <- j // has room: waiting counts what is in it and beyond
	in.mu.Unlock()
}

// finish answers j and gives its share back.
func (in *Intake) finish(j *job) {
	in.mu.Lock()
	if in.queued[j.claim]--; in.queued[j.claim] <= 0 {
		delete(in.queued, j.claim)
	}
	in.waiting--
	in.bytes -= len(j.raw)
	in.mu.Unlock()
	in.metrics.receipts.WithLabelValues(string(j.receipt.Status)).Inc()
	if j.receipt.Status == vocab.Refused && in.c.Quarantine != nil {
		in.c.Quarantine.Put(j.receipt, j.raw, j.read)
	}
	j.done(j.receipt)
}

func busy(raw []byte, after time.Duration, problems vocab.Problems) vocab.Receipt {
	return vocab.Receipt{
		Status: vocab.Busy, Digest: vocab.DigestOf(raw),
		RetryAfterMS: int(after.Milliseconds()), Problems: problems,
	}
}

// Follow brings the registry level with the log, reading what others appended.
func (in *Intake) Follow(ctx context.Context) error {
	in.foldMu.Lock()
	defer in.foldMu.Unlock()
	return Fold(ctx, in.c.Log, in.c.Registry, in.c.Processor, in.c.Reader)
}

// Fold applies to reg all that log holds beyond its position.
func Fold(ctx context.Context, log *ledger.Log, reg *registry.Registry, p *jsonld.Processor, rd *shape.Reader) error {
	for rec, err := range log.Facts(ctx, reg.Position(), log.Size(), vocab.KindSpace) {
		if err != nil {
			return err
		}
		e := registry.Entry{Index: rec.Index, ReceivedAt: rec.ReceivedAt, Fact: rec.Fact}
		if rec.Fact.Kind == vocab.KindSpace {
			if r, err := rd.ReadDocument(ctx, p, rec.Document, rec.ReceivedAt); err == nil {
				e.Space = r.Space
			}
		}
		reg.Apply(e)
	}
	return nil
}

// Receipt finds the receipt of a document submitted before, by its digest.
func (in *Intake) Receipt(ctx context.Context, d vocab.Digest) (vocab.Receipt, bool) {
	if index, ok := in.c.Log.Find(d); ok {
		rec, err := in.c.Log.Get(ctx, index)
		if err == nil {
			return vocab.Receipt{
				Status: vocab.Accepted, Kind: rec.Fact.Kind.String(), Space: rec.Fact.Space, ID: rec.Fact.ID,
				Digest: d, Content: rec.Fact.Content, ReceivedAt: rec.ReceivedAt,
				Log: &vocab.Position{Origin: in.c.Log.Origin(), Index: index},
			}, true
		}
	}
	if in.c.Quarantine == nil {
		return vocab.Receipt{}, false
	}
	return in.c.Quarantine.Receipt(ctx, d)
}

// Quarantine lists refusals, newest first, before a sequence number (0: from the newest).
func (in *Intake) Quarantine(ctx context.Context, before uint64, limit int) ([]Quarantined, error) {
	if in.c.Quarantine == nil {
		return nil, errors.New("this hub keeps no quarantine")
	}
	return in.c.Quarantine.List(ctx, before, limit)
}

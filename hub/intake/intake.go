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
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"

	"lianmu/federation/identity"
	"lianmu/federation/judge"
	"lianmu/federation/ledger"
	"lianmu/federation/registry"
	"lianmu/hub/access"
	"lianmu/hub/bus"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

// Bounds of the pipeline.
const (
	defaultQueue = 4096     // submissions under way
	queueBytes   = 64 << 20 // of their documents
	queueParties = 1000     // who have some under way
	adviceKept   = 512      // documents whose warnings are remembered, some 2 KB each
	batchEntries = 1000     // appended at once
	batchBytes   = 6 << 20  // below the log's 8 MB a batch, headers included
	busyRetry    = 200 * time.Millisecond
	wrongRetry   = time.Second // for who brings many wrong signatures
	stoppedRetry = 5 * time.Second

	presentedAtOnce = 32 // descriptors on their way to the waiting list

	failuresEvery = 10 * time.Second // between two lines about appends that fail
)

// Config is what intake works with.
type Config struct {
	Log        *ledger.Log
	Registry   *registry.Registry
	Processor  *jsonld.Processor
	Reader     *shape.Reader
	Quarantine *Quarantine
	// HubDID is who signs acts and redactions.
	HubDID string
	// Signer is the hub's key, for the acts that intake itself writes
	// (vocab.Withholding). Without one none is written, and who mirrors the log
	// goes on showing what was public.
	Signer identity.Signer
	// Office tells of a DID that is an officer's: no space may have such a key, or
	// an officer would decide about himself. May be nil.
	Office func(did string) bool
	// Present puts the verified descriptor of a space that is not admitted on the
	// waiting list and answers with its receipt. nil: it is refused.
	Present func(ctx context.Context, a Applicant) vocab.Receipt
	// MayRead tells whether a reader may read a record of the log; a receipt names
	// nothing else. nil fails closed: nobody may.
	MayRead func(vocab.Reader, ledger.Record) bool
	// Allow tells whether one more question of a claim about receipts is to be
	// looked at, by its rate. May be nil.
	Allow func(access.Claim) bool
	// Fallback is for whom an offering is that does not say, of a space that does not
	// either. Where that is the space alone, its publisher is warned. "": nobody is.
	Fallback vocab.Audience
	// Excess bounds what is answered, over NATS, of what finds no room, and how many
	// wrong signatures are looked at. May be nil.
	Excess *access.Excess
	// Outcast tells whether a name was cut off for flooding: what is still under
	// way of it is dropped. May be nil.
	Outcast func(name string) bool
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

// Applicant is a descriptor that a space presents to be admitted.
type Applicant struct {
	Raw     []byte
	Fact    vocab.Fact
	Space   *vocab.Space
	Invite  string // the code of an invitation; "" where none was given
	Client  string // the address that it came from
	Receipt vocab.Receipt
}

// Intake is a running pipeline: Submit queues, workers prepare in parallel,
// one sequencer decides and appends in batches.
type Intake struct {
	c       Config
	metrics metrics

	queue  *queue    // all submissions under way
	ready  chan *job // prepared, for the sequencer
	advice *lru.Cache[vocab.Digest, advice]
	asks   *access.Desk // for questions about receipts
	askers askers

	presenting chan struct{} // room for descriptors on their way to the waiting list

	judge *judge.Judge   // reads what intake itself writes
	stamp identity.Stamp // of that

	// foldMu is held by whoever brings the registry level with the log.
	foldMu sync.Mutex

	failedAt   time.Time // sequencer's own: when a failure was last logged
	unappended int       // sequencer's own: documents that failed since

	workers   sync.WaitGroup
	asking    sync.WaitGroup // about receipts; grows by queue.hold alone
	sequencer sync.WaitGroup
}

// job is one submission on its way; done is called exactly once. It is owned by
// who has taken it from the queue: a worker, then the sequencer.
type job struct {
	raw     []byte
	subject string       // the space's token in the subject where it came; "" over HTTP
	invite  string       // the code of an invitation that came with it
	own     bool         // from inside this hub: acts and redactions come in no other way
	claim   access.Claim // whose share of the queue it uses
	done    func(vocab.Receipt)

	fact    vocab.Fact
	also    []string // DIDs that signed it beside the author
	reading *shape.Reading
	receipt vocab.Receipt
	read    bool         // the reader has seen the whole document
	secret  bool         // refused for what it may hold: nothing of it is kept
	waits   bool         // a descriptor for the waiting list
	hides   *withholding // the act that goes along, as last made; the sequencer's own
	same    []*job       // equal submissions that wait for this one; the queue's own
}

// mayBring reports whether a document of this space may come on the job's subject.
func (j *job) mayBring(space string) bool {
	return j.subject == "" || j.subject == bus.SpaceToken(space)
}

// New starts the pipeline. The registry must be level with the log.
func New(c Config) *Intake {
	if c.Queue <= 0 {
		c.Queue = defaultQueue
	}
	in := &Intake{
		c: c, judge: judge.New(c.Processor, c.Reader, c.HubDID, 0), metrics: newMetrics(c.Metrics),
		queue: newQueue(c.Queue), ready: make(chan *job, batchEntries),
		asks: access.NewDesk(asksAtOnce, asksWaiting, asksWait, c.Now), askers: newAskers(), presenting: make(chan struct{}, presentedAtOnce),
	}
	var err error
	if in.advice, err = lru.New[vocab.Digest, advice](adviceKept); err != nil { // only a size below one is refused
		panic(err)
	}
	for range max(2, runtime.GOMAXPROCS(0)) {
		in.workers.Go(in.work)
	}
	in.sequencer.Go(in.sequence)
	return in
}

// Close takes no more submissions, answers those under way, and stops.
func (in *Intake) Close() {
	if !in.queue.close() {
		return
	}
	in.workers.Wait()
	close(in.ready)
	in.sequencer.Wait()
	in.asking.Wait()
}

// Submit takes one document and returns its receipt. It copies nothing: raw
// must not change until it returns. ctx says whose share of the queue it uses
// (access.ClaimOf). With ctx done it answers Busy; what was
// already under way goes on, and repeating is harmless.
func (in *Intake) Submit(ctx context.Context, raw []byte) vocab.Receipt {
	return in.submit(ctx, &job{raw: raw, invite: inviteOf(ctx), claim: access.ClaimOf(ctx)})
}

// SubmitOwn takes a document that comes from inside this hub: an act or a
// redaction that is signed with its key, or a descriptor that waited. Otherwise
// it is as Submit.
func (in *Intake) SubmitOwn(ctx context.Context, raw []byte) vocab.Receipt {
	return in.submit(ctx, &job{raw: raw, own: true, claim: access.ClaimOf(ctx)})
}

func (in *Intake) submit(ctx context.Context, j *job) vocab.Receipt {
	answer := make(chan vocab.Receipt, 1)
	j.done = func(r vocab.Receipt) { answer <- r }
	in.enqueue(j)
	select {
	case r := <-answer:
		return r
	case <-ctx.Done():
		return busy(j.raw, busyRetry, nil)
	}
}

type inviteKey struct{}

// WithInvite returns a context for Submit that carries the code of an
// invitation, at most maxInvite bytes of it.
func WithInvite(ctx context.Context, code string) context.Context {
	return context.WithValue(ctx, inviteKey{}, clipped(code))
}

const maxInvite = 64

func clipped(code string) string { return code[:min(len(code), maxInvite)] }

func inviteOf(ctx context.Context) string {
	code, _ := ctx.Value(inviteKey{}).(string)
	return code
}

// enqueue queues j or answers it with Busy.
func (in *Intake) enqueue(j *job) {
	if !in.queue.put(j) {
		in.metrics.busy.Inc()
		j.done(busy(j.raw, busyRetry, nil))
	}
}

// work prepares submissions until the queue is closed and empty.
func (in *Intake) work() {
	for {
		j, ok := in.queue.take()
		if !ok {
			return
		}
		began := in.c.Now()
		settled := in.repeated(j) || in.suspect(j) || !in.prepare(j)
		in.queue.charge(j, in.c.Now().Sub(began))
		if settled {
			in.finish(j)
		} else {
			in.ready <- j
		}
	}
}

// suspect turns away, before its signature is looked at, what comes from whoever
// brings many wrong ones; those may have been found out since it was queued.
func (in *Intake) suspect(j *job) bool {
	if in.c.Excess.Tolerates(j.claim, 0) {
		return false
	}
	j.receipt.Status, j.receipt.RetryAfterMS = vocab.Busy, int(wrongRetry.Milliseconds())
	return true
}

// finish answers j and what equals it, and gives their shares back.
func (in *Intake) finish(j *job) {
	same := in.queue.done(j)
	if j.receipt.Status == vocab.Refused && in.c.Quarantine != nil {
		// What was redacted comes in again by whoever still has it.
		in.c.Quarantine.Put(j.receipt, j.raw, j.read, j.secret || in.redacted(j))
	}
	in.give(j, j.receipt)
	repeat := j.receipt
	if repeat.Status == vocab.Accepted || repeat.Status == vocab.Renewed {
		repeat.Status = vocab.Unchanged
	}
	for _, s := range same {
		in.give(s, repeat)
	}
}

// redacted reports whether a refusal is of what was redacted: the same bytes, or
// the same content signed anew.
func (in *Intake) redacted(j *job) bool {
	return in.c.Log.RedactedDocument(j.receipt.Digest) ||
		slices.ContainsFunc(j.receipt.Problems, func(p vocab.Problem) bool { return p.Code == "entry.redacted" })
}

func (in *Intake) give(j *job, r vocab.Receipt) {
	in.metrics.receipts.WithLabelValues(string(r.Status)).Inc()
	j.done(r)
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
	return judge.Fold(ctx, in.c.Log, in.c.Registry, in.c.Processor, in.c.Reader)
}

// Receipt finds the receipt of a document submitted before, by its digest.
// Digests of all entries are public in the leaf records, so a receipt that names
// what its reader may not read is not found. That of a refusal is for the space
// that signed it; who submitted it learns the same by submitting it again.
func (in *Intake) Receipt(ctx context.Context, d vocab.Digest, reader vocab.Reader) (vocab.Receipt, bool) {
	if index, ok := in.c.Log.Find(d); ok {
		rec, err := in.c.Log.Get(ctx, index)
		if err != nil || in.c.MayRead == nil || !in.c.MayRead(reader, rec) {
			return vocab.Receipt{}, false
		}
		return vocab.Receipt{
			Status: vocab.Accepted, Kind: rec.Fact.Kind.String(), Space: rec.Fact.Space, ID: rec.Fact.ID,
			Digest: d, Content: rec.Fact.Content, ReceivedAt: rec.ReceivedAt,
			Log: &vocab.Position{Origin: in.c.Log.Origin(), Index: index},
		}, true
	}
	if in.c.Quarantine == nil {
		return vocab.Receipt{}, false
	}
	r, ok := in.c.Quarantine.Receipt(ctx, d)
	if !ok || !reader.MaySee(vocab.AudienceSpace, r.Space) {
		return vocab.Receipt{}, false
	}
	return r, true
}

// Quarantine lists refusals, newest first, before a sequence number (0: from the newest).
func (in *Intake) Quarantine(ctx context.Context, before uint64, limit int) ([]Quarantined, error) {
	if in.c.Quarantine == nil {
		return nil, errors.New("this hub keeps no quarantine")
	}
	return in.c.Quarantine.List(ctx, before, limit)
}

package intake

import (
	"context"
	"sync"
	"time"

	"lianmu/federation/registry"
	"lianmu/hub/access"
	"lianmu/vocab"
)

// queue holds the submissions under way, from their arrival to their receipt.
// Workers take from it fairly by what the submissions of each claim cost, so a
// flood of costly ones delays those who sent it.
type queue struct {
	mu      sync.Mutex
	arrived sync.Cond // one waits, or the queue is closed
	closed  bool
	line    *access.Line[*job]

	// leading holds, of equal submissions under way, the one that is worked on;
	// the others wait in its field same and share its fate.
	leading map[sameness]*job
}

// sameness is what makes two submissions one: the bytes, and how they came, which
// decides whether they may.
type sameness struct {
	digest  vocab.Digest
	subject string
	invite  string
	own     bool
}

func (j *job) sameness() sameness {
	return sameness{j.receipt.Digest, j.subject, j.invite, j.own}
}

func newQueue(length int) *queue {
	q := &queue{
		line:    access.NewLine[*job](access.Bounds{Items: length, Bytes: queueBytes, Parties: queueParties}),
		leading: map[sameness]*job{},
	}
	q.arrived.L = &q.mu
	return q
}

// put queues j; false where there is no room.
func (q *queue) put(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || !q.line.Add(j.claim, len(j.raw), j) {
		return false
	}
	q.arrived.Signal()
	return true
}

// held is how many submissions of a claim are under way.
func (q *queue) held(c access.Claim) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.line.Held(c)
}

// take waits for a submission to work on; false when the queue is closed and
// nothing waits. One that equals another under way is left to that.
func (q *queue) take() (*job, bool) {
	for {
		q.mu.Lock()
		j, ok := q.line.Next()
		for !ok && !q.closed {
			q.arrived.Wait()
			j, ok = q.line.Next()
		}
		q.mu.Unlock()
		if !ok {
			return nil, false
		}
		j.receipt = vocab.Receipt{Digest: vocab.DigestOf(j.raw)}
		if q.lead(j) {
			return j, true
		}
	}
}

func (q *queue) lead(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	key := j.sameness()
	if first, ok := q.leading[key]; ok {
		first.same = append(first.same, j)
		return false
	}
	q.leading[key] = j
	return true
}

// charge notes what the work on j has cost.
func (q *queue) charge(j *job, cost time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.line.Charge(j.claim, cost)
}

// done takes j and what equals it out of the queue, and returns the latter.
func (q *queue) done(j *job) (same []*job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.leading, j.sameness())
	q.line.Done(j.claim, len(j.raw))
	for _, s := range j.same {
		q.line.Done(s.claim, len(s.raw))
	}
	return j.same
}

// close takes no more; false if it was closed.
func (q *queue) close() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.closed = true
	q.arrived.Broadcast()
	return true
}

// hold adds one to what Close waits for, unless it waits already.
func (q *queue) hold(wg *sync.WaitGroup) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		wg.Add(1)
	}
	return !q.closed
}

func (q *queue) closing() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// advice is what a reading told the submitter beside the verdict.
type advice struct {
	warnings     vocab.Problems
	completeness int
}

// repeated answers a submission that is, byte for byte, an entry of the log,
// from what stands: it costs no reading. Warnings are given again as long as
// they are remembered. false where it must be read after all.
func (in *Intake) repeated(j *job) bool {
	index, ok := in.c.Log.Find(j.receipt.Digest)
	if !ok || index >= in.c.Registry.Position() {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
	defer cancel()
	rec, err := in.c.Log.Get(ctx, index)
	if err != nil || rec.Fact.Space == "" || rec.Fact.Digest != j.receipt.Digest {
		return false // redacted, or not to be read just now
	}
	f := rec.Fact
	switch f.Kind {
	case vocab.KindOffering, vocab.KindWithdrawal, vocab.KindDeregistration:
	default:
		return false
	}
	if !f.Expires.IsZero() && !in.c.Now().Before(f.Expires) || !j.mayBring(f.Space) {
		return false // to be refused, as anywhere
	}
	d := in.c.Registry.Begin().Decide(registry.Entry{Fact: f})
	if d.Logged() {
		return false
	}
	j.fact = f
	j.receipt.Kind, j.receipt.Space, j.receipt.ID, j.receipt.Content = f.Kind.String(), f.Space, f.ID, f.Content
	if a, ok := in.advice.Get(f.Digest); ok {
		j.receipt.Warnings, j.receipt.Completeness = a.warnings, a.completeness
	}
	in.answer(j, d)
	return true
}

// answer fills the receipt of what does not become an entry.
func (in *Intake) answer(j *job, d registry.Decision) {
	j.receipt.Status, j.receipt.Log, j.receipt.Problems = d.Status, nil, nil
	switch {
	case len(d.Denied) > 0:
		j.read = false // nothing is kept of what has no right to be here
		in.refuse(j, d.Denied)
	case d.Waits:
		j.waits = true // its receipt is the waiting list's
	case d.Unknown:
		in.refuse(j, vocab.Problems{vocab.NewProblem("/@id", "offering.unknown",
			"本空间没有以 %s 发布过产品，无可下架；请核对 @id", "this space has published nothing as %s, so there is nothing to take down; check the @id", j.fact.ID)})
	case d.Final:
		in.refuse(j, vocab.Problems{vocab.NewProblem("/@id", "offering.deregistered",
			"%s 已注销，不能再发布；请换用新的 @id", "%s was deregistered and cannot be published again; use a new @id", j.fact.ID)})
	default: // unchanged or superseded: say where what stands is
		j.receipt.Log = &vocab.Position{Origin: in.c.Log.Origin(), Index: d.Stands.Position}
		j.receipt.ReceivedAt = d.Stands.ReceivedAt
	}
}

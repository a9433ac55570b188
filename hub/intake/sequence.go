package intake

import (
	"context"
	"errors"
	"time"

	"lianmu/federation/ledger"
	"lianmu/federation/registry"
	"lianmu/hub/access"
	"lianmu/vocab"
	"lianmu/vocab/shape"
)

// An append of a few entries costs the store what one of a hundred does: at a
// low rate it pays to wait a moment for company.
const (
	company   = 32                    // jobs that are worth an append at once
	gatherFor = 20 * time.Millisecond // how long fewer wait
)

// sequence is the one goroutine that decides and appends. While a batch is
// being written the next one gathers, so batches grow with the load.
func (in *Intake) sequence() {
	for j := range in.ready {
		if in.c.Pace != nil && !in.queue.closing() {
			in.c.Pace()
		}
		batch := in.gather(j)
		in.settle(batch)
		for _, j := range batch {
			if !j.waits || !in.present(j) {
				in.finish(j)
			}
		}
	}
}

// gather makes a batch that begins with first.
func (in *Intake) gather(first *job) []*job {
	batch, size := append(make([]*job, 0, company), first), len(first.raw)
	patience := time.NewTimer(gatherFor)
	defer patience.Stop()
	for len(batch) < batchEntries && size < batchBytes {
		var next *job
		var ok bool
		if len(batch) < company {
			select {
			case next, ok = <-in.ready:
			case <-patience.C:
			}
		} else {
			select {
			case next, ok = <-in.ready:
			default:
			}
		}
		if !ok {
			break
		}
		batch = append(batch, next)
		size += len(next.raw)
	}
	return batch
}

// settle decides every job of a batch, appends what becomes an entry, and
// fills the receipts. Where the log has grown meanwhile it decides again.
func (in *Intake) settle(batch []*job) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for attempt := 0; ; attempt++ {
		rest, err := in.try(ctx, batch)
		switch {
		case err == nil && len(rest) > 0:
			batch, attempt = rest, 0
			continue
		case err == nil:
			return
		case errors.Is(err, ledger.ErrConflict) && attempt < 20:
			err = errors.Join(in.c.Log.Sync(ctx), in.Follow(ctx))
			if err == nil {
				continue
			}
		case errors.Is(err, ledger.ErrUnavailable) && attempt < 3 && ctx.Err() == nil:
			time.Sleep(50 * time.Millisecond << attempt)
			continue
		}
		in.failing(len(batch), err)
		for _, j := range batch {
			j.receipt = busy(j.raw, stoppedRetry, vocab.Problems{stopped(err)})
		}
		return
	}
}

// failing logs why nothing is appended, at most every failuresEvery: repeated
// submissions would fill the log of the process, and with it a full disk.
func (in *Intake) failing(documents int, err error) {
	in.unappended += documents
	if now := in.c.Now(); now.Sub(in.failedAt) >= failuresEvery {
		in.c.Logger.Error("submissions could not be appended", "documents", in.unappended, "err", err)
		in.failedAt, in.unappended = now, 0
	}
}

// stopped says to a submitter why the log takes nothing now.
func stopped(err error) vocab.Problem {
	switch {
	case errors.Is(err, ledger.ErrFull):
		return vocab.NewProblem("", "hub.disk_full", "目录节点的磁盘已满，暂不受理；未写入任何内容，请稍后重试", "the hub's disk is full; nothing was written, try again later")
	case errors.Is(err, ledger.ErrReadOnly):
		return vocab.NewProblem("", "hub.read_only", "目录账本处于只读状态，等待运营方处理；请稍后重试", "the hub's log is read-only until its operator acts; try again later")
	}
	return vocab.NewProblem("", "hub.unavailable", "目录账本暂时不可写；请稍后重试，重复提交无害", "the hub's log cannot be written just now; try again, repeating is harmless")
}

// try decides the batch on the registry as it stands and appends once. It
// returns what found no room beside the acts that go along.
func (in *Intake) try(ctx context.Context, batch []*job) (rest []*job, err error) {
	in.foldMu.Lock()
	defer in.foldMu.Unlock()
	expect := in.c.Registry.Position()
	if size := in.c.Log.Size(); size != expect {
		return nil, ledger.ErrConflict
	}
	b := in.c.Registry.Begin()
	entries := make([]ledger.Entry, 0, len(batch))
	done := make([]logged, 0, len(batch))
	var beside []*job // answered by an entry of this very batch
	for i, j := range batch {
		if len(entries)+2 > ledger.MaxBatch && i > 0 {
			rest = batch[i:]
			break
		}
		d := b.Decide(entryOf(j))
		j.fact = d.Fact
		if d.Logged() {
			j.receipt.Status, j.receipt.Log, j.receipt.Problems = d.Status, nil, nil
			entries = append(entries, ledger.Entry{Document: j.raw, Fact: j.fact})
			done = append(done, logged{j, j.fact, j.reading})
			if d.Withholds && in.c.Signer != nil {
				act, err := in.withhold(ctx, b, j, expect+uint64(len(entries))-1)
				if err != nil {
					return nil, err
				}
				entries = append(entries, ledger.Entry{Document: act.raw, Fact: act.fact})
				done = append(done, act.logged)
			}
			continue
		}
		in.answer(j, d)
		if j.receipt.Log != nil && j.receipt.Log.Index >= expect {
			beside = append(beside, j)
		}
	}
	if len(entries) == 0 {
		return rest, nil
	}
	receivedAt, err := in.c.Log.Append(ctx, expect, entries)
	if err != nil {
		return nil, err
	}
	b.Commit(expect, receivedAt)
	for _, j := range beside {
		j.receipt.ReceivedAt = receivedAt
	}
	for i, l := range done {
		index := expect + uint64(i)
		if l.job != nil {
			l.job.receipt.Log = &vocab.Position{Origin: in.c.Log.Origin(), Index: index}
			l.job.receipt.ReceivedAt = receivedAt
		}
		if in.c.Appended != nil {
			in.c.Appended(index, receivedAt, l.fact, l.reading)
		}
	}
	in.metrics.entries.Add(float64(len(entries)))
	in.metrics.batch.Observe(float64(len(entries)))
	return rest, nil
}

// logged is an entry of a batch: a submission's, or an act that goes along.
type logged struct {
	job     *job // nil: an act
	fact    vocab.Fact
	reading *shape.Reading
}

// entryOf is what the fold takes of a submission.
func entryOf(j *job) registry.Entry {
	r := j.reading
	return registry.Entry{Fact: j.fact, Also: j.also, Space: r.Space, Participant: r.Participant, Consent: r.Consent, Act: r.Act, Redaction: r.Redaction}
}

// present hands a descriptor to the waiting list beside the sequencer, which
// must not wait for it, and finishes the job; false where there is no list or
// no room, and the job is the caller's to finish.
func (in *Intake) present(j *job) bool {
	refuse := func() bool {
		j.receipt.Status, j.receipt.RetryAfterMS, j.receipt.Problems = vocab.Busy, int(stoppedRetry.Milliseconds()), access.Busy()
		return false
	}
	if in.c.Present == nil {
		_, err := in.c.Registry.MaySign(j.fact.Key())
		return in.refuse(j, vocab.ProblemsOf(err, "space.unadmitted"))
	}
	if !in.queue.hold(&in.asking) {
		return refuse()
	}
	select {
	case in.presenting <- struct{}{}:
	default:
		in.asking.Done()
		return refuse()
	}
	go func() {
		defer in.asking.Done()
		defer func() { <-in.presenting }()
		ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
		defer cancel()
		j.receipt = in.c.Present(ctx, Applicant{
			Raw: j.raw, Fact: j.fact, Space: j.reading.Space, Invite: j.invite, Client: j.claim.Client, Receipt: j.receipt,
		})
		in.finish(j)
	}()
	return true
}

package main

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"lianmu/federation/identity"
	"lianmu/vocab"
)

// publisher signs documents and brings them to a hub, a window of requests at
// a time. Memory is bounded by the window and one batch, whatever the input.
//
// Running it again over the same input is how a cut run is resumed: before it
// signs, it asks the hub which contents stand already, and sends only what is
// missing.
type publisher struct {
	To      sender
	Key     identity.Signer // nil: signed documents only
	Expires time.Duration   // of new signatures; 0: none
	Resign  bool            // sign anew what is signed already
	Window  int             // requests in flight
	GiveUp  time.Duration   // silence, or time without a receipt but busy, after which the hub counts as gone
	Tell    func(string)    // told why the hub takes nothing, "" when it does again; may be nil
	Now     func() time.Time
	Done    func(outcome) // told of every document, one at a time
	// Repeats are @ids with several versions in the input, the last of which
	// stands: all of them count as unchanged.
	Repeats map[idHash]standing

	hub      *patience
	created  creations
	mu       sync.Mutex               // guards Done
	inFlight map[string]chan struct{} // by @id; owned by run, values closed when answered
	slots    chan struct{}
	wg       sync.WaitGroup
}

// outcome is what became of one document of the input.
type outcome struct {
	document
	Receipt vocab.Receipt
	Err     error // no receipt could be had
}

// Bounds of one batch: what is read ahead of a question to the hub.
const (
	batchDocuments = 500
	batchBytes     = 8 << 20
	batchIdle      = 20 * time.Millisecond // a slow source is not waited for
)

// Run publishes all of docs and returns when every one has its outcome, or
// with the reason why it stopped before: ctx, or a hub that answers no more.
// Documents that it did not get to have no outcome.
func (p *publisher) Run(ctx context.Context, docs iter.Seq[document]) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	p.hub = &patience{giveUp: p.GiveUp, tell: p.Tell}
	p.inFlight = make(map[string]chan struct{})
	p.slots = make(chan struct{}, max(1, p.Window))
	var err error
	for batch := range batches(ctx, docs) {
		if err = p.batch(ctx, stop, batch); err != nil {
			break
		}
	}
	p.wg.Wait()
	if err == nil {
		err = context.Cause(ctx)
	}
	p.created.settle(ctx, p.Now)
	return err
}

// batches gathers documents; the source is read in a goroutine of its own, so
// that one that stalls does not hold back what it has already given.
func batches(ctx context.Context, docs iter.Seq[document]) iter.Seq[[]document] {
	return func(yield func([]document) bool) {
		done := make(chan struct{})
		defer close(done)
		ch := make(chan document, 64)
		go func() {
			defer close(ch)
			for d := range docs {
				select {
				case ch <- d:
				case <-done:
					return
				case <-ctx.Done():
					return
				}
			}
		}()
		idle := time.NewTimer(batchIdle)
		defer idle.Stop()
		for {
			var batch []document
			size := 0
			for len(batch) < batchDocuments && size < batchBytes {
				var more <-chan time.Time
				if len(batch) > 0 {
					idle.Reset(batchIdle)
					more = idle.C
				}
				select {
				case d, ok := <-ch:
					if !ok {
						if len(batch) > 0 {
							yield(batch)
						}
						return
					}
					batch, size = append(batch, d), size+len(d.Raw)
					continue
				case <-more:
				case <-ctx.Done():
					return
				}
				break
			}
			if !yield(batch) {
				return
			}
		}
	}
}

// batch asks what is known and sends the rest.
func (p *publisher) batch(ctx context.Context, stop context.CancelCauseFunc, batch []document) error {
	known, contents := p.known(ctx, batch)
	// What was on its way while the hub was asked may have changed what
	// stands: of those @ids its answer is not taken.
	doubtful := make(map[string]bool)
	for id, answered := range p.inFlight {
		select {
		case <-answered:
			delete(p.inFlight, id)
		default:
		}
		doubtful[id] = true
	}
	for i, d := range batch {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if d.Problems != nil {
			p.report(outcome{document: d, Receipt: vocab.Receipt{Status: vocab.Refused, ID: d.ID, Problems: d.Problems}})
			continue
		}
		if s, ok := p.standsLast(d); ok {
			p.report(outcome{document: d, Receipt: vocab.Receipt{Status: vocab.Unchanged, ID: d.ID, Content: contents[i], Log: s.Log}})
			continue
		}
		if s, ok := known[contents[i]]; ok && !doubtful[d.ID] && p.holds(s) {
			p.report(outcome{document: d, Receipt: vocab.Receipt{Status: vocab.Unchanged, ID: d.ID, Content: contents[i], Log: s.Log}})
			continue
		}
		if err := p.await(ctx, d.ID); err != nil {
			return err
		}
		doubtful[d.ID] = true
		raw, err := p.sign(d)
		if err != nil {
			p.report(outcome{document: d, Receipt: vocab.Receipt{Status: vocab.Refused, ID: d.ID, Problems: vocab.ProblemsOf(err, "sign")}})
			continue
		}
		if err := p.send(ctx, stop, d, raw); err != nil {
			return err
		}
	}
	return nil
}

// needsSignature tells whether d is to be signed here.
func (p *publisher) needsSignature(d document) bool {
	return d.Problems == nil && (!d.Signed || p.Resign)
}

// known asks the hub for the contents that it has of those to be signed. Where
// the hub does not answer, everything counts as missing: it is sent, and the
// sending deals with the silence.
func (p *publisher) known(ctx context.Context, batch []document) (map[vocab.Digest]standing, []vocab.Digest) {
	contents := make([]vocab.Digest, len(batch))
	var ask []vocab.Digest
	for i, d := range batch {
		if p.Key == nil || !p.needsSignature(d) {
			continue
		}
		c, err := identity.Content(d.Raw)
		if err != nil {
			continue // signing will say what is wrong
		}
		contents[i] = c
		ask = append(ask, c)
	}
	if len(ask) == 0 {
		return nil, contents
	}
	known, err := p.To.Known(ctx, ask)
	if err != nil {
		return nil, contents
	}
	return known, contents
}

// holds tells whether what stands is valid for more than nine tenths of what a
// new signature would be.
func (p *publisher) holds(s standing) bool {
	if s.Expires.IsZero() {
		return true
	}
	return p.Expires > 0 && s.Expires.Sub(p.Now()) > p.Expires/10*9
}

// await waits for the answer to an earlier version of the same @id, so that
// versions arrive in the order of the input.
func (p *publisher) await(ctx context.Context, id string) error {
	if answered := p.inFlight[id]; answered != nil {
		select {
		case <-answered:
			delete(p.inFlight, id)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// sign returns the bytes to send.
func (p *publisher) sign(d document) ([]byte, error) {
	if !p.needsSignature(d) {
		return d.Raw, nil
	}
	if p.Key == nil {
		return nil, vocab.Problems{vocab.NewProblem("", "proof.missing",
			"文档没有签名；请用 --key 给出空间的密钥", "the document is not signed; give the space's key with --key")}
	}
	raw := d.Raw
	if d.Signed {
		var err error
		if raw, err = withoutProof(raw); err != nil {
			return nil, err
		}
	}
	o := identity.SignOptions{Created: p.created.next(p.Now(), d.ID)}
	if p.Expires > 0 {
		o.Expires = o.Created.Add(p.Expires)
	}
	signed, err := identity.Sign(raw, p.Key, o)
	if err == nil && len(signed) > maxDocument {
		err = tooLarge(len(signed))
	}
	return signed, err
}

// send takes a place in the window and submits in a goroutine.
func (p *publisher) send(ctx context.Context, stop context.CancelCauseFunc, d document, raw []byte) error {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	answered := make(chan struct{})
	if d.ID != "" {
		p.inFlight[d.ID] = answered
		if len(p.inFlight) > 4*cap(p.slots) {
			p.forget()
		}
	}
	p.wg.Add(1)
	go func() {
		defer p.wg.Done()
		defer func() { <-p.slots }()
		defer close(answered)
		receipt, err := deliver(ctx, p.To, raw, p.hub)
		if err != nil && ctx.Err() == nil && !errors.As(err, new(permanentError)) {
			stop(err) // the hub is gone: there is no use in trying the rest
		}
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		p.report(outcome{document: d, Receipt: receipt, Err: err})
	}()
	return nil
}

// forget drops the @ids that have been answered.
func (p *publisher) forget() {
	for id, answered := range p.inFlight {
		select {
		case <-answered:
			delete(p.inFlight, id)
		default:
		}
	}
}

func (p *publisher) report(o outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Done(o)
}

package hub

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"lianmu/federation/judge"
	"lianmu/federation/ledger"
	"lianmu/hub/view"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

// VerifyReport is what a verification of log and views found.
type VerifyReport struct {
	Log *ledger.Report `json:"log"`
	// Folded is the state that the documents themselves give; every view must
	// show the same.
	Folded view.State   `json:"folded"`
	Views  []view.State `json:"views"`
	Faults []string     `json:"faults"` // of the views; those of the log are in Log.Problems
}

// Clean reports whether nothing was found.
func (r *VerifyReport) Clean() bool { return r.Log.Faults == 0 && len(r.Faults) == 0 }

// Verify opens the hub in c.Dir offline (it must not be running), verifies
// the whole log and compares the views with what its documents give. progress
// may be nil.
func Verify(ctx context.Context, c Config, progress func(done, total uint64)) (*VerifyReport, error) {
	if err := c.defaults(); err != nil {
		return nil, err
	}
	b, err := openBase(ctx, c, "")
	if err != nil {
		return nil, err
	}
	report, err := b.verify(ctx, c, progress)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return report, errors.Join(err, b.close(closing))
}

func (b *base) verify(ctx context.Context, c Config, progress func(done, total uint64)) (*VerifyReport, error) {
	for b.catalog.Behind() > 0 { // after a kill the index lags by design; it levels by itself
		if err := b.catalog.Fault(); err != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	hint, stop := iter.Pull2(b.log.Facts(ctx, 0, b.log.Size()))
	defer stop()
	fold := NewFold(b.processor, b.reader, b.did, b.openUntil)
	check := func(rec ledger.Record) error {
		f, err := fold.Add(rec)
		h, herr, ok := hint()
		for ok && herr == nil && h.Index < rec.Index { // entries without a document are not checked
			h, herr, ok = hint()
		}
		switch {
		case err != nil:
			return err
		case !ok:
			return errors.New("the log has no record of it")
		case herr != nil:
			return herr
		case !sameFact(h.Fact, f):
			return fmt.Errorf("its header hints differ from the document: %+v, document: %+v", h.Fact, f)
		}
		return nil
	}
	r := &VerifyReport{}
	var err error
	if r.Log, err = ledger.Verify(ctx, b.log.Source(), b.log.VerifierKey(), check, progress); err != nil {
		return nil, err
	}
	r.Folded = fold.State(c.Now())
	if r.Views, err = b.catalog.States(ctx); err != nil {
		return nil, err
	}
	r.Faults = CompareViews(r.Folded, r.Views)
	if err := b.log.ReadOnly(); err != nil {
		r.Faults = append(r.Faults, err.Error())
	}
	return r, nil
}

// sameFact holds a hint against what the document says. Of entries from before
// there was a hint of the audience the hint is that it is the space alone.
func sameFact(hint, fact vocab.Fact) bool {
	return (hint.Audience == fact.Audience || hint.Audience == vocab.AudienceSpace) &&
		hint.Kind == fact.Kind && hint.Space == fact.Space && hint.ID == fact.ID && hint.Digest == fact.Digest &&
		hint.Signer == fact.Signer && hint.Content == fact.Content && hint.Created.Equal(fact.Created) && hint.Expires.Equal(fact.Expires)
}

// CompareViews says in which view something differs from the folded state.
func CompareViews(folded view.State, views []view.State) (faults []string) {
	for _, v := range views {
		switch {
		case v.Position != folded.Position:
			faults = append(faults, fmt.Sprintf("%s stands at entry %d, the log has %d", v.View, v.Position, folded.Position))
		case v.Digest != folded.Digest:
			faults = append(faults, fmt.Sprintf("%s shows %d offerings, the log gives %d, or other versions of them", v.View, v.Offerings, folded.Offerings))
		}
	}
	return faults
}

// Fold reads verified log records from first to last and says what stands,
// trusting nothing but the documents.
type Fold struct {
	judge *judge.Judge
	next  uint64
}

// NewFold returns an empty Fold for the log of the hub with this DID; before the
// entry openUntil it admitted whoever signed.
func NewFold(p *jsonld.Processor, r *shape.Reader, hub string, openUntil uint64) *Fold {
	return &Fold{judge: judge.New(p, r, hub, openUntil)}
}

// Add verifies a record's document by its own proof at the time it was
// received, and that who signed it had the right to at that place in the log. It
// folds the record and returns the fact recomputed from the document, and from
// what the log said before of the signer. A redacted record is folded as what its
// redaction left of it. Of an entry with an error only kind and digest are
// folded: a view that shows it is at fault too.
func (f *Fold) Add(rec ledger.Record) (vocab.Fact, error) {
	f.next = rec.Index + 1
	if rec.Redacted {
		return rec.Fact, f.addRedacted(rec)
	}
	fact := vocab.Fact{}
	r, err := f.judge.Read(context.Background(), rec.Leaf, rec.Document)
	if err == nil {
		if fact, err = f.judge.Stand(rec.Index, rec.Leaf, r); err != nil {
			err = fmt.Errorf("it should not be in the log: %w", err)
		}
	}
	if err != nil {
		r = nil
	}
	f.judge.Apply(rec.Index, rec.Leaf, fact, r)
	return fact, err
}

// addRedacted folds what is left of a redacted entry. The redaction's own proof
// is checked where it stands.
func (f *Fold) addRedacted(rec ledger.Record) error {
	r, err := f.judge.ReadRedaction(context.Background(), rec.ReceivedAt, rec.Redaction)
	if err != nil {
		err = fmt.Errorf("its redaction cannot be read: %w", err)
	}
	f.judge.Apply(rec.Index, rec.Leaf, rec.Fact, r)
	return err
}

// State is what the records added so far give at the time now.
func (f *Fold) State(now time.Time) view.State {
	digest, n := f.judge.Registry().Digest(now)
	return view.State{View: "log", Position: f.next, Offerings: n, Digest: digest}
}

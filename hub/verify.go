package hub

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/ledger"
	"lianmu/federation/registry"
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

func sameFact(a, b vocab.Fact) bool {
	return a.Kind == b.Kind && a.Space == b.Space && a.ID == b.ID && a.Digest == b.Digest &&
		a.Signer == b.Signer && a.Content == b.Content && a.Created.Equal(b.Created) && a.Expires.Equal(b.Expires)
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
	processor *jsonld.Processor
	reader    *shape.Reader
	registry  *registry.Registry
	hub       string // DID of the log's hub
	next      uint64
}

// NewFold returns an empty Fold for the log of the hub with this DID; before the
// entry openUntil it admitted whoever signed.
func NewFold(p *jsonld.Processor, r *shape.Reader, hub string, openUntil uint64) *Fold {
	f := &Fold{processor: p, reader: r, registry: registry.New(), hub: hub}
	f.registry.Hub(hub)
	f.registry.OpenUntil(openUntil)
	return f
}

// Add verifies a record's document by its own proof at the time it was
// received, and that who signed it had the right to at that place in the log:
// what the hub itself says is signed with the hub's key, all else with a key
// that its space then had, of a space that was admitted. It folds the record and
// returns the fact recomputed from the document, and from what the log said
// before of the signer. A redacted record is folded as what its redaction left
// of it.
func (f *Fold) Add(rec ledger.Record) (vocab.Fact, error) {
	f.next = rec.Index + 1
	if rec.Redacted {
		return rec.Fact, f.addRedacted(rec)
	}
	d, err := f.processor.Decode(rec.Document)
	if err != nil {
		return vocab.Fact{}, err
	}
	sec, err := identity.Verify(d, rec.ReceivedAt)
	if err != nil {
		return vocab.Fact{}, err
	}
	g, err := f.processor.Expand(context.Background(), d)
	if err != nil {
		return vocab.Fact{}, err
	}
	r, err := f.reader.Read(g, rec.ReceivedAt)
	if err != nil {
		return vocab.Fact{}, err
	}
	if r.Kind != rec.Leaf.Kind {
		return vocab.Fact{}, fmt.Errorf("the leaf record says %s, the document is of kind %s", rec.Leaf.Kind, r.Kind)
	}
	fact := vocab.Fact{
		Kind: r.Kind, Space: sec.Space, ID: r.ID, Digest: sec.Digest, Content: sec.Content,
		Created: sec.Created, Expires: sec.Expires,
	}
	if !hubsOwn(r.Kind) {
		if fact.Space = f.registry.SpaceOf(sec.Space); fact.Space != sec.Space {
			fact.Signer = sec.Space
		}
	}
	e := registry.Entry{
		Index: rec.Index, ReceivedAt: rec.ReceivedAt, Fact: fact, Also: sec.Also,
		Space: r.Space, Participant: r.Participant, Act: r.Act, Redaction: r.Redaction,
	}
	if err := f.mayStand(e); err != nil {
		return fact, err // and it is not folded: a view that shows it is at fault too
	}
	f.registry.Apply(e)
	return fact, nil
}

// hubsOwn are the kinds that only the hub itself writes.
func hubsOwn(k vocab.EntryKind) bool {
	return k == vocab.KindEpoch || k == vocab.KindAct || k == vocab.KindRedaction
}

// mayStand returns nil, or why the signer had no right to an entry.
func (f *Fold) mayStand(e registry.Entry) error {
	switch {
	case hubsOwn(e.Fact.Kind) && e.Fact.Space != f.hub:
		return fmt.Errorf("only the hub %s may write what is of kind %s; it is signed by %s", f.hub, e.Fact.Kind, e.Fact.Space)
	case hubsOwn(e.Fact.Kind):
		return nil
	case e.Fact.Kind == vocab.KindSpace && e.Fact.ID != e.Fact.Space:
		return fmt.Errorf("it describes the space %s and is signed for %s", e.Fact.ID, e.Fact.Space)
	}
	d := f.registry.Begin().Decide(e)
	switch {
	case len(d.Denied) > 0:
		return fmt.Errorf("it should not be in the log: %w", d.Denied)
	case d.Waits:
		return fmt.Errorf("it should not be in the log: the space %s was not admitted", e.Fact.Space)
	}
	return nil
}

// addRedacted folds what is left of a redacted entry. Of a descriptor that is
// the keys it listed: what they signed until the redaction came must be known as
// that space's. The redaction's own proof is checked where it stands.
func (f *Fold) addRedacted(rec ledger.Record) error {
	e := registry.Entry{Index: rec.Index, ReceivedAt: rec.ReceivedAt, Fact: rec.Fact}
	defer func() { f.registry.Apply(e) }()
	if rec.Leaf.Kind != vocab.KindSpace {
		return nil
	}
	r, err := f.reader.ReadDocument(context.Background(), f.processor, rec.Redaction, rec.ReceivedAt)
	if err != nil {
		return fmt.Errorf("its redaction cannot be read: %w", err)
	}
	if r.Redaction == nil {
		return errors.New("what names it is no redaction")
	}
	e.Fact.Space, e.Fact.Signer, e.Fact.Created = r.Redaction.Space, r.Redaction.Signer, r.Redaction.Created
	e.Fact.ID = e.Fact.Space
	e.Space = &vocab.Space{DID: e.Fact.Space, Keys: r.Redaction.Keys}
	return nil
}

// State is what the records added so far give at the time now.
func (f *Fold) State(now time.Time) view.State {
	digest, n := f.registry.Digest(now)
	return view.State{View: "log", Position: f.next, Offerings: n, Digest: digest}
}

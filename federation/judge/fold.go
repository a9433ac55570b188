package judge

import (
	"context"
	"fmt"

	"lianmu/federation/ledger"
	"lianmu/federation/registry"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

// Fold applies to reg all that a log holds beyond its position, by the facts
// that are kept with the entries: what is in the log was judged when it came.
// Bodies are read of the kinds of which the registry needs more than the fact.
// It ends with an error where one of those that the hub itself wrote cannot be
// read.
func Fold(ctx context.Context, log *ledger.Log, reg *registry.Registry, p *jsonld.Processor, rd *shape.Reader) error {
	return folder{log: log, reader: rd, processor: p, to: reg}.run(ctx, nil)
}

// Restore folds all that the judge's log holds beyond what it has read, as Fold
// does.
func (j *Judge) Restore(ctx context.Context, log *ledger.Log) error {
	if j.registry.Origin() == "" {
		j.registry.SetOrigin(log.Origin())
	}
	return Fold(ctx, log, j.registry, j.processor, j.reader)
}

// Verdict is what Stand says of an entry.
type Verdict struct {
	Fact vocab.Fact
	Err  error // why it may not stand; nil: it may
}

// Late judges documents that came after their entries had been applied without,
// by index: each as it would have been in its place. It folds the log anew, with
// those of them that may stand, and the registry then is as if they had come in
// time. An index whose document the log holds by now, or that is beyond its end,
// has no verdict. With none given the log is just folded anew.
func (j *Judge) Late(ctx context.Context, log *ledger.Log, late map[uint64]*Read) (map[uint64]Verdict, error) {
	fresh := j.empty()
	fresh.SetOrigin(log.Origin())
	verdicts := make(map[uint64]Verdict, len(late))
	err := folder{log: log, reader: j.reader, processor: j.processor, to: fresh}.run(ctx, func(rec ledger.Record) (registry.Entry, bool) {
		r := late[rec.Index]
		if r == nil || rec.State == ledger.Held || rec.Redacted {
			return registry.Entry{}, false
		}
		f, err := stand(fresh, j.hub, rec.Index, rec.Leaf, r)
		verdicts[rec.Index] = Verdict{f, err}
		return entry(rec.Index, rec.Leaf, f, r), err == nil
	})
	if err != nil {
		return nil, err
	}
	j.registry.Replace(fresh)
	return verdicts, nil
}

// folder folds a log into a registry.
type folder struct {
	log       *ledger.Log
	processor *jsonld.Processor
	reader    *shape.Reader
	to        *registry.Registry
}

// run folds what there is; instead may give another entry for a record. May be
// nil.
func (f folder) run(ctx context.Context, instead func(ledger.Record) (registry.Entry, bool)) error {
	kinds := []vocab.EntryKind{vocab.KindSpace, vocab.KindParticipant, vocab.KindConsent, vocab.KindAct, vocab.KindRedaction}
	for rec, err := range f.log.Facts(ctx, f.to.Position(), f.log.Size(), kinds...) {
		if err != nil {
			return err
		}
		if instead != nil {
			if e, ok := instead(rec); ok {
				f.to.Apply(e)
				continue
			}
		}
		e, err := f.entry(ctx, rec)
		if err != nil {
			return err
		}
		f.to.Apply(e)
	}
	return nil
}

func (f folder) entry(ctx context.Context, rec ledger.Record) (registry.Entry, error) {
	e := registry.Entry{Index: rec.Index, ReceivedAt: rec.ReceivedAt, Fact: rec.Fact}
	if rec.Document == nil {
		if rec.Redacted && rec.Leaf.Kind == vocab.KindSpace {
			return f.redacted(ctx, rec)
		}
		return e, nil
	}
	r, err := f.reader.ReadDocument(ctx, f.processor, rec.Document, rec.ReceivedAt)
	switch {
	case ctx.Err() != nil:
		return e, ctx.Err()
	case err == nil:
		e.Space, e.Participant, e.Consent, e.Act, e.Redaction = r.Space, r.Participant, r.Consent, r.Act, r.Redaction
	case HubsOwn(rec.Leaf.Kind):
		// Without it a suspended space would be back, or a stolen key valid.
		return e, fmt.Errorf("entry %d, which the hub itself wrote, cannot be read: %w", rec.Index, err)
	}
	return e, nil
}

// redacted is what is left of a descriptor, by the redaction that names it.
func (f folder) redacted(ctx context.Context, rec ledger.Record) (registry.Entry, error) {
	at, ok := f.log.RedactedBy(rec.Index)
	if !ok {
		return blank(rec.Index, rec.Leaf), nil
	}
	by, err := f.log.Get(ctx, at)
	if err != nil || by.Document == nil {
		return blank(rec.Index, rec.Leaf), err
	}
	r, err := f.reader.ReadDocument(ctx, f.processor, by.Document, by.ReceivedAt)
	switch {
	case err != nil:
		return blank(rec.Index, rec.Leaf), fmt.Errorf("entry %d, which the hub itself wrote, cannot be read: %w", at, err)
	case r.Redaction == nil || r.Redaction.Index != rec.Index:
		return blank(rec.Index, rec.Leaf), nil
	}
	return remains(rec.Index, rec.Leaf, r.Redaction), nil
}

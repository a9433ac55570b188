package view

import (
	"context"
	"slices"

	"lianmu/federation/ledger"
	"lianmu/federation/registry"
	"lianmu/vocab"
)

// Default returns the audience of what a space publishes in a log without saying
// for whom, and whether the space stands there, so that others may see anything
// of it. Both go by that log alone, so that whoever holds it says the same. Of a
// log that is not attached nothing may be seen.
func (cat *Catalog) Default(origin, space string) (audience vocab.Audience, stands bool) {
	f := cat.feed(origin)
	if f == nil {
		return vocab.AudienceSpace, false
	}
	s, ok := f.Registry.Space(space)
	return f.standard(s), !ok || s.Standing == registry.Admitted
}

func (f *feed) standard(s registry.SpaceState) vocab.Audience {
	if s.Space.Audience != "" {
		return s.Space.Audience
	}
	return f.Fallback
}

// Audience tells for whom the document of an entry of a log is. What says only
// that an offering is gone names it, so it is for everybody where the offering
// was, and else for its space alone; descriptors, consents and what the hub itself says are
// for everybody, but for the names of offerings that it removes. An error means
// that it could not be told, so it is for nobody.
func (cat *Catalog) Audience(ctx context.Context, origin string, rec ledger.Record) (vocab.Audience, error) {
	f := cat.feed(origin)
	if f == nil {
		return vocab.AudienceSpace, nil
	}
	switch rec.Leaf.Kind {
	case vocab.KindSpace, vocab.KindEpoch, vocab.KindRedaction, vocab.KindConsent:
		return vocab.AudiencePublic, nil
	case vocab.KindWithdrawal, vocab.KindDeregistration:
		return f.named(rec, rec.Fact.Space, rec.Fact.ID), nil
	case vocab.KindOffering, vocab.KindParticipant, vocab.KindAct:
	default:
		return vocab.AudienceSpace, nil
	}
	if rec.Fact.Space != "" && rec.Leaf.Kind != vocab.KindAct { // what stands was read when it came
		return f.said(rec.Fact), nil
	}
	r, err := cat.c.Reader.ReadDocument(ctx, cat.c.Processor, rec.Document, rec.ReceivedAt)
	switch {
	case err != nil:
		return vocab.AudienceSpace, err
	case r.Act != nil && r.Act.Verb == vocab.Removal:
		return f.named(rec, r.Act.Space, r.Act.Offerings...), nil
	case r.Act != nil, r.Participant != nil && r.Participant.Audience == vocab.AudiencePublic:
		return vocab.AudiencePublic, nil
	case r.Offering != nil:
		s, _ := f.Registry.Space(rec.Fact.Space)
		return vocab.AudienceOf(r.Offering, f.standard(s)), nil
	}
	return vocab.AudienceSpace, nil
}

// said is for whom an offering or participant is by what was read of it.
func (f *feed) said(fact vocab.Fact) vocab.Audience {
	if fact.Kind != vocab.KindOffering {
		return vocab.AudienceOr(fact.Audience, vocab.AudienceSpace)
	}
	s, _ := f.Registry.Space(fact.Space)
	return vocab.AudienceOr(fact.Audience, f.standard(s))
}

// named is for whom an entry is that names offerings and says nothing else of
// them: for everybody where each of them was public before.
func (f *feed) named(rec ledger.Record, space string, ids ...string) vocab.Audience {
	hidden := func(id string) bool { return !f.Registry.PublicBefore(vocab.KeyOf(space, id), rec.Index) }
	if len(ids) == 0 || slices.ContainsFunc(ids, hidden) {
		return vocab.AudienceSpace
	}
	return vocab.AudiencePublic
}

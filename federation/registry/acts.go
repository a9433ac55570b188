package registry

import (
	"slices"

	"lianmu/vocab"
)

// act folds what the hub decided about a space.
func (f *fold) act(e Entry, a *vocab.Act) {
	if a.Space == "" {
		return
	}
	s := f.edit(f.home(f.enrol(a.Space, a.Space)))
	switch a.Verb {
	case vocab.Admission:
		f.stand(s, Admitted, e)
	case vocab.Rejection:
		f.stand(s, Rejected, e)
		s.refused = a.Descriptor
	case vocab.Suspension:
		before := s.standing
		if before == Suspended {
			before = s.before
		}
		f.stand(s, Suspended, e)
		s.before = before
	case vocab.Resumption:
		if s.standing == Suspended {
			f.stand(s, s.before, e)
		}
	case vocab.KeyReplacement:
		f.ring(s, s.ring.add(event{version: pack(e, s.number), keys: f.own(s, a.Keys), hub: true}))
	case vocab.KeyCompromise:
		if a.Key == "" {
			return
		}
		n := f.enrol(a.Key, s.did)
		s = f.edit(f.home(n))
		s.ring.thefts = append(slices.Clip(s.ring.thefts), theft{n, a.From})
		s.ring.refold()
		f.ring(s, true)
	case vocab.Removal:
		v := pack(e, s.number)
		v.kind, v.content, v.marks = vocab.KindDeregistration, vocab.Digest{}, ended|hubs
		for _, id := range a.Offerings[:min(len(a.Offerings), vocab.MaxRemoved)] {
			f.merge(vocab.KeyOf(s.did, id), v, false)
		}
	case vocab.Release:
		if c, ok := f.cause(a.From); ok && c.space == s.number {
			f.names[c.name] = false
		}
	case vocab.Withholding:
		// It is worth what the entry is: nothing, where a thief signed that.
		v := pack(e, s.number)
		if a.Key != "" {
			if n := f.enrol(a.Key, s.did); f.home(n).number == s.number {
				v.signer = n
			}
		}
		v.position, v.first, v.created = a.From, a.From, nano(a.Created)
		v.kind, v.content, v.expires, v.marks = vocab.KindWithdrawal, vocab.Digest{}, 0, withheld|hubs
		for _, id := range a.Offerings[:min(len(a.Offerings), 1)] {
			k := vocab.KeyOf(s.did, id)
			// The place among the versions is that of the entry itself: of one that
			// is held nothing changes.
			if there, ok := f.version(k); ok && there.position == a.From {
				v.digest = there.digest
			} else if b, ok := f.blank(a.From); ok {
				v.digest = b.digest
			}
			f.merge(k, v, false)
		}
	}
}

func (f *fold) stand(s *space, to Standing, e Entry) {
	s.standing, s.before, s.refused = to, "", vocab.Digest{}
	s.reason, s.decided = e.Act.Reason, nano(e.ReceivedAt)
}

// redact folds that a body was deleted. All that it goes by is in the redaction
// and the leaf, so it is the same whether the entry was folded with its body,
// as before a restart, or without. Where it was the version that stands, it
// keeps that place.
func (f *fold) redact(d *vocab.Redaction) {
	if d.Space == "" {
		return
	}
	s := f.home(f.enrol(d.Space, d.Space))
	if !d.Content.IsZero() {
		f.barred[contentKey{s.number, d.Content}] = true
		f.ban(s, d)
	}
	signer := s.number
	if d.Signer != "" {
		signer = f.enrol(d.Signer, s.did)
	}
	gone := version{position: d.Index, first: d.Index, created: nano(d.Created), signer: signer, marks: redacted}
	b, blank := f.blank(d.Index)
	if blank {
		gone.kind, gone.digest, gone.received = b.kind, b.digest, b.received
		delete(f.blanks, d.Index)
		f.count(s, b.received)
	}
	old, described := s.ring.at(d.Index)
	if described || gone.kind == vocab.KindSpace {
		if described {
			gone.kind, gone.digest, gone.received = vocab.KindSpace, old.digest, old.received
		}
		s = f.edit(s)
		s.ring.events = slices.DeleteFunc(slices.Clone(s.ring.events), func(e event) bool { return e.position == d.Index })
		s.ring.events = slices.Insert(s.ring.events, s.ring.find(d.Index), event{version: gone, keys: f.own(s, d.Keys), home: d.Hub})
		s.ring.refold()
		f.ring(s, true)
		return
	}
	stands, known := f.version(d.Key)
	switch {
	case known && stands.position == d.Index && stands.marks&hubs == 0:
		gone.kind, gone.digest, gone.received = stands.kind, stands.digest, stands.received
		gone.first, gone.marks = stands.first, gone.marks|stands.marks&(ended|publicFirst)
		f.put(d.Key, gone, nil)
	case blank:
		if gone.kind == vocab.KindDeregistration {
			gone.marks |= ended
		}
		f.merge(d.Key, gone, d.Audience == vocab.AudiencePublic)
	default:
		f.blot(d.Key, d.Index)
	}
}

// says reports whether an entry of this kind publishes something. What is the
// same but for its signature is then not published again once it was redacted.
func says(k vocab.EntryKind) bool { return k == vocab.KindOffering || ofOrganisation(k) }

// ofOrganisation reports whether entries of a kind say something of an
// organisation, and are no offerings, though they go by the same rules.
func ofOrganisation(k vocab.EntryKind) bool {
	return k == vocab.KindParticipant || k == vocab.KindConsent
}

// Remains is what a redaction of an entry must hold for the fold: all but who,
// why and the leaf record. False where the entry is none that can be redacted,
// or a descriptor that was not folded, or was redacted before.
func (r *Registry) Remains(index uint64, f vocab.Fact) (vocab.Redaction, bool) {
	d := vocab.Redaction{Index: index, Space: f.Space, Signer: f.Signer, Created: f.Created}
	switch f.Kind {
	case vocab.KindOffering, vocab.KindParticipant, vocab.KindConsent, vocab.KindWithdrawal, vocab.KindDeregistration:
		d.Key = vocab.KeyOf(f.Space, f.ID)
		if says(f.Kind) {
			d.Content = f.Content
		}
		r.mu.RLock()
		defer r.mu.RUnlock()
		v, ok := r.versions[d.Key]
		if ok && r.publicOf(d.Key, v) == index+1 {
			d.Audience = vocab.AudiencePublic
		}
		// Where something else stands by now, the space has put it right already.
		d.Barred = says(f.Kind) && !(ok && v.position != index && r.stands(d.Key, v))
		return d, f.Space != ""
	case vocab.KindSpace:
	default:
		return d, false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	n, ok := r.find(f.Space)
	if !ok {
		return d, false
	}
	e, ok := r.home(n).ring.at(index)
	for _, k := range e.keys {
		d.Keys = append(d.Keys, r.signer(k).did)
	}
	if d.Hub = e.home; e.text != nil {
		d.Audience = e.text.Audience
	}
	return d, ok && e.marks&redacted == 0 // a second one would know less than the first
}

package registry

import (
	"time"

	"lianmu/vocab"
)

// Batch decides on submissions that will be appended together: each sees what
// the ones before it in the batch will have done. It must be committed or
// dropped before anything else is applied.
type Batch struct {
	r       *Registry
	first   uint64 // index of the first entry staged
	staged  fold   // on the registry's
	entries []Entry
}

// Begin starts a batch on the state as it stands.
func (r *Registry) Begin() *Batch {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return &Batch{r: r, first: r.position, staged: newFold(&r.fold)}
}

// Decision is what becomes of a submission.
type Decision struct {
	Status vocab.Status
	// Fact is the submission's with the space that its signer speaks for, as it
	// must be written to the log.
	Fact vocab.Fact
	// Stands is the version that stands in its place where the status is
	// unchanged or superseded. Where that is an entry of the same batch, its
	// ReceivedAt is not known yet.
	Stands Version
	// Withholds: an offering or participant that not everybody may see overtakes
	// one that everybody could; the hub says so in an act right after it.
	Withholds bool
	// Unknown: a withdrawal or deregistration of what was never published here.
	Unknown bool
	// Final: the offering was deregistered; nothing can be published under its id.
	Final bool
	// Denied says why the space or its key may not, or why these bytes will never
	// be taken.
	Denied vocab.Problems
	// Waits: a descriptor of a space that is not admitted. It is not logged; it
	// goes to the waiting list.
	Waits bool
}

// Logged reports whether the submission becomes an entry.
func (d Decision) Logged() bool {
	return !d.Unknown && !d.Final && !d.Waits && len(d.Denied) == 0 && (d.Status == vocab.Accepted || d.Status == vocab.Renewed)
}

func denied(ps ...vocab.Problem) Decision {
	return Decision{Status: vocab.Refused, Denied: ps}
}

// Decide says what becomes of e, and stages it if it becomes an entry. Of its
// Fact, Space and Signer are hints: what counts is whose the key is now. Acts,
// redactions and epochs are taken as the hub's own, so whoever calls must know
// that they are.
func (b *Batch) Decide(e Entry) Decision {
	b.r.mu.RLock()
	defer b.r.mu.RUnlock()
	if len(b.entries) == 0 && b.r.position != b.first { // others went first; nothing is staged yet
		b.first, b.staged = b.r.position, newFold(&b.r.fold)
	}
	e.Index = b.first + uint64(len(b.entries)) // what follows in the batch points to it
	var d Decision
	switch e.Fact.Kind {
	case vocab.KindEpoch:
		d.Status = vocab.Accepted
	case vocab.KindAct:
		d = b.staged.decideAct(e.Act)
	case vocab.KindRedaction:
		d = b.staged.decideRedaction(e.Redaction)
	default:
		key := e.Fact.Key()
		e.Fact.Space, e.Fact.Signer = b.staged.spaceOf(key), ""
		if e.Fact.Space != key {
			e.Fact.Signer = key
		}
		d = b.staged.decide(e)
	}
	d.Fact = e.Fact
	if d.Logged() {
		d.Withholds = b.staged.withholds(e)
		b.staged.apply(e)
		b.staged.next = e.Index + 1
		b.entries = append(b.entries, e)
	}
	return d
}

// Len is the number of entries staged.
func (b *Batch) Len() int { return len(b.entries) }

// Commit folds the staged entries, which the log now holds from index first on.
func (b *Batch) Commit(first uint64, receivedAt time.Time) {
	for i := range b.entries {
		b.entries[i].Index = first + uint64(i)
		b.entries[i].ReceivedAt = receivedAt
	}
	b.r.Apply(b.entries...)
}

// MaySign returns the space that a key speaks for, and nil where that space is
// admitted and the key valid now; else vocab.Problems: key.compromised,
// key.retired, space.unadmitted, space.rejected or space.suspended.
func (r *Registry) MaySign(signer string) (space string, err error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	space = r.spaceOf(signer)
	if p, bad := r.badKey(signer); bad {
		return space, vocab.Problems{p}
	}
	if p, bad := r.badStanding(space); bad {
		return space, vocab.Problems{p}
	}
	return space, nil
}

// decide is the rule for what a space says; e.Fact names the space.
func (f *fold) decide(e Entry) Decision {
	if f.hub != "" && e.Fact.Key() == f.hub {
		return denied(hubKey("/proof/verificationMethod"))
	}
	if p, bad := f.badKey(e.Fact.Key()); bad {
		return denied(p)
	}
	s := f.named(e.Fact.Space)
	standing := f.standingOf(s)
	descriptor := e.Fact.Kind == vocab.KindSpace
	presents := descriptor && (standing == Unadmitted || standing == Rejected && s.refused != e.Fact.Digest)
	if p, bad := f.badStanding(e.Fact.Space); bad && !presents {
		return denied(p)
	}
	if !descriptor {
		k := vocab.KeyOf(e.Fact.Space, e.Fact.ID)
		old, known := f.version(k)
		d := f.supersede(old, known, known && f.final(k, old), pack(e, 0))
		if !d.Logged() || !says(e.Fact.Kind) {
			return d
		}
		number := ^uint32(0) // of no space
		if s != nil {
			number = s.number
		}
		switch {
		case f.bars(contentKey{number, e.Fact.Content}):
			return denied(redactedBytes())
		case f.bansName(k):
			return denied(bannedName())
		}
		return d
	}
	if ps := f.badDescriptor(s, e); len(ps) > 0 {
		return denied(ps...)
	}
	if presents {
		return Decision{Status: vocab.Waiting, Waits: true}
	}
	if s == nil || s.ring.stands < 0 {
		return Decision{Status: vocab.Accepted}
	}
	return f.supersede(s.ring.events[s.ring.stands].version, true, false, pack(e, 0))
}

// withholds reports whether an entry that is about to be folded hides what
// everybody could see until now, or until what hides it already: that may prove
// to be a thief's. Over what the space has withdrawn nothing is said.
func (f *fold) withholds(e Entry) bool {
	if !says(e.Fact.Kind) {
		return false
	}
	for _, v := range f.all(vocab.KeyOf(e.Fact.Space, e.Fact.ID)) {
		switch {
		case f.lost(v), v.marks&redacted != 0:
		case !says(v.kind):
			return false
		case v.marks&public != 0:
			return !f.seen(f.named(e.Fact.Space), e)
		}
	}
	return false
}

// supersede is the rule of versions, renewals, withdrawals and deregistrations.
func (f *fold) supersede(old version, known, final bool, v version) Decision {
	removal := v.kind == vocab.KindWithdrawal || v.kind == vocab.KindDeregistration
	if !known {
		if removal {
			return Decision{Status: vocab.Refused, Unknown: true}
		}
		return Decision{Status: vocab.Accepted}
	}
	void := f.void(old)
	stands := f.unpack(vocab.Key{}, old)
	stands.Final = final
	switch {
	case v.digest == old.digest && old.marks&redacted != 0:
		return denied(redactedBytes())
	case v.digest == old.digest && void:
		return denied(voidBytes())
	case v.digest == old.digest:
		return Decision{Status: vocab.Unchanged, Stands: stands}
	case final && v.kind == vocab.KindDeregistration:
		return Decision{Status: vocab.Unchanged, Stands: stands}
	case final:
		return Decision{Status: vocab.Refused, Stands: stands, Final: true}
	case v.kind == vocab.KindDeregistration:
		return Decision{Status: vocab.Accepted} // final whatever its time
	case !later(v, old):
		return Decision{Status: vocab.Superseded, Stands: stands}
	case v.kind == vocab.KindWithdrawal:
		// Also where one stands: what was published between the two and comes
		// late must not stand again.
		return Decision{Status: vocab.Accepted}
	case v.kind == old.kind && v.content == old.content && !void:
		return Decision{Status: renewal(old, v), Stands: stands}
	}
	return Decision{Status: vocab.Accepted}
}

// renewal compares validities of the same content: shorter is a change, less
// than a tenth longer is nothing, longer is a renewal.
func renewal(old, v version) vocab.Status {
	switch {
	case old.expires == 0 && v.expires == 0:
		return vocab.Unchanged
	case old.expires == 0:
		return vocab.Accepted
	case v.expires == 0:
		return vocab.Renewed
	case v.expires < old.expires:
		return vocab.Accepted
	case v.expires-old.expires < (old.expires-old.created)/10:
		return vocab.Unchanged
	}
	return vocab.Renewed
}

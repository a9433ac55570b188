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
	staged  map[vocab.Key]version
	spaces  map[string]version // descriptors staged
	entries []Entry
}

// Begin starts a batch on the state as it stands.
func (r *Registry) Begin() *Batch {
	return &Batch{r: r, first: r.Position(), staged: map[vocab.Key]version{}, spaces: map[string]version{}}
}

// Decision is what becomes of a submission.
type Decision struct {
	Status vocab.Status
	// Stands is the version that stands in its place where the status is
	// unchanged or superseded. Where that is an entry of the same batch, its
	// ReceivedAt is not known yet.
	Stands Version
	// Unknown: a withdrawal or deregistration of what was never published here.
	Unknown bool
	// Final: the offering was deregistered; nothing can be published under its id.
	Final bool
}

// Logged reports whether the submission becomes an entry.
func (d Decision) Logged() bool {
	return !d.Unknown && !d.Final && (d.Status == vocab.Accepted || d.Status == vocab.Renewed)
}

// Decide says what becomes of f, and stages it if it becomes an entry.
func (b *Batch) Decide(f vocab.Fact, s *vocab.Space) Decision {
	// Its place if it becomes an entry: what follows in the batch points to it.
	v := pack(Entry{Index: b.first + uint64(len(b.entries)), Fact: f}, 0)
	var old version
	var known bool
	if f.Kind == vocab.KindSpace {
		old, known = b.descriptor(f.Space)
	} else {
		old, known = b.version(vocab.KeyOf(f.Space, f.ID))
	}
	d := decide(old, known, v)
	if d.Logged() {
		if f.Kind == vocab.KindSpace {
			b.spaces[f.Space] = v
		} else {
			b.staged[vocab.KeyOf(f.Space, f.ID)] = merge(old, v, known)
		}
		b.entries = append(b.entries, Entry{Fact: f, Space: s})
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

func (b *Batch) version(k vocab.Key) (version, bool) {
	if v, ok := b.staged[k]; ok {
		return v, true
	}
	b.r.mu.RLock()
	defer b.r.mu.RUnlock()
	v, ok := b.r.versions[k]
	return v, ok
}

func (b *Batch) descriptor(did string) (version, bool) {
	if v, ok := b.spaces[did]; ok {
		return v, true
	}
	b.r.mu.RLock()
	defer b.r.mu.RUnlock()
	n, ok := b.r.numbers[did]
	if !ok {
		return version{}, false
	}
	v := b.r.spaces[n].descriptor
	return v, v.created != 0
}

// decide is the rule of versions, renewals, withdrawals and deregistrations.
func decide(old version, known bool, v version) Decision {
	removal := v.kind == vocab.KindWithdrawal || v.kind == vocab.KindDeregistration
	if !known {
		if removal {
			return Decision{Status: vocab.Refused, Unknown: true}
		}
		return Decision{Status: vocab.Accepted}
	}
	stands := old.unpack()
	switch {
	case v.digest == old.digest:
		return Decision{Status: vocab.Unchanged, Stands: stands}
	case old.final && v.kind == vocab.KindDeregistration:
		return Decision{Status: vocab.Unchanged, Stands: stands}
	case old.final:
		return Decision{Status: vocab.Refused, Stands: stands, Final: true}
	case v.kind == vocab.KindDeregistration:
		return Decision{Status: vocab.Accepted} // final whatever its time
	case !later(v, old):
		return Decision{Status: vocab.Superseded, Stands: stands}
	case v.kind == vocab.KindWithdrawal:
		// Also where one stands: what was published between the two and comes
		// late must not stand again.
		return Decision{Status: vocab.Accepted}
	case v.kind == old.kind && v.content == old.content:
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

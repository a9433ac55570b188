package registry

import (
	"bytes"
	"time"

	"lianmu/vocab"
)

// Version is what stands under one (space, @id).
type Version struct {
	Position   uint64 // in the log
	First      uint64 // position of the first entry of all under this name
	Kind       vocab.EntryKind
	Created    time.Time
	Expires    time.Time // zero: never
	ReceivedAt time.Time
	Digest     vocab.Digest
	Content    vocab.Digest
	Final      bool // deregistered: nothing published later counts
	Void       bool // signed with a stolen key, or redacted: it only keeps its place, so that nothing older stands again
	Suspended  bool // its space is not admitted at present, or has no home here (see Union)
	// Log is the origin of the log that Position and First are of.
	Log string
}

// Published reports whether the version is an offering that stands; expiry and
// the space's standing are other questions (see Shown).
func (v Version) Published() bool { return v.Kind == vocab.KindOffering && !v.Final && !v.Void }

// Shown reports whether the version may be shown at the time now: published,
// its space admitted, and its proof not expired. Only this uses the present
// time; which version stands never does.
func (v Version) Shown(now time.Time) bool {
	return v.Published() && !v.Suspended && (v.Expires.IsZero() || now.Before(v.Expires))
}

// version is Version packed for a map of millions: times as UnixNano (0: none),
// its space by way of its signer. What it is worth is not in it, because that
// changes when a key turns out stolen: see fold.void and fold.final.
type version struct {
	position, first            uint64
	created, expires, received int64
	digest, content            vocab.Digest
	signer                     uint32
	kind                       vocab.EntryKind
	marks                      mark
}

type mark uint8

const (
	ended       mark = 1 << iota // an entry under this name ended it for good: see fold.endings
	redacted                     // its body is gone
	hubs                         // the hub's own, so no space's key can void it
	public                       // everybody could see it when it came
	publicFirst                  // everybody could see the first under this name: see fold.publicOf
	withheld                     // in place of an entry that not everybody may see: see vocab.Withholding
)

// ending is an entry that ended what stands under a name for good.
type ending struct {
	position uint64
	signer   uint32
	hubs     bool
	received int64
}

func pack(e Entry, signer uint32) version {
	v := version{
		position: e.Index, first: e.Index,
		created: nano(e.Fact.Created), expires: nano(e.Fact.Expires), received: nano(e.ReceivedAt),
		digest: e.Fact.Digest, content: e.Fact.Content,
		signer: signer, kind: e.Fact.Kind,
	}
	if v.kind == vocab.KindDeregistration {
		v.marks = ended
	}
	return v
}

// later orders versions by created, withdrawal before offering, digest. What
// stands in place of another has that one's place, and makes room for it.
func later(a, b version) bool {
	if a.created != b.created {
		return a.created > b.created
	}
	if x, y := rank(a), rank(b); x != y {
		return x > y
	}
	if c := bytes.Compare(a.digest[:], b.digest[:]); c != 0 {
		return c > 0
	}
	return b.marks&withheld != 0 && a.marks&withheld == 0
}

func rank(v version) int {
	switch {
	case v.kind == vocab.KindDeregistration:
		return 2
	case says(v.kind), v.marks&withheld != 0: // only what says something is withheld
		return 1
	}
	return 0
}

func nano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func instant(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

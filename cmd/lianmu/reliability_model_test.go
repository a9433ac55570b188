package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"
	"time"

	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// submission is a document that the test signed, and all receipts it got that
// were not "busy".
type submission struct {
	raw      []byte
	digest   vocab.Digest
	space    string // DID; "" where the bytes are no document
	id       string
	kind     vocab.EntryKind
	created  time.Time
	content  int // equal for equal content of one id
	receipts []vocab.Receipt
}

// stand is what stands under one (space, id) by the rule of the catalogue,
// written here a second time, as plainly as possible.
type stand struct {
	*submission
	at    uint64 // its position in the log
	final bool   // deregistered, whatever else came
}

func (s stand) shown() bool { return s.kind == vocab.KindOffering && !s.final }

// order is the order of versions: created, then a withdrawal before an
// offering, then the digest.
func order(a, b *submission) int {
	rank := map[vocab.EntryKind]int{vocab.KindWithdrawal: 0, vocab.KindOffering: 1, vocab.KindDeregistration: 2}
	return cmp.Or(a.created.Compare(b.created), cmp.Compare(rank[a.kind], rank[b.kind]), bytes.Compare(a.digest[:], b.digest[:]))
}

// model is the fold of a log, kept by the test.
type model struct {
	size    uint64
	at      map[vocab.Digest]uint64
	entries []*submission
	stands  map[[2]string]stand
}

// fold reads leaf records; every one must be of a known submission, and none
// of them twice.
func fold(t *testing.T, leaves []ledger.Leaf, known map[vocab.Digest]*submission) *model {
	t.Helper()
	m := &model{size: uint64(len(leaves)), at: map[vocab.Digest]uint64{}, stands: map[[2]string]stand{}}
	for i, leaf := range leaves {
		s := known[leaf.SHA256]
		if s == nil {
			t.Errorf("entry %d, %s %s, was never submitted", i, leaf.Kind, leaf.SHA256)
			continue
		}
		if at, twice := m.at[s.digest]; twice {
			t.Errorf("entries %d and %d are the same document", at, i)
		}
		if leaf.Kind != s.kind {
			t.Errorf("entry %d is of kind %s, submitted as %s", i, leaf.Kind, s.kind)
		}
		m.at[s.digest] = uint64(i)
		m.entries = append(m.entries, s)
		key := [2]string{s.space, s.id}
		old, known := m.stands[key]
		next := old
		if !known || order(s, old.submission) > 0 {
			next = stand{submission: s, at: uint64(i)}
		}
		next.final = old.final || s.kind == vocab.KindDeregistration
		m.stands[key] = next
	}
	return m
}

// digest is what every view must report: SHA-256 over the sorted lines
// "key digest" of all that is shown, where key is SHA-256 of space, zero, id.
func (m *model) digest() (vocab.Digest, int) {
	var lines []string
	for key, s := range m.stands {
		if s.shown() {
			k := sha256.Sum256([]byte(key[0] + "\x00" + key[1]))
			lines = append(lines, hex.EncodeToString(k[:])+" "+s.submission.digest.String()+"\n")
		}
	}
	slices.Sort(lines)
	h := sha256.New()
	for _, l := range lines {
		h.Write([]byte(l))
	}
	return vocab.Digest(h.Sum(nil)), len(lines)
}

// holds checks every receipt of every submission against the log.
func (m *model) holds(t *testing.T, subs []*submission) (acknowledged int) {
	t.Helper()
	wrong := 0
	fault := func(s *submission, r vocab.Receipt, format string, args ...any) {
		if wrong++; wrong <= 10 {
			t.Errorf("%s %s %s, receipt %s %v: %s", s.kind, s.id, s.digest.String()[:12], r.Status, r.Log, fmt.Sprintf(format, args...))
		}
	}
	for _, s := range subs {
		at, in := m.at[s.digest]
		for _, r := range s.receipts {
			if r.Digest != s.digest {
				fault(s, r, "it is for %s", r.Digest)
			}
			switch r.Status {
			case vocab.Accepted, vocab.Renewed:
				acknowledged++
				if !in || r.Log == nil || r.Log.Index != at {
					fault(s, r, "the log has it at %d (%v)", at, in)
				}
			case vocab.Unchanged, vocab.Superseded:
				acknowledged++
				m.instead(s, r, fault)
			case vocab.Refused:
				if len(r.Problems) == 0 {
					fault(s, r, "no reason is given")
				}
			default:
				fault(s, r, "no such status is final")
			}
		}
	}
	if wrong > 10 {
		t.Errorf("%d wrong receipts in all", wrong)
	}
	return acknowledged
}

// instead checks a receipt that points to what stands in a submission's place.
func (m *model) instead(s *submission, r vocab.Receipt, fault func(*submission, vocab.Receipt, string, ...any)) {
	if r.Log == nil || r.Log.Index >= m.size {
		fault(s, r, "it names no entry")
		return
	}
	other := m.entries[r.Log.Index]
	switch {
	case other.space != s.space || other.id != s.id:
		fault(s, r, "entry %d is about %s", r.Log.Index, other.id)
	case r.Status == vocab.Superseded && order(s, other) >= 0:
		fault(s, r, "entry %d is ordered no later", r.Log.Index)
	case r.Status == vocab.Unchanged && s.kind == vocab.KindOffering && other.content != s.content:
		fault(s, r, "entry %d has another content", r.Log.Index)
	}
}

// repeated is what a repetition of a logged submission must be answered.
func (m *model) repeated(s *submission, r vocab.Receipt) error {
	if s.kind == vocab.KindEpoch { // the hub's own; nobody else may submit one
		if r.Status != vocab.Refused || r.Problems[0].Code != "kind.reserved" {
			return fmt.Errorf("answered %s, only the hub itself may write it", r.Status)
		}
		return nil
	}
	v := m.stands[[2]string{s.space, s.id}]
	want := vocab.Superseded
	switch {
	case v.submission == s, v.final && s.kind == vocab.KindDeregistration:
		want = vocab.Unchanged
	case v.final:
		if r.Status != vocab.Refused || r.Problems[0].Code != "offering.deregistered" {
			return fmt.Errorf("answered %s, it was deregistered", r.Status)
		}
		return nil
	}
	if r.Status != want || r.Log == nil || r.Log.Index != v.at {
		return fmt.Errorf("answered %s %v, not %s %d", r.Status, r.Log, want, v.at)
	}
	return nil
}

// equals holds what the views of a hub report against the model.
func (m *model) equals(t *testing.T, n *node) {
	t.Helper()
	digest, shown := m.digest()
	states := n.views()
	if len(states) != 2 {
		t.Errorf("%d views", len(states))
	}
	for _, v := range states {
		if v.Position != m.size || v.Digest != digest || v.Offerings != shown {
			t.Errorf("view %+v, the model has %d offerings at %d, digest %s", v, shown, m.size, digest)
		}
	}
}

package exchange

import (
	"fmt"
	"testing"

	"lianmu/federation/identity/identitytest"
	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// keptPaper is a log with an entry of each kind that may be kept back by some, and by
// whom: nobody, the log's hub over a connection, or anybody.
func keptPaper(t *testing.T) (p *paper, kinds map[uint64]vocab.EntryKind) {
	p = newPaper(t)
	space := identitytest.Key(t)
	kinds = map[uint64]vocab.EntryKind{}
	note := func(k vocab.EntryKind, at uint64) { kinds[at] = k }
	note(vocab.KindOffering, p.say(space, vocab.KindOffering, m{"@type": "DataProduct", "@id": "https://space.example/a", "title": "甲"}))
	p.offer(space, 2)
	note(vocab.KindWithdrawal, p.say(space, vocab.KindWithdrawal, m{"@type": "Withdrawal", "@id": "https://space.example/a"}))
	note(vocab.KindDeregistration, p.say(space, vocab.KindDeregistration, m{"@type": "Deregistration", "@id": "https://space.example/1"}))
	note(vocab.KindSpace, p.say(space, vocab.KindSpace, m{"@type": "Space", "@id": space.DID(), "name": "空间"}))
	note(vocab.KindAct, p.say(p.hub, vocab.KindAct, m{"@type": "Suspension", "space": identitytest.Key(t).DID(), "by": "did:key:zOfficer", "reason": "x"}))
	note(vocab.KindRedaction, p.redact(2))
	return p, kinds
}

// Who says that a document is withheld is believed only where that may be so. Of
// whom it may not, the document is asked of others, missing where nobody has it, and
// filled in when it comes.
func TestWhoMayWithhold(t *testing.T) {
	for _, own := range []bool{false, true} {
		t.Run(fmt.Sprintf("own %v", own), func(t *testing.T) {
			p, kinds := keptPaper(t)
			for at, kind := range kinds {
				f := newWorld(t).follow(p, true)
				got := f.advance(t, withholds(p, at), own, p.last())
				_, state, _ := f.Log.At(at)
				want := ledger.Missing
				switch {
				case kind == vocab.KindOffering, own && kind != vocab.KindRedaction:
					want = ledger.Withheld
				}
				kept := uint64(0)
				if own && want == ledger.Missing {
					kept = 1
				}
				if state != want || got.KeptBack != kept {
					t.Errorf("a %s is %s, want %s; %d kept back against the rules", kind, state, want, got.KeptBack)
				}
				if n, err := f.MendAll(t.Context(), p, false); err != nil || n < 1 {
					t.Errorf("a %s: %d filled in, %v", kind, n, err)
				}
				if _, state, _ := f.Log.At(at); state != ledger.Held {
					t.Errorf("a %s that has come is %s", kind, state)
				}

				g := newWorld(t).follow(p, true)
				g.Others = func() []Source { return []Source{p} }
				g.advance(t, withholds(p, at), own, p.last())
				if _, state, _ := g.Log.At(at); state != ledger.Held && want == ledger.Missing {
					t.Errorf("a %s that another has is %s", kind, state)
				}
			}
		})
	}
}

// A bundle from which withdrawals were taken on the way leaves them missing, and the
// right one of the same size fills them in, however many they are.
func TestAlteredBundle(t *testing.T) {
	const n = 1100 // more than are listed or asked for at once
	w, p := newWorld(t), newPaper(t)
	space := identitytest.Key(t)
	p.offer(space, n)
	for i := range n {
		p.say(space, vocab.KindWithdrawal, m{"@type": "Withdrawal", "@id": fmt.Sprintf("https://space.example/%d", i)})
	}
	l := w.own(p, 2*n)
	q := *p
	q.vkey = l.VerifierKey()
	f := newWorld(t).follow(&q, true)
	take := func(mayRead func(ledger.Record) bool) (filled int) {
		t.Helper()
		b, err := openBundle(bundleOf(t, l, l.Checkpoint(), 0, mayRead))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Advance(t.Context(), b, true, b.Checkpoint()); err != nil {
			t.Fatal(err)
		}
		if filled, err = f.MendAll(t.Context(), b, true); err != nil {
			t.Fatal(err)
		}
		return filled
	}
	stand := func() int {
		s, _ := f.judge.Registry().Space(space.DID())
		return s.Offerings
	}
	altered := func(rec ledger.Record) bool { return rec.Leaf.Kind != vocab.KindWithdrawal }
	if filled := take(altered); filled != 0 || f.Log.Count(ledger.Missing) != n || stand() != n {
		t.Errorf("%d filled in, %d missing, %d stand", filled, f.Log.Count(ledger.Missing), stand())
	}
	report, err := ledger.Verify(t.Context(), f.Log.Source(), f.Log.VerifierKey(), nil, nil)
	if err != nil || report.Faults != n || report.Withheld != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	if filled := take(nil); filled != n || f.Log.Count(ledger.Missing) != 0 || stand() != 0 {
		t.Errorf("%d filled in, %d missing, %d stand", filled, f.Log.Count(ledger.Missing), stand())
	}
	if filled := take(nil); filled != 0 {
		t.Errorf("%d filled in once more", filled)
	}
}

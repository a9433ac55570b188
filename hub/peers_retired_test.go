package hub_test

import (
	"fmt"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// What a space takes down in another hub's log goes with the key that signed it:
// from its retirement at home on it counts nowhere. So somebody to whom the key
// leaked later gains nothing by a hub that says it received his withdrawal and
// deregistration before, neither at home nor at who mirrors both.
func TestStandRetiredKeyElsewhere(t *testing.T) {
	t.Parallel()
	a, c := settle(t, "甲", "0a"), settle(t, "丙", "0c")
	next := identitytest.Key(t)
	describe := func(signer *identity.Key, keys string, also ...identity.Signer) {
		t.Helper()
		doc := descriptor(a.key.DID(), "甲空间", fmt.Sprintf(`,"hub":%q,"key":%s`, a.info.DID, keys))
		if r := a.submit(identitytest.Sign(t, doc, signer, identity.SignOptions{Created: a.at.Next(time.Now())}, also...)); r.Status != vocab.Accepted {
			t.Fatalf("%+v", r)
		}
	}
	describe(a.key, fmt.Sprintf("[%q,%q]", a.key.DID(), next.DID()), next)
	first, _ := a.must(offering("x1", "甲的产品一"))
	second, _ := a.must(offering("x2", "甲的产品二"))
	befriend(t, a, c)
	c.finds(2, view.Question{})

	f := newForger(t)
	f.change(func() {
		f.tree.at = time.Now()
		f.tree.write(t, vocab.KindOffering, first) // so that what takes it down is for everybody
		f.tree.write(t, vocab.KindWithdrawal, a.sign(removal("Withdrawal", "x1")))
	})
	for _, w := range []*town{a, c} {
		w.add(f)
		w.finds(1, view.Question{})
	}
	before := a.at.Next(time.Now())
	describe(next, fmt.Sprintf("[%q]", next.DID()))
	for _, w := range []*town{a, c} {
		w.finds(2, view.Question{})
	}

	g := newForger(t)
	g.change(func() {
		g.tree.at, g.tree.signed = before.Add(-10*time.Second), time.Now()
		g.tree.write(t, vocab.KindOffering, first)
		g.tree.write(t, vocab.KindOffering, second)
		for _, id := range []string{"x1", "x2"} {
			for kind, name := range map[vocab.EntryKind]string{vocab.KindWithdrawal: "Withdrawal", vocab.KindDeregistration: "Deregistration"} {
				g.tree.write(t, kind, identitytest.Sign(t, removal(name, id), a.key, identity.SignOptions{Created: before}))
			}
		}
		g.tree.say(t, vocab.KindOffering, g.space, offering("y", "他自己的产品"))
	})
	for _, w := range []*town{a, c} {
		w.add(g)
		w.holds(g, g.tree.size())
		if l := w.mirrorOf(g); l.Faulty != 0 {
			t.Errorf("%d entries are faulty", l.Faulty)
		}
		w.finds(3, view.Question{})
	}
}

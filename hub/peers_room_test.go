package hub_test

import (
	"fmt"
	"slices"
	"testing"

	"lianmu/hub"
	"lianmu/hub/peering"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// A log that grows beyond what the mirrors of one peer may have stays where it is,
// with an event and a state, and so does what else that peer brings; other peers'
// logs go on. With a larger bound it goes on, and it can be removed for good.
func TestStandEndlessLog(t *testing.T) {
	t.Parallel()
	w := settle(t, "乙", "0b", func(c *hub.Config) { c.Peering.MaxEntries = 5 })
	heard := w.events()
	f, honest := newForger(t).offers("1", "2", "3", "4"), newForger(t).offers("a")
	w.add(f)
	w.add(honest)
	w.holds(f, 4)
	f.change(func() { // a document for none of them
		for i := range 3 {
			raw := f.tree.say(t, vocab.KindOffering, f.space, offering(fmt.Sprint("x", i), "产品"))
			f.tree.documents[vocab.DigestOf(raw)] = nil
		}
	})
	w.until("it is full", func() (string, bool) {
		l := w.mirrorOf(f)
		return fmt.Sprintf("%+v", l), l.State == peering.Full && l.Size == 4 && l.Lag == 3 && l.Error != nil && l.Error.Problem[0].Code == "peer.entries"
	})
	honest.offers("b", "c")
	w.holds(honest, 3)
	w.finds(4+3, view.Question{})
	if got := heard(f.origin); !slices.Equal(got, []string{"full"}) {
		t.Errorf("watchers heard %v", got)
	}
	if l := w.mirrorOf(f); l.Size != 4 {
		t.Errorf("it goes on: %+v", l)
	}

	w.stop()
	w.config.Peering.MaxEntries = 8
	w.running = start(t, w.config)
	w.holds(f, 7)
	if l := w.mirrorOf(f); l.State != peering.Current || l.Withheld != 3 {
		t.Errorf("with more room: %+v", l)
	}
	if err := w.peers().Remove(t.Context(), security, f.key.DID(), true); err != nil {
		t.Fatal(err)
	}
	w.finds(3, view.Question{})
}

package hub_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"lianmu/federation/exchange"
	"lianmu/hub/peering"
	"lianmu/hub/view"
)

// relaying is a relay that has a forger's log under a card of that forger.
func relaying(t *testing.T, f *forger, card []byte) *forger {
	t.Helper()
	r := newForger(t)
	r.change(func() { r.tree = f.tree })
	r.relays(f, card)
	return r
}

// older is a card of when it took nobody whom it had not admitted.
func older(f *forger) []byte {
	return f.said(time.Now().Add(-time.Hour), map[string]any{"open": false})
}

// heeded relays until w has a forger's log: it offers its news once, and a mirror
// may be about to open.
func (f *forger) heeded(w *town, of *forger, size uint64, card []byte) {
	w.t.Helper()
	w.until("what is relayed is here", func() (string, bool) {
		f.relays(of, card)
		l := w.mirrorOf(of)
		return fmt.Sprintf("%+v", l), l.Size == size && l.Lag == 0
	})
}

func (f *forger) relays(of *forger, card []byte) {
	f.change(func() {
		f.extra = []offered{{Card: string(card), Checkpoint: string(checkpoint(f.t, of.origin, of.signer, f.tree))}}
	})
}

// Whom a log took is said by the newest of its cards, whoever serves which: a
// relay that still has one of when its hub took nobody makes a mirror refuse
// nothing for good.
func TestStandOlderCard(t *testing.T) {
	t.Parallel()
	t.Run("of a hub that was approved with a newer one", func(t *testing.T) {
		t.Parallel()
		f := newForger(t).offers("1", "2")
		r := relaying(t, f, older(f))
		f.ill[string(exchange.AskLogs)] = silent
		w := settle(t, "甲", "0a")
		w.add(f)
		w.add(r, peering.Terms{Relays: true})
		r.heeded(w, f, 2, older(f))
		if l := w.mirrorOf(f); l.Faulty > 0 {
			t.Errorf("%+v", l)
		}
		w.finds(2, view.Question{})
	})
	t.Run("until a file brings a newer one", func(t *testing.T) {
		t.Parallel()
		f := newForger(t).offers("1", "2")
		file, w := settle(t, "丙", "0c"), settle(t, "丁", "0d")
		file.add(f)
		file.holds(f, 2)
		var bundle bytes.Buffer
		if err := file.peers().Export(t.Context(), security, &bundle, f.origin, 0); err != nil {
			t.Fatal(err)
		}
		f.change(func() { f.ill[string(exchange.AskLogs)] = silent })
		newer := f.card
		f.card = older(f)
		w.add(f)
		f.card = newer
		r := relaying(t, f, older(f))
		w.add(r, peering.Terms{Relays: true})
		r.heeded(w, f, 2, older(f))
		if l := w.mirrorOf(f); l.Faulty != 2 {
			t.Errorf("%+v", l)
		}
		for range 2 { // repeating is harmless
			if _, err := w.peers().Import(t.Context(), security, bytes.NewReader(bundle.Bytes())); err != nil {
				t.Fatal(err)
			}
			if l := w.mirrorOf(f); l.Faulty != 0 || l.Size != 2 {
				t.Errorf("%+v", l)
			}
		}
	})
	t.Run("before a newer one is known here", func(t *testing.T) {
		t.Parallel()
		f := newForger(t).offers("1", "2")
		r := relaying(t, f, older(f))
		w := settle(t, "乙", "0b")
		w.add(r, peering.Terms{Relays: true})
		r.heeded(w, f, 2, older(f))
		if l := w.mirrorOf(f); l.Faulty != 2 {
			t.Errorf("%+v", l)
		}
		f.offers("3")
		r.heeded(w, f, 3, f.says(nil))
		w.until("what was refused stands", func() (string, bool) {
			l := w.mirrorOf(f)
			return fmt.Sprintf("%+v", l), l.Faulty == 0
		})
		w.finds(3, view.Question{})
	})
}

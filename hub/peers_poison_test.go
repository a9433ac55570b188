package hub_test

import (
	"fmt"
	"strings"
	"testing"

	"lianmu/federation/identity/identitytest"
	"lianmu/hub/peering"
	"lianmu/hub/view"
)

// A hostile hub signs two large cards with different keys for one log. That stops
// its log where it is mirrored, and nothing else: what that hub has goes on to its
// peers, and they have nothing to complain about.
func TestStandCardsThatContradict(t *testing.T) {
	t.Parallel()
	b, c := settle(t, "乙", "0b"), settle(t, "丙", "0c")
	befriend(t, b, c)
	b.publish("b1")
	c.finds(1, view.Question{})
	f := newForger(t)
	large := []string{f.server.URL}
	for i := range 7 {
		large = append(large, fmt.Sprintf("http://127.0.0.1:1/%d", i)+strings.Repeat("x", 470))
	}
	f.card = f.says(map[string]any{"address": large})
	f.offers("1", "2")
	b.add(f)
	b.finds(3, view.Question{})
	f.change(func() {
		signer, vkey := logKey(t, f.origin, identitytest.Key(t))
		f.signer, f.card = signer, f.says(map[string]any{"verifierKey": vkey, "address": large})
	})
	f.offers("3")
	b.until("it is stopped", func() (string, bool) {
		l := b.mirrorOf(f)
		return fmt.Sprintf("%+v", l), l.State == peering.Stopped && len(l.Evidence) == 2
	})
	b.publish("b2")
	c.finds(2, view.Question{})
	c.until("c has nothing to complain about", func() (string, bool) {
		info, err := c.peers().Detail(t.Context(), security, b.info.DID)
		if err != nil {
			return err.Error(), false
		}
		return fmt.Sprintf("%+v", info.Link), info.Link.Connected && info.Link.Error == nil
	})
}

package hub_test

import (
	"fmt"
	"testing"

	"lianmu/hub/peering"
	"lianmu/hub/view"
)

// link is how the connection to another hub is.
func (w *town) link(other *town) *peering.Link {
	w.t.Helper()
	p, err := w.peers().Detail(w.t.Context(), security, other.info.DID)
	if err != nil {
		w.t.Fatal(err)
	}
	return p.Link
}

// What nobody can tell is not told as nothing: how far a log has gone on while its
// hub does not answer. And what was wrong is told as over once it works again.
func TestPeerThatComesBack(t *testing.T) {
	t.Parallel()
	a, b := settle(t, "甲", "0a"), settle(t, "乙", "0b")
	a.publish("a1")
	befriend(t, a, b)
	b.finds(1, view.Question{})
	if l := b.logOf(a); !l.LagKnown || l.Lag != 0 {
		t.Errorf("connected: %+v", l)
	}
	a.close()
	b.until("nobody can tell how far the log is", func() (string, bool) {
		l, p := b.logOf(a), b.link(a)
		return fmt.Sprintf("%+v %+v", l, p), !l.LagKnown && !p.Connected && p.Error != nil && !p.Error.Over
	})
	a.open(t)
	b.until("what was wrong is over", func() (string, bool) {
		l, p := b.logOf(a), b.link(a)
		return fmt.Sprintf("%+v %+v", l, p), l.LagKnown && p.Connected && p.Error != nil && p.Error.Over
	})
}

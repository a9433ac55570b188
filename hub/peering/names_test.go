package peering

import (
	"strings"
	"testing"

	"lianmu/vocab"
)

func TestNamed(t *testing.T) {
	peer := func(did, name string, s State) PeerInfo {
		return PeerInfo{Peer: Peer{DID: did, State: s}, About: &vocab.LogCard{Name: vocab.Text{"zh": name, "en": name + " hub"}}}
	}
	log := func(hub, name string) LogInfo {
		return LogInfo{Mirror: Mirror{Hub: hub}, Name: vocab.Text{"zh": name}}
	}
	peers := []PeerInfo{
		peer("a", "省", Approved), peer("b", "省", Waiting), peer("c", "市", Paused), peer("d", "市", Waiting),
		peer("e", "县", Approved), peer("f", "县", Approved), {Peer: Peer{DID: "g", State: Blocked}},
	}
	logs := []LogInfo{log("a", "省"), log("c", "港"), log("x", "旧"), log("x", "旧"), log("y", "省")}
	for _, row := range []struct{ name, did, code, lists string }{
		{"省", "a", "", ""}, // a waiting hub, and a kept log, with its name
		{"省 HUB", "a", "", ""},
		{"旧", "x", "", ""}, // removed, its logs kept
		{"市", "", "peer.ambiguous", "c (paused)  d (waiting)"},
		{"县", "", "peer.ambiguous", "e (approved)  f (approved)"},
		{"港", "", "peer.unknown", ""}, // a peer is called as its card says
		{"", "", "peer.unknown", ""},
	} {
		did, err := Named(peers, logs, row.name)
		var ps vocab.Problems
		if err != nil {
			ps = vocab.ProblemsOf(err, "other")
		}
		if did != row.did || (len(ps) > 0) != (row.code != "") || row.code != "" && (ps[0].Code != row.code || !strings.Contains(ps[0].Message["zh"], row.lists)) {
			t.Errorf("%q: %q, %v", row.name, did, err)
		}
	}
}

// Every state and every event has a name for people in both languages.
func TestLabels(t *testing.T) {
	labels := map[string]vocab.Text{}
	for _, s := range []State{Waiting, Approved, Paused, Blocked} {
		labels["peer "+string(s)] = s.Label()
	}
	for _, s := range []LogState{Current, Ageing, Stale, Stopped, OnHold, Offered, Ended, purging} {
		labels["log "+string(s)] = s.Label()
	}
	for what, label := range eventLabels {
		labels["event "+what] = label
	}
	for name, label := range labels {
		if label["zh"] == "" || label["en"] == "" {
			t.Errorf("%s: %v", name, label)
		}
	}
}

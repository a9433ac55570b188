package hub_test

import (
	"strings"
	"testing"

	"lianmu/hub/peering"
	"lianmu/vocab"
)

// Whoever is shown a card before approving its hub is told that the name is this
// hub's or a known one's, however it is dressed up, and what in it does not show.
func TestStandNamesThatMislead(t *testing.T) {
	t.Parallel()
	b, known := settle(t, "乙节点", "0b"), newForger(t)
	known.card = known.says(map[string]any{"name": vocab.Text{"zh": "丙节点", "en": "Hub C"}})
	b.add(known)
	for _, row := range []struct {
		name  vocab.Text
		notes string // codes
		names string // in one of the notes
	}{
		{vocab.Text{"zh": "丁节点", "en": "Hub D"}, "", ""},
		{vocab.Text{"zh": "乙节点"}, "peer.namesake", "本节点"},
		{vocab.Text{"zh": "乙 节點"}, "peer.namesake", "本节点"},
		{vocab.Text{"zh": "乙\u200d节点"}, "peer.namesake peer.letters", "U+200D"},
		{vocab.Text{"en": "hub-c"}, "peer.namesake", known.key.DID()},
		{vocab.Text{"zh": "丙\u3164节点"}, "peer.namesake peer.letters", known.key.DID()},
		{vocab.Text{"zh": "丁" + strings.Repeat("\u0301", 50)}, "peer.letters", "U+0301"},
		{vocab.Text{"en": "Hub \u0421"}, "peer.letters", "U+0421"},
	} {
		f := newForger(t)
		preview, err := b.peers().Preview(t.Context(), security, f.says(map[string]any{"name": row.name}))
		if err != nil {
			t.Errorf("%q: %v", row.name, err)
			continue
		}
		var codes, said []string
		for _, n := range preview.Notes {
			if n.Code == "peer.namesake" || n.Code == "peer.letters" {
				codes, said = append(codes, n.Code), append(said, n.Message["zh"])
			}
		}
		if got := strings.Join(codes, " "); got != row.notes || !strings.Contains(strings.Join(said, ""), row.names) {
			t.Errorf("%q: %s, %v", row.name, got, said)
		}
	}
	// A hub's own next card, and the known one's, are nobody else's.
	for _, card := range [][]byte{b.peers().Card(), known.card} {
		preview, err := b.peers().Preview(t.Context(), security, card)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range preview.Notes {
			if n.Code == "peer.namesake" {
				t.Errorf("%+v", n)
			}
		}
	}
	for name, text := range map[string]string{"reversed": "甲\u202e方", "escape": "甲\u001b[2J方"} {
		if _, err := b.peers().Add(t.Context(), security, peering.Invite{Card: newForger(t).says(map[string]any{"name": vocab.Text{"zh": text}})}, peering.Terms{}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

package peering

import (
	"fmt"
	"slices"
	"strings"

	"lianmu/vocab"
	"lianmu/vocab/shape"
)

const mostOdd = 8 // characters that one note names

// misleading says by what a hub's name could be taken for another's: it is the name
// of this hub or of one that is known here, or has characters that look like others
// or like nothing. Both are told, not refused: two cities may have hubs of one name.
func (p *Peers) misleading(card *Card) (ps vocab.Problems) {
	names := map[string]bool{}
	for _, lang := range card.Name.Languages() {
		if plain := shape.PlainName(card.Name[lang]); plain != "" {
			names[plain] = true
		}
	}
	same := func(name vocab.Text) string {
		for _, lang := range name.Languages() {
			if names[shape.PlainName(name[lang])] {
				return name[lang]
			}
		}
		return ""
	}
	if name := same(p.own.Load().Name); name != "" && card.Hub != p.did() {
		ps = append(ps, vocab.NewProblem("", "peer.namesake", "对方与本节点同名（“%[1]s”），但不是同一个节点。",
			"The hub has this hub's name (“%[1]s”) and is another.", name))
	}
	told := map[string]bool{card.Hub: true, p.did(): true}
	known := func(did string, name vocab.Text) {
		if name := same(name); name != "" && !told[did] && len(told) < mostOdd {
			told[did] = true
			ps = append(ps, vocab.NewProblem("", "peer.namesake", "对方与节点 %[2]s 同名（“%[1]s”），但不是同一个节点：请核对 DID 和指纹。",
				"The hub has the name (“%[1]s”) of %[2]s and is another: compare DID and words.", name, did))
		}
	}
	for _, peer := range p.store.allPeers() {
		if about := p.about(peer.Card); about != nil {
			known(peer.DID, about.Name)
		}
	}
	for _, log := range p.logs("") {
		known(log.Hub, log.Name)
	}
	var odd []string
	for _, lang := range card.Name.Languages() {
		for _, r := range shape.OddLetters(card.Name[lang]) {
			if text := fmt.Sprintf("U+%04X", r); len(odd) < mostOdd && !slices.Contains(odd, text) {
				odd = append(odd, text)
			}
		}
	}
	if len(odd) > 0 {
		ps = append(ps, vocab.NewProblem("", "peer.letters", "对方名称中有看不见、或形似其他文字的字符（%[1]s），看上去可能与别的名称一样：请核对 DID 和指纹。",
			"The hub's name has characters that show nothing or look like others (%[1]s), so it may look like another name: compare DID and words.", strings.Join(odd, " ")))
	}
	return ps
}

package web

import (
	"slices"

	"lianmu/hub/peering"
	"lianmu/hub/view"
	"lianmu/vocab"
	"lianmu/vocab/shape"
)

// namesakes has of each name, as the eye takes it, who bears it: hubs name
// themselves as they like.
type namesakes map[string][]string

func (n namesakes) add(who string, name vocab.Text) {
	for _, text := range name {
		if p := shape.PlainName(text); p != "" && !slices.Contains(n[p], who) {
			n[p] = append(n[p], who)
		}
	}
}

// shared reports whether others bear a name too, in any language.
func (n namesakes) shared(who string, name vocab.Text) bool {
	for _, text := range name {
		if list := n[shape.PlainName(text)]; len(list) > 1 || len(list) == 1 && list[0] != who {
			return true
		}
	}
	return false
}

// of lists them.
func (n namesakes) of(who string, name vocab.Text) (others []string) {
	for _, text := range name {
		for _, other := range n[shape.PlainName(text)] {
			if other != who && !slices.Contains(others, other) {
				others = append(others, other)
			}
		}
	}
	slices.Sort(others)
	return others
}

// called is a hub or a log as it names itself, else by its identifier; where others
// bear the name too, with the end of that, of n characters.
func (t *tongue) called(id string, name vocab.Text, among namesakes, n int) phrase {
	p := t.named(id, name)
	if among.shared(id, name) {
		p.Tail = tail(id, n)
	}
	return p
}

func tail(id string, n int) string {
	r := []rune(id)
	return string(r[max(len(r)-n, 0):])
}

// How much of an identifier tells those of one name apart.
const (
	hubTail = 8  // of a DID
	logTail = 10 // of an origin, which ends in its epoch
)

// logNames are what logs are called, by origin.
func (t *tongue) logNames(logs []view.Coverage) map[string]phrase {
	among, out := namesakes{}, make(map[string]phrase, len(logs))
	if len(logs) > 1 {
		for _, l := range logs {
			among.add(l.Hub, l.Name)
		}
	}
	for _, l := range logs {
		out[l.Hub] = t.called(l.Hub, l.Name, among, logTail)
	}
	return out
}

// hubs are all that officers know of: peers, those whose logs are held, and this
// one.
type hubs struct {
	own   string // DID
	peers []peering.PeerInfo
	logs  []peering.LogInfo
	names map[string]vocab.Text // by DID
	among namesakes
}

// hubs reads them, beside the logs that the catalogue has, the own one first.
func (s *Site) hubs(q *request, held []view.Coverage) (*hubs, error) {
	h := &hubs{own: s.config.HubDID, names: map[string]vocab.Text{}, among: namesakes{}}
	var err error
	if h.peers, err = s.config.Peers.List(q.Context(), q.who); err == nil {
		h.logs, err = s.config.Peers.Logs(q.Context(), q.who)
	}
	if err != nil {
		return nil, err
	}
	if len(held) > 0 {
		h.learn(h.own, held[0].Name)
	}
	for _, p := range h.peers {
		if p.About != nil {
			h.learn(p.DID, p.About.Name)
		}
		if p.Says != nil {
			h.among.add(p.DID, p.Says.Name)
		}
	}
	for _, l := range h.logs { // of hubs that are no peers, or whose card was not seen
		h.learn(l.Hub, l.Name)
	}
	return h, nil
}

// peer is one of them; nil where it is none.
func (h *hubs) peer(did string) *peering.PeerInfo {
	i := slices.IndexFunc(h.peers, func(p peering.PeerInfo) bool { return p.DID == did })
	if i < 0 {
		return nil
	}
	return &h.peers[i]
}

// learn notes what a hub is called; what was learnt first stays its name.
func (h *hubs) learn(did string, name vocab.Text) {
	if len(h.names[did]) == 0 {
		h.names[did] = name
	}
	h.among.add(did, name)
}

// name is what a hub is called on the pages for officers.
func (h *hubs) name(t *tongue, did string) phrase {
	return t.called(did, h.names[did], h.among, hubTail)
}

// namesake is another hub of the same name.
type namesake struct {
	Name   phrase
	URL    string // "" of this hub
	Phrase string // fingerprint in the reader's language
	State  string // as a peering.State; "" of this hub and of one that is no peer
}

// alike are hubs of one name.
type alike struct {
	List []namesake // at most namesakesShown
	More int        // that are not listed
}

const namesakesShown = 10

// namesakes are the hubs for which one of this name could be taken: first this hub,
// then those that an officer decided about.
func (h *hubs) namesakes(t *tongue, did string, name vocab.Text) (out alike) {
	others := h.among.of(did, name)
	rank := func(did string) int {
		p := h.peer(did)
		switch {
		case did == h.own:
			return 0
		case p != nil && p.State != peering.Waiting:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(others, func(a, b string) int { return rank(a) - rank(b) })
	for _, other := range others[:min(len(others), namesakesShown)] {
		n := namesake{Name: t.named(other, h.names[other]), Phrase: t.fingerprint(other)}
		n.Name.Tail = tail(other, hubTail)
		if other != h.own {
			n.URL = peerURL(other)
		}
		if p := h.peer(other); p != nil {
			n.State = string(p.State)
		}
		out.List = append(out.List, n)
	}
	out.More = len(others) - len(out.List)
	return out
}

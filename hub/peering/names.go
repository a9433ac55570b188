package peering

import (
	"fmt"
	"slices"
	"strings"

	"lianmu/vocab"
)

// Named finds the DID of the hub that somebody means by a name, in any language it
// is written in: of a peer, or of a hub whose log is here though it is no peer
// (any more). Where several are called so it is the one of them that is approved;
// whoever waits may call itself what it likes. Errors are vocab.Problems:
// peer.unknown; peer.ambiguous, which lists whom it could be.
func Named(peers []PeerInfo, logs []LogInfo, name string) (string, error) {
	called := func(text vocab.Text) bool {
		return slices.ContainsFunc(text.Languages(), func(l string) bool { return strings.EqualFold(text[l], name) })
	}
	var found, approved, list []string
	known := map[string]bool{}
	for _, p := range peers {
		known[p.DID] = true
		if p.About == nil || !called(p.About.Name) {
			continue
		}
		found, list = append(found, p.DID), append(list, fmt.Sprintf("%s (%s)", p.DID, p.State))
		if p.State == Approved {
			approved = append(approved, p.DID)
		}
	}
	for _, l := range logs {
		if !known[l.Hub] && called(l.Name) {
			known[l.Hub] = true
			found, list = append(found, l.Hub), append(list, l.Hub)
		}
	}
	switch {
	case len(approved) == 1:
		return approved[0], nil
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return "", unknown(name)
	}
	return "", vocab.Problems{vocab.NewProblem("", "peer.ambiguous",
		"名为“%[1]s”的节点不止一个，请写 DID：%[2]s", "several hubs are called %[1]q, give the DID: %[2]s", clip(name), strings.Join(list, "  "))}
}

package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"lianmu/hub/access"
	"lianmu/hub/peering"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// maxCardBody is the most bytes of a body that holds another hub's card.
const maxCardBody = peering.MaxCard + 8<<10

// maxOrigin is the most bytes of a log's name.
const maxOrigin = 200

// questionPath is where other hubs ask; Config.Questions answers, and bounds who
// asks how often by itself.
const questionPath = "/api/v1/peer/"

// hubCard answers with this hub's signed log card: what another hub needs to be
// its peer.
func (a *api) hubCard(w http.ResponseWriter, r *http.Request) error {
	if err := readParams(r).end(); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/ld+json")
	w.Header().Set("Cache-Control", "no-cache")
	write(w, http.StatusOK, a.Peers.Card())
	return nil
}

// exchanged answers GET /api/v1/peers: for everybody what searches rest on, for
// officers with whom logs are exchanged too. No list is longer than some hundreds.
type exchanged struct {
	Coverage []view.Coverage    `json:"coverage"`       // of each log shown, the own one first
	Items    []peering.PeerInfo `json:"items,omitzero"` // peers, for officers: absent for others
	// Others are mirrored logs of hubs that are no peers: relayed, or kept.
	Others []peering.LogInfo `json:"others,omitempty"`
	// RedactedBy tells how many redactions of the own log each peer has carried out.
	RedactedBy map[string]int `json:"redacted_by,omitempty"`
}

func (a *api) peers(w http.ResponseWriter, r *http.Request) error {
	if err := readParams(r).end(); err != nil {
		return err
	}
	who, err := a.Guard.Who(r)
	if err != nil {
		return err
	}
	out := exchanged{Coverage: a.Catalog.Coverage()}
	if !who.May(access.PeerRead) {
		return answer(w, http.StatusOK, out)
	}
	if out.Items, err = a.Peers.List(r.Context(), who); err != nil {
		return err
	}
	logs, err := a.Peers.Logs(r.Context(), who)
	if err != nil {
		return err
	}
	if out.RedactedBy, err = a.Peers.RedactedBy(r.Context(), who); err != nil {
		return err
	}
	known := map[string]bool{}
	for i := range out.Items {
		known[out.Items[i].DID] = true
		brief(out.Items[i].Logs)
	}
	brief(logs)
	for _, l := range logs {
		if !known[l.Hub] {
			out.Others = append(out.Others, l)
		}
	}
	return answer(w, http.StatusOK, out)
}

// brief leaves out what GET /api/v1/peers/{did} tells of one.
func brief(logs []peering.LogInfo) {
	for i := range logs {
		logs[i].Card, logs[i].Evidence = nil, nil
	}
}

// peerDetail is a peer with what does not stand of its logs, by log.
type peerDetail struct {
	peering.PeerInfo
	Faults map[string][]peering.Fault `json:"faults,omitempty"`
}

func (a *api) peer(w http.ResponseWriter, r *http.Request) error {
	did, who, err := a.peerNamed(r)
	if err != nil {
		return err
	}
	info, err := a.Peers.Detail(r.Context(), who, did)
	var ps vocab.Problems
	if errors.As(err, &ps) && ps[0].Code == "peer.unknown" {
		info, err = a.keptOf(r.Context(), who, did, err)
	}
	if err != nil {
		return err
	}
	out := peerDetail{PeerInfo: info, Faults: map[string][]peering.Fault{}}
	for _, l := range info.Logs {
		if l.Faulty == 0 {
			continue
		}
		if out.Faults[l.Origin], err = a.Peers.Faults(r.Context(), who, l.Origin); err != nil {
			return err
		}
	}
	return answer(w, http.StatusOK, out)
}

// keptOf is what is held of a hub that is no peer; unknown is the answer where that
// is nothing.
func (a *api) keptOf(ctx context.Context, who access.Who, did string, unknown error) (peering.PeerInfo, error) {
	info := peering.PeerInfo{Peer: peering.Peer{DID: did, State: peering.NoPeer}, Words: peering.Fingerprint(did)}
	logs, err := a.Peers.Logs(ctx, who)
	if err != nil {
		return info, err
	}
	for _, l := range logs {
		if l.Hub == did {
			info.Logs = append(info.Logs, l)
		}
	}
	if len(info.Logs) == 0 {
		return info, unknown
	}
	return info, nil
}

// peerNamed reads who asks, and the DID in the path.
func (a *api) peerNamed(r *http.Request) (string, access.Who, error) {
	did, err := a.didAlone(r)
	if err != nil {
		return "", access.Who{}, err
	}
	who, err := a.Guard.Who(r)
	return did, who, err
}

// shown is another hub as an officer names it: by its card, by an address where it
// answers, or by both, where the card was had from there.
type shown struct {
	Card json.RawMessage `json:"card,omitempty"`
	URL  string          `json:"url,omitempty"`
}

func (s shown) check() error {
	if len(s.Card) == 0 && s.URL == "" {
		return vocab.Problems{vocab.NewProblem("", "request.missing",
			"请给出对方节点的名片（card）或地址（url）。", "give the other hub's card, or its address as url")}
	}
	return nil
}

// preview is what would leave, with the card that it was worked out from: whoever
// adds the hub afterwards sends that.
type preview struct {
	*peering.Preview
	Card json.RawMessage `json:"card"`
}

func (a *api) previewPeer(w http.ResponseWriter, r *http.Request) error {
	var ask shown
	who, err := a.askedOfPeers(w, r, &ask, `{"card":{…}} / {"url":"https://hub.example"}`)
	if err == nil {
		err = ask.check()
	}
	if err != nil {
		return err
	}
	card := []byte(ask.Card)
	if len(card) == 0 {
		if card, err = a.Peers.Discover(r.Context(), who, ask.URL); err != nil {
			return err
		}
	}
	found, err := a.Peers.Preview(r.Context(), who, card)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, preview{found, card})
}

func (a *api) addPeer(w http.ResponseWriter, r *http.Request) error {
	var ask struct {
		shown
		peering.Terms
	}
	who, err := a.askedOfPeers(w, r, &ask, `{"card":{…},"outbound":"…","important":"…","relays":false,"note":"…"}`)
	if err == nil {
		err = ask.check()
	}
	if err != nil {
		return err
	}
	info, err := a.Peers.Add(r.Context(), who, peering.Invite{Card: ask.Card, URL: ask.URL}, ask.Terms)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/api/v1/peers/"+info.DID)
	return answer(w, http.StatusCreated, info)
}

func (a *api) approvePeer(w http.ResponseWriter, r *http.Request) error {
	did, err := pathValue(r, "did", maxID)
	if err != nil {
		return err
	}
	var terms peering.Terms
	who, err := a.askedOfPeers(w, r, &terms, `{"outbound":"…","important":"…","relays":false,"note":"…"}`)
	if err != nil {
		return err
	}
	info, err := a.Peers.Approve(r.Context(), who, did, terms)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, info)
}

// decidePeer is an act about a peer that needs no more than its name.
func (a *api) decidePeer(act func(ctx context.Context, who access.Who, did string) error) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		did, who, err := a.peerNamed(r)
		if err != nil {
			return err
		}
		if err := act(r.Context(), who, did); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

func (a *api) removePeer(w http.ResponseWriter, r *http.Request) error {
	did, err := pathValue(r, "did", maxID)
	if err != nil {
		return err
	}
	var ask struct {
		Purge *bool `json:"purge"`
	}
	who, err := a.askedOfPeers(w, r, &ask, `{"purge":false}`)
	if err != nil {
		return err
	}
	if ask.Purge == nil { // what is thrown away is gone: not by leaving something out
		return vocab.Problems{vocab.NewProblem("/purge", "request.missing",
			"请写明 purge：true 为一并清除镜像的账本，false 为保留。", "say purge: true throws the mirrored logs away, false keeps them")}
	}
	if err := a.Peers.Remove(r.Context(), who, did, *ask.Purge); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// acceptLog has a log of a hub mirrored: a new epoch, or one that was stopped.
func (a *api) acceptLog(w http.ResponseWriter, r *http.Request) error {
	did, err := pathValue(r, "did", maxID)
	if err != nil {
		return err
	}
	var ask struct {
		Origin string `json:"origin"`
	}
	who, err := a.askedOfPeers(w, r, &ask, `{"origin":"lianmu/z6Mk…/2"}`)
	if err != nil {
		return err
	}
	if len(ask.Origin) > maxOrigin || vocab.HubOf(ask.Origin) != did {
		return vocab.Problems{vocab.NewProblem("/origin", "request.value",
			"origin 应是该节点的账本名称，形如 lianmu/z6Mk…/2。", "origin is the name of a log of this hub, such as lianmu/z6Mk…/2")}
	}
	if err := a.Peers.Accept(r.Context(), who, ask.Origin); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// askedOfPeers reads a body that takes no parameters beside it.
func (a *api) askedOfPeers(w http.ResponseWriter, r *http.Request, ask any, shape string) (access.Who, error) {
	if err := readParams(r).end(); err != nil {
		return access.Who{}, err
	}
	who, err := a.Guard.Who(r)
	if err != nil {
		return who, err
	}
	return who, readJSON(w, r, maxCardBody, ask, shape)
}

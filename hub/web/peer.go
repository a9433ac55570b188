package web

import (
	"net/http"
	"reflect"
	"slices"

	"lianmu/hub/access"
	"lianmu/hub/peering"
)

// peerLink leads to the page on which an officer decides.
type peerLink struct{ Verb, URL string }

// peerLog is a mirrored log in full.
type peerLog struct {
	peering.LogInfo
	Lag    string // "" where nobody can tell
	Age    string
	Source phrase // the hub that it was last copied from
	Why    string // why it was stopped
	Notes  []string
	Faults []peering.Fault
	Fault  *mishap // the last of copying
	Copied bool    // what is new comes here
	Accept string  // link to accept it; "" where there is nothing to accept
}

// peerBody is the page of one hub.
type peerBody struct {
	peerRow
	Known     bool // it is a peer; else only logs of it are here
	Namesakes alike
	SaysAlike alike // of the name on its new card, where that is another
	Logs      []peerLog
	LinkFault *mishap
	Undone    int // of our redactions: it has carried out that many
	Said      bool
	Preview   *peering.Preview // what would leave to it, where that was asked for
	Look      string           // link to the preview
	Lines     []string         // why there is no preview
	Take      string           // the new card, for whom may take it; "" where approving takes it
	Done      string           // what was just done
	Acts      []peerLink
}

// peer shows one hub with all that is held of it. The preview needs its card.
func (s *Site) peer(q *request) {
	if !s.need(q, access.PeerRead) {
		return
	}
	did := q.args.Get("did")
	b, ok := s.peerBody(q, did)
	if !ok {
		return
	}
	if v := q.args.Get("done"); q.who.May(access.PeerManage) && slices.Contains(peerVerbs, v) {
		b.Done = v
	}
	if b.Known && q.args.Get("preview") != "" {
		var err error
		if b.Preview, err = s.config.Peers.Preview(q.Context(), q.who, b.Card); err != nil {
			if b.Lines = q.t.lines(err); len(b.Lines) == 0 {
				s.refuse(q, err, access.PeerRead)
				return
			}
		}
	}
	if q.who.May(access.PeerManage) {
		b.Acts = peerActs(b)
		if b.State == peering.Approved {
			b.Take = string(b.Newer)
		}
	}
	s.render(q, http.StatusOK, "peer", page{Title: b.Name.String(), Body: b})
}

// peerBody reads a hub. It answers itself where it returns false.
func (s *Site) peerBody(q *request, did string) (*peerBody, bool) {
	if did == "" || len(did) > maxQuery {
		s.problem(q, http.StatusNotFound, nil)
		return nil, false
	}
	all, err := s.hubs(q, s.config.Catalog.Coverage())
	if err != nil {
		s.refuse(q, err, access.PeerRead)
		return nil, false
	}
	info, err := s.config.Peers.Detail(q.Context(), q.who, did)
	known := err == nil
	if code(err) == "peer.unknown" {
		// It was removed, or another relays its log: what is held is still shown.
		info, err = peering.PeerInfo{Peer: peering.Peer{DID: did}, Words: peering.Fingerprint(did)}, nil
		for _, l := range all.logs {
			if l.Hub == did {
				info.Logs = append(info.Logs, l)
			}
		}
		if len(info.Logs) == 0 {
			s.problem(q, http.StatusNotFound, nil)
			return nil, false
		}
	}
	var done map[string]int
	if err == nil {
		done, err = s.config.Peers.RedactedBy(q.Context(), q.who)
	}
	if err != nil {
		s.refuse(q, err, access.PeerRead)
		return nil, false
	}
	b := &peerBody{peerRow: q.t.peerRow(all, info), Known: known, Look: peerURL(did) + "&preview=1#preview", Namesakes: all.namesakes(q.t, did, all.names[did])}
	if info.Says != nil {
		if b.SaysAlike = all.namesakes(q.t, did, info.Says.Name); reflect.DeepEqual(b.SaysAlike, b.Namesakes) {
			b.SaysAlike = alike{}
		}
	}
	if p := info.Link; p != nil {
		b.LinkFault = q.t.worse(nil, p.Error)
	}
	for _, l := range info.Logs {
		log, err := s.peerLog(q, all, l)
		if err != nil {
			s.refuse(q, err, access.PeerRead)
			return nil, false
		}
		b.Logs = append(b.Logs, log)
	}
	b.Undone, b.Said = done[did]
	return b, true
}

// peerLog lays out a mirrored log with what is wrong with it.
func (s *Site) peerLog(q *request, all *hubs, l peering.LogInfo) (out peerLog, err error) {
	out = peerLog{LogInfo: l, Fault: q.t.worse(nil, l.Error), Copied: isCopied(l)}
	if l.LagKnown {
		out.Lag = thousands(l.Lag)
	}
	if l.AgeS >= 0 {
		out.Age = q.t.ago(l.AgeS)
	}
	if l.Source != "" {
		out.Source = all.name(q.t, l.Source)
	}
	if l.Mirror.Why != nil {
		out.Why = l.Mirror.Why.Message.In(q.t.lang)
	}
	for _, note := range l.Evidence {
		out.Notes = append(out.Notes, pretty(note))
	}
	if f := out.Fault; f != nil && slices.Equal(f.Lines, []string{out.Why}) { // said already
		out.Fault = nil
	}
	if q.who.May(access.PeerManage) && (l.State == peering.Offered || l.State == peering.Stopped) {
		out.Accept = peerActURL("accept", l.Hub, l.Origin)
	}
	if l.Faulty > 0 {
		out.Faults, err = s.config.Peers.Faults(q.Context(), q.who, l.Origin)
	}
	return out, err
}

// place is where a log card says a hub is.
func (t *tongue) place(code string) string { return t.sayOr("place."+code, code) }

// kept is for how long a hub keeps bodies.
func (t *tongue) kept(days uint64) string {
	if days == 0 {
		return t.say("peer.retention.none")
	}
	return t.say("peer.retention.days", days)
}

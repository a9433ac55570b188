package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"lianmu/federation/registry"
	"lianmu/hub/access"
	"lianmu/hub/peering"
)

// logCard is a log held here, as everybody sees it.
type logCard struct {
	logLine
	ID    string // anchor
	Own   bool
	Words string // fingerprint of its hub
	Find  string // link to what is in it
	Peer  string // link to the page of its hub; "" for whom that is not
}

// peerRow is another hub, as officers see it in a list.
type peerRow struct {
	peering.PeerInfo
	Name   phrase
	URL    string
	Phrase string   // fingerprint in the reader's language
	Lag    uint64   // entries of its own logs that are not here yet
	Age    string   // since the youngest of its own logs was heard of; "" for never
	Marks  []string // states of its own logs that are worth saying
	Lines  []string // the last error, of the link or of a copy
	Done   string   // what was just done, where it is shown alone
	Acts   []peerLink
}

// disputed is a space that several hubs say is at home with them.
type disputed struct {
	Space spaceTitle
	Hubs  []logLine
}

// peersBody is the page of the hubs whose logs are held.
type peersBody struct {
	Cards   []logCard
	Own     string // fingerprint of this hub
	May     bool   // see what follows
	Manage  bool
	Waiting []peerRow
	Peers   []peerRow
	Loose   []looseLog // of hubs that are no peers, or not shown to all
	Claims  []disputed
	Done    string
}

// looseLog is a mirrored log of a hub that is no peer, or one that is not in the
// catalogue.
type looseLog struct {
	peering.LogInfo
	Name phrase
	URL  string
}

// peers shows of each log held how far and how old it is; officers see the hubs.
func (s *Site) peers(q *request) {
	b := peersBody{Own: q.t.fingerprint(s.config.HubDID), May: q.who.May(access.PeerRead), Manage: q.who.May(access.PeerManage)}
	shown := map[string]bool{}
	for i, l := range s.config.Catalog.Coverage() {
		c := logCard{logLine: q.t.logLine(l), ID: logID(l.Hub), Own: i == 0, Words: q.t.fingerprint(hubOf(l.Hub)), Find: hubSearch(l.Hub)}
		if c.Own {
			c.Words = b.Own
		} else {
			c.Age = q.t.ago(l.AgeS)
			if b.May && hubOf(l.Hub) != "" {
				c.Peer = peerURL(hubOf(l.Hub))
			}
		}
		shown[l.Hub] = true
		b.Cards = append(b.Cards, c)
	}
	if b.May && !s.officersPeers(q, &b, shown) {
		return
	}
	s.render(q, http.StatusOK, "peers", page{Title: q.t.say("peers.title"), Body: b})
}

// officersPeers adds what officers see. It answers itself where it returns false.
func (s *Site) officersPeers(q *request, b *peersBody, shown map[string]bool) bool {
	list, err := s.config.Peers.List(q.Context(), q.who)
	var logs []peering.LogInfo
	if err == nil {
		logs, err = s.config.Peers.Logs(q.Context(), q.who)
	}
	if err != nil {
		s.refuse(q, err, access.PeerRead)
		return false
	}
	known := map[string]phrase{}
	for _, p := range list {
		row := s.peerRow(q, p)
		known[p.DID] = row.Name
		if p.State == peering.Waiting {
			b.Waiting = append(b.Waiting, row)
		} else {
			b.Peers = append(b.Peers, row)
		}
	}
	for _, l := range logs {
		name, peer := known[l.Hub]
		if !peer {
			name = q.t.logName(l.Hub, l.Name)
		}
		if !peer || !shown[l.Origin] {
			b.Loose = append(b.Loose, looseLog{l, name, peerURL(l.Hub)})
		}
	}
	for _, c := range s.config.Registry.Conflicts() {
		b.Claims = append(b.Claims, s.disputed(q, c))
	}
	if done := q.args.Get("done"); slices.Contains([]string{"remove", "purge", "block"}, done) {
		b.Done = done
	}
	return true
}

func (s *Site) disputed(q *request, c registry.HomeConflict) disputed {
	d := disputed{Space: spaceTitle{c.Space, q.t.named(c.Space, c.Name)}}
	for _, l := range s.config.Catalog.Coverage() {
		if slices.Contains(c.Logs, l.Hub) {
			d.Hubs = append(d.Hubs, q.t.logLine(l))
		}
	}
	return d
}

// peerRow lays out a peer.
func (s *Site) peerRow(q *request, p peering.PeerInfo) peerRow {
	row := peerRow{PeerInfo: p, Name: phrase{Text: short(p.DID)}, URL: peerURL(p.DID), Phrase: q.t.words8(p.Words)}
	if p.About != nil {
		if n := q.t.pick(p.About.Name); n.Text != "" {
			row.Name = n
		}
	}
	youngest := int64(-1)
	for _, l := range p.Logs {
		if l.State != peering.Offered && l.State != peering.Ended { // those are not copied
			row.Lag += l.Lag
		}
		if l.AgeS >= 0 && (youngest < 0 || l.AgeS < youngest) {
			youngest = l.AgeS
		}
		if m := string(l.State); l.State != peering.Current && !slices.Contains(row.Marks, m) {
			row.Marks = append(row.Marks, m)
		}
		if l.Error != nil {
			row.Lines = q.t.lines(l.Error.Problem)
		}
	}
	if youngest >= 0 {
		row.Age = q.t.ago(youngest)
	}
	if p.Link != nil && p.Link.Error != nil {
		row.Lines = q.t.lines(p.Link.Error.Problem)
	}
	return row
}

// ownCard hands out this hub's own signed card: it is what the hub shows to every
// other that asks.
func (s *Site) ownCard(q *request) {
	card := s.config.Peers.Card()
	h := q.w.Header()
	h.Set("Content-Type", "application/ld+json")
	h.Set("Content-Disposition", `attachment; filename="lianmu-card.jsonld"`)
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Content-Length", strconv.Itoa(len(card)))
	if q.Method != http.MethodHead {
		_, _ = q.w.Write(card) // fails only where the reader has gone
	}
}

func peerURL(did string) string { return "/peer?" + url.Values{"did": {did}}.Encode() }

// peerLink leads to the page on which an officer decides.
type peerLink struct{ Verb, URL string }

// peerLog is a mirrored log in full.
type peerLog struct {
	peering.LogInfo
	Name   phrase
	Age    string
	Source phrase // the hub that it was last copied from
	Why    string // why it was stopped
	Notes  []string
	Faults []peering.Fault
	Lines  []string // the last error
	Accept string   // link to accept it; "" where there is nothing to accept
}

// peerBody is the page of one hub.
type peerBody struct {
	peerRow
	Known   bool // it is a peer; else only logs of it are here
	Logs    []peerLog
	Undone  int // of our redactions: it has carried out that many
	Said    bool
	Preview *peering.Preview // what would leave to it, where that was asked for
	Look    string           // link to the preview
	Lines   []string         // why there is no preview
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
	}
	s.render(q, http.StatusOK, "peer", page{Title: b.Name.Text, Body: b})
}

// peerBody reads a hub. It answers itself where it returns false.
func (s *Site) peerBody(q *request, did string) (*peerBody, bool) {
	if did == "" || len(did) > maxQuery {
		s.problem(q, http.StatusNotFound, nil)
		return nil, false
	}
	info, err := s.config.Peers.Detail(q.Context(), q.who, did)
	known := err == nil
	if code(err) == "peer.unknown" {
		// It was removed, or another relays its log: what is held is still shown.
		info = peering.PeerInfo{Peer: peering.Peer{DID: did}, Words: peering.Fingerprint(did)}
		var logs []peering.LogInfo
		logs, err = s.config.Peers.Logs(q.Context(), q.who)
		for _, l := range logs {
			if l.Hub == did {
				info.Logs = append(info.Logs, l)
			}
		}
		if err == nil && len(info.Logs) == 0 {
			s.problem(q, http.StatusNotFound, nil)
			return nil, false
		}
	}
	if err != nil {
		s.refuse(q, err, access.PeerRead)
		return nil, false
	}
	b := &peerBody{peerRow: s.peerRow(q, info), Known: known, Look: peerURL(did) + "&preview=1#preview"}
	for _, l := range info.Logs {
		if b.About == nil && len(l.Name) > 0 {
			b.Name = q.t.pick(l.Name)
		}
		log, err := s.peerLog(q, l)
		if err != nil {
			s.refuse(q, err, access.PeerRead)
			return nil, false
		}
		b.Logs = append(b.Logs, log)
	}
	done, err := s.config.Peers.RedactedBy(q.Context(), q.who)
	if err != nil {
		s.refuse(q, err, access.PeerRead)
		return nil, false
	}
	b.Undone, b.Said = done[did]
	return b, true
}

// peerLog lays out a mirrored log with what is wrong with it.
func (s *Site) peerLog(q *request, l peering.LogInfo) (out peerLog, err error) {
	out = peerLog{LogInfo: l, Name: q.t.logName(l.Origin, l.Name)}
	if l.AgeS >= 0 {
		out.Age = q.t.ago(l.AgeS)
	}
	if l.Source != "" {
		out.Source = phrase{Text: short(l.Source)}
		if peer, err := s.config.Peers.Detail(q.Context(), q.who, l.Source); err == nil {
			out.Source = s.peerRow(q, peer).Name
		}
	}
	if l.Mirror.Why != nil {
		out.Why = l.Mirror.Why.Message.In(q.t.lang)
	}
	for _, note := range l.Evidence {
		out.Notes = append(out.Notes, pretty(note))
	}
	if l.Error != nil {
		out.Lines = slices.DeleteFunc(q.t.lines(l.Error.Problem), func(line string) bool { return line == out.Why })
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

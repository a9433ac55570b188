package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"lianmu/federation/registry"
	"lianmu/hub/access"
	"lianmu/hub/peering"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// How much the page of peers shows at once of each list of hubs, and of logs.
const (
	rowsShown = 20
	logsShown = 24
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
	Lag    string   // entries of its own logs that are not here yet; "" where nobody can tell
	Age    string   // since the youngest of its own logs was heard of; "" for never
	Marks  []string // states of its own logs that are worth saying
	Fault  *mishap  // the last of the link or of a copy
}

// mishap is what was last wrong.
type mishap struct {
	At    time.Time
	Lines []string
	Over  bool // it has worked since
}

// peersBody is the page of the hubs whose logs are held.
type peersBody struct {
	Cards    []logCard
	CardsOf  pager
	Own      string // fingerprint of this hub
	May      bool   // see what follows
	Manage   bool
	Waiting  []peerRow
	WaitOf   pager
	Peers    []peerRow
	PeersOf  pager
	Loose    []looseLog // of hubs that are no peers, or not shown to all
	LooseOf  pager
	Claims   []disputed
	ClaimsOf pager
	Done     string
}

// disputed is a space that several hubs say is at home with them.
type disputed struct {
	Space spaceTitle
	Hubs  []logLine
}

// looseLog is a mirrored log of a hub that is no peer, or one that is not in the
// catalogue.
type looseLog struct {
	peering.LogInfo
	Name phrase
	URL  string
}

// pager says which part of a list is shown, counted from 1, and leads to the rest.
type pager struct {
	From, To, Total int
	First, Next     string
}

// pager is that of one of several lists on the page at path; its place is in the
// argument, and at the anchor, called name.
func (q *request) pager(path, name, from string, total, size int) (p pager, start, end int) {
	start, end = window(from, total, size)
	p = pager{From: start + 1, To: end, Total: total}
	if start > 0 {
		p.First = path + "#" + name
	}
	if end < total {
		p.Next = path + "?" + url.Values{name: {strconv.Itoa(end)}}.Encode() + "#" + name
	}
	return p, start, end
}

// peers shows of each log held how far and how old it is; officers see the hubs.
func (s *Site) peers(q *request) {
	b := peersBody{Own: q.t.fingerprint(s.config.HubDID), May: q.who.May(access.PeerRead), Manage: q.who.May(access.PeerManage)}
	logs := s.config.Catalog.Coverage()
	names := q.t.logNames(logs)
	from := q.args.Get("logs")
	if at := q.args.Get("at"); at != "" { // a link to one log
		if i := slices.IndexFunc(logs, func(l view.Coverage) bool { return logID(l.Hub) == at }); i >= 0 {
			from = strconv.Itoa(i - i%logsShown)
		}
	}
	var start, end int
	b.CardsOf, start, end = q.pager("/peers", "logs", from, len(logs), logsShown)
	for i, l := range logs[start:end] {
		c := logCard{logLine: q.t.logLine(l, names), ID: logID(l.Hub), Own: start+i == 0, Words: q.t.fingerprint(vocab.HubOf(l.Hub)), Find: hubSearch(l.Hub)}
		if c.Own {
			c.Words = b.Own
		} else {
			c.Age = q.t.ago(l.AgeS)
			if b.May && vocab.HubOf(l.Hub) != "" {
				c.Peer = peerURL(vocab.HubOf(l.Hub))
			}
		}
		b.Cards = append(b.Cards, c)
	}
	if b.May && !s.officersPeers(q, &b, logs, names) {
		return
	}
	s.render(q, http.StatusOK, "peers", page{Title: q.t.say("peers.title"), Body: b})
}

// officersPeers adds what officers see. It answers itself where it returns false.
func (s *Site) officersPeers(q *request, b *peersBody, logs []view.Coverage, names map[string]phrase) bool {
	known, err := s.hubs(q, logs)
	if err != nil {
		s.refuse(q, err, access.PeerRead)
		return false
	}
	var waiting, peers []peering.PeerInfo
	for _, p := range known.peers {
		if p.State == peering.Waiting {
			waiting = append(waiting, p)
		} else {
			peers = append(peers, p)
		}
	}
	rows := func(name string, all []peering.PeerInfo) (out []peerRow, p pager) {
		p, start, end := q.pager("/peers", name, q.args.Get(name), len(all), rowsShown)
		for _, peer := range all[start:end] {
			out = append(out, q.t.peerRow(known, peer))
		}
		return out, p
	}
	b.Waiting, b.WaitOf = rows("waiting", waiting)
	b.Peers, b.PeersOf = rows("peers", peers)

	isPeer, shown := map[string]bool{}, map[string]bool{}
	for _, p := range known.peers {
		isPeer[p.DID] = true
	}
	for _, l := range logs {
		shown[l.Hub] = true
	}
	loose := slices.DeleteFunc(slices.Clone(known.logs), func(l peering.LogInfo) bool { return isPeer[l.Hub] && shown[l.Origin] })
	var start, end int
	b.LooseOf, start, end = q.pager("/peers", "loose", q.args.Get("loose"), len(loose), rowsShown)
	for _, l := range loose[start:end] {
		b.Loose = append(b.Loose, looseLog{l, known.name(q.t, l.Hub), peerURL(l.Hub)})
	}

	claims := s.config.Registry.Conflicts()
	b.ClaimsOf, start, end = q.pager("/peers", "claims", q.args.Get("claims"), len(claims), rowsShown)
	for _, c := range claims[start:end] {
		b.Claims = append(b.Claims, q.t.disputed(c, logs, names))
	}
	if done := q.args.Get("done"); b.Manage && slices.Contains([]string{"remove", "purge"}, done) {
		b.Done = done
	}
	return true
}

func (t *tongue) disputed(c registry.HomeConflict, logs []view.Coverage, names map[string]phrase) disputed {
	d := disputed{Space: spaceTitle{c.Space, t.named(c.Space, c.Name)}}
	for _, l := range logs {
		if slices.Contains(c.Logs, l.Hub) {
			d.Hubs = append(d.Hubs, t.logLine(l, names))
		}
	}
	return d
}

// peerRow lays out a peer.
func (t *tongue) peerRow(known *hubs, p peering.PeerInfo) peerRow {
	row := peerRow{PeerInfo: p, Name: known.name(t, p.DID), URL: peerURL(p.DID), Phrase: t.words8(p.Words)}
	youngest, lag, copied, told := int64(-1), uint64(0), 0, 0
	for _, l := range p.Logs {
		if isCopied(l) {
			copied++
			if lag += l.Lag; l.LagKnown {
				told++
			}
		}
		if l.AgeS >= 0 && (youngest < 0 || l.AgeS < youngest) {
			youngest = l.AgeS
		}
		if m := string(l.State); l.State != peering.Current && !slices.Contains(row.Marks, m) {
			row.Marks = append(row.Marks, m)
		}
		row.Fault = t.worse(row.Fault, l.Error)
	}
	if copied > 0 && told == copied {
		row.Lag = thousands(lag)
	}
	if youngest >= 0 {
		row.Age = t.ago(youngest)
	}
	if p.Link != nil {
		row.Fault = t.worse(row.Fault, p.Link.Error)
	}
	return row
}

// isCopied reports whether what is new in a log is to come here.
func isCopied(l peering.LogInfo) bool {
	return l.State != peering.Offered && l.State != peering.Ended
}

// worse is which of two complaints to tell first: the one that is not over, then
// the later.
func (t *tongue) worse(a *mishap, c *peering.Complaint) *mishap {
	if c == nil || a != nil && (c.Over && !a.Over || c.Over == a.Over && c.At.Before(a.At)) {
		return a
	}
	return &mishap{At: c.At, Lines: t.lines(c.Problem), Over: c.Over}
}

// ownCard hands out this hub's own signed card: it is what the hub shows to every
// other that asks.
func (s *Site) ownCard(q *request) {
	q.attach("lianmu-card.jsonld", s.config.Peers.Card())
}

func peerURL(did string) string { return "/peer?" + url.Values{"did": {did}}.Encode() }

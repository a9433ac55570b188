package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"lianmu/hub/access"
	"lianmu/hub/peering"
	"lianmu/vocab"
)

// peerVerbs are what officers decide about a hub; in the trail they are peer.….
// That which hurts comes last.
var peerVerbs = []string{"approve", "resume", "accept", "pause", "block", "remove", "purge"}

// peerActs are those that make sense as a hub stands.
func peerActs(b *peerBody) (out []peerLink) {
	verbs := map[peering.State][]string{
		peering.Waiting:  {"approve", "block", "remove"},
		peering.Approved: {"approve", "pause", "block", "remove", "purge"},
		peering.Paused:   {"resume", "approve", "block", "remove", "purge"},
		peering.Blocked:  {"approve", "remove", "purge"},
	}[b.State]
	if !b.Known {
		verbs = []string{"block", "purge"}
	}
	for _, v := range verbs {
		out = append(out, peerLink{v, peerActURL(v, b.DID, "")})
	}
	return out
}

func peerActURL(verb, did, origin string) string {
	args := url.Values{"verb": {verb}, "did": {did}}
	if origin != "" {
		args.Set("origin", origin)
	}
	return "/peer/act?" + args.Encode()
}

// terms are what an officer lets a peer have, as a form gives them.
type terms struct {
	Outbound, Important, Note string
	Relays                    bool
}

func termsFrom(given url.Values) terms {
	get := func(name string) string { return cut(strings.TrimSpace(given.Get(name)), maxQuery) }
	return terms{get("outbound"), get("important"), get("note"), given.Get("relays") == "yes"}
}

// termsNow are those that a peer has. Why its documents may leave the mainland stays
// as it is where nothing else is said.
func termsNow(p *peering.PeerInfo) terms {
	t := terms{Relays: p.Relays, Note: p.Note}
	if p.Important != nil {
		t.Important = p.Important.Reason
	}
	return t
}

func (t terms) asked() peering.Terms {
	return peering.Terms{Outbound: t.Outbound, Important: t.Important, Relays: t.Relays, Note: t.Note}
}

// peerOrder is the page on which an officer decides about a hub or a log of it.
type peerOrder struct {
	Verb    string
	Peer    *peerBody
	Log     *peerLog         // that is accepted
	Preview *peering.Preview // what would leave, of an approval
	Abroad  bool             // it needs an 出境 ground that it has not got
	Seen    string           // digest of what the officer looked at
	Lines   []string         // why it was not done
	terms
}

// Harsh reports whether the act takes something away, or goes on in spite of
// something.
func (o *peerOrder) Harsh() bool {
	return slices.Index(peerVerbs, o.Verb) > 2 || o.Log != nil && o.Log.State == peering.Stopped
}

// askPeer explains an act before anything is given.
func (s *Site) askPeer(q *request) {
	o, ok := s.peerOrder(q, q.args)
	if !ok {
		return
	}
	if o.Verb == "approve" {
		o.terms = termsNow(&o.Peer.PeerInfo)
	}
	s.showPeerOrder(q, http.StatusOK, o)
}

func (s *Site) showPeerOrder(q *request, status int, o *peerOrder) {
	s.render(q, status, "peeract", page{Title: q.t.say("peeract." + o.Verb), Body: o})
}

// peerOrder reads what is wanted, and asks for the right to it. It answers itself
// where it returns false.
func (s *Site) peerOrder(q *request, given url.Values) (*peerOrder, bool) {
	verb, did, origin := given.Get("verb"), cut(given.Get("did"), maxQuery), cut(given.Get("origin"), maxQuery)
	if !slices.Contains(peerVerbs, verb) || did == "" {
		s.problem(q, http.StatusNotFound, nil)
		return nil, false
	}
	q.home = peerURL(did)
	object := did
	if verb == "accept" {
		object = origin
	}
	if !s.needFor(q, access.PeerManage, "peer."+verb, object) {
		return nil, false
	}
	b, ok := s.peerBody(q, did)
	if !ok {
		return nil, false
	}
	o := &peerOrder{Verb: verb, Peer: b, terms: termsFrom(given)}
	switch {
	case verb == "accept":
		i := slices.IndexFunc(b.Logs, func(l peerLog) bool { return l.Origin == origin })
		if i < 0 {
			s.problem(q, http.StatusNotFound, nil)
			return nil, false
		}
		o.Log = &b.Logs[i]
		// Other evidence than was looked at is not decided on.
		seen := append([]byte(o.Log.State), o.Log.Card...)
		for _, note := range o.Log.Evidence {
			seen = append(seen, note...)
		}
		o.Seen = vocab.DigestOf(seen).String()
	case !b.Known && verb != "purge" && verb != "block":
		s.problem(q, http.StatusNotFound, nil)
		return nil, false
	case verb == "approve":
		preview, err := s.config.Peers.Preview(q.Context(), q.who, b.Card)
		if err != nil {
			s.refuse(q, err, access.PeerManage)
			return nil, false
		}
		o.Preview, o.Abroad, o.Seen = preview, preview.Outbound && b.Outbound == nil, vocab.DigestOf(b.Card).String()
	}
	return o, true
}

// actPeer does what was decided, or says why not on the same page with all that
// was given.
func (s *Site) actPeer(q *request) {
	o, ok := s.peerOrder(q, q.form)
	if !ok {
		return
	}
	err := o.check(q.form)
	if err == nil {
		err = s.doPeer(q, o)
	}
	switch {
	case err != nil && (statusOf(err) == http.StatusForbidden || code(err) == ""):
		s.refuse(q, err, access.PeerManage)
	case err != nil:
		o.Lines = q.t.lines(err)
		s.showPeerOrder(q, statusOf(err), o)
	case o.Verb == "remove" || o.Verb == "purge":
		s.goOn(q, "/peers?done="+o.Verb)
	default:
		s.goOn(q, peerURL(o.Peer.DID)+"&done="+o.Verb)
	}
}

// check says what is missing before an act.
func (o *peerOrder) check(form url.Values) error {
	switch {
	case form.Get("seen") != o.Seen:
		return vocab.Problems{vocab.NewProblem("/seen", "request.changed",
			"对方的名片或证据在您核对期间有了变化，请按下面的最新内容重新核对。", "What the other hub shows has changed while you looked at it: check it again as it is below.")}
	case o.Abroad && o.Outbound == "":
		return noOutbound()
	case form.Get("confirm") != "yes":
		return notTicked()
	}
	return nil
}

func noOutbound() error {
	return vocab.Problems{vocab.NewProblem("/outbound", "peer.outbound",
		"对方节点在境外，请写明出境批准的依据。", "The other hub is abroad: say on what ground the export was approved.")}
}

func (s *Site) doPeer(q *request, o *peerOrder) (err error) {
	p, did := s.config.Peers, o.Peer.DID
	act := func(do func(context.Context, access.Who, string) error) error { return do(q.Context(), q.who, did) }
	switch o.Verb {
	case "approve":
		_, err = p.Approve(q.Context(), q.who, did, o.asked())
	case "pause":
		err = act(p.Pause)
	case "resume":
		err = act(p.Resume)
	case "block":
		err = act(p.Block)
	case "remove", "purge":
		err = p.Remove(q.Context(), q.who, did, o.Verb == "purge")
	case "accept":
		err = p.Accept(q.Context(), q.who, o.Log.Origin)
	}
	return err
}

// newPeer is the page on which a hub is made a peer: first its card, or where it
// answers; then what would leave to it.
type newPeer struct {
	Card, Address string // as given
	Lines         []string
	Preview       *peering.Preview
	Name          phrase
	Phrase        string // fingerprint in the reader's language
	Own           string // and that of this hub, for the other side
	Known         string // how it stands here already, as a peering.State; "" for one that is new
	Abroad        bool
	Unlisted      bool // the address given is not on the card
	Namesakes     alike
	terms
}

func (s *Site) askToAdd(q *request) {
	q.home = "/peers"
	if s.needFor(q, access.PeerManage, "peer.add", "") {
		s.showNewPeer(q, http.StatusOK, &newPeer{})
	}
}

func (s *Site) showNewPeer(q *request, status int, b *newPeer) {
	b.Own = q.t.fingerprint(s.config.HubDID)
	s.render(q, status, "peeradd", page{Title: q.t.say("peeradd.title"), Body: b})
}

// addPeer looks at the card first, asking the hub at an address for it; what was
// looked at is what is then added.
func (s *Site) addPeer(q *request) {
	q.home = "/peers"
	b := &newPeer{Card: strings.TrimSpace(q.form.Get("card")), Address: cut(strings.TrimSpace(q.form.Get("address")), maxQuery), terms: termsFrom(q.form)}
	if !s.needFor(q, access.PeerManage, "peer.add", b.Address) {
		return
	}
	err := s.lookAt(q, b)
	if err == nil && q.form.Get("step") == "add" {
		switch {
		case b.Abroad && b.Outbound == "":
			err = noOutbound()
		case q.form.Get("confirm") != "yes":
			err = notTicked()
		default:
			var info peering.PeerInfo
			if info, err = s.config.Peers.Add(q.Context(), q.who, peering.Invite{Card: []byte(b.Card), URL: b.Address}, b.asked()); err == nil {
				s.goOn(q, peerURL(info.DID)+"&done=approve")
				return
			}
		}
	}
	if err == nil {
		s.showNewPeer(q, http.StatusOK, b)
		return
	}
	if b.Lines = q.t.lines(err); len(b.Lines) == 0 || statusOf(err) == http.StatusForbidden {
		s.refuse(q, err, access.PeerManage)
		return
	}
	s.showNewPeer(q, statusOf(err), b)
}

// lookAt reads the card that was given, or asks for it, and what would leave.
func (s *Site) lookAt(q *request, b *newPeer) error {
	if b.Card == "" && b.Address == "" {
		return vocab.Problems{vocab.NewProblem("/card", "request.missing",
			"请粘贴对方的名片，或填写对方的地址。", "Paste the other hub's card, or give its address.")}
	}
	if len(b.Card) > peering.MaxCard {
		return vocab.Problems{vocab.NewProblem("/card", "request.size",
			"名片不应超过 %d 字节，请确认粘贴的是名片文件的内容。", "A card has at most %d bytes: make sure that what you pasted is one.", peering.MaxCard)}
	}
	if b.Card == "" {
		card, err := s.config.Peers.Discover(q.Context(), q.who, b.Address)
		if err != nil {
			return err
		}
		b.Card = string(card)
	}
	preview, err := s.config.Peers.Preview(q.Context(), q.who, []byte(b.Card))
	if err != nil {
		return err
	}
	all, err := s.hubs(q, s.config.Catalog.Coverage())
	if err != nil {
		return err
	}
	did := preview.Peer.Hub
	b.Namesakes = all.namesakes(q.t, did, preview.Peer.Name)
	b.Unlisted = b.Address != "" && !slices.Contains(preview.Peer.Addresses, b.Address)
	b.Preview, b.Abroad, b.Phrase = preview, preview.Outbound, q.t.words8(preview.Words)
	b.Name = q.t.called(did, preview.Peer.Name, all.among, hubTail)
	if known := all.peer(did); known != nil {
		b.Known, b.Abroad = string(known.State), b.Abroad && known.Outbound == nil
		if q.form.Get("step") != "add" {
			b.terms = termsNow(known)
		}
	}
	return nil
}

package peering

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/time/rate"

	"lianmu/federation/exchange"
	"lianmu/federation/ledger"
	"lianmu/hub/access"
	"lianmu/hub/bus"
	"lianmu/vocab"
)

// Bounds of answering.
const (
	answersAtOnce  = 8 // beside long polls, which wait and do nothing
	answersWaiting = 256
	answerWait     = 10 * time.Second
	answerTime     = 40 * time.Second
	natsPending    = 4096 // questions not looked at yet
	natsBytes      = 64 << 20
	newcomersEvery = 6 * time.Second // new hubs put on the waiting list, for long
	newcomersAt    = 20              // and at once
)

// Caller is who asks a question.
type Caller struct {
	DID    string // proved by a token
	Client string // address
	Party  string // tells apart who shares it, such as a connection
	Takes  int    // the most bytes of an answer that the transport brings; 0: exchange.MaxAnswer
}

// serving answers peers' questions, whatever way they come.
type serving struct {
	public    *exchange.Server // for peers
	important *exchange.Server // for those that may have 重要数据 too
	desk      *access.Desk
	newcomers *rate.Limiter

	mu    sync.Mutex // guards ended
	ended bool
	under sync.WaitGroup
}

func (s *serving) init(p *Peers) {
	s.desk = access.NewDesk(answersAtOnce, answersWaiting, answerWait, p.c.Now)
	s.newcomers = rate.NewLimiter(rate.Every(newcomersEvery), newcomersAt)
	server := func(important bool) *exchange.Server {
		return exchange.NewServer(exchange.ServerConfig{
			Card: p.Card, Logs: p.offered, CardOf: p.cardOf, Shown: p.evidence,
			MayRead: func(reader vocab.Reader, origin string, rec ledger.Record) bool {
				return p.mayRead(reader, origin, rec, important)
			},
			Asked: p.heardOf, Logger: p.c.Logger,
		})
	}
	s.public, s.important = server(false), server(true)
}

// begin counts an answer under way; false once the hub is closing.
func (s *serving) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.under.Add(1)
	}
	return !s.ended
}

// end takes no more questions, and answers those that wait for news.
func (s *serving) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.public.Close()
	s.important.Close()
}

// Answer answers a question of another hub (see package exchange). Documents are
// for approved peers alone, and of them what is public; everybody else who has
// proved a key gets leaf records, tiles and checkpoints. Refusals are
// vocab.Problems: busy, peer.unapproved, peer.paused, peer.blocked, request.…, and those of package exchange.
func (p *Peers) Answer(ctx context.Context, who Caller, question string, body []byte) ([]byte, error) {
	s := &p.serve
	if !s.begin() {
		return nil, access.Busy()
	}
	defer s.under.Done()
	if who.DID == "" {
		return nil, vocab.Problems{vocab.NewProblem("", "access.unauthenticated",
			"节点之间的交换须用自己的密钥登录。", "hubs exchange logs as holders of their keys: bring a token")}
	}
	peer, _ := p.store.peer(who.DID)
	if peer.State == Blocked {
		return nil, vocab.Problems{vocab.NewProblem("", "peer.blocked", "本节点已拒绝与您的节点交换，请与本节点的联系部门核实。", "This hub has blocked yours: clear it up with its contact desk.")}
	}
	if peer.State == Paused && question == string(exchange.AskDocuments) {
		return nil, vocab.Problems{vocab.NewProblem("", "peer.paused", "本节点暂停了与您的节点的交换，恢复后自动继续。", "This hub has paused the exchange with yours; when it resumes, all goes on by itself.")}
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	defer context.AfterFunc(p.run, cancel)()
	if question != string(exchange.AskLogs) {
		leave, err := s.desk.Enter(ctx, access.Claim{Client: who.Client, Party: who.Party})
		if err != nil {
			return nil, err
		}
		defer leave()
	}
	server := s.public
	if peer.Important != nil {
		server = s.important
	}
	return server.Answer(ctx, exchange.Who{DID: who.DID, Approved: peer.State == Approved, Takes: who.Takes}, exchange.Question(question), body)
}

// offered are the logs that others may copy from here: the own one, and mirrors
// whose hub is neither paused nor blocked. One that was stopped is offered as far
// as it was accepted: whoever was shown another history finds out only if somebody
// shows this one.
func (p *Peers) offered() []*ledger.Log {
	logs := []*ledger.Log{p.c.Log}
	for _, m := range p.open() {
		rec := m.record()
		if rec.State == Stopped {
			rec.State = Current
		}
		if p.decided(rec) == "" {
			logs = append(logs, m.log)
		}
	}
	return logs
}

// evidence are the checkpoints that contradict each other in a log that was
// stopped: with them whoever mirrors the log finds out too. Two cards that do are
// no checkpoints, and its hub shows the newer one to everybody by itself.
func (p *Peers) evidence(origin string) (notes [][]byte) {
	rec, _ := p.store.mirror(origin)
	m := p.openOf(origin)
	if m == nil || rec.State != Stopped || rec.Why == nil || rec.Why.Code != contradiction {
		return nil
	}
	for _, note := range rec.Evidence {
		if _, err := ledger.ParseCheckpoint(note, m.vkey); err == nil {
			notes = append(notes, note)
		}
	}
	return notes
}

func (p *Peers) cardOf(origin string) []byte {
	if origin == p.c.Log.Origin() {
		return p.Card()
	}
	if m := p.openOf(origin); m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.card.Raw
	}
	return nil
}

// mayRead tells whether a document goes to a peer: what is public; and, where it
// may have such and the entry is of the own log, what would be public but for its
// being 重要数据. What another hub entrusted to this one goes no further.
// A document that was found faulty here goes on as far as it can be read: others
// judge it themselves.
func (p *Peers) mayRead(reader vocab.Reader, origin string, rec ledger.Record, important bool) bool {
	if rec.State == ledger.Faulty {
		rec.Document = rec.Evidence
	}
	return p.c.MayRead(reader, origin, rec) ||
		important && origin == p.c.Log.Origin() && rec.Leaf.Kind == vocab.KindOffering && p.publicButImportant(rec)
}

// publicButImportant reports whether being 重要数据 is all that keeps an offering
// from being public.
func (p *Peers) publicButImportant(rec ledger.Record) bool {
	fallback, stands := p.c.Catalog.Default(p.c.Log.Origin(), rec.Fact.Space)
	if !stands || rec.Document == nil {
		return false
	}
	r, err := p.c.Reader.ReadDocument(p.run, p.c.Processor, rec.Document, rec.ReceivedAt)
	if err != nil || r.Offering == nil || r.Offering.Importance.Code != "important" {
		return false
	}
	o := *r.Offering
	o.Importance = vocab.Term{}
	return vocab.AudienceOf(&o, fallback) == vocab.AudiencePublic
}

// heardOf notes who asks: a hub that is not known goes on the waiting list, with
// the card that it brings.
func (p *Peers) heardOf(did string, r exchange.LogsRequest) error {
	now := p.c.Now().UTC()
	redacted := map[string]int{}
	for origin, h := range r.Held {
		if len(redacted) < maxLogs && h.Redacted > 0 {
			redacted[origin] = h.Redacted
		}
	}
	peer, known := p.store.peer(did)
	if known {
		p.mu.Lock()
		anew := p.asked[did].anew
		// The first question of a connection does not wait: the peer has approved this
		// hub just now, or has started again.
		back := peer.State == Approved && r.WaitMS == 0 && now.Sub(anew) >= anewEvery
		if back {
			anew = now
		}
		p.asked[did] = asked{at: now, anew: anew, redacted: redacted}
		p.mu.Unlock()
		if back {
			p.encourage(did)
		}
		return nil
	}
	if len(r.Card) == 0 || did == p.did() || !p.serve.newcomers.AllowN(now, 1) {
		return nil
	}
	ctx, cancel := context.WithTimeout(p.run, kvTimeout)
	defer cancel()
	card, err := p.cards.read(ctx, r.Card)
	if err == nil && card.Hub != did {
		err = notOf(card, did)
	}
	if err != nil {
		return err
	}
	if err := p.await(ctx, card); err != nil {
		return err
	}
	p.c.Logger.Info("a hub asks to be a peer; approve it or block it", "hub", did, "name", card.Name.In("en"))
	p.tell(string(Waiting), "")
	return nil
}

// await puts a hub on the waiting list; the one that has waited longest makes room.
func (p *Peers) await(ctx context.Context, card *Card) error {
	p.acting.Lock()
	defer p.acting.Unlock()
	if _, known := p.store.peer(card.Hub); known {
		return nil
	}
	for waiting := p.store.waitingNow(); len(waiting) >= maxWaiting; waiting = waiting[1:] {
		if err := p.store.dropPeer(ctx, waiting[0].DID); err != nil {
			return err
		}
	}
	_, err := p.store.changePeer(ctx, card.Hub, func(peer *Peer, known bool) error {
		if !known {
			*peer = Peer{DID: card.Hub, Card: card.Raw, Addresses: card.Addresses, State: Waiting, Added: p.c.Now().UTC()}
		}
		return nil
	})
	return err
}

// Reply is Answer as bytes for the asker, refusals included.
func (p *Peers) Reply(ctx context.Context, who Caller, question string, body []byte) []byte {
	return exchange.Reply(p.Answer(ctx, who, question, body))
}

// ServeNATS answers on bus.PeerPrefix, together with every other process of this
// hub. allow and excess bound what one address may ask. Stop it before Close.
func (p *Peers) ServeNATS(conn *nats.Conn, allow func(access.Claim) bool, excess *access.Excess) (stop func(), err error) {
	sub, err := conn.QueueSubscribe(bus.PeerPrefix+"*", "peer", func(m *nats.Msg) {
		if m.Reply == "" {
			return // nobody would see the answer
		}
		name, host, connection := bus.Asker(m)
		claim := access.Claim{Client: access.ClientOf(host), Party: fmt.Sprint(connection)}
		if !allow(claim) {
			if excess.TurnAway(claim, name) {
				p.respond(m, exchange.Reply(nil, access.Busy()))
			}
			return
		}
		who := Caller{Client: claim.Client, Party: claim.Party}
		if name != "" {
			who.DID = bus.TokenDID(name)
		}
		// There are no more of these than desk and server have room for; the others are
		// answered at once.
		go func() {
			p.respond(m, p.Reply(p.run, who, strings.TrimPrefix(m.Subject, bus.PeerPrefix), m.Data))
		}()
	})
	if err != nil {
		return nil, err
	}
	if err := sub.SetPendingLimits(natsPending, natsBytes); err != nil {
		return nil, err
	}
	return func() {
		if err := sub.Drain(); err != nil {
			p.c.Logger.Debug("draining", "subject", sub.Subject, "err", err)
		}
	}, conn.Flush()
}

func (p *Peers) respond(m *nats.Msg, reply []byte) {
	if err := m.Respond(reply); err != nil {
		p.c.Logger.Debug("an answer to a peer could not be sent", "subject", m.Subject, "err", err)
	}
}

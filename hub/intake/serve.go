package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"

	"lianmu/hub/access"
	"lianmu/hub/bus"
	"lianmu/vocab"
)

// Bounds of the NATS services.
const (
	queueGroup = "intake"
	// What waits to be queued or answered busy: all spaces share it, and beyond it
	// anybody's are dropped unanswered, so a burst of one must find room. Looking at
	// one takes microseconds, and small ones are bounded by their number.
	pendingBytes    = 256 << 20
	pendingMessages = 65_536
	receiptAsks     = 1000 // digests or contents in one request
	receiptBody     = 128 << 10
	answerTimeout   = 5 * time.Second
	asksAtOnce      = 2 // receipt requests looked up at the same time
	asksWaiting     = 256
	asksWait        = 3 * time.Second
)

// ReceiptRequest asks, on the receipt subject of a space, what became of
// documents by their digests, or which contents stand published already, by
// their content digests. At most 1,000 in all. Only the space itself reaches its
// subject.
type ReceiptRequest struct {
	Digests  []vocab.Digest `json:"digests,omitempty"`
	Contents []vocab.Digest `json:"contents,omitempty"`
}

// ReceiptAnswer answers it. Digests not found are left out, as are those of
// other spaces. An answer that could not be finished in time says so in
// Problems.
type ReceiptAnswer struct {
	Receipts []vocab.Receipt         `json:"receipts,omitempty"`
	Known    map[string]KnownContent `json:"known,omitempty"` // content digest → where it stands
	Problems vocab.Problems          `json:"problems,omitempty"`
}

// KnownContent is a content that stands published.
type KnownContent struct {
	Log     vocab.Position `json:"log"`
	Created time.Time      `json:"created"`
	Expires time.Time      `json:"expires,omitzero"`
}

// InviteHeader carries the code of an invitation with a descriptor, over NATS as
// over HTTP.
const InviteHeader = "Lianmu-Invite"

// Serve answers submissions and receipt requests on a NATS connection in
// account HUB, together with every other process of this hub. It returns at
// once; stop the services with the returned function before Close.
func (in *Intake) Serve(conn *nats.Conn) (stop func(), err error) {
	submit, err := conn.QueueSubscribe(bus.SubmitPrefix+"*", queueGroup, in.onSubmit)
	if err != nil {
		return nil, err
	}
	receipts, err := conn.QueueSubscribe(bus.ReceiptPrefix+"*", queueGroup, in.onReceipt)
	if err != nil {
		return nil, err
	}
	for _, s := range []*nats.Subscription{submit, receipts} {
		if err := s.SetPendingLimits(pendingMessages, pendingBytes); err != nil {
			return nil, err
		}
	}
	return func() {
		for _, s := range []*nats.Subscription{submit, receipts} {
			if err := s.Drain(); err != nil {
				in.c.Logger.Debug("draining", "subject", s.Subject, "err", err)
			}
		}
	}, conn.Flush()
}

func (in *Intake) onSubmit(m *nats.Msg) {
	if m.Reply == "" {
		return // nobody would see the receipt; nothing is done unseen
	}
	subject := strings.TrimPrefix(m.Subject, bus.SubmitPrefix)
	if subject == "" {
		return // no publisher can send this: it would pass for HTTP
	}
	if in.c.Outcast != nil && in.c.Outcast(subject) {
		return // looked at before anything is read: there may be very many
	}
	who := in.askers.of(m, subject)
	wait := wrongRetry
	if in.c.Excess.Tolerates(who.claim, in.queue.held(who.claim)) {
		wait = busyRetry
		if in.queue.put(&job{
			raw: m.Data, subject: subject, invite: clipped(m.Header.Get(InviteHeader)), claim: who.claim,
			done: func(r vocab.Receipt) { in.reply(m, r) },
		}) {
			return
		}
	}
	in.metrics.busy.Inc()
	if in.c.Excess.TurnAway(who.claim, who.name) {
		in.reply(m, busy(m.Data, wait, nil))
	}
}

// onReceipt answers in a goroutine of its own; the desk bounds how many there are.
func (in *Intake) onReceipt(m *nats.Msg) {
	if m.Reply == "" {
		return
	}
	token := strings.TrimPrefix(m.Subject, bus.ReceiptPrefix)
	if in.c.Outcast != nil && in.c.Outcast(token) {
		return
	}
	who := in.askers.of(m, "")
	if in.c.Allow != nil && !in.c.Allow(who.claim) {
		if in.c.Excess.TurnAway(who.claim, who.name) {
			in.reply(m, ReceiptAnswer{Problems: access.Busy()})
		}
		return
	}
	if !in.queue.hold(&in.asking) {
		return // whoever asked asks another process, or again
	}
	go func() {
		defer in.asking.Done()
		leave, err := in.asks.Enter(context.Background(), who.claim)
		if err != nil {
			in.reply(m, ReceiptAnswer{Problems: vocab.ProblemsOf(err, "busy")})
			return
		}
		defer leave()
		in.reply(m, in.receipts(token, m.Data))
	}()
}

// receipts answers a question about the space with this subject token.
func (in *Intake) receipts(token string, question []byte) ReceiptAnswer {
	refuse := func(code, zh, en string, args ...any) ReceiptAnswer {
		return ReceiptAnswer{Problems: vocab.Problems{vocab.NewProblem("", code, zh, en, args...)}}
	}
	if len(question) > receiptBody {
		return refuse("request.size", "请求超过 %d 字节", "the request is over %d bytes", receiptBody)
	}
	var q ReceiptRequest
	if err := jsonv2.Unmarshal(question, &q, jsonv2.RejectUnknownMembers(true)); err != nil {
		return refuse("request.json", `请求不合格式：应为 JSON 对象 {"digests":[…]} 或 {"contents":[…]}`, `the request is not of the right form: send a JSON object {"digests":[…]} or {"contents":[…]}`)
	}
	if len(q.Digests)+len(q.Contents) > receiptAsks {
		return refuse("request.many", "一次最多查询 %d 个", "at most %d at a time", receiptAsks)
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
	defer cancel()
	space := bus.TokenDID(token)
	reader := vocab.Reader{Spaces: []string{space}}
	a := ReceiptAnswer{Known: map[string]KnownContent{}}
	for i, d := range q.Digests {
		if ctx.Err() != nil {
			a.Problems = refuse("request.timeout", "时间不够，只查询了前 %d 个；其余请再次查询", "there was only time for the first %d; ask again for the rest", i).Problems
			break
		}
		if r, ok := in.Receipt(ctx, d, reader); ok && bus.SpaceToken(r.Space) == token {
			a.Receipts = append(a.Receipts, r)
		}
	}
	for _, c := range q.Contents {
		if v, ok := in.c.Registry.Known(space, c); ok && v.Shown(in.c.Now()) {
			a.Known[c.String()] = KnownContent{
				Log:     vocab.Position{Origin: in.c.Log.Origin(), Index: v.Position},
				Created: v.Created, Expires: v.Expires,
			}
		}
	}
	return a
}

func (in *Intake) reply(m *nats.Msg, answer any) {
	body, err := json.Marshal(answer)
	if err == nil {
		err = m.Respond(body)
	}
	switch {
	case err == nil:
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionClosed):
		// The connection is lost, which the bus has logged once; who asked asks again.
		in.c.Logger.Debug("a receipt could not be sent", "subject", m.Subject, "err", err)
	default:
		in.c.Logger.Warn("a receipt could not be sent", "subject", m.Subject, "err", fmt.Sprint(err))
	}
}

func natsMessage(subject string, body []byte) *nats.Msg {
	return &nats.Msg{Subject: subject, Header: nats.Header{}, Data: body}
}

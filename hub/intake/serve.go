package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/hub/bus"
	"lianmu/vocab"
)

// Bounds of the NATS services.
const (
	queueGroup    = "intake"
	pendingBytes  = 256 << 20
	receiptAsks   = 1000 // digests or contents in one request
	receiptBody   = 128 << 10
	answerTimeout = 5 * time.Second
)

// ReceiptRequest asks, on the receipt subject of a space, what became of
// documents by their digests, or which contents stand published already, by
// their content digests. At most 1,000 in all.
type ReceiptRequest struct {
	Digests  []vocab.Digest `json:"digests,omitempty"`
	Contents []vocab.Digest `json:"contents,omitempty"`
}

// ReceiptAnswer answers it. Digests not found are left out.
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
		if err := s.SetPendingLimits(2*cap(in.jobs), pendingBytes); err != nil {
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
	in.enqueue(&job{
		raw:   m.Data,
		claim: strings.TrimPrefix(m.Subject, bus.SubmitPrefix),
		done:  func(r vocab.Receipt) { in.reply(m, r) },
	})
}

func (in *Intake) onReceipt(m *nats.Msg) {
	token := strings.TrimPrefix(m.Subject, bus.ReceiptPrefix)
	var q ReceiptRequest
	if len(m.Data) > receiptBody {
		in.reply(m, ReceiptAnswer{Problems: vocab.Problems{vocab.NewProblem("", "request.size", "请求超过 %d 字节", "the request is over %d bytes", receiptBody)}})
		return
	}
	if err := json.Unmarshal(m.Data, &q); err != nil {
		in.reply(m, ReceiptAnswer{Problems: vocab.Problems{vocab.NewProblem("", "request.json",
			`请求应为 {"digests":[…]} 或 {"contents":[…]}`, `the request should be {"digests":[…]} or {"contents":[…]}: %v`, err)}})
		return
	}
	if len(q.Digests)+len(q.Contents) > receiptAsks {
		in.reply(m, ReceiptAnswer{Problems: vocab.Problems{vocab.NewProblem("", "request.many", "一次最多查询 %d 个", "at most %d at a time", receiptAsks)}})
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
	defer cancel()
	a := ReceiptAnswer{Known: map[string]KnownContent{}}
	for _, d := range q.Digests {
		if r, ok := in.Receipt(ctx, d); ok && bus.SpaceToken(r.Space) == token {
			a.Receipts = append(a.Receipts, r)
		}
	}
	space := spaceOf(token)
	for _, c := range q.Contents {
		if v, ok := in.c.Registry.Known(space, c); ok && v.Shown(in.c.Now()) {
			a.Known[c.String()] = KnownContent{
				Log:     vocab.Position{Origin: in.c.Log.Origin(), Index: v.Position},
				Created: v.Created, Expires: v.Expires,
			}
		}
	}
	in.reply(m, a)
}

// spaceOf turns a subject token back into the DID it stands for; only did:key
// spaces can be told from their token alone.
func spaceOf(token string) string { return "did:key:" + token }

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

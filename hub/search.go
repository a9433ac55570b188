package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"

	"lianmu/hub/access"
	"lianmu/hub/bus"
	"lianmu/hub/view"
	"lianmu/index"
	"lianmu/vocab"
)

// Bounds of searches, whatever way they come.
const (
	searchRequest = 16 << 10        // bytes of a question over NATS
	searchWaiting = 256             // in line beside those that run
	searchWait    = 3 * time.Second // in line; who waits longer is told to come back
	searchTime    = 5 * time.Second // of a search itself
)

// searches is the catalogue behind a desk: a few searches run at once, the
// others wait in a short line that is fair to each address. HTTP, pages and NATS
// share it, so costly questions on one way do not stop the others.
type searches struct {
	*view.Catalog
	desk *access.Desk
}

func newSearches(c *view.Catalog, now func() time.Time) *searches {
	return &searches{c, access.NewDesk(max(4, 2*runtime.GOMAXPROCS(0)), searchWaiting, searchWait, now)}
}

// Find answers as view.Catalog.Find does, or with vocab.Problems of code "busy"
// or "request.timeout". ctx says whose turn it takes (access.ClaimOf).
func (s *searches) Find(ctx context.Context, q view.Question) (*view.Answer, error) {
	return turn(ctx, s.desk, func(ctx context.Context) (*view.Answer, error) { return s.Catalog.Find(ctx, q) })
}

// OfferingByKey likewise.
func (s *searches) OfferingByKey(ctx context.Context, id string, reader vocab.Reader) (*view.Detail, error) {
	return turn(ctx, s.desk, func(ctx context.Context) (*view.Detail, error) {
		return s.Catalog.OfferingByKey(ctx, id, reader)
	})
}

func turn[T any](ctx context.Context, desk *access.Desk, search func(context.Context) (T, error)) (answer T, err error) {
	leave, err := desk.Enter(ctx, access.ClaimOf(ctx))
	if err != nil {
		return answer, err
	}
	defer leave()
	limited, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	answer, err = search(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return answer, vocab.Problems{vocab.NewProblem("", "request.timeout",
			"检索超过 %d 秒，已停止；请减少检索词或增加筛选条件。", "The search took more than %d s and was stopped; use fewer words or add a filter.", int(searchTime.Seconds()))}
	}
	return answer, err
}

// refusal answers a question that is not answered.
type refusal struct {
	Problems vocab.Problems `json:"problems"`
}

// serveSearch answers view.Question with view.Answer on bus.Search. reader says
// what a connection may see by the name it stands for. An error is a refusal. The returned stop
// breaks off what is under way.
func serveSearch(conn *nats.Conn, catalog *searches, reader func(name string) vocab.Reader, allow func(access.Claim) bool, excess *access.Excess, log *slog.Logger) (stop func(), err error) {
	ctx, cancel := context.WithCancel(context.Background())
	var answering counted
	respond := func(m *nats.Msg, answer any) {
		body, err := json.Marshal(answer)
		if err == nil {
			err = m.Respond(body)
		}
		if err != nil {
			log.Warn("a search answer could not be sent", "err", err)
		}
	}
	sub, err := conn.QueueSubscribe(bus.Search, "search", func(m *nats.Msg) {
		if m.Reply == "" || !answering.begin() {
			return
		}
		name, host, connection := bus.Asker(m)
		claim := access.Claim{Client: access.ClientOf(host), Party: fmt.Sprint(connection)}
		if !allow(claim) {
			defer answering.Done()
			if excess.TurnAway(claim, name) {
				respond(m, refusal{access.Busy()})
			}
			return
		}
		// Of these there are as many as have room at the desk; the others are
		// answered at once.
		go func() {
			defer answering.Done()
			respond(m, answer(access.WithClaim(ctx, claim), catalog, reader(name), m.Data))
		}()
	})
	if err != nil {
		cancel()
		return nil, err
	}
	return func() {
		cancel()
		if err := sub.Drain(); err != nil {
			log.Debug("draining", "subject", bus.Search, "err", err)
		}
		answering.end()
	}, nil
}

// counted is a WaitGroup that takes nobody any more once it is waited for.
type counted struct {
	sync.WaitGroup
	mu    sync.Mutex
	ended bool
}

func (c *counted) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.Add(1)
	}
	return !c.ended
}

func (c *counted) end() {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.Wait()
}

func answer(ctx context.Context, catalog *searches, reader vocab.Reader, request []byte) any {
	if len(request) > searchRequest {
		return refusal{vocab.Problems{vocab.NewProblem("", "request.size", "请求超过 %d 字节", "the request is over %d bytes", searchRequest)}}
	}
	var q view.Question
	if len(request) > 0 {
		if err := jsonv2.Unmarshal(request, &q, jsonv2.RejectUnknownMembers(true)); err != nil {
			return refusal{vocab.Problems{vocab.NewProblem("", "request.json", `请求不合格式：应为 {"q":"…"} 这样的 JSON 对象，成员见接口说明`, `the request is not of the right form: send a JSON object such as {"q":"…"}, its members are in the description of the interface`)}}
		}
	}
	q.Reader = reader
	a, err := catalog.Find(ctx, q)
	switch {
	case errors.Is(err, index.ErrCursor):
		return refusal{vocab.Problems{vocab.NewProblem("/cursor", "index.cursor",
			"翻页游标不属于本次查询，请从第一页重新开始。", "The cursor does not belong to this search; start again from the first page.")}}
	case err != nil:
		return refusal{vocab.ProblemsOf(err, "search")}
	}
	return a
}

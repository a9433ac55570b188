package hub

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/hub/bus"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// Bounds of the NATS search service.
const (
	searchRequest = 16 << 10
	searchAtOnce  = 8 // answered at the same time; the rest waits in the subscription
	searchTimeout = 10 * time.Second
)

// serveSearch answers view.Question with view.Answer on bus.Search. Whoever
// asks there sees what is public. An error is {"problems":[…]}.
func serveSearch(conn *nats.Conn, catalog *view.Catalog, log *slog.Logger) (stop func(), err error) {
	slots := make(chan struct{}, searchAtOnce)
	sub, err := conn.QueueSubscribe(bus.Search, "search", func(m *nats.Msg) {
		if m.Reply == "" {
			return
		}
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			body, err := json.Marshal(answer(catalog, m.Data))
			if err == nil {
				err = m.Respond(body)
			}
			if err != nil {
				log.Warn("a search answer could not be sent", "err", err)
			}
		}()
	})
	if err != nil {
		return nil, err
	}
	return func() {
		if err := sub.Drain(); err != nil {
			log.Debug("draining", "subject", bus.Search, "err", err)
		}
	}, nil
}

func answer(catalog *view.Catalog, request []byte) any {
	type refusal struct {
		Problems vocab.Problems `json:"problems"`
	}
	if len(request) > searchRequest {
		return refusal{vocab.Problems{vocab.NewProblem("", "request.size", "请求超过 %d 字节", "the request is over %d bytes", searchRequest)}}
	}
	var q view.Question
	if len(request) > 0 {
		if err := json.Unmarshal(request, &q); err != nil {
			return refusal{vocab.Problems{vocab.NewProblem("", "request.json", `请求应为 {"q":"…"}`, `the request should be {"q":"…"}: %v`, err)}}
		}
	}
	q.Audiences = []vocab.Audience{vocab.AudiencePublic}
	ctx, cancel := context.WithTimeout(context.Background(), searchTimeout)
	defer cancel()
	a, err := catalog.Find(ctx, q)
	if err != nil {
		return refusal{vocab.ProblemsOf(err, "search")}
	}
	return a
}

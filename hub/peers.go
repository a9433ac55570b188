package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"

	"lianmu/federation/exchange"
	"lianmu/hub/access"
	"lianmu/hub/bus"
	"lianmu/hub/peering"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// logStates lets the catalogue ask how old logs are before there is anybody who
// knows.
type logStates struct {
	peers atomic.Pointer[peering.Peers]
}

func (s *logStates) states() map[string]view.LogState {
	if p := s.peers.Load(); p != nil {
		return p.States()
	}
	return nil
}

// openPeers opens the mirrors of other hubs' logs. Nobody is dialled yet.
func (h *Hub) openPeers(ctx context.Context) (err error) {
	b := h.base
	settings := h.c.Peering
	if len(settings.Addresses) == 0 {
		// Good for a trial on one machine; elsewhere the operator says where peers
		// reach the hub.
		settings.Addresses = []string{cmp.Or(h.c.URL, h.address)}
		if at := b.bus.ClientURL(); at != "" {
			settings.Addresses = append([]string{at}, settings.Addresses...)
		}
	}
	h.peers, err = peering.New(ctx, peering.Config{
		Settings: settings, Signer: b.hubKey, Log: b.log, Epoch: uint64(b.epoch),
		Open: h.c.Open, OpenUntil: h.wasOpenUntil(), Catalog: b.catalog, Bus: b.bus, Dir: filepath.Join(h.c.Dir, "mirrors"),
		Processor: b.processor, Reader: b.reader, MayRead: h.readable.mayReadOf, Audit: h.trail, Event: h.announce,
		Now: h.c.Now, Jitter: rand.Float64, Logger: h.c.Logger,
	})
	if err != nil {
		return fmt.Errorf("peers: %w", err)
	}
	b.states.peers.Store(h.peers)
	return nil
}

// Peers is the exchange with other hubs.
func (h *Hub) Peers() *peering.Peers { return h.peers }

// announce tells watchers that something about peers or their logs has changed.
func (h *Hub) announce(e peering.Event) {
	body, err := json.Marshal(e)
	if err == nil {
		err = h.base.bus.Conn.Publish(bus.EventPrefix+"log", body)
	}
	if err != nil {
		h.c.Logger.Debug("an event could not be told", "event", e.What, "err", err)
	}
}

// servePeers answers other hubs over NATS, then begins to ask them.
func (h *Hub) servePeers(excess *access.Excess) error {
	stop, err := h.peers.ServeNATS(h.base.bus.Conn, h.guard.Allow, excess)
	if err != nil {
		return err
	}
	h.stopNATS = append(h.stopNATS, stop)
	h.peers.Start()
	return nil
}

// peerHandler answers other hubs' questions over HTTP: POST exchange.PathPrefix
// and the question, with a bearer token. A refusal is a JSON object with problems,
// as RFC 9457 has them.
func (h *Hub) peerHandler() http.Handler {
	return h.guard.Limit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			refusePeer(w, r, http.StatusMethodNotAllowed, vocab.Problems{vocab.NewProblem("", "access.method", "请用 POST。", "use POST")})
			return
		}
		who, err := h.guard.Who(r)
		if err == nil && who.Via != access.ViaToken {
			err = vocab.Problems{vocab.NewProblem("", "access.unauthenticated", "节点之间的交换须带令牌。", "hubs exchange logs with a token")}
		}
		if err != nil {
			refusePeer(w, r, http.StatusUnauthorized, err)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, exchange.MaxRequest))
		if err != nil {
			refusePeer(w, r, http.StatusRequestEntityTooLarge, vocab.Problems{vocab.NewProblem("", "request.size",
				"请求超过 %d 字节，或没有收全。", "the request is over %d bytes, or was cut off", exchange.MaxRequest)})
			return
		}
		answer, err := h.peers.Answer(r.Context(), peering.Caller{
			DID: who.DID, Client: access.ClientOf(who.Client), Party: "http", Takes: exchange.MaxAnswerHTTP,
		}, strings.TrimPrefix(r.URL.Path, exchange.PathPrefix), body)
		if err != nil {
			refusePeer(w, r, http.StatusForbidden, err)
			return
		}
		w.Header().Set("Content-Type", exchange.MediaType)
		_, _ = w.Write(exchange.Reply(answer, nil)) // a peer that hung up needs no answer
	}))
}

func refusePeer(w http.ResponseWriter, r *http.Request, status int, err error) {
	ps := vocab.ProblemsOf(err, "internal")
	switch ps[0].Code {
	case "busy":
		status = http.StatusServiceUnavailable
	case "internal":
		status = http.StatusInternalServerError
	}
	access.WriteProblem(w, r, status, ps)
}

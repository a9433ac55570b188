package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/hub/view"
)

// town is hubs, each a process of its own, that reach each other through cables
// which can be cut.
type town struct {
	t    *testing.T
	rnd  *rand.Rand
	hubs []*townHub
}

// townHub is a hub, and the cable that its peers reach it by.
type townHub struct {
	*node
	number int
	cable  *cable
}

// newTown starts hubs that do not know each other yet.
func newTown(t *testing.T, rnd *rand.Rand, hubs int) *town {
	t.Helper()
	w := &town{t: t, rnd: rnd}
	for i := range hubs {
		w.hubs = append(w.hubs, w.newHub(i))
	}
	return w
}

func (w *town) newHub(i int) *townHub {
	w.t.Helper()
	dir := w.t.TempDir()
	h := &townHub{number: i, cable: layCable(w.t)}
	config := filepath.Join(dir, "lianmu.yaml")
	text := fmt.Sprintf("peering:\n  name: {zh: 第 %d 号节点, en: Hub %d}\n  addresses: [\"nats://%s\"]\n", i, i, h.cable.address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	h.node = newNode(w.t, filepath.Join(dir, "hub"), "--config", config)
	h.start()
	h.cable.lead(strings.TrimPrefix(h.info.NATS, "nats://"))
	return h
}

// post is an act of the hub's operator.
func (h *townHub) post(path string, ask any, want int) []byte {
	h.t.Helper()
	body, err := json.Marshal(ask)
	if err != nil {
		h.t.Fatal(err)
	}
	key, err := identity.ReadKey(filepath.Join(h.dir, "hub.key"))
	if err != nil {
		h.t.Fatal(err)
	}
	token, err := identity.NewToken(key, h.info.DID, time.Now(), time.Minute)
	if err != nil {
		h.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.info.HTTP+path, bytes.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		h.t.Fatalf("POST %s: %s, %v, %s", path, resp.Status, err, answer)
	}
	return answer
}

// befriend has each of two hubs add the other's card, as files go between
// operators.
func (w *town) befriend(a, b int, relays bool) {
	w.t.Helper()
	for _, pair := range [][2]*townHub{{w.hubs[a], w.hubs[b]}, {w.hubs[b], w.hubs[a]}} {
		var card []byte
		if status := pair[1].get("/api/v1/hub", &card); status != http.StatusOK {
			w.t.Fatalf("the card of hub %d: status %d, %s", pair[1].number, status, card)
		}
		pair[0].post("/api/v1/peers", map[string]any{"card": json.RawMessage(card), "relays": relays}, http.StatusCreated)
	}
}

// trouble cuts cables and kills hubs at random until ctx ends; then it lays the
// cables again and starts what is down.
func (w *town) trouble(ctx context.Context) (cuts, kills int) {
	pause := func(most time.Duration) bool {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(time.Duration(w.rnd.Int64N(int64(most)))):
			return true
		}
	}
	for pause(500 * time.Millisecond) {
		h := w.hubs[w.rnd.IntN(len(w.hubs))]
		switch w.rnd.IntN(5) {
		case 0, 4:
			kills++
			h.kill()
			pause(time.Second)
			h.launch()
			pause(2 * time.Second) // now and then the next blow comes before it serves
		case 1: // for a while nobody gets through
			cuts++
			h.cable.cut()
			pause(3 * time.Second)
			h.cable.join()
		case 2: // in the middle of whatever is said
			cuts++
			h.cable.drop()
		case 3:
			cuts++
			h.cable.stall(time.Duration(w.rnd.Int64N(int64(2 * time.Second))))
		}
	}
	for _, h := range w.hubs {
		h.cable.join()
		select {
		case <-h.ready:
		case <-h.exited:
			w.t.Errorf("hub %d did not start again: %v", h.number, h.cmd.ProcessState)
		case <-time.After(time.Minute):
			w.t.Errorf("hub %d is not ready after the last kill", h.number)
		}
	}
	return cuts, kills
}

// where is an entry: the log, and its place there.
type where struct {
	log string
	at  uint64
}

// shows lists the whole catalogue as anybody sees it, by space and @id.
func (h *townHub) shows() (map[[2]string]where, error) {
	all := map[[2]string]where{}
	for cursor := ""; ; {
		var a view.Answer
		status, err := h.ask("/api/v1/search?sort=title&limit=100&cursor="+url.QueryEscape(cursor), false, &a)
		if err != nil || status != http.StatusOK {
			return nil, fmt.Errorf("search: status %d, %w", status, err)
		}
		for _, hit := range a.Hits {
			all[[2]string{hit.Space, hit.ID}] = where{hit.Hub, hit.Position}
		}
		if cursor = a.Next; cursor == "" {
			if uint64(len(all)) != a.Total {
				return nil, fmt.Errorf("%d offerings on all pages, the total is %d", len(all), a.Total)
			}
			return all, nil
		}
	}
}

// agree waits until every hub shows exactly what is wanted.
func (w *town) agree(want map[[2]string]where, limit time.Duration) {
	w.t.Helper()
	end := time.Now().Add(limit)
	for _, h := range w.hubs {
		for {
			h.alive()
			got, err := h.shows()
			if err == nil && maps.Equal(got, want) {
				break
			}
			if time.Now().After(end) {
				w.t.Errorf("hub %d shows %d offerings instead of %d (%v); %s\n%s", h.number, len(got), len(want), err, differences(got, want), h.peers())
				break
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
}

func differences(got, want map[[2]string]where) string {
	var lines []string
	for k, v := range want {
		if g, ok := got[k]; g != v {
			lines = append(lines, fmt.Sprintf("%s is at %v (%v), not at %v", k[1], g, ok, v))
		}
	}
	for k, v := range got {
		if _, ok := want[k]; !ok {
			lines = append(lines, fmt.Sprintf("%s at %v should be gone", k[1], v))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines[:min(len(lines), 10)], "\n")
}

// peers tells what the hub's operator would see.
func (h *townHub) peers() string {
	var body []byte
	status, err := h.ask("/api/v1/peers", true, &body)
	return fmt.Sprintf("%d %v %.6000s", status, err, body)
}

// cable carries connections to a hub.
type cable struct {
	address string

	mu     sync.Mutex
	to     string
	isCut  bool
	halted time.Time // nothing moves before
	conns  map[net.Conn]bool
}

func layCable(t *testing.T) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{address: l.Addr().String(), conns: map[net.Conn]bool{}}
	t.Cleanup(func() { _ = l.Close(); c.drop() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go c.carry(in)
		}
	}()
	return c
}

func (c *cable) lead(to string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.to = to
}

// hold keeps a connection to be closed with the cable; false where it is cut.
func (c *cable) hold(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isCut {
		_ = conn.Close()
		return false
	}
	c.conns[conn] = true
	return true
}

func (c *cable) carry(in net.Conn) {
	c.mu.Lock()
	to := c.to
	c.mu.Unlock()
	if !c.hold(in) {
		return
	}
	out, err := net.Dial("tcp", cmp.Or(to, "127.0.0.1:1"))
	if err != nil || !c.hold(out) {
		_ = in.Close()
		return
	}
	pump := func(to, from net.Conn) {
		b := make([]byte, 16<<10)
		for {
			n, err := from.Read(b)
			for c.waits() {
				time.Sleep(10 * time.Millisecond)
			}
			if n > 0 {
				if _, werr := to.Write(b[:n]); werr != nil {
					err = werr
				}
			}
			if err != nil {
				_, _ = to.Close(), from.Close()
				c.mu.Lock()
				delete(c.conns, to)
				delete(c.conns, from)
				c.mu.Unlock()
				return
			}
		}
	}
	go pump(out, in)
	go pump(in, out)
}

func (c *cable) waits() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Before(c.halted)
}

// drop ends every connection; new ones get through.
func (c *cable) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		_ = conn.Close()
		delete(c.conns, conn)
	}
}

// cut ends every connection and lets none through until join.
func (c *cable) cut() {
	c.mu.Lock()
	c.isCut = true
	c.mu.Unlock()
	c.drop()
}

func (c *cable) join() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isCut = false
}

// stall lets nothing move for a while.
func (c *cable) stall(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.halted = time.Now().Add(d)
}

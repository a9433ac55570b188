package hub_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/mod/sumdb/tlog"

	"lianmu/federation/exchange"
	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub/bus"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// ours counts goroutines of the exchange with peers.
func ours(t *testing.T) (n int) {
	t.Helper()
	var b strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		t.Fatal(err)
	}
	for stack := range strings.SplitSeq(b.String(), "\n\n") {
		if strings.Contains(stack, "lianmu/hub/peering") || strings.Contains(stack, "lianmu/federation/exchange") || strings.Contains(stack, "persistConn") {
			var count int
			if _, err := fmt.Sscanf(stack, "%d @", &count); err == nil {
				n += count
			}
		}
	}
	return n
}

// Of twenty peers five are dead, each in its own way, and one drips. The other
// fourteen are level as if there were no others; and what it costs to keep so many
// is bounded.
func TestStandTwentyPeers(t *testing.T) {
	deaf, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and nobody is there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { deaf.Close() })
	before := ours(t)
	w := settle(t, "廿", "0b")
	var forgers []*forger
	for _, address := range []string{
		"http://" + place(t),               // refused
		"nats://" + place(t),               // refused
		"http://" + deaf.Addr().String(),   // silent
		"nats://192.0.2.1:4222",            // a black hole
		"https://no-such-hub.invalid:8080", // no such name
	} {
		f := newForger(t)
		f.card = f.says(map[string]any{"address": []string{address}})
		w.add(f)
	}
	slow := newForger(t).offers("1")
	for _, question := range []string{"logs", "leaves", "documents"} {
		slow.ill[question] = drips
	}
	w.add(slow)
	for range 12 {
		f := newForger(t).offers("1", "2", "3")
		forgers = append(forgers, f)
		w.add(f)
	}
	real := []*town{settle(t, "甲", "0a"), settle(t, "乙", "0c")}
	for _, a := range real {
		a.publish("1", "2", "3")
		befriend(t, a, w)
	}
	w.finds(14*3, view.Question{})
	for _, f := range forgers {
		f.offers("4")
	}
	for _, a := range real {
		a.publish("4")
	}
	w.finds(14*4, view.Question{})
	list, err := w.peers().List(t.Context(), security)
	if err != nil || len(list) != 20 {
		t.Fatalf("%d peers, %v", len(list), err)
	}
	connected := 0
	for _, p := range list {
		if p.Link.Connected {
			connected++
		}
	}
	if connected != 14 {
		t.Errorf("%d are connected: %s", connected, w.report())
	}
	// Each peer has its link and each log its copier; a connection has two goroutines
	// of its own, and there are a few more where something is under way.
	if n := ours(t) - before; n > 20*2+15*3+25*2*2 {
		t.Errorf("%d goroutines for 20 peers", n)
	}
	for _, f := range append(forgers, slow) {
		f.mu.Lock()
		if f.most > 5 {
			t.Errorf("%d connections at once to one peer", f.most)
		}
		f.mu.Unlock()
	}
	began := time.Now()
	w.close()
	if took := time.Since(began); took > 5*time.Second { // what stop allows
		t.Errorf("closing takes %v", took)
	}
	w.open(t)
	w.finds(14*4, view.Question{})
}

// A peer offers ten thousand logs that it invented, each with a card that is
// rightly signed by a key that nobody knows. From one who is not trusted to relay
// none is taken; from one who is, a bounded number, and no other log is held up.
// The officer is told, and all of them go in one act.
func TestStandInventedLogs(t *testing.T) {
	b := settle(t, "乙", "0b")
	honest, relay, other := newForger(t).offers("a"), newForger(t).offers("r"), newForger(t).offers("o")
	b.add(honest)
	b.finds(1, view.Question{})
	rounds := 20
	if testing.Short() {
		rounds = 2
	}
	invented := make(chan []offered, rounds)
	go func() {
		defer close(invented)
		for range rounds {
			var some []offered
			for range 499 {
				some = append(some, invent(t))
			}
			invented <- some
		}
	}()
	b.add(relay, relays)
	b.add(other)
	n := uint64(1)
	for some := range invented {
		for _, f := range []*forger{relay, other} {
			f.change(func() { f.extra = some })
			f.offers(fmt.Sprint("n", n))
		}
		n++
		for _, f := range []*forger{relay, other} {
			b.holds(f, n)
		}
	}
	honest.offers("b")
	b.holds(honest, 2)
	logs, err := b.peers().Logs(t.Context(), security)
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for _, l := range logs {
		switch {
		case l.From == other.key.DID() && l.Hub != other.key.DID():
			t.Errorf("taken from who does not relay: %+v", l)
		case l.From == relay.key.DID() && l.Hub != relay.key.DID():
			taken++
		}
	}
	if taken == 0 || taken > 64 {
		t.Errorf("%d of the invented logs are mirrored", taken)
	}
	p, err := b.peers().Detail(t.Context(), security, relay.key.DID())
	if err != nil || p.Link.Error == nil || p.Link.Error.Problem[0].Code != "peer.logs" && p.Link.Error.Problem[0].Code != "peer.refused" {
		t.Errorf("%+v, %v", p.Link, err)
	}
	relay.change(func() { relay.extra = nil })
	if err := b.peers().Remove(t.Context(), security, relay.key.DID(), true); err != nil {
		t.Fatal(err)
	}
	b.until("all of them are gone", func() (string, bool) {
		logs, err := b.peers().Logs(t.Context(), security)
		return fmt.Sprint(len(logs), err), err == nil && len(logs) == 2
	})
	b.finds(2+n, view.Question{})
}

// invent makes a log of a hub that there is not: its card, and a checkpoint over a
// million entries.
func invent(t *testing.T) offered {
	k, log := identitytest.Key(t), identitytest.Key(t)
	origin := "lianmu/" + strings.TrimPrefix(k.DID(), "did:key:") + "/1"
	signer, vkey := logKey(t, origin, log)
	f := forger{t: t, key: k, origin: origin, vkey: vkey, signer: signer}
	card := f.says(nil)
	return offered{Card: string(card), Checkpoint: string(sealed(t, origin, signer, 1e6, tlog.Hash{}, time.Now()))}
}

// A peer floods questions, over HTTP and over NATS, while another copies and
// people search: both go on, and the flood is answered in few words.
func TestStandPeerThatFloods(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	a, b := settle(t, "甲", "0a"), settle(t, "乙", "0b")
	befriend(t, a, b)
	a.publish("0")
	b.finds(1, view.Question{})
	evil := newForger(t)
	a.add(evil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var asked, busy atomic.Int64
	var flooding sync.WaitGroup
	defer flooding.Wait()
	defer cancel()
	fresh := func() (string, error) { return identity.NewToken(evil.key, a.info.DID, time.Now(), time.Minute) }
	note := func(_ any, err error) {
		asked.Add(1)
		var ps vocab.Problems
		if errors.As(err, &ps) && len(ps) > 0 && err != nil {
			busy.Add(1)
		}
	}
	questions := func(c *exchange.Client) {
		for ctx.Err() == nil {
			note(c.Leaves(ctx, a.info.Origin, 0, 1<<40))
			note(c.Documents(ctx, a.info.Origin, make([]vocab.Digest, exchange.MaxDocuments)))
			note(c.Logs(ctx, exchange.LogsRequest{Card: evil.card}))
		}
	}
	from := func(last byte) *net.Dialer {
		return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, last)}}
	}
	overHTTP := &http.Client{Transport: &http.Transport{DialContext: from(2).DialContext, MaxIdleConnsPerHost: 16}}
	if resp, err := overHTTP.Get(a.info.HTTP + "/healthz"); err != nil {
		t.Skipf("no second address: %v", err)
	} else {
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	for range 6 {
		flooding.Go(func() { questions(exchange.NewClient(exchange.NewHTTPAsker(overHTTP, a.info.HTTP, fresh))) })
		flooding.Go(func() {
			for ctx.Err() == nil { // cut off, it comes again
				conn, err := nats.Connect(a.info.NATS, append(bus.ClientOptions(fresh, evil.key.DID()), nats.NoReconnect(), nats.SetCustomDialer(from(3)))...)
				if err != nil {
					note(nil, vocab.Problems{{}})
					time.Sleep(10 * time.Millisecond)
					continue
				}
				client := exchange.NewClient(exchange.NewNATSAsker(conn, time.Second))
				for ctx.Err() == nil && !conn.IsClosed() {
					note(client.Leaves(ctx, a.info.Origin, 0, 1<<40))
				}
				conn.Close()
			}
		})
	}
	for asked.Load() < 2000 && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	for i := range 40 {
		if got, _ := a.insist(a.sign(offering(fmt.Sprint("x", i), "好产品"))); got.Status != vocab.Accepted && got.Status != vocab.Unchanged {
			t.Fatalf("%+v", got)
		}
	}
	b.finds(41, view.Question{})
	if answer := a.search("好产品"); answer.Total != 40 {
		t.Errorf("%d are found at A", answer.Total)
	}
	if busy.Load() == 0 {
		t.Errorf("all of %d questions were answered", asked.Load())
	}
	t.Logf("%d questions, %d turned away", asked.Load(), busy.Load())
	if err := a.peers().Block(t.Context(), security, evil.key.DID()); err != nil {
		t.Fatal(err)
	}
	a.publish("last")
	b.finds(42, view.Question{})
}

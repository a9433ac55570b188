package hub_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/federation/identity"
	"lianmu/hub/bus"
	"lianmu/hub/bus/bustest"
	"lianmu/vocab"
)

// flood sends documents on a connection as fast as it takes them. wait returns,
// when no more answers come, how often each status did.
func (r *running) flood(n int, document func(i int) []byte) (wait func() map[vocab.Status]int) {
	r.t.Helper()
	var mu sync.Mutex
	got := map[vocab.Status]int{}
	inbox := r.conn.NewInbox()
	sub, err := r.conn.Subscribe(inbox, func(m *nats.Msg) {
		var receipt vocab.Receipt
		err := json.Unmarshal(m.Data, &receipt)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			r.t.Errorf("answered %s", m.Data)
		}
		got[receipt.Status]++
	})
	if err != nil {
		r.t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		for i := range n {
			if err := r.conn.PublishRequest(bus.SubmitPrefix+bus.SpaceToken(r.key.DID()), inbox, document(i)); err != nil {
				sent <- err
				return
			}
		}
		sent <- r.conn.Flush()
	}()
	return func() map[vocab.Status]int {
		if err := <-sent; err != nil {
			r.t.Error(err)
			return got
		}
		for before := -1; ; time.Sleep(500 * time.Millisecond) {
			mu.Lock()
			answered := 0
			for _, of := range got {
				answered += of
			}
			mu.Unlock()
			if answered == before {
				break
			}
			before = answered
		}
		if err := sub.Unsubscribe(); err != nil {
			r.t.Error(err)
		}
		return got
	}
}

// from connects anew, from another address of this machine.
func (r *running) from(a, b, c, d byte) {
	r.t.Helper()
	var err error
	if r.conn, err = nats.Connect(r.info.NATS, append(bustest.Options(r.key, r.info.DID),
		nats.SetCustomDialer(&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(a, b, c, d)}}))...); err != nil {
		r.t.Skipf("no second address: %v", err)
	}
	r.t.Cleanup(r.conn.Close)
}

// publishes sends good documents one after another, each again where the hub is
// busy or does not answer, as a publisher does. It returns how long each took
// until it was taken.
func (r *running) publishes(prefix string, n int) []time.Duration {
	r.t.Helper()
	var took []time.Duration
	for i := range n {
		raw := r.sign(offering(fmt.Sprint(prefix, i), "好文件"))
		began := time.Now()
		got, _ := r.insist(raw)
		if got.Status != vocab.Accepted && got.Status != vocab.Unchanged {
			r.t.Errorf("%s%d is %+v", prefix, i, got)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took
}

// insist repeats a submission until it is answered by something else than busy,
// as late as the hub asks for.
func (r *running) insist(raw []byte) (got vocab.Receipt, tries int) {
	r.t.Helper()
	for began := time.Now(); ; {
		tries++
		m, err := r.conn.Request(bus.SubmitPrefix+bus.SpaceToken(r.key.DID()), raw, 5*time.Second)
		got = vocab.Receipt{}
		if err == nil {
			err = json.Unmarshal(m.Data, &got)
		}
		if err == nil && got.Status != vocab.Busy || time.Since(began) > time.Minute {
			return got, tries
		}
		time.Sleep(max(100*time.Millisecond, time.Duration(got.RetryAfterMS)*time.Millisecond))
	}
}

// A space that floods with good documents fills its own share of the queue:
// others, admitted and not, are answered all the while.
func TestStandFloodOfOneSpace(t *testing.T) {
	if testing.Short() {
		t.Skip("floods a hub")
	}
	s := closed(t)
	mallory, victim := s.space("洪水空间"), s.space("受害空间")
	const n = 6000
	signed := make([][]byte, n)
	for i := range signed {
		signed[i] = mallory.sign(offering(fmt.Sprint("f", i%500), fmt.Sprint("洪水", i)))
	}
	var done atomic.Bool
	wait := mallory.flood(n, func(i int) []byte { return signed[i] })
	var got map[vocab.Status]int
	var waiting sync.WaitGroup
	waiting.Go(func() { got = wait(); done.Store(true) })
	victim.publishes("v", 20)
	newcomer := s.newcomer(nil)
	if r := newcomer.submit(newcomer.sign(descriptor(newcomer.key.DID(), "新空间", ""))); r.Status != vocab.Waiting {
		t.Errorf("a newcomer beside the flood: %+v", r)
	}
	if done.Load() {
		t.Log("the flood was over before the others had published")
	}
	waiting.Wait()
	if got[vocab.Accepted] == 0 || got[vocab.Refused] > 0 {
		t.Errorf("the flood: %v", got)
	}
	t.Logf("the flood: %v", got)
	victim.must(offering("last", "洪水之后"))
}

// Floods without an end, of submissions and of searches, by whoever has a key,
// admitted or not, and by one who asks and never reads the answers: all the while
// others publish, from the same address and from another, and a newcomer gets in.
// Who floods is cut off and kept out, and the trail says so.
func TestStandEndlessFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("floods a hub")
	}
	s := closed(t)
	mallory, victim, far, stranger, newcomer := s.space("洪水空间"), s.space("受害空间"), s.space("别处的空间"), s.newcomer(nil), s.newcomer(nil)
	far.from(127, 0, 0, 2)
	newcomer.from(127, 0, 0, 3)
	var over atomic.Bool
	var floods sync.WaitGroup
	var sent atomic.Int64
	deaf := s.deaf(stranger.key)
	begin := make(chan struct{})
	for _, f := range []struct {
		from          *running
		subject, body string
	}{
		{mallory, bus.SubmitPrefix + bus.SpaceToken(mallory.key.DID()), "{}"},
		{stranger, bus.SubmitPrefix + bus.SpaceToken(stranger.key.DID()), `{"@context":[],"proof":{}}`},
		{mallory, bus.Search, `{"q":"港口","facets":["all"]}`},
		{stranger, bus.ReceiptPrefix + bus.SpaceToken(stranger.key.DID()), `{}`},
	} {
		conn := bustest.Connect(t, s.info.NATS, s.info.DID, f.from.key, nats.NoReconnect())
		inbox := conn.NewInbox()
		floods.Go(func() {
			<-begin
			for !over.Load() && conn.PublishRequest(f.subject, inbox, []byte(f.body)) == nil {
				sent.Add(1)
			}
		})
	}
	own := bus.SpaceToken(stranger.key.DID())
	block := bytes.Repeat(fmt.Appendf(nil, "PUB %s%s %s.x 2\r\n{}\r\n", bus.SubmitPrefix, own, bus.InboxPrefix(own)), 100)
	floods.Go(func() {
		for !over.Load() {
			if _, err := deaf.Write(block); err != nil {
				return // the server has hung up on it
			}
			sent.Add(100)
			time.Sleep(time.Millisecond)
		}
	})
	close(begin)
	var others sync.WaitGroup
	for _, r := range []*running{victim, far} {
		others.Go(func() { r.publishes("v", 20) })
	}
	others.Wait()
	raw := newcomer.sign(descriptor(newcomer.key.DID(), "新空间", ""))
	got, _ := newcomer.insist(raw)
	if got.Status != vocab.Waiting {
		t.Errorf("a newcomer beside the flood: %+v", got)
	}
	floods.Wait() // each is cut off
	over.Store(true)
	_ = deaf.Close()
	t.Logf("%d questions in the flood", sent.Load())
	for _, key := range []*identity.Key{mallory.key, stranger.key} {
		if err := s.enters(key); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s is let in again: %v", key.DID(), err)
		}
	}
	if err := s.enters(victim.key); err != nil {
		t.Errorf("the victim, at the same address: %v", err)
	}
	s.clean()
}

// deaf is a client that listens to its inbox, and then reads nothing any more.
func (s *stand) deaf(key *identity.Key) net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.info.NATS, "nats://"))
	if err != nil {
		s.t.Fatal(err)
	}
	r := bufio.NewReader(c)
	if _, err := r.ReadString('\n'); err != nil {
		s.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(c, "CONNECT {\"auth_token\":%q,\"headers\":true,\"verbose\":false}\r\nSUB %s.> 1\r\nPING\r\n", s.bearer(key), bus.InboxPrefix(bus.SpaceToken(key.DID()))); err != nil {
		s.t.Fatal(err)
	}
	for line := ""; line != "PONG\r\n"; {
		if line, err = r.ReadString('\n'); err != nil || strings.HasPrefix(line, "-ERR") {
			s.t.Fatalf("connecting: %q, %v", line, err)
		}
	}
	return c
}

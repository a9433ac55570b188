package hub_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
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

// Wrong signatures, ten thousand a second and as fast as one connection sends
// them: none is taken, and what other spaces publish meanwhile all is, from the
// same address and from another. How long that takes, in turns with and without
// the flood, is told and not judged: LIANMU_FLOOD_GOOD=150 makes the four turns
// long enough for a 99th percentile.
func TestStandWrongSignatures(t *testing.T) {
	if testing.Short() {
		t.Skip("floods a hub")
	}
	good := 20
	if n, err := strconv.Atoi(os.Getenv("LIANMU_FLOOD_GOOD")); err == nil {
		good = n
	}
	for _, f := range []struct {
		name string
		rate int
	}{{"10,000 a second", 10_000}, {"as fast as they go", 0}} {
		t.Run(f.name, func(t *testing.T) { wrongSignatures(t, f.rate, good) })
	}
}

func wrongSignatures(t *testing.T, rate, good int) {
	s := closed(t)
	spaces := 2 + good/10 // who flood, one after another: each is cut off before long
	if rate == 0 {
		spaces = 2 + good/4
	}
	near, far := s.space("同一地址的空间"), s.space("别处的空间")
	before := s.hub.Info().LogSize
	took := map[string][2][]time.Duration{}
	busy, unheard := 0, 0
	for turn := range 4 {
		flooded := turn % 2
		end := func() outcome { return outcome{} }
		if flooded == 1 {
			e := s.mallories(byte(turn), spaces)
			e.Rate = rate
			before += uint64(2 * spaces) // descriptors and admissions
			end = s.errand(e)
		}
		used, began := cpu(), time.Now()
		ends := map[string]func() outcome{}
		for where, r := range map[string]*running{"127.0.0.1": near, "127.0.0.2": far} {
			e := errand{From: where, Senders: []sender{r.sender()}}
			for i := range good {
				e.Documents = append(e.Documents, r.sign(offering(fmt.Sprint(turn, "-", i), "好文件")))
			}
			ends[where] = r.errand(e)
		}
		for where, end := range ends {
			got := end()
			if got.Got[vocab.Accepted]+got.Got[vocab.Unchanged] != good {
				t.Errorf("of %d good documents from %s: %v", good, where, got.Got)
			}
			both := took[where]
			both[flooded] = append(both[flooded], got.Took...)
			took[where] = both
			busy += got.Got[vocab.Busy]
			unheard += got.Unheard
		}
		over, used := time.Since(began), cpu()-used
		t.Logf("turn %d: %d good documents in %v, hub's CPU %v", turn, 2*good, over, used)
		if flooded == 0 {
			continue
		}
		got := end()
		// Who sends as fast as it goes may be cut off before it has read an answer.
		if rate > 0 && got.Got[vocab.Refused] == 0 || got.Got[""] > 0 || got.Got[vocab.Refused]+got.Got[vocab.Busy] > got.Sent {
			t.Errorf("of %d wrong signatures: %v", got.Sent, got.Got)
		}
		t.Logf("beside %d wrong signatures by %d spaces in %v: %v", got.Sent, got.Senders, got.For, got.Got)
	}
	if after, want := s.hub.Info().LogSize, before+uint64(4*2*good); after != want {
		t.Errorf("the log has %d entries, want %d", after, want)
	}
	t.Logf("flood (nice 19), publishers and hub are three kinds of processes on %d cores, all on this machine; good documents: %d busy, %d repeated unheard", runtime.NumCPU(), busy, unheard)
	for where, both := range took {
		quiet, beside := both[0], both[1]
		slices.Sort(quiet)
		slices.Sort(beside)
		at := func(all []time.Duration, share float64) time.Duration {
			return all[int(share*float64(len(all)-1))].Round(100 * time.Microsecond)
		}
		for _, p := range []float64{0.5, 0.95, 0.99, 1} {
			t.Logf("from %s, %d: p%g %v, was %v: %.2f x", where, len(beside), 100*p, at(beside, p), at(quiet, p), float64(at(beside, p))/float64(at(quiet, p)))
		}
	}
}

// mallories are so many spaces that will flood from one address. As few may apply
// from one, each was admitted from an address of its own, in a net of their own.
func (s *stand) mallories(net byte, n int) (e errand) {
	for i := range n {
		m := s.newcomer(nil)
		m.conn.Close()
		m.from(127, 0, net, byte(3+i))
		s.admit(m, fmt.Sprint("作恶空间", net, i))
		m.conn.Close()
		if i == 0 {
			e.Wrong = m.sign(offering("x", "假文件"))
		}
		e.Senders = append(e.Senders, m.sender())
	}
	return e
}

// Whoever signs a whole file with the wrong key is told so of each document,
// though many wrong signatures at once are put off; and once the key is the right
// one, all are taken.
func TestStandWrongKey(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for what is put off")
	}
	s := closed(t)
	r := s.space("拿错密钥的空间")
	const documents, window = 2000, 256
	wrong := running{t: t, key: bustest.Key(t)}
	var mu sync.Mutex
	told, again := map[string]int{}, 0
	slots := make(chan struct{}, window)
	var sending sync.WaitGroup
	for i := range documents {
		// The proof says that it is of the space's key.
		raw := bytes.ReplaceAll(wrong.sign(offering(fmt.Sprint(i), "签错的文件")), []byte(bus.SpaceToken(wrong.key.DID())), []byte(bus.SpaceToken(r.key.DID())))
		slots <- struct{}{}
		sending.Go(func() {
			defer func() { <-slots }()
			got, tries := r.insist(raw)
			mu.Lock()
			defer mu.Unlock()
			again += tries - 1
			if len(got.Problems) > 0 {
				told[got.Problems[0].Code]++
			}
		})
	}
	sending.Wait()
	if told["proof.invalid"] != documents {
		t.Errorf("of %d documents with a wrong signature: %v", documents, told)
	}
	if again == 0 {
		t.Error("none was put off: the bound is not tested")
	}
	t.Logf("%d documents, %d times busy or unheard", documents, again)
	r.publishes("right", 20)
	s.clean()
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

package hub_test

import (
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub"
	"lianmu/hub/access"
	"lianmu/hub/bus"
	"lianmu/hub/hubtest"
	"lianmu/hub/peering"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// town is a hub among others, with one space that publishes to it.
type town struct {
	*running
	config hub.Config
	seed   string
}

var security = access.Who{DID: "did:key:zSecurity", Via: access.ViaToken, Roles: []access.Role{access.Security}}

// ports are handed out from below those that the system gives to whoever asks for
// any, so that a hub that was stopped comes back where it was.
var ports atomic.Int32

// place takes a free port of the loopback interface.
func place(t *testing.T) string {
	t.Helper()
	for range 1000 {
		at := fmt.Sprintf("127.0.0.1:%d", 10_000+(int32(os.Getpid())*64+ports.Add(1))%20_000)
		if l, err := net.Listen("tcp", at); err == nil {
			l.Close()
			return at
		}
	}
	t.Fatal("no free port")
	return ""
}

// settle starts a hub with the name and a space of its own; change adjusts it.
func settle(t *testing.T, name, seed string, change ...func(*hub.Config)) *town {
	t.Helper()
	c := hubtest.Config(t, t.TempDir())
	c.HTTP, c.NATS = place(t), place(t)
	c.Peering = peering.Settings{Name: vocab.Text{"zh": name, "en": name}, Contact: "https://hub.example/desk"}
	for _, f := range change {
		f(&c)
	}
	w := &town{config: c, seed: seed}
	w.open(t)
	return w
}

// open starts the hub, for the first time or again.
func (w *town) open(t *testing.T) {
	t.Helper()
	w.running = run(t, w.config)
	var err error
	if w.key, err = identity.ImportKey("ed25519", strings.Repeat(w.seed, 32)); err != nil {
		t.Fatal(err)
	}
	now := time.Now
	if w.config.Now != nil {
		now = w.config.Now
	}
	fresh := func() (string, error) { return identity.NewToken(w.key, w.info.DID, now(), time.Minute) }
	if w.conn, err = nats.Connect(w.info.NATS, bus.ClientOptions(fresh, w.key.DID())...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.conn.Close)
}

// close stops the hub.
func (w *town) close() {
	w.conn.Close()
	w.stop()
}

func (w *town) peers() *peering.Peers { return w.hub.Peers() }

// befriend has each of two hubs add the other's card.
func befriend(t *testing.T, a, b *town, terms ...peering.Terms) {
	t.Helper()
	var term peering.Terms
	if len(terms) > 0 {
		term = terms[0]
	}
	for _, pair := range [][2]*town{{a, b}, {b, a}} {
		if _, err := pair[0].peers().Add(t.Context(), security, peering.Invite{Card: pair[1].peers().Card()}, term); err != nil {
			t.Fatal(err)
		}
	}
}

// publish puts offerings into the hub's log.
func (w *town) publish(ids ...string) {
	w.t.Helper()
	for _, id := range ids {
		w.must(offering(id, "产品"+id+"港口吞吐量"))
	}
}

// finds waits until a search of everything finds this many.
func (w *town) finds(n uint64, q view.Question) *view.Answer {
	w.t.Helper()
	var a *view.Answer
	w.until(fmt.Sprintf("%d offerings are found", n), func() (string, bool) {
		var err error
		if a, err = w.hub.Find(w.t.Context(), q); err != nil {
			return err.Error(), false
		}
		return fmt.Sprintf("%d, %+v", a.Total, a.Coverage), a.Total == n
	})
	return a
}

// until waits for something for at most 20 s.
func (w *town) until(what string, ok func() (now string, done bool)) {
	w.t.Helper()
	last := ""
	for range 1000 {
		now, done := ok()
		if done {
			return
		}
		last = now
		time.Sleep(20 * time.Millisecond)
	}
	w.t.Fatalf("not so after 20 s: %s; now %s; %s", what, last, w.report())
}

// report tells what the hub knows of its peers.
func (w *town) report() string {
	list, err := w.peers().List(w.t.Context(), security)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, p := range list {
		fmt.Fprintf(&b, "\n%s %s %+v", p.DID, p.State, p.Link)
		if p.Link != nil && p.Link.Error != nil {
			fmt.Fprintf(&b, " error %v", p.Link.Error.Problem)
		}
	}
	logs, _ := w.peers().Logs(w.t.Context(), security)
	for _, l := range logs {
		fmt.Fprintf(&b, "\n%s %s size %d lag %d from %s faulty %d missing %d withheld %d", l.Origin, l.State, l.Size, l.Lag, l.Source, l.Faulty, l.Missing, l.Withheld)
		if l.Error != nil {
			fmt.Fprintf(&b, " error %v", l.Error.Problem)
		}
		if l.Why != nil {
			fmt.Fprintf(&b, " why %v", l.Why.Message)
		}
	}
	return b.String()
}

// logOf is what the hub knows of another's log.
func (w *town) logOf(other *town) peering.LogInfo {
	w.t.Helper()
	logs, err := w.peers().Logs(w.t.Context(), security)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, l := range logs {
		if l.Origin == other.info.Origin {
			return l
		}
	}
	return peering.LogInfo{}
}

func (w *town) inState(other *town, s peering.LogState) {
	w.t.Helper()
	w.until("the log is "+string(s), func() (string, bool) {
		l := w.logOf(other)
		return string(l.State), l.State == s
	})
}

// Two hubs that exchanged card files find what is published at either, and each
// entry stands in the mirror as in the log.
func TestPeersByFile(t *testing.T) {
	t.Parallel()
	a, b := settle(t, "甲", "0a"), settle(t, "乙", "0b")
	a.publish("a1", "a2", "a3")
	befriend(t, a, b)
	b.publish("b1")
	a.finds(4, view.Question{})
	answer := b.finds(4, view.Question{})
	if len(answer.Coverage) != 2 || answer.Coverage[1].Name["zh"] != "甲" {
		t.Errorf("coverage %+v", answer.Coverage)
	}
	a.publish("a4")
	b.finds(5, view.Question{})
	a.must(removal("Withdrawal", "a1"))
	b.finds(4, view.Question{})
	l := b.logOf(a)
	if l.State != peering.Current || l.Size != 5 || l.Faulty+l.Missing > 0 || l.Source != a.info.DID {
		t.Errorf("%+v", l)
	}
}

// The short form: an address, over HTTP as over NATS. The other side decides about
// whoever asks.
func TestPeersByAddress(t *testing.T) {
	t.Parallel()
	for _, over := range []string{"http", "nats"} {
		t.Run(over, func(t *testing.T) {
			a, b := settle(t, "甲", "0a"), settle(t, "乙", "0b")
			a.publish("a1", "a2")
			address := map[string]string{"http": a.info.HTTP, "nats": a.info.NATS}[over]
			info, err := b.peers().Add(t.Context(), security, peering.Invite{URL: address}, peering.Terms{})
			if err != nil {
				t.Fatal(err)
			}
			if info.DID != a.info.DID || info.Words != peering.Fingerprint(a.info.DID) || info.Addresses[0] != address {
				t.Errorf("%+v", info)
			}
			a.until("the other is on the waiting list", func() (string, bool) {
				list, err := a.peers().List(t.Context(), security)
				return fmt.Sprint(list, err), err == nil && len(list) == 1 && list[0].State == peering.Waiting
			})
			if n, _ := b.hub.Find(t.Context(), view.Question{}); n.Total != 0 {
				t.Errorf("%d documents left before anybody approved", n.Total)
			}
			if _, err := a.peers().Approve(t.Context(), security, b.info.DID, peering.Terms{}); err != nil {
				t.Fatal(err)
			}
			b.finds(2, view.Question{})
			link, err := b.peers().Detail(t.Context(), security, a.info.DID)
			if err != nil || !link.Link.Connected || link.Link.Address != address || link.Link.In == 0 {
				t.Errorf("%+v, %v", link.Link, err)
			}
		})
	}
}

// C has A's log from B where A is away, and knows that it is A's.
func TestFailover(t *testing.T) {
	t.Parallel()
	a, b := settle(t, "甲", "0a"), settle(t, "乙", "0b")
	a.publish("a1", "a2")
	befriend(t, a, b)
	b.finds(2, view.Question{})
	c := settle(t, "丙", "0c")
	befriend(t, a, c)
	c.finds(2, view.Question{})
	c.until("A is the source", func() (string, bool) { l := c.logOf(a); return l.Source, l.Source == a.info.DID })
	if err := a.peers().Pause(t.Context(), security, c.info.DID); err != nil { // A withholds documents from C from here
		t.Fatal(err)
	}
	befriend(t, b, c)
	a.publish("a3")
	b.finds(3, view.Question{})
	a.close()
	c.finds(3, view.Question{})
	c.until("B is the source", func() (string, bool) { l := c.logOf(a); return l.Source, l.Source == b.info.DID })
}

// A hub that C does not know comes by way of B, if C trusts B to relay.
func TestRelay(t *testing.T) {
	t.Parallel()
	a, b, c := settle(t, "甲", "0a"), settle(t, "乙", "0b"), settle(t, "丙", "0c")
	a.publish("a1")
	befriend(t, a, b)
	b.finds(1, view.Question{})
	befriend(t, b, c)
	b.publish("b1")
	c.finds(1, view.Question{}) // B's own alone
	if l := c.logOf(a); l.Origin != "" {
		t.Errorf("the log of a stranger: %+v", l)
	}
	if _, err := c.peers().Approve(t.Context(), security, b.info.DID, peering.Terms{Relays: true}); err != nil {
		t.Fatal(err)
	}
	c.finds(2, view.Question{})
	a.publish("a2")
	c.finds(3, view.Question{})
	if l := c.logOf(a); l.Hub != a.info.DID || l.From != b.info.DID || l.Source != b.info.DID {
		t.Errorf("%+v", l)
	}
}

// A peer that takes a connection and never says a word holds up nobody else.
func TestSilentPeer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var calls atomic.Int32
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			calls.Add(1)
			defer conn.Close()
		}
	}()
	mute := settle(t, "哑", "0d", func(c *hub.Config) { c.Peering.Addresses = []string{"nats://" + l.Addr().String()} })
	a, b := settle(t, "甲", "0a"), settle(t, "乙", "0b")
	if _, err := b.peers().Add(t.Context(), security, peering.Invite{Card: mute.peers().Card()}, peering.Terms{}); err != nil {
		t.Fatal(err)
	}
	b.until("the silent one is dialled", func() (string, bool) { return "", calls.Load() > 0 })
	a.publish("a1")
	befriend(t, a, b)
	b.finds(1, view.Question{})
}

// clock is one that a test sets ahead.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time         { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) pass(d time.Duration)   { c.ahead.Add(int64(d)) }
func (c *clock) set(config *hub.Config) { config.Now = c.now }
func day(n float64) time.Duration       { return time.Duration(n * 24 * float64(time.Hour)) }

// A silent log ages, is then left out, and comes back with the next checkpoint.
func TestStaleAndBack(t *testing.T) {
	t.Parallel()
	var days clock
	a, b := settle(t, "甲", "0a", days.set), settle(t, "乙", "0b", days.set)
	raw := identitytest.Sign(t, offering("a1", "产品"), a.key, identity.SignOptions{Created: time.Now(), Expires: time.Now().Add(day(365))})
	if got := a.submit(raw); got.Status != vocab.Accepted {
		t.Fatalf("%+v", got)
	}
	befriend(t, a, b)
	b.finds(1, view.Question{})
	a.close()
	days.pass(day(1.5))
	b.inState(a, peering.Ageing)
	if got := b.finds(1, view.Question{}); got.Hits[0].State != view.Ageing {
		t.Errorf("an ageing hit is marked %q", got.Hits[0].State)
	}
	days.pass(day(5))
	b.inState(a, peering.Stale)
	b.finds(0, view.Question{})
	b.finds(1, view.Question{Stale: true})
	// It is as old after a restart.
	b.close()
	b.open(t)
	b.inState(a, peering.Stale)
	a.open(t)
	b.inState(a, peering.Current)
	b.finds(1, view.Question{})
}

func TestRemove(t *testing.T) {
	t.Parallel()
	a, b := settle(t, "甲", "0a"), settle(t, "乙", "0b")
	a.publish("a1", "a2")
	befriend(t, a, b)
	b.finds(2, view.Question{})
	if err := b.peers().Remove(t.Context(), security, a.info.DID, false); err != nil {
		t.Fatal(err)
	}
	if l := b.logOf(a); l.Size != 2 {
		t.Errorf("what was to be kept: %+v", l)
	}
	b.finds(2, view.Question{})
	if err := b.peers().Remove(t.Context(), security, a.info.DID, true); err != nil {
		t.Fatal(err)
	}
	b.finds(0, view.Question{Stale: true})
	b.until("the log is gone", func() (string, bool) { l := b.logOf(a); return l.Origin, l.Origin == "" })
	if err := b.peers().Remove(t.Context(), security, a.info.DID, true); err == nil || vocab.ProblemsOf(err, "")[0].Code != "peer.unknown" {
		t.Errorf("removed twice: %v", err)
	}
	// And again from the start.
	if _, err := b.peers().Add(t.Context(), security, peering.Invite{Card: a.peers().Card()}, peering.Terms{}); err != nil {
		t.Fatal(err)
	}
	b.finds(2, view.Question{})
}

// A mirror that is cut off by a restart goes on at the exact entry.
func TestRestartInTheMiddle(t *testing.T) {
	t.Parallel()
	a, b := settle(t, "甲", "0a"), settle(t, "乙", "0b")
	befriend(t, a, b)
	const n = 300
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range n {
			a.must(offering(fmt.Sprint("x", i%200), fmt.Sprintf("产品 %d", i)))
		}
	}()
	for range 3 {
		time.Sleep(100 * time.Millisecond)
		b.close()
		b.open(t)
	}
	<-done
	a.finds(200, view.Question{})
	b.finds(200, view.Question{})
	b.until("all is there", func() (string, bool) { l := b.logOf(a); return fmt.Sprint(l.Size), l.Size == n })
	if l := b.logOf(a); l.Faulty+l.Missing+l.Withheld > 0 {
		t.Errorf("%+v", l)
	}
}

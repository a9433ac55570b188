package hub_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/mod/sumdb/note"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/federation/ledger"
	"lianmu/hub/bus"
	"lianmu/hub/peering"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// metrics is what Prometheus reads of the hub.
func (r *running) metrics() string {
	r.t.Helper()
	resp, err := http.Get(r.info.HTTP + "/metrics")
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

// events gathers what watchers are told of logs over NATS, by origin.
func (r *running) events() func(origin string) []string {
	r.t.Helper()
	var mu sync.Mutex
	heard := map[string][]string{}
	if _, err := r.conn.Subscribe(bus.EventPrefix+"log", func(m *nats.Msg) {
		var e peering.Event
		if err := json.Unmarshal(m.Data, &e); err != nil {
			r.t.Errorf("event %s: %v", m.Data, err)
		}
		if e.Label["zh"] == "" || e.Label["en"] == "" {
			r.t.Errorf("event %s has no name for people", m.Data)
		}
		mu.Lock()
		defer mu.Unlock()
		heard[e.Origin] = append(heard[e.Origin], e.What)
	}); err != nil {
		r.t.Fatal(err)
	}
	if err := r.conn.Flush(); err != nil {
		r.t.Fatal(err)
	}
	return func(origin string) []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string{}, heard[origin]...)
	}
}

// stops waits until a forger's log is stopped, and holds the two notes to being a
// proof for anybody.
func (w *town) stops(f *forger) {
	w.t.Helper()
	w.until("it is stopped", func() (string, bool) {
		l := w.mirrorOf(f)
		return string(l.State), l.State == peering.Stopped
	})
	l := w.mirrorOf(f)
	if l.Why == nil || l.Why.Code != "log.contradiction" || l.Why.Message["zh"] == "" || len(l.Evidence) != 2 {
		w.t.Fatalf("%+v", l)
	}
	var notes []ledger.Checkpoint
	for _, raw := range l.Evidence {
		cp, err := ledger.ParseCheckpoint(raw, f.vkey)
		if err != nil {
			w.t.Fatalf("evidence: %v: %s", err, raw)
		}
		notes = append(notes, cp)
	}
	if notes[0].Size == notes[1].Size && notes[0].Root == notes[1].Root {
		w.t.Errorf("the notes do not contradict each other: %s %s", notes[0].Note, notes[1].Note)
	}
}

// A hub signs two histories and shows one to B and the other to C. They find out as
// soon as they meet, or as one grows while they know each other; the log stops at
// both, with both notes, and no other does. Then an officer decides.
func TestStandForkShownToTwo(t *testing.T) {
	t.Parallel()
	b, c := settle(t, "乙", "0b"), settle(t, "丙", "0c")
	heard := b.events()
	forks := map[string]*forger{}
	for name, more := range map[string]int{"as long": 2, "longer": 5, "shorter": 1, "later": 0} {
		f := newForger(t).offers("1", "2", "3")
		f.change(func() {
			other := f.tree.fork()
			for i := range more {
				other.say(t, vocab.KindOffering, f.space, offering(fmt.Sprint("x", i), "另一份账"))
			}
			f.shows[c.info.DID] = other
		})
		if more > 0 {
			f.offers("4", "5")
		}
		b.add(f)
		c.add(f)
		forks[name] = f
	}
	honest := newForger(t).offers("a")
	b.add(honest)
	c.add(honest)
	b.finds(5*3+3+1, view.Question{})
	c.finds(4*3+2+5+1+1, view.Question{})
	befriend(t, b, c)
	for name, f := range forks {
		if name == "later" {
			continue
		}
		b.stops(f)
		c.stops(f)
	}
	later := forks["later"]
	if l := b.mirrorOf(later); l.State != peering.Current {
		t.Fatalf("without a contradiction: %+v", l)
	}
	later.change(func() {
		later.tree.say(t, vocab.KindOffering, later.space, offering("4", "一份"))
		later.shows[c.info.DID].say(t, vocab.KindOffering, later.space, offering("4", "另一份"))
	})
	for i := 0; b.mirrorOf(later).State != peering.Stopped || c.mirrorOf(later).State != peering.Stopped; i++ {
		if i == 20 {
			break // stops says what is wrong
		}
		b.publish(fmt.Sprint("b", i)) // whose answers are looked at now, and not only when the long polls end
		c.publish(fmt.Sprint("c", i))
		time.Sleep(200 * time.Millisecond)
	}
	b.stops(later)
	c.stops(later)

	// It is told, and nothing else is held up.
	for name, f := range forks {
		if got := heard(f.origin); strings.Join(got, " ") != "stopped" {
			t.Errorf("%s: watchers heard %v", name, got)
		}
	}
	if text := b.metrics(); !strings.Contains(text, `lianmu_mirrors{state="stopped"} 4`) {
		t.Error("no metric tells of four stopped logs")
	}
	honest.offers("b")
	b.holds(honest, 2)
	c.holds(honest, 2)
	// B's officer accepts: the log goes on from there. C's throws its copy away and
	// begins anew.
	f := forks["as long"]
	f.change(func() { delete(f.shows, c.info.DID) })
	if err := b.peers().Accept(t.Context(), security, f.origin); err != nil {
		t.Fatal(err)
	}
	f.offers("6")
	b.holds(f, 6)
	if err := c.peers().Remove(t.Context(), security, f.key.DID(), true); err != nil {
		t.Fatal(err)
	}
	c.until("it is gone", func() (string, bool) { l := c.mirrorOf(f); return l.Origin, l.Origin == "" })
	c.add(f)
	c.holds(f, 6)
	if l := b.mirrorOf(f); l.State != peering.Current || len(l.Evidence) != 2 {
		t.Errorf("the evidence is kept: %+v", l)
	}
	b.close()
	b.open(t)
	b.holds(f, 6)
	b.stops(later) // over a restart too
}

// The same hub shows the same peer one history after the other, over a restart of
// that peer too; entries received in an impossible order stop a log as well.
func TestStandForkShownToOne(t *testing.T) {
	t.Parallel()
	b := settle(t, "乙", "0b")
	rewrites := map[string]func(f *forger, p *pages){
		"as long":        func(f *forger, p *pages) { p.say(t, vocab.KindOffering, f.space, offering("x", "另一份")) },
		"longer":         func(f *forger, p *pages) { f.two(p); f.two(p) },
		"shorter by all": func(f *forger, p *pages) { *p = pages{documents: p.documents, at: p.at}; f.two(p) },
	}
	var all []*forger
	for _, rewrite := range rewrites {
		f := newForger(t).offers("1", "2")
		var other *pages
		f.change(func() { other = f.tree.fork(); rewrite(f, other) })
		f.offers("3")
		b.add(f)
		b.holds(f, 3)
		f.change(func() { f.tree = other })
		all = append(all, f)
	}
	b.close()
	b.open(t)
	for _, f := range all {
		b.stops(f)
		if l := b.mirrorOf(f); l.Size != 3 {
			t.Errorf("%+v", l)
		}
	}
	b.finds(9, view.Question{})
}

func (f *forger) two(p *pages) {
	for i := range 2 {
		p.say(f.t, vocab.KindOffering, f.space, offering(fmt.Sprint("z", p.size()+uint64(i)), "另一份"))
	}
}

// Somebody shows a checkpoint of our own log. One that our key did not sign, or
// that only has another time, does nothing; one that our key signed over more
// than there is stops the log for good, as its store was rolled back or its key
// is elsewhere.
func TestStandWitness(t *testing.T) {
	t.Parallel()
	a := settle(t, "甲", "0a")
	a.publish("a1", "a2")
	a.until("it is signed", func() (string, bool) { return "", signed(a) == 2 })
	seed, err := identity.ReadKey(filepath.Join(a.config.Dir, "log.key"))
	if err != nil {
		t.Fatal(err)
	}
	own, _ := logKey(t, a.info.Origin, seed)
	stolen, _ := logKey(t, a.info.Origin, identitytest.Key(t))
	raw, err := a.peers().Answer(t.Context(), caller, "checkpoint", []byte(`{"origin":"`+a.info.Origin+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	real, err := ledger.ParseCheckpoint(raw, key(t, a))
	if err != nil {
		t.Fatal(err)
	}
	of := func(signer note.Signer, size uint64, at time.Time) string {
		return string(sealed(t, a.info.Origin, signer, size, real.Root, at))
	}
	f := newForger(t).offers("1")
	show := func(checkpoint string) {
		f.change(func() { f.extra = []offered{{Card: string(a.peers().Card()), Checkpoint: checkpoint}} })
		for range 2 { // the second question is asked once the first answer was looked at
			f.offers(fmt.Sprint("n", f.tree.size()))
			a.holds(f, f.tree.size())
		}
	}
	a.add(f)
	a.holds(f, 1)
	show(strings.Replace(string(raw), "\n2\n", "\n9\n", 1))
	show(of(stolen, 9, time.Now()))
	show(of(own, 2, time.Now().Add(day(400))))
	if err := a.hub.Healthy(); err != nil {
		t.Fatalf("a forged one stops the log: %v", err)
	}
	a.publish("a3")
	f.change(func() { f.extra = []offered{{Card: string(a.peers().Card()), Checkpoint: of(own, 9, time.Now())}} })
	f.offers("2")
	a.until("the log is stopped", func() (string, bool) {
		err := a.hub.Healthy()
		return fmt.Sprint(err), err != nil && vocab.ProblemsOf(err, "")[0].Code == "hub.read_only"
	})
	if got := a.submit(a.sign(offering("a4", "产品"))); got.Status == vocab.Accepted {
		t.Errorf("it is taken all the same: %+v", got)
	}
	a.finds(uint64(3)+f.tree.size(), view.Question{}) // search works, and mirrors go on
	a.close()
	if err := os.RemoveAll(filepath.Join(a.config.Dir, "log")); err != nil { // what the folder remembers
		t.Fatal(err)
	}
	a.open(t)
	if err := a.hub.Healthy(); err == nil {
		t.Error("it is forgotten over a restart")
	}
}

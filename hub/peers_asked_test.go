package hub_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"lianmu/federation/exchange"
	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub/peering"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// asks asks w's hub over HTTP as whoever holds a key.
func (w *town) asks(k *identity.Key) *exchange.Client {
	return exchange.NewClient(exchange.NewHTTPAsker(http.DefaultClient, w.info.HTTP, func() (string, error) {
		return identity.NewToken(k, w.info.DID, time.Now(), time.Minute)
	}))
}

// Digests of all entries are in the leaf records, which everybody may have. With
// them a stranger gets no document, a peer what is public, and a relay nothing
// that was given to it alone; and nobody gets through a relay what the origin
// keeps from them.
func TestStandStolenDigests(t *testing.T) {
	t.Parallel()
	a, b, c := settle(t, "甲", "0a"), settle(t, "乙", "0b"), settle(t, "丙", "0c")
	var digests []vocab.Digest
	for _, o := range []struct{ id, more string }{{"open", `"securityLevel":"001"`}, {"inside", `"securityLevel":"002"`}, {"important", `"importance":"重要"`}, {"space", `"audience":"space"`}} {
		raw, _ := a.must(offering(o.id, "标题"+o.id, o.more))
		digests = append(digests, vocab.DigestOf(raw))
	}
	refused := a.sign(offering("r", "标识码有误", `"productCode":"691512081MA62K0260E31000000000A0"`))
	a.submit(refused)
	digests = append(digests, vocab.DigestOf(refused), vocab.Digest{1})
	hidden, _ := b.must(offering("b", "乙的内部产品", `"audience":"space"`))
	b.publish("b1")
	befriend(t, a, b)
	if _, err := a.peers().Approve(t.Context(), security, b.info.DID, peering.Terms{Important: "协议第 7 条"}); err != nil {
		t.Fatal(err)
	}
	befriend(t, b, c)
	b.until("B has A's log", func() (string, bool) { l := b.logOf(a); return fmt.Sprintf("%+v", l), l.Size == 4 && l.Withheld == 2 })
	b.until("it is relayed", func() (string, bool) {
		note, err := b.asks(identitytest.Key(t)).Checkpoint(t.Context(), a.info.Origin)
		return fmt.Sprint(err), err == nil && len(note) > 0
	})

	given := func(w *town, k *identity.Key, origin string, ds ...vocab.Digest) string {
		t.Helper()
		out := ""
		for len(ds) > 0 {
			documents, err := w.asks(k).Documents(t.Context(), origin, ds)
			if err != nil {
				var ps vocab.Problems
				var fault *exchange.SourceFault
				if !errors.As(err, &fault) || !errors.As(fault.Err, &ps) {
					t.Fatal(err)
				}
				return ps[0].Code
			}
			for i, d := range documents {
				if d.State == exchange.DocumentGiven && vocab.DigestOf(d.Bytes) != ds[i] {
					t.Errorf("another document is given than asked for")
				}
				out += map[exchange.DocumentState]string{exchange.DocumentGiven: "g", exchange.DocumentWithheld: "w", exchange.DocumentMissing: "m"}[d.State]
			}
			ds = ds[len(documents):]
		}
		return out
	}
	hubKey := func(w *town) *identity.Key { return w.officer(w.config.Dir) }
	waiting := identitytest.Key(t)
	if _, err := a.asks(waiting).Logs(t.Context(), exchange.LogsRequest{Card: stranger(t, waiting, time.Now())}); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		who    string
		asked  *town
		key    *identity.Key
		origin string
		want   string
	}{
		{"a stranger asks A", a, identitytest.Key(t), a.info.Origin, "peer.unapproved"},
		{"one who waits asks A", a, waiting, a.info.Origin, "peer.unapproved"},
		{"a space of A asks A", a, a.key, a.info.Origin, "peer.unapproved"},
		{"the peer asks A", a, hubKey(b), a.info.Origin, "gwgwmm"},
		{"the peer asks A for its own log", a, hubKey(b), b.info.Origin, "mmmmmm"},
		{"the other asks A, which it knows through B alone", a, hubKey(c), a.info.Origin, "peer.unapproved"},
		{"a stranger asks the relay", b, identitytest.Key(t), a.info.Origin, "peer.unapproved"},
		{"the other asks the relay", b, hubKey(c), a.info.Origin, "gwwwmm"},
		{"the other asks the relay, in another log's name", b, hubKey(c), b.info.Origin, "mmmmmm"},
		{"A asks the relay for what it has of A", b, hubKey(a), a.info.Origin, "gwwwmm"},
	} {
		if row.origin == b.info.Origin && row.asked == a {
			a.until("A has B's log", func() (string, bool) { l := a.logOf(b); return fmt.Sprint(l.Size), l.Size == 2 && l.AgeS >= 0 })
		}
		if got := given(row.asked, row.key, row.origin, digests...); got != row.want {
			t.Errorf("%s: %s, want %s", row.who, got, row.want)
		}
	}
	if got := given(b, hubKey(c), b.info.Origin, vocab.DigestOf(hidden)); got != "w" {
		t.Errorf("what is hidden at B: %s", got)
	}
	// A token for one hub is worth nothing at another, and none is not enough.
	for name, token := range map[string]func() (string, error){
		"none":            func() (string, error) { return "", nil },
		"for another hub": func() (string, error) { return identity.NewToken(hubKey(b), c.info.DID, time.Now(), time.Minute) },
	} {
		client := exchange.NewClient(exchange.NewHTTPAsker(http.DefaultClient, a.info.HTTP, token))
		if got, err := client.Documents(t.Context(), a.info.Origin, digests); err == nil {
			t.Errorf("with a token of the form %q: %v", name, got)
		}
		if got, err := client.Leaves(t.Context(), a.info.Origin, 0, 4); err == nil {
			t.Errorf("with a token of the form %q: %d leaf records", name, len(got))
		}
	}
}

// Times that are wrong: a checkpoint from the future makes nothing younger, one
// that a relay hands on for ever nothing but older, and entries received in an
// impossible order stop the log, by its own signature.
func TestStandWrongTimes(t *testing.T) {
	t.Parallel()
	var days clock
	b := settle(t, "乙", "0b", days.set)
	future := newForger(t).offers("1")
	future.change(func() { future.tree.signed = time.Now().Add(day(365)) })
	back, ahead := newForger(t).offers("1", "2"), newForger(t).offers("1", "2")
	for _, f := range []*forger{future, back, ahead} {
		b.add(f)
		b.holds(f, f.tree.size())
	}
	back.change(func() { back.tree.at = back.tree.at.Add(-time.Minute) })
	back.offers("3")
	ahead.change(func() {
		ahead.tree.at = ahead.tree.at.Add(day(1))
		ahead.tree.signed = time.Now()
	})
	ahead.offers("3")
	for name, f := range map[string]*forger{"back in time": back, "after it was signed": ahead} {
		b.until(name+": it is stopped", func() (string, bool) { l := b.mirrorOf(f); return string(l.State), l.State == peering.Stopped })
		if l := b.mirrorOf(f); l.Size != 2 || l.Why.Code != "log.fault" || l.Why.Message["zh"] == "" || len(l.Evidence) != 1 {
			t.Errorf("%s: %+v", name, l)
		}
	}
	b.finds(5, view.Question{})
	// C has the log of the future from B alone; its hub falls silent, B answers on.
	c := settle(t, "丙", "0c", days.set)
	befriend(t, b, c)
	if _, err := c.peers().Approve(t.Context(), security, b.info.DID, relays); err != nil {
		t.Fatal(err)
	}
	c.holds(future, 1)
	future.change(func() { future.ill["logs"] = silent })
	for _, step := range []struct {
		after float64
		want  peering.LogState
	}{{1.5, peering.Ageing}, {5, peering.Stale}} {
		days.pass(day(step.after))
		for _, w := range []*town{b, c} {
			w.until("it is "+string(step.want), func() (string, bool) { l := w.mirrorOf(future); return string(l.State), l.State == step.want })
		}
	}
	speaks := func(id string) {
		t.Helper()
		raw := identitytest.Sign(t, offering(id, "产品"), b.key, identity.SignOptions{Created: days.now().UTC().Truncate(time.Millisecond), Expires: days.now().Add(day(30))})
		if got := b.submit(raw); got.Status != vocab.Accepted {
			t.Fatalf("%+v", got)
		}
	}
	speaks("b1")
	c.finds(1, view.Question{}) // B is alive, and makes nothing of the others younger
	if l := c.mirrorOf(future); l.State != peering.Stale {
		t.Errorf("a relay makes it %s", l.State)
	}
	c.close()
	c.open(t)
	if l := c.mirrorOf(future); l.State != peering.Stale {
		t.Errorf("a restart makes it %s", l.State)
	}
	// Its clock is right again: what it says now counts, though it is earlier.
	future.change(func() {
		delete(future.ill, "logs")
		future.tree.signed = days.now()
	})
	future.server.CloseClientConnections()
	returns := func(w *town) {
		w.until("it is back", func() (string, bool) { l := w.mirrorOf(future); return string(l.State), l.State == peering.Current })
	}
	returns(b)
	speaks("b2") // whose answer C looks at now, and not only when the long poll ends
	returns(c)
}

package hub_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity/identitytest"
	"lianmu/hub"
	"lianmu/hub/access"
	"lianmu/hub/bus"
	"lianmu/hub/peering"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// link is how the connection to another hub is.
func (w *town) link(other *town) *peering.Link {
	w.t.Helper()
	p, err := w.peers().Detail(w.t.Context(), security, other.info.DID)
	if err != nil {
		w.t.Fatal(err)
	}
	return p.Link
}

// What nobody can tell is not told as nothing: how far a log has gone on while its
// hub does not answer. And what was wrong is told as over once it works again.
func TestPeerThatComesBack(t *testing.T) {
	t.Parallel()
	a, b := settle(t, "甲", "0a"), settle(t, "乙", "0b")
	a.publish("a1")
	befriend(t, a, b)
	b.finds(1, view.Question{})
	if l := b.logOf(a); !l.LagKnown || l.Lag != 0 {
		t.Errorf("connected: %+v", l)
	}
	a.close()
	b.until("nobody can tell how far the log is", func() (string, bool) {
		l, p := b.logOf(a), b.link(a)
		return fmt.Sprintf("%+v %+v", l, p), !l.LagKnown && !p.Connected && p.Error != nil && !p.Error.Over
	})
	a.open(t)
	b.until("what was wrong is over", func() (string, bool) {
		l, p := b.logOf(a), b.link(a)
		return fmt.Sprintf("%+v %+v", l, p), l.LagKnown && p.Connected && p.Error != nil && p.Error.Over
	})
}

// A peer that says something else of itself is called as before until an officer
// takes the card on which it says so; watchers are told.
func TestNewCardOfAPeer(t *testing.T) {
	t.Parallel()
	b, f := settle(t, "乙", "0b"), newForger(t).offers("a1")
	b.add(f)
	b.finds(1, view.Question{})
	taken, heard := f.card, b.events()
	called := func() string {
		t.Helper()
		a, err := b.hub.Find(t.Context(), view.Question{})
		if err != nil {
			t.Fatal(err)
		}
		return a.Coverage[1].Name["zh"]
	}
	said := func(name string) []byte {
		t.Helper()
		newer := f.says(map[string]any{"name": map[string]string{"zh": name}, "contact": "https://else.example/desk"})
		f.change(func() { f.card = newer })
		f.offers(name) // whoever waits for news is answered
		b.until("it says that it is "+name, func() (string, bool) {
			p, err := b.peers().Detail(t.Context(), security, f.key.DID())
			return fmt.Sprintf("%+v %v", p.Says, err), err == nil && p.Says != nil && p.Says.Name["zh"] == name && bytes.Equal(p.Newer, newer)
		})
		return newer
	}
	said("国家目录")
	newer := said("省目录")
	p, err := b.peers().Detail(t.Context(), security, f.key.DID())
	if err != nil || p.State != peering.Approved || !bytes.Equal(p.Card, taken) || p.About.Name["zh"] != "伪" || p.About.Contact != "" {
		t.Errorf("%+v, %v", p, err)
	}
	if called() != "伪" || b.mirrorOf(f).Name["zh"] != "伪" {
		t.Errorf("it calls itself %q", called())
	}
	b.until("watchers are told", func() (string, bool) {
		what := heard(f.origin)
		return fmt.Sprint(what), slices.Contains(what, "card")
	})
	// Other terms are not another card.
	if p, err = b.peers().Approve(t.Context(), security, f.key.DID(), peering.Terms{Note: "一"}); err != nil || p.About.Name["zh"] != "伪" || p.Says == nil {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err = b.peers().Add(t.Context(), security, peering.Invite{Card: newer}, peering.Terms{}); err != nil || p.About.Name["zh"] != "省目录" || p.Newer != nil {
		t.Errorf("%+v, %v", p, err)
	}
	b.until("it is called as the card says that was taken", func() (string, bool) { return called(), called() == "省目录" })
	// One that moves abroad waits, and is called as before.
	f.change(func() {
		f.card = f.says(map[string]any{"name": map[string]string{"zh": "外目录"}, "jurisdiction": "SG"})
	})
	f.offers("abroad")
	b.until("it waits", func() (string, bool) {
		p, err = b.peers().Detail(t.Context(), security, f.key.DID())
		return fmt.Sprint(p.State), err == nil && p.State == peering.Waiting
	})
	if p.Why != "peer.outbound" || !bytes.Equal(p.Card, p.Newer) || p.About.Name["zh"] != "省目录" || called() != "省目录" {
		t.Errorf("%+v, called %s", p, called())
	}
	if _, err := b.peers().Approve(t.Context(), security, f.key.DID(), peering.Terms{}); code(err) != "peer.outbound" {
		t.Errorf("approved as if it were here: %v", err)
	}
	if p, err = b.peers().Approve(t.Context(), security, f.key.DID(), peering.Terms{Outbound: "评估"}); err != nil || p.About.Jurisdiction != "SG" || p.Says != nil {
		t.Errorf("%+v, %v", p, err)
	}
}

// A hub that was removed, or has yet to come, can be refused for good.
func TestBlockOfNoPeer(t *testing.T) {
	t.Parallel()
	a, b := settle(t, "甲", "0a"), settle(t, "乙", "0b")
	a.publish("a1")
	befriend(t, a, b)
	b.finds(1, view.Question{})
	if err := b.peers().Remove(t.Context(), security, a.info.DID, false); err != nil {
		t.Fatal(err)
	}
	if err := b.peers().Block(t.Context(), security, a.info.DID); err != nil {
		t.Fatal(err)
	}
	p, err := b.peers().Detail(t.Context(), security, a.info.DID)
	if err != nil || p.State != peering.Blocked || p.About == nil || p.About.Name["zh"] != "甲" || p.By != security.DID {
		t.Errorf("%+v, %v", p, err) // its name is known by its log, which was kept
	}
	never := identitytest.Key(t).DID()
	for did, want := range map[string]string{never: "", "did:key:nobody": "peer.unknown", b.info.DID: "peer.unknown"} {
		if err := b.peers().Block(t.Context(), security, did); code(err) != want {
			t.Errorf("%s: %v", did, err)
		}
	}
	for _, did := range []string{a.info.DID, never} {
		if _, err := b.peers().Answer(t.Context(), peering.Caller{DID: did}, "logs", []byte(`{}`)); code(err) != "peer.blocked" {
			t.Errorf("%s: %v", did, err)
		}
	}
	if _, err := b.peers().Approve(t.Context(), security, never, peering.Terms{}); code(err) != "peer.card" {
		t.Errorf("approved without a card: %v", err)
	}
}

// What is of a peer that is paused or blocked is not imported by hand either.
func TestNoImportOfAPausedPeer(t *testing.T) {
	t.Parallel()
	apart := func(c *hub.Config) { c.Peering.Addresses = []string{"nats://127.0.0.1:1"} }
	a, b := settle(t, "甲", "0a", apart), settle(t, "乙", "0b", apart)
	a.publish("a1")
	a.until("it is signed", func() (string, bool) { return "", signed(a) == 1 })
	var bundle bytes.Buffer
	if err := a.peers().Export(t.Context(), security, &bundle, a.info.Origin, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := b.peers().Add(t.Context(), security, invite(a), peering.Terms{}); err != nil {
		t.Fatal(err)
	}
	take := func() error {
		_, err := b.peers().Import(t.Context(), security, bytes.NewReader(bundle.Bytes()))
		return err
	}
	for _, row := range []struct {
		act   func(context.Context, access.Who, string) error
		hints string // what to do
	}{{b.peers().Pause, "lianmu peer resume " + a.info.DID}, {b.peers().Block, "lianmu peer approve " + a.info.DID}} {
		for _, mirrored := range []bool{false, true} {
			if mirrored {
				if _, err := b.peers().Approve(t.Context(), security, a.info.DID, peering.Terms{}); err != nil || take() != nil {
					t.Fatal(err, take())
				}
			}
			if err := row.act(t.Context(), security, a.info.DID); err != nil {
				t.Fatal(err)
			}
			err := take()
			if code(err) != "peer.state" || !strings.Contains(fmt.Sprint(vocab.ProblemsOf(err, "")[0].Message), row.hints) {
				t.Errorf("mirrored %v: %v", mirrored, err)
			}
		}
	}
}

// A hub that was not approved over there is copied from as soon as it is, however
// long it was to wait before asking again: it shows that by asking itself.
func TestApprovedOverThere(t *testing.T) {
	t.Parallel()
	now := time.Now() // whoever waits, waits for ever
	a, b := settle(t, "甲", "0a"), settle(t, "乙", "0b", func(c *hub.Config) { c.Now = func() time.Time { return now } })
	a.publish("a1")
	if _, err := b.peers().Add(t.Context(), security, invite(a), peering.Terms{}); err != nil {
		t.Fatal(err)
	}
	b.until("A refuses its documents", func() (string, bool) {
		e := b.logOf(a).Error
		return fmt.Sprint(e), e != nil && strings.Contains(e.Problem[0].Message["en"], "has not approved")
	})
	if _, err := a.peers().Add(t.Context(), security, invite(b), peering.Terms{}); err != nil {
		t.Fatal(err)
	}
	b.finds(1, view.Question{})

	// Paused over there it is told that, and not to ask for what it has.
	if err := a.peers().Pause(t.Context(), security, b.info.DID); err != nil {
		t.Fatal(err)
	}
	a.publish("a2")
	b.until("A has paused", func() (string, bool) {
		e := b.logOf(a).Error
		return fmt.Sprint(e), e != nil && strings.Contains(e.Problem[0].Message["en"], "has paused the exchange with yours")
	})
}

// A mirror whose store is rolled back under a running hub is opened again by itself,
// and what was lost is copied again.
func TestMirrorRolledBack(t *testing.T) {
	t.Parallel()
	a, b := settle(t, "甲", "0a"), settle(t, "乙", "0b")
	a.publish("a1", "a2")
	befriend(t, a, b)
	b.finds(2, view.Question{})
	if err := b.hub.Bus().JetStream.DeleteStream(t.Context(), bus.MirrorStreams+bus.MirrorID(a.info.Origin)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.hub.Bus().MirrorStream(t.Context(), a.info.Origin); err != nil {
		t.Fatal(err)
	}
	a.publish("a3")
	b.until("all is here again", func() (string, bool) {
		l := b.logOf(a)
		return fmt.Sprintf("%+v", l), l.Size == 3 && l.Lag == 0 && l.Error == nil
	})
	b.finds(3, view.Question{})
}

// What is refused is said in the reader's language, and so that it is known what to
// do.
func TestRefusalsOfPeersAreForPeople(t *testing.T) {
	t.Parallel()
	a := settle(t, "甲", "0a")
	_, err := a.peers().Add(t.Context(), security, peering.Invite{Card: []byte(`{"@context":"https://w3id.org/lianmu/v1","@type":"Log"}`)}, peering.Terms{})
	if code(err) != "peer.card" {
		t.Fatal(err)
	}
	says := vocab.ProblemsOf(err, "")[0].Message
	if !strings.Contains(says["zh"], "没有签名") || !strings.Contains(says["en"], "not signed") || strings.Contains(says["en"], "lianmu sign") {
		t.Errorf("an unsigned card: %v", says)
	}
	for lang, want := range map[string]string{"en": "with a token", "zh": "须带令牌"} {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.info.HTTP+"/api/v1/peer/logs", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Accept-Language", lang)
		resp, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		var p access.Problem
		if err != nil || json.Unmarshal(body, &p) != nil || resp.StatusCode != http.StatusUnauthorized ||
			resp.Header.Get("Content-Language") != lang || !strings.Contains(p.Detail, want) {
			t.Errorf("%s: %s %s %v", lang, resp.Status, body, err)
		}
	}
}

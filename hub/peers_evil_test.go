package hub_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"lianmu/federation/exchange"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub/peering"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// Each way of answering wrongly, at each question that copying asks: nothing of it
// gets in, the officer is told what is wrong, nobody else is held up, and who
// answers rightly again is copied to the end.
func TestStandPeersThatAnswerWrongly(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	ills := map[string]struct {
		ill  ill
		code string // "": nobody waits so long here
	}{
		"nothing":    {always(nil), "peer.garbage"},
		"garbage":    {always([]byte("\x01garbage")), "peer.garbage"},
		"a page":     {always([]byte("<!DOCTYPE html><p>502")), "peer.garbage"},
		"a huge one": {endless(&sent), "peer.garbage"},
		"a bomb":     {bomb(), "peer.garbage"},
		"half of it": {altered(func(b []byte) []byte { return b[:len(b)/2] }), "peer.garbage"},
		"cut off":    {halved, "peer.silent"},
		"a hang-up":  {hangsUp, "peer.silent"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request, _ func() []byte) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		}, "peer.silent"},
		"a refusal":   {always([]byte(`{"problems":[{"path":"","code":"x","message":{"zh":"\u001b[31m` + strings.Repeat("红", 5000) + `"}}]}`)), "peer.refused"},
		"a drip":      {drips, ""},
		"never a one": {silent, ""},
	}
	if testing.Short() {
		for _, slow := range []string{"a page", "a hang-up", "a redirect"} {
			delete(ills, slow)
		}
	}
	b := settle(t, "乙", "0b")
	type patient struct {
		*forger
		name, question, code string
	}
	var patients []patient
	for name, row := range ills {
		for _, question := range []string{"logs", "leaves", "documents"} {
			if name == "a bomb" && question == "leaves" {
				continue // leaf records are not compressed
			}
			f := newForger(t).offers("1", "2", "3")
			f.ill[question] = row.ill
			patients = append(patients, patient{f, name, question, row.code})
			b.add(f)
		}
	}
	honest := newForger(t)
	b.add(honest)
	honest.offers("a", "b")
	b.holds(honest, 2)
	b.finds(2, view.Question{})
	cured := 0
	for _, f := range patients {
		if f.code == "" {
			continue
		}
		cured++
		t.Run(f.name+" for "+f.question, func(t *testing.T) {
			b.until("it is told of", func() (string, bool) {
				var what any = b.mirrorOf(f.forger).Error
				code := ""
				if c := b.mirrorOf(f.forger).Error; c != nil {
					code = c.Problem[0].Code
				}
				if f.question == "logs" {
					p, err := b.peers().Detail(t.Context(), security, f.key.DID())
					if err != nil {
						t.Fatal(err)
					}
					if p.Link == nil {
						return "no link", false
					}
					what = p.Link.Error
					if p.Link.Error != nil {
						code = p.Link.Error.Problem[0].Code
						for lang, text := range p.Link.Error.Problem[0].Message {
							if vocab.Printable(text) != text || len(text) > 4000 || strings.Contains(text, "%!") {
								t.Errorf("%s: %q", lang, text)
							}
						}
					}
				}
				return fmt.Sprintf("%+v", what), code == f.code
			})
			if l := b.mirrorOf(f.forger); l.Size > 0 || l.Faulty > 0 || f.question == "logs" && l.Origin != "" {
				t.Errorf("%+v", l)
			}
		})
	}
	if n := sent.Load(); n >= 256<<20 {
		t.Errorf("%d bytes of an answer without an end were read", n)
	}
	for _, f := range patients {
		if f.code != "" {
			f.change(func() { f.ill = map[string]ill{} })
		}
	}
	b.finds(uint64(2+3*cured), view.Question{})
	for _, f := range patients {
		if l := b.mirrorOf(f.forger); f.code == "" && l.Size > 0 || f.code != "" && (l.Size != 3 || l.Faulty+l.Missing+l.Withheld > 0) {
			t.Errorf("%s for %s: %+v", f.name, f.question, l)
		}
	}
}

// All is withheld: the leaf records are there, the catalogue says how many lack
// their documents, and when the hub gives them after all they come in.
func TestStandAllWithheld(t *testing.T) {
	t.Parallel()
	var days clock
	b := settle(t, "乙", "0b", days.set)
	f := newForger(t).offers("1", "2", "3")
	kept := map[vocab.Digest][]byte{}
	f.change(func() {
		for d, doc := range f.tree.documents {
			kept[d], f.tree.documents[d] = doc, nil
		}
	})
	b.add(f)
	b.until("all are withheld", func() (string, bool) {
		l := b.mirrorOf(f)
		return fmt.Sprintf("%+v", l), l.Withheld == 3 && l.Size == 3 && l.Missing+l.Faulty == 0
	})
	if a, err := b.hub.Find(t.Context(), view.Question{}); err != nil || a.Total != 0 {
		t.Errorf("%d are found, %v", a.Total, err)
	}
	f.change(func() { f.tree.documents = kept })
	days.pass(day(0.1))
	f.offers("4")
	b.finds(4, view.Question{})
}

// A document that is what its leaf record says and whose proof is wrong, and one
// that names a space that did not sign it: both are kept as evidence, all others
// go on, and hubs that got them in different ways judge alike.
func TestStandFaultyEntries(t *testing.T) {
	t.Parallel()
	f := newForger(t).offers("1")
	f.change(func() {
		raw := f.tree.say(t, vocab.KindOffering, f.space, offering("2", "改动之前"))
		f.tree.write(t, vocab.KindOffering, bytes.Replace(raw, []byte("改动之前"), []byte("改动之后"), 1))
		f.tree.write(t, vocab.KindOffering, []byte(offering("3", "没有签名")))
		f.tree.write(t, vocab.KindOffering, []byte("{"))
		f.tree.write(t, vocab.KindWithdrawal, raw)
		f.tree.say(t, vocab.KindAct, f.space, `{"@context":"https://w3id.org/lianmu/v1","@type":"Suspension","@id":"urn:uuid:6a4c1f0e-7c7e-4d0e-9c56-0d6c5b8f7a11","space":"`+f.space.DID()+`","reason":"冒充节点","by":"did:key:zSomebody"}`)
		f.tree.say(t, vocab.KindSpace, identitytest.Key(t), descriptor(f.space.DID(), "冒充的空间", ""))
	})
	f.offers("4")
	b, c := settle(t, "乙", "0b"), settle(t, "丙", "0c")
	b.add(f)
	b.holds(f, 9)
	befriend(t, b, c)
	if _, err := c.peers().Approve(t.Context(), security, b.info.DID, relays); err != nil {
		t.Fatal(err)
	}
	c.holds(f, 9)
	const unreadable = 4
	var told []string
	for w, withheld := range map[*town]int{b: 0, c: 1} { // what cannot be read may be for nobody: a relay keeps it
		w.finds(3, view.Question{})
		if l := w.mirrorOf(f); l.Faulty+l.Withheld != 6 || l.Missing > 0 || l.Withheld != withheld || l.State != "current" {
			t.Errorf("%+v", l)
		}
		faults, err := w.peers().Faults(t.Context(), security, f.origin)
		if err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(faults, func(x peering.Fault) bool { return x.Index == unreadable }); (i >= 0) != (withheld == 0) {
			t.Errorf("the unreadable entry is fault %d", i)
		} else if i >= 0 {
			faults = slices.Delete(faults, i, i+1)
		}
		for _, x := range faults {
			if x.Problem.Code == "" || x.Problem.Message["zh"] == "" {
				t.Errorf("%+v", x)
			}
		}
		told = append(told, fmt.Sprintf("%+v", faults))
	}
	if told[0] != told[1] {
		t.Errorf("two hubs judge differently:\n%s\n%s", told[0], told[1])
	}
	if l := c.mirrorOf(f); l.Source != b.info.DID {
		t.Errorf("C has it from %s", l.Source)
	}
	for _, title := range []string{"改动之后", "没有签名", "冒充"} {
		if a := b.search(title); a.Total > 0 && !strings.Contains(fmt.Sprint(a.Hits[0].Title), "改动之前") {
			t.Errorf("%s is found: %+v", title, a.Hits[0])
		}
	}
}

// A log whose entries are of another log, and a card in another hub's name.
func TestStandAnothersName(t *testing.T) {
	t.Parallel()
	a, b := settle(t, "甲", "0a"), settle(t, "乙", "0b")
	a.publish("a1")
	a.until("it is signed", func() (string, bool) { return "", signed(a) == 1 })
	note, err := a.peers().Answer(t.Context(), caller, string(exchange.AskCheckpoint), []byte(`{"origin":"`+a.info.Origin+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	befriend(t, a, b)
	b.finds(1, view.Question{})
	of := func(more map[string]any) func(f *forger) { return func(f *forger) { f.card = f.says(more) } }
	for name, row := range map[string]struct {
		bend func(f *forger) // once it is a peer
		code string          // of what is told of the link
	}{
		"the other's card as its own":     {func(f *forger) { f.card = a.peers().Card() }, "peer.card"},
		"a card that names the other hub": {of(map[string]any{"hub": a.info.DID}), "*"},
		"a card for the other's log":      {of(map[string]any{"origin": a.info.Origin, "verifierKey": key(t, a)}), "*"},
		"both":                            {of(map[string]any{"origin": a.info.Origin, "hub": a.info.DID, "verifierKey": key(t, a)}), "peer.card"},
		"the other's key for its log":     {of(map[string]any{"verifierKey": key(t, a)}), "*"},
		"no card":                         {func(f *forger) { f.card = []byte("{}") }, "*"},
		"a forged card of the other's log": {func(f *forger) {
			f.extra = []offered{{Card: string(f.says(map[string]any{"origin": a.info.Origin, "hub": a.info.DID, "verifierKey": key(t, a)})), Checkpoint: string(note)}}
		}, "peer.card"},
		"a checkpoint of the other's log by another key": {func(f *forger) {
			signer, _ := logKey(t, a.info.Origin, identitytest.Key(t))
			f.extra = []offered{{Card: string(a.peers().Card()), Checkpoint: string(checkpoint(t, a.info.Origin, signer, f.tree))}}
		}, "*"},
		"its own checkpoint for the other's log": {func(f *forger) {
			f.extra = []offered{{Card: string(a.peers().Card()), Checkpoint: string(checkpoint(t, f.origin, f.signer, f.tree))}}
		}, "*"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newForger(t)
			f.t = t
			card := f.card
			f.ill["logs"] = hangsUp
			b.add(f, relays)
			f.offers("1", "2", "3")
			f.change(func() { row.bend(f); delete(f.ill, "logs") })
			b.until("the officer is told", func() (string, bool) {
				p, err := b.peers().Detail(t.Context(), security, f.key.DID())
				if err != nil || p.Link == nil || p.Link.Error == nil {
					return fmt.Sprint(err), false
				}
				code := p.Link.Error.Problem[0].Code
				return fmt.Sprint(p.Link.Error), code == row.code || row.code == "*" && code != "peer.silent" && code != "peer.unreachable"
			})
			if string(card) == string(f.card) { // its own log is right
				b.holds(f, 3)
			} else if l := b.mirrorOf(f); l.Size > 0 {
				t.Errorf("%+v", l)
			}
			if l := b.logOf(a); l.State != "current" || l.Size != 1 || l.Offered > 1 {
				t.Errorf("the other's log: %+v", l)
			}
			if err := b.peers().Remove(t.Context(), security, f.key.DID(), true); err != nil {
				t.Error(err)
			}
		})
	}
	a.publish("a2")
	b.finds(2, view.Question{})
}

// The same log under another key is another log: it stops, with both cards.
func TestStandAnotherKeyForTheSameLog(t *testing.T) {
	t.Parallel()
	b, f := settle(t, "乙", "0b"), newForger(t).offers("1", "2")
	b.add(f)
	b.finds(2, view.Question{})
	before := f.card
	f.change(func() {
		signer, vkey := logKey(t, f.origin, identitytest.Key(t))
		f.signer, f.card = signer, f.says(map[string]any{"verifierKey": vkey})
	})
	f.offers("3")
	b.until("it is stopped", func() (string, bool) { l := b.mirrorOf(f); return fmt.Sprintf("%+v", l), l.State == "stopped" })
	l := b.mirrorOf(f)
	if l.Why == nil || l.Why.Code != "log.contradiction" || len(l.Evidence) != 2 || string(l.Evidence[0]) != string(before) || string(l.Evidence[1]) != string(f.card) {
		t.Errorf("%+v", l)
	}
	b.finds(2, view.Question{}) // what was copied stays
}

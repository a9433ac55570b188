package view

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/vocab"
)

// Whatever spaces and hubs say in several logs, and however logs come and go
// while the index is anywhere, in the end it shows what the union says, as the
// documents say it, and a rebuild shows the same. LIANMU_TEST_SEED tells a story
// again.
func TestIndexShowsWhatTheUnionSays(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("LIANMU_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("LIANMU_TEST_SEED=%d", seed)
	w := &world{shelf: newShelf(t), r: rand.New(rand.NewPCG(seed, 0))}
	w.hubs = []*hub{w.hub, w.neighbour("b.example"), w.neighbour("c.example")}
	w.keys = []*identity.Key{identitytest.Key(t), identitytest.Key(t), identitytest.Key(t)}
	for i := range 150 {
		w.step()
		if i%25 == 24 {
			w.catchUp()
			w.compare(fmt.Sprintf("after %d steps", i+1))
		}
		if t.Failed() {
			return
		}
	}
	if err := w.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.catchUp()
	w.compare("rebuilt")
	w.restart() // as a verification of the files finds it, with no mirror attached
	w.level("opened again", true)
}

type world struct {
	*shelf
	r    *rand.Rand
	hubs []*hub // the own first
	keys []*identity.Key
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// step does one thing; that it may be refused is part of it.
func (w *world) step() {
	t := w.hub.t
	h, k := pick(w.r, w.hubs...), pick(w.r, w.keys...)
	id := fmt.Sprintf("urn:%d", w.r.IntN(4))
	did := k.DID()
	audience := pick(w.r, "", "", public, `,"audience":"space"`)
	switch w.r.IntN(20) {
	case 0, 1, 2, 3, 4, 5, 6, 7:
		w.say(h, k, product(id, fmt.Sprintf("产品 %d", w.r.IntN(1000)), audience))
	case 8, 9:
		w.say(h, k, `"@type":"Withdrawal","@id":"`+id+`"`)
	case 10:
		w.say(h, k, `"@type":"Deregistration","@id":"urn:`+pick(w.r, "0", "gone")+`"`)
	case 11, 12:
		home := pick(w.r, "", `,"hub":"`+h.key.DID()+`"`, `,"hub":"`+h.key.DID()+`"`)
		w.say(h, k, `"@type":"Space","@id":"`+did+`","name":"空间"`+audience+home)
	case 13:
		w.say(h, h.key, `"@type":"`+pick(w.r, "Suspension", "Resumption")+`","@id":"`+uuid.New().URN()+`","space":"`+did+`","reason":"试","by":"did:key:zReviewer"`)
	case 14:
		w.say(h, h.key, `"@type":"Removal","@id":"`+uuid.New().URN()+`","space":"`+did+`","offerings":["urn:3"],"reason":"试","by":"did:key:zReviewer"`)
	case 15, 16:
		if n := pick(w.r, w.hubs[1:]...); w.feed(n.log.Origin()) == nil {
			w.show(n)
		}
	case 17:
		if err := w.Detach(t.Context(), pick(w.r, "b.example", "c.example"), pick(w.r, true, false)); err != nil {
			t.Fatal(err)
		}
	default:
		if _, err := w.round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// say submits a document, whatever becomes of it.
func (w *world) say(h *hub, k *identity.Key, doc string) {
	t := w.hub.t
	raw := identitytest.Sign(t, `{"@context":"https://w3id.org/lianmu/v1",`+doc+`}`, k, identity.SignOptions{Created: w.stamp.Next(time.Now()), Expires: time.Now().Add(time.Hour)})
	submit := h.intake.Submit
	if k == h.key {
		submit = h.intake.SubmitOwn
	}
	if r := submit(t.Context(), raw); r.Status == vocab.Busy {
		t.Fatalf("%s: %+v", doc, r)
	}
}

// compare holds the index against the union, and what a stranger finds against
// the documents.
func (w *world) compare(when string) {
	t := w.hub.t
	t.Helper()
	want, open := map[vocab.Key]vocab.Digest{}, map[vocab.Key]string{}
	for _, s := range w.c.Union.Spaces() {
		for k, v := range w.c.Union.Offerings(s.Space.DID) {
			if !v.Shown(time.Now()) {
				continue
			}
			want[k] = v.Digest
			f := w.feed(v.Log)
			_, r, err := w.document(t.Context(), f, v.Position)
			if err != nil {
				t.Fatal(err)
			}
			if vocab.AudienceOf(r.Offering, w.fallback(f, s.Space.DID)) == vocab.AudiencePublic {
				open[k] = fmt.Sprintf("%s %d", v.Log, v.Position)
			}
		}
	}
	if got := w.shown(); !maps.Equal(got, want) {
		t.Errorf("%s: the index shows %v, the union %v", when, got, want)
	}
	a, err := w.Find(t.Context(), Question{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	found := map[vocab.Key]string{}
	for _, h := range a.Hits {
		found[h.Key] = fmt.Sprintf("%s %d", h.Hub, h.Position)
	}
	if !maps.Equal(found, open) {
		t.Errorf("%s: a stranger finds %v, not %v", when, found, open)
	}
	w.level(when, true)
}

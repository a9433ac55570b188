package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/federation/judge"
	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// hubKey makes the bench's hub sign.
func (b *bench) hubKey() *identity.Key {
	b.t.Helper()
	key, err := identity.NewKey("ed25519")
	if err != nil {
		b.t.Fatal(err)
	}
	b.c.HubDID, b.c.Signer = key.DID(), key
	b.c.Registry.Hub(key.DID())
	return key
}

func (b *bench) all(raws [][]byte) (receipts []vocab.Receipt) {
	receipts = make([]vocab.Receipt, len(raws))
	var wg sync.WaitGroup
	for i, raw := range raws {
		wg.Go(func() {
			for {
				if receipts[i] = b.Submit(b.t.Context(), raw); receipts[i].Status != vocab.Busy || b.t.Context().Err() != nil {
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	wg.Wait()
	return receipts
}

// publicOnly judges the bench's log as a hub does that gets what is public.
func (b *bench) publicOnly(hub string) *judge.Judge {
	b.t.Helper()
	j := judge.New(b.c.Processor, b.c.Reader, hub, 1<<60)
	for rec, err := range b.c.Log.Read(context.Background(), 0, b.c.Log.Size()) {
		if err != nil {
			b.t.Fatal(err)
		}
		r, err := j.Read(context.Background(), rec.Leaf, rec.Document)
		if err != nil {
			b.t.Fatal(err)
		}
		if r.Reading.Offering != nil && vocab.AudienceOf(r.Reading.Offering, vocab.AudiencePublic) != vocab.AudiencePublic {
			j.Apply(rec.Index, rec.Leaf, vocab.Fact{}, nil)
			continue
		}
		f, err := j.Stand(rec.Index, rec.Leaf, r)
		if err != nil {
			b.t.Fatalf("entry %d: %v", rec.Index, err)
		}
		if f != rec.Fact {
			b.t.Fatalf("entry %d is kept as %+v, and is %+v", rec.Index, rec.Fact, f)
		}
		j.Apply(rec.Index, rec.Leaf, f, r)
	}
	return j
}

// What was public and is hidden is said so right beside it, and whoever gets only
// what is public shows nothing older.
func TestWithholding(t *testing.T) {
	b := newBench(t)
	hub := b.hubKey()
	const n = 520 // with their acts more than one append takes
	var public, hidden [][]byte
	for i := range n {
		public = append(public, b.sign(fmt.Sprint(i), product, time.Hour))
	}
	for i := range n {
		hidden = append(hidden, b.sign(fmt.Sprint(i), product+`,"audience":"space"`, time.Hour))
	}
	for _, raws := range [][][]byte{public, hidden} {
		for i, r := range b.all(raws) {
			if r.Status != vocab.Accepted || r.Log == nil {
				t.Fatalf("%d: %+v", i, r)
			}
			rec, err := b.c.Log.Get(t.Context(), r.Log.Index)
			if err != nil || rec.Leaf.SHA256 != r.Digest {
				t.Fatalf("the receipt names entry %d, which is %+v, %v", r.Log.Index, rec.Fact, err)
			}
		}
	}
	if size := b.c.Log.Size(); size != 3*n {
		t.Fatalf("the log has %d entries, want %d", size, 3*n)
	}
	acts := 0
	for rec, err := range b.c.Log.Facts(t.Context(), 0, 3*n) {
		if err != nil {
			t.Fatal(err)
		}
		if rec.Fact.Kind == vocab.KindAct {
			acts++
			if before, err := b.c.Log.Get(t.Context(), rec.Index-1); err != nil || before.Fact.Audience != vocab.AudienceSpace {
				t.Fatalf("entry %d is about %+v, %v", rec.Index, before.Fact, err)
			}
		}
	}
	if acts != n {
		t.Errorf("%d acts", acts)
	}
	if _, shown := b.c.Registry.Digest(time.Now()); shown != n {
		t.Errorf("%d offerings here", shown)
	}
	peer := b.publicOnly(hub.DID()).Registry()
	if _, shown := peer.Digest(time.Now()); shown != 0 {
		t.Errorf("%d offerings at a peer", shown)
	}
	// Hidden again, that is said again: what hid it before may prove a thief's. Public
	// again, it is back.
	again := b.all([][]byte{b.sign("0", product+`,"audience":"space","description":"x"`, time.Hour), b.sign("1", product+`,"description":"x"`, time.Hour)})
	if size := b.c.Log.Size(); size != 3*n+3 || again[0].Status != vocab.Accepted || again[1].Status != vocab.Accepted {
		t.Fatalf("%d entries, %+v", size, again)
	}
	if _, shown := b.publicOnly(hub.DID()).Registry().Digest(time.Now()); shown != 1 {
		t.Errorf("%d offerings at a peer", shown)
	}
}

// An act that stood in an append without an answer is the same one at its place
// when it is tried again.
func TestWithholdingIsRepeatedAlike(t *testing.T) {
	b := newBench(t)
	b.hubKey()
	b.all([][]byte{b.sign("a", product, time.Hour)})
	j := &job{raw: b.sign("a", product+`,"audience":"space"`, time.Hour)}
	if !b.prepare(j) {
		t.Fatalf("%+v", j.receipt)
	}
	var raws []string
	for _, from := range []uint64{1, 1, 2} {
		batch := b.c.Registry.Begin()
		if d := batch.Decide(entryOf(j)); !d.Withholds {
			t.Fatalf("%+v", d)
		}
		w, err := b.withhold(t.Context(), batch, j, from)
		if err != nil || w.reading.Act.From != from || batch.Len() != 2 {
			t.Fatalf("%+v, %v", w, err)
		}
		raws = append(raws, string(w.raw))
	}
	if raws[0] != raws[1] || raws[1] == raws[2] {
		t.Error(raws)
	}
}

func TestHomeElsewhere(t *testing.T) {
	b := newBench(t)
	hub := b.hubKey()
	other := identitytest.Key(t)
	describe := func(home string) vocab.Receipt {
		doc := `{"@context":"https://w3id.org/lianmu/v1","@type":"Space","@id":"` + b.key.DID() + `","name":"甲空间"` + home + `}`
		raw := identitytest.Sign(t, doc, b.key, identity.SignOptions{Created: b.at.Next(time.Now())})
		return b.Submit(t.Context(), raw)
	}
	elsewhere := `,"hub":"` + other.DID() + `"`
	has := func(ps vocab.Problems, code string) bool {
		for _, p := range ps {
			if p.Code == code && p.Path == "/hub" && strings.Contains(p.Message["zh"], other.DID()) {
				return true
			}
		}
		return false
	}
	if r := describe(elsewhere); r.Status != vocab.Refused || !has(r.Problems, "space.home") {
		t.Errorf("a space that is at home elsewhere: %+v", r)
	}
	for _, home := range []string{"", `,"hub":"` + hub.DID() + `"`} {
		if r := describe(home); r.Status != vocab.Accepted || has(r.Warnings, "space.moves") {
			t.Errorf("%q: %+v", home, r)
		}
	}
	if r := describe(elsewhere); r.Status != vocab.Accepted || !has(r.Warnings, "space.moves") {
		t.Errorf("one that moves away: %+v", r)
	}
	if s, _ := b.c.Registry.Space(b.key.DID()); s.Space.Hub != other.DID() {
		t.Errorf("%+v", s.Space)
	}
}

// Who retires a key at home is told once what goes with it.
func TestDescriptorThatRetiresKeys(t *testing.T) {
	b := newBench(t)
	hub := b.hubKey()
	first, second := b.key, identitytest.Key(t)
	for _, step := range []struct {
		home   string
		listed []string
		signer *identity.Key
		want   string // the key that it says is retired
	}{
		{hub.DID(), []string{first.DID(), second.DID()}, first, ""},
		{hub.DID(), []string{second.DID(), first.DID()}, second, ""},
		{hub.DID(), nil, first, second.DID()},
		{"", []string{first.DID(), second.DID()}, first, ""},
		{"", []string{first.DID()}, first, ""}, // without a home all logs count
		{hub.DID(), []string{first.DID(), second.DID()}, first, ""},
		{hub.DID(), []string{second.DID()}, second, first.DID()},
	} {
		doc := map[string]any{"@context": "https://w3id.org/lianmu/v1", "@type": "Space", "@id": first.DID(), "name": "甲空间"}
		if step.home != "" {
			doc["hub"] = step.home
		}
		if step.listed != nil {
			doc["key"] = step.listed
		}
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		also := []identity.Signer{second} // a key that is newly listed signs too
		if step.signer == second {
			also = nil
		}
		r := b.Submit(t.Context(), identitytest.Sign(t, text, step.signer, identity.SignOptions{Created: b.at.Next(time.Now())}, also...))
		got := ""
		for _, p := range r.Warnings {
			if p.Code == "key.retires" {
				got += strings.Join(slices.DeleteFunc([]string{first.DID(), second.DID()}, func(k string) bool { return !strings.Contains(p.Message["zh"], k) }), " ")
			}
		}
		if r.Status != vocab.Accepted || got != step.want {
			t.Errorf("%s: %s, retires %q, want %q; %+v", text, r.Status, got, step.want, r.Problems)
		}
	}
}

// A log card is never an entry, whoever signs it.
func TestLogCardIsNoEntry(t *testing.T) {
	b := newBench(t)
	hub := b.hubKey()
	origin := "lianmu/" + strings.TrimPrefix(hub.DID(), "did:key:") + "/1"
	card := `{"@context":"https://w3id.org/lianmu/v1","@type":"Log","@id":"urn:uuid:0f3c2f6e-4f0a-4c56-9d7b-0d4f6a3d1c11","name":"甲","origin":"` + origin + `","epoch":1,"hub":"` + hub.DID() + `","verifierKey":"` + origin + `+5f3a0c1d+AZYBpxJJcxiYr4Cm1XeSeTrpDOqvXW4JzQ8YEbGbKHdU"}`
	raw := identitytest.Sign(t, card, hub, identity.SignOptions{Created: b.at.Next(time.Now())})
	for name, r := range map[string]vocab.Receipt{"submitted": b.Submit(t.Context(), raw), "by the hub itself": b.SubmitOwn(t.Context(), raw)} {
		if r.Status != vocab.Refused || r.Problems[0].Code == "" || b.c.Log.Size() != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	j := judge.New(b.c.Processor, b.c.Reader, hub.DID(), 0)
	leaf := ledger.NewLeaf(vocab.KindLog, time.Now(), raw)
	r, err := j.Read(t.Context(), leaf, raw)
	if err != nil || r.Reading.Log == nil || r.Reading.Log.Origin != origin {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := j.Stand(0, leaf, r); vocab.ProblemsOf(err, "")[0].Code != "kind.reserved" {
		t.Errorf("%v", err)
	}
}

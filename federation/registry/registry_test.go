package registry

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lianmu/vocab"
)

var day0 = time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)

func fact(kind vocab.EntryKind, id, body string, created, valid time.Duration) vocab.Fact {
	f := vocab.Fact{
		Kind: kind, Space: "did:key:zA", ID: id,
		Content: vocab.DigestOf([]byte(id + body)), Created: day0.Add(created),
	}
	if valid != 0 {
		f.Expires = f.Created.Add(valid)
	}
	f.Digest = vocab.DigestOf(fmt.Appendf(nil, "%v", f))
	return f
}

const (
	offer = vocab.KindOffering
	down  = vocab.KindWithdrawal
	dereg = vocab.KindDeregistration
	year  = 365 * 24 * time.Hour
)

// Each row submits facts one after another; want is what became of each.
func TestDecide(t *testing.T) {
	a := fact(offer, "a", "1", 0, year)
	rows := []struct {
		name  string
		facts []vocab.Fact
		want  string
	}{
		{"new", []vocab.Fact{a}, "accepted"},
		{"the same bytes again", []vocab.Fact{a, a}, "accepted unchanged"},
		{"signed again, as long", []vocab.Fact{a, fact(offer, "a", "1", time.Hour, year)}, "accepted unchanged"},
		{"signed again, a tenth longer", []vocab.Fact{a, fact(offer, "a", "1", 40*24*time.Hour, year)}, "accepted renewed"},
		{"signed again, shorter", []vocab.Fact{a, fact(offer, "a", "1", time.Hour, time.Hour)}, "accepted accepted"},
		{"changed", []vocab.Fact{a, fact(offer, "a", "2", time.Hour, year)}, "accepted accepted"},
		{"an older version", []vocab.Fact{a, fact(offer, "a", "2", -time.Hour, year)}, "accepted superseded"},
		{"taken down", []vocab.Fact{a, fact(down, "a", "", time.Hour, 0)}, "accepted accepted"},
		{"taken down twice", []vocab.Fact{a, fact(down, "a", "", time.Hour, 0), fact(down, "a", "", 2*time.Hour, 0)}, "accepted accepted accepted"},
		{"a late version between two take-downs", []vocab.Fact{a, fact(down, "a", "", time.Hour, 0), fact(down, "a", "", 3*time.Hour, 0), fact(offer, "a", "2", 2*time.Hour, year)}, "accepted accepted accepted superseded"},
		{"published again", []vocab.Fact{a, fact(down, "a", "", time.Hour, 0), fact(offer, "a", "1", 2*time.Hour, year)}, "accepted accepted accepted"},
		{"an old copy after the take-down", []vocab.Fact{a, fact(down, "a", "", time.Hour, 0), a}, "accepted accepted superseded"},
		{"an old take-down after a change", []vocab.Fact{a, fact(offer, "a", "2", 2*time.Hour, year), fact(down, "a", "", time.Hour, 0)}, "accepted accepted superseded"},
		{"deregistered", []vocab.Fact{a, fact(dereg, "a", "", time.Hour, 0), fact(offer, "a", "2", 2*time.Hour, year)}, "accepted accepted refused"},
		{"deregistered twice", []vocab.Fact{a, fact(dereg, "a", "", time.Hour, 0), fact(dereg, "a", "", 2*time.Hour, 0)}, "accepted accepted unchanged"},
		{"nothing to take down", []vocab.Fact{fact(down, "b", "", 0, 0)}, "refused"},
	}
	for _, row := range rows {
		for _, together := range []bool{false, true} {
			r := opened()
			b := r.Begin()
			var got string
			for i, f := range row.facts {
				got += string(b.Decide(Entry{Fact: f}).Status) + " "
				if !together {
					b.Commit(r.Position(), day0.Add(time.Duration(i)*time.Minute))
					b = r.Begin()
				}
			}
			if got != row.want+" " {
				t.Errorf("%s (one batch: %v): %s, want %s", row.name, together, got, row.want)
			}
		}
	}
}

// Whatever the order in which the same entries come, the same state stands.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		facts := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) vocab.Fact {
			return fact(
				rapid.SampledFrom([]vocab.EntryKind{offer, offer, vocab.KindConsent, down, dereg}).Draw(rt, "kind"),
				rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "id"),
				rapid.SampledFrom([]string{"1", "2"}).Draw(rt, "body"),
				time.Duration(rapid.IntRange(0, 3).Draw(rt, "created"))*time.Hour,
				time.Duration(rapid.SampledFrom([]int{0, 1, 48}).Draw(rt, "valid"))*time.Hour)
		}), 0, 12).Draw(rt, "facts")
		now := day0.Add(2 * time.Hour)
		first, n := foldAll(facts).Digest(now)
		entries := numbered(facts)
		shuffled := append([]Entry(nil), entries...)
		rand.New(rand.NewSource(rapid.Int64().Draw(rt, "seed"))).Shuffle(len(shuffled), func(i, j int) {
			shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
		})
		other := opened()
		for _, e := range shuffled {
			other.apply(e) // Apply takes them in order only; the rule itself must not care
		}
		second, m := other.Digest(now)
		if first != second || n != m {
			rt.Fatalf("%d shown in one order, %d in another", n, m)
		}
		r := foldAll(facts)
		standing := 0
		for _, id := range []string{"a", "b", "c"} {
			here, _ := r.Version(vocab.KeyOf("did:key:zA", id))
			there, ok := other.Version(vocab.KeyOf("did:key:zA", id))
			if here.First != there.First || here.Digest != there.Digest || here.Final != there.Final {
				rt.Fatalf("%s is %+v in one order, %+v in another", id, here, there)
			}
			if at := slices.IndexFunc(facts, func(f vocab.Fact) bool { return f.ID == id }); ok && uint64(at) != here.First {
				rt.Fatalf("%s came first at %d, not %d", id, at, here.First)
			}
			if v, ok := r.Version(vocab.KeyOf("did:key:zA", id)); ok && v.Published() {
				standing++
				if k, ok := r.Known("did:key:zA", v.Content); !ok || k.Digest != v.Digest {
					rt.Fatalf("%s stands but is not known by its content", id)
				}
			}
		}
		if s, _ := r.Space("did:key:zA"); s.Offerings != standing {
			rt.Fatalf("counted %d offerings, %d stand", s.Offerings, standing)
		}
		if here, there := consented(r, now), consented(other, now); here != there {
			rt.Fatalf("consents %s in one order, %s in another", here, there)
		}
	})
}

// consented tells what those consents say that are valid, as entries are numbered.
func consented(r *Registry, now time.Time) string {
	said := map[string]string{}
	for _, m := range r.members.consents {
		if m.valid(now) {
			said[m.consent.ID] = m.consent.Holder
		}
	}
	return fmt.Sprint(said)
}

func numbered(facts []vocab.Fact) []Entry {
	entries := make([]Entry, len(facts))
	for i, f := range facts {
		entries[i] = Entry{Index: uint64(i), ReceivedAt: day0.Add(time.Duration(i)), Fact: f}
		if f.Kind == vocab.KindConsent {
			entries[i].Consent = &vocab.Consent{ID: f.ID, Holder: f.Content.String()}
		}
	}
	return entries
}

func foldAll(facts []vocab.Fact) *Registry {
	r := opened()
	r.Apply(numbered(facts)...)
	return r
}

func TestExpired(t *testing.T) {
	r := foldAll([]vocab.Fact{
		fact(offer, "a", "1", 0, time.Hour),
		fact(offer, "b", "1", 0, 3*time.Hour),
		fact(offer, "c", "1", 0, 0),
	})
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 0}, {2 * time.Hour, 1}, {2*time.Hour + time.Second, 0}, {4 * time.Hour, 2}} {
		if got := len(r.Expired(day0.Add(step.after))); got != step.want {
			t.Errorf("after %v: %d expired, want %d", step.after, got, step.want)
		}
	}
	if _, n := r.Digest(day0.Add(2 * time.Hour)); n != 2 {
		t.Errorf("%d shown after two hours, want 2", n)
	}
}

func TestSpaceDescriptor(t *testing.T) {
	r := opened()
	tell := func(i uint64, created time.Duration, name string) {
		f := fact(vocab.KindSpace, "did:key:zA", name, created, 0)
		r.Apply(Entry{Index: i, ReceivedAt: day0, Fact: f, Space: &vocab.Space{Name: vocab.Text{"zh": name}}})
	}
	tell(0, time.Hour, "新")
	tell(1, 0, "旧")
	if s, ok := r.Space("did:key:zA"); !ok || s.Space.Name["zh"] != "新" || s.Space.DID != "did:key:zA" || s.Entries != 2 {
		t.Errorf("space is %+v", s)
	}
}

// What is answered by an entry of the same batch must name that entry's place.
func TestStandsInTheSameBatch(t *testing.T) {
	r := opened()
	r.Apply(Entry{Index: 0, Fact: fact(offer, "z", "1", 0, year)})
	b := r.Begin()
	b.Decide(Entry{Fact: fact(offer, "y", "1", 0, year)})
	a := fact(offer, "a", "1", 0, year)
	b.Decide(Entry{Fact: a})
	for name, d := range map[string]Decision{
		"repeated": b.Decide(Entry{Fact: a}), "older": b.Decide(Entry{Fact: fact(offer, "a", "0", -time.Hour, year)}),
	} {
		if d.Logged() || d.Stands.Position != 2 {
			t.Errorf("%s: %s, stands at %d, not 2", name, d.Status, d.Stands.Position)
		}
	}
}

// opened is the registry of an open hub.
func opened() *Registry {
	r := New()
	r.Open()
	return r
}

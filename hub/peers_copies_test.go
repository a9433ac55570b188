package hub_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// acts has the forger's hub decide about a space. The caller changes what it shows.
func (f *forger) acts(verb, space, more string) {
	f.tree.say(f.t, vocab.KindAct, f.key, fmt.Sprintf(`{"@context":"https://w3id.org/lianmu/v1","@id":"urn:uuid:6a4c1f0e-7c7e-4d0e-9c56-0d6c5b8f7%03x","@type":%q,"space":%q,"by":"did:key:zOfficer"%s}`,
		f.tree.size(), verb, space, more))
}

// A hub copies what a space of another hub signed, which names no home, and takes
// it down in its own log: at who mirrors both it is shown as before.
func TestStandCopiesTakenDown(t *testing.T) {
	t.Parallel()
	a, c := settle(t, "甲", "0a"), settle(t, "丙", "0c")
	own, _ := a.must(descriptor(a.key.DID(), "甲空间", ""))
	first, _ := a.must(offering("x1", "甲的产品一"))
	second, _ := a.must(offering("x2", "甲的产品二"))
	f := newForger(t)
	for f.origin > a.info.Origin { // of equal versions that of the first origin was shown
		f = newForger(t)
	}
	befriend(t, a, c)
	c.finds(2, view.Question{})
	f.change(func() {
		f.tree.at = time.Now().Add(time.Second)
		f.tree.write(t, vocab.KindSpace, own)
		f.tree.write(t, vocab.KindOffering, first)
		f.tree.write(t, vocab.KindOffering, second)
		f.acts("Removal", a.key.DID(), `,"offerings":["https://space.example/x1"]`)
		f.acts("Suspension", a.key.DID(), `,"reason":"冒充"`)
		f.tree.say(t, vocab.KindOffering, f.space, offering("y", "他自己的产品"))
	})
	c.add(f)
	c.holds(f, f.tree.size())
	for _, h := range c.finds(3, view.Question{}).Hits {
		if h.Space == a.key.DID() && h.Hub != a.info.Origin {
			t.Errorf("%s is shown as of %s", h.ID, h.Hub)
		}
	}
	var d view.Detail
	if status := c.get("/api/v1/offerings?space="+url.QueryEscape(a.key.DID())+"&id="+url.QueryEscape("https://space.example/x1"), &d); status != http.StatusOK || d.Hub != a.info.Origin {
		t.Errorf("by its name: %d %+v", status, d)
	}
}

// A hub makes up that the 主体 of another's product lets one of its spaces list it,
// or that he operates that space: what it lists stays apart, marked, and the
// provider's own listings stay one.
func TestStandForgedConsent(t *testing.T) {
	t.Parallel()
	const company, other = "91512081MA62K0260E", "12430000MB0L046927"
	const product, second = "691512081MA62K0260E31000000000A*", "691512081MA62K0260E31000000001AW"
	decides := func(c *hub.Config) { c.Open = false }
	a, b := settle(t, "甲", "0a", decides), settle(t, "乙", "0b", decides)
	listed := fmt.Sprintf(`"productCode":%q`, product)
	spaceOf := func(did, hub, operator string) string {
		return descriptor(did, "某空间", fmt.Sprintf(`,"hub":%q,"operator":{"name":"运营公司","uscc":%q},"defaultAudience":"public"`, hub, operator))
	}
	a.submit(a.sign(spaceOf(a.key.DID(), a.info.DID, company)))
	if status, answer := a.post(a.officer(a.config.Dir), "/api/v1/spaces/"+url.PathEscape(a.key.DID())+"/acts", `{"verb":"Admission"}`); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	a.must(offering("one", "泊位数据", listed))
	a.must(offering("two", "泊位数据二", listed))
	befriend(t, a, b)
	q := view.Question{Q: "泊位", Limit: 10}
	b.finds(1, q)
	for how, operator := range map[string]string{"by a consent": other, "by a description": company} {
		f, holder := newForger(t), identitytest.Key(t)
		f.card = f.says(map[string]any{"open": false})
		f.change(func() {
			f.tree.at = time.Now().Add(-time.Minute)
			f.acts("Admission", f.space.DID(), "")
			f.tree.say(t, vocab.KindSpace, f.space, spaceOf(f.space.DID(), f.key.DID(), operator))
			f.tree.say(t, vocab.KindOffering, f.space, offering("fake", "泊位", listed))
			// By its word alone, against which nobody has anything, these are one.
			f.tree.say(t, vocab.KindOffering, f.space, offering("fake2", "别的产品", fmt.Sprintf(`"productCode":%q`, second)))
			f.tree.say(t, vocab.KindOffering, f.space, offering("fake3", "别的产品", fmt.Sprintf(`"productCode":%q`, second)))
			if operator == company {
				return
			}
			raw, err := identity.Sign(fmt.Appendf(nil, `{"@context":"https://w3id.org/lianmu/v1","@type":"ListingConsent","@id":"https://space.example/consent","subjectCode":%q,"productCode":[%q,%q],"space":[%q,%q],"did":%q}`,
				company, product, second, f.space.DID(), a.key.DID(), holder.DID()), f.space, identity.SignOptions{Created: f.tree.at.UTC()}, holder)
			if err != nil {
				t.Error(err)
			}
			f.tree.write(t, vocab.KindConsent, raw)
		})
		for _, w := range []*town{a, b} {
			w.add(f)
			w.holds(f, f.tree.size())
			w.finds(1, view.Question{Q: "别的产品"})
			for _, h := range w.finds(2, q).Hits {
				if want := map[string]int{a.key.DID(): 1, f.space.DID(): 0}[h.Space]; len(h.Listings) != want || !h.Conflict || want == 1 && h.Product != product {
					t.Errorf("%s, at %s: %+v", how, w.seed, h)
				}
			}
			if err := w.peers().Remove(t.Context(), security, f.key.DID(), true); err != nil {
				t.Fatal(err)
			}
			w.finds(1, q)
		}
	}
}

// A hub that joins later says that it has had another's @id for years: neither the
// hub whose space has it nor one that knew that hub before answers with its product.
func TestStandBackdatedName(t *testing.T) {
	t.Parallel()
	a, c := settle(t, "甲", "0a"), settle(t, "丙", "0c")
	a.must(descriptor(a.key.DID(), "甲空间", fmt.Sprintf(`,"hub":%q`, a.info.DID)))
	a.must(offering("x1", "甲的真产品"))
	befriend(t, a, c)
	c.finds(1, view.Question{})
	f := newForger(t)
	f.change(func() {
		f.tree.at, f.tree.signed = time.Now().AddDate(-2, 0, 0), time.Now()
		f.tree.say(t, vocab.KindSpace, f.space, descriptor(f.space.DID(), "伪空间", fmt.Sprintf(`,"hub":%q`, f.key.DID())))
		f.tree.say(t, vocab.KindOffering, f.space, offering("x1", "伪节点的假产品"))
	})
	for _, w := range []*town{a, c} {
		w.add(f)
		w.finds(2, view.Question{})
		var d view.Detail
		if status := w.get("/api/v1/offerings?id="+url.QueryEscape("https://space.example/x1"), &d); status != http.StatusOK || d.Space != a.key.DID() {
			t.Errorf("%s answers %d with %v of %s", w.seed, status, d.Offering, d.Space)
		}
	}
}

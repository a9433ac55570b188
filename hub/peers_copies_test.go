package hub_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

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

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

// Two listings of one product at two hubs become one hit at both when its holder
// consents at one of them, and part when he takes it back. A consent that somebody
// else has signed in the holder's place does nothing on any hub but the one that
// made it up.
func TestConsentAmongPeers(t *testing.T) {
	t.Parallel()
	const company, other, product = "91512081MA62K0260E", "12430000MB0L046927", "691512081MA62K0260E31000000000A*"
	decides := func(c *hub.Config) { c.Open = false }
	a, b := settle(t, "甲", "0a", decides), settle(t, "乙", "0b", decides)
	listed := fmt.Sprintf(`"productCode":%q`, product)
	for i, w := range []*town{a, b} {
		about := descriptor(w.key.DID(), "空间"+w.seed, fmt.Sprintf(`,"hub":%q,"operator":{"name":"运营公司","uscc":%q},"defaultAudience":"public"`, w.info.DID, []string{company, other}[i]))
		if r := w.submit(w.sign(about)); r.Status != vocab.Waiting {
			t.Fatalf("%+v", r)
		}
		if status, answer := w.post(w.officer(w.config.Dir), "/api/v1/spaces/"+url.PathEscape(w.key.DID())+"/acts", `{"verb":"Admission"}`); status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
		w.must(offering("product-"+w.seed, "泊位数据", listed))
	}
	befriend(t, a, b)
	q := view.Question{Q: "泊位", Limit: 10}
	for _, w := range []*town{a, b} {
		for _, h := range w.finds(2, q).Hits {
			if !h.Conflict {
				t.Errorf("%s is no conflict", h.ID)
			}
		}
	}

	consent := func(space, more string) string {
		return fmt.Sprintf(`{"@context":"https://w3id.org/lianmu/v1","@type":"ListingConsent","@id":"https://space.example/consent","subjectCode":%q,"productCode":%q,"space":%q%s}`, company, product, space, more)
	}
	f, holder := newForger(t), identitytest.Key(t)
	f.change(func() {
		f.tree.at = f.tree.at.Add(30 * time.Minute)
		for _, second := range []identity.Signer{identitytest.Key(t), holder} {
			raw, err := identity.Sign([]byte(consent(b.key.DID(), fmt.Sprintf(`,"did":%q`, holder.DID()))), f.space, identity.SignOptions{Created: f.tree.at.UTC()}, second)
			if err != nil {
				t.Error(err)
			}
			f.tree.write(t, vocab.KindConsent, raw)
		}
	})
	a.add(f)
	a.until("the one that the holder has not signed is kept as evidence", func() (string, bool) {
		l := a.mirrorOf(f)
		return fmt.Sprintf("%+v", l), l.Size == 2 && l.Lag == 0 && l.Faulty == 1
	})
	for _, h := range a.finds(2, q).Hits {
		if !h.Conflict {
			t.Errorf("by a consent of whom nobody has decided about: %+v", h)
		}
	}

	a.must(consent(b.key.DID(), ""))
	for _, w := range []*town{a, b} {
		if h := w.finds(1, q).Hits[0]; len(h.Listings) != 1 || h.Conflict {
			t.Errorf("with consent: %+v", h)
		}
	}
	a.must(removal("Withdrawal", "consent"))
	for _, w := range []*town{a, b} {
		if h := w.finds(2, q).Hits[0]; !h.Conflict {
			t.Errorf("taken back: %+v", h)
		}
	}
}

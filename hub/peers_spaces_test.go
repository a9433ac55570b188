package hub_test

import (
	"net/http"
	"net/url"
	"testing"

	"lianmu/federation/registry"
	"lianmu/hub"
	"lianmu/hub/peering"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// A space stands at every hub as it does at its home: in the list, by its DID, with
// the log that says so. And what is held of a hub stays to be looked at when it is
// no peer any more.
func TestSpacesOfOtherHubs(t *testing.T) {
	t.Parallel()
	a, b := settle(t, "甲", "0a", func(c *hub.Config) { c.Open = false }), settle(t, "乙", "0b")
	if r := a.submit(a.sign(descriptor(a.key.DID(), "港口空间", `,"defaultAudience":"public"`))); r.Status != vocab.Waiting {
		t.Fatalf("%+v", r)
	}
	if status, answer := a.post(a.officer(a.config.Dir), "/api/v1/spaces/"+url.PathEscape(a.key.DID())+"/acts", `{"verb":"Admission"}`); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	a.publish("a1")
	befriend(t, a, b)
	b.finds(1, view.Question{})
	type row struct {
		DID      string
		Log      string
		Standing registry.Standing
		Keys     []struct{ DID string }
	}
	for _, w := range []*town{a, b} {
		var list struct{ Items []row }
		if code := w.get("/api/v1/spaces", &list); code != http.StatusOK || len(list.Items) != 1 || list.Items[0].Standing != registry.Admitted || list.Items[0].Log != a.info.Origin {
			t.Errorf("%s: %d %+v", w.seed, code, list)
		}
		var one row
		if code := w.get("/api/v1/spaces/"+url.PathEscape(a.key.DID()), &one); code != http.StatusOK || one.Standing != registry.Admitted || one.Log != a.info.Origin || len(one.Keys) != 1 {
			t.Errorf("%s: %d %+v", w.seed, code, one)
		}
	}

	officer, path := b.officer(b.config.Dir), "/api/v1/peers/"+url.PathEscape(a.info.DID)
	if err := b.peers().Remove(t.Context(), security, a.info.DID, false); err != nil {
		t.Fatal(err)
	}
	var kept peering.PeerInfo
	if code := b.getAs(officer, path, &kept); code != http.StatusOK || kept.State != peering.NoPeer || len(kept.Logs) != 1 || kept.Logs[0].Origin != a.info.Origin {
		t.Errorf("%d %+v", code, kept)
	}
	if code := b.get(path, nil); code != http.StatusUnauthorized && code != http.StatusForbidden {
		t.Errorf("told to anybody: %d", code)
	}
	if code := b.getAs(officer, "/api/v1/peers/"+url.PathEscape(b.key.DID()), nil); code != http.StatusNotFound {
		t.Errorf("of whom nothing is held: %d", code)
	}
}

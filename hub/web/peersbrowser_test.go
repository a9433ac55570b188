package web

import (
	"net/http/httptest"
	"strings"
	"testing"

	"lianmu/hub/access"
	"lianmu/hub/view"
	"lianmu/hub/web/webtest"
	"lianmu/index"
	"lianmu/vocab"
)

// An officer adds a peer by its card, sees what would leave, and stops another's
// log that contradicts itself from going on unseen.
func TestBrowserPeers(t *testing.T) {
	b := webtest.Start(t)
	w := peerTown(t)
	server := httptest.NewServer(w.handler)
	defer server.Close()
	look := func(what, path string) { t.Helper(); b.Look(what, server.URL+path) }
	look("peers-public", "/peers")
	w.signIn(b, server.URL, access.Security, "/peers")
	b.Click(`main a.button[href="/peers/add"]`)
	b.Type("#card", w.card)
	b.Click(".form .button")
	b.See("#outbound")
	words := b.Text(".words8")
	b.Type("#outbound", "评估〔2026〕3 号")
	b.Click(`[name="confirm"]`, ".form .button")
	if got := b.Text(".notice"); !strings.Contains(got, "已批准") || words != w.preview.Words.ZH {
		t.Errorf("words %q, the page says %q", words, got)
	}
	b.Open(server.URL + peerURL(w.peers[1].DID))
	b.Click(`a[href*="verb=accept"]`, `[name="confirm"]`, ".form .button")
	b.See(".notice")
	w.mu.Lock()
	deeds := strings.Join(w.deeds, "\n")
	w.mu.Unlock()
	if want := "add " + w.card + "  {评估〔2026〕3 号  false }\naccept " + w.peers[1].Logs[0].Origin; deeds != want {
		t.Errorf("done %q, want %q", deeds, want)
	}
	w.peers[2].About.Name = w.peers[0].About.Name
	says := *w.peers[0].About
	w.peers[0].Says, w.peers[0].Newer = &says, []byte("{}")
	look("peers", "/peers")
	look("peers-add", "/peers/add")
	for i, name := range []string{"good", "split", "waiting"} {
		look("peer-"+name, peerURL(w.peers[i].DID)+"&preview=1")
	}
	look("peer-kept", peerURL(w.loose[0].Hub))
	for _, v := range peerVerbs {
		look("peeract-"+v, peerActURL(v, w.peers[1].DID, w.peers[1].Logs[0].Origin))
	}
	look("peeract-abroad", peerActURL("approve", w.peers[2].DID, ""))
}

// What is left out of a search is taken in by a click; a disputed code leads to all
// that give it.
func TestBrowserSeveralLogs(t *testing.T) {
	b := webtest.Start(t)
	s := threeLogs()
	o := s.details[0].Offering
	o.Identifiers = []string{someone}
	s.details[2].Offering.Identifiers = o.Identifiers
	a, err := s.Find(t.Context(), view.Question{Facets: facetOrder, Limit: 8, Stale: true})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		l := view.Listing{Listing: index.Listing{ID: "urn:l", Space: portSpace, Hub: []string{ownLog, portLog, oldLog}[i%3]}, SpaceName: vocab.Text{"zh": "江海联运可信数据空间", "en": "River and sea space"}, State: []string{"", view.Ageing, view.Stale}[i%3]}
		if a.Hits[3].Listings = append(a.Hits[3].Listings, l); i < 2 {
			a.Hits[0].Listings = append(a.Hits[0].Listings, l)
		}
	}
	a.Hits[3].Others = 5
	a.Hits[2].Conflict = true
	fixed := httptest.NewServer(newTown(t, &fixedAnswer{shelf: s, answer: *a}).handler)
	defer fixed.Close()
	look := func(what, path string) { t.Helper(); b.Look(what, fixed.URL+path) }
	look("logs-search", "/search?q=x")
	look("logs-stale", "/search?q=x&stale=1")
	look("logs-offering", offeringURL(portSpace, someID))
	look("logs-space", spaceURL(portSpace))
	look("logs-spaces", "/spaces")

	server := httptest.NewServer(newTown(t, s, func(c *Config) {
		c.Hubs = []NamedURL{{vocab.Text{"zh": "航运物流行业目录节点", "en": "Shipping industry hub"}, "http://127.0.0.1:41001/"}, {vocab.Text{"zh": "长三角邻域目录节点", "en": "Yangtze-delta hub"}, "http://127.0.0.1:41002/"}}
	}).handler)
	defer server.Close()
	b.Look("logs-start", server.URL+"/")
	b.Open(server.URL + "/search?lang=zh")
	b.Click(".out .go")
	b.See(`.out .go[href="/search"]`)
	if got := b.Text(".total"); !strings.Contains(got, "30") {
		t.Errorf("what is left out is not taken in: %q", got)
	}
}

package web

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"lianmu/federation/identity"
	"lianmu/hub/access"
	"lianmu/hub/view"
	"lianmu/hub/web/webtest"
	"lianmu/index"
	"lianmu/vocab"
)

// An officer adds a peer by its card, sees what would leave, and stops another's
// log that contradicts itself from going on unseen.
func TestBrowserPeers(t *testing.T) {
	ctx := webtest.Browser(t)
	w := peerTown(t)
	server := httptest.NewServer(w.handler)
	defer server.Close()
	do := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatal(err)
		}
	}
	text := func(css string) string {
		t.Helper()
		s, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS(css)))
		if err != nil {
			t.Fatalf("%s: %v", css, err)
		}
		return s
	}
	look := looking(t, ctx, server.URL)
	look("peers-public", "/peers")
	token, err := identity.NewToken(w.keys[access.Security], w.hub.DID(), time.Now(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	do(chromedp.Navigate(server.URL+"/sign-in?lang=zh&next=/peers"), chromedp.SendKeys(chromedp.CSS("#token"), token), chromedp.Click(chromedp.CSS(".form .button")), chromedp.WaitVisible(chromedp.CSS(`nav a[aria-current][href="/peers"]`)))
	do(chromedp.Click(chromedp.CSS(`main a.button[href="/peers/add"]`)), chromedp.SendKeys(chromedp.CSS("#card"), w.card), chromedp.Click(chromedp.CSS(".form .button")), chromedp.WaitVisible(chromedp.CSS("#outbound")))
	words := text(".words8")
	do(chromedp.SendKeys(chromedp.CSS("#outbound"), "评估〔2026〕3 号"), chromedp.Click(chromedp.CSS(`[name="confirm"]`)), chromedp.Click(chromedp.CSS(".form .button")), chromedp.WaitVisible(chromedp.CSS(".notice")))
	w.mu.Lock()
	deeds := strings.Join(w.deeds, "\n")
	w.mu.Unlock()
	if words != w.preview.Words.ZH || !strings.Contains(text(".notice"), "已批准") || deeds != "add "+w.card+"  {评估〔2026〕3 号  false }" {
		t.Errorf("words %q, done %q", words, deeds)
	}
	do(chromedp.Navigate(server.URL+peerURL(w.peers[1].DID)), chromedp.Click(chromedp.CSS(`a[href*="verb=accept"]`)), chromedp.Click(chromedp.CSS(`[name="confirm"]`)), chromedp.Click(chromedp.CSS(".form .button")), chromedp.WaitVisible(chromedp.CSS(".notice")))
	if got := w.deeds[len(w.deeds)-1]; got != "accept "+w.peers[1].Logs[0].Origin {
		t.Errorf("done %q", got)
	}
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
	ctx := webtest.Browser(t)
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
	look := looking(t, ctx, fixed.URL)
	look("logs-search", "/search?q=x")
	look("logs-stale", "/search?q=x&stale=1")
	look("logs-offering", offeringURL(portSpace, someID))
	look("logs-space", spaceURL(portSpace))
	look("logs-spaces", "/spaces")

	server := httptest.NewServer(newTown(t, s, func(c *Config) {
		c.Hubs = []NamedURL{{vocab.Text{"zh": "航运物流行业目录节点", "en": "Shipping industry hub"}, "http://127.0.0.1:41001/"}, {vocab.Text{"zh": "长三角邻域目录节点", "en": "Yangtze-delta hub"}, "http://127.0.0.1:41002/"}}
	}).handler)
	defer server.Close()
	look = looking(t, ctx, server.URL)
	look("logs-start", "/")
	count := `document.querySelector(".total").textContent.includes("30")`
	err = chromedp.Do(ctx, chromedp.Navigate(server.URL+"/search?lang=zh"), chromedp.Click(chromedp.CSS(".out .go")), chromedp.WaitVisible(chromedp.CSS(`.out .go[href="/search"]`)))
	if err != nil {
		t.Fatal(err)
	}
	if all, err := chromedp.Run(ctx, chromedp.Evaluate[bool](count)); err != nil || !all {
		t.Errorf("what was left out is not taken in (%v)", err)
	}
}

package hub_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"lianmu/hub/web/webtest"
)

// A person signs in at a provider in a browser, sees what is for the participants
// of the space that admitted the organisation, and, signed out, does not.
func TestBrowserSignsInAtAProvider(t *testing.T) {
	ctx := webtest.Browser(t)
	c := config(t, t.TempDir())
	provider := atProvider(t, &c)
	provider.Set("0017", map[string]any{"org": peopleOrg, "alias": "调度-03", "role": "user"}, nil)
	r := start(t, c)
	r.must(`{"@context":"https://w3id.org/lianmu/v1","@type":"Participant","@id":"urn:p:1","subjectCode":"` + peopleOrg + `","name":"示例物流公司"}`)
	r.must(offering("inner", "内部船期", `"audience":"space"`))
	r.level()

	see := func(css string) chromedp.Action[chromedp.Void] { return chromedp.WaitVisible(chromedp.CSS(css)) }
	click := func(css string) chromedp.Action[chromedp.Void] { return chromedp.Click(chromedp.CSS(css)) }
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
	do(chromedp.Navigate(r.info.HTTP+"/search?lang=zh"), see(".empty"))
	do(click(`nav a[href^="/sign-in"]`), see(`a.button[href^="/oidc/start"]`), click(`a.button[href^="/oidc/start"]`), see(".me button"))
	if got := text(".me"); !strings.Contains(got, "调度-03") {
		t.Errorf("signed in as %q", got)
	}
	do(chromedp.Navigate(r.info.HTTP+"/search"), see(".hit"))
	if got := text(".hit h3"); got != "内部船期" {
		t.Errorf("found %q", got)
	}
	do(click(".me button"), see(`nav a[href^="/sign-in"]`), chromedp.Navigate(r.info.HTTP+"/search"), see(".empty"))
}

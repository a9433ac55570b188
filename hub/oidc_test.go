package hub_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"lianmu/hub/access"
	"lianmu/hub/access/accesstest"
	"lianmu/hub/web/webtest"
)

// A person signs in at a provider in a browser, sees what is for the participants
// of the space that admitted the organisation, and, signed out, does not.
func TestBrowserSignsInAtAProvider(t *testing.T) {
	ctx := webtest.Browser(t)
	const org = "91512081MA62K0260E"
	c := config(t, t.TempDir())
	free, err := net.Listen("tcp", "127.0.0.1:0") // the provider must know where to send browsers before the hub is there
	if err != nil {
		t.Fatal(err)
	}
	c.HTTP = free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	back := "http://" + c.HTTP + "/oidc/callback"
	provider := accesstest.New(t, back, "0017", map[string]any{"org": org, "nick": "调度-03"})
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(accesstest.ClientSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.OIDC = &access.OIDC{Issuer: provider.URL, ClientID: accesstest.ClientID, ClientSecretFile: secret, RedirectURL: back, NameClaim: "nick"}
	r := start(t, c)
	r.must(`{"@context":"https://w3id.org/lianmu/v1","@type":"Participant","@id":"urn:p:1","subjectCode":"`+org+`","name":"示例物流公司"}`)
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

package hub_test

import (
	"strings"
	"testing"

	"lianmu/hub/hubtest"
	"lianmu/hub/web/webtest"
)

// A person signs in at a provider in a browser, sees what is for the participants
// of the space that admitted the organisation, and, signed out, does not.
func TestBrowserSignsInAtAProvider(t *testing.T) {
	b := webtest.Start(t)
	c := hubtest.Config(t, t.TempDir())
	provider := atProvider(t, &c)
	provider.Set("0017", map[string]any{"org": peopleOrg, "alias": "调度-03", "role": "user"}, nil)
	r := start(t, c)
	r.must(`{"@context":"https://w3id.org/lianmu/v1","@type":"Participant","@id":"urn:p:1","subjectCode":"` + peopleOrg + `","name":"示例物流公司"}`)
	r.must(offering("inner", "内部船期", `"audience":"space"`))
	r.level()

	b.Open(r.info.HTTP + "/search?lang=zh")
	b.See(".empty")
	b.Click(`nav a[href^="/sign-in"]`, `a.button[href^="/oidc/start"]`)
	b.See(".me button")
	if got := b.Text(".me"); !strings.Contains(got, "调度-03") {
		t.Errorf("signed in as %q", got)
	}
	b.Open(r.info.HTTP + "/search")
	if got := b.Text(".hit h3"); got != "内部船期" {
		t.Errorf("found %q", got)
	}
	b.Click(".me button")
	b.See(`nav a[href^="/sign-in"]`)
	b.Open(r.info.HTTP + "/search")
	b.See(".empty")
}

package web

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"lianmu/hub/view"
)

func TestLesser(t *testing.T) {
	for q, want := range map[string][]string{
		"":                  nil,
		"地铁":                nil,
		"企业信用":              {"企业", "信用"},
		"房价表":               {"房价", "价表"},
		"地铁 海关 地铁":          {"地铁", "海关"},
		"metro ridership":   {"metro", "ridership"},
		"metro":             nil,
		"a b c d e f":       nil,
		"aa bb cc dd ee ff": {"aa", "bb", "cc", "dd"},
		"covid-19 cases":    {"covid-19", "cases"},
		`"企业 信用"`:           nil,
		"地铁 OR 海关":          nil,
		"地铁 -海关":            nil,
		"theme:B0300 地铁":    nil,
		"（地铁）":              nil,
	} {
		if got := lesser(q); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", q, got, want)
		}
	}
}

// Who finds nothing is offered what finds something, within the same filters.
func TestNothingFoundOffersLess(t *testing.T) {
	h := pages(t, someShelf())
	for q, want := range map[string][2][]string{
		"q=" + url.QueryEscape("集装箱 飞艇"):                            {{"/search?q=" + url.QueryEscape("集装箱") + `" rel="nofollow"><bdi>集装箱</bdi> 1 项`}, {"<bdi>飞艇</bdi>"}},
		"q=" + url.QueryEscape("地铁海关"):                              {{"<bdi>地铁</bdi> 4 项"}, {"<bdi>海关</bdi>"}},
		"q=" + url.QueryEscape("集装箱 客流") + "&filter=kind%3Adataset": {{"<bdi>客流</bdi> 4 项", "filter=kind%3Adataset"}, {"<bdi>集装箱</bdi>"}},
		"q=" + url.QueryEscape("飞艇"):                                {nil, {"少写一些"}},
		"q=" + url.QueryEscape("客流"):                                {nil, {"少写一些"}},
	} {
		_, body, _ := get(t, h, "/search?"+q, "zh")
		body = strings.ReplaceAll(body, "&amp;", "&")
		for _, s := range want[0] {
			if !strings.Contains(body, s) {
				t.Errorf("%s: lacks %q", q, s)
			}
		}
		for _, s := range want[1] {
			if strings.Contains(body, s) {
				t.Errorf("%s: holds %q", q, s)
			}
		}
	}
}

// A space that has not described itself goes by its DID, wherever it stands.
func TestNamelessSpace(t *testing.T) {
	s := someShelf()
	for i := range s.spaces {
		s.spaces[i].Name = nil
	}
	for _, d := range s.details {
		d.SpaceName = nil
	}
	h := pages(t, s)
	for _, u := range []string{"/", "/spaces", "/space?did=" + url.QueryEscape(citySpace), "/search", offeringURL(citySpace, "urn:city:resident")} {
		_, body, _ := get(t, h, u, "zh")
		if !strings.Contains(body, "<bdi>"+short(citySpace)+"</bdi>") {
			t.Errorf("%s does not name the space", u)
		}
		if strings.Contains(body, "<b><bdi></bdi></b>") || strings.Contains(body, "<h1><bdi></bdi></h1>") || strings.Contains(body, "<title> ·") {
			t.Errorf("%s names nothing", u)
		}
	}
}

// The time of receipt does not pass for a change of the data.
func TestReceivedIsNotUpdated(t *testing.T) {
	s := someShelf()
	a, err := s.Find(t.Context(), view.Question{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	for received, want := range map[bool][2]string{true: {"收录于 <time", "更新于 <time"}, false: {"更新于 <time", "收录于 <time"}} {
		answer := *a
		answer.Hits = slices.Clone(a.Hits)
		answer.Hits[0].Received = received
		h := newTown(t, &fixedAnswer{shelf: s, answer: answer}).handler
		if _, body, _ := get(t, h, "/search", "zh"); !strings.Contains(body, want[0]) || strings.Contains(body, want[1]) {
			t.Errorf("received %v: %s", received, body)
		}
	}
}

// brittle answers its first question only.
type brittle struct {
	*shelf
	times int
}

func (b *brittle) Find(ctx context.Context, q view.Question) (*view.Answer, error) {
	if b.times++; b.times > 1 {
		return nil, errors.New("the index has gone")
	}
	return b.shelf.Find(ctx, q)
}

// A search that fails while another is helped does not spoil the page.
func TestNearerFails(t *testing.T) {
	s := &brittle{shelf: someShelf()}
	h := newTown(t, s).handler
	code, body, _ := get(t, h, "/search?q="+url.QueryEscape("集装箱 飞艇"), "zh")
	if code != 200 || strings.Contains(body, "少写一些") || s.times < 2 {
		t.Errorf("status %d after %d questions", code, s.times)
	}
}

func TestLinksThatMislead(t *testing.T) {
	for u, want := range map[string]string{
		"https://trusted.example@evil.example/": "",
		"https://a:b@evil.example/":             "",
		"https://a@/":                           "",
		"https://trusted.example/@evil":         "https://trusted.example/@evil",
		"mailto:desk@port.example":              "mailto:desk@port.example",
	} {
		if got := link(u); got != want {
			t.Errorf("%s: %q, want %q", u, got, want)
		}
	}
	for u, want := range map[string]string{
		"https://port.example/数据":     "",
		"https://xn--80ak6aa92e.com/": "",
		"https://аррӏе.com/":          "xn--80ak6aa92e.com",
		"https://数据.example:8443/a?b": "xn--vxup8b.example",
		"mailto:desk@数据.example":      "",
		"https://[::1/1":              "",
	} {
		if got := asciiHost(u); got != want {
			t.Errorf("%s: %q, want %q", u, got, want)
		}
	}
	s := someShelf()
	o := s.details[0].Offering
	o.LandingPage, o.Services[0].EndpointURL, o.License = "https://trusted.example@evil.example/", "https://аррӏе.com/api", "https://数据.example/licence"
	h := pages(t, s)
	_, body, _ := get(t, h, offeringURL(portSpace, someID), "zh")
	if strings.Contains(body, `href="https://trusted.example@`) || !strings.Contains(body, "<bdi>https://trusted.example@evil.example/</bdi>") {
		t.Error("a user name before the host is linked, or not shown as text")
	}
	if !strings.Contains(body, `title="xn--80ak6aa92e.com" rel="noopener nofollow"`) || strings.Count(body, ` title="xn--`) < 2 {
		t.Error("the hosts' own names are not shown")
	}
}

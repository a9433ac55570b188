package web

import (
	"net/http/httptest"
	"strings"
	"testing"

	"lianmu/hub/web/webtest"
)

func TestBrowserFindsAnOffering(t *testing.T) {
	b := webtest.Start(t)
	server := httptest.NewServer(pages(t, someShelf()))
	defer server.Close()
	b.Open(server.URL + "/?lang=zh")
	b.Type("#q", "洋山")
	b.See(".suggest li")
	suggestion := b.Text(".suggest li bdi")
	b.Open(server.URL + "/")
	b.Type("#q", "集装箱"+webtest.Enter)
	b.See(".results .hit")
	hits := b.Text(".hit mark")
	b.Open(server.URL + "/search")
	b.Click(`.facets a[href*="kind%3Aproduct"]`)
	b.See(".chips a")
	chip := b.Text(".chips a bdi")
	narrowed := b.Holds(`document.querySelectorAll(".hit").length === 1`)
	b.Click(".hit h3 a")
	b.See(".proof")
	title := b.Text("h1")
	b.Click(".raw summary")
	b.See(".raw pre")
	raw, shown := b.Text(".raw pre"), b.Holds(`!document.querySelector(".raw .copy").hidden`)
	if suggestion != "洋山港区集装箱全程轨迹" || hits != "集装箱" || chip != "数据产品" || !narrowed || title != "洋山港区集装箱全程轨迹" || !strings.Contains(raw, "DataIntegrityProof") || !shown {
		t.Errorf("suggestion %q, hit %q, chip %q, narrowed %v, title %q, raw %q, copy button %v", suggestion, hits, chip, narrowed, title, raw, shown)
	}
}

// The pages for everybody are as wide as the screen and no wider.
func TestBrowserNarrow(t *testing.T) {
	b := webtest.Start(t)
	server := httptest.NewServer(pages(t, someShelf()))
	defer server.Close()
	for name, path := range map[string]string{"start": "/", "search": "/search?q=", "found": "/search?q=%E5%85%AC%E4%BA%A4&filter=kind:dataset&filter=region:310000", "none": "/search?q=zzz",
		"detail": offeringURL(portSpace, someID), "spaces": "/spaces", "space": "/space?did=" + citySpace, "about": "/about"} {
		b.Look(name, server.URL+path)
	}
}

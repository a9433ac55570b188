package web

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"lianmu/hub/web/webtest"
)

func TestBrowserFindsAnOffering(t *testing.T) {
	ctx := webtest.Browser(t)
	server := httptest.NewServer(pages(t, someShelf()))
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
	truth := func(script string) bool {
		t.Helper()
		b, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	box := chromedp.CSS("#q")
	do(chromedp.Navigate(server.URL+"/?lang=zh"), chromedp.SendKeys(box, "洋山"), chromedp.WaitVisible(chromedp.CSS(".suggest li")))
	suggestion := text(".suggest li bdi")
	do(chromedp.Navigate(server.URL+"/"), chromedp.SendKeys(box, "集装箱"+kb.Enter), chromedp.WaitVisible(chromedp.CSS(".results .hit")))
	hits := text(".hit mark")
	do(chromedp.Navigate(server.URL+"/search"), chromedp.Click(chromedp.CSS(`.facets a[href*="kind%3Aproduct"]`)), chromedp.WaitVisible(chromedp.CSS(".chips a")))
	chip := text(".chips a bdi")
	narrowed := truth(`document.querySelectorAll(".hit").length === 1`)
	do(chromedp.Click(chromedp.CSS(".hit h3 a")), chromedp.WaitVisible(chromedp.CSS(".proof")))
	title := text("h1")
	do(chromedp.Click(chromedp.CSS(".raw summary")), chromedp.WaitVisible(chromedp.CSS(".raw pre")))
	raw, shown := text(".raw pre"), truth(`!document.querySelector(".raw .copy").hidden`)
	if suggestion != "洋山港区集装箱全程轨迹" || hits != "集装箱" || chip != "数据产品" || !narrowed || title != "洋山港区集装箱全程轨迹" || !strings.Contains(raw, "DataIntegrityProof") || !shown {
		t.Errorf("suggestion %q, hit %q, chip %q, narrowed %v, title %q, raw %q, copy button %v", suggestion, hits, chip, narrowed, title, raw, shown)
	}
}

// Nothing sticks out sideways on a narrow phone. With PICTURES=DIR the pages are
// also kept as pictures to look at, in light and dark.
func TestBrowserNarrow(t *testing.T) {
	ctx := webtest.Browser(t)
	server := httptest.NewServer(pages(t, someShelf()))
	defer server.Close()
	dir, schemes := os.Getenv("PICTURES"), []string{"light"}
	if dir != "" {
		schemes = append(schemes, "dark")
	}
	for name, path := range map[string]string{"start": "/", "search": "/search?q=", "found": "/search?q=%E5%85%AC%E4%BA%A4&filter=kind:dataset&filter=region:310000", "none": "/search?q=zzz",
		"detail": offeringURL(portSpace, someID), "spaces": "/spaces", "space": "/space?did=" + citySpace, "about": "/about", "missing": "/nowhere"} {
		if name == "missing" {
			continue // chromium reports the 404 itself as an error
		}
		for _, width := range []int64{360, 1280} {
			for _, scheme := range schemes {
				dark := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
				if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, dark); err != nil {
					t.Fatal(err)
				}
				if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate(server.URL+path)); err != nil {
					t.Fatal(err)
				}
				wide, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > document.documentElement.clientWidth`))
				if err != nil {
					t.Fatal(err)
				}
				if wide {
					t.Errorf("%s is wider than a screen of %d", name, width)
				}
				if dir != "" {
					picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
					if err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)), picture, 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
}

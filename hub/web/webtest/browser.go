// Package webtest walks through pages in a real browser, for tests. The hub never
// imports it.
package webtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Enter is the key of that name, for Type.
const Enter = kb.Enter

// Browser is a window of a headless chromium with an empty profile. Elements are
// named by CSS selectors; a step waits until what it is about can be seen, and one
// that fails ends the test.
type Browser struct {
	t   *testing.T
	ctx context.Context
}

// Start starts a browser, which the test's end closes, or skips the test. What is
// not done 90 seconds later fails; so do errors that a page reports, the content
// policy's among them.
func Start(t *testing.T) *Browser {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes long to start")
	}
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			program = p
			break
		}
	}
	if program == "" {
		t.Skip("no chromium: apt-get install chromium")
	}
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir())}
	for _, f := range []string{"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage", "hide-scrollbars"} {
		options = append(options, chromedp.Flag(f, true))
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Skipf("chromium does not start: %v", err)
	}
	watched, stop := context.WithCancel(ctx)
	messages, done := chromedp.Console(watched), make(chan struct{})
	go func() {
		defer close(done)
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleException {
				t.Errorf("the page reports: %s %s", m.Text, m.URL)
			}
		}
	}()
	t.Cleanup(func() { stop(); <-done })
	ctx, cancel = context.WithTimeout(ctx, 90*time.Second)
	t.Cleanup(cancel)
	return &Browser{t, ctx}
}

// run takes one step and returns what it yields; what names it in a failure.
func run[T any](b *Browser, what string, step chromedp.Action[T]) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, step)
	if err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
	return v
}

// Open loads the page at an address.
func (b *Browser) Open(address string) {
	b.t.Helper()
	run(b, "opening "+address, chromedp.Navigate(address))
}

// See waits until an element can be seen.
func (b *Browser) See(css string) {
	b.t.Helper()
	run(b, "waiting for "+css, chromedp.WaitVisible(chromedp.CSS(css)))
}

// Click clicks on one element after the other.
func (b *Browser) Click(css ...string) {
	b.t.Helper()
	for _, s := range css {
		run(b, "clicking on "+s, chromedp.Click(chromedp.CSS(s)))
	}
}

// Type types into a field.
func (b *Browser) Type(css, text string) {
	b.t.Helper()
	run(b, "typing into "+css, chromedp.SendKeys(chromedp.CSS(css), text))
}

// Text is what is written in the first such element.
func (b *Browser) Text(css string) string {
	b.t.Helper()
	return run(b, "reading "+css, chromedp.Text(chromedp.CSS(css)))
}

// Holds reports whether a JavaScript expression is true on the page as it is now.
func (b *Browser) Holds(script string) bool {
	b.t.Helper()
	return run(b, script, chromedp.Evaluate[bool](script))
}

// Path is the path of the page's address, with its query.
func (b *Browser) Path() string {
	b.t.Helper()
	return run(b, "address", chromedp.Evaluate[string](`location.pathname + location.search`))
}

// views are how pages are looked at. English is the wider language, so that is what
// the narrow screen has; the dark ones are for pictures alone.
var views = []struct {
	lang   string
	width  int64
	scheme string
}{{"zh", 1280, "light"}, {"en", 360, "light"}, {"zh", 1280, "dark"}, {"zh", 390, "light"}, {"en", 390, "dark"}}

// Look opens a page in both languages on a wide and on a narrow screen, and fails
// where it is wider than that. With PICTURES=DIR the pages are also kept as
// pictures to look at, named what-width-scheme.png.
func (b *Browser) Look(what, address string) {
	b.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		b.t.Fatal(err)
	}
	args, seen, dir := u.Query(), views[:2], os.Getenv("PICTURES")
	if dir != "" {
		seen = views
	}
	for _, v := range seen {
		media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: v.scheme}}}
		if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, media); err != nil {
			b.t.Fatal(err)
		}
		run(b, "the screen", chromedp.EmulateViewport(v.width, 900))
		args.Set("lang", v.lang)
		u.RawQuery = args.Encode()
		b.Open(u.String())
		if b.Holds(`document.documentElement.scrollWidth > document.documentElement.clientWidth`) {
			b.t.Errorf("%s (%s) is wider than a screen of %d", what, v.lang, v.width)
		}
		if dir == "" {
			continue
		}
		picture := run(b, "a picture", chromedp.FullScreenshot(100))
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", what, v.width, v.scheme)), picture, 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
}

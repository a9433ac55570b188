package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// What the demonstration prints signs a visitor in, who then sees more.
func TestDemoMemberSignsIn(t *testing.T) {
	t.Parallel()
	lines := start(t, "demo", "--http", "127.0.0.1:0", "--nats", "127.0.0.1:0").until("ready")
	var command []string
	base := ""
	for _, line := range lines {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "lianmu" && fields[1] == "token" {
			command = fields[1:]
		}
		for _, field := range strings.Fields(line) {
			if v, ok := strings.CutPrefix(field, "http="); ok {
				base = v
			}
		}
	}
	if command == nil || base == "" {
		t.Fatalf("no command in:\n%s", strings.Join(lines, "\n"))
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	member := &http.Client{Jar: jar}
	page := func(client *http.Client) string {
		resp, err := client.Get(base + "/search?q=&lang=en")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		_, total, _ := strings.Cut(string(body), `role="status">`)
		total, _, _ = strings.Cut(total, "<")
		return total
	}
	resp, err := member.PostForm(base+"/session", url.Values{"token": {strings.TrimSpace(cli(t, 0, command...))}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if public, inner := page(http.DefaultClient), page(member); resp.StatusCode != 200 || public == "" || public == inner {
		t.Errorf("signed in with %d; the public finds %q, a member %q", resp.StatusCode, public, inner)
	}
}

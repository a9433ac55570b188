package hub_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"lianmu/vocab"
)

// probe is text that becomes markup wherever it is not written as text.
const probe = `"'><xss-probe onclick=1></title><script>alert(1)</script>`

// Text from outside stays text on every page that the hub has, for visitors and
// officers, in both languages: pages are found by their links, and read as a
// browser reads them.
func TestStandTextStaysText(t *testing.T) {
	t.Parallel()
	s := closed(t)
	quoted := fmt.Sprintf("%q", probe)
	hostile := `,"name":{"zh":` + quoted + `,"en":` + quoted + `},"description":` + quoted + `,"operator":{"name":` + quoted + `,"uscc":"91512081MA62K0260E"},` +
		`"contact":{"fn":` + quoted + `},"homepage":"https://space.example/?a='b'","role":["provider"],"spaceType":"industry",` +
		`"endpoint":[{"endpointType":` + quoted + `,"endpointURL":"https://space.example/'x'"}],"ruleScheme":["https://space.example/'rules'"]`
	about := func(did string) string {
		return fmt.Sprintf(`{"@context":"https://w3id.org/lianmu/v1","@type":"Space","@id":%q%s}`, did, hostile)
	}
	r, waits, bad := s.newcomer(nil), s.newcomer(nil), s.space("被暂停")
	for _, n := range []*running{r, waits} {
		if got := n.submit(n.sign(about(n.key.DID()))); got.Status != vocab.Waiting {
			t.Fatalf("%+v", got)
		}
	}
	s.act(r.key.DID(), `{"verb":"Admission","reason":`+quoted+`}`)
	raw, _ := r.must(offering("x%22%3E%3Cxss-probe%3E?'a'", probe, `"audience":"public"`, `"description":`+quoted, `"keyword":[`+quoted+`]`, `"publisher":{"name":`+quoted+`}`,
		`"theme":`+quoted, `"region":"3100"`, `"distribution":[{"title":`+quoted+`,"format":`+quoted+`,"accessURL":"https://space.example/'a'"}]`))
	r.submit(r.sign(offering("refused", probe, `"audience":`+quoted, `"productCode":`+quoted, `"securityLevel":`+quoted)))
	r.submit(r.sign(removal("Withdrawal", "'%22%3E%3Cxss-probe%3E")))
	s.act(bad.key.DID(), `{"verb":"Suspension","reason":`+quoted+`}`)
	s.post(s.key, "/api/v1/invitations", `{"note":`+quoted+`}`)
	s.post(r.key, "/api/v1/invitations", `{"note":`+quoted+`}`) // refused: stands in the trail
	s.level()

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := s.signIn(jar, s.bearer(s.key)); status >= 400 {
		t.Fatalf("signing in: status %d", status)
	}
	e := url.QueryEscape(probe)
	starts := []string{"/", "/admin", "/spaces", "/search?q=" + e + "&filter=" + e + "&sort=" + e + "&cursor=" + e, "/offering?id=" + e + "&space=" + e, "/space?did=" + e,
		"/sign-in?next=" + e, "/join?x=" + e, "/" + url.PathEscape(probe), "/?lang=" + e, "/space/act?did=" + e + "&verb=" + e, "/api/v1/search?q=" + e, "/suggest?q=" + e,
		"/search?q=xss-probe", "/admin/audit?who=" + e, "/admin/quarantine?cursor=" + e,
		"/offering?space=" + url.QueryEscape(r.key.DID()) + "&id=" + url.QueryEscape("https://space.example/x%22%3E%3Cxss-probe%3E?'a'")}
	for who, client := range map[string]*http.Client{"a visitor": {}, "an officer": {Jar: jar}} {
		shown := s.crawl(client, starts)
		t.Logf("%s: pages, and on how many the text stands: %v", who, shown)
		for _, path := range []string{"/", "/search", "/offering", "/spaces", "/space", "/sign-in"} {
			if shown[path] == 0 {
				t.Errorf("%s sees the text on no page %s", who, path)
			}
		}
		if who != "an officer" {
			continue
		}
		for _, path := range []string{"/admin/waiting", "/admin/invitations", "/admin/quarantine", "/admin/audit", "/space/act"} {
			if shown[path] == 0 {
				t.Errorf("%s sees the text on no page %s", who, path)
			}
		}
	}
	if doc, _ := r.document(raw); !bytes.Equal(doc, raw) {
		t.Error("the document itself is not what was sent")
	}
}

// crawl reads pages from their links, and expects of each that nothing in it is
// markup that came from outside. It returns on how many addresses of each page
// the probe stands.
func (s *stand) crawl(client *http.Client, starts []string) map[string]int {
	s.t.Helper()
	seen, shown, read := map[string]bool{}, map[string]int{}, 0
	for todo := slices.Clone(starts); len(todo) > 0 && read < 150; {
		path := todo[0]
		todo = todo[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		resp, err := client.Get(s.info.HTTP + path)
		if err != nil {
			s.t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			s.t.Fatal(err)
		}
		if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Content-Security-Policy") == "" {
			s.t.Errorf("%s: headers %v", path, resp.Header)
		}
		if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
			continue // by nosniff no browser takes it for a page
		}
		read++
		page, _, _ := strings.Cut(path, "?")
		if strings.Contains(string(body), "xss-probe") {
			shown[page]++
		} else {
			shown[page] += 0
		}
		doc, err := html.Parse(bytes.NewReader(body))
		if err != nil {
			s.t.Fatal(err)
		}
		for n := range doc.Descendants() {
			if n.Type != html.ElementNode {
				continue
			}
			if why := active(n); why != "" {
				s.t.Errorf("%s holds %s", path, why)
			}
			for _, a := range n.Attr {
				if a.Key == "href" && strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "/static/") && !strings.HasPrefix(a.Val, "/tile/") {
					todo = append(todo, a.Val)
				}
			}
		}
	}
	return shown
}

// active says what of an element could run, or is not the hub's own; "" if nothing.
func active(n *html.Node) string {
	attr := map[string]string{}
	for _, a := range n.Attr {
		attr[a.Key] = a.Val
		link := strings.ToLower(strings.TrimSpace(a.Val))
		switch {
		case strings.HasPrefix(a.Key, "on"), strings.ContainsAny(a.Key, `"'<>`), a.Key == "style", a.Key == "srcdoc":
			return "the attribute " + a.Key
		case (a.Key == "href" || a.Key == "src" || a.Key == "action" || a.Key == "formaction") &&
			(strings.HasPrefix(link, "javascript:") || strings.HasPrefix(link, "data:") || strings.HasPrefix(link, "vbscript:") || strings.HasPrefix(link, "//")):
			return "the link " + a.Val
		}
	}
	switch n.Data {
	case "script":
		if n.FirstChild != nil || !strings.HasPrefix(attr["src"], "/static/") {
			return "a script of its own"
		}
	case "xss-probe", "iframe", "object", "embed", "base", "style":
		return "the element " + n.Data
	}
	return ""
}

// sendRaw writes bytes that no library would, and returns the answer's head and body.
func (s *stand) sendRaw(request string) (status int, header http.Header, body string) {
	s.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.info.HTTP, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	if _, err := io.WriteString(c, request); err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, nil, ""
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body) // what is cut short is judged as far as it came
	return resp.StatusCode, resp.Header, string(b)
}

// No path or id climbs out of what it names, however it is written: no file of
// the data folder is read, and none is made.
func TestStandPathsStayInside(t *testing.T) {
	t.Parallel()
	s := closed(t)
	r := s.space("某空间")
	names := func() (all []string) {
		t.Helper()
		if err := filepath.WalkDir(filepath.Dir(s.dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && strings.Contains(path, "climbed") {
				all = append(all, path)
			}
			return nil // files come and go
		}); err != nil {
			t.Fatal(err)
		}
		return all
	}
	climbs := []string{"../hub.key", "../../hub.key", "..%2fhub.key", "..%2f..%2fhub.key", "%2e%2e/hub.key", "..%252fhub.key", "..\\hub.key", "%5c..%5chub.key", "....//hub.key", "%00hub.key", "hub.key%00.css", "/etc/passwd", "file:///etc/passwd"}
	for _, below := range []string{"/", "/static/", "/tile/", "/tile/0/", "/tile/entries/", "/api/v1/offerings/", "/api/v1/offerings/" + url.PathEscape(r.key.DID()) + "/", "/api/v1/submissions/", "/api/v1/spaces/", "/offering?raw=1&id=", "/admin/"} {
		for _, climb := range climbs {
			status, _, body := s.sendRaw("GET " + below + climb + " HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n")
			if status >= 500 || strings.Contains(body, "root:") || strings.Contains(body, "PRIVATE KEY") {
				t.Errorf("%s%s: status %d %.200s", below, climb, status, body)
			}
			if status == http.StatusOK && strings.Contains(body, "hub.key") && !strings.Contains(body, "<html") {
				t.Errorf("%s%s: %.200s", below, climb, body)
			}
		}
	}
	for i, id := range []string{"../../climbed", "a/../../../climbed", "%2e%2e%2fclimbed", "climbed/..;/x"} {
		full := "https://space.example/" + id
		raw := r.sign(offering(id, fmt.Sprint("产品", i), `"audience":"public"`))
		if got := r.submit(raw); got.Status != vocab.Accepted && got.Status != vocab.Refused {
			t.Errorf("%s: %+v", id, got)
		} else if got.Status == vocab.Accepted {
			s.level()
			var d struct{ Offering struct{ ID string } }
			path := "/api/v1/offerings/" + url.PathEscape(r.key.DID()) + "/" + url.PathEscape(full)
			if status := r.get(path, &d); status != http.StatusOK || d.Offering.ID != full {
				t.Errorf("%s: status %d, %+v", path, status, d)
			}
		}
	}
	if found := names(); len(found) > 0 {
		t.Errorf("files %v were made", found)
	}
}

// No line break from outside begins a header of an answer, and no header from
// outside says who asks or how they came.
func TestStandHeadersOverHTTP(t *testing.T) {
	t.Parallel()
	s := closed(t)
	const end = "Connection: close\r\n\r\n"
	for _, request := range []string{
		"GET /?lang=zh%0d%0aInjected:%201 HTTP/1.1\r\nHost: hub\r\n" + end,
		"GET /search?lang=en%0d%0aSet-Cookie:%20lianmu=x&q=a HTTP/1.1\r\nHost: hub\r\n" + end,
		"GET /%0d%0aInjected:%201 HTTP/1.1\r\nHost: hub\r\n" + end,
		"GET /sign-in?next=/%0d%0aInjected:%201 HTTP/1.1\r\nHost: hub\r\n" + end,
		"GET /api/v1/log HTTP/1.1\r\nHost: hub\r\nX-Request-Id: a%0d%0aInjected: 1\r\n" + end,
		"GET /api/v1/log HTTP/1.1\r\nHost: hub\r\nX-Request-Id: a\rInjected: 1\r\n" + end,
		"GET /api/v1/log HTTP/1.1\r\nHost: hub\r\nX-Request-Id: a\x00\r\n" + end,
		"GET /api/v1/log HTTP/1.1\r\nHost: hub\r\nAccept-Language: zh\r\n Injected: 1\r\n" + end,
		"GET /api/v1/log HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n" + end + "0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: hub\r\n\r\n",
		"POST /session HTTP/1.1\r\nHost: hub\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 33\r\n" + end + "token=x&next=/%0d%0aInjected:%201",
		"GET http://evil.example/api/v1/log HTTP/1.1\r\nHost: evil.example\r\n" + end,
	} {
		status, header, body := s.sendRaw(request)
		for _, name := range []string{"Injected", "Set-Cookie"} {
			for _, value := range header.Values(name) {
				if name == "Injected" || strings.Contains(value, "lianmu=x") {
					t.Errorf("%.80q: %s: %s", request, name, value)
				}
			}
		}
		if status >= 500 || strings.Contains(header.Get("Location"), "evil.example") || strings.Contains(header.Get("Location"), "\n") || strings.Contains(body, "lianmu_log_entries") {
			t.Errorf("%.80q: status %d, header %v", request, status, header)
		}
	}
	for name, value := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Real-Ip": "127.0.0.1", "Forwarded": "for=127.0.0.1", "X-Forwarded-User": s.info.DID, "X-Original-Url": "/api/v1/audit",
		"X-Rewrite-Url": "/api/v1/audit", "X-Http-Method-Override": "POST", "Cookie": "lianmu=guess", "X-User": s.info.DID, "Lianmu-Signer": s.info.DID,
	} {
		for _, path := range []string{"/api/v1/audit", "/api/v1/submissions?refused=true", "/api/v1/applicants"} {
			q := must(t)(http.NewRequest(http.MethodGet, s.info.HTTP+path, nil))
			q.Header.Set(name, value)
			if status, body := s.send(q, ""); status != http.StatusUnauthorized {
				t.Errorf("%s with %s: status %d %s", path, name, status, body)
			}
		}
	}
}

package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"lianmu/hub/access"
	"lianmu/hub/admission"
	"lianmu/hub/audit"
	"lianmu/vocab"
)

func TestActs(t *testing.T) {
	many := `"` + strings.Repeat(`urn:x","`, 50) + `urn:x"`
	for _, c := range []struct {
		body   string
		status int
		code   string
		asked  string
	}{
		{`{"verb":"Suspension","reason":"核查"}`, 200, "", "[Suspension " + spaceA + " 核查]"},
		{`{"verb":"Removal","reason":"x","offerings":[` + many + `]}`, 202, "", "[Removal " + spaceA + " x]"},
		{`{"verb":"Banishment"}`, 400, "request.verb", "[]"},
		{`{}`, 400, "request.verb", "[]"},
		{``, 400, "request.json", "[]"},
		{`[]`, 400, "request.json", "[]"},
		{`{"verb":"Suspension","verb":"Admission"}`, 400, "request.json", "[]"},
		{`{"verb":"Suspension","extra":1}`, 400, "request.json", "[]"},
		{`{"Verb":"Suspension"}`, 400, "request.json", "[]"},
		{`{"verb":"Admission","descriptor":"00"}`, 400, "request.json", "[]"},
		{`{"verb":"KeyCompromise","from":-1}`, 400, "request.json", "[]"},
		{`{"verb":"Suspension"} {}`, 400, "request.json", "[]"},
		{`{"verb":"Suspension","reason":"` + strings.Repeat("x", maxOrderBody) + `"}`, 413, "request.too_large", "[]"},
	} {
		s := newSite(t)
		got := s.send(t, s.as(operator(), jsonRequest("/api/v1/spaces/"+spaceA+"/acts", c.body)))
		if got.status != c.status || got.code() != c.code || fmt.Sprint(s.desk.asked) != c.asked {
			t.Errorf("%.60s: %d %.200s, asked %v", c.body, got.status, got.body, s.desk.asked)
		}
	}
	s := newSite(t)
	r := s.as(operator(), request(http.MethodPost, "/api/v1/spaces/"+spaceA+"/acts", `{"verb":"Suspension"}`))
	if got := s.send(t, r); got.status != http.StatusUnsupportedMediaType {
		t.Errorf("of no type: %d", got.status)
	}
}

// What the desk refuses keeps its code and gets its status.
func TestRefusalsOfTheDesk(t *testing.T) {
	for code, status := range map[string]int{
		"access.forbidden": 403, "space.unknown": 404, "space.not_waiting": 409, "space.descriptor": 409, "space.not_admitted": 409, "space.admitted": 409,
		"key.taken": 409, "key.unknown": 400, "request.missing": 400, "admission.full": 409, "audit.unavailable": 503, "hub.unavailable": 503,
		"busy": 503, "proposal.own": 403, "proposal.taken": 409, "proposal.unknown": 404, "invitation.unknown": 404, "redact.incomplete": 500,
	} {
		s := newSite(t)
		s.desk.err = vocab.Problems{vocab.NewProblem("", code, "错", "wrong")}
		for _, r := range []*http.Request{
			jsonRequest("/api/v1/spaces/"+spaceA+"/acts", `{"verb":"Suspension"}`),
			jsonRequest("/api/v1/invitations", `{}`),
			jsonRequest("/api/v1/redactions", `{"entries":[1],"ground":"personal"}`),
			request(http.MethodPost, "/api/v1/proposals/p1/approve", ""),
			request(http.MethodDelete, "/api/v1/invitations/i1", ""),
		} {
			if got := s.send(t, s.as(operator(), r)); got.status != status || got.code() != code {
				t.Errorf("%s: %s: %d %s", r.URL.Path, code, got.status, got.body)
			}
		}
	}
}

func TestInvitations(t *testing.T) {
	s := newSite(t)
	got := s.send(t, s.as(operator(), jsonRequest("/api/v1/invitations", `{"note":"port","days":3}`)))
	inv := read[invited](t, got)
	if got.status != 201 || inv.Code != "CODE" || inv.Link != "https://hub.example/join#CODE" || inv.Note != "port" || inv.By != operator().DID() ||
		got.header.Get("Location") != "/api/v1/invitations/"+inv.ID || s.desk.asked[0] != "invite port 72h0m0s" {
		t.Errorf("%d %s, asked %v", got.status, got.body, s.desk.asked)
	}
	if strings.Contains(s.logged.String(), "CODE") {
		t.Error("the code is in the log")
	}
	for _, days := range []string{"-1", "366", "1e3", "99999999999999999999", `"7"`, "1.5"} {
		if got := s.send(t, s.as(operator(), jsonRequest("/api/v1/invitations", `{"days":`+days+`}`))); got.status != 400 {
			t.Errorf("%s days: %d", days, got.status)
		}
	}
	var seen []string
	for cursor := ""; ; {
		l := read[list[admission.Invitation]](t, s.send(t, s.as(operator(), request(http.MethodGet, "/api/v1/invitations?limit=2"+cursor, ""))))
		for _, i := range l.Items {
			seen = append(seen, i.ID)
		}
		if l.Next == "" || len(seen) > 10 {
			break
		}
		cursor = "&cursor=" + l.Next
	}
	if fmt.Sprint(seen) != "[inv0 inv1 inv2 inv3 inv4]" {
		t.Errorf("seen %v", seen)
	}
	if got := s.send(t, s.as(operator(), request(http.MethodGet, "/api/v1/invitations?cursor=gone", ""))); got.code() != "index.cursor" {
		t.Errorf("a cursor of nothing: %d %s", got.status, got.body)
	}
	if got := s.send(t, s.as(operator(), request(http.MethodDelete, "/api/v1/invitations/inv1", ""))); got.status != 204 || s.desk.asked[len(s.desk.asked)-1] != "revoke inv1" {
		t.Errorf("revoke: %d %v", got.status, s.desk.asked)
	}
	for _, path := range []string{"/api/v1/applicants", "/api/v1/proposals"} {
		if got := s.send(t, s.as(operator(), request(http.MethodGet, path, ""))); got.status != 200 || !bytes.Contains(got.body, []byte(`"items":[{`)) {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}

func TestRedactions(t *testing.T) {
	s := newSite(t)
	got := s.send(t, s.as(operator(), jsonRequest("/api/v1/redactions", `{"entries":[3,9],"ground":"personal","reason":"x"}`)))
	if got.status != 200 || fmt.Sprint(s.desk.asked) != "[redact [{3 personal x} {9 personal x}]]" {
		t.Errorf("%d %s, asked %v", got.status, got.body, s.desk.asked)
	}
	// Places among the requests become places of the body, told once.
	s.desk.err = vocab.Problems{
		vocab.NewProblem("/1/index", "redact.gone", "没", "gone"),
		vocab.NewProblem("/0/ground", "redact.ground", "错", "wrong"), vocab.NewProblem("/1/ground", "redact.ground", "错", "wrong"),
		vocab.NewProblem("/9/index", "redact.index", "别", "else"), vocab.NewProblem("", "redact.by", "谁", "who"),
	}
	p := read[access.Problem](t, s.send(t, s.as(operator(), jsonRequest("/api/v1/redactions", `{"entries":[3,9],"ground":"fun"}`))))
	var paths []string
	for _, one := range p.Problems {
		paths = append(paths, one.Path)
	}
	if fmt.Sprintf("%q", paths) != `["/entries/1" "/ground" "/9/index" ""]` {
		t.Errorf("paths %q", paths)
	}
	// One named twice is one, and what is wrong with the next is told at its place.
	s.desk.asked = nil
	p = read[access.Problem](t, s.send(t, s.as(operator(), jsonRequest("/api/v1/redactions", `{"entries":[3,3,9],"ground":"fun"}`))))
	if fmt.Sprint(s.desk.asked) != "[redact [{3 fun } {9 fun }]]" || p.Problems[0].Path != "/entries/2" {
		t.Errorf("asked %v, %+v", s.desk.asked, p.Problems)
	}
	s.desk.asked = nil
	for _, body := range []string{
		`{}`, `{"entries":[],"ground":"personal"}`, `{"entries":[-1]}`, `{"entries":["1"]}`, `{"entries":[1.5]}`, `{"entries":3}`,
		`{"entries":[` + strings.Repeat("1,", 1000) + `1]}`, `{"entries":[18446744073709551616]}`,
	} {
		if got := s.send(t, s.as(operator(), jsonRequest("/api/v1/redactions", body))); got.status != 400 {
			t.Errorf("%.40s: %d %s", body, got.status, got.body)
		}
	}
	if len(s.desk.asked) > 0 {
		t.Errorf("the desk was asked %v", s.desk.asked)
	}
}

// An id from outside is an id, whatever it looks like: it climbs nowhere, adds
// no header, and has an end.
func TestOddIDs(t *testing.T) {
	s := newSite(t)
	for _, id := range []string{
		"..%2f..%2fetc%2fpasswd", "%2e%2e", "..%5c..", "%00", "a%0d%0aSet-Cookie:%20x=1", "%ff%fe", "%E2%80%AE", "%c0%ae%c0%ae",
		strings.Repeat("x", 5000), url.PathEscape("<script>alert(1)</script>"), "waiting.open.*", ">", "*", "%20",
	} {
		for _, r := range []*http.Request{
			request(http.MethodDelete, "/api/v1/invitations/"+id, ""),
			request(http.MethodPost, "/api/v1/proposals/"+id+"/approve", ""),
			jsonRequest("/api/v1/spaces/"+id+"/acts", `{"verb":"Suspension"}`),
			request(http.MethodGet, "/api/v1/spaces/"+id, ""),
			request(http.MethodGet, "/api/v1/spaces/"+id+"/participants", ""),
			request(http.MethodGet, "/api/v1/submissions/"+id, ""),
		} {
			s.desk.asked = nil
			got := s.send(t, s.as(operator(), r))
			if got.header.Get("Set-Cookie") != "" || bytes.Contains(got.body, []byte("<script")) || got.status >= 500 {
				t.Errorf("%s: %d %v %s", r.URL, got.status, got.header, got.body)
			}
			for _, asked := range s.desk.asked {
				if len(asked) > 3000 || strings.ContainsAny(asked, "\x00\r\n") {
					t.Errorf("%s: the desk was asked %q", r.URL, asked)
				}
			}
		}
	}
	// As is what comes in by headers.
	r := s.as(operator(), request(http.MethodGet, "/api/v1/me", ""))
	r.Header["X-Request-Id"] = []string{"a\r\nSet-Cookie: x=1"}
	r.Header["Accept-Language"] = []string{"en\r\nX-Injected: 1"}
	if got := s.send(t, r); got.header.Get("Set-Cookie") != "" || got.header.Get("X-Injected") != "" {
		t.Errorf("headers %v", got.header)
	}
}

func TestAuditTrail(t *testing.T) {
	s := newSite(t)
	for i := range 5 {
		s.noted.Refused(audit.Record{Who: "x", Act: fmt.Sprint("act", i)})
	}
	ask := func(query string) *reply {
		return s.send(t, s.as(operator(), request(http.MethodGet, "/api/v1/audit?"+query, "")))
	}
	var seen []uint64
	for cursor := ""; ; {
		p := read[struct {
			Items []audit.Record
			Next  string
			Head  audit.Head
		}](t, ask("limit=2"+cursor))
		for _, r := range p.Items {
			seen = append(seen, r.Sequence)
		}
		if p.Head.Sequence != 5 {
			t.Errorf("head %+v", p.Head)
		}
		if p.Next == "" || len(seen) > 10 {
			break
		}
		cursor = "&cursor=" + p.Next
	}
	if fmt.Sprint(seen) != "[5 4 3 2 1]" {
		t.Errorf("seen %v", seen)
	}
	ask("who=x&act=space&outcome=refused&since=2026-11-21T08:00:00%2B08:00&until=2026-11-22T00:00:00Z&cursor=4")
	want := audit.Filter{Who: "x", Act: "space", Outcome: audit.Refused, Since: noon.Add(-12 * time.Hour), Until: noon.Add(12 * time.Hour)}
	if f := s.noted.filter; s.noted.before != 4 || f.Who != want.Who || f.Act != want.Act || f.Outcome != want.Outcome || !f.Since.Equal(want.Since) || !f.Until.Equal(want.Until) {
		t.Errorf("asked %+v before %d", f, s.noted.before)
	}
	for query, code := range map[string]string{
		"since=yesterday": "request.time", "until=2026-13-01T00:00:00Z": "request.time", "outcome=maybe": "request.value",
		"cursor=0": "index.cursor", "cursor=-1": "index.cursor", "limit=0": "request.number", "whom=x": "request.unknown_parameter",
	} {
		if got := ask(query); got.status != 400 || got.code() != code {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
}

func TestAuditExport(t *testing.T) {
	s := newSite(t)
	export := func() *http.Request {
		return s.as(operator(), request(http.MethodGet, "/api/v1/audit/export?since=2026-11-21T00:00:00Z", ""))
	}
	got := s.send(t, export())
	if got.status != 200 || string(got.body) != "{\"sequence\":1}\n" || got.header.Get("Content-Type") != "application/x-ndjson" ||
		!strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment") || !s.noted.filter.Since.Equal(noon.Add(-12*time.Hour)) {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
	if fmt.Sprint(s.noted.acts()) != "[operator audit.export begun operator audit.export done]" || s.noted.records[0].Object != "2026-11-21T00:00:00Z/.." {
		t.Errorf("the trail has %+v", s.noted.records)
	}
	s.noted.shut = vocab.Problems{vocab.NewProblem("", "audit.unavailable", "写不进", "cannot be written")}
	if got := s.send(t, export()); got.status != 503 || got.code() != "audit.unavailable" || got.header.Get("Content-Disposition") != "" {
		t.Errorf("not recorded: %d %v %s", got.status, got.header, got.body)
	}

	// Half an export is cut off, so that nobody takes it for a whole one.
	s.noted.shut, s.noted.broken = nil, errors.New("disk")
	server := httptest.NewServer(s.handler)
	defer server.Close()
	r := export()
	ask, err := http.NewRequest(http.MethodGet, server.URL+r.URL.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ask.Header = r.Header
	res, err := http.DefaultClient.Do(ask)
	if err != nil {
		return // cut before the headers left
	}
	defer res.Body.Close()
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("half an export was taken for a whole one")
	}
}

// A rebuild that the trail cannot record does not begin.
func TestRebuildIsRecorded(t *testing.T) {
	s := newSite(t)
	s.noted.shut = vocab.Problems{vocab.NewProblem("", "audit.unavailable", "写不进", "cannot be written")}
	if got := s.send(t, s.as(operator(), request(http.MethodPost, "/api/v1/index/rebuild", ""))); got.status != 503 || got.code() != "audit.unavailable" {
		t.Errorf("%d %s", got.status, got.body)
	}
	if p := read[progress](t, s.send(t, s.as(operator(), request(http.MethodGet, "/api/v1/index/rebuild", "")))); p.Running || s.catalog.running {
		t.Errorf("it runs: %+v", p)
	}
	s.noted.shut, s.catalog.refuse = nil, true
	if got := s.send(t, s.as(operator(), request(http.MethodPost, "/api/v1/index/rebuild", ""))); got.status != 202 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if acts := s.noted.acts(); len(acts) == 0 || acts[0] != "operator index.rebuild begun" {
		t.Errorf("the trail has %v", acts)
	}
}

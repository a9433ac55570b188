package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/hub/access"
	"lianmu/hub/peering"
	"lianmu/vocab"
)

const (
	hubB    = "did:key:zB"
	originB = "lianmu/zB/1"
	cardB   = `{"@type":"Log","hub":"did:key:zB"}`
)

// memoryPeers answers every officer, and notes what it was asked.
type memoryPeers struct {
	mu    sync.Mutex
	asked []string
	err   error
	slow  func(context.Context) // while something long is under way
}

func (p *memoryPeers) note(who access.Who, format string, args ...any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, fmt.Sprintf(format, args...))
	if !who.May(access.PeerRead) {
		return errors.New("asked in the name of nobody's officer")
	}
	return p.err
}

func (p *memoryPeers) took(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(p.asked, want) {
		t.Errorf("asked %q, not %q", p.asked, want)
	}
	p.asked = nil
}

func peerB() peering.PeerInfo {
	log := peering.LogInfo{
		Mirror: peering.Mirror{Origin: originB, Hub: hubB, Card: []byte(cardB), Evidence: [][]byte{[]byte("note")}, Heard: noon, Added: noon, From: hubB},
		State:  peering.Ageing, Size: 7, Offered: 9, Lag: 2, AgeS: -1, Source: hubB, Faulty: 1, Redactors: map[string]int{hubB: 1},
	}
	return peering.PeerInfo{
		Peer:  peering.Peer{DID: hubB, Card: []byte(cardB), Addresses: []string{"tls://b.example"}, State: peering.Approved, Added: noon},
		Words: peering.Fingerprint(hubB), Logs: []peering.LogInfo{log},
		Link: &peering.Link{Connected: true, Address: "tls://b.example", Heard: noon, In: 10, Error: &peering.Complaint{At: noon, Problem: vocab.Problems{vocab.NewProblem("", "peer.slow", "慢", "slow")}}},
	}
}

func (p *memoryPeers) Card() []byte { return []byte(`{"@type":"Log"}`) }

func (p *memoryPeers) List(_ context.Context, who access.Who) ([]peering.PeerInfo, error) {
	return []peering.PeerInfo{peerB()}, p.note(who, "list")
}

func (p *memoryPeers) Detail(_ context.Context, who access.Who, did string) (peering.PeerInfo, error) {
	return peerB(), p.note(who, "detail %s", did)
}

func (p *memoryPeers) Logs(_ context.Context, who access.Who) ([]peering.LogInfo, error) {
	relayed := peering.LogInfo{Mirror: peering.Mirror{Origin: "lianmu/zC/1", Hub: "did:key:zC", Card: []byte(cardB), Added: noon}, State: peering.Current}
	return append(peerB().Logs, relayed), p.note(who, "logs")
}

func (p *memoryPeers) RedactedBy(_ context.Context, who access.Who) (map[string]int, error) {
	return map[string]int{hubB: 3}, p.note(who, "redacted")
}

func (p *memoryPeers) Faults(_ context.Context, who access.Who, origin string) ([]peering.Fault, error) {
	return []peering.Fault{{Index: 4, Problem: vocab.NewProblem("", "proof.signature", "签名不对", "wrong signature")}}, p.note(who, "faults %s", origin)
}

func (p *memoryPeers) Discover(_ context.Context, who access.Who, address string) ([]byte, error) {
	return []byte(cardB), p.note(who, "discover %s", address)
}

func (p *memoryPeers) Preview(_ context.Context, who access.Who, card []byte) (*peering.Preview, error) {
	return &peering.Preview{Peer: vocab.LogCard{Hub: hubB, Name: vocab.Text{"zh": "乙"}}, Words: peering.Fingerprint(hubB), Entries: 5, Rows: []peering.PreviewRow{
		{Audience: vocab.AudiencePublic, Level: "001", Label: vocab.Text{"zh": "公开"}, Offerings: 4, Leaves: true},
	}}, p.note(who, "preview %s", card)
}

func (p *memoryPeers) Add(_ context.Context, who access.Who, invite peering.Invite, terms peering.Terms) (peering.PeerInfo, error) {
	return peerB(), p.note(who, "add %s %s %+v", invite.Card, invite.URL, terms)
}

func (p *memoryPeers) Approve(_ context.Context, who access.Who, did string, terms peering.Terms) (peering.PeerInfo, error) {
	return peerB(), p.note(who, "approve %s %+v", did, terms)
}

func (p *memoryPeers) Pause(_ context.Context, who access.Who, did string) error {
	return p.note(who, "pause %s", did)
}

func (p *memoryPeers) Resume(_ context.Context, who access.Who, did string) error {
	return p.note(who, "resume %s", did)
}

func (p *memoryPeers) Block(_ context.Context, who access.Who, did string) error {
	return p.note(who, "block %s", did)
}

func (p *memoryPeers) Remove(_ context.Context, who access.Who, did string, purge bool) error {
	return p.note(who, "remove %s %t", did, purge)
}

func (p *memoryPeers) Accept(_ context.Context, who access.Who, origin string) error {
	return p.note(who, "accept %s", origin)
}

func (p *memoryPeers) Export(ctx context.Context, who access.Who, w io.Writer, origin string, from uint64) error {
	if err := p.note(who, "export %s %d", origin, from); err != nil {
		return err
	}
	for _, piece := range []string{"first", "second"} {
		if p.slow != nil {
			p.slow(ctx)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, err := io.WriteString(w, piece); err != nil {
			return err
		}
	}
	return nil
}

func (p *memoryPeers) Import(ctx context.Context, who access.Who, r io.Reader) (peering.Imported, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return peering.Imported{}, err
	}
	if p.slow != nil {
		p.slow(ctx)
	}
	if ctx.Err() != nil {
		return peering.Imported{}, ctx.Err()
	}
	return peering.Imported{Origin: originB, Hub: hubB, Size: 9, Entries: 2}, p.note(who, "import %s", b)
}

// ServeHTTP answers other hubs.
func (p *memoryPeers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = fmt.Fprintf(w, "%s %s", r.URL.Path, b)
}

// Everybody hears on which logs searches rest, officers with whom logs are
// exchanged.
func TestPeersAreForOfficers(t *testing.T) {
	s := newSite(t)
	open := s.get(t, "/api/v1/peers")
	if open.status != 200 || !bytes.Contains(open.body, []byte(originB)) || bytes.Contains(open.body, []byte("tls://")) {
		t.Errorf("for everybody: %d %s", open.status, open.body)
	}
	if got := s.send(t, s.as(stranger(), request("GET", "/api/v1/peers", ""))); !bytes.Equal(got.body, open.body) {
		t.Errorf("a stranger hears more: %s", got.body)
	}
	s.others.took(t)
	got := s.send(t, s.as(operator(), request("GET", "/api/v1/peers", "")))
	for _, says := range []string{`"tls://b.example"`, `"others":[{"origin":"lianmu/zC/1"`, `"redacted_by":{"did:key:zB":3}`, `"lag":2`} {
		if !bytes.Contains(got.body, []byte(says)) {
			t.Errorf("without %s: %s", says, got.body)
		}
	}
	if bytes.Contains(got.body, []byte("evidence")) || strings.Count(string(got.body), originB) != 2 { // coverage and its peer
		t.Errorf("more than it should be: %s", got.body)
	}
	s.others.took(t, "list", "logs", "redacted")
	if got := s.send(t, s.as(operator(), request("GET", "/api/v1/peers/"+hubB, ""))); got.status != 200 || !bytes.Contains(got.body, []byte("evidence")) || !bytes.Contains(got.body, []byte(`"faults":{"lianmu/zB/1":[{"index":4,`)) {
		t.Errorf("one: %d %s", got.status, got.body)
	}
	s.others.took(t, "detail "+hubB, "faults "+originB)
	if got := s.get(t, "/api/v1/hub"); string(got.body) != `{"@type":"Log"}` || got.header.Get("Content-Type") != "application/ld+json" {
		t.Errorf("card: %s", got.body)
	}
}

// What an officer sends reaches the peers as it was meant; what is badly put is
// refused before.
func TestPeerActs(t *testing.T) {
	at := "/api/v1/peers/" + hubB
	for _, c := range []struct {
		target, body string
		status       int
		code         string // of the refusal
		asks         []string
	}{
		{"/api/v1/peers/preview", `{"card":` + cardB + `}`, 200, "", []string{"preview " + cardB}},
		{"/api/v1/peers/preview", `{"url":"https://b.example"}`, 200, "", []string{"discover https://b.example", "preview " + cardB}},
		{"/api/v1/peers/preview", `{}`, 400, "request.missing", nil},
		{"/api/v1/peers/preview", `{"crad":{}}`, 400, "request.json", nil},
		{"/api/v1/peers", `{"card":` + cardB + `,"url":"nats://b.example","relays":true}`, 201, "", []string{"add " + cardB + " nats://b.example {Outbound: Important: Relays:true Note:}"}},
		{"/api/v1/peers", `{"url":"nats://b.example","outbound":"批文1"}`, 201, "", []string{"add  nats://b.example {Outbound:批文1 Important: Relays:false Note:}"}},
		{"/api/v1/peers", `{"note":"x"}`, 400, "request.missing", nil},
		{"/api/v1/peers", `{"card":{"x":"` + strings.Repeat("x", maxCardBody) + `"}}`, 413, "request.too_large", nil},
		{at + "/approve", `{"important":"批文2"}`, 200, "", []string{"approve " + hubB + " {Outbound: Important:批文2 Relays:false Note:}"}},
		{at + "/approve", `{"importent":"批文2"}`, 400, "request.json", nil},
		{at + "/pause", ``, 204, "", []string{"pause " + hubB}},
		{at + "/resume", ``, 204, "", []string{"resume " + hubB}},
		{at + "/block", ``, 204, "", []string{"block " + hubB}},
		{at + "/pause?x=1", ``, 400, "request.unknown_parameter", nil},
		{at + "/remove", `{"purge":true}`, 204, "", []string{"remove " + hubB + " true"}},
		{at + "/remove", `{"purge":false}`, 204, "", []string{"remove " + hubB + " false"}},
		{at + "/remove", `{}`, 400, "request.missing", nil},
		{at + "/accept", `{"origin":"lianmu/zB/2"}`, 204, "", []string{"accept lianmu/zB/2"}},
		{at + "/accept", `{"origin":"lianmu/zC/2"}`, 400, "request.value", nil},
		{at + "/accept", `{}`, 400, "request.value", nil},
		{at + "/nonsense", `{}`, 404, "request.not_found", nil},
	} {
		s := newSite(t)
		r := request("POST", c.target, c.body)
		r.Header.Set("Content-Type", "application/json")
		got := s.send(t, s.as(operator(), r))
		if got.status != c.status || got.code() != c.code {
			t.Errorf("%s %.100s: %d %s", c.target, c.body, got.status, got.body)
		}
		s.others.took(t, c.asks...)
	}
	for code, status := range map[string]int{"peer.unknown": 404, "peer.state": 409, "peer.outbound": 400, "peer.unreachable": 502, "audit.unavailable": 503} {
		s := newSite(t)
		s.others.err = vocab.Problems{vocab.NewProblem("", code, "不行", "no")}
		if got := s.send(t, s.as(operator(), request("POST", at+"/pause", ""))); got.status != status || got.code() != code {
			t.Errorf("%s: %d %s", code, got.status, got.body)
		}
	}
}

func TestBundles(t *testing.T) {
	s := newSite(t)
	export := func(target string) *reply { return s.send(t, s.as(operator(), request("GET", target, ""))) }
	got := export("/api/v1/logs/" + url.PathEscape(originB) + "/export?from=512")
	if got.status != 200 || string(got.body) != "firstsecond" || !strings.Contains(got.header.Get("Content-Disposition"), "lianmu-zB-1.bundle") {
		t.Errorf("%d %s %v", got.status, got.body, got.header)
	}
	s.others.took(t, "export "+originB+" 512")
	export("/api/v1/logs/own/export")
	s.others.took(t, "export hub.example/log 0")
	if got := export("/api/v1/logs/own/export?from=-1"); got.status != 400 {
		t.Errorf("%d %s", got.status, got.body)
	}
	s.others.took(t)
	s.others.err = vocab.Problems{vocab.NewProblem("", "peer.log", "没有", "none")}
	if got := export("/api/v1/logs/x/export"); got.status != 404 || got.header.Get("Content-Disposition") != "" {
		t.Errorf("%d %s %v", got.status, got.body, got.header)
	}
	s.others.err, s.others.asked = nil, nil
	for media, status := range map[string]int{"application/octet-stream": 200, "application/json": 415, "": 415} {
		r := request("POST", "/api/v1/logs/import", "bundle")
		r.Header.Set("Content-Type", media)
		if got := s.send(t, s.as(operator(), r)); got.status != status {
			t.Errorf("%q: %d %s", media, got.status, got.body)
		}
	}
	s.others.took(t, "import bundle")
}

// What is long outlasts the times of a server for usual requests.
func TestBundlesTakeTime(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Now = time.Now }, guarded(func(c *access.Config) { c.Now = time.Now }))
	const limit = 50 * time.Millisecond
	s.others.slow = func(context.Context) { time.Sleep(4 * limit) }
	server := httptest.NewUnstartedServer(s.handler)
	server.Config.ReadTimeout, server.Config.WriteTimeout = limit, limit
	server.Start()
	defer server.Close()
	for _, c := range []struct{ method, path, says string }{
		{"GET", "/api/v1/logs/own/export", "firstsecond"}, {"POST", "/api/v1/logs/import", `"entries":2`},
	} {
		body := &drip{left: 3, every: limit}
		r, err := http.NewRequest(c.method, server.URL+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.method == "POST" {
			r.Body = io.NopCloser(body)
			r.Header.Set("Content-Type", "application/octet-stream")
		}
		token, err := identity.NewToken(operator(), s.HubDID, time.Now(), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatalf("%s: %v", c.path, err)
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 || !strings.Contains(string(got), c.says) {
			t.Errorf("%s: %d %s %v", c.path, resp.StatusCode, got, err)
		}
		resp.Body.Close()
	}
}

// drip is a body that comes slowly.
type drip struct {
	left  int
	every time.Duration
}

func (d *drip) Read(b []byte) (int, error) {
	if d.left == 0 {
		return 0, io.EOF
	}
	d.left--
	time.Sleep(d.every)
	return copy(b, "drop"), nil
}

// An import ends when whoever sent it goes away.
func TestImportEndsWithItsSender(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Now = time.Now }, guarded(func(c *access.Config) { c.Now = time.Now }))
	under, ended := make(chan struct{}), make(chan struct{})
	s.others.slow = func(ctx context.Context) {
		close(under)
		<-ctx.Done()
		close(ended)
	}
	server := httptest.NewServer(s.handler)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	token, err := identity.NewToken(operator(), s.HubDID, time.Now(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /api/v1/logs/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/octet-stream\r\nContent-Length: 1\r\n\r\nx", token)
	<-under
	conn.Close()
	<-ended
}

// Other hubs' questions go through as they are, beyond the rate of an address:
// who answers bounds them.
func TestQuestionsOfHubs(t *testing.T) {
	s := newSite(t, guarded(func(c *access.Config) { c.PerSecond, c.Burst = 1, 1 }))
	for range 5 {
		r := request("POST", "/api/v1/peer/leaves", "{}")
		r.Header.Set("Content-Type", "application/octet-stream")
		if got := s.send(t, r); got.status != 200 || string(got.body) != "/api/v1/peer/leaves {}" {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	if got := s.get(t, "/api/v1/peer/leaves"); got.status != 405 {
		t.Errorf("GET: %d", got.status)
	}
}

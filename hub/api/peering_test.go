package api_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"lianmu/federation/exchange"
	"lianmu/federation/identity"
	"lianmu/hub/peering"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// office makes a request with the hub's own key, which holds most offices.
func (l *live) office(method, route, target, body string, wanted int, says string) []byte {
	l.t.Helper()
	status, got := l.call(method, route, target, body, true)
	if status != wanted || !bytes.Contains(got, []byte(says)) {
		l.t.Fatalf("%s %s: %d, want %d and %q: %s", method, target, status, wanted, says, got)
	}
	return got
}

// finds waits until everybody finds so many offerings.
func (l *live) finds(n uint64) *view.Answer {
	l.t.Helper()
	for { // the test's own time limit ends it
		_, got := l.call("GET", "/api/v1/search", "/api/v1/search", "", false)
		if a := parse[view.Answer](l.t, got); a.Total == n {
			return &a
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Two hubs become peers over HTTP alone, each answer as described: cards,
// previews, approval, what everybody hears and what officers do, bundles, and the
// questions themselves.
func TestTwoHubsExchange(t *testing.T) {
	a, b := startHub(t), startHub(t)
	for i := range 3 {
		if r, _ := a.submit(fmt.Sprint("urn:a:", i), `,"标题":"港口吞吐量"`); r.Status != vocab.Accepted {
			t.Fatalf("%+v", r)
		}
	}
	inner, _ := a.submit("urn:a:inner", `,"标题":"内部计划","安全级别":"内部"`)
	if r, _ := b.submit("urn:b:0", `,"标题":"电池回收"`); r.Status != vocab.Accepted || inner.Status != vocab.Accepted {
		t.Fatalf("%+v %+v", r, inner)
	}
	a.finds(3)
	b.finds(1)
	_, cardA := a.call("GET", "/api/v1/hub", "/api/v1/hub", "", false)

	// b adds a's card after a look, a approves b, which is on its list by then.
	preview := parse[peering.Preview](t, b.office("POST", "/api/v1/peers/preview", "/api/v1/peers/preview", `{"card":`+string(cardA)+`}`, 200, a.info.DID))
	if preview.Peer.Hub != a.info.DID || preview.Words != peering.Fingerprint(a.info.DID) || preview.Entries != 1 || len(preview.Rows) != 1 || !preview.Rows[0].Leaves {
		t.Errorf("%+v", preview)
	}
	b.office("POST", "/api/v1/peers", "/api/v1/peers", `{"card":`+string(cardA)+`,"url":"`+a.info.HTTP+`","note":"甲"}`, 201, `"addresses":["`+a.info.HTTP)
	b.office("POST", "/api/v1/peers", "/api/v1/peers", `{"card":`+strings.Replace(string(cardA), `"epoch":1`, `"epoch":9`, 1)+`}`, 400, "problems")
	if got := b.office("POST", "/api/v1/peers", "/api/v1/peers", `{"url":"`+b.info.HTTP+`"}`, 400, "peer.self"); got == nil {
		t.Error("no answer")
	}
	b.office("POST", "/api/v1/peers/preview", "/api/v1/peers/preview", `{"url":"http://127.0.0.1:1"}`, 502, "peer.unreachable")
	didA, didB := url.PathEscape(a.info.DID), url.PathEscape(b.info.DID)
	for !bytes.Contains(a.office("GET", "/api/v1/peers", "/api/v1/peers", "", 200, "coverage"), []byte(`"state":"waiting"`)) {
		time.Sleep(10 * time.Millisecond)
	}
	a.office("POST", "/api/v1/peers/{did}/approve", "/api/v1/peers/"+didB+"/approve", `{}`, 200, `"approved"`)
	a.finds(4)
	found := b.finds(4)
	if len(found.Coverage) != 2 || found.Coverage[1].Hub != a.info.Origin {
		t.Errorf("%+v", found.Coverage)
	}
	if _, got := b.call("GET", "/api/v1/peers", "/api/v1/peers", "", false); !bytes.Contains(got, []byte(a.info.Origin)) || bytes.Contains(got, []byte(`"items"`)) {
		t.Errorf("for everybody: %s", got)
	}
	info := parse[peering.PeerInfo](t, b.office("GET", "/api/v1/peers/{did}", "/api/v1/peers/"+didA, "", 200, `"note":"甲"`))
	if info.Logs[0].Size != 4 || info.Logs[0].Withheld != 1 || !info.Link.Connected || !bytes.Equal(info.Card, cardA) {
		t.Errorf("%+v %+v", info.Logs, info.Link)
	}
	b.office("GET", "/api/v1/peers/{did}", "/api/v1/peers/did:key:zNobody", "", 404, "peer.unknown")

	// Paused and resumed; a log that waits for nobody is not to be accepted.
	peer := "/api/v1/peers/" + didA
	b.office("POST", "/api/v1/peers/{did}/pause", peer+"/pause", "", 204, "")
	b.office("GET", "/api/v1/peers", "/api/v1/peers", "", 200, `"paused"`)
	b.office("POST", "/api/v1/peers/{did}/resume", peer+"/resume", "", 204, "")
	b.office("POST", "/api/v1/peers/{did}/accept", peer+"/accept", `{"origin":"`+a.info.Origin+`"}`, 404, "peer.log")

	// A question of another key than a peer's.
	asker := exchange.NewHTTPAsker(http.DefaultClient, a.info.HTTP, func() (string, error) {
		return identity.NewToken(b.space, a.info.DID, time.Now(), time.Minute)
	})
	source := exchange.NewClient(asker)
	leaves, err := source.Leaves(t.Context(), a.info.Origin, 0, 4)
	if err != nil || len(leaves) == 0 {
		t.Errorf("leaves: %d bytes, %v", len(leaves), err)
	}
	if _, err := source.Documents(t.Context(), a.info.Origin, []vocab.Digest{inner.Digest}); err == nil || vocab.ProblemsOf(err, "")[0].Code == "" {
		t.Errorf("documents for no peer: %v", err)
	}
	for name, c := range map[string]struct {
		by     *identity.Key
		body   string
		status int
	}{"without a token": {nil, "{}", 401}, "too large": {b.space, strings.Repeat("x", exchange.MaxRequest+1), 413}, "nonsense": {b.space, "x", 403}} {
		status, _, got := a.ask(c.by, "POST", "/api/v1/peer/{question}", "/api/v1/peer/leaves", c.body)
		if status != c.status || got[0] != '{' {
			t.Errorf("%s: %d %.200s", name, status, got)
		}
	}

	// Removed with all of it, then back by a bundle.
	b.office("POST", "/api/v1/peers/{did}/remove", peer+"/remove", `{"purge":true}`, 204, "")
	b.finds(1)
	a.office("POST", "/api/v1/peers/{did}/block", "/api/v1/peers/"+didB+"/block", "", 204, "")
	bundle := a.office("GET", "/api/v1/logs/{id}/export", "/api/v1/logs/own/export", "", 200, "lianmu log bundle")
	status, got := b.bundle(bundle)
	for bytes.Contains(got, []byte("peer.state")) { // until all of it is gone
		time.Sleep(10 * time.Millisecond)
		status, got = b.bundle(bundle)
	}
	if status != 404 || !bytes.Contains(got, []byte("peer.unknown")) {
		t.Errorf("of a stranger: %d %s", status, got)
	}
	b.office("POST", "/api/v1/peers", "/api/v1/peers", `{"card":`+string(cardA)+`}`, 201, "")
	if status, got := b.bundle(bundle[:len(bundle)-1]); status != 400 || !bytes.Contains(got, []byte("bundle.broken")) {
		t.Errorf("cut off: %d %s", status, got)
	}
	if status, got := b.bundle(bundle); status != 200 || !bytes.Contains(got, []byte(`"size":4,"entries":4`)) {
		t.Errorf("%d %s", status, got)
	}
	b.finds(4)
	b.office("GET", "/api/v1/audit", "/api/v1/audit?act=log.import", "", 200, `"code":"bundle.broken"`)
}

// bundle imports a file as an officer.
func (l *live) bundle(file []byte) (int, []byte) {
	l.t.Helper()
	status, _, got := l.ask(l.operator, "POST", "/api/v1/logs/import", "/api/v1/logs/import", string(file), "Content-Type: application/octet-stream")
	return status, got
}

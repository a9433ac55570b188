package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"lianmu/federation/ledger"
	"lianmu/vocab"
)

func TestCheckpoint(t *testing.T) {
	s := newSite(t)
	got := s.get(t, "/checkpoint")
	if got.status != 200 || !bytes.Equal(got.body, s.ledger.checkpoint) || got.header.Get("Cache-Control") != "no-cache" ||
		got.header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
	s.ledger.checkpoint = nil
	if got := s.get(t, "/checkpoint"); got.status != 404 || got.code() != "log.not_found" {
		t.Errorf("without one: %d %s", got.status, got.body)
	}
}

func TestTiles(t *testing.T) {
	for _, c := range []struct {
		path, asked string // what the log is asked; "" nothing
		status      int
		cache       string
	}{
		{"0/000", "tile/0/000", 200, "public, max-age=31536000, immutable"},
		{"0/000.p/3", "tile/0/000.p/3", 200, "public, max-age=60"},
		{"1/000", "tile/1/000", 404, "no-store"},
		{"entries/x001/x234/067", "tile/entries/x001/x234/067", 404, "no-store"},
		{"0/x001/234.p/256", "tile/0/x001/234.p/256", 404, "no-store"},
		{"../checkpoint", "", 404, "no-store"},
		{"0/../../log.key", "", 404, "no-store"},
		{"0/%2e%2e/%2e%2e/log.key", "", 404, "no-store"},
		{"0%2f000", "", 404, "no-store"},
		{"0/000/", "", 404, "no-store"},
		{"0//000", "", 404, "no-store"},
		{"64/000", "", 404, "no-store"},
		{"00/000", "", 404, "no-store"},
		{"0/000.p/0", "", 404, "no-store"},
		{"0/0000", "", 404, "no-store"},
		{"data/000", "", 404, "no-store"},
		{"0/000%00", "", 404, "no-store"},
		{"0/" + strings.Repeat("x000/", 7) + "000", "", 404, "no-store"},
		{"0/000?x=1", "", 400, "no-store"},
	} {
		s := newSite(t)
		got := s.get(t, "/tile/"+c.path)
		if got.status != c.status || s.ledger.tileAsked != c.asked || got.header.Get("Cache-Control") != c.cache {
			t.Errorf("%s: %d, asked %q, cache %q", c.path, got.status, s.ledger.tileAsked, got.header.Get("Cache-Control"))
		}
		if c.status == 200 && got.header.Get("Content-Type") != "application/octet-stream" {
			t.Errorf("%s is %s", c.path, got.header.Get("Content-Type"))
		}
	}
}

func TestLogInfo(t *testing.T) {
	s := newSite(t)
	if got := read[logInfo](t, s.get(t, "/api/v1/log")); got != (logInfo{"hub.example/log", 3, "hub.example/log+00000000+AAAA", s.HubDID, false, 0}) {
		t.Errorf("got %+v", got)
	}
}

type documents struct {
	Documents [][]byte
	Left      int
	Withheld  []vocab.Digest
}

func asking(digests ...vocab.Digest) string {
	b, err := json.Marshal(map[string]any{"digests": digests})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestDocuments(t *testing.T) {
	s := newSite(t)
	redacted := vocab.DigestOf([]byte("redacted"))
	s.ledger.add(vocab.Fact{Kind: vocab.KindOffering, ID: "urn:redacted", Digest: redacted}, nil)
	public, hidden := s.ledger.records[0], s.ledger.records[2]
	ask := asking(hidden.Fact.Digest, public.Fact.Digest, vocab.DigestOf([]byte("absent")), redacted, public.Fact.Digest)

	got := read[documents](t, s.post(t, "/api/v1/documents", ask))
	want := [][]byte{nil, public.Document, nil, nil, public.Document}
	if got.Left != 0 || fmt.Sprintf("%q", got.Documents) != fmt.Sprintf("%q", want) {
		t.Errorf("got %q", got.Documents)
	}
	// Only what the hub has and keeps back is withheld: not what is lost.
	if len(got.Withheld) != 1 || got.Withheld[0] != hidden.Fact.Digest {
		t.Errorf("withheld %v, not the hidden one alone", got.Withheld)
	}

	r := s.as(operator(), request(http.MethodPost, "/api/v1/documents", ask))
	r.Header.Set("Content-Type", "application/json")
	if got := read[documents](t, s.send(t, r)); !bytes.Equal(got.Documents[0], hidden.Document) || got.Withheld != nil {
		t.Errorf("the operator got %q, withheld %v", got.Documents, got.Withheld)
	}
	// A key that nobody knows gives what anybody gets; one that is no good, nothing.
	r = s.as(stranger(), request(http.MethodPost, "/api/v1/documents", ask))
	r.Header.Set("Content-Type", "application/json")
	if got := read[documents](t, s.send(t, r)); got.Documents[0] != nil || len(got.Withheld) != 1 {
		t.Errorf("a stranger got %q, withheld %v", got.Documents, got.Withheld)
	}
	r.Body = request(http.MethodPost, "/", ask).Body
	if got := s.send(t, r); got.status != 401 { // the same token once more
		t.Errorf("used twice: %d %s", got.status, got.body)
	}
}

// Where nobody says who may read, only what is public by nature goes out.
func TestDocumentsFailClosed(t *testing.T) {
	s := newSite(t, func(c *Config) { c.MayRead = nil })
	var ask []vocab.Digest
	for kind := vocab.KindOffering; kind <= vocab.KindEpoch; kind++ {
		doc := []byte(kind.String())
		s.ledger.add(vocab.Fact{Kind: kind, Digest: vocab.DigestOf(doc)}, doc)
		ask = append(ask, vocab.DigestOf(doc))
	}
	got := read[documents](t, s.post(t, "/api/v1/documents", asking(ask...)))
	if s := fmt.Sprintf("%q", got.Documents); s != `["" "" "" "space" "epoch"]` {
		t.Errorf("got %s", s)
	}
}

// A hundred large documents come in several answers, each bounded, none lost.
func TestDocumentsAreBounded(t *testing.T) {
	s := newSite(t)
	var ask []vocab.Digest
	for i := range 40 {
		doc := bytes.Repeat([]byte{byte(i)}, 256<<10)
		ask = append(ask, vocab.DigestOf(doc))
		s.ledger.add(vocab.Fact{Kind: vocab.KindOffering, Digest: ask[i]}, doc)
	}
	for rounds, n := 0, 0; len(ask) > 0; rounds++ {
		got := s.post(t, "/api/v1/documents", asking(ask...))
		if len(got.body) > maxDocumentBytes+64<<10 {
			t.Fatalf("an answer of %d bytes", len(got.body))
		}
		d := read[documents](t, got)
		if len(d.Documents)+d.Left != len(ask) || len(d.Documents) == 0 || rounds > 3 {
			t.Fatalf("%d given, %d left of %d", len(d.Documents), d.Left, len(ask))
		}
		for i, doc := range d.Documents {
			if vocab.DigestOf(doc) != ask[i] {
				t.Fatalf("document %d is another", n+i)
			}
		}
		n += len(d.Documents)
		ask = ask[len(d.Documents):]
	}
}

func TestDocumentsRefuse(t *testing.T) {
	for _, c := range []struct {
		body   string
		status int
		code   string
	}{
		{``, 400, "request.json"},
		{`[]`, 400, "request.json"},
		{`{"digests":"x"}`, 400, "request.json"},
		{`{"digests":[],"more":1}`, 400, "request.json"},
		{`{"digests":[]} {}`, 400, "request.json"},
		{`{"digests":[],"digests":[]}`, 400, "request.json"},
		{`{"Digests":[]}`, 400, "request.json"},
		{`{"digests":[]}`, 400, "request.count"},
		{`{}`, 400, "request.count"},
		{asking(make([]vocab.Digest, 101)...), 400, "request.count"},
		{`{"digests":["00"]}`, 400, "request.digest"},
		{`{"digests":[null]}`, 400, "request.digest"},
		{strings.Repeat(" ", maxSmallBody+1), 413, "request.too_large"},
	} {
		s := newSite(t)
		if got := s.post(t, "/api/v1/documents", c.body); got.status != c.status || got.code() != c.code {
			t.Errorf("%.40s: %d %s", c.body, got.status, got.body)
		}
	}
}

// A log that fails before the first byte is a problem; after it the
// connection is cut, so that nobody takes half an answer for a whole one.
func TestDocumentsLogFails(t *testing.T) {
	s := newSite(t)
	s.ledger.err = errors.New("disk")
	if got := s.post(t, "/api/v1/documents", asking(s.ledger.records[0].Fact.Digest)); got.status != 500 || got.code() != "internal" {
		t.Errorf("%d %s", got.status, got.body)
	}

	// One damaged document costs nobody the others, and is not called withheld.
	s = newSite(t)
	s.ledger.err = fmt.Errorf("%w: entry 0", ledger.ErrDamaged)
	got := s.post(t, "/api/v1/documents", asking(s.ledger.records[0].Fact.Digest))
	if d := read[documents](t, got); got.status != 200 || d.Documents[0] != nil || d.Withheld != nil {
		t.Errorf("%d %s", got.status, got.body)
	}

	s = newSite(t)
	big := bytes.Repeat([]byte("x"), 200<<10)
	s.ledger.add(vocab.Fact{Kind: vocab.KindOffering, Digest: vocab.DigestOf(big)}, big)
	s.api.MayRead = func(_ vocab.Reader, rec ledger.Record) bool {
		s.ledger.err = errors.New("disk") // from the next one on
		return true
	}
	server := httptest.NewServer(s.handler)
	defer server.Close()
	res, err := http.Post(server.URL+"/api/v1/documents", "application/json", strings.NewReader(asking(vocab.DigestOf(big), s.ledger.records[0].Fact.Digest)))
	if err != nil {
		return // cut before the headers left
	}
	defer res.Body.Close()
	var half documents
	if err := json.NewDecoder(res.Body).Decode(&half); err == nil {
		t.Errorf("half an answer was taken for a whole one: %d documents", len(half.Documents))
	}
}

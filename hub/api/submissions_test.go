package api

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"lianmu/federation/identity"
	"lianmu/hub/access"
	"lianmu/hub/intake"
	"lianmu/vocab"
)

func TestSubmitAnswersWithTheReceipt(t *testing.T) {
	for _, c := range []struct {
		body   string
		status int
		want   vocab.Status
		header string // name=value
	}{
		{`{"status":"accepted"}`, 201, vocab.Accepted, "Location=/api/v1/submissions/" + vocab.DigestOf([]byte(`{"status":"accepted"}`)).String()},
		{`{"status":"waiting"}`, 202, vocab.Waiting, ""},
		{`{"status":"renewed"}`, 200, vocab.Renewed, ""},
		{`{"status":"unchanged"}`, 200, vocab.Unchanged, ""},
		{`{"status":"superseded"}`, 200, vocab.Superseded, ""},
		{`{"status":"refused"}`, 422, vocab.Refused, ""},
		{`not JSON`, 422, vocab.Refused, ""},
		{`{"status":"busy"}`, 503, vocab.Busy, "Retry-After=2"},
	} {
		s := newSite(t)
		got := s.post(t, "/api/v1/submissions", c.body)
		if got.status != c.status || read[vocab.Receipt](t, got).Status != c.want {
			t.Errorf("%s: %d %s", c.body, got.status, got.body)
		}
		if name, value, ok := strings.Cut(c.header, "="); ok && got.header.Get(name) != value {
			t.Errorf("%s: %s is %q", c.body, name, got.header.Get(name))
		}
		if string(s.intake.seen) != c.body {
			t.Errorf("intake saw %q instead of %q", s.intake.seen, c.body)
		}
	}
}

// endless is a body that says nothing of its length; read counts what is taken.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestSubmitIsBounded(t *testing.T) {
	s := newSite(t)
	if got := s.post(t, "/api/v1/submissions", strings.Repeat(" ", 4096-20)+`{"status":"renewed"}`); got.status != 200 {
		t.Errorf("the largest allowed: %d", got.status)
	}
	s.intake.seen = nil
	if got := s.post(t, "/api/v1/submissions", strings.Repeat(" ", 4097)); got.status != 413 || got.code() != "request.too_large" {
		t.Errorf("one byte more: %d %s", got.status, got.body)
	}
	body := &endless{}
	r := request(http.MethodPost, "/api/v1/submissions", "")
	r.Body, r.ContentLength = io.NopCloser(body), -1
	r.Header.Set("Content-Type", "application/ld+json")
	if got := s.send(t, r); got.status != 413 {
		t.Errorf("endless: %d %s", got.status, got.body)
	}
	if body.read > 4097 {
		t.Errorf("%d bytes were read of a body limited to 4096", body.read)
	}
	if s.intake.seen != nil {
		t.Error("intake saw what was too large")
	}
}

func TestSubmitMediaType(t *testing.T) {
	for _, c := range []struct {
		contentType, encoding string
		status                int
	}{
		{"application/json", "", 201},
		{"application/ld+json", "", 201},
		{`application/ld+json; profile="http://www.w3.org/ns/json-ld#expanded"`, "", 201},
		{"Application/JSON; charset=utf-8", "identity", 201},
		{"application/ld+json; charset=UTF-8", "", 201},
		{"application/json; charset=gbk", "", 415},
		{"", "", 415},
		{"text/plain", "", 415}, // what a form of a foreign page could send
		{"application/x-www-form-urlencoded", "", 415},
		{"application/json; =", "", 415},
		{"application/json", "gzip", 415},
	} {
		s := newSite(t)
		r := request(http.MethodPost, "/api/v1/submissions", `{"status":"accepted"}`)
		r.Header.Set("Content-Type", c.contentType)
		if c.encoding != "" {
			r.Header.Set("Content-Encoding", c.encoding)
		}
		if got := s.send(t, r); got.status != c.status {
			t.Errorf("%q %q: %d %s", c.contentType, c.encoding, got.status, got.body)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestSubmitCutShort(t *testing.T) {
	s := newSite(t)
	r := request(http.MethodPost, "/api/v1/submissions", "")
	r.Body = io.NopCloser(broken{})
	r.Header.Set("Content-Type", "application/json")
	if got := s.send(t, r); got.status != 400 || got.code() != "request.body" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestReceipt(t *testing.T) {
	s := newSite(t)
	public, hidden := s.ledger.records[0].Fact.Digest, s.ledger.records[2].Fact.Digest
	refused, waiting, unknown := vocab.DigestOf([]byte("refused")), vocab.DigestOf([]byte("waiting")), vocab.DigestOf([]byte("unknown"))
	for _, d := range []vocab.Digest{public, hidden} {
		s.intake.receipts[d] = vocab.Receipt{Status: vocab.Accepted, Digest: d}
	}
	s.intake.receipts[refused] = vocab.Receipt{Status: vocab.Refused, Digest: refused, Space: spaceB}
	s.desk.waiting = map[string]vocab.Receipt{stranger().DID(): {Status: vocab.Waiting, Digest: waiting}}
	for _, c := range []struct {
		name, digest string
		by           *identity.Key // nil: nobody
		status       int
	}{
		{"public", public.String(), nil, 200},
		{"public in capitals", strings.ToUpper(public.String()), nil, 200},
		{"hidden", hidden.String(), nil, 404}, // leaf records show its digest to everybody
		{"hidden, to an officer", hidden.String(), operator(), 200},
		{"hidden, to a stranger", hidden.String(), stranger(), 404},
		{"refused", refused.String(), nil, 404},
		{"refused, to its space", refused.String(), ofB(), 200},
		{"refused, to a stranger", refused.String(), stranger(), 404},
		{"refused, to who reads the quarantine", refused.String(), operator(), 200},
		{"waiting", waiting.String(), nil, 404},
		{"waiting, to its space", waiting.String(), stranger(), 200},
		{"waiting, to another", waiting.String(), ofB(), 404},
		{"unknown", unknown.String(), nil, 404},
		{"short", "00", nil, 400},
		{"no digits", strings.Repeat("g", 64), nil, 400},
		{"long", strings.Repeat("0", 201), nil, 400},
		{"climbing", "..%2f..%2fx", nil, 400},
	} {
		r := request(http.MethodGet, "/api/v1/submissions/"+c.digest, "")
		if c.by != nil {
			s.as(c.by, r)
		}
		if got := s.send(t, r); got.status != c.status {
			t.Errorf("%s: %d %s", c.name, got.status, got.body)
		}
	}
	r := request(http.MethodGet, "/api/v1/submissions/"+public.String(), "")
	r.Header.Set("Authorization", "Bearer nonsense")
	if got := s.send(t, r); got.status != 401 || got.code() != "access.unauthenticated" {
		t.Errorf("a token that is none: %d %s", got.status, got.body)
	}
}

// Who reads the quarantine and not every audience finds refusals and no more.
func TestReceiptForWhoReadsTheQuarantine(t *testing.T) {
	security := key()
	s := newSite(t, guarded(func(c *access.Config) { c.Operators = []access.Operator{{DID: security.DID(), Role: access.Security}} }))
	hidden, refused := s.ledger.records[2].Fact.Digest, vocab.DigestOf([]byte("refused"))
	s.intake.receipts[hidden] = vocab.Receipt{Status: vocab.Accepted, Digest: hidden}
	s.intake.receipts[refused] = vocab.Receipt{Status: vocab.Refused, Digest: refused, Space: spaceB}
	for d, status := range map[vocab.Digest]int{hidden: 404, refused: 200} {
		if got := s.send(t, s.as(security, request(http.MethodGet, "/api/v1/submissions/"+d.String(), ""))); got.status != status {
			t.Errorf("%v: %d %s", d, got.status, got.body)
		}
	}
}

func TestQuarantinePages(t *testing.T) {
	s := newSite(t)
	for i := range 5 {
		s.intake.refused = append(s.intake.refused, intake.Quarantined{
			Sequence: uint64(9 - i), ReceivedAt: noon, Problems: vocab.Problems{vocab.NewProblem("", "proof.missing", "缺", "missing")},
		})
	}
	var seen []uint64
	target := "/api/v1/submissions?refused=true&limit=2"
	for range 6 {
		got := s.send(t, s.as(operator(), request(http.MethodGet, target, "")))
		l := read[list[intake.Quarantined]](t, got)
		for _, q := range l.Items {
			seen = append(seen, q.Sequence)
		}
		if l.Next == "" {
			break
		}
		target = "/api/v1/submissions?refused=true&limit=2&cursor=" + l.Next
	}
	if fmt.Sprint(seen) != "[9 8 7 6 5]" {
		t.Errorf("seen %v", seen)
	}
	for query, code := range map[string]string{
		"":                        "request.missing",
		"refused=false":           "request.missing",
		"refused=true&cursor=x":   "index.cursor",
		"refused=true&cursor=0":   "index.cursor",
		"refused=true&cursor=-1":  "index.cursor",
		"refused=true&limit=1000": "request.number",
	} {
		got := s.send(t, s.as(operator(), request(http.MethodGet, "/api/v1/submissions?"+query, "")))
		if got.status != 400 || got.code() != code {
			t.Errorf("%q: %d %s", query, got.status, got.body)
		}
	}
}

// Who may look at what was refused does not thereby see every document.
func TestQuarantineWithholds(t *testing.T) {
	offices := map[access.Role]*identity.Key{access.System: key(), access.Regulator: key()}
	s := newSite(t, guarded(func(c *access.Config) {
		for role, k := range offices {
			c.Operators = append(c.Operators, access.Operator{DID: k.DID(), Role: role})
		}
	}))
	s.intake.refused = []intake.Quarantined{{Sequence: 1, ReceivedAt: noon, Document: []byte("{}"), Problems: vocab.Problems{vocab.NewProblem("", "proof.missing", "缺", "missing")}}}
	for role, k := range offices {
		l := read[list[intake.Quarantined]](t, s.send(t, s.as(k, request(http.MethodGet, "/api/v1/submissions?refused=true", ""))))
		if len(l.Items) != 1 || (l.Items[0].Document != nil) != role.May(access.ReadAll) || l.Items[0].Withheld == role.May(access.ReadAll) {
			t.Errorf("%s: %+v", role, l.Items)
		}
	}
}

package hub_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub"
	"lianmu/hub/bus/bustest"
	"lianmu/hub/hubtest"
	"lianmu/vocab"
)

// stand is a hub that admits nobody by itself, under attack.
type stand struct {
	*running // the officer's; it has no space and no connection
	dir      string
}

// closed starts a hub that is not open; its own key holds the offices.
func closed(t *testing.T, change ...func(*hub.Config)) *stand {
	t.Helper()
	c := hubtest.Config(t, t.TempDir())
	c.Open = false
	for _, f := range change {
		f(&c)
	}
	r := run(t, c)
	r.key = r.officer(c.Dir)
	return &stand{r, c.Dir}
}

// newcomer is somebody with a key and a connection, of whom the hub knows nothing.
func (s *stand) newcomer(key *identity.Key) *running {
	s.t.Helper()
	if key == nil {
		key = identitytest.Key(s.t)
	}
	return &running{t: s.t, hub: s.hub, info: s.info, key: key, conn: bustest.Connect(s.t, s.info.NATS, s.info.DID, key)}
}

func descriptor(did, name string, more string) string {
	return fmt.Sprintf(`{"@context":"https://w3id.org/lianmu/v1","@type":"Space","@id":%q,"name":%q%s}`, did, name, more)
}

// space is a newcomer that was admitted.
func (s *stand) space(name string) *running {
	s.t.Helper()
	r := s.newcomer(nil)
	s.admit(r, name)
	return r
}

func (s *stand) admit(r *running, name string) {
	s.t.Helper()
	if got := r.submit(r.sign(descriptor(r.key.DID(), name, ""))); got.Status != vocab.Waiting {
		s.t.Fatalf("a newcomer's descriptor: %+v", got)
	}
	s.act(r.key.DID(), `{"verb":"Admission"}`)
}

// act has the officer decide about a space.
func (s *stand) act(did, order string) {
	s.t.Helper()
	status, body := s.post(s.key, "/api/v1/spaces/"+url.PathEscape(did)+"/acts", order)
	if status != http.StatusOK {
		s.t.Fatalf("%s: status %d %s", order, status, body)
	}
}

// post sends JSON with a token of a key; nil sends as nobody.
func (r *running) post(key *identity.Key, path, body string) (status int, answer string) {
	r.t.Helper()
	token := ""
	if key != nil {
		token = r.bearer(key)
	}
	return r.postWith(token, path, body)
}

func (r *running) bearer(key *identity.Key) string {
	r.t.Helper()
	token, err := identity.NewToken(key, r.info.DID, time.Now(), time.Minute)
	if err != nil {
		r.t.Fatal(err)
	}
	return token
}

func (r *running) postWith(token, path, body string) (int, string) {
	r.t.Helper()
	q, err := http.NewRequest(http.MethodPost, r.info.HTTP+path, bytes.NewReader([]byte(body)))
	if err != nil {
		r.t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/json")
	return r.send(q, token)
}

func (r *running) send(q *http.Request, token string) (int, string) {
	r.t.Helper()
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// over sends a document over HTTP, as nobody.
func (r *running) over(raw []byte) vocab.Receipt {
	r.t.Helper()
	_, body := r.post(nil, "/api/v1/submissions", string(raw))
	var receipt vocab.Receipt
	if err := json.Unmarshal([]byte(body), &receipt); err != nil {
		r.t.Fatalf("%v in %s", err, body)
	}
	return receipt
}

// refused expects that a document is refused over NATS and HTTP alike, with a
// problem of this code, and that the log does not grow of it.
func (r *running) refused(what string, raw []byte, code string) {
	r.t.Helper()
	before := r.hub.Info().LogSize
	for way, got := range map[string]vocab.Receipt{"NATS": r.submit(raw), "HTTP": r.over(raw)} {
		if got.Status != vocab.Refused || len(got.Problems) == 0 || got.Problems[0].Code != code || got.Log != nil {
			r.t.Errorf("%s over %s: %+v, want %s", what, way, got, code)
		}
	}
	if after := r.hub.Info().LogSize; after != before {
		r.t.Errorf("%s: the log grew from %d to %d", what, before, after)
	}
}

// clean expects that the hub's log, verified offline by its documents alone,
// holds nothing that should not be there.
func (s *stand) clean() {
	s.t.Helper()
	s.stop()
	c := hubtest.Config(s.t, s.dir)
	c.Open = false
	report, err := hub.Verify(s.t.Context(), c, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if !report.Clean() {
		s.t.Errorf("the log is verified with faults: %+v, log %+v", report, report.Log)
	}
}

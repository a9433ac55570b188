package exchange

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// natsAsker asks over NATS.
type natsAsker struct {
	conn    *nats.Conn
	timeout time.Duration
}

// NewNATSAsker asks over a client's connection to a hub's NATS; timeout is for
// questions whose context has no deadline.
func NewNATSAsker(conn *nats.Conn, timeout time.Duration) Asker { return natsAsker{conn, timeout} }

// Ask implements Asker.
func (a natsAsker) Ask(ctx context.Context, q Question, body []byte) ([]byte, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.timeout)
		defer cancel()
	}
	m, err := a.conn.RequestWithContext(ctx, SubjectPrefix+string(q), body)
	if err != nil {
		return nil, err
	}
	return m.Data, nil
}

// httpAsker asks over HTTP.
type httpAsker struct {
	client *http.Client
	base   string
	token  func() (string, error)
}

// NewHTTPAsker asks the hub at base ("https://hub.example"); token makes the
// bearer token of each question. Redirects are not followed: a token is for one
// hub. How long a question may take is for its context and for client to say.
func NewHTTPAsker(client *http.Client, base string, token func() (string, error)) Asker {
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return httpAsker{&c, strings.TrimRight(base, "/"), token}
}

// MediaType is that of questions and answers over HTTP, refusals excepted, which
// are application/problem+json.
const MediaType = "application/octet-stream"

// Takes is how many bytes of an answer HTTP brings.
func (a httpAsker) Takes() int { return MaxAnswerHTTP }

// Ask implements Asker.
func (a httpAsker) Ask(ctx context.Context, q Question, body []byte) ([]byte, error) {
	token, err := a.token()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+PathPrefix+string(q), strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", MediaType)
	req.Header.Set("Accept", MediaType)
	// What can be compressed is: nothing is to be unfolded on the way, where its
	// size is not bounded.
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK && (len(reply) == 0 || reply[0] != '{') {
		return nil, fmt.Errorf("HTTP status %d", resp.StatusCode)
	}
	return reply, nil
}

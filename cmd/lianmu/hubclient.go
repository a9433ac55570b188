package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"lianmu/federation/identity"
	"lianmu/vocab"
)

// maxAnswer bounds what is read of one answer.
const maxAnswer = 32 << 20

// hubClient talks to a hub over HTTP, as an operator where it has a key.
type hubClient struct {
	base string
	key  identity.Signer // nil: anonymous
	now  func() time.Time
	http *http.Client

	header http.Header // sent with every request; may be nil

	once sync.Once
	log  logInfo
	err  error
}

// logInfo is the answer of GET /api/v1/log.
type logInfo struct {
	Origin      string `json:"origin"`
	Size        uint64 `json:"size"`
	VerifierKey string `json:"verifier_key"`
	Hub         string `json:"hub"` // DID
	Open        *bool  `json:"open"`
	OpenUntil   uint64 `json:"open_until"`
}

// openUntil is the entry before which the hub admitted whoever signed; one that
// does not say is older than the question, and always did.
func (i logInfo) openUntil() uint64 {
	if i.Open == nil || *i.Open {
		return math.MaxUint64
	}
	return i.OpenUntil
}

func newHubClient(hub string, key identity.Signer, now func() time.Time) (*hubClient, error) {
	u, err := url.Parse(hub)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf(tr("--hub 应写成 http://主机:端口，而不是 %q", "--hub must be http://HOST:PORT, not %q"), hub)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 256 // a window of submissions keeps its connections
	return &hubClient{
		base: strings.TrimRight(hub, "/"), key: key, now: now,
		http: &http.Client{Transport: transport, Timeout: time.Minute},
	}, nil
}

// enterHub returns the hub as whoever has the key in a file; nobody where none is
// named.
func enterHub(hub, keyFile string, now func() time.Time) (*hubClient, error) {
	if keyFile == "" {
		return newHubClient(hub, nil, now)
	}
	key, err := identity.ReadKey(keyFile)
	if err != nil {
		return nil, err
	}
	return newHubClient(hub, key, now)
}

// info asks once who the hub is.
func (h *hubClient) info(ctx context.Context) (logInfo, error) {
	h.once.Do(func() { h.err = h.call(ctx, http.MethodGet, "/api/v1/log", nil, &h.log, false) })
	return h.log, h.err
}

// get, post and operate decode the JSON answer into out; operate adds a fresh
// token, as each is good for one request.
func (h *hubClient) get(ctx context.Context, path string, out any) error {
	return h.call(ctx, http.MethodGet, path, nil, out, false)
}

// asMe is get, with a token where there is a key.
func (h *hubClient) asMe(ctx context.Context, path string, out any) error {
	return h.call(ctx, http.MethodGet, path, nil, out, h.key != nil)
}

func (h *hubClient) post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return h.call(ctx, http.MethodPost, path, body, out, h.key != nil)
}

func (h *hubClient) operate(ctx context.Context, method, path string, out any) error {
	if h.key == nil {
		return needsKey()
	}
	return h.call(ctx, method, path, nil, out, true)
}

// maxWaits is how often a request is repeated that a hub puts off.
const maxWaits = 20

func (h *hubClient) call(ctx context.Context, method, path string, body []byte, out any, token bool) error {
	status, header, data, err := h.do(ctx, method, path, "application/json", body, token)
	// 429: nothing was done, only too much was asked for at once.
	for waits := 0; err == nil && status == http.StatusTooManyRequests && waits < maxWaits; waits++ {
		if err = sleep(ctx, retryAfter(header)); err == nil {
			status, header, data, err = h.do(ctx, method, path, "application/json", body, token)
		}
	}
	if err != nil {
		return err
	}
	if status >= 300 {
		return problemOf(status, data)
	}
	if raw, ok := out.(*[]byte); ok {
		*raw = data
		return nil
	}
	if out == nil || len(data) == 0 {
		return nil
	}
	if err := receive(data, out); err != nil {
		return notUnderstood(h.base+path, err)
	}
	return nil
}

// retryAfter is how long a hub asks to wait, from one second to a minute.
func retryAfter(h http.Header) time.Duration {
	seconds, _ := strconv.Atoi(h.Get("Retry-After")) // absent or a date: a second
	return time.Duration(min(max(seconds, 1), 60)) * time.Second
}

// request makes a request ready, with a fresh token where one is wanted.
// contentType "" is of none.
func (h *hubClient) request(ctx context.Context, method, path, contentType string, body io.Reader, token bool) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, h.base+path, body)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, h.header)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Accept-Language", tr("zh", "en"))
	if token {
		info, err := h.info(ctx)
		if err != nil {
			return nil, err
		}
		t, err := identity.NewToken(h.key, info.Hub, h.now(), time.Minute)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+t)
	}
	return req, nil
}

// do makes one request and reads its answer, at most maxAnswer bytes.
func (h *hubClient) do(ctx context.Context, method, path, contentType string, body []byte, token bool) (int, http.Header, []byte, error) {
	if body == nil {
		contentType = ""
	}
	req, err := h.request(ctx, method, path, contentType, bytes.NewReader(body), token)
	if err != nil {
		return 0, nil, nil, err
	}
	resp, err := h.http.Do(req)
	if err != nil {
		return 0, nil, nil, unreachable(h.base, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		err = unreachable(h.base, err)
	} else if len(data) > maxAnswer {
		err = errors.New(tr("答复太大", "the answer is too large"))
	}
	return resp.StatusCode, resp.Header, data, err
}

// unhurried asks as an operator for something long, or sends it: it is never held
// in memory and has no time limit but ctx. length is that of body, where there is
// one. The caller closes the answer's body.
func (h *hubClient) unhurried(ctx context.Context, method, path, contentType string, body io.Reader, length int64) (*http.Response, error) {
	if h.key == nil {
		return nil, needsKey()
	}
	req, err := h.request(ctx, method, path, contentType, body, true)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.ContentLength = length
	}
	patient := *h.http
	patient.Timeout = 0
	resp, err := patient.Do(req)
	if err != nil {
		return nil, unreachable(h.base, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		if err != nil {
			return nil, unreachable(h.base, err)
		}
		return nil, problemOf(resp.StatusCode, data)
	}
	return resp, nil
}

func notUnderstood(where string, err error) error {
	return fmt.Errorf(tr("%s 的答复读不懂：%w（是联目节点吗？）", "the answer of %s is not understood: %w (is it a lianmu hub?)"), where, err)
}

func needsKey() error {
	return errors.New(tr("需要 --key：管理节点的命令要用运营者的密钥", "needs --key: this command takes an operator's key"))
}

// problemOf reads an application/problem+json answer.
func problemOf(status int, data []byte) error {
	var p struct {
		Title    string         `json:"title"`
		Detail   string         `json:"detail"`
		Problems vocab.Problems `json:"problems"`
	}
	_ = receive(data, &p) // not JSON: the status is all there is to say
	switch {
	case len(p.Problems) > 0:
		return p.Problems
	case p.Detail != "":
		return fmt.Errorf("%d %s: %s", status, p.Title, p.Detail)
	}
	return fmt.Errorf("%d %s %s", status, http.StatusText(status), p.Title)
}

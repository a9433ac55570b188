package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"lianmu/vocab"
)

// httpSender submits by POST /api/v1/submissions, the same bytes as on NATS.
type httpSender struct{ *hubClient }

// dialHTTP looks who is there, so that a wrong address is told at once and not
// after minutes of trying.
func dialHTTP(ctx context.Context, url string) (sender, error) {
	h, err := newHubClient(url, nil, time.Now)
	if err != nil {
		return nil, err
	}
	status, _, data, err := h.do(ctx, http.MethodGet, "/api/v1/log", "", nil, false)
	if err != nil {
		return nil, err
	}
	if status == http.StatusTooManyRequests || status >= 500 {
		return httpSender{h}, nil // there, and not ready just now: submitting waits for it
	}
	var info logInfo
	if err := receive(data, &info); status != http.StatusOK || err != nil || info.Hub == "" {
		return nil, fmt.Errorf(tr("%s 上有网页服务，但不是联目节点；请核对地址和端口（节点就绪时打印的 http= 一项）",
			"something answers at %s, but it is no lianmu hub; check host and port (the http= of the hub's ready line)"), h.base)
	}
	return httpSender{h}, nil
}

// Submit implements sender.
func (s httpSender) Submit(ctx context.Context, raw []byte) (vocab.Receipt, error) {
	status, header, data, err := s.do(ctx, http.MethodPost, "/api/v1/submissions", "application/ld+json", raw, false)
	if err != nil {
		return vocab.Receipt{}, err
	}
	switch status {
	case http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusUnprocessableEntity, http.StatusServiceUnavailable:
		if receipt, err := decodeReceipt(data); err == nil {
			return receipt, nil
		}
	case http.StatusTooManyRequests:
		return vocab.Receipt{Status: vocab.Busy, RetryAfterMS: int(retryAfter(header).Milliseconds())}, nil
	}
	err = problemOf(status, data)
	if status >= 400 && status < 500 {
		return vocab.Receipt{Status: vocab.Refused, Problems: vocab.ProblemsOf(err, "http."+strconv.Itoa(status))}, nil
	}
	return vocab.Receipt{}, err
}

// Known implements sender: there is no such question over HTTP, so every
// document is signed and sent, and the hub says which are unchanged.
func (s httpSender) Known(context.Context, []vocab.Digest) (map[vocab.Digest]standing, error) {
	return nil, nil
}

// Close implements sender.
func (s httpSender) Close() { s.http.CloseIdleConnections() }

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"lianmu/federation/identity"
	"lianmu/vocab"
)

// sender is the way to a hub: NATS or HTTP. It is safe for concurrent use.
type sender interface {
	// Submit sends one document and waits for its receipt. An
	// error means that there was no answer: the document may or may not have
	// arrived, and sending it again is harmless. A permanentError is not
	// worth repeating.
	Submit(ctx context.Context, raw []byte) (vocab.Receipt, error)
	// Known asks which contents of the key's space stand in the catalogue now: at
	// most maxKnown. A sender that cannot ask returns nothing.
	Known(ctx context.Context, contents []vocab.Digest) (map[vocab.Digest]standing, error)
	Close()
}

// standing is how the hub already has a content.
type standing struct {
	Log     *vocab.Position `json:"log"`
	Created time.Time       `json:"created"`
	Expires time.Time       `json:"expires,omitzero"`
}

// permanentError is a failure that repeating cannot mend.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// caller is who asks a hub for something.
type caller struct {
	Key    identity.Signer // nil: nobody, which NATS does not let in
	HubDID string          // for which hub tokens are made; "": for the one that answers
	Now    func() time.Time
	Notice func(string) // told to a person: losses and returns of the connection
}

// dial opens the way to the hub at url: nats://…, tls://…, ws://…, wss://…,
// http://… or https://….
func dial(ctx context.Context, url string, as caller) (sender, error) {
	scheme, _, _ := strings.Cut(url, "://")
	switch scheme {
	case "nats", "tls", "ws", "wss":
		return dialNATS(ctx, url, as)
	case "http", "https":
		return dialHTTP(ctx, url)
	}
	return nil, fmt.Errorf(tr("--hub 应写成 nats://主机:端口 或 http://主机:端口，而不是 %q", "--hub must be nats://HOST:PORT or http://HOST:PORT, not %q"), url)
}

// Bounds of the pauses between attempts.
const (
	firstPause = 100 * time.Millisecond
	longPause  = 5 * time.Second
)

// deliver submits a document until there is a receipt other than busy: it
// repeats with back-off what got no answer, and waits as long as a busy hub
// asks for. It gives up when ctx ends, after giveUp without an answer, or when
// the hub has been nothing but busy for so long.
func deliver(ctx context.Context, to sender, raw []byte, hub *patience) (vocab.Receipt, error) {
	pause := firstPause
	silentSince := time.Now()
	for {
		receipt, err := to.Submit(ctx, raw)
		var permanent permanentError
		switch {
		case err == nil && receipt.Status != vocab.Busy:
			hub.served()
			return receipt, nil
		case err == nil:
			silentSince = time.Now()
			left, why := hub.busy(receipt.Problems)
			if left <= 0 {
				return vocab.Receipt{}, why
			}
			wait := time.Duration(receipt.RetryAfterMS) * time.Millisecond
			if wait <= 0 {
				wait = pause
			}
			pause = firstPause
			err = sleep(ctx, min(wait, left, time.Minute))
		case errors.As(err, &permanent), ctx.Err() != nil:
			return vocab.Receipt{}, err
		case time.Since(silentSince) >= hub.giveUp:
			return vocab.Receipt{}, fmt.Errorf(tr("%v 内没有得到答复：%w", "no answer for %v: %w"), hub.giveUp, err)
		default:
			err = sleep(ctx, min(pause, max(0, hub.giveUp-time.Since(silentSince))))
			pause = min(2*pause, longPause)
		}
		if err != nil {
			return vocab.Receipt{}, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

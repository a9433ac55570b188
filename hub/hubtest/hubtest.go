// Package hubtest runs hubs for tests, in the test's own process.
//
// It is for tests only.
package hubtest

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"lianmu/hub"
)

// Config is that of an open hub in dir, on ports of its choice. What it warns of is
// in the test's output; with -v all that it says.
func Config(t testing.TB, dir string) hub.Config {
	level := slog.LevelWarn
	if testing.Verbose() {
		level = slog.LevelInfo
	}
	return hub.Config{
		Dir: dir, HTTP: "127.0.0.1:0", NATS: "127.0.0.1:0", Open: true, IndexEvery: 10 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level})),
	}
}

// Start starts a hub, which ends with stop or, at the latest, with the test.
func Start(t testing.TB, c hub.Config) (h *hub.Hub, stop func()) {
	t.Helper()
	h, err := hub.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // the test's own may be over
		defer cancel()
		if err := h.Close(ctx); err != nil {
			t.Errorf("closing the hub: %v", err)
		}
	})
	t.Cleanup(stop)
	return h, stop
}

// Package hub puts the parts together: bus, log, registry, intake, views,
// HTTP; starts them in order and stops them in order.
//
// It holds no rules of its own.
package hub

import (
	"context"
	"log/slog"
	"time"

	"lianmu/vocab/jsonld"
)

// Config is everything a hub can be told. It is read from a YAML file (the
// JSON names below), then environment, then flags.
type Config struct {
	Dir     string `json:"dir"`      // keys, log, index
	HTTP    string `json:"http"`     // default 127.0.0.1:8080
	NATS    string `json:"nats"`     // listen address of the embedded server, default 127.0.0.1:4222
	NATSURL string `json:"nats_url"` // an external server instead
	Open    bool   `json:"open"`     // admit every space that signs (trial, demo)
	Demo    bool   `json:"-"`        // pages show that this is a demonstration

	Limits      jsonld.Limits `json:"limits"`
	Operators   []string      `json:"operators"`    // DIDs beside the hub's own
	QueueLength int           `json:"queue_length"` // submissions under way before "busy", default 4,096
	IndexEvery  time.Duration `json:"index_every"`  // how long the index gathers a batch, default 100 ms

	Now    func() time.Time `json:"-"`
	Logger *slog.Logger     `json:"-"`
}

// Info is what a running hub says of itself.
type Info struct {
	DID     string `json:"did"`
	Origin  string `json:"origin"`
	HTTP    string `json:"http"` // http://host:port
	NATS    string `json:"nats"` // nats://host:port, "" where external
	LogSize uint64 `json:"log_size"`
}

// Hub is a running hub.
type Hub struct{}

// Start brings a hub up; it serves when Start returns. Keys hub.key and
// log.key are made in Dir where absent.
func Start(ctx context.Context, c Config) (*Hub, error) { panic("pending") }

// Info returns DID and addresses.
func (h *Hub) Info() Info { panic("pending") }

// Wait blocks until a part fails or Close is called.
func (h *Hub) Wait() error { panic("pending") }

// Close stops the parts in order within ctx: intake, HTTP, views, log, bus.
func (h *Hub) Close(ctx context.Context) error { panic("pending") }

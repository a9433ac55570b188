// Package bus is the hub's NATS: an embedded server or an external one, the
// two accounts, the streams declared as data, and the subjects. It is the only
// importer of nats-server.
//
// It never looks into a message.
package bus

import (
	"context"
	"log/slog"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Subjects that clients may use; <space> is the did:key's multibase part.
const (
	SubmitPrefix  = "lianmu.v1.submit."  // + <space>: request → receipt
	ReceiptPrefix = "lianmu.v1.receipt." // + <space>: request by digest → receipt(s)
	PeerPrefix    = "lianmu.v1.peer."    // + question
	Search        = "lianmu.v1.search"   // request → search answer
	EventPrefix   = "lianmu.v1.event."   // + kind
)

// Names of streams and buckets.
const (
	LogStream        = "LIANMU_LOG"
	LogSubjects      = "lianmu.log." // + kind
	QuarantineStream = "LIANMU_QUARANTINE"
	QuarantinePrefix = "lianmu.quarantine."
	StateBucket      = "lianmu_state"
)

// Config says which server.
type Config struct {
	Dir    string // JetStream's folder for the embedded server
	Listen string // host:port for clients of the embedded server; "" listens nowhere; port 0 picks one
	URL    string // an external server, in account HUB; then Dir and Listen are unused
	Logger *slog.Logger
}

// Bus is a connection in account HUB and, if embedded, the server behind it.
type Bus struct {
	Conn      *nats.Conn
	JetStream jetstream.JetStream
}

// Start runs or joins the server and brings every stream to its declared form;
// a stream that cannot be brought there stops the start with a message.
func Start(ctx context.Context, c Config) (*Bus, error) { panic("pending") }

// ClientURL is where clients connect: nats://host:port; "" if nowhere.
func (b *Bus) ClientURL() string { panic("pending") }

// State is the bucket for small state (the last signed checkpoint).
func (b *Bus) State() jetstream.KeyValue { panic("pending") }

// Healthy returns nil, or why JetStream takes no writes.
func (b *Bus) Healthy() error { panic("pending") }

// Stop drains the connection and stops the embedded server.
func (b *Bus) Stop(ctx context.Context) error { panic("pending") }

package hub

import (
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"lianmu/hub/access"
	"lianmu/hub/bus"
	"lianmu/hub/peering"
	"lianmu/hub/tlsfiles"
	"lianmu/hub/web"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
)

// Config is everything a hub can be told. It is read from a YAML file (the
// JSON names below), then environment, then flags.
type Config struct {
	Dir     string `json:"dir"`      // keys, log, index
	HTTP    string `json:"http"`     // default 127.0.0.1:8080
	URL     string `json:"url"`      // where people find the pages, for links; default the address
	NATS    string `json:"nats"`     // listen address of the embedded server, default 127.0.0.1:4222
	NATSURL string `json:"nats_url"` // an external server instead
	TLSCert string `json:"tls_cert"` // certificate chain in PEM, for HTTP and the embedded NATS server
	TLSKey  string `json:"tls_key"`  // its private key; new files are taken up by themselves
	Open    bool   `json:"open"`     // admit every space that signs (trial, demo)
	Demo    bool   `json:"-"`        // pages show that this is a demonstration

	DemoHubs []web.NamedURL `json:"-"` // the demonstration's other hubs, named on the start page

	Limits      jsonld.Limits `json:"limits"`
	QueueLength int           `json:"queue_length"` // submissions under way before "busy", default 4,096
	IndexEvery  time.Duration `json:"index_every"`  // how long the index gathers a batch, default 100 ms

	Operators []access.Operator `json:"operators"` // who holds which office, beside the hub's own key
	Sessions  access.Sessions   `json:"sessions"`  // of people in browsers
	OIDC      *access.OIDC      `json:"oidc"`      // an OpenID Connect provider; nil: none

	Peering peering.Settings `json:"peering"` // what other hubs are told of this one, and when they count as silent

	// AuditAge is how long audit records are kept: 180 days, the default, or
	// longer. What was once to be kept longer stays so.
	AuditAge time.Duration `json:"audit_age"`

	// RequestsPerSecond is how many HTTP requests one address may make, default
	// 200, with twice as many at once.
	RequestsPerSecond int `json:"requests_per_second"`

	Now    func() time.Time `json:"-"`
	Logger *slog.Logger     `json:"-"`

	tls *tls.Config // of TLSCert and TLSKey, once they are read; nil: none
}

func (c *Config) defaults() error {
	if c.Dir == "" {
		return fmt.Errorf("a hub needs a folder for its keys, log and index: say --dir DIR")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return err
	}
	c.Dir = dir
	if c.HTTP == "" {
		c.HTTP = "127.0.0.1:8080"
	}
	if c.NATS == "" {
		c.NATS = "127.0.0.1:4222"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if c.TLSCert != "" || c.TLSKey != "" {
		if c.tls, err = tlsfiles.Config(c.TLSCert, c.TLSKey, c.Now, c.Logger); err != nil {
			return err
		}
	}
	return nil
}

// issuer is the address of the OpenID Connect provider; "" without one.
func (c *Config) issuer() string {
	if c.OIDC == nil {
		return ""
	}
	return c.OIDC.Issuer
}

// callout returns the keys by which an external NATS server lets clients in on
// this hub's word. A hub that nobody is to connect to (listen is "") needs none.
func (c *Config) callout(listen string) (*bus.CalloutKeys, error) {
	if c.NATSURL == "" || listen == "" {
		return nil, nil
	}
	return bus.OpenCalloutKeys(filepath.Join(c.Dir, CalloutFile))
}

// CalloutFile holds, in a hub's folder, the keys that it answers an external
// NATS server with (see bus.OpenCalloutKeys).
const CalloutFile = "callout.nk"

// fallback is the audience of what says neither audience nor level: on an open
// hub everybody, elsewhere the space alone.
func (c *Config) fallback() vocab.Audience {
	if c.Open {
		return vocab.AudiencePublic
	}
	return vocab.AudienceSpace
}

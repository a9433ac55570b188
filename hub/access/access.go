// Package access decides who may do what over HTTP: tokens, audience, rate
// limits. It never authenticates documents; that is identity's business.
package access

import (
	"net/http"
	"time"

	"lianmu/vocab"
)

// Config says who is who.
type Config struct {
	HubDID    string   // audience of tokens; its own DID is an operator
	Operators []string // further DIDs
	PerSecond float64  // requests per second and address; 0: default 200
	Burst     int      // default 400
	Now       func() time.Time
}

// Guard holds rate limits and used tokens in bounded memory.
type Guard struct{}

// New returns a Guard.
func New(c Config) *Guard { panic("pending") }

// Operator returns the operator's DID of a request with a valid Bearer token,
// or vocab.Problems with code access.unauthenticated or access.forbidden.
func (g *Guard) Operator(r *http.Request) (string, error) { panic("pending") }

// Audiences returns what the reader of a request may see: public, to anyone.
func (g *Guard) Audiences(r *http.Request) []vocab.Audience { panic("pending") }

// Limit wraps h with the rate limit by address; 429 with Retry-After beyond it.
func (g *Guard) Limit(h http.Handler) http.Handler { panic("pending") }

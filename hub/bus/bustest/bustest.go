// Package bustest lets tests connect to a bus as real spaces do, and holds
// attacks on one, so that the embedded server and the configuration for
// external ones face the same.
//
// It is for tests only: a hub's own rules of who connects are in hub/access.
package bustest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/federation/identity"
	"lianmu/hub/bus"
)

// Authenticate lets in every key with a token for this hub that was not used
// before, as a space of its own.
func Authenticate(hub string) bus.Authenticate {
	var mu sync.Mutex
	used := map[string]bool{}
	return func(token, _ string) (string, error) {
		did, jti, _, err := identity.VerifyToken(token, hub, time.Now())
		if err != nil {
			return "", err
		}
		mu.Lock()
		defer mu.Unlock()
		if used[did+" "+jti] {
			return "", errors.New("used before")
		}
		used[did+" "+jti] = true
		return bus.SpaceToken(did), nil
	}
}

// Fresh makes a token for a hub at each call.
func Fresh(key identity.Signer, hub string) func() (string, error) {
	return func() (string, error) { return identity.NewToken(key, hub, time.Now(), time.Minute) }
}

// Options are those of a client with this key.
func Options(key identity.Signer, hub string) []nats.Option {
	return bus.ClientOptions(Fresh(key, hub), key.DID())
}

// Connect is a connection with this key, closed when the test ends.
func Connect(t testing.TB, url, hub string, key identity.Signer, more ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, append(Options(key, hub), more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// quiet drops what the library would write to standard error.
func quiet() nats.Option {
	return nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
}

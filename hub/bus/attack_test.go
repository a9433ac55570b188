package bus_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"lianmu/hub/bus"
	"lianmu/hub/bus/bustest"
)

func TestClientsCannotReachTheLog(t *testing.T) {
	b := start(t, bus.Config{Listen: "127.0.0.1:0"})
	bustest.Attack(t, b, b.ClientURL(), "z6MkMallory")
}

// Without a name there are no inboxes of one's own, hence no connection.
func TestNamelessClientsAreRefused(t *testing.T) {
	b := start(t, bus.Config{Listen: "127.0.0.1:0"})
	for what, opts := range map[string][]nats.Option{
		"no name": nil, "a name that is no token": {nats.UserInfo("a.b", "")}, "a wildcard": {nats.UserInfo("*", "")},
		"a token": {nats.Token("x")}, "a name too long": {nats.UserInfo(strings.Repeat("a", 129), "")},
	} {
		nc, err := nats.Connect(b.ClientURL(), opts...)
		if !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s: %v", what, err)
		}
		if err == nil {
			nc.Close()
		}
	}
}

package bus_test

import (
	"testing"

	"lianmu/hub/bus"
	"lianmu/hub/bus/bustest"
)

func TestClientsCannotReachTheLog(t *testing.T) {
	b := start(t, bus.Config{Listen: "127.0.0.1:0"})
	for _, name := range []string{"", "z6MkMallory"} {
		t.Run("as "+name, func(t *testing.T) {
			bustest.Attack(t, b, b.ClientURL(), name)
		})
	}
}

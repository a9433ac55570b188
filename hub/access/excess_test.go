package access

import (
	"fmt"
	"testing"
	"time"
)

func TestExcess(t *testing.T) {
	clock := &clock{t: start}
	var cut []string
	e := NewExcess(clock.now, func(name, client string) { cut = append(cut, name+" at "+client) })
	flood, other := Claim{"192.0.2.1/32", "7"}, Claim{"192.0.2.1/32", "8"}
	answered := 0
	for range busyAtOnce + excessMost - 1 {
		if e.TurnAway(flood, "mallory") {
			answered++
		}
	}
	if answered != busyAtOnce || len(cut) > 0 {
		t.Fatalf("%d answered, cut %v", answered, cut)
	}
	if !e.TurnAway(other, "victim") {
		t.Error("another connection is not answered")
	}
	e.TurnAway(flood, "mallory")
	if fmt.Sprint(cut) != "[mallory at 192.0.2.1/32]" {
		t.Errorf("cut %v", cut)
	}
	// Whoever slows down is answered again.
	clock.move(time.Second)
	if !e.TurnAway(flood, "mallory") {
		t.Error("not answered a second later")
	}
	for range busyAtOnce + 2*excessMost { // nobody can be cut who is not known
		e.TurnAway(Claim{"192.0.2.2/32", "9"}, "")
	}
	if len(cut) != 1 {
		t.Errorf("cut %v", cut)
	}
	for i := range 2 * excessKept {
		e.TurnAway(Claim{"192.0.2.3/32", fmt.Sprint(i)}, "many")
	}
	if n := e.claims.Len(); n > excessKept {
		t.Errorf("%d claims are kept", n)
	}
	if !(*Excess)(nil).TurnAway(flood, "") {
		t.Error("none answers nobody")
	}
}

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

// Wrong signatures are an address's: other connections and keys help nobody, but
// who signs rightly does not feel those of others.
func TestWrongSignatures(t *testing.T) {
	clock := &clock{t: start}
	cuts := 0
	e := NewExcess(clock.now, func(string, string) { cuts++ })
	mallory, other, good := Claim{"192.0.2.1/32", "7"}, Claim{"192.0.2.1/32", "8"}, Claim{"192.0.2.1/32", "9"}
	looked := func(c Claim) (n int) {
		for ; n < 5000 && e.Tolerates(c, 0); n++ {
			e.Wrong(c)
		}
		return n
	}
	if n := looked(mallory); n != wrongAtOnce {
		t.Errorf("%d wrong ones at once", n)
	}
	for i := range 100 { // a connection for each
		if n := looked(Claim{"192.0.2.1/32", fmt.Sprint("new", i)}); n != 1 {
			t.Fatalf("connection %d has %d looked at", i, n)
		}
	}
	if !e.Tolerates(good, 500) {
		t.Error("whoever signs rightly at that address is put off")
	}
	if n := looked(Claim{"192.0.2.2/32", "7"}); n != wrongAtOnce {
		t.Errorf("from another address %d", n)
	}
	clock.move(time.Second)
	if e.Tolerates(mallory, wrongPerSecond) || !e.Tolerates(mallory, wrongPerSecond-1) {
		t.Error("what is under way is not counted")
	}
	if n := looked(mallory) + looked(other); n != wrongPerSecond+1 {
		t.Errorf("%d a second later", n)
	}
	answered := 0
	for cuts == 0 {
		if e.TurnAway(mallory, "mallory") {
			answered++
		}
	}
	if answered != busyAtOnce/wrongWeight {
		t.Errorf("%d answered before it is cut", answered)
	}
	if clock.move(wrongFor); !e.Tolerates(mallory, 5000) {
		t.Error("never forgiven")
	}
	nameless := Claim{Client: "192.0.2.3/32"}
	if n := looked(nameless); n != 5000 {
		t.Errorf("%d of an address that names no party", n)
	}
	for i := range 2 * excessKept {
		e.Wrong(Claim{fmt.Sprint(i), "x"})
	}
	if n := e.wrong.Len(); n > excessKept {
		t.Errorf("%d addresses are kept", n)
	}
	if none := (*Excess)(nil); !none.Tolerates(mallory, 0) {
		t.Error("none tolerates nobody")
	} else {
		none.Wrong(mallory)
	}
}

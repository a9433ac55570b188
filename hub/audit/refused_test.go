package audit

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

func TestRefusalsAreAddedUp(t *testing.T) {
	trail, c := newTrail(t)
	for i := range 1000 {
		trail.Refused(Record{Who: "did:key:a", From: "192.0.2.1", Code: "access.forbidden", Act: "space.admit", Object: fmt.Sprint(i)})
	}
	c.move(time.Second)
	trail.Refused(Record{From: "192.0.2.2", Code: "access.forbidden", Act: "audit.read"})
	if err := trail.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	list := all(t, trail)
	if len(list) != 2 {
		t.Fatalf("%+v", list)
	}
	if r := list[0]; r.Count != 1000 || r.Who != "did:key:a" || r.Object != "*" || r.Outcome != Refused || !r.Since.Equal(start) {
		t.Errorf("%+v", r)
	}
	if r := list[1]; r.Count != 1 || r.From != "192.0.2.2" || r.Act != "audit.read" {
		t.Errorf("%+v", r)
	}
	if err := trail.flush(t.Context()); err != nil || len(all(t, trail)) != 2 {
		t.Error("counted twice")
	}
}

// A flood from many addresses costs a bounded number of records and bounded
// memory, and nothing of it goes uncounted.
func TestFloodOfRefusals(t *testing.T) {
	trail, c := newTrail(t)
	const minutes, addresses = 5, 3000
	for m := range minutes {
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for i := range addresses {
					if i%4 == w {
						trail.Refused(Record{From: fmt.Sprintf("2001:db8:%x:%x::/64", m, i), Code: "token.invalid", Act: "search"})
					}
				}
			})
		}
		wg.Wait()
		if n := len(trail.tallies); n > maxTallies {
			t.Errorf("%d tallies in memory", n)
		}
		if err := trail.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.move(time.Minute)
	}
	list, total := all(t, trail), 0
	for _, r := range list {
		total += r.Count
	}
	if total != minutes*addresses {
		t.Errorf("%d refusals are counted, %d were made", total, minutes*addresses)
	}
	if limit := refusedBurst + minutes*(refusedRate+1); len(list) > limit {
		t.Errorf("%d records, at most %d", len(list), limit)
	}
}

func TestRefusalsThatCannotBeWrittenStay(t *testing.T) {
	trail, _ := newTrail(t)
	trail.Refused(Record{From: "192.0.2.1", Code: "x"})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := trail.flush(gone); err == nil {
		t.Fatal("written without a store")
	}
	trail.Refused(Record{From: "192.0.2.1", Code: "x"})
	trail.Refused(Record{From: "192.0.2.1", Code: "x"})
	if err := trail.Close(t.Context()); err != nil { // what is left is written at the end
		t.Fatal(err)
	}
	if list := all(t, trail); len(list) != 1 || list[0].Count != 3 {
		t.Errorf("%+v", list)
	}
}

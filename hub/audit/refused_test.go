package audit

import (
	"context"
	"fmt"
	"slices"
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

// Behind one address, who tried what stays known; strangers do not.
func TestRefusalsOfManyBehindOneAddress(t *testing.T) {
	trail, c := newTrail(t)
	const proxy = "192.0.2.9"
	for range 3 {
		for _, r := range []Record{
			{Who: "did:key:a", Role: "system", Act: "space.suspend", Object: "did:key:s"},
			{Who: "did:key:a", Role: "system", Act: "space.keys.replace", Object: "did:key:s"},
			{Who: "did:key:b", Role: "review", Act: "audit.read"},
			{Who: "org/op-07@did:key:s", Role: "participant", Act: "audit.read"},
			{Who: "did:key:x", Role: "anonymous", Act: "audit.read"},
			{Who: "did:key:y", Role: "anonymous", Act: "space.admit"},
			{Who: "anonymous", Act: "space.decide"},
		} {
			r.From, r.Code = proxy, "access.forbidden"
			trail.Refused(r)
			c.move(time.Second)
		}
	}
	if err := trail.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range all(t, trail) {
		got = append(got, fmt.Sprintf("%d %s %s %s", r.Count, r.Who, r.Act, r.Object))
	}
	want := []string{
		"3 did:key:a space.suspend did:key:s", "3 did:key:a space.keys.replace did:key:s", "3 did:key:b audit.read ",
		"3 org/op-07@did:key:s audit.read ", "9 * * ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the trail has %q", got)
	}
}

// However many names somebody has vouched for, memory and records are bounded,
// nothing goes uncounted, and what an officer tried is still told by itself.
func TestNamesCannotHideAnOfficer(t *testing.T) {
	trail, _ := newTrail(t)
	total := 0
	refuse := func(r Record) {
		r.Code, r.Act = "access.forbidden", "audit.read"
		trail.Refused(r)
		total++
	}
	for i := range 40 {
		for j := range 100 {
			refuse(Record{Who: fmt.Sprintf("org/p%d@did:key:s", j), Role: "participant", From: fmt.Sprint("192.0.2.", i)})
		}
	}
	refuse(Record{Who: "did:key:officer", Role: "system", From: "192.0.2.1"})
	if n := len(trail.tallies); n > maxTallies+maxOfficial {
		t.Errorf("%d tallies in memory", n)
	}
	if n := trail.named["192.0.2.1"]; n != maxNamed {
		t.Errorf("%d names of one address", n)
	}
	if err := trail.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	list := all(t, trail)
	if len(list) > refusedBurst+1 || list[0].Who != "did:key:officer" || list[0].Count != 1 {
		t.Errorf("%d records, first %+v", len(list), list[0])
	}
	for _, r := range list {
		total -= r.Count
	}
	if total != 0 {
		t.Errorf("%d refusals are not counted", total)
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

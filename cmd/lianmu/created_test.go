package main

import (
	"context"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestCreations: whatever the clock does, times never decrease, two versions
// of one @id never share one, and the lead over the clock stays bounded unless
// one @id alone makes it.
func TestCreations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c creations
		now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
		of := map[string]time.Time{}
		var last time.Time
		for i := range rapid.IntRange(1, 3000).Draw(t, "n") {
			id := rapid.SampledFrom([]string{"", "urn:a", "urn:b", "urn:c", "urn:d"}).Draw(t, "id")
			if i%50 == 0 {
				now = now.Add(time.Duration(rapid.IntRange(-50, 50).Draw(t, "step")) * time.Millisecond)
			}
			at := c.next(now, id)
			if at.Before(last) {
				t.Fatalf("%v after %v", at, last)
			}
			if before, ok := of[id]; ok && !at.After(before) {
				t.Fatalf("%q: %v is not after %v", id, at, before)
			}
			if at != at.Truncate(time.Millisecond) {
				t.Fatalf("%v has fractions of a millisecond", at)
			}
			of[id], last = at, at
		}
	})
}

// TestCreationsStayNearTheClock: a hundred thousand documents at once, each
// with an @id of its own, do not run away from the clock.
func TestCreationsStayNearTheClock(t *testing.T) {
	var c creations
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	for i := range 100_000 {
		if lead := c.next(now, strconv.Itoa(i)).Sub(now); lead > maxLead {
			t.Fatalf("document %d is %v ahead", i, lead)
		}
	}
}

// TestCreationsOfTheNextProcess: who publishes right after a run that was ahead of
// the clock is later than all of it.
func TestCreationsOfTheNextProcess(t *testing.T) {
	var run, after creations
	var last time.Time
	for i := range 300 {
		last = run.next(time.Now(), strconv.Itoa(i))
	}
	if !last.After(time.Now()) {
		t.Fatal("the run is not ahead of the clock, so this shows nothing")
	}
	run.settle(context.Background(), time.Now)
	if at := after.next(time.Now(), "0"); !at.After(last) {
		t.Errorf("%v is not after %v", at, last)
	}
}

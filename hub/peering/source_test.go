package peering

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestChoose(t *testing.T) {
	at := func(peer string, own bool, size uint64, minutes int) offer {
		return offer{peer: peer, own: own, size: size, time: noon.Add(time.Duration(minutes) * time.Minute)}
	}
	resting := func(s time.Duration) *rest { return &rest{until: noon.Add(s), failures: 1} }
	for _, tc := range []struct {
		name   string
		offers []offer
		rests  map[string]*rest
		want   string
		wait   time.Duration
	}{
		{"nobody", nil, nil, "", 0},
		{"nothing new", []offer{at("a", true, 10, 0)}, nil, "", 0},
		{"older", []offer{at("a", true, 9, 5)}, nil, "", 0},
		{"a newer time alone", []offer{at("a", true, 10, 1)}, nil, "a", 0},
		{"the own hub before a relay that has more", []offer{at("b", false, 30, 1), at("a", true, 20, 1)}, nil, "a", 0},
		{"the relay that has most", []offer{at("b", false, 20, 9), at("c", false, 30, 1)}, nil, "c", 0},
		{"of two as large the newer", []offer{at("b", false, 20, 1), at("c", false, 20, 2)}, nil, "c", 0},
		{"the own hub rests", []offer{at("b", false, 20, 1), at("a", true, 20, 1)}, map[string]*rest{"a": resting(time.Minute)}, "b", 0},
		{"the own hub has nothing new", []offer{at("b", false, 20, 1), at("a", true, 10, 0)}, nil, "b", 0},
		{"all rest", []offer{at("b", false, 20, 1), at("a", true, 20, 1)},
			map[string]*rest{"a": resting(time.Minute), "b": resting(time.Second)}, "", time.Second},
		{"has rested", []offer{at("a", true, 20, 1)}, map[string]*rest{"a": resting(0)}, "a", 0},
	} {
		best, wait := choose(tc.offers, tc.rests, level{10, noon, noon}, noon)
		got := ""
		if best != nil {
			got = best.peer
		}
		if got != tc.want || best == nil && wait != tc.wait {
			t.Errorf("%s: %q, wait %v; want %q, %v", tc.name, got, wait, tc.want, tc.wait)
		}
	}
}

// A checkpoint whose time was wrong is followed by one whose time is right, and
// does not come back.
func TestBeyondWrongClocks(t *testing.T) {
	year, soon := noon.AddDate(1, 0, 0), noon.Add(time.Minute)
	for _, tc := range []struct {
		name     string
		at, most time.Time
		offered  time.Time
		want     bool
	}{
		{"right after wrong", year, year, noon, true},
		{"wrong again after right", noon, year, year, false},
		{"wrong as it was", year, year, year, false},
		{"a clock that is ahead and goes on", year, year, year.Add(time.Minute), true},
		{"wrong for the first time", noon, noon, year, true},
		{"little ahead", noon, noon, soon, true},
		{"without a time after wrong", year, year, time.Time{}, false},
	} {
		o := offer{size: 10, time: tc.offered}
		if got := o.beyond(level{10, tc.at, tc.most}, noon); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

// Whoever fails again and again is asked less and less often, and never left out.
func TestRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &rest{}
		last := time.Duration(0)
		for range rapid.IntRange(1, 200).Draw(t, "failures") {
			r.fail(noon, rapid.Float64Range(0, 1).Draw(t, "jitter"))
			pause := r.until.Sub(noon)
			if pause <= 0 || pause > mostRest || pause < last/4 {
				t.Fatalf("a pause of %v after one of %v", pause, last)
			}
			last = pause
		}
	})
}

func TestStaleness(t *testing.T) {
	s := staleness{time.Hour, 3 * time.Hour}
	for age, want := range map[time.Duration]LogState{
		-time.Hour: Current, 0: Current, time.Hour - 1: Current, time.Hour: Ageing, 3*time.Hour - 1: Ageing, 3 * time.Hour: Stale,
	} {
		if got := s.of(noon.Add(-age), noon); got != want {
			t.Errorf("%v: %s, want %s", age, got, want)
		}
	}
	if got := s.of(time.Time{}, noon); got != Stale {
		t.Errorf("never heard of: %s", got)
	}
}

// A relay that hands an old checkpoint on, or a clock that runs ahead, makes no log
// younger.
func TestAlive(t *testing.T) {
	for _, tc := range []struct {
		name         string
		signed, want time.Time
	}{
		{"handed on late", noon.Add(-time.Hour), noon.Add(-time.Hour)},
		{"clock ahead", noon.Add(time.Hour), noon},
		{"no time", time.Time{}, noon},
	} {
		if got := alive(tc.signed, noon); !got.Equal(tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

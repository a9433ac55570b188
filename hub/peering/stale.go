package peering

import "time"

// Defaults of staleness.
const (
	DefaultAgeingAfter = 24 * time.Hour
	DefaultStaleAfter  = 5 * 24 * time.Hour
)

// staleness says from when on a silent log is marked, and left out.
type staleness struct{ ageing, stale time.Duration }

// of is the state of a log that was last heard of then.
func (s staleness) of(heard, now time.Time) LogState {
	switch age := now.Sub(heard); {
	case age >= s.stale:
		return Stale
	case age >= s.ageing:
		return Ageing
	}
	return Current
}

// alive is the moment at which a checkpoint shows that its log's hub was alive:
// neither a relay that hands an old one on nor a clock that runs ahead makes it
// later. A checkpoint without a time shows it when it came here.
func alive(signed, came time.Time) time.Time {
	if signed.IsZero() || signed.After(came) {
		return came
	}
	return signed
}

// later is the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

package view

import (
	"maps"
	"slices"
)

// Coverage says how much of each log the answers rest on, the own log first.
func (cat *Catalog) Coverage() []Coverage {
	states := cat.c.States()
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	all, _ := cat.coverage(cat.ix, states)
	return all
}

// coverage leaves out mirrors of which nothing is here, and counts them: it may
// come yet, or there may be nothing, whatever a relay claims.
func (cat *Catalog) coverage(e *edition, states map[string]LogState) (all []Coverage, awaited int) {
	feeds, stale := cat.feeds(), cat.stale(states)
	all = make([]Coverage, 0, len(feeds))
	for _, f := range feeds {
		size, s := f.Log.Size(), states[f.origin]
		if !f.own && size == 0 {
			awaited++
			continue
		}
		c := Coverage{Hub: f.origin, Name: s.Name, LogSize: size, Indexed: min(e.at(f), size), State: Current}
		switch {
		case f.own && f.Log.ReadOnly() != nil:
			c.State = ReadOnly
		case !f.own && s.State != "":
			c.State = s.State
		}
		if !f.own {
			c.AgeS = int64(max(s.Age, 0).Seconds())
		}
		if c.State == Current && c.Indexed < size {
			c.State = Behind
		}
		c.LeftOut = slices.Contains(stale, f.origin)
		all = append(all, c)
	}
	// What is still being opened, as after a start, is left out until it is.
	for _, origin := range slices.Sorted(maps.Keys(states)) {
		if s := states[origin]; s.State == Behind && cat.feed(origin) == nil {
			all = append(all, Coverage{Hub: origin, Name: s.Name, AgeS: int64(max(s.Age, 0).Seconds()), State: Behind, LeftOut: true})
		}
	}
	return all, awaited
}

// stateOf is the state of a log as hits tell it: "" for one that is current, and
// for the own log.
func (cat *Catalog) stateOf(states map[string]LogState, origin string) string {
	if s := states[origin].State; s != Current && origin != cat.own.origin {
		return s
	}
	return ""
}

// without are the logs that are left out of what is asked for nothing special.
func (cat *Catalog) without(e *edition, states map[string]LogState) []string {
	return append(cat.unseen(e), cat.stale(states)...)
}

// stale are the logs that are left out unless asked for: they have been silent
// for long, or ended. What was stopped or is paused ages like any other.
func (cat *Catalog) stale(states map[string]LogState) (origins []string) {
	for origin, s := range states {
		switch {
		case origin == cat.own.origin:
		case s.State == Stale, s.State == Ended,
			(s.State == Stopped || s.State == Paused) && s.Age >= cat.c.StaleAfter:
			origins = append(origins, origin)
		}
	}
	slices.Sort(origins)
	return origins
}

// unseen are the logs that the index has something of and that are not attached.
func (cat *Catalog) unseen(e *edition) (origins []string) {
	for _, origin := range e.mirrors() {
		if cat.feed(origin) == nil {
			origins = append(origins, origin)
		}
	}
	return origins
}

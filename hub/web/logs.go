package web

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"

	"lianmu/hub/peering"
	"lianmu/hub/view"
)

// logsNamed is how many logs a page names below what it shows; the peers page has
// all.
const logsNamed = 20

// logLine is a log that what a page shows rests on.
type logLine struct {
	Name    phrase // of its hub, or its origin where that has none
	URL     string // where the peers page tells of it
	Origin  string
	State   string
	Sound   bool // nothing is to be said about its state
	Size    uint64
	Indexed uint64
	Age     string // how long ago its hub was last heard of; "" of the own, and while that is as it should be
	LeftOut bool   // of what the page shows
}

// coverage is what a page rests on.
type coverage struct {
	Count   int
	Logs    []logLine // the first logsNamed
	Awaited int       // logs that are mirrored and of which nothing is here yet
	LeftOut []logLine // those that are left out unless asked for
	Stale   bool      // they were asked for
	Switch  string    // link to the same with or without them; "" where there is none
}

// heardSeconds is from when on it is said how long ago a hub was heard of: its log
// is signed anew each minute.
const heardSeconds = 150

// rests tells what an answer rests on; names are those of the logs (logNames).
func (t *tongue) rests(a *view.Answer, names map[string]phrase) coverage {
	c := coverage{Count: len(a.Coverage), Awaited: a.Awaited}
	for _, l := range a.Coverage {
		line := t.logLine(l, names)
		if l.LeftOut {
			c.LeftOut = append(c.LeftOut, line)
		}
		if len(c.Logs) < logsNamed {
			c.Logs = append(c.Logs, line)
		}
	}
	return c
}

func (t *tongue) logLine(l view.Coverage, names map[string]phrase) logLine {
	name, ok := names[l.Hub]
	if !ok {
		name = t.named(l.Hub, l.Name)
	}
	line := logLine{
		Name: name, URL: logURL(l.Hub), Origin: l.Hub, State: l.State, Sound: l.State == view.Current,
		Size: l.LogSize, Indexed: l.Indexed, LeftOut: l.LeftOut,
	}
	if l.AgeS > heardSeconds {
		line.Age = t.ago(l.AgeS)
	}
	return line
}

// logID is the anchor of a log on the peers page, and what that finds it by.
func logID(origin string) string {
	sum := sha256.Sum256([]byte(origin))
	return "log-" + hex.EncodeToString(sum[:6])
}

func logURL(origin string) string { return "/peers?at=" + logID(origin) + "#" + logID(origin) }

// fingerprint are the words of a hub's DID in the reader's language; "" without one.
func (t *tongue) fingerprint(did string) string {
	if did == "" {
		return ""
	}
	return t.words8(peering.Fingerprint(did))
}

func (t *tongue) words8(w peering.Words) string {
	if t.lang == "zh" {
		return w.ZH
	}
	return w.EN
}

// ago says how long ago something was, in its largest whole unit.
func (t *tongue) ago(seconds int64) string {
	units := []struct {
		key  string
		size int64
	}{{"ago.days", 24 * 3600}, {"ago.hours", 3600}, {"ago.minutes", 60}}
	for _, u := range units {
		if seconds >= u.size {
			return t.say(u.key, seconds/u.size)
		}
	}
	return t.say("ago.seconds", max(seconds, 0))
}

// names are what the spaces and the logs on a page are called in the reader's
// language.
type names struct {
	registry Registry
	lang     string
	logs     map[string]string // by origin; empty where there is one log
}

// names asks for a space's name only where a page shows one; logs are those of all
// logs (logNames).
func (s *Site) names(q *request, logs map[string]phrase) names {
	n := names{registry: s.config.Registry, lang: q.t.lang, logs: map[string]string{}}
	if len(logs) > 1 {
		for origin, name := range logs {
			n.logs[origin] = name.String()
		}
	}
	return n
}

// space is the name of a space; "" where it has not described itself.
func (n names) space(did string) string {
	state, _ := n.registry.Space(did)
	return state.Space.Name.In(n.lang)
}

// listing is another space's, or another, offering of the product that a hit shows.
type listing struct {
	ID     string // its @id
	Which  string // that, shortened, where others of the same space and log are told beside it
	URL    string
	Space  string
	Hub    string // "" where there is one log
	HubURL string
	State  string // of its log, where that is not current
}

// listings are shown at once up to listingsShown; then folded.
const listingsShown = 3

// listings lays out those that are told beside one of the space and log given.
func (t *tongue) listings(space, hub string, list []view.Listing, names names) (out []listing) {
	count := map[[2]string]int{{space, hub}: 1}
	for _, l := range list {
		count[[2]string{l.Space, l.Hub}]++
	}
	for _, l := range list {
		x := listing{
			ID: l.ID, URL: offeringURL(l.Space, l.ID), Space: l.SpaceName.In(t.lang), Hub: names.logs[l.Hub], HubURL: logURL(l.Hub), State: l.State,
		}
		if x.Space == "" {
			x.Space = either(names.space(l.Space), short(l.Space))
		}
		if count[[2]string{l.Space, l.Hub}] > 1 {
			x.Which = short(l.ID)
		}
		out = append(out, x)
	}
	return out
}

// codeURL finds all offerings that give a code.
func codeURL(code string) string {
	return (&searchState{Filters: []filter{{"code", code}}}).url()
}

// hubSearch finds what is in the log of this origin, however old that is.
func hubSearch(origin string) string {
	return "/search?" + url.Values{"filter": {"hub:" + origin}, "stale": {"1"}}.Encode()
}

package view

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/vocab"
)

func product(id, title, more string) string {
	return `"@type":"DataProduct","@id":"` + id + `","title":"` + title + `"` + more
}

const public = `,"audience":"public"`

// Offerings of all logs are one catalogue: found together, told with their log,
// read from it, and hidden as their own log and space say.
func TestOneCatalogue(t *testing.T) {
	t.Parallel()
	s, b, theirs := beside(t)
	s.put(s.space, product("urn:a", "港口吞吐量", public))
	b.put(theirs, descriptor(theirs, "航运空间", homeAt(b)))
	b.put(theirs, product("urn:b", "港口泊位", ""))
	b.put(theirs, product("urn:hidden", "港口计划", `,"audience":"space"`))
	s.catchUp()
	s.want("before it is attached", Question{Q: "港口"}, "urn:a")
	s.show(b)
	s.show(s.neighbour("empty.example"))
	s.catchUp()
	s.want("both logs", Question{Q: "港口"}, "urn:a", "urn:b")
	s.want("by space", Question{Filter: []string{"space:" + theirs.DID()}}, "urn:b")

	a, err := s.Find(t.Context(), Question{Q: "泊位", Facets: []string{"space"}})
	if err != nil || len(a.Hits) != 1 || a.Hits[0].Hub != "b.example" || a.Hits[0].SpaceName["zh"] != "航运空间" || a.Hits[0].State != "" || a.Facets["space"][0].Label["zh"] != "航运空间" {
		t.Errorf("%+v, %v", a, err)
	}
	want := []Coverage{{Hub: "hub.example", LogSize: 1, Indexed: 1, State: Current}, {Hub: "b.example", LogSize: 3, Indexed: 3, State: Current}}
	if a.Awaited != 1 || len(a.Coverage) != 2 || !slices.EqualFunc(a.Coverage, want, func(x, y Coverage) bool {
		return x.Hub == y.Hub && x.LogSize == y.LogSize && x.Indexed == y.Indexed && x.State == y.State
	}) {
		t.Errorf("coverage %+v, and %d", a.Coverage, a.Awaited)
	}
	d, err := s.Offering(t.Context(), theirs.DID(), "urn:b", vocab.Reader{})
	if err != nil || d.Hub != "b.example" || d.Position != 1 || d.Audience != vocab.AudiencePublic || len(d.Document) == 0 {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := s.Offering(t.Context(), theirs.DID(), "urn:hidden", vocab.Reader{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a stranger gets %v", err)
	}
	if d, err := s.Offering(t.Context(), theirs.DID(), "urn:hidden", vocab.Reader{Spaces: []string{theirs.DID()}}); err != nil || d.Offering.ID != "urn:hidden" {
		t.Errorf("its space gets %+v, %v", d, err)
	}
	spaces, err := s.Spaces(t.Context(), vocab.Reader{})
	i := slices.IndexFunc(spaces, func(x SpaceSummary) bool { return x.DID == theirs.DID() })
	if err != nil || len(spaces) != 2 || i < 0 || spaces[i].Offerings != 1 || spaces[i].Log != "b.example" {
		t.Errorf("%+v, %v", spaces, err)
	}

	b.put(theirs, `"@type":"Withdrawal","@id":"urn:b"`)
	s.catchUp()
	s.want("after a withdrawal", Question{}, "urn:a")
}

// What is on its way from a mirror is shown by its reading, as of the own log.
func TestOnItsWayFromAMirror(t *testing.T) {
	t.Parallel()
	s, b, theirs := beside(t)
	s.show(b)
	b.put(theirs, product("urn:b", "港口泊位", public))
	b.put(theirs, product("urn:hidden", "港口计划", `,"audience":"space"`))
	for range 2 { // before the index has it, and after
		if d, err := s.Offering(t.Context(), theirs.DID(), "urn:b", vocab.Reader{}); err != nil || d.Hub != "b.example" {
			t.Errorf("%+v, %v", d, err)
		}
		before := s.reads.Load()
		if _, err := s.Offering(t.Context(), theirs.DID(), "urn:hidden", vocab.Reader{}); !errors.Is(err, ErrNotFound) || s.reads.Load() != before {
			t.Errorf("hidden: %v, %d documents were read", err, s.reads.Load()-before)
		}
		s.catchUp()
	}
}

// Logs that have been silent for long are left out everywhere unless asked for,
// and are back as soon as they are heard of.
func TestStaleLogs(t *testing.T) {
	t.Parallel()
	s, _, theirs := bothShown(t)
	day := 24 * time.Hour
	for name, test := range map[string]struct {
		state LogState
		shown bool
		mark  string
	}{
		"current":                   {LogState{State: Current}, true, ""},
		"ageing":                    {LogState{Age: 2 * day, State: Ageing}, true, Ageing},
		"stale":                     {LogState{Age: 6 * day, State: Stale}, false, Stale},
		"ended":                     {LogState{State: Ended}, false, Ended},
		"stopped":                   {LogState{Age: day, State: Stopped}, true, Stopped},
		"stopped and silent":        {LogState{Age: 5 * day, State: Stopped}, false, Stopped},
		"paused":                    {LogState{Age: day, State: Paused}, true, Paused},
		"paused and silent":         {LogState{Age: 9 * day, State: Paused}, false, Paused},
		"of which nothing is known": {LogState{}, true, ""},
	} {
		s.states["b.example"] = test.state
		s.states["hub.example"] = LogState{Name: vocab.Text{"zh": "本节点"}, Age: 30 * day, State: Stale} // never of the own log
		if test.shown {
			s.want(name, Question{Q: "港口"}, "urn:a", "urn:b")
		} else {
			s.want(name, Question{Q: "港口"}, "urn:a")
		}
		s.want(name+", asked for", Question{Q: "港口", Stale: true}, "urn:a", "urn:b")
		a, err := s.Find(t.Context(), Question{Q: "泊位", Stale: true})
		if err != nil || len(a.Hits) != 1 || a.Hits[0].State != test.mark {
			t.Errorf("%s: %+v, %v", name, a, err)
			continue
		}
		if c := a.Coverage; c[0].State != Current || c[0].AgeS != 0 || c[0].Name["zh"] != "本节点" || c[1].AgeS != int64(test.state.Age.Seconds()) || test.mark != "" && c[1].State != test.mark || c[0].LeftOut || c[1].LeftOut == test.shown {
			t.Errorf("%s: coverage %+v", name, c)
		}
		suggested, err := s.Suggest(t.Context(), "港口泊", vocab.Reader{}, 5)
		if err != nil || len(suggested) > 0 != test.shown {
			t.Errorf("%s: suggested %+v, %v", name, suggested, err)
		}
		if d, err := s.Offering(t.Context(), theirs.DID(), "urn:b", vocab.Reader{}); err != nil || d.State != test.mark {
			t.Errorf("%s: by its name: %+v, %v", name, d, err)
		}
	}
}

// A log that is detached is unseen at once; attached again it goes on where it
// stood, also after a restart.
func TestDetachAndAttach(t *testing.T) {
	t.Parallel()
	s, b, theirs := bothShown(t)
	unseen := func(when string) {
		t.Helper()
		s.want(when, Question{}, "urn:a")
		if _, err := s.Offering(t.Context(), theirs.DID(), "urn:b", vocab.Reader{}); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: by its name: %v", when, err)
		}
		if n := len(s.Coverage()); n != 1 {
			t.Errorf("%s: coverage of %d logs", when, n)
		}
		if d, err := s.OfferingByKey(t.Context(), "urn:b", vocab.Reader{}); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %+v, %v", when, d, err)
		}
	}
	if err := s.Detach(t.Context(), "b.example", false); err != nil {
		t.Fatal(err)
	}
	unseen("detached")
	b.put(theirs, product("urn:c", "港口船期", public))
	s.restart()
	unseen("after a restart")
	s.show(b)
	if at := s.edition().at(s.feed("b.example")); at != 1 {
		t.Errorf("it begins at entry %d, not where it stood", at)
	}
	s.want("attached", Question{}, "urn:a", "urn:b")
	s.catchUp()
	s.want("and level", Question{}, "urn:a", "urn:b", "urn:c")
	if err := s.Attach(Feed{Log: s.log, Registry: s.registry}); err == nil {
		t.Error("the own log was attached")
	}
	if err := s.Detach(t.Context(), "hub.example", true); err == nil {
		t.Error("the own log was detached")
	}
}

// What is purged leaves the index, and what another log has of the same names
// takes its place; a purge that is due is noticed.
func TestPurgeOfALog(t *testing.T) {
	t.Parallel()
	s, b, theirs := beside(t)
	both := identitytest.Key(t)
	s.put(s.space, product("urn:a", "港口吞吐量", public))
	s.put(both, product("urn:both", "旧的", public))
	b.put(theirs, product("urn:b", "港口泊位", public))
	b.put(both, descriptor(both, "搬家空间", homeAt(b)))
	b.put(both, product("urn:both", "新的", public))
	s.show(b)
	s.catchUp()
	s.want("both", Question{Q: "新的"}, "urn:both")
	s.want("both, as it was", Question{Q: "旧的"})
	for _, attached := range []bool{true, false} { // it can be purged later, too
		if !attached {
			s.show(b)
			s.catchUp()
			s.want("again", Question{}, "urn:a", "urn:b", "urn:both")
			if err := s.Detach(t.Context(), "b.example", false); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Detach(t.Context(), "b.example", true); err != nil {
			t.Fatal(err)
		}
		s.want("purged", Question{}, "urn:a", "urn:both")
		s.want("purged: the own log's", Question{Q: "旧的"}, "urn:both")
		if n, known := s.edition().Count(), s.edition().mirrors(); n != 2 || len(known) != 0 {
			t.Errorf("%d offerings are left, and %v are known", n, known)
		}
		if due, err := s.PurgeDue(); !due || err != nil {
			t.Errorf("due %v, %v", due, err)
		}
		if err := s.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
		if due, err := s.PurgeDue(); due || err != nil {
			t.Errorf("after it, due %v, %v", due, err)
		}
	}
}

// A space that names another hub as its home is shown by that hub's log alone;
// what the own log would show then still compares with a fold of it.
func TestHomeMoves(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	b := s.neighbour("b.example")
	s.put(s.space, descriptor(s.space, "港口空间", homeAt(s.hub)))
	s.put(s.space, product("urn:a", "港口吞吐量", public))
	s.put(s.space, product("urn:left", "港口遗留", public))
	s.show(b)
	s.catchUp()
	b.stamp = s.stamp
	b.put(s.space, product("urn:a", "港口吞吐量新", public))
	s.catchUp()
	s.want("its home is here", Question{}, "urn:a", "urn:left")
	s.want("its home is here: what it says elsewhere", Question{Q: "吞吐量新"})
	b.put(s.space, descriptor(s.space, "港口空间", `,"audience":"space"`+homeAt(b)))
	b.put(s.space, product("urn:default", "港口默认", ""))
	s.catchUp()
	s.want("its home is there", Question{}, "urn:a")
	s.want("its home is there: what it says there", Question{Q: "吞吐量新"}, "urn:a")
	if states := s.level("its home is there", true); states[1].Offerings != 2 {
		t.Errorf("%+v", states)
	}
	shown := s.shown()
	if len(shown) != 2 {
		t.Errorf("%v", shown)
	}

	// The same from the beginning.
	if err := s.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	if anew := s.shown(); !maps.Equal(anew, shown) {
		t.Errorf("rebuilt: %v, not %v", anew, shown)
	}
	if err := s.Detach(t.Context(), "b.example", false); err != nil {
		t.Fatal(err)
	}
	s.want("its home is away", Question{}, "urn:a", "urn:left")
}

// A space's default audience is another as soon as the own log knows the space: it
// then tells of it.
func TestOwnLogLearnsOfASpace(t *testing.T) {
	t.Parallel()
	s, b, theirs := beside(t)
	b.put(theirs, descriptor(theirs, "航运空间", `,"audience":"space"`))
	b.put(theirs, product("urn:b", "港口泊位", ""))
	s.show(b)
	s.catchUp()
	s.want("as its descriptor there says", Question{})
	s.put(theirs, product("urn:a", "港口吞吐量", public))
	s.catchUp()
	s.want("as the log says that tells of it", Question{}, "urn:a", "urn:b")

	// The same while the other log is away.
	if err := s.Detach(t.Context(), "b.example", false); err != nil {
		t.Fatal(err)
	}
	s.put(theirs, descriptor(theirs, "航运空间", `,"audience":"space"`))
	s.catchUp()
	s.show(b)
	s.catchUp()
	s.want("as it said meanwhile", Question{}, "urn:a")
}

// So it is as soon as the log that tells of it is away.
func TestLogThatTellsOfASpaceGoes(t *testing.T) {
	t.Parallel()
	s, b, theirs := beside(t)
	c := s.neighbour("c.example")
	b.put(theirs, product("urn:b", "港口泊位", ""))
	c.put(theirs, descriptor(theirs, "航运空间", `,"audience":"space"`))
	s.show(b)
	s.show(c)
	s.catchUp()
	s.want("as its descriptor says", Question{})
	if err := s.Detach(t.Context(), "c.example", false); err != nil {
		t.Fatal(err)
	}
	s.want("without it", Question{}, "urn:b")
	s.show(c)
	s.catchUp()
	s.want("with it", Question{})
}

// What the index lacks of the own log is told, whatever other logs have of it; what
// it must not have is not.
func TestLossIsTold(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	b := s.neighbour("b.example")
	away := identitytest.Key(t)
	s.put(away, product("urn:away", "搬走", public))
	s.put(away, descriptor(away, "搬走的空间", `,"hub":"`+identitytest.Key(t).DID()+`"`))
	s.put(s.space, product("urn:a", "港口吞吐量", public))
	s.catchUp()
	s.want("at home nowhere that is known", Question{}, "urn:a")
	s.level("at home nowhere that is known", true)
	s.show(b)
	b.put(s.space, product("urn:b", "港口泊位", public))
	s.catchUp()
	s.level("beside a mirror", true)
	if err := s.edition().write(t.Context(), nil, []vocab.Key{vocab.KeyOf(s.space.DID(), "urn:a")}, nil); err != nil {
		t.Fatal(err)
	}
	s.level("lost", false)
}

// Mirrors are served in turn, and the own log before each of them; one that
// cannot be read holds nobody up.
func TestFeedsAreServedInTurn(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	theirs := identitytest.Key(t)
	hubs := map[string]*hub{}
	for _, origin := range []string{"b.example", "c.example", "d.example"} {
		h := s.neighbour(origin)
		h.put(theirs, product("urn:"+origin, "港口", public))
		s.show(h)
		hubs[origin] = h
	}
	s.put(s.space, product("urn:a1", "港口", public))
	if err := s.bus.DropMirror(t.Context(), "c.example"); err != nil { // its bodies are gone
		t.Fatal(err)
	}
	f := s.feed("c.example")
	f.fresh.clear()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	round := func(ids ...string) {
		t.Helper()
		if _, err := s.round(ctx); err != nil {
			t.Fatal(err)
		}
		s.want("after a round", Question{}, ids...)
	}
	round("urn:a1", "urn:b.example")
	hubs["b.example"].put(theirs, product("urn:b2", "港口", public))
	s.put(s.space, product("urn:a2", "港口", public))
	round("urn:a1", "urn:a2", "urn:b.example", "urn:d.example")
	round("urn:a1", "urn:a2", "urn:b.example", "urn:b2", "urn:d.example")
	if f.fault.Load() == nil || s.Fault() != nil {
		t.Errorf("the mirror that is broken: %v; the catalogue: %v", f.fault.Load(), s.Fault())
	}
	if c := s.Coverage()[2]; c.Hub != "c.example" || c.State != Behind || c.Indexed != 0 {
		t.Errorf("its coverage: %+v", c)
	}
}

// Who copies an @id into another log later does not take it over; nor, from the
// own log, does whoever says that he had it before.
func TestNamesakesAcrossLogs(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	b, c := s.neighbour("b.example"), s.neighbour("c.example")
	first, later := identitytest.Key(t), identitytest.Key(t)
	c.put(identitytest.Key(t), product("urn:other", "占一个位置", public))
	c.put(first, product("urn:x", "真的", public))
	time.Sleep(2 * time.Millisecond) // a log's clock counts in milliseconds
	b.put(later, product("urn:x", "抄的", public))
	is := func(what string, space *identity.Key) {
		t.Helper()
		s.catchUp()
		if d, err := s.OfferingByKey(t.Context(), "urn:x", vocab.Reader{}); err != nil || d.Space != space.DID() {
			t.Errorf("%s: %+v, %v", what, d, err)
		}
	}
	s.show(b)
	s.show(c)
	is("by the clocks of their logs", first)
	if err := s.Attach(Feed{Log: c.log, Registry: c.registry, HubDID: c.key.DID(), Fallback: vocab.AudiencePublic, Since: time.Now()}); err != nil {
		t.Fatal(err)
	}
	is("a log that came here after both", later)
	s.put(s.space, product("urn:x", "自己的", public))
	is("in the own log", s.space)
}

package web

import (
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"time"

	"lianmu/federation/registry"
	"lianmu/hub/access"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// spaceRow is a space as lists show it.
type spaceRow struct {
	view.SpaceSummary
	Standing registry.Standing
	Hub      string // whose log tells of it; "" where there is one log
}

// Sound reports whether there is nothing to say about its standing.
func (r spaceRow) Sound() bool { return r.Standing == registry.Admitted }

// standing adds to spaces how they stand. Those that were never admitted, of
// which there is nothing but a decision, are left out unless all are wanted.
func (s *Site) standing(list []view.SpaceSummary, all bool, names names) (out []spaceRow) {
	for _, sp := range list {
		state, _ := s.config.Registry.Space(sp.DID)
		if all || state.Standing == registry.Admitted || state.Standing == registry.Suspended {
			out = append(out, spaceRow{sp, state.Standing, names.logs[sp.Log]})
		}
	}
	return out
}

// spaceGroup is the spaces of one type.
type spaceGroup struct {
	Label  string
	Spaces []spaceRow
}

func (s *Site) spaces(q *request) {
	list, err := s.config.Catalog.Spaces(q.Context(), q.reader)
	if err != nil {
		s.fail(q, err)
		return
	}
	all := s.standing(list, q.who.Officer(), s.names(q, q.t.logNames(s.config.Catalog.Coverage())))
	byType := map[string]*spaceGroup{}
	var keys []string
	for _, sp := range all {
		key := q.t.label(sp.Type)
		if byType[key] == nil {
			byType[key] = &spaceGroup{Label: key}
			keys = append(keys, key)
		}
		byType[key].Spaces = append(byType[key].Spaces, sp)
	}
	sort.SliceStable(keys, func(i, j int) bool { return keys[i] != "" && keys[j] == "" })
	var groups []*spaceGroup
	for _, k := range keys {
		groups = append(groups, byType[k])
	}
	body := struct {
		Groups []*spaceGroup
		Count  int
	}{groups, len(all)}
	s.render(q, http.StatusOK, "spaces", page{Title: q.t.say("spaces.title"), Body: body})
}

// spaceBody is the page of one space.
type spaceBody struct {
	Space     view.SpaceSummary
	State     registry.SpaceState
	Newest    []hitView
	Total     uint64
	All       string
	Themes    []choice
	Forms     []choice
	Coverage  coverage
	Home      logLine             // where it is at home, or told of
	Several   bool                // logs: then Home is worth saying
	People    []vocab.Participant // those whom the reader may see, of this page
	PeopleAll int
	PeopleTo  string     // link to those that follow
	Acts      []actLink  // what the reader may do about it
	Done      vocab.Verb // what they just did
	Now       time.Time
}

// actLink leads to the page on which an officer decides.
type actLink struct {
	Verb vocab.Verb
	URL  string
}

// participantsShown is how many are listed at once.
const participantsShown = 50

func (s *Site) space(q *request) {
	did := q.args.Get("did")
	if of := s.config.Registry.SpaceOf(did); of != did {
		http.Redirect(q.w, q.Request, spaceURL(of), http.StatusSeeOther)
		return
	}
	all, err := s.config.Catalog.Spaces(q.Context(), q.reader)
	if err != nil {
		s.fail(q, err)
		return
	}
	for _, sp := range all {
		if sp.DID != did {
			continue
		}
		mine := filter{"space", did}
		a, err := s.config.Catalog.Find(q.Context(), view.Question{Filter: []string{mine.String()}, Facets: []string{"theme", "form"}, Sort: "-modified", Limit: 8, Stale: true, Reader: q.reader})
		if err != nil {
			s.fail(q, err)
			return
		}
		state := &searchState{Filters: []filter{mine}}
		logs := q.t.logNames(a.Coverage)
		b := spaceBody{Space: sp, Total: a.Total, Coverage: q.t.rests(a, logs), Several: len(a.Coverage) > 1, Now: s.config.Now()}
		for _, l := range a.Coverage {
			if l.Hub == sp.Log {
				b.Home, state.Stale = q.t.logLine(l, logs), l.LeftOut
			}
		}
		b.Coverage.Stale, b.All = true, state.url()
		names := s.names(q, logs)
		for _, h := range a.Hits {
			b.Newest = append(b.Newest, s.hit(q.t, h, names))
		}
		list := func(field string) (out []choice) {
			for _, v := range a.Facets[field] {
				f := filter{field, v.Value}
				out = append(out, choice{Label: q.t.valueName(f, a.Facets, names), Count: v.Count, URL: state.toggle(f)})
			}
			return out
		}
		b.Themes, b.Forms = list("theme"), list("form")
		b.State, _ = s.config.Registry.Space(did)
		if b.State.Log == s.config.Origin { // elsewhere its own hub decides
			b.Acts = actsOn(b.State, q.who)
		}
		if v := vocab.Verb(q.args.Get("done")); rightOf[v] != "" && q.who.May(rightOf[v]) {
			b.Done = v
		}
		s.participants(q, did, &b)
		s.render(q, http.StatusOK, "space", page{Title: q.t.named(did, sp.Name).Text, Body: b})
		return
	}
	s.problem(q, http.StatusNotFound, nil)
}

// participants lists those of a space whom the reader may see.
func (s *Site) participants(q *request, did string, b *spaceBody) {
	from, err := strconv.Atoi(q.args.Get("from"))
	if err != nil || from < 0 {
		from = 0
	}
	for _, p := range s.config.Registry.ParticipantsOf(did) {
		audience := p.Audience
		if audience == "" {
			audience = vocab.AudienceSpace
		}
		if !q.reader.MaySee(audience, did) {
			continue
		}
		if b.PeopleAll >= from && len(b.People) < participantsShown {
			b.People = append(b.People, p)
		}
		b.PeopleAll++
	}
	if next := from + participantsShown; next < b.PeopleAll {
		b.PeopleTo = "/space?" + url.Values{"did": {did}, "from": {strconv.Itoa(next)}}.Encode() + "#participants"
	}
}

func spaceURL(did string) string { return "/space?" + url.Values{"did": {did}}.Encode() }

// rightOf is the right that each act needs; the desk asks for it too.
var rightOf = map[vocab.Verb]access.Right{
	vocab.Admission:      access.SpaceAdmit,
	vocab.Rejection:      access.SpaceAdmit,
	vocab.Suspension:     access.SpaceSuspend,
	vocab.Resumption:     access.SpaceSuspend,
	vocab.KeyReplacement: access.SpaceKeys,
	vocab.KeyCompromise:  access.SpaceKeys,
	vocab.Removal:        access.OfferingRemove,
	vocab.Release:        access.LogRedact,
}

// actsOn are the acts that make sense as a space stands and that somebody may do.
func actsOn(state registry.SpaceState, who access.Who) (out []actLink) {
	var verbs []vocab.Verb
	switch state.Standing {
	case registry.Admitted:
		verbs = []vocab.Verb{vocab.Suspension, vocab.KeyCompromise, vocab.KeyReplacement, vocab.Removal, vocab.Release}
	case registry.Suspended:
		verbs = []vocab.Verb{vocab.Resumption, vocab.KeyCompromise, vocab.KeyReplacement, vocab.Removal, vocab.Release}
	}
	for _, v := range verbs {
		if who.May(rightOf[v]) {
			out = append(out, actLink{v, actURL(state.Space.DID, v, nil)})
		}
	}
	return out
}

// actURL is the page on which an act is decided.
func actURL(did string, v vocab.Verb, more url.Values) string {
	args := url.Values{"did": {did}, "verb": {string(v)}}
	for k, list := range more {
		args[k] = list
	}
	return "/space/act?" + args.Encode()
}

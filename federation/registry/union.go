package registry

import (
	"slices"
	"strings"
	"sync"
	"time"

	"lianmu/vocab"
)

// Union asks several logs as if they were one: the hub's own and those that it
// mirrors. Each space has one home log, whose word counts for it; what stands
// depends on what the logs say alone, not on which came first. From any other
// log only the space's own withdrawals and deregistrations count, as long as its
// home says that the key which signed them is valid.
//
// A space's home is the log of the hub that its descriptor there names, where
// the space itself has said so: a hub cannot make itself a home by giving a
// space keys. Of several such logs those drop out whose descriptor is signed
// with a key that another of them says is retired or stolen; of the rest the
// latest descriptor decides. Where that leaves none, or two of one time, the
// space is disputed, and nothing of it is shown but what the hub's own log has.
// A space that names no hub in any log has no home, and all logs count for it.
//
// It is safe for concurrent use, and decides about nothing: intake goes by the
// hub's own Registry.
type Union struct {
	mu    sync.RWMutex
	parts []part // the own first, then by origin; replaced, never changed
	epoch int    // of parts
	homes map[string]home
	turns uint64 // of all parts together, that homes is of
}

// part is one log of a Union.
type part struct {
	*Registry
	origin string
	hub    string // DID
	own    bool
}

// NewUnion returns a Union of the hub's own log. SetOrigin and Hub of it must
// have been called.
func NewUnion(own *Registry) *Union {
	own.mu.RLock()
	defer own.mu.RUnlock()
	return &Union{parts: []part{{own, own.log, own.hub, true}}, homes: map[string]home{}}
}

// Add adds the fold of another hub's log, or puts it in the place of one of the
// same origin. An origin that is the own log's is left alone.
func (u *Union) Add(origin, hubDID string, r *Registry) {
	r.SetOrigin(origin)
	u.change(origin, part{r, origin, hubDID, false})
}

// Remove takes a log out.
func (u *Union) Remove(origin string) { u.change(origin) }

func (u *Union) change(origin string, with ...part) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.parts[0].origin == origin {
		return
	}
	others := slices.DeleteFunc(slices.Clone(u.parts[1:]), func(p part) bool { return p.origin == origin })
	others = append(others, with...)
	slices.SortFunc(others, func(a, b part) int { return strings.Compare(a.origin, b.origin) })
	u.parts = append(slices.Clone(u.parts[:1]), others...)
	u.epoch++
	u.homes = map[string]home{}
}

// logs returns the parts as they are now.
func (u *Union) logs() []part {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.parts
}

// find returns the home of a space among parts, which must be u's own.
func (u *Union) find(did string) (home, []part) {
	u.mu.RLock()
	parts, epoch, at := u.parts, u.epoch, u.turns
	h, known := u.homes[did]
	u.mu.RUnlock()
	// Counted before the logs are asked: what comes meanwhile is asked again.
	turns := uint64(0)
	for _, p := range parts {
		turns += p.turns.Load()
	}
	if known && at == turns {
		return h, parts
	}
	h = homeOf(did, parts)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.epoch == epoch {
		if u.turns != turns {
			u.turns, u.homes = turns, map[string]home{}
		}
		u.homes[did] = h
	}
	return h, parts
}

// Home returns the origin of the log that is a space's home; false where it has
// named none, where that is not held, or where it is disputed.
func (u *Union) Home(space string) (origin string, ok bool) {
	h, parts := u.find(space)
	if h.kind != settled {
		return "", false
	}
	return parts[h.at].origin, true
}

// HomeConflict is a space that several logs claim to be the home of.
type HomeConflict struct {
	Space string     `json:"space"`
	Name  vocab.Text `json:"name,omitempty"`
	Logs  []string   `json:"logs"` // origins, sorted
}

// Conflicts lists the spaces whose home is disputed, by DID.
func (u *Union) Conflicts() []HomeConflict {
	var out []HomeConflict
	for _, did := range u.names() {
		h, parts := u.find(did)
		if h.kind != disputed {
			continue
		}
		c := HomeConflict{Space: did}
		for _, i := range h.claimants {
			c.Logs = append(c.Logs, parts[i].origin)
		}
		slices.Sort(c.Logs)
		s, _ := u.Space(did)
		c.Name = s.Space.Name
		out = append(out, c)
	}
	return out
}

// names are the DIDs of all spaces in any of the logs, sorted.
func (u *Union) names() []string {
	var all []string
	for _, p := range u.logs() {
		p.mu.RLock()
		for n, k := range p.signers {
			if k.home.number == uint32(n) {
				all = append(all, k.did)
			}
		}
		p.mu.RUnlock()
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Space returns what is known of a space: what its home log says; without one,
// what the own log says or, where that knows nothing, the log with the latest
// descriptor. A space that is disputed, or whose home is not held, is
// Unadmitted in all logs but the own one that keeps it.
func (u *Union) Space(did string) (SpaceState, bool) {
	h, parts := u.find(did)
	if h.tells < 0 {
		return SpaceState{}, false
	}
	s, ok := parts[h.tells].Registry.Space(did)
	s.Log = parts[h.tells].origin
	if !h.counts() {
		s.Standing = Unadmitted
	}
	return s, ok
}

// Spaces returns every space that has an entry or an act in any log, by DID.
func (u *Union) Spaces() []SpaceState {
	names := u.names()
	out := make([]SpaceState, 0, len(names))
	for _, did := range names {
		if s, ok := u.Space(did); ok {
			out = append(out, s)
		}
	}
	return out
}

// SpaceOf returns the name of the space that a key is or was of, as the own log
// or else that space's home has it; the key itself where it is none's.
func (u *Union) SpaceOf(signer string) string {
	for _, p := range u.logs() {
		name := p.Registry.SpaceOf(signer)
		if name == signer {
			continue
		}
		if h, parts := u.find(name); p.own || h.counts() && parts[h.tells].Registry == p.Registry {
			return name
		}
	}
	return signer
}

// ParticipantsOf returns the participants of a space that stand in the log that
// Space tells it from, by code, then @id.
func (u *Union) ParticipantsOf(space string) []vocab.Participant {
	h, parts := u.find(space)
	if !h.counts() {
		return nil
	}
	return parts[h.tells].Registry.ParticipantsOf(space)
}

// SpacesOfOrganisation returns the names of the admitted spaces, sorted, in
// which an organisation's 主体标识码 is a participant that is valid at now.
func (u *Union) SpacesOfOrganisation(code string, now time.Time) []string {
	return u.spacesOf(func(r *Registry) []string { return r.SpacesOfOrganisation(code, now) })
}

// SpacesOfDID is SpacesOfOrganisation by a participant's DID.
func (u *Union) SpacesOfDID(did string, now time.Time) []string {
	return u.spacesOf(func(r *Registry) []string { return r.SpacesOfDID(did, now) })
}

func (u *Union) spacesOf(ask func(*Registry) []string) []string {
	names := []string{}
	for _, p := range u.logs() {
		for _, did := range ask(p.Registry) {
			if h, parts := u.find(did); h.counts() && parts[h.tells].Registry == p.Registry {
				names = append(names, did)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

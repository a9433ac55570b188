package registry

import (
	"slices"
	"strings"
	"time"

	"lianmu/vocab"
)

// members finds what spaces say of organisations: participants by their code and
// by their DID, and the consents of holders. Each space has its own by their key.
type members struct {
	codes, dids map[string][]*member
	consents    map[vocab.Key]*member
	// aside are those of versions that are remembered and do not stand.
	aside map[vocab.Key][]*member
}

// member is a participant, or a consent, as the version that stands tells it. It
// is kept also while that version is void, for a key may prove not to have been
// stolen.
type member struct {
	vocab.Participant                // zero for a consent
	consent           *vocab.Consent // nil for a participant
	space             *space
	position          uint64
	expires           int64 // of the proof; 0: never
	stands            bool
	inCodes, inDID    int // its places in members
}

func newMembers() members {
	return members{codes: map[string][]*member{}, dids: map[string][]*member{}, consents: map[vocab.Key]*member{}, aside: map[vocab.Key][]*member{}}
}

// memberOf is what an entry says of an organisation; nil where it says nothing
// of one, or its body is gone.
func memberOf(e Entry) *member {
	m := &member{position: e.Index, expires: nano(e.Fact.Expires)}
	switch {
	case e.Fact.Space == "":
		return nil
	case e.Fact.Kind == vocab.KindParticipant && e.Participant != nil:
		m.Participant = *e.Participant
	case e.Fact.Kind == vocab.KindConsent && e.Consent != nil:
		m.consent = e.Consent
	default:
		return nil
	}
	return m
}

// level sees to it that of a name the member of the version that stands is found,
// and that beside it those of all and no others are kept.
func (ms *members) level(s *space, k vocab.Key, stands version, others []version) {
	have := ms.aside[k]
	m := s.members[k]
	if m == nil && len(have) == 0 {
		return
	}
	if m != nil && (m.position != stands.position || stands.marks&redacted != 0) {
		ms.remove(k, m)
		have = append(have, m)
	}
	var aside []*member
	for _, m := range have {
		switch {
		case m.position == stands.position && stands.marks&redacted == 0:
			ms.put(k, m)
		case slices.ContainsFunc(others, func(v version) bool { return v.position == m.position && v.marks&redacted == 0 }):
			aside = append(aside, m)
		}
	}
	if len(aside) > 0 {
		ms.aside[k] = aside
	} else {
		delete(ms.aside, k)
	}
}

func (ms *members) put(k vocab.Key, m *member) {
	if old := m.space.members[k]; old != nil {
		ms.remove(k, old)
	}
	if m.space.members == nil {
		m.space.members = map[vocab.Key]*member{}
	}
	m.space.members[k] = m
	if m.consent != nil {
		ms.consents[k] = m
		return
	}
	m.inCodes = len(ms.codes[m.Code])
	ms.codes[m.Code] = append(ms.codes[m.Code], m)
	if m.DID != "" {
		m.inDID = len(ms.dids[m.DID])
		ms.dids[m.DID] = append(ms.dids[m.DID], m)
	}
}

func (ms *members) remove(k vocab.Key, m *member) {
	delete(m.space.members, k)
	if m.consent != nil {
		delete(ms.consents, k)
		return
	}
	drop(ms.codes, m.Code, m.inCodes, func(m *member) *int { return &m.inCodes })
	if m.DID != "" {
		drop(ms.dids, m.DID, m.inDID, func(m *member) *int { return &m.inDID })
	}
}

// drop takes the member at a place out of a list; the last one takes its place.
func drop(of map[string][]*member, name string, at int, place func(*member) *int) {
	list := of[name]
	last := len(list) - 1
	list[at] = list[last]
	*place(list[at]) = at
	list[last] = nil
	if last == 0 {
		delete(of, name)
		return
	}
	of[name] = list[:last]
}

// valid reports whether the participant or consent counts at a time.
func (m *member) valid(now time.Time) bool {
	until := m.ValidUntil
	if m.consent != nil {
		until = m.consent.ValidUntil
	}
	return m.stands && (m.expires == 0 || now.UnixNano() < m.expires) && (until.IsZero() || now.Before(until))
}

// ParticipantsOf returns the participants of a space that stand, by code, then
// @id, those out of date and those of a suspended space included. What they
// point to is shared and must not be changed.
func (r *Registry) ParticipantsOf(space string) []vocab.Participant {
	r.mu.RLock()
	var out []vocab.Participant
	if s := r.named(space); s != nil {
		for _, m := range s.members {
			if m.stands && m.consent == nil {
				out = append(out, m.Participant)
			}
		}
	}
	r.mu.RUnlock()
	slices.SortFunc(out, func(a, b vocab.Participant) int {
		if c := strings.Compare(a.Code, b.Code); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

// SpacesOfOrganisation returns the names of the admitted spaces, sorted, in
// which an organisation's 主体标识码 is a participant that is valid at now.
func (r *Registry) SpacesOfOrganisation(code string, now time.Time) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.spacesOf(r.members.codes[code], now)
}

// SpacesOfDID is SpacesOfOrganisation by a participant's DID.
func (r *Registry) SpacesOfDID(did string, now time.Time) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.spacesOf(r.members.dids[did], now)
}

func (r *Registry) spacesOf(list []*member, now time.Time) []string {
	found := map[string]bool{}
	for _, m := range list {
		if !found[m.space.did] && m.valid(now) && r.standingOf(m.space) == Admitted {
			found[m.space.did] = true
		}
	}
	names := make([]string, 0, len(found))
	for did := range found {
		names = append(names, did)
	}
	slices.Sort(names)
	return names
}

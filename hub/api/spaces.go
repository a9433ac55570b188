package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sort"
	"time"

	"lianmu/federation/registry"
	"lianmu/hub/access"
	"lianmu/hub/view"
	"lianmu/index"
	"lianmu/vocab"
)

// spaceRow is a space in the list.
type spaceRow struct {
	view.SpaceSummary
	Keys     []string          `json:"keys,omitempty"` // never: they are told with the space itself
	Standing registry.Standing `json:"standing"`
}

// spaceInfo is all that is told of one space. Standing, reason and keys are
// everybody's, as the log says them to everybody.
type spaceInfo struct {
	view.SpaceSummary
	Standing     registry.Standing `json:"standing"`
	Reason       string            `json:"reason,omitempty"` // of the act that made it so
	Decided      time.Time         `json:"decided,omitzero"`
	Keys         []spaceKey        `json:"keys"`
	Participants int               `json:"participants"` // that the reader may see
	Descriptor   vocab.Digest      `json:"descriptor,omitzero"`
	Waiting      *vocab.Receipt    `json:"waiting,omitempty"` // of a descriptor that waits: for the space and who admits
}

// spaceKey is a key that signs or signed for a space, by positions of the log.
type spaceKey struct {
	DID         string    `json:"did"`
	Valid       bool      `json:"valid"`           // may sign now
	From        uint64    `json:"from"`            // first position at which it is valid
	Until       uint64    `json:"until,omitempty"` // first at which it is not any more
	Added       time.Time `json:"added,omitzero"`
	Retired     time.Time `json:"retired,omitzero"`
	Compromised bool      `json:"compromised,omitempty"`
	Since       *uint64   `json:"since,omitempty"` // compromised: what it signed from there on is void
}

// spaces pages through a list that is short enough to be in memory; the cursor
// is the DID of the last one given.
func (a *api) spaces(w http.ResponseWriter, r *http.Request) error {
	p := readParams(r)
	limit := p.number("limit", 1, maxLimit, 50)
	cursor := p.text("cursor", maxCursor)
	if err := p.end(); err != nil {
		return err
	}
	reader, err := a.reader(r)
	if err != nil {
		return err
	}
	all, err := a.Catalog.Spaces(r.Context(), reader)
	if err != nil {
		return err
	}
	some, err := paged(all, limit, cursor, func(s view.SpaceSummary) string { return s.DID })
	if err != nil {
		return err
	}
	rows := make([]spaceRow, len(some.Items))
	for i, s := range some.Items {
		state, _ := a.Spaces.Space(s.DID)
		rows[i] = spaceRow{SpaceSummary: s, Standing: cmp.Or(state.Standing, registry.Unadmitted)}
	}
	return answer(w, http.StatusOK, listed(rows, some.Next))
}

func (a *api) space(w http.ResponseWriter, r *http.Request) error {
	did, err := a.didAlone(r)
	if err != nil {
		return err
	}
	who, err := a.Guard.Who(r)
	if err != nil {
		return err
	}
	reader := who.Reader()
	all, err := a.Catalog.Spaces(r.Context(), reader)
	if err != nil {
		return err
	}
	info := spaceInfo{SpaceSummary: view.SpaceSummary{Space: vocab.Space{DID: did}}, Standing: registry.Unadmitted, Keys: []spaceKey{}}
	state, known := a.Spaces.Space(did)
	listed := slices.IndexFunc(all, func(s view.SpaceSummary) bool { return s.DID == did })
	if listed >= 0 {
		info.SpaceSummary = all[listed]
	}
	if known {
		info.Standing, info.Reason, info.Decided, info.Descriptor = state.Standing, state.Reason, state.Decided, state.Descriptor
		info.Participants = len(a.membersFor(state, reader))
		for _, k := range state.Keys {
			key := spaceKey{DID: k.DID, Valid: k.Valid(), From: k.From, Until: k.Until, Added: k.Added, Retired: k.Retired, Compromised: k.Compromised}
			if k.Compromised {
				key.Since = &k.Since
			}
			info.Keys = append(info.Keys, key)
		}
	}
	if who.DID == did || who.May(access.SpaceAdmit) {
		receipt, waits, err := a.Admission.State(r.Context(), did)
		if err != nil {
			return err
		}
		if waits {
			info.Waiting, known = &receipt, true
		}
	}
	if !known && listed < 0 {
		return spaceNotFound()
	}
	return answer(w, http.StatusOK, info)
}

func spaceNotFound() error {
	return vocab.Problems{vocab.NewProblem("", "space.not_found", "没有这个数据空间。", "There is no such data space.")}
}

// didAlone reads the DID in the path of a request that takes no parameters.
func (a *api) didAlone(r *http.Request) (string, error) {
	if err := readParams(r).end(); err != nil {
		return "", err
	}
	return pathValue(r, "did", maxID)
}

// participants pages through those of a space: all for the space and for who
// sees everything, else the public ones. The cursor is the last one's code and
// @id, so a page goes on where it should though others come and go.
func (a *api) participants(w http.ResponseWriter, r *http.Request) error {
	p := readParams(r)
	limit := p.number("limit", 1, maxLimit, 50)
	cursor := p.text("cursor", maxCursor)
	if err := p.end(); err != nil {
		return err
	}
	did, err := pathValue(r, "did", maxID)
	if err != nil {
		return err
	}
	reader, err := a.reader(r)
	if err != nil {
		return err
	}
	state, known := a.Spaces.Space(did)
	if !known {
		return spaceNotFound()
	}
	all := a.membersFor(state, reader)
	name := func(p vocab.Participant) string { return p.Code + " " + p.ID }
	if cursor != "" {
		all = all[sort.Search(len(all), func(i int) bool { return name(all[i]) > cursor }):]
	}
	next := ""
	if len(all) > limit {
		all = all[:limit]
		next = name(all[limit-1])
	}
	return answer(w, http.StatusOK, listed(all, next))
}

// membersFor are the participants of a space that a reader may see. Those of a
// suspended space count for nothing, so others see none.
func (a *api) membersFor(s registry.SpaceState, reader vocab.Reader) []vocab.Participant {
	did := s.Space.DID
	all := a.Spaces.ParticipantsOf(did)
	if reader.MaySee(vocab.AudienceSpace, did) {
		return all
	}
	var some []vocab.Participant
	for _, p := range all {
		if s.Standing == registry.Admitted && reader.MaySee(p.Audience, did) {
			some = append(some, p)
		}
	}
	return some
}

// page answers with a part of a list that is short enough to be in memory.
func page[T any](a *api, w http.ResponseWriter, r *http.Request, all func(context.Context, access.Who) ([]T, error), name func(T) string) error {
	p := readParams(r)
	limit := p.number("limit", 1, maxLimit, 50)
	cursor := p.text("cursor", maxCursor)
	if err := p.end(); err != nil {
		return err
	}
	who, err := a.Guard.Who(r)
	if err != nil {
		return err
	}
	items, err := all(r.Context(), who)
	if err != nil {
		return err
	}
	some, err := paged(items, limit, cursor, name)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, some)
}

// paged cuts out what follows the item of that name. Where it has gone it is
// index.ErrCursor.
func paged[T any](all []T, limit int, cursor string, name func(T) string) (list[T], error) {
	if cursor != "" {
		at := -1
		for i := range all {
			if name(all[i]) == cursor {
				at = i
				break
			}
		}
		if at < 0 {
			return list[T]{}, index.ErrCursor
		}
		all = all[at+1:]
	}
	next := ""
	if len(all) > limit {
		all = all[:limit]
		next = name(all[limit-1])
	}
	return listed(all, next), nil
}

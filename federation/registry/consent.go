package registry

import (
	"bytes"
	"slices"
	"time"

	"lianmu/vocab"
)

// Consent is a holder's word that spaces may list his products, which is in force.
// What it points to is shared and must not be changed.
type Consent struct {
	*vocab.Consent
	Digest vocab.Digest // of the document
	Log    string       // origin of the log that it stands in, whose hub took it

	space    string // DID of the space in whose name it came
	key      vocab.Key
	position uint64
}

// Consents returns the consents that are in force at now, by digest: which stand in
// the home log of their space, are not out of date, and whose space is admitted by
// the decision of a hub. Of a holder who signed with a key of his own it counts
// that the space's home took the consent; in the own log, which knows all
// participants, he must be one still. One who signed with the space's key must be
// its operator. Of a space that has more than vocab.MaxConsents none is.
func (u *Union) Consents(now time.Time) []Consent {
	var out []Consent
	for _, p := range u.logs() {
		for _, c := range p.consents(now, p.own) {
			h, parts := u.find(c.space)
			if !h.counts() || parts[h.tells].Registry != p.Registry {
				continue
			}
			// The space may have taken it down elsewhere.
			v, ok := u.Version(c.key)
			if ok && v.Kind == vocab.KindConsent && v.Log == p.origin && v.Position == c.position && !v.Final && !v.Void && !v.Suspended {
				c.Digest, c.Log = v.Digest, v.Log
				out = append(out, c)
			}
		}
	}
	slices.SortFunc(out, func(a, b Consent) int { return bytes.Compare(a.Digest[:], b.Digest[:]) })
	return out
}

// consents are those in force by the word of this log; all tells that every
// participant is in it.
func (r *Registry) consents(now time.Time, all bool) (out []Consent) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for k, m := range r.members.consents {
		s := m.space
		if !m.valid(now) || s.consents > vocab.MaxConsents || s.decided == 0 || r.standingOf(s) != Admitted {
			continue
		}
		if m.consent.DID == "" && !s.operatedBy(m.consent.Holder) || all && m.consent.DID != "" && !r.takesPart(m.consent.Holder, m.consent.DID, s, now) {
			continue
		}
		out = append(out, Consent{Consent: m.consent, space: s.did, key: k, position: m.position})
	}
	return out
}

func (s *space) operatedBy(code string) bool {
	return s.ring.text >= 0 && s.ring.events[s.ring.text].text.Operator.Code == code
}

// takesPart reports whether an organisation is a participant of a space, under a
// DID, that is valid at now.
func (r *Registry) takesPart(code, did string, s *space, now time.Time) bool {
	return slices.ContainsFunc(r.members.dids[did], func(m *member) bool { return m.space == s && m.Code == code && m.valid(now) })
}

// MayConsent says why a space that is about to give a holder's consent may not, as
// vocab.Problems: it has too many, nobody has decided about it, or the holder is
// neither its operator nor, under the DID that signed, its participant.
func (r *Registry) MayConsent(space, id string, c *vocab.Consent, now time.Time) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := r.named(space)
	if r.standingOf(s) != Admitted {
		return nil // which is said where it is decided on
	}
	v, ok := r.versions[vocab.KeyOf(space, id)]
	switch {
	case s == nil || s.decided == 0:
		return vocab.Problems{vocab.NewProblem("", "consent.undecided",
			"空间 %[1]s 是在本目录节点开放试用时自动接入的，没有经运营方审核，它转交的上架授权不起作用：请联系本节点的运营方，或提交到审核准入的目录节点",
			"space %[1]s came in while this hub was open to everybody, and nobody has decided about it, so a consent that it brings would count for nothing: ask the operator of this hub, or use a hub that decides whom it admits", space)}
	case s.consents >= vocab.MaxConsents && !(ok && v.kind == vocab.KindConsent && r.stands(vocab.KeyOf(space, id), v)):
		return vocab.Problems{vocab.NewProblem("", "consent.too_many",
			"空间 %[1]s 已有 %[2]d 份上架授权，不能再多：请先下架不再需要的，或在一份里列出多个产品和空间",
			"space %[1]s has %[2]d consents and cannot have more: withdraw what is not needed, or name several products and spaces in one", space, vocab.MaxConsents)}
	case c.DID == "" && !s.operatedBy(c.Holder):
		return vocab.Problems{vocab.NewProblem("/subjectCode", "consent.holder",
			"持有方 %[1]s 不是空间 %[2]s 的运营方：请写明持有方的 DID（did），由持有方一起签名，并先把它登记为本空间的接入主体",
			"the holder, %[1]s, does not operate space %[2]s: name the holder's DID (did), have it sign too, and register it as a participant of the space first", c.Holder, space)}
	case c.DID != "" && !r.takesPart(c.Holder, c.DID, s, now):
		return vocab.Problems{vocab.NewProblem("/did", "consent.holder",
			"空间 %[2]s 没有代码为 %[1]s、DID 为 %[3]s 的有效接入主体：请先登记（或更新）这个接入主体，再提交授权",
			"space %[2]s has no valid participant with the code %[1]s and the DID %[3]s: register it (or bring it up to date) first, then submit the consent", c.Holder, space, c.DID)}
	}
	return nil
}

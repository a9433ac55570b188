package registry

import (
	"iter"
	"time"

	"lianmu/vocab"
)

// found is what one log has under a key.
type found struct {
	log     int // its place among the parts
	version version
	signer  string
	shown   Version // as that log has it
}

// removal is a withdrawal or deregistration that one log holds.
type removal struct {
	found
	void bool // as that log has it
}

// look asks one log for a key: what stands there, whose it is, and what the
// space itself said to take it down.
func (p part) look(i int, k vocab.Key) (f found, space string, removals []removal, ok bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	v, ok := p.versions[k]
	if !ok {
		return f, "", nil, false
	}
	at := func(v version) found {
		shown := p.unpack(k, v)
		shown.Log = p.origin
		return found{log: i, version: v, signer: p.signer(v.signer).did, shown: shown}
	}
	for _, w := range p.withdrawn[k] {
		removals = append(removals, removal{at(w), p.stolen(w.signer, w.position)})
	}
	for _, e := range p.ends(k) {
		if e.hubs {
			continue
		}
		d := at(version{position: e.position, first: v.first, signer: e.signer, kind: vocab.KindDeregistration, received: e.received, marks: ended})
		d.shown.Final = true
		removals = append(removals, removal{d, p.stolen(e.signer, e.position)})
	}
	return at(v), p.home(v.signer).did, removals, true
}

// Version returns what stands under a key, in whichever log: Version.Log. One
// that is known and may not stand, because its space has no home here or its
// home does not have it, is Suspended.
func (u *Union) Version(k vocab.Key) (Version, bool) {
	var all []found
	var removals []removal
	space := ""
	asked := u.logs()
	for i, p := range asked {
		if f, did, rs, ok := p.look(i, k); ok {
			all, removals, space = append(all, f), append(removals, rs...), did
		}
	}
	if len(all) == 0 {
		return Version{}, false
	}
	h, parts := u.find(space)
	if len(parts) != len(asked) || &parts[0] != &asked[0] {
		return u.Version(k) // a log has come or gone meanwhile
	}
	switch {
	case h.kind == free:
		return amongAll(k, all, removals, h, parts, space), true
	case h.counts():
		return atHome(k, all, removals, h, parts, space), true
	}
	return hidden(all), true
}

// hidden is the latest of what may not stand.
func hidden(all []found) Version {
	best := all[0]
	for _, f := range all[1:] {
		if later(f.version, best.version) {
			best = f
		}
	}
	best.shown.Suspended = true
	return best.shown
}

// atHome is what the one log that counts has, less what the space itself took
// down in others with keys that are valid there now.
func atHome(k vocab.Key, all []found, removals []removal, h home, parts []part, space string) Version {
	base := -1
	for i, f := range all {
		if f.log == h.tells {
			base = i
		}
	}
	if base < 0 {
		return hidden(all)
	}
	best, final := all[base], all[base].shown.Final
	best.shown.Void = best.shown.Void || barred(k, best, parts, space)
	suspended := best.shown.Suspended
	for _, r := range removals {
		if r.log == h.tells || !parts[h.tells].mayTakeDown(space, r.signer) {
			continue
		}
		if r.version.kind == vocab.KindDeregistration {
			final = true
		} else if later(r.version, best.version) {
			best = r.found
		}
	}
	best.shown.Final, best.shown.Suspended = final, suspended
	return best.shown
}

// amongAll is the latest version in any log, of a space that has named no home.
// What a hub did itself, and what keys signed that only a hub gave, counts for
// its own log alone: of equal versions the own log's is taken, else one that
// stands in its log. So a hub that copies what a space said elsewhere takes
// nothing of it down.
func amongAll(k vocab.Key, all []found, removals []removal, h home, parts []part, space string) Version {
	counts := func(f found) bool {
		return parts[f.log].own || f.version.marks&hubs == 0 && (h.words[f.log] == nil || h.words[f.log][f.version.signer])
	}
	var best *found
	for i := range all {
		f := &all[i]
		if counts(*f) && (best == nil || later(f.version, best.version) || !later(best.version, f.version) && f.standsBefore(*best, parts)) {
			best = f
		}
	}
	if best == nil {
		return hidden(all)
	}
	out, version := best.shown, best.version
	out.Void = out.Void || barred(k, *best, parts, space)
	for _, r := range removals {
		switch {
		case r.log == best.log || r.void || !counts(r.found):
		case r.version.kind == vocab.KindDeregistration:
			out.Final = true
		case later(r.version, version):
			final, suspended := out.Final, out.Suspended
			out, version = r.shown, r.version
			out.Final, out.Suspended = final, suspended
		}
	}
	return out
}

// standsBefore reports whether of two equal versions f is the one to show, where
// they do not come in the order of their logs' origins anyway: who has a hub of
// his own chooses its origin, and must not choose by that whether something is
// shown, or to whom.
func (f found) standsBefore(best found, parts []part) bool {
	switch {
	case f.shown.Void != best.shown.Void:
		return best.shown.Void
	case parts[best.log].own:
		return false
	case f.held() != best.held():
		return best.held()
	}
	return f.version.marks&public != 0 && best.version.marks&public == 0
}

// held reports whether something in the version's own log keeps it from being shown.
func (f found) held() bool { return f.shown.Suspended || f.shown.Final }

// barred reports whether the hub itself redacted the content of another log's
// version.
func barred(k vocab.Key, f found, parts []part, space string) bool {
	return f.log != 0 && says(f.version.kind) && (parts[0].barsContent(space, f.version.content) || parts[0].BansName(k))
}

// Offerings yields every version of these spaces' offerings in any log, published
// or not, in no order. Withdrawals of participants and consents are among them.
func (u *Union) Offerings(spaces ...string) iter.Seq2[vocab.Key, Version] {
	return func(yield func(vocab.Key, Version) bool) {
		parts := u.logs()
		seen := map[vocab.Key]bool{}
		for _, p := range parts {
			for _, k := range p.offerings(spaces) {
				if len(parts) > 1 {
					if seen[k] {
						continue
					}
					seen[k] = true
				}
				if v, ok := u.Version(k); ok && !ofOrganisation(v.Kind) && !yield(k, v) {
					return
				}
			}
		}
	}
}

// Expired returns the keys of versions that stand whose proof has expired at
// now, unless none can have since the last call. It asks every log's Expired,
// so nobody else must.
func (u *Union) Expired(now time.Time) []vocab.Key {
	var keys []vocab.Key
	for _, p := range u.logs() {
		for _, k := range p.Registry.Expired(now) {
			if v, ok := u.Version(k); ok && !v.Shown(now) {
				keys = append(keys, k)
			}
		}
	}
	return keys
}

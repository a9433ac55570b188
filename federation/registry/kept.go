package registry

import (
	"slices"

	"lianmu/vocab"
)

// kept is how many versions of one name are remembered beside the one that
// stands, so that what was good stands again when it turns out that a thief
// overtook it. They are the latest, by the order of versions: so of those that
// are left after a theft the first is the one that would have stood, or, where
// all were the thief's, none is known, nothing stands, and the space publishes
// anew. That depends on the entries alone, never on the order they came in.
const kept = 4

// othersOf are the versions of a name beside the one that stands, latest first.
func (f *fold) othersOf(k vocab.Key) []version {
	all, ok := f.others[k]
	if !ok && f.below != nil {
		return f.below.othersOf(k)
	}
	return all
}

// all are the versions of a name that are remembered, latest first. They are the
// caller's.
func (f *fold) all(k vocab.Key) []version {
	stands, known := f.version(k)
	if !known {
		return nil
	}
	stands.marks &^= publicFirst
	return remember(slices.Clone(f.othersOf(k)), stands)
}

// remember adds a version to those of a name. One that stands in place of an
// entry goes when the entry itself comes, and is not needed where that is known.
func remember(all []version, v version) []version {
	if i := slices.IndexFunc(all, func(w version) bool { return w.position == v.position }); i >= 0 {
		if all[i].marks&withheld == 0 || v.marks&withheld != 0 {
			return all
		}
		all = slices.Delete(all, i, i+1)
	}
	at := slices.IndexFunc(all, func(w version) bool { return later(v, w) })
	if at < 0 {
		at = len(all)
	}
	all = slices.Insert(all, at, v)
	return all[:min(len(all), kept+1)]
}

// choose tells which of the versions of a name stands: the latest that no thief
// signed, or, where there is none, the latest of all, which is void and keeps the
// place.
func (f *fold) choose(all []version) int {
	return max(0, slices.IndexFunc(all, func(v version) bool { return !f.lost(v) }))
}

// lost reports whether a thief signed a version, or the entry in whose place it
// stands.
func (f *fold) lost(v version) bool {
	return (v.marks&hubs == 0 || v.marks&withheld != 0) && f.stolen(v.signer, v.position)
}

// settle keeps the versions of a name, and returns the one that stands.
func (f *fold) settle(k vocab.Key, all []version) version {
	i := f.choose(all)
	if len(all) > 1 || len(f.othersOf(k)) > 0 {
		others := make([]version, 0, len(all)-1) // no larger: there may be millions
		f.others[k] = append(append(others, all[:i]...), all[i+1:]...)
	}
	return all[i]
}

// chooseAnew looks at all names of a space, when it has changed which of its keys
// are a thief's.
func (f *fold) chooseAnew(s *space) {
	names := map[vocab.Key]bool{}
	for at := f; at != nil; at = at.below {
		for k := range at.others {
			names[k] = true
		}
	}
	for k := range names {
		old, known := f.version(k)
		if !known || f.home(old.signer).number != s.number {
			continue
		}
		next := f.settle(k, f.all(k))
		if next.position == old.position {
			continue
		}
		next.first, next.marks = old.first, next.marks|old.marks&(ended|publicFirst)
		f.put(k, next, nil)
	}
}

// blot marks an entry under a name as redacted, where it is remembered.
func (f *fold) blot(k vocab.Key, position uint64) {
	others := slices.Clone(f.othersOf(k))
	i := slices.IndexFunc(others, func(v version) bool { return v.position == position && v.marks&hubs == 0 })
	if i < 0 {
		return
	}
	others[i].content, others[i].expires = vocab.Digest{}, 0
	others[i].marks = others[i].marks&ended | redacted
	f.others[k] = others
	if f.watch != nil {
		f.watch(k, false)
		f.watch(k, true)
	}
}

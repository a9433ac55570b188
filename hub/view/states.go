package view

import (
	"context"

	"lianmu/federation/registry"
	"lianmu/vocab"
)

// States returns, of the own log, the state of its registry and of what the index
// has of it, for comparing with a fold of that log. What the index must not have
// of the log, because of what is said elsewhere, counts as the log gives it: the
// index falls short only where it lacks what the union shows by the own log.
func (cat *Catalog) States(ctx context.Context) ([]State, error) {
	given, position := cat.c.Registry.Shown(cat.c.Now())
	states := []State{{View: "registry", Position: position, Offerings: len(given), Digest: registry.DigestOf(given)}}
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	e := cat.ix
	cursor := e.Cursor()
	shown, err := e.Holding(ctx, map[string]string{"hub": cat.own.origin})
	if err != nil {
		return nil, err
	}
	granted, err := cat.granted(e)
	if err != nil {
		return nil, err
	}
	for k, digest := range given {
		if _, there := shown[k]; !there && (granted[k] || cat.overruled(k)) {
			shown[k] = digest
		}
	}
	return append(states, State{View: "index", Position: cursor, Offerings: len(shown), Digest: registry.DigestOf(shown)}), nil
}

// overruled reports whether the union does not show the own log's version of an
// offering: another log has another, or took it down, or the space is at home
// elsewhere.
func (cat *Catalog) overruled(k vocab.Key) bool {
	v, _ := cat.c.Union.Version(k)
	return v.Log != cat.own.origin || !v.Shown(cat.c.Now())
}

// granted are the offerings of which the union cannot tell whether the index
// should have them, because a mirror that the index was made of is not attached:
// those of the spaces that the own log and a mirror know.
func (cat *Catalog) granted(e *edition) (map[vocab.Key]bool, error) {
	if len(cat.unseen(e)) == 0 {
		return nil, nil
	}
	var both []string
	for _, s := range cat.c.Registry.Spaces() {
		shared, err := e.Note(noteShared + s.Space.DID)
		if err != nil {
			return nil, err
		}
		if shared != "" {
			both = append(both, s.Space.DID)
		}
	}
	all := map[vocab.Key]bool{}
	for k := range cat.c.Registry.Offerings(both...) {
		all[k] = true
	}
	return all, nil
}

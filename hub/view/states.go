package view

import (
	"context"

	"lianmu/federation/registry"
	"lianmu/vocab"
)

// States returns, of the own log, the state of its registry and of what the index
// has of it, for comparing with a fold of that log. What the log alone would show
// and another log has another version of, took down, or is the home of, counts as
// the own log has it; where a mirror that the index was made of is not attached,
// that is not looked at one by one, but taken for granted of the spaces that both
// know.
func (cat *Catalog) States(ctx context.Context) ([]State, error) {
	position := cat.c.Registry.Position()
	digest, n := cat.c.Registry.Digest(cat.c.Now())
	states := []State{{View: "registry", Position: position, Offerings: n, Digest: digest}}
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	e := cat.ix
	cursor := e.Cursor()
	shown, err := e.Holding(ctx, map[string]string{"hub": cat.own.origin})
	if err == nil && len(e.mirrors()) > 0 {
		err = cat.overruled(e, shown)
	}
	if err != nil {
		return nil, err
	}
	return append(states, State{View: "index", Position: cursor, Offerings: len(shown), Digest: registry.DigestOf(shown)}), nil
}

// overruled adds to shown what the own log alone would show, and the union does
// not.
func (cat *Catalog) overruled(e *edition, shown map[vocab.Key]vocab.Digest) error {
	now, granted := cat.c.Now(), len(cat.unseen(e)) > 0
	for _, s := range cat.c.Registry.Spaces() {
		both, err := e.Note(noteShared + s.Space.DID)
		if err != nil {
			return err
		}
		for k, v := range cat.c.Registry.Offerings(s.Space.DID) {
			if _, there := shown[k]; there || !v.Shown(now) {
				continue
			}
			if u, _ := cat.c.Union.Version(k); granted && both != "" || u.Log != cat.own.origin || !u.Shown(now) {
				shown[k] = v.Digest
			}
		}
	}
	return nil
}

// Shown is all that the index shows, of all logs, as key and digest of the
// document: two hubs that hold the same logs and may read the same show the same.
func (cat *Catalog) Shown(ctx context.Context) (map[vocab.Key]vocab.Digest, error) {
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	shown := map[vocab.Key]vocab.Digest{}
	for _, f := range cat.feeds() {
		held, err := cat.ix.Holding(ctx, map[string]string{"hub": f.origin})
		if err != nil {
			return nil, err
		}
		for k, d := range held {
			shown[k] = d
		}
	}
	return shown, nil
}

// Count is the number of offerings in the index, of all logs.
func (cat *Catalog) Count() uint64 {
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	return cat.ix.Count()
}

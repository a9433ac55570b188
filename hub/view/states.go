package view

import (
	"context"
	"strings"

	"lianmu/federation/registry"
	"lianmu/vocab"
)

// States returns, of the own log, the state of its registry and of what the index
// has of it, for comparing with a fold of that log. An offering that the log
// gives, and that the index shows by another log instead, counts as shown as the
// log gives it.
func (cat *Catalog) States(ctx context.Context) ([]State, error) {
	now := cat.c.Now()
	position := cat.c.Registry.Position()
	digest, n := cat.c.Registry.Digest(now)
	states := []State{{View: "registry", Position: position, Offerings: n, Digest: digest}}
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	e := cat.ix
	cursor := e.Cursor()
	shown, err := e.Holding(ctx, map[string]string{"hub": cat.own.origin})
	if err == nil && len(e.mirrors()) > 0 {
		err = cat.overruled(ctx, e, shown)
	}
	if err != nil {
		return nil, err
	}
	return append(states, State{View: "index", Position: cursor, Offerings: len(shown), Digest: registry.DigestOf(shown)}), nil
}

// overruled adds to shown what the own log alone would show and the index does
// not, because it shows the same offering, or has the home of its space, by
// another log.
func (cat *Catalog) overruled(ctx context.Context, e *edition, shown map[vocab.Key]vocab.Digest) error {
	now := cat.c.Now()
	add := func(k vocab.Key) {
		if v, ok := cat.c.Registry.Version(k); ok && v.Shown(now) {
			if _, there := shown[k]; !there {
				shown[k] = v.Digest
			}
		}
	}
	for _, origin := range e.mirrors() {
		held, err := e.Holding(ctx, map[string]string{"hub": origin})
		if err != nil {
			return err
		}
		for k := range held {
			add(k)
		}
	}
	for _, s := range cat.c.Registry.Spaces() {
		basis, err := e.Note(noteSpace + s.Space.DID)
		if err != nil {
			return err
		}
		if home, _, _ := strings.Cut(basis, " "); home == "" {
			continue
		}
		for k := range cat.c.Registry.Offerings(s.Space.DID) {
			add(k)
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

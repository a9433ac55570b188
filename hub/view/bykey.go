package view

import (
	"context"
	"fmt"
	"io/fs"
	"time"

	"lianmu/federation/registry"
	"lianmu/index"
	"lianmu/index/query"
	"lianmu/vocab"
)

// OfferingByKey returns the offering of any space with this @id or registered
// code. Of several spaces' the own log's is taken, else the one whose name came
// first: whoever copies an @id or a code later, with whatever dates, does not take
// it over. An @id goes before a code. At most mostNamesakes are compared. Errors
// are those of Offering; of a suspended space's only the @id is known.
func (cat *Catalog) OfferingByKey(ctx context.Context, id string, reader vocab.Reader) (*Detail, error) {
	if len(id) > maxID {
		return nil, ErrNotFound
	}
	for _, field := range []string{"id", "code"} {
		space, name, err := cat.first(ctx, field, id, reader)
		if err != nil {
			return nil, err
		}
		if space != "" {
			v, _ := cat.c.Union.Version(vocab.KeyOf(space, name))
			return cat.detail(ctx, space, v, reader)
		}
	}
	return nil, cat.suspendedByKey(ctx, id, reader)
}

// suspendedByKey looks for an @id among the suspended spaces: it reads one
// document if there is such a space, whether or not one of them has the @id.
func (cat *Catalog) suspendedByKey(ctx context.Context, id string, reader vocab.Reader) error {
	var found *registry.SpaceState
	var version registry.Version
	for _, s := range cat.c.Union.Spaces() {
		if s.Standing != registry.Suspended {
			continue
		}
		v, _ := cat.c.Union.Version(vocab.KeyOf(s.Space.DID, id))
		if found == nil || v.Published() {
			found, version = &s, v
		}
		if v.Published() {
			break
		}
	}
	if found == nil {
		return ErrNotFound
	}
	return cat.suspended(ctx, *found, version, reader)
}

// mostNamesakes bounds how many offerings of one @id or code are compared.
const mostNamesakes = 1000

// first finds, of the offerings that have value in field, the one whose name came
// first; space is "" where there is none. A name in the own log goes before all
// others: no other hub's clock counts against it. Among mirrors it is when the name
// came into that log by the clock of its hub, but not before the mirror was first
// held here: a log that is new here may tell of any past.
func (cat *Catalog) first(ctx context.Context, field, value string, reader vocab.Reader) (space, id string, err error) {
	type name struct {
		space, id string
		first     uint64
	}
	earliest := map[string]name{} // by log
	req := index.Request{Query: query.All{}, Filters: map[string][]string{field: {value}}, Reader: reader, Sort: "modified", Limit: 100}
	for seen := 0; seen < mostNamesakes; {
		res, err := cat.searched(ctx, req)
		if err != nil {
			return "", "", err
		}
		for _, h := range res.Hits {
			v, ok := cat.c.Union.Version(vocab.KeyOf(h.Space, h.ID))
			if best, other := earliest[v.Log]; ok && (!other || v.First < best.first) {
				earliest[v.Log] = name{h.Space, h.ID, v.First}
			}
		}
		seen += len(res.Hits)
		if req.After = res.Next; req.After == "" {
			break
		}
	}
	var at time.Time
	for _, f := range cat.feeds() {
		n, ok := earliest[f.origin]
		if !ok {
			continue
		}
		if f.own || len(earliest) == 1 {
			return n.space, n.id, nil
		}
		came, err := f.came(ctx, n.first)
		if err != nil {
			return "", "", err
		}
		if came.Before(f.Since) {
			came = f.Since
		}
		if space == "" || came.Before(at) {
			space, id, at = n.space, n.id, came
		}
	}
	return space, id, nil
}

// came is when an entry came into a log.
func (f *feed) came(ctx context.Context, position uint64) (time.Time, error) {
	for rec, err := range f.Log.Facts(ctx, position, position+1) {
		return rec.ReceivedAt, err
	}
	return time.Time{}, fmt.Errorf("entry %d of log %s: %w", position, f.origin, fs.ErrNotExist)
}

// searched runs a search over what is attached.
func (cat *Catalog) searched(ctx context.Context, req index.Request) (*index.Result, error) {
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	req.Without = cat.unseen(cat.ix)
	return cat.ix.Search(ctx, req)
}

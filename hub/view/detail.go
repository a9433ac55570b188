package view

import (
	"context"

	"lianmu/federation/ledger"
	"lianmu/federation/registry"
	"lianmu/index"
	"lianmu/index/query"
	"lianmu/vocab"
	"lianmu/vocab/shape"
)

// Offering returns one offering with its signed document. What the reader may
// not see is ErrNotFound, as if it were not there, and at the same cost: the
// index, or what is on its way there, says whether the document is for this
// reader before it is read. One of a suspended space is vocab.Problems
// (space.suspended) to whoever could see it otherwise.
func (cat *Catalog) Offering(ctx context.Context, space, id string, reader vocab.Reader) (*Detail, error) {
	if len(id) > maxID {
		return nil, ErrNotFound
	}
	v, there := cat.c.Union.Version(vocab.KeyOf(space, id))
	if s, ok := cat.c.Union.Space(space); ok && s.Standing == registry.Suspended {
		return nil, cat.suspended(ctx, s, v, reader)
	}
	if !reader.MaySee(vocab.AudienceSpace, space) {
		may, err := cat.visible(ctx, space, id, v, reader)
		if err != nil {
			return nil, err
		}
		if !may {
			return nil, ErrNotFound
		}
	}
	if !there {
		return nil, ErrNotFound
	}
	return cat.detail(ctx, space, v, reader)
}

// visible reports whether the reader may see what the index has under a name,
// or what it will have in a moment. It reads no document, and does the same
// for a name that is nobody's; v is then zero.
func (cat *Catalog) visible(ctx context.Context, space, id string, v registry.Version, reader vocab.Reader) (bool, error) {
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	// What is on its way comes first, as it leaves only once the index has it.
	f := cat.feed(v.Log)
	if f == nil { // it is nobody's
		f = cat.own
	}
	it, soon := f.fresh.get(v.Position, v.Position+1)[v.Position]
	res, err := cat.ix.Search(ctx, index.Request{
		Query: query.All{}, Filters: map[string][]string{"id": {id}, "space": {space}}, Reader: reader, Sort: "modified", Limit: 1,
		Without: cat.unseen(cat.ix),
	})
	if err != nil {
		return false, err
	}
	if soon && it.fact.Space == space && it.fact.ID == id && it.reading != nil && it.reading.Offering != nil {
		return reader.MaySee(vocab.AudienceOf(it.reading.Offering, cat.fallback(f, space)), space), nil
	}
	return res.Total > 0, nil
}

// maxID is the most bytes of an @id that is read (see package shape): nothing has
// a longer one, and no more than that is told.
const maxID = 2048

// detail reads the document of a version and tells it, if the reader may see it.
func (cat *Catalog) detail(ctx context.Context, space string, v registry.Version, reader vocab.Reader) (*Detail, error) {
	f := cat.feed(v.Log)
	if f == nil || !v.Shown(cat.c.Now()) {
		return nil, ErrNotFound
	}
	rec, r, err := cat.document(ctx, f, v.Position)
	if err != nil {
		return nil, err
	}
	if r.Offering == nil {
		return nil, ErrNotFound
	}
	audience := vocab.AudienceOf(r.Offering, cat.fallback(f, space))
	if !reader.MaySee(audience, space) {
		return nil, ErrNotFound
	}
	s, _ := cat.c.Union.Space(space)
	return &Detail{
		Offering: r.Offering, Space: space, SpaceName: s.Space.Name, Hub: f.origin, State: cat.stateOf(cat.c.States(), f.origin),
		Position: v.Position, Digest: v.Digest, Created: v.Created, Expires: v.Expires,
		ReceivedAt: rec.ReceivedAt, Audience: audience, Warnings: r.Warnings, Document: rec.Document,
	}, nil
}

// document reads an entry and what it says.
func (cat *Catalog) document(ctx context.Context, f *feed, position uint64) (ledger.Record, *shape.Reading, error) {
	cat.reads.Add(1)
	rec, err := f.Log.Get(ctx, position)
	if err != nil {
		return rec, nil, err
	}
	r, err := cat.c.Reader.ReadDocument(ctx, cat.c.Processor, rec.Document, rec.ReceivedAt)
	return rec, r, err
}

// suspended tells why an offering of a suspended space is not shown, to whoever
// could see it otherwise; to others, and where nothing is published, it is
// ErrNotFound. The index has let all of the space go, so the document itself
// says for whom it is; where there is none the space's own is read in its
// place, so that both take as long.
func (cat *Catalog) suspended(ctx context.Context, s registry.SpaceState, v registry.Version, reader vocab.Reader) error {
	f, position := cat.feed(s.Log), s.DescriptorPosition
	there := v.Published() && (v.Expires.IsZero() || cat.c.Now().Before(v.Expires))
	if at := cat.feed(v.Log); there && at != nil {
		f, position = at, v.Position
	}
	if f == nil { // it has just been detached
		return ErrNotFound
	}
	_, r, err := cat.document(ctx, f, position)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case !there || err != nil || r.Offering == nil || !reader.MaySee(vocab.AudienceOf(r.Offering, cat.fallback(f, s.Space.DID)), s.Space.DID):
		return ErrNotFound
	}
	name := func(language string) string {
		if n := s.Space.Name.In(language); n != "" {
			return n
		}
		return s.Space.DID
	}
	p := vocab.NewProblem("", "space.suspended",
		"提供这项产品的数据空间“%[1]s”已被暂停，恢复前不展示它的产品。理由：%[3]s",
		"The data space %[2]s, which offers this, is suspended; nothing of it is shown until it is resumed. Reason: %[3]s",
		name("zh"), name("en"), s.Reason)
	return vocab.Problems{p}
}

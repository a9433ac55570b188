package view

import (
	"context"
	"fmt"
	"slices"

	"lianmu/index"
	"lianmu/vocab"
)

// noteFallback is the name of the note that says what the hub's own default
// audience was when the index was built.
const noteFallback = "fallback"

// reconcile brings the offerings of spaces level with the registry where one of
// the items changes more than what it names: a suspension, a stolen key, another
// default audience. All but the last of it is applied, the cursor left at from,
// so a crash on the way does it again. It returns notes for the batch that moves
// the cursor.
func (cat *Catalog) reconcile(ctx context.Context, ix *index.Index, items []item, from uint64) (notes map[string]string, err error) {
	spaces := map[string]bool{} // → whether every offering is read again
	note := func(space string, again bool) { spaces[space] = spaces[space] || again }
	for _, it := range items {
		space := it.fact.Space
		switch {
		case it.fact.Kind == vocab.KindSpace:
		case it.reading != nil && it.reading.Act != nil:
			space = it.reading.Act.Space
			note(space, false)
		case it.reading != nil && it.reading.Redaction != nil:
			space = it.reading.Redaction.Space
			if space == "" {
				continue
			}
			note(space, false)
		default:
			continue
		}
		// The default may have changed with any of them: the descriptor that
		// stands is another.
		was, err := ix.Note("space " + space)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errIndex, err)
		}
		if now := string(cat.fallback(space)); now != was && !(was == "" && now == string(cat.c.Fallback)) {
			note(space, true)
			if notes == nil {
				notes = map[string]string{}
			}
			notes["space "+space] = now
		}
	}
	if len(spaces) == 0 {
		return notes, nil
	}
	have := map[vocab.Key]vocab.Digest{}
	for k, d := range ix.All(ctx) {
		have[k] = d
	}
	for space, again := range spaces {
		if err := cat.levelSpace(ctx, ix, space, again, have, from); err != nil {
			return nil, err
		}
	}
	return notes, ctx.Err()
}

// levelSpace brings the offerings of one space level: what is not shown any more
// goes, what is and is missing comes; again: what is there is read again too.
func (cat *Catalog) levelSpace(ctx context.Context, ix *index.Index, space string, again bool, have map[vocab.Key]vocab.Digest, cursor uint64) error {
	now := cat.c.Now()
	var gone []vocab.Key
	var missing []uint64
	for k, v := range cat.c.Registry.Offerings(space) {
		digest, there := have[k]
		switch {
		case !v.Shown(now):
			if there {
				gone = append(gone, k)
			}
		case !there || digest != v.Digest || again:
			missing = append(missing, v.Position)
		}
	}
	for part := range slices.Chunk(gone, chunk) {
		if err := ix.Apply(ctx, nil, part, cursor); err != nil {
			return fmt.Errorf("%w: offerings of %s: %w", errIndex, space, err)
		}
	}
	slices.Sort(missing)
	for part := range slices.Chunk(missing, chunk) {
		items, err := cat.at(ctx, part)
		if err != nil {
			return err
		}
		puts, deletes := cat.changes(items)
		if err := ix.Apply(ctx, puts, deletes, cursor); err != nil {
			return fmt.Errorf("%w: offerings of %s: %w", errIndex, space, err)
		}
	}
	return nil
}

// at returns the entries at ascending positions, with their readings.
func (cat *Catalog) at(ctx context.Context, positions []uint64) ([]item, error) {
	items := make([]item, 0, len(positions))
	for i := 0; i < len(positions); {
		end := i + 1 // neighbours are read in one go
		for end < len(positions) && positions[end] == positions[end-1]+1 {
			end++
		}
		for rec, err := range cat.c.Log.Read(ctx, positions[i], positions[end-1]+1) {
			if err != nil {
				return nil, err
			}
			items = append(items, item{index: rec.Index, receivedAt: rec.ReceivedAt, fact: rec.Fact, document: rec.Document})
		}
		i = end
	}
	return items, cat.read(ctx, items)
}

// refit returns ix, or a new index where ix was built with another default
// audience of the hub.
func refit(ctx context.Context, ix *index.Index, c Config) (*index.Index, error) {
	was, err := ix.Note(noteFallback)
	if err != nil || was == string(c.Fallback) {
		return ix, err
	}
	if ix.Cursor() > 0 {
		c.Logger.Info("the default audience is another; the index is built anew from the log", "was", was, "is", c.Fallback)
		if err := ix.Close(); err != nil {
			return nil, err
		}
		if ix, err = createIndex(c.Dir); err != nil {
			return nil, err
		}
	}
	return ix, ix.ApplyNoting(ctx, nil, nil, map[string]string{noteFallback: string(c.Fallback)}, 0)
}

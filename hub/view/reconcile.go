package view

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"lianmu/federation/registry"
	"lianmu/index"
	"lianmu/vocab"
)

// reconcile brings the offerings of spaces level with the registries where one
// of the items of a log changes more than what it names: a suspension, a stolen
// key, another default audience, another home. All of it is applied, but no cursor
// is moved, so a crash on the way does it again. It returns notes for the batch
// that moves the cursor.
func (cat *Catalog) reconcile(ctx context.Context, e *edition, f *feed, items []item) (notes map[string]string, err error) {
	notes = map[string]string{}
	spaces := map[string]bool{} // → whether several logs know it
	again, level := map[string]bool{}, map[string]bool{}
	for _, it := range items {
		about, all := concerns(it)
		for _, space := range [...]string{it.fact.Space, about} {
			if _, looked := spaces[space]; looked || space == "" {
				continue
			}
			var own bool
			if spaces[space], own = cat.shared(space); spaces[space] && own {
				notes[noteShared+space] = "yes"
			}
			// That a log knows it now can be enough to make another tell of it.
			was, is, err := cat.based(e, space)
			if err != nil {
				return nil, err
			}
			if was != is {
				again[space] = true
				notes[noteSpace+space] = is
			}
		}
		// The keys that a descriptor lists decide what other logs may take away,
		// and what a hub takes from its own log may stand in another.
		if about != "" && (all || spaces[about]) {
			level[about] = true
		}
	}
	for space := range again {
		delete(level, space)
	}
	if err := cat.levelSpaces(ctx, e, slices.Collect(maps.Keys(again)), true); err != nil {
		return nil, err
	}
	return notes, cat.levelSpaces(ctx, e, slices.Collect(maps.Keys(level)), false)
}

// concerns returns the space that an entry says more of than it names, if any,
// and whether all that is shown of it may have changed for that alone.
func concerns(it item) (space string, level bool) {
	switch {
	case it.fact.Kind == vocab.KindSpace:
		return it.fact.Space, false
	case it.reading == nil:
		return "", false
	case it.reading.Redaction != nil:
		return it.reading.Redaction.Space, true
	case it.reading.Act != nil:
		a := it.reading.Act
		return a.Space, len(a.Offerings) == 0 // else it is about those alone: see ended
	}
	return "", false
}

// basis is what the documents of a space are made by beside its entries: its
// home, or the log that tells of it where a hub has decided, its default audience there, whose codes its operator's word verifies, and
// whether anything of it counts and a hub has decided so. Empty for a space that says nothing of these and
// whose home, if it has any, is the own log.
func (cat *Catalog) basis(space string) string {
	s, _ := cat.c.Union.Space(space)
	home, _ := cat.c.Union.Home(space)
	if home == cat.own.origin {
		home = ""
	}
	operator, stands, decided := "", "-", ""
	if s.Standing == registry.Admitted {
		operator, stands = s.Space.Operator.Code, ""
	}
	if !s.Decided.IsZero() {
		if decided = "decided"; home == "" && s.Log != cat.own.origin {
			home = s.Log // by whose word it is: see product
		}
	}
	b := [...]string{home, string(s.Space.Audience), operator, stands, decided}
	if b == [...]string{"", "", "", "", ""} {
		return ""
	}
	return strings.Join(b[:], " ")
}

// based is basis as it was when the documents of a space were made, and as it is.
func (cat *Catalog) based(e *edition, space string) (was, is string, err error) {
	if was, err = e.Note(noteSpace + space); err != nil {
		return "", "", fmt.Errorf("%w: %w", errIndex, err)
	}
	return was, cat.basis(space), nil
}

// shared reports whether several logs know a space, and whether the own one does.
func (cat *Catalog) shared(space string) (several, own bool) {
	n := 0
	for _, f := range cat.feeds() {
		if f.knows(space) {
			n++
			own = own || f.own
		}
	}
	return n > 1, own
}

// shown is an offering in the index.
type shown struct {
	digest vocab.Digest
	log    string // origin
}

// shownOf is what the index shows of spaces.
func (cat *Catalog) shownOf(ctx context.Context, e *edition, spaces []string) (map[vocab.Key]shown, error) {
	all := map[vocab.Key]shown{}
	for _, origin := range append(e.mirrors(), cat.own.origin) {
		f := cat.feed(origin)
		for _, space := range spaces {
			if f != nil && !f.knows(space) {
				continue
			}
			held, err := e.Holding(ctx, map[string]string{"space": space, "hub": origin})
			if err != nil {
				return nil, fmt.Errorf("%w: %w", errIndex, err)
			}
			for k, d := range held {
				all[k] = shown{d, origin}
			}
		}
	}
	return all, nil
}

// spacesAtOnce is how many spaces are levelled by one look at all that stands.
const spacesAtOnce = 64

// levelSpaces brings the offerings of spaces level, as far as the logs were
// applied: what is not shown any more goes, what is and is missing comes; again:
// what is there is read again too. What stands further on in a log comes in its
// turn. What is of a log that is not attached stays, unseen; again: it goes, as it
// cannot be read, and comes when the log is attached.
func (cat *Catalog) levelSpaces(ctx context.Context, e *edition, spaces []string, again bool) error {
	for part := range slices.Chunk(spaces, spacesAtOnce) {
		if err := cat.levelSome(ctx, e, part, again); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (cat *Catalog) levelSome(ctx context.Context, e *edition, spaces []string, again bool) error {
	have, err := cat.shownOf(ctx, e, spaces)
	if err != nil {
		return err
	}
	now := cat.c.Now()
	missing := map[*feed][]uint64{}
	stands := map[vocab.Key]bool{}
	for k, v := range cat.c.Union.Offerings(spaces...) {
		f := cat.feed(v.Log)
		if f == nil || !v.Shown(now) {
			continue
		}
		stands[k] = true
		old, there := have[k]
		if v.Position < e.at(f) && (!there || again || old != shown{v.Digest, v.Log}) {
			missing[f] = append(missing[f], v.Position)
		}
	}
	var gone []vocab.Key
	for k, old := range have {
		if !stands[k] && (again || cat.feed(old.log) != nil) {
			gone = append(gone, k)
		}
	}
	if err := e.drop(ctx, gone); err != nil {
		return err
	}
	for f, positions := range missing {
		if err := cat.again(ctx, e, f, positions); err != nil {
			return err
		}
	}
	return nil
}

// levelLog levels all spaces that a log knows.
func (cat *Catalog) levelLog(ctx context.Context, e *edition, f *feed) error {
	fallback, err := e.Note(noteFallbackOf + f.origin)
	if err != nil {
		return fmt.Errorf("%w: %w", errIndex, err)
	}
	notes := map[string]string{}
	other := !f.own && fallback != string(f.Fallback) && e.at(f) > 0
	if other {
		notes[noteFallbackOf+f.origin] = string(f.Fallback)
	}
	return cat.levelKnown(ctx, e, f, other, notes)
}

// levelKnown levels the spaces that a log knows, which need not be attached any
// more: those again whose documents are made by something else than before; with
// all, every one. Then it notes by what, beside notes.
func (cat *Catalog) levelKnown(ctx context.Context, e *edition, f *feed, all bool, notes map[string]string) error {
	var again, level []string
	for _, s := range f.Registry.Spaces() {
		space := s.Space.DID
		if _, left := cat.c.Union.Space(space); !left {
			continue // what is of this log alone goes with it, or stays unseen
		}
		was, is, err := cat.based(e, space)
		if err != nil {
			return err
		}
		if all || was != is {
			again = append(again, space)
		} else {
			level = append(level, space)
		}
		if was != is {
			notes[noteSpace+space] = is
		}
		if several, own := cat.shared(space); several && own {
			notes[noteShared+space] = "yes"
		}
	}
	if err := cat.levelSpaces(ctx, e, again, true); err != nil {
		return err
	}
	if err := cat.levelSpaces(ctx, e, level, false); err != nil || len(notes) == 0 {
		return err
	}
	return e.write(ctx, nil, nil, notes)
}

// again applies entries of a log, in any order, that were applied before.
func (cat *Catalog) again(ctx context.Context, e *edition, f *feed, positions []uint64) error {
	slices.Sort(positions)
	for part := range slices.Chunk(slices.Compact(positions), chunk) {
		items, err := cat.at(ctx, f, part)
		if err != nil {
			return err
		}
		if err := cat.reput(ctx, e, f, items); err != nil {
			return err
		}
	}
	return nil
}

// reput applies entries that move no cursor.
func (cat *Catalog) reput(ctx context.Context, e *edition, f *feed, items []item) error {
	puts, deletes := cat.changes(e, f, items)
	notes := map[string]string{}
	e.note(notes)
	if err := e.write(ctx, puts, deletes, notes); err != nil {
		return err
	}
	e.noted()
	return nil
}

// fillIn applies entries of a log whose bodies came late. What else the log said
// may be worth more or less by what the hub or a space says in one of them.
func (cat *Catalog) fillIn(ctx context.Context, e *edition, f *feed, late []uint64) error {
	late = slices.DeleteFunc(late, func(i uint64) bool { return i >= e.at(f) }) // they come in their turn
	slices.Sort(late)
	items, err := cat.at(ctx, f, slices.Compact(late))
	if err != nil || len(items) == 0 {
		return err
	}
	for _, it := range items {
		if space, _ := concerns(it); space != "" {
			return cat.levelLog(ctx, e, f)
		}
	}
	return cat.reput(ctx, e, f, items)
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

package view

import (
	"context"
	"slices"
	"strings"
	"time"

	"lianmu/federation/registry"
)

// consents are what holders let spaces list, as the listings of an index were
// judged by. Whoever writes to the index owns them.
//
// They are asked for all together, every providersEvery, because they come, go and
// end without naming a listing; in between all listings are judged by the same
// ones. What has changed has the listings of that product read again.
type consents struct {
	read     bool
	all      []registry.Consent             // in force, by digest
	products map[string][]*registry.Consent // likewise, by 数据标识码
	stale    map[string]bool                // products whose listings must be read again
	changed  bool                           // since the note: which products there are
}

// readConsents reads the note of an index: the products that were in force, one a
// line. Which spaces could list them is not noted, so they are all read again.
func readConsents(note string) consents {
	c := consents{stale: map[string]bool{}}
	for code := range strings.Lines(note) {
		c.stale[strings.TrimSuffix(code, "\n")] = true
	}
	return c
}

// ask replaces what is in force, and tells which listings that may concern.
func (c *consents) ask(all []registry.Consent) {
	if c.read && slices.EqualFunc(c.all, all, func(a, b registry.Consent) bool { return a.Digest == b.Digest && a.Log == b.Log }) {
		return
	}
	was := c.products
	c.read, c.all, c.products = true, all, map[string][]*registry.Consent{}
	for i := range all {
		for _, code := range all[i].Products {
			c.products[code] = append(c.products[code], &all[i])
		}
	}
	same := func(a, b *registry.Consent) bool { return a.Digest == b.Digest && a.Log == b.Log }
	for code, now := range c.products {
		if !slices.EqualFunc(was[code], now, same) {
			c.stale[code], c.changed = true, true
		}
	}
	for code := range was {
		if c.products[code] == nil {
			c.stale[code], c.changed = true, true
		}
	}
}

// permit are the logs, by origin, in which a holder lets a space list a product.
func (c *consents) permit(code, space string) (logs []string) {
	for _, one := range c.products[code] {
		if slices.Contains(one.Spaces, space) && !slices.Contains(logs, one.Log) {
			logs = append(logs, one.Log)
		}
	}
	return logs
}

// note puts the products among the notes of a batch, where they have changed.
func (c *consents) note(notes map[string]string) {
	if !c.changed {
		return
	}
	var codes []string
	for code := range c.products {
		codes = append(codes, code)
	}
	for code := range c.stale {
		if c.products[code] == nil {
			codes = append(codes, code)
		}
	}
	slices.Sort(codes)
	notes[noteConsents] = lines(codes)
}

// consents are those that e's listings are judged by.
func (cat *Catalog) consents(e *edition) *consents {
	if !e.consents.read {
		e.consents.ask(cat.c.Union.Consents(cat.c.Now()))
	}
	return &e.consents
}

// reconsent asks anew which consents are in force, and reads the listings again of
// which it may now be otherwise whether they may be shown as one.
func (cat *Catalog) reconsent(ctx context.Context, e *edition, now time.Time) error {
	e.consents.ask(cat.c.Union.Consents(now))
	for code := range e.consents.stale {
		if err := cat.readAgain(ctx, e, map[string]string{"code": code}); err != nil {
			return err
		}
		delete(e.consents.stale, code)
		e.consents.changed = true
	}
	return nil
}

package main

import (
	"context"
	"time"
)

// creations hands out the creation times of one publisher's signatures, in
// milliseconds, never decreasing, and strictly increasing for each @id: of two
// versions the later one must be ordered later.
//
// Over all documents they increase strictly as well as long as that runs no
// more than maxLead ahead of the clock. Who signs more than a thousand a second
// would otherwise leave the clock behind, and a correction published right
// after a long run would count as older than what it corrects; then documents
// with different @ids share a millisecond. The zero value is ready; it is for
// one goroutine.
type creations struct {
	last time.Time
	ids  map[string]bool // signed at last
}

// maxLead is how far ahead of the clock a signature may be made out.
const maxLead = time.Second

// next returns the creation time of a version of id; "" is an unknown id.
func (c *creations) next(now time.Time, id string) time.Time {
	now = now.UTC().Truncate(time.Millisecond)
	switch {
	case now.After(c.last):
		c.last, c.ids = now, nil
	case c.last.Sub(now) < maxLead, id == "", c.ids[id]:
		c.last, c.ids = c.last.Add(time.Millisecond), nil
	}
	if c.ids == nil {
		c.ids = make(map[string]bool)
	}
	c.ids[id] = true
	return c.last
}

// settle waits until the clock has passed the last time that was handed out:
// whoever publishes next, in another process, is then later.
func (c *creations) settle(ctx context.Context, now func() time.Time) {
	if lead := c.last.Sub(now()); lead > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(lead + time.Millisecond):
		}
	}
}

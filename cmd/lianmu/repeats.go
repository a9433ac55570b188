package main

import (
	"context"
	"crypto/sha256"
	"iter"
	"time"

	"lianmu/federation/identity"
	"lianmu/vocab"
)

// Bounds of looking ahead: @ids that are kept in mind (about 50 bytes each),
// and contents in one question to the hub.
const (
	maxAhead = 2_000_000
	maxKnown = 1000
)

// idHash stands for an @id.
type idHash [16]byte

func hashOf(id string) idHash {
	sum := sha256.Sum256([]byte(id))
	return idHash(sum[:16])
}

// repeats reads the whole input and finds the @ids of which it holds several
// versions and whose last one stands at the hub already. Publishing those again
// would set them back to their first version and forward to the last: they are
// left alone.
//
// What is signed already carries its own time, so the hub orders it, and is not
// looked at. Beyond maxAhead @ids new ones are not either.
func (p *publisher) repeats(ctx context.Context, docs iter.Seq[document]) (map[idHash]standing, error) {
	if p.Key == nil {
		return nil, nil
	}
	seen := make(map[idHash]struct{})
	last := make(map[idHash]vocab.Digest)
	for d := range docs {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if d.ID == "" || !p.needsSignature(d) {
			continue
		}
		id := hashOf(d.ID)
		if _, again := seen[id]; !again {
			if len(seen) < maxAhead {
				seen[id] = struct{}{}
			}
			continue
		}
		content, err := identity.Content(d.Raw)
		if err != nil {
			delete(last, id) // this version will be refused; nothing is known of the last one
			continue
		}
		last[id] = content
	}
	return p.standing(ctx, last), nil
}

// standsLast tells whether the last version of d's @id in this input stands.
func (p *publisher) standsLast(d document) (standing, bool) {
	if len(p.Repeats) == 0 || !p.needsSignature(d) {
		return standing{}, false
	}
	s, ok := p.Repeats[hashOf(d.ID)]
	return s, ok
}

// standing asks the hub which of these contents stand and hold. Where it does
// not answer, a busy one also after a few tries, they count as missing.
func (p *publisher) standing(ctx context.Context, contents map[idHash]vocab.Digest) map[idHash]standing {
	stand := make(map[idHash]standing)
	ids := make([]idHash, 0, maxKnown)
	ask := make([]vocab.Digest, 0, maxKnown)
	flush := func() bool {
		known, err := p.To.Known(ctx, ask)
		for try := 0; err != nil && try < 5 && sleep(ctx, time.Second) == nil; try++ {
			known, err = p.To.Known(ctx, ask)
		}
		if err != nil {
			return false
		}
		for i, id := range ids {
			if s, ok := known[ask[i]]; ok && p.holds(s) {
				stand[id] = s
			}
		}
		ids, ask = ids[:0], ask[:0]
		return true
	}
	for id, content := range contents {
		if ids, ask = append(ids, id), append(ask, content); len(ask) == maxKnown && !flush() {
			return stand
		}
	}
	if len(ask) > 0 {
		flush()
	}
	return stand
}

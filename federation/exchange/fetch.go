package exchange

import (
	"context"
	"fmt"
	"sync"

	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// Bounds of fetching. The next question is asked when an answer has been taken,
// so a mirror that is slow to write slows its source, and what is under way stays
// below askedAtOnce times three answers.
const (
	askedAtOnce = 3
	askedFor    = MaxDocuments // documents, each time
)

// fetched is a run of documents, as a source gave them.
type fetched struct {
	first     uint64 // index of the first entry
	leaves    []ledger.Leaf
	documents []Document
	err       error
}

// fetch asks src for the documents of entries from first on, a few questions at a
// time, and hands the answers over in order until there is no more, an error, or
// ctx ends. Running counts its goroutines.
func (c *copying) fetch(ctx context.Context, running *sync.WaitGroup, first uint64, leaves []ledger.Leaf) <-chan fetched {
	slots := make(chan chan fetched, askedAtOnce-2) // one more is being taken, and one waits to be put
	running.Go(func() {
		defer close(slots)
		for len(leaves) > 0 {
			n := min(len(leaves), c.f.part)
			slot := make(chan fetched, 1)
			select {
			case slots <- slot:
			case <-ctx.Done():
				return
			}
			part := fetched{first: first, leaves: leaves[:n]}
			running.Go(func() { c.fetchPart(ctx, part, slot) })
			first, leaves = first+uint64(n), leaves[n:]
		}
	})
	out := make(chan fetched)
	running.Go(func() {
		defer close(out)
		for slot := range slots {
			for part := range slot {
				select {
				case out <- part:
				case <-ctx.Done():
					return
				}
			}
		}
	})
	return out
}

// fetchPart asks for what is left of a part until there is nothing left.
func (c *copying) fetchPart(ctx context.Context, part fetched, slot chan<- fetched) {
	defer close(slot)
	for len(part.leaves) > 0 {
		documents, err := ask(ctx, c.src, c.f.Log.Origin(), part.leaves)
		some := fetched{first: part.first, leaves: part.leaves[:len(documents)], documents: documents, err: err}
		select {
		case slot <- some:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
		part.first, part.leaves = part.first+uint64(len(documents)), part.leaves[len(documents):]
	}
}

// ask asks a source once, and holds it to what a Source gives.
func ask(ctx context.Context, src Source, origin string, leaves []ledger.Leaf) ([]Document, error) {
	digests := make([]vocab.Digest, min(len(leaves), MaxDocuments))
	for i := range digests {
		digests[i] = leaves[i].SHA256
	}
	documents, err := src.Documents(ctx, origin, digests)
	if err == nil && (len(documents) == 0 || len(documents) > len(digests)) {
		err = garbage("documents", fmt.Errorf("%d for %d", len(documents), len(digests)))
	}
	if err != nil {
		return nil, sourced(ctx, err)
	}
	return documents, nil
}

// askInPace is ask of a source that is left where it is too slow.
func (c *copying) askInPace(ctx context.Context, src Source, pace *pace, leaves []ledger.Leaf) (documents []Document, err error) {
	err = pace.wait(func() (gained int, err error) {
		documents, err = ask(ctx, src, c.f.Log.Origin(), leaves)
		return weight(documents), err
	})
	return documents, err
}

// weight is how many bytes documents take in an answer.
func weight(documents []Document) (n int) {
	for _, d := range documents {
		n += documentHead + len(d.Bytes)
	}
	return n
}

// other is a further source.
type other struct {
	src  Source
	pace *pace
}

// askOthers asks the other sources for documents that src does not have right.
func (c *copying) askOthers(ctx context.Context, items []*item) {
	if !c.asked && c.f.Others != nil {
		for _, src := range c.f.Others() {
			c.others = append(c.others, other{src, c.f.pace()})
		}
	}
	c.asked = true
	for n := 0; n < len(c.others) && len(items) > 0; n++ {
		var left []*item
		for len(items) > 0 {
			leaves := make([]ledger.Leaf, min(len(items), MaxDocuments))
			for i := range leaves {
				leaves[i] = items[i].leaf
			}
			documents, err := c.askInPace(ctx, c.others[n].src, c.others[n].pace, leaves)
			if err != nil { // nor later: it must not hold up the others
				c.f.logger().Debug("another source of a log does not help", "origin", c.f.Log.Origin(), "err", err)
				c.others = append(c.others[:n:n], c.others[n+1:]...)
				n--
				left = append(left, items...)
				break
			}
			for i, d := range documents {
				if d.State == DocumentGiven && items[i].leaf.Matches(d.Bytes) {
					items[i].judge(ctx, c.f.Judge, d.Bytes)
				} else {
					left = append(left, items[i])
				}
			}
			items = items[len(documents):]
		}
		items = left
	}
}

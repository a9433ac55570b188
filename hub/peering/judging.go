package peering

import (
	"context"

	"lianmu/federation/exchange"
	"lianmu/federation/judge"
	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// judging is a Judge for a Follower, which does not know what was read.
type judging struct {
	j   *judge.Judge
	log *ledger.Log
	// background runs what may wait for searches.
	background func(func())
}

// Read implements exchange.Judge.
func (j judging) Read(ctx context.Context, leaf ledger.Leaf, document []byte) (read any, err error) {
	j.background(func() {
		var r *judge.Read
		if r, err = j.j.Read(ctx, leaf, document); r != nil {
			read = r
		}
	})
	return read, err
}

// Stand implements exchange.Judge.
func (j judging) Stand(index uint64, leaf ledger.Leaf, read any) (vocab.Fact, error) {
	return j.j.Stand(index, leaf, asRead(read))
}

// Apply implements exchange.Judge.
func (j judging) Apply(index uint64, leaf ledger.Leaf, fact vocab.Fact, read any) {
	j.j.Apply(index, leaf, fact, asRead(read))
}

// Position implements exchange.Judge.
func (j judging) Position() uint64 { return j.j.Registry().Position() }

// Late implements exchange.Judge.
func (j judging) Late(ctx context.Context, late map[uint64]any) (map[uint64]exchange.Verdict, error) {
	reads := make(map[uint64]*judge.Read, len(late))
	for index, read := range late {
		reads[index] = asRead(read)
	}
	verdicts, err := j.j.Late(ctx, j.log, reads)
	out := make(map[uint64]exchange.Verdict, len(verdicts))
	for index, v := range verdicts {
		out[index] = exchange.Verdict(v)
	}
	return out, err
}

func asRead(read any) *judge.Read {
	r, _ := read.(*judge.Read) // nil where there is none
	return r
}

package intake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"lianmu/vocab"
)

// forgetPause is between two looks whether a refusal that is being written is
// there.
const forgetPause = 10 * time.Millisecond

// Forget drops what was remembered of documents that were redacted: the
// warnings that their submitters were told, which may quote them, and what the
// quarantine keeps of the same bytes. Repeating is harmless.
func (in *Intake) Forget(ctx context.Context, digests ...vocab.Digest) error {
	for _, d := range digests {
		in.advice.Remove(d)
	}
	if in.c.Quarantine == nil {
		return nil
	}
	return in.c.Quarantine.Forget(ctx, digests...)
}

// Forget deletes every refusal of documents with these digests, overwriting it
// in the store. It reads the digests of all refusals once (at most 20,000).
func (q *Quarantine) Forget(ctx context.Context, digests ...vocab.Digest) error {
	gone := make(map[vocab.Digest]bool, len(digests))
	for _, d := range digests {
		gone[d] = true
		for seq, ok := q.seen.Get(d); ok && seq == 0; seq, ok = q.seen.Get(d) { // being written
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(forgetPause):
			}
		}
	}
	// Not by what is remembered alone: a refusal whose confirmation was lost
	// was written twice.
	var found []uint64
	err := q.each(ctx, func(seq uint64, d vocab.Digest) {
		if gone[d] {
			found = append(found, seq)
		}
	})
	if err != nil {
		return fmt.Errorf("reading the quarantine: %w", err)
	}
	for _, seq := range found {
		err := q.stream.SecureDeleteMsg(ctx, seq)
		if err == nil {
			continue
		}
		if _, gone := q.stream.GetMsg(ctx, seq); !errors.Is(gone, jetstream.ErrMsgNotFound) { // it may have grown too old just now
			return fmt.Errorf("deleting refusal %d: %w", seq, err)
		}
	}
	for _, d := range digests {
		q.seen.Remove(d)
	}
	return nil
}

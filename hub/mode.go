package hub

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"
)

// modeKey holds, in the bus's state, how many entries the log had when the hub
// was first run without --open; nothing as long as it was always open. Entries
// before that came from whoever signed, and are judged so for ever.
const modeKey = "open_until"

// always is openUntil of a hub that is open.
const always = math.MaxUint64

// openUntil returns before which entry whoever signed was admitted, and keeps
// it where the hub has just been closed or opened again. Offline nothing is
// changed: the log is what it was when the hub last ran.
func openUntil(ctx context.Context, kv jetstream.KeyValue, open, offline bool, size uint64) (uint64, error) {
	e, err := kv.Get(ctx, modeKey)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		if open || offline {
			return always, nil
		}
		_, err = kv.Create(ctx, modeKey, strconv.AppendUint(nil, size, 10))
		return size, err
	case err != nil:
		return 0, err
	case open && !offline:
		return always, kv.Delete(ctx, modeKey)
	}
	n, err := strconv.ParseUint(string(e.Value()), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s holds no number: %q", modeKey, e.Value())
	}
	return n, nil
}

// wasOpenUntil is how many entries the log had when the hub was closed; 0 where
// it was never open, or is.
func (h *Hub) wasOpenUntil() uint64 {
	if h.base.openUntil == always {
		return 0
	}
	return h.base.openUntil
}

package exchange

import (
	"context"
	"errors"
	"io/fs"

	"lianmu/federation/ledger"
)

// unadmitted is the code of an entry whose signer the log's hub had not admitted.
const unadmitted = "space.unadmitted"

// mostReconsidered bounds how many are read, each time.
const mostReconsidered = 1 << 14

// reconsider judges again the entries that were found unadmitted, once each time
// that a mirror is opened. Whom a log took is said by its card, and entries may have
// come before the newest one did: with an older one that another source had, or
// in the moment in which it changed. Whoever has the newest card then holds the
// same, in whatever order cards and entries came.
func (f *Follower) reconsider(ctx context.Context) error {
	if f.again {
		return nil
	}
	c, left := f.copying(nil, true), mostReconsidered
	for from := uint64(0); from < f.Log.Size() && left > 0; {
		items, reads := []*item{}, map[uint64]any{}
		for sum := 0; from < f.Log.Size() && left > 0 && sum < mendBytes; from++ {
			leaf, state, _ := f.Log.At(from)
			if state != ledger.Faulty {
				continue
			}
			left--
			document, why, err := f.Log.Evidence(ctx, from)
			switch {
			case errors.Is(err, ledger.ErrDamaged), errors.Is(err, fs.ErrNotExist):
				continue
			case err != nil:
				return err
			case FaultOf(why).Code != unadmitted:
				continue
			}
			it := &item{index: from, leaf: leaf}
			if it.judge(ctx, f.Judge, document); it.state == ledger.Held {
				items, reads[from], sum = append(items, it), it.read, sum+len(document)
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(items) == 0 {
			continue
		}
		verdicts, err := f.Judge.Late(ctx, reads)
		if err != nil {
			return err
		}
		filled := 0
		for _, it := range items {
			if v, ok := verdicts[it.index]; ok && v.Err == nil {
				if err := c.fill(ctx, it, v.Fact, &filled); err != nil {
					return err
				}
			}
		}
		if filled > 0 {
			f.logger().Info("entries stand that were found unadmitted before", "origin", f.Log.Origin(), "entries", filled)
		}
	}
	f.again = true
	return nil
}

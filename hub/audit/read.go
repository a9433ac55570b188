package audit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"lianmu/federation/identity"
	"lianmu/hub/bus"
	"lianmu/vocab"
)

// Filter chooses records; its zero value takes all.
type Filter struct {
	Who     string // exactly
	Act     string // exactly, or all below it: "space" takes "space.admit"
	Outcome Outcome
	Since   time.Time // from then on
	Until   time.Time // before then; zero: to the end
}

func (f Filter) takes(r Record) bool {
	return (f.Who == "" || r.Who == f.Who) &&
		(f.Act == "" || r.Act == f.Act || strings.HasPrefix(r.Act, f.Act+".")) &&
		(f.Outcome == "" || r.Outcome == f.Outcome)
}

// Bounds of List.
const (
	MaxList = 200
	window  = 500    // records read at once
	maxLook = 50_000 // records looked through in one call
)

// List returns at most limit (1 to MaxList) records, newest first, that the
// filter takes, with sequences below before; 0 starts at the newest. next is
// the before of the page that follows, 0 where there is none. One call looks
// through maxLook records and no more, so a page may be short, or empty, and
// yet have a next.
func (t *Trail) List(ctx context.Context, before uint64, limit int, f Filter) (items []Record, next uint64, err error) {
	limit = min(max(limit, 1), MaxList)
	first, end, err := t.span(ctx, f.Since, f.Until)
	if err != nil {
		return nil, 0, err
	}
	if before != 0 && before < end {
		end = before
	}
	for looked := uint64(0); end > first; {
		if looked >= maxLook {
			return items, end, nil
		}
		from := max(first, end-min(end, window))
		var page []Record
		if err := t.each(ctx, from, end, func(_ uint64, b []byte) error {
			r, err := decode(b)
			if err != nil {
				// Shown as far as it goes: Verify says what is wrong.
				r = Record{Outcome: Failed, Code: "audit.broken", Detail: err.Error()}
				r.clean()
			}
			page = append(page, r)
			return nil
		}); err != nil {
			return nil, 0, err
		}
		slices.Reverse(page)
		for _, r := range page {
			if !f.takes(r) {
				continue
			}
			if items = append(items, r); len(items) == limit {
				if r.Sequence > first {
					next = r.Sequence
				}
				return items, next, nil
			}
		}
		looked, end = looked+end-from, from
	}
	return items, 0, nil
}

// span returns the sequences [first, end) of the records with times in
// [since, until); a zero until is the end.
func (t *Trail) span(ctx context.Context, since, until time.Time) (first, end uint64, err error) {
	info, err := t.stream.Info(ctx)
	if err != nil {
		return 0, 0, err
	}
	first, end = max(info.State.FirstSeq, 1), info.State.LastSeq+1
	if first >= end {
		return end, end, nil
	}
	last := end
	if !until.IsZero() {
		if end, err = t.search(ctx, first, last, until); err != nil {
			return 0, 0, err
		}
	}
	if !since.IsZero() {
		if first, err = t.search(ctx, first, last, since); err != nil {
			return 0, 0, err
		}
	}
	return first, max(first, end), nil
}

// search returns the first sequence in [first, end) whose record is not before
// at, or end: times never go back along the trail.
func (t *Trail) search(ctx context.Context, first, end uint64, at time.Time) (uint64, error) {
	for first < end {
		mid := first + (end-first)/2
		r, err := t.get(ctx, mid)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound): // gone meanwhile: old
			first = mid + 1
		case err != nil:
			return 0, err
		case r.Time.Before(at):
			first = mid + 1
		default:
			end = mid
		}
	}
	return first, nil
}

// each calls f for the stored records in [from, end), in order.
func (t *Trail) each(ctx context.Context, from, end uint64, f func(sequence uint64, record []byte) error) error {
	if from >= end {
		return nil
	}
	cons, err := t.js.OrderedConsumer(ctx, bus.AuditStream, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from,
	})
	if err != nil {
		return err
	}
	for from < end {
		if err := ctx.Err(); err != nil {
			return err
		}
		batch, err := cons.Fetch(int(min(end-from, window)), jetstream.FetchMaxWait(5*time.Second))
		if err != nil {
			return err
		}
		got := 0
		for m := range batch.Messages() {
			got++
			meta, err := m.Metadata()
			if err != nil {
				return err
			}
			if meta.Sequence.Stream >= end {
				return nil
			}
			if err := f(meta.Sequence.Stream, m.Data()); err != nil {
				return err
			}
			from = meta.Sequence.Stream + 1
		}
		if got == 0 {
			if err := batch.Error(); err != nil {
				return err
			}
			return fmt.Errorf("the audit trail could be read up to record %d only; try again", from)
		}
	}
	return nil
}

// Closing is the last line of an export: what it holds and where it ends,
// signed by the hub as a secured document (eddsa-jcs-2022).
type Closing struct {
	Type    string       `json:"type"` // "AuditExport"
	Hub     string       `json:"hub"`  // DID
	Records int          `json:"records"`
	First   uint64       `json:"first,omitempty"`
	Last    uint64       `json:"last,omitempty"`
	Hash    vocab.Digest `json:"hash,omitzero"` // of the last record
	Head    Head         `json:"head"`          // the end of the whole trail at that time
	// Begun is the record among these that says that this export began. What came of
	// it can only be told after it.
	Begun    uint64    `json:"begun,omitempty"`
	Exported time.Time `json:"exported"`
}

const closingType = "AuditExport"

// Export writes the records with times in [from, until) as JSON lines, as they
// are stored, and where the trail has a signer a last line that closes them
// (Closing). A zero until is the end. Verify checks what it wrote. Within Do the
// last line names the record that says this export began.
func (t *Trail) Export(ctx context.Context, w io.Writer, from, until time.Time) error {
	first, end, err := t.span(ctx, from, until)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 64<<10)
	closing := Closing{Type: closingType, Exported: t.c.Now().UTC().Truncate(time.Millisecond)}
	err = t.each(ctx, first, end, func(sequence uint64, record []byte) error {
		if closing.Records == 0 {
			closing.First = sequence
		}
		closing.Records++
		closing.Last = sequence
		r, err := decode(record)
		if err != nil {
			return broken(sequence, "读不出内容", "it cannot be read")
		}
		closing.Hash = r.Hash
		_, _ = out.Write(record) // an error stays in out, for Flush
		return out.WriteByte('\n')
	})
	if err != nil {
		return errors.Join(err, out.Flush())
	}
	if t.c.Signer != nil {
		closing.Hub, closing.Head = t.c.Signer.DID(), t.Head()
		if begun, _ := ctx.Value(begunKey{}).(uint64); closing.Records > 0 && closing.First <= begun && begun <= closing.Last {
			closing.Begun = begun
		}
		line, err := json.Marshal(closing)
		if err != nil {
			return err
		}
		signed, err := identity.Sign(line, t.c.Signer, identity.SignOptions{Created: closing.Exported})
		if err != nil {
			return err
		}
		_, _ = out.Write(signed)
		_ = out.WriteByte('\n')
	}
	return out.Flush()
}

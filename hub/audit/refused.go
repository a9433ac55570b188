package audit

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// tallyKey is what refusals are added up by.
type tallyKey struct{ from, code string }

// Refused records a refusal, soon and without waiting. Those of one address
// with one code are added up for a minute. For long no more than refusedRate
// records a minute come of it, however many addresses there are: the rest is
// one record that counts them. So a flood costs some gigabytes in 180 days at
// most, and a process killed loses a minute.
func (t *Trail) Refused(r Record) {
	r.Outcome = Refused
	r.clean()
	now := t.c.Now().UTC()
	t.mu.Lock()
	defer t.mu.Unlock()
	key := tallyKey{r.From, r.Code}
	sum, ok := t.tallies[key]
	switch {
	case ok:
		sum.add(r)
	case len(t.tallies) < maxTallies:
		r.Count, r.Since = 1, now
		t.tallies[key] = &r
	default:
		t.rest++
	}
}

// add counts r in.
func (sum *Record) add(r Record) {
	sum.Count++
	for _, m := range [][2]*string{
		{&sum.Who, &r.Who}, {&sum.Role, &r.Role}, {&sum.Via, &r.Via}, {&sum.Act, &r.Act}, {&sum.Object, &r.Object}, {&sum.Detail, &r.Detail},
	} {
		if *m[0] != *m[1] {
			*m[0] = "*"
		}
	}
}

func (t *Trail) flushNowAndThen() {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-t.run.Done():
			return
		case <-tick.C:
		}
		if err := t.flush(t.run); err != nil && t.run.Err() == nil {
			t.c.Logger.Warn("refusals could not be recorded; they are added up further", "err", err)
		}
		if err := t.catchUp(t.run); err != nil && t.run.Err() == nil {
			t.c.Logger.Debug("reading the end of the audit trail", "err", err)
		}
	}
}

// flush writes the refusals added up, in the order in which they began.
func (t *Trail) flush(ctx context.Context) error {
	t.flush1.Lock()
	defer t.flush1.Unlock()
	t.mu.Lock()
	sums, rest := t.tallies, t.rest
	t.tallies, t.rest = map[tallyKey]*Record{}, 0
	t.mu.Unlock()
	list := make([]*Record, 0, len(sums))
	for _, s := range sums {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *Record) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.From, b.From), cmp.Compare(a.Code, b.Code))
	})
	for i, s := range list {
		if !t.budget.AllowN(t.c.Now(), 1) {
			rest += s.Count
			continue
		}
		if _, err := t.append(ctx, *s); err != nil {
			t.takeBack(list[i:], rest)
			return err
		}
	}
	if rest == 0 {
		return nil
	}
	r := Record{From: "*", Act: "*", Code: "*", Outcome: Refused, Count: rest}
	if _, err := t.append(ctx, r); err != nil {
		t.takeBack(nil, rest)
		return err
	}
	return nil
}

// takeBack returns to the tallies what could not be written.
func (t *Trail) takeBack(list []*Record, rest int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rest += rest
	for _, s := range list {
		key := tallyKey{s.From, s.Code}
		later, ok := t.tallies[key]
		switch {
		case ok:
			n := later.Count
			s.add(*later)
			s.Count += n - 1
			t.tallies[key] = s
		case len(t.tallies) < maxTallies:
			t.tallies[key] = s
		default:
			t.rest += s.Count
		}
	}
}

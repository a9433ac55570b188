package audit

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// tallyKey is what refusals are added up by. who and act are "" where strangers,
// or very many, come from one address.
type tallyKey struct{ from, code, who, act string }

// stranger reports whether the hub knew nothing of whoever was refused but where
// they came from: anybody can make themselves any number of names. What adds up
// several is nobody's in particular either.
func (r *Record) stranger() bool {
	return r.Role == "" || r.Role == "anonymous" || r.Role == "*" || r.Who == "*"
}

// official reports whether whoever was refused holds an office, by the roles that
// package access knows.
func (r *Record) official() bool {
	return !r.stranger() && !slices.Contains([]string{"space", "participant", "space participant"}, r.Role)
}

// Refused records a refusal, soon and without waiting. Those of one person or key,
// with one code and about one act, are added up for a minute, so that whoever is
// responsible is known though many share an address; those of strangers, and of
// more than maxNamed at one address, by address and code. For long no more than
// refusedRate records a minute come of it, however many addresses there are, and
// officers' come first: the rest is one record that counts them. So a flood costs
// some gigabytes in 180 days at most, and a process killed loses a minute.
func (t *Trail) Refused(r Record) {
	r.Outcome = Refused
	r.clean()
	now := t.c.Now().UTC()
	t.mu.Lock()
	defer t.mu.Unlock()
	r.Count, r.Since = 1, now
	t.tally(&r)
}

// tally adds r, of which Count and Since are set, to what it belongs to. The
// caller holds mu.
func (t *Trail) tally(r *Record) {
	key := tallyKey{r.From, r.Code, r.Who, r.Act}
	sum, ok := t.tallies[key]
	if ok && !r.stranger() {
		sum.add(*r)
		return
	}
	official := r.official()
	room := maxTallies
	switch {
	case official:
		room += maxOfficial
	case r.stranger() || t.named[r.From] >= maxNamed:
		key.who, key.act = "", ""
		if sum, ok = t.tallies[key]; ok {
			sum.add(*r)
			return
		}
	}
	if len(t.tallies) >= room {
		t.rest += r.Count
		return
	}
	if !official && key.who != "" {
		t.named[r.From]++
	}
	t.tallies[key] = r
}

// add counts r in.
func (sum *Record) add(r Record) {
	sum.Count += r.Count
	if r.Since.Before(sum.Since) {
		sum.Since = r.Since
	}
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

// place is 0 for officers, whose records come first where there are too many, 1
// for others.
func (r *Record) place() int {
	if r.official() {
		return 0
	}
	return 1
}

// flush writes the refusals added up: officers' first, each in the order in which
// they began.
func (t *Trail) flush(ctx context.Context) error {
	t.flush1.Lock()
	defer t.flush1.Unlock()
	t.mu.Lock()
	sums, rest := t.tallies, t.rest
	t.tallies, t.named, t.rest = map[tallyKey]*Record{}, map[string]int{}, 0
	t.mu.Unlock()
	list := make([]*Record, 0, len(sums))
	for _, s := range sums {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *Record) int {
		return cmp.Or(cmp.Compare(a.place(), b.place()), a.Since.Compare(b.Since), cmp.Compare(a.From, b.From), cmp.Compare(a.Code, b.Code),
			cmp.Compare(a.Who, b.Who), cmp.Compare(a.Act, b.Act))
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
		t.tally(s)
	}
}

package main

import (
	"fmt"
	"sync"
	"time"

	"lianmu/vocab"
)

// sayAgain is how often the reason why a hub takes nothing is repeated.
const sayAgain = 30 * time.Second

// patience watches over all requests of a run for how long a hub has been
// nothing but busy, and tells a person why. A hub that is busy between
// receipts is at work and is waited for without end; one that gives none has
// stopped. It is safe for concurrent use.
type patience struct {
	giveUp time.Duration
	tell   func(reason string) // a stated reason, at once and every sayAgain; "": it is over. nil: nobody listens

	mu    sync.Mutex
	since time.Time // of the first busy answer after the last receipt; zero: none
	told  time.Time // when the reason was told; zero: not
}

// served is told of a receipt other than busy.
func (p *patience) served() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.told.IsZero() {
		p.tell("")
	}
	p.since, p.told = time.Time{}, time.Time{}
}

// busy is told of a busy answer and its reason. It returns for how long to be
// patient yet, and, where that is over, the error to end with.
func (p *patience) busy(reason vocab.Problems) (left time.Duration, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.since.IsZero() {
		p.since = now
	}
	left = p.giveUp - now.Sub(p.since)
	if left <= 0 {
		return 0, busyError{p.giveUp, reason}
	}
	if len(reason) > 0 && p.tell != nil && now.Sub(p.told) >= sayAgain {
		p.told = now
		p.tell(sayProblems(reason))
	}
	return left, nil
}

// busyError ends a run at a hub that has taken nothing for a time.
type busyError struct {
	time   time.Duration
	reason vocab.Problems
}

func (e busyError) Error() string {
	if len(e.reason) == 0 {
		return fmt.Sprintf(tr("节点 %v 以来一直忙", "the hub has been busy for %v"), e.time)
	}
	return fmt.Sprintf(tr("节点 %v 以来不受理：%s", "the hub has taken nothing for %v: %s"), e.time, sayProblems(e.reason))
}

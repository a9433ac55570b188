package access

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// Bounds of Excess.
const (
	busyAtOnce    = 4096   // answers "busy" to one claim at once: more than a publisher's window
	busyPerSecond = 500    // and for long
	excessMost    = 10_000 // requests beyond that, before the connection is cut
	excessKept    = 16_384 // claims told apart; about 3 MB
)

// Excess bounds what is spent on requests that are turned away: to answer all of
// a flood takes longer than to send it, and whoever waits behind it in the same
// buffers would be dropped. Nobody who repeats only what was answered busy comes
// near it. It is safe for concurrent use; a nil Excess answers everybody.
type Excess struct {
	now func() time.Time
	cut func(name, client string)

	mu     sync.Mutex // guards what follows
	claims *lru.Cache[Claim, *excess]
}

// excess is what one claim has sent too much.
type excess struct {
	busy    *rate.Limiter
	dropped int
}

// NewExcess returns an Excess that calls cut, which must not block, with the name
// and the address of whoever goes on and on.
func NewExcess(now func() time.Time, cut func(name, client string)) *Excess {
	claims, err := lru.New[Claim, *excess](excessKept)
	if err != nil { // only a size below one is refused
		panic(err)
	}
	return &Excess{now: now, cut: cut, claims: claims}
}

// TurnAway tells whether one more request of a claim for which there is no room
// is to be answered; name is whom its connection stands for, "" if not known.
func (e *Excess) TurnAway(c Claim, name string) (answer bool) {
	if e == nil {
		return true
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	x, ok := e.claims.Get(c)
	if !ok {
		x = &excess{busy: rate.NewLimiter(busyPerSecond, busyAtOnce)}
		e.claims.Add(c, x)
	}
	if x.busy.AllowN(e.now(), 1) {
		return true
	}
	if x.dropped++; x.dropped >= excessMost && name != "" {
		x.dropped = 0
		e.cut(name, c.Client)
	}
	return false
}

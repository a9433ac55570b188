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
	excessKept    = 16_384 // claims told apart, and addresses; about 4 MB each

	wrongAtOnce    = 1000        // wrong signatures of one address that are looked at
	wrongPerSecond = 250         // and for long: some 4% of one core
	wrongFor       = time.Minute // how long a claim that brought one is under that bound
	wrongWeight    = 4           // of its requests that are turned away, towards the bounds above
)

// Excess bounds what is spent on requests that are turned away, and on wrong
// signatures. To answer all of a flood takes longer than to send it, and whoever
// waits behind it in the same buffers would be dropped; to check all of it takes
// the time of those who sign rightly. Nobody who repeats only what was answered
// busy comes near the first bound. It is safe for concurrent use; a nil Excess
// answers and tolerates everybody.
//
// Wrong signatures are counted by address, so other keys and connections help
// nobody; but only claims that brought one themselves feel it, and whoever shares
// the address and signs rightly does not.
type Excess struct {
	now func() time.Time
	cut func(name, client string)

	mu     sync.Mutex // guards what follows
	claims *lru.Cache[Claim, *excess]
	wrong  *lru.Cache[string, *rate.Limiter] // by address
}

// excess is what one claim has sent too much.
type excess struct {
	busy    *rate.Limiter
	dropped int
	wrong   time.Time // when it last brought a wrong signature; zero: never
}

// NewExcess returns an Excess that calls cut, which must not block, with the name
// and the address of whoever goes on and on.
func NewExcess(now func() time.Time, cut func(name, client string)) *Excess {
	claims, err := lru.New[Claim, *excess](excessKept)
	if err != nil { // only a size below one is refused
		panic(err)
	}
	wrong, err := lru.New[string, *rate.Limiter](excessKept)
	if err != nil {
		panic(err)
	}
	return &Excess{now: now, cut: cut, claims: claims, wrong: wrong}
}

// TurnAway tells whether one more request of a claim for which there is no room
// is to be answered; name is whom its connection stands for, "" if not known.
func (e *Excess) TurnAway(c Claim, name string) (answer bool) {
	if e == nil {
		return true
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	x, weight := e.of(c), 1
	if x.suspect(now) {
		weight = wrongWeight
	}
	if x.busy.AllowN(now, weight) {
		return true
	}
	if x.dropped += weight; x.dropped >= excessMost && name != "" {
		x.dropped = 0
		e.cut(name, c.Client)
	}
	return false
}

// Wrong notes that a claim brought something that nobody has rightly signed. What
// an address brings without saying on whose account is not told apart there, and
// not counted.
func (e *Excess) Wrong(c Claim) {
	if e == nil || c.Party == "" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	e.of(c).wrong = now
	l, ok := e.wrong.Get(c.Client)
	if !ok {
		l = rate.NewLimiter(wrongPerSecond, wrongAtOnce)
		e.wrong.Add(c.Client, l)
	}
	l.AllowN(now, 1)
}

// Tolerates tells whether one more signature of a claim is to be looked at, beside
// those under way that are to be already: not where it lately brought wrong ones
// and its address has used up what it has of them.
func (e *Excess) Tolerates(c Claim, underWay int) bool {
	if e == nil || c.Party == "" {
		return true
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	x, ok := e.claims.Get(c)
	if !ok || !x.suspect(now) {
		return true
	}
	l, ok := e.wrong.Get(c.Client)
	return !ok || l.TokensAt(now) >= float64(1+underWay)
}

func (x *excess) suspect(now time.Time) bool {
	return !x.wrong.IsZero() && now.Sub(x.wrong) < wrongFor
}

// of is what is known of a claim. The caller holds mu.
func (e *Excess) of(c Claim) *excess {
	x, ok := e.claims.Get(c)
	if !ok {
		x = &excess{busy: rate.NewLimiter(busyPerSecond, busyAtOnce)}
		e.claims.Add(c, x)
	}
	return x
}

package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress is a bar on standard error with rate and remaining time. It shows
// only on a terminal, or where asked for. It is safe for concurrent use.
type progress struct {
	mu    sync.Mutex
	bar   *progressbar.ProgressBar // nil: not shown
	unit  string
	start time.Time
	now   func() time.Time
	shown time.Time
}

// newProgress makes a bar over total steps; total ≤ 0 is unknown. unit names
// what count counts.
func newProgress(s *streams, forced bool, total int64, unit string) *progress {
	p := &progress{unit: unit, now: s.Now, start: s.Now()}
	if !forced && !isTerminal(s.Err) {
		return p
	}
	if total <= 0 {
		total = -1
	}
	p.bar = progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(s.Err),
		progressbar.OptionSetWidth(24),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionClearOnFinish(),
	)
	return p
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// set moves the bar to done steps and shows count units and their rate.
func (p *progress) set(done int64, count uint64) {
	if p.bar == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if now.Sub(p.shown) < 100*time.Millisecond {
		return
	}
	p.shown = now
	p.bar.Describe(fmt.Sprintf("%s %s  %s/s", number(count), p.unit, number(int64(perSecond(count, now.Sub(p.start))))))
	_ = p.bar.Set64(done) // beyond the total only where a file grew meanwhile
}

// finish takes the bar away.
func (p *progress) finish() {
	if p.bar != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		_ = p.bar.Clear()
	}
}

// perSecond is a rate; 0 where no time has passed.
func perSecond[T ~int | ~int64 | ~uint64](n T, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

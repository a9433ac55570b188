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
	err   io.Writer
	note  string // why nothing moves; "" where it does
}

// newProgress makes a bar over total steps; total ≤ 0 is unknown. unit names
// what count counts.
func newProgress(s *streams, forced bool, total int64, unit string) *progress {
	p := &progress{unit: unit, now: s.Now, start: s.Now(), err: s.Err}
	if !forced && !isTerminal(s.beneath()) {
		return p
	}
	if total <= 0 {
		total = -1
	}
	p.bar = progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(s.beneath()),
		progressbar.OptionSetWidth(24),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionClearOnFinish(),
	)
	return p
}

// isTerminal tells whether a reader or writer is a person's terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
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
	text := fmt.Sprintf("%s %s  %s/s", number(count), p.unit, number(int64(perSecond(count, now.Sub(p.start)))))
	if p.note != "" {
		text += "  " + cut(p.note, 40)
	}
	p.bar.Describe(text)
	_ = p.bar.Set64(done) // beyond the total only where a file grew meanwhile
}

// say prints a line for the person watching, above the bar.
func (p *progress) say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	fmt.Fprintln(p.err, text)
}

// waiting says why the hub takes nothing, and keeps it beside the bar; "" is
// that it takes again.
func (p *progress) waiting(reason string) {
	p.mu.Lock()
	p.note = reason
	if p.bar != nil && reason != "" {
		p.bar.Describe(cut(reason, 60))
	}
	p.mu.Unlock()
	if reason == "" {
		p.say(tr("节点恢复受理", "the hub takes documents again"))
		return
	}
	p.say(fmt.Sprintf(tr("节点暂不受理：%s（等候中）", "the hub takes nothing at present: %s (waiting)"), reason))
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

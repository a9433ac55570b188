package bus

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Bounds of what the server may write to the log. A client can make it complain
// as fast as it can send, with subjects of its own choice.
const (
	linesPerSecond = 10
	lineLength     = 400 // bytes
)

// serverLog passes the server's messages on to slog, in bounded number and
// length. A fatal one does not end the process: it is kept for the error that
// start returns.
type serverLog struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	fatal   string
	clients tally // what clients did: never keeps a line of the server's own from the log
	own     tally
}

// tally counts the lines of one second.
type tally struct {
	second int64
	lines  int
	left   int // out, and not told of yet
}

func (l *serverLog) lastFatal() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

// write passes a line on, unless the second is full; what was left out is
// counted and told with the next line.
func (l *serverLog) write(level slog.Level, format string, v []any) {
	s := fmt.Sprintf(format, v...)
	if strings.HasPrefix(s, "Websocket not configured with TLS") {
		return // it listens to this process alone: see websocketOptions
	}
	if len(s) > lineLength {
		s = strings.ToValidUTF8(s[:lineLength], "") + "…"
	}
	l.mu.Lock()
	t := &l.own
	if strings.Contains(s, " - cid:") || strings.Contains(s, " - wid:") { // said of a client, whose fault is none of the hub's
		t, level = &l.clients, min(level, slog.LevelWarn)
	}
	if second := l.now().Unix(); second != t.second {
		t.second, t.lines = second, 0
	}
	if t.lines >= linesPerSecond {
		t.left++
		l.mu.Unlock()
		return
	}
	t.lines++
	left := t.left
	t.left = 0
	l.mu.Unlock()
	if left > 0 {
		l.log.Log(context.Background(), level, "nats-server", "message", s, "left_out_before", left)
		return
	}
	l.log.Log(context.Background(), level, "nats-server", "message", s)
}

func (l *serverLog) Fatalf(format string, v ...any) {
	s := strings.TrimSpace(fmt.Sprintf(format, v...))
	l.mu.Lock()
	l.fatal = s
	l.mu.Unlock()
	l.log.Error("nats-server", "message", s)
}
func (l *serverLog) Errorf(format string, v ...any) { l.write(slog.LevelError, format, v) }
func (l *serverLog) Warnf(format string, v ...any)  { l.write(slog.LevelWarn, format, v) }
func (l *serverLog) Noticef(format string, v ...any) {
	l.log.Debug("nats-server", "message", fmt.Sprintf(format, v...))
}
func (l *serverLog) Debugf(string, ...any) {}
func (l *serverLog) Tracef(string, ...any) {}

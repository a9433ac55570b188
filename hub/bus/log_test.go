package bus

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// A client that makes the server complain fills neither the disk nor the
// second of the server's own lines.
func TestComplaintsAreBounded(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1000, 0)
	l := &serverLog{log: slog.New(slog.NewTextHandler(&out, nil)), now: func() time.Time { return now }}
	subject := strings.Repeat("主题.", 1000)
	for range 4000 {
		l.Errorf("127.0.0.1:4000 - cid:7 - Publish Violation - Subject %q", subject)
	}
	l.Errorf("the disk is full")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != linesPerSecond+1 || out.Len() > (linesPerSecond+1)*(lineLength+200) {
		t.Fatalf("%d lines, %d bytes", len(lines), out.Len())
	}
	if first := lines[0]; !strings.Contains(first, "level=WARN") || !strings.Contains(first, "cid:7") {
		t.Errorf("first line %s", first)
	}
	if last := lines[len(lines)-1]; !strings.Contains(last, "level=ERROR") || !strings.Contains(last, "disk") {
		t.Errorf("last line %s", last)
	}
	out.Reset()
	now = now.Add(time.Second)
	l.Errorf("127.0.0.1:4000 - cid:7 - Publish Violation")
	if !strings.Contains(out.String(), "left_out_before=3990") {
		t.Errorf("the rest is not counted: %s", &out)
	}
}

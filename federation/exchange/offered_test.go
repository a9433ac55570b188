package exchange

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"lianmu/federation/identity/identitytest"
	"lianmu/federation/ledger"
)

// Whatever a hub has of logs, its reader can read what it answers, and lacks nothing
// but what no reader would take.
func TestEveryAnswerIsReadable(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	p.offer(identitytest.Key(t), 3)
	logs := []*ledger.Log{w.own(p, 3)}
	for range 2 {
		other := newPaper(t).offer(identitytest.Key(t), 2)
		f := w.follow(other, true)
		f.advance(t, other, true, other.last())
		logs = append(logs, f.Log)
	}
	small, large := `{"of":"small"}`, `{"of":"`+strings.Repeat("x", MaxCard-9)+`"}`
	for name, row := range map[string]struct {
		card  string // of the mirrors
		shown [][]byte
		want  int // logs in the answer
	}{
		"as it should be":    {small, nil, 3},
		"a card of most":     {large, nil, 3},
		"a card over that":   {large + " ", nil, 1},
		"no card":            {"", nil, 1},
		"a card of garbage":  {"{", nil, 1},
		"cards as notes":     {large, [][]byte{[]byte(large), []byte(large)}, 3},
		"a note of most":     {small, [][]byte{bytes.Repeat([]byte("x"), MaxNote)}, 6},
		"an empty note":      {small, [][]byte{{}}, 3},
		"a note of no text":  {small, [][]byte{{0xff, 0xfe}}, 3},
		"more notes than go": {small, bytes.SplitAfter(bytes.Repeat([]byte("a note\n"), 2*MaxLogs-1), []byte("\n"))[:2*MaxLogs-1], MaxLogs},
	} {
		s := NewServer(ServerConfig{
			Card: func() []byte { return []byte(`{"of":"me"}`) }, Logs: func() []*ledger.Log { return logs }, Logger: w.quiet(),
			CardOf: func(origin string) []byte {
				if origin == logs[0].Origin() {
					return []byte(small)
				}
				return []byte(row.card)
			},
			Shown: func(string) [][]byte { return row.shown },
		})
		t.Cleanup(s.Close)
		a, err := NewClient(direct(s, approved)).Logs(t.Context(), LogsRequest{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(a.Logs) != row.want || !a.Logs[0].Own {
			t.Errorf("%s: %d logs, want %d", name, len(a.Logs), row.want)
		}
		for i, o := range a.Logs {
			if o.Err != nil || len(o.Card) == 0 || o.Checkpoint == "" {
				t.Errorf("%s: log %d is %+v", name, i, o)
			}
		}
	}
}

// One bad log in an answer is that log's fault, and the others are read.
func TestOneBadLogInAnAnswer(t *testing.T) {
	good := offered{Card: `{"of":"good"}`, Checkpoint: "a note"}
	for name, row := range map[string]struct {
		bad  offered
		card bool // which can still be read
	}{
		"a long checkpoint": {offered{Card: `{"of":"bad"}`, Checkpoint: strings.Repeat("x", MaxNote+1)}, true},
		"no checkpoint":     {offered{Card: `{"of":"bad"}`}, true},
		"no card":           {offered{Checkpoint: "a note"}, false},
		"a long card":       {offered{Card: fmt.Sprintf(`{"of":%q}`, strings.Repeat("x", MaxCard)), Checkpoint: "a note"}, false},
		"a card of garbage": {offered{Card: `[1]`, Checkpoint: "a note"}, false},
	} {
		text, err := json.Marshal(logsAnswer{Card: `{"of":"me"}`, Logs: []offered{good, row.bad, good}})
		if err != nil {
			t.Fatal(err)
		}
		reply := Reply(newPacker().pack(text), nil)
		a, err := NewClient(askFunc(func(context.Context, Question, []byte) ([]byte, error) { return reply, nil })).Logs(t.Context(), LogsRequest{})
		if err != nil || len(a.Logs) != 3 {
			t.Errorf("%s: %+v, %v", name, a, err)
			continue
		}
		for _, i := range []int{0, 2} {
			if o := a.Logs[i]; o.Err != nil || string(o.Card) != good.Card || o.Checkpoint != good.Checkpoint {
				t.Errorf("%s: a good one is %+v", name, o)
			}
		}
		if o := a.Logs[1]; o.Err == nil || o.Checkpoint != "" || (len(o.Card) > 0) != row.card {
			t.Errorf("%s: the bad one is %+v", name, o)
		}
	}
}

package exchange

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lianmu/federation/identity/identitytest"
	"lianmu/federation/ledger"
)

// A card comes over the wire once, a log that is as it was shown not again, and what
// the asker sees is whole each time.
func TestShownOnce(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	p.offer(identitytest.Key(t), 9)
	own := w.own(p, 3)
	other := newPaper(t).offer(identitytest.Key(t), 2)
	f := w.follow(other, true)
	f.advance(t, other, true, other.last())
	cards := map[string]string{own.Origin(): `{"of":"own"}`, f.Log.Origin(): fmt.Sprintf(`{"of":%q}`, strings.Repeat("他", 4000))}
	var shown [][]byte
	s := NewServer(ServerConfig{
		Card: func() []byte { return []byte(`{"of":"me"}`) }, Logs: func() []*ledger.Log { return []*ledger.Log{own, f.Log} }, Logger: w.quiet(),
		CardOf: func(origin string) []byte { return []byte(cards[origin]) },
		Shown: func(origin string) [][]byte {
			if origin == own.Origin() {
				return nil
			}
			return shown
		},
	})
	t.Cleanup(s.Close)
	var texts atomic.Int64
	asker := askFunc(func(ctx context.Context, q Question, body []byte) ([]byte, error) {
		reply := s.Reply(ctx, approved, q, body)
		text, err := newUnpacker(maxLogsText).unpack(reply[1:])
		texts.Store(int64(len(text)))
		return reply, err
	})
	c := NewClient(asker)
	held := map[string]Held{}
	ask := func(name string, small bool, want ...string) {
		t.Helper()
		a, err := c.Logs(t.Context(), LogsRequest{Held: held})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []string
		for _, o := range a.Logs {
			origin := originIn(o.Checkpoint)
			if o.Err != nil || string(o.Card) != cards[origin] {
				t.Errorf("%s: %s comes as %v with %d bytes of card", name, origin, o.Err, len(o.Card))
			}
			got = append(got, origin)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || small != (texts.Load() < 4000) {
			t.Errorf("%s: %v in %d bytes, want %v", name, got, texts.Load(), want)
		}
		for _, l := range []*ledger.Log{own, f.Log} {
			held[l.Origin()] = Held{Size: l.Latest().Size, Note: Mark(l.Latest().Note)}
		}
	}
	ask("at first", false, own.Origin(), f.Log.Origin())
	ask("nothing new", true)
	w.append(own, p, 3, 6)
	time.Sleep(lookEvery) // the board is looked at anew
	ask("one has grown", true, own.Origin())
	held[f.Log.Origin()] = Held{Size: 2}
	ask("no checkpoint of it is at hand any more", true, f.Log.Origin())
	held[f.Log.Origin()] = Held{Size: 1, Note: held[f.Log.Origin()].Note}
	ask("not all of it is at hand any more", true, f.Log.Origin())
	held[f.Log.Origin()] = Held{Size: 2, Note: Mark([]byte("another checkpoint of this size"))}
	ask("it may be another history", true, f.Log.Origin())
	shown = [][]byte{[]byte(f.Log.Origin() + "\nanother history\n")}
	ask("another history was shown", true, f.Log.Origin(), f.Log.Origin())
	shown = nil
	cards[f.Log.Origin()] = `{"of":"new"}`
	ask("a new card", true, f.Log.Origin())
	ask("nothing new", true)
	c = NewClient(asker) // connected anew
	cards[f.Log.Origin()] = fmt.Sprintf(`{"of":%q}`, strings.Repeat("他", 4000))
	ask("another connection", false, own.Origin(), f.Log.Origin())
}

package hub_test

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"testing"

	"lianmu/hub/peering"
	"lianmu/hub/view"
)

// A peer that may relay brings sixty-three logs with the largest cards. What others
// get of each small entry here is about that entry, and not all these cards anew.
func TestStandLargeCardsAmongNews(t *testing.T) {
	t.Parallel()
	text := func(n int) string {
		b := make([]byte, n)
		rand.Read(b)
		return hex.EncodeToString(b)
	}
	for name, row := range map[string]struct {
		logs  int
		large bool
		most  int64 // bytes of news of one entry
	}{
		"three ordinary ones": {3, false, 12_000},
		"63 large ones":       {63, true, 40_000},
	} {
		t.Run(name, func(t *testing.T) {
			b, c := settle(t, "乙", "0b"), settle(t, "丙", "0c")
			befriend(t, b, c)
			f := newForger(t).offers("f")
			for range row.logs {
				g := newForger(t)
				if row.large {
					var addresses []string
					for range 8 {
						addresses = append(addresses, "http://127.0.0.1/"+text(240))
					}
					g.card = g.says(map[string]any{"address": addresses, "contact": text(5000)})
				}
				f.extra = append(f.extra, offered{string(g.card), string(checkpoint(t, g.origin, g.signer, f.tree)), false})
			}
			b.add(f, peering.Terms{Relays: true})
			b.holds(f, 1)
			b.until("all logs are known", func() (string, bool) {
				logs, err := b.peers().Logs(t.Context(), security)
				return fmt.Sprint(len(logs), err), len(logs) >= min(row.logs, 63)+1
			})
			b.publish("n0")
			c.finds(1, view.Question{Filter: []string{"hub:" + b.info.Origin}})
			before := c.link(b).In
			const news = 8
			for i := range news {
				b.publish(fmt.Sprint("n", i+1))
				c.finds(uint64(i+2), view.Question{Filter: []string{"hub:" + b.info.Origin}})
			}
			each := (c.link(b).In - before) / news
			t.Logf("%d bytes of news for each entry", each)
			if each > row.most {
				t.Errorf("%d bytes of news for each entry, more than %d", each, row.most)
			}
		})
	}
}

package view

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/vocab"
)

// BenchmarkSearchDuringMirror compares how long searches take at rest and while
// the index takes in a mirror whose entries wait in its log: the worst case, as
// each document is read and expanded for it.
//
//	go test -bench SearchDuringMirror -benchtime 1x -run xxx ./hub/view
func BenchmarkSearchDuringMirror(b *testing.B) {
	const own, mirrored = 10_000, 10_000
	s := newShelf(b)
	s.config.Every = 100 * time.Millisecond
	n := s.neighbour("b.example")
	fill(b, s.hub, own)
	s.catchUp()
	fill(b, n, mirrored)
	s.restart()
	time.Sleep(3 * time.Second) // what was applied is written
	b.ResetTimer()
	for b.Loop() {
		rest, _ := s.searches(b, func() bool { return false })
		began := time.Now()
		s.show(n)
		during, most := s.searches(b, func() bool { return s.behind(s.feed("b.example")) == 0 })
		took := time.Since(began)
		b.Logf("%d own offerings, %d of a mirror, GOMAXPROCS %d: the mirror came in at %.0f entries/s; "+
			"searches at rest p50 %v p99 %v, meanwhile p50 %v p99 %v max %v",
			own, mirrored, runtime.GOMAXPROCS(0), mirrored/took.Seconds(), at(rest, 50), at(rest, 99), at(during, 50), at(during, 99), most)
		if err := s.Detach(b.Context(), "b.example", true); err != nil {
			b.Fatal(err)
		}
	}
}

func at(times []time.Duration, percent int) time.Duration {
	return times[len(times)*percent/100].Round(10 * time.Microsecond)
}

// fill publishes offerings with words that are more and less common.
func fill(b testing.TB, h *hub, n int) {
	b.Helper()
	k := identitytest.Key(b)
	words := []string{"港口", "泊位", "公交", "气象", "物流", "电力", "水质", "医疗", "税务", "农田"}
	var wg sync.WaitGroup
	room := make(chan struct{}, 256)
	for i := range n {
		r := rand.New(rand.NewPCG(uint64(i), 1))
		doc := fmt.Sprintf(`{"@context":"https://w3id.org/lianmu/v1",%s}`, product(fmt.Sprintf("urn:%d", i), pick(r, words...)+pick(r, words...)+"数据",
			public+fmt.Sprintf(`,"description":"%s与%s的逐小时统计，第 %d 号，供调度与研究使用。","keyword":["%s"]`, pick(r, words...), pick(r, words...), i, pick(r, words...))))
		raw := identitytest.Sign(b, doc, k, identity.SignOptions{Created: h.stamp.Next(time.Now()), Expires: time.Now().Add(time.Hour)})
		room <- struct{}{}
		wg.Go(func() {
			for h.intake.Submit(b.Context(), raw).Status == vocab.Busy {
				time.Sleep(10 * time.Millisecond)
			}
			<-room
		})
	}
	wg.Wait()
}

// searches asks, every ten milliseconds, until done, at least 300 times; it
// returns how long each took, sorted, and the longest.
func (s *shelf) searches(b testing.TB, done func() bool) ([]time.Duration, time.Duration) {
	var times []time.Duration
	questions := []Question{{Q: "港口 泊位"}, {Q: "气象"}, {Q: "电力 -水质", Facets: []string{"all"}}, {Q: "物流", Sort: "-modified"}, {Facets: []string{"space", "theme"}}}
	for i := 0; i < 300 || !done() && i < 10_000; i++ {
		began := time.Now()
		if _, err := s.Find(b.Context(), questions[i%len(questions)]); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(began))
		time.Sleep(10 * time.Millisecond)
	}
	slices.Sort(times)
	return times, times[len(times)-1]
}

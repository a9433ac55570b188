package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/time/rate"

	"lianmu/hub/view"
)

// latencies collects durations; it is safe for concurrent use.
type latencies struct {
	mu sync.Mutex
	ms []float32 // milliseconds
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ms = append(l.ms, float32(d.Seconds()*1000))
}

// quantiles are of all durations, in milliseconds.
type quantiles struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50_ms"`
	P95   float64 `json:"p95_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

// quantiles sorts what was collected; the nearest-rank method.
func (l *latencies) quantiles() quantiles {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ms) == 0 {
		return quantiles{}
	}
	slices.Sort(l.ms)
	at := func(percent int) float64 { return float64(l.ms[(len(l.ms)*percent+99)/100-1]) }
	return quantiles{Count: len(l.ms), P50: at(50), P95: at(95), P99: at(99), Max: at(100)}
}

// poller finds out when documents can be searched: it asks over HTTP for the
// word that a document alone has, until it is found. It asks for one document
// at a time, the longest published first, so it costs the hub little; a
// document counts as found when the answer is here.
type poller struct {
	hub   *hubClient
	every time.Duration
	queue chan sample
	took  latencies
	left  sync.WaitGroup // samples not decided yet
	mu    sync.Mutex
	lost  int
}

type sample struct {
	word      string
	published time.Time
}

// pollWait is how long a document may stay unseen before it counts as missing.
const pollWait = time.Minute

func newPoller(hub *hubClient, perSecond float64, room int) *poller {
	p := &poller{hub: hub, every: 20 * time.Millisecond, queue: make(chan sample, room)}
	if perSecond > 0 {
		p.every = 10 * time.Millisecond
	}
	return p
}

func (p *poller) add(word string, published time.Time) {
	p.left.Add(1)
	p.queue <- sample{word, published}
}

// drain waits until every sample has been found or counts as missing, at most
// for patience.
func (p *poller) drain(patience time.Duration) {
	decided := make(chan struct{})
	go func() {
		p.left.Wait()
		close(decided)
	}()
	select {
	case <-decided:
	case <-time.After(patience):
	}
}

func (p *poller) missed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

func (p *poller) run(ctx context.Context) {
	for {
		select {
		case s := <-p.queue:
			p.find(ctx, s)
			p.left.Done()
		case <-ctx.Done():
			for len(p.queue) > 0 { // nobody will look for these
				<-p.queue
				p.miss()
				p.left.Done()
			}
			return
		}
	}
}

func (p *poller) find(ctx context.Context, s sample) {
	path := "/api/v1/search?limit=1&q=" + url.QueryEscape(s.word)
	for {
		var a view.Answer
		if err := p.hub.get(ctx, path, &a); err == nil && a.Total > 0 {
			p.took.add(time.Since(s.published))
			return
		}
		if time.Since(s.published) > pollWait || sleep(ctx, p.every) != nil {
			p.miss()
			return
		}
	}
}

func (p *poller) miss() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost++
}

// awaitIndexed returns when the hub's search covers its whole log.
func awaitIndexed(ctx context.Context, hub *hubClient) error {
	for {
		var a view.Answer
		if err := hub.get(ctx, "/api/v1/search?limit=1&q=", &a); err != nil {
			return err
		}
		behind := len(a.Coverage) == 0
		for _, c := range a.Coverage {
			behind = behind || c.Indexed < c.LogSize
		}
		if !behind {
			return nil
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// searcher searches for real words over kept-alive connections and measures
// from the request to the last byte of the answer.
type searcher struct {
	hub    *hubClient
	words  wordChoice
	facets bool          // ask for all of them
	limit  *rate.Limiter // shared by all clients
	took   latencies
	mu     sync.Mutex
	errors int
	hits   uint64
}

func (s *searcher) run(ctx context.Context, g *synthesis, rnd *rand.Rand) {
	for s.limit.Wait(ctx) == nil {
		path := "/api/v1/search?q=" + url.QueryEscape(g.query(rnd, s.words))
		if s.facets {
			path += "&facets=all"
		}
		start := time.Now()
		var raw []byte
		err := s.hub.get(ctx, path, &raw)
		took := time.Since(start)
		var a struct{ Total uint64 }
		if err == nil {
			err = json.Unmarshal(raw, &a)
		}
		if ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		if err != nil {
			s.errors++
		} else {
			s.hits += a.Total
		}
		s.mu.Unlock()
		if err == nil {
			s.took.add(took)
		}
	}
}

func (s *searcher) report() *searchReport {
	q := s.took.quantiles()
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &searchReport{quantiles: q, Errors: s.errors}
	if q.Count > 0 {
		r.MeanTotal = float64(s.hits) / float64(q.Count)
	}
	return r
}

// hubFigures is what a hub's /metrics say of its process and its disk.
type hubFigures struct {
	CPUSeconds float64
	RSS        float64 // bytes
	LogBytes   float64
	IndexBytes float64
}

// hubMeter reads a hub's figures and remembers its largest memory.
type hubMeter struct {
	hub  *hubClient
	peak float64 // resident bytes; owned by watch until it has returned
}

func (m *hubMeter) read(ctx context.Context) (hubFigures, error) {
	var raw []byte
	if err := m.hub.get(ctx, "/metrics", &raw); err != nil {
		return hubFigures{}, err
	}
	values := parseMetrics(raw)
	return hubFigures{
		CPUSeconds: values["process_cpu_seconds_total"], RSS: values["process_resident_memory_bytes"],
		LogBytes: values["lianmu_log_bytes"], IndexBytes: values["lianmu_index_bytes"],
	}, nil
}

func (m *hubMeter) watch(ctx context.Context) {
	for {
		if f, err := m.read(ctx); err == nil {
			m.peak = max(m.peak, f.RSS)
		}
		if sleep(ctx, time.Second) != nil {
			return
		}
	}
}

// parseMetrics reads the samples without labels of a Prometheus text page.
func parseMetrics(page []byte) map[string]float64 {
	values := make(map[string]float64)
	for lines := bufio.NewScanner(bytes.NewReader(page)); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if !ok || strings.HasPrefix(name, "#") || strings.Contains(name, "{") {
			continue
		}
		if v, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
			values[name] = v
		}
	}
	return values
}

// ownCPU is the processor time, user and system, of this process so far.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

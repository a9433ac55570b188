package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"lianmu/federation/identity"
	"lianmu/vocab"
)

type loadCmd struct {
	Hub           string  `required:"" placeholder:"URL" env:"LIANMU_HUB" help:"nats://HOST:PORT of the hub to load (its catalogue keeps what is published)."`
	HubDID        string  `name:"hub-did" placeholder:"DID" env:"LIANMU_HUB_DID" help:"The hub's DID, had from elsewhere: the key then speaks to no other (without it, the one that answers is believed)."`
	HTTP          string  `name:"http" placeholder:"URL" help:"http://HOST:PORT of the same hub; without it only publishing is measured."`
	Count         int     `default:"10000" help:"Documents; 0 publishes none and only searches."`
	Titles        string  `placeholder:"FILE" help:"Real titles, one a line, may be .gz."`
	Rate          float64 `placeholder:"N" help:"Documents a second; 0 is as fast as the hub takes them."`
	Window        int     `default:"256" help:"Requests in flight, 1 to 4096."`
	Spaces        int     `default:"4" help:"Spaces that publish, each with a throw-away key."`
	Size          int     `default:"3800" help:"Mean size of a document in bytes, 1500 to 100000."`
	SearchClients int     `default:"0" help:"Clients that search all the while."`
	SearchRate    float64 `default:"50" help:"Searches a second of all clients together (a hub limits requests by address)."`
	SearchWords   string  `enum:"title,common" default:"title" help:"Words to search for: \"title\", pairs of characters from titles and any of the 2,000 commonest words alike; \"common\", by rank, the commonest far more often."`
	SearchFacets  bool    `help:"Ask every search for all facets, as the pages do."`
	SampleEvery   int     `placeholder:"N" help:"Measure when every Nth document can be searched (default: 5 at up to 500 a second, else about 500 in all)."`
	Presign       bool    `default:"true" negatable:"" help:"Make and sign before the clock starts."`
	Bare          bool    `help:"Index the same documents without a hub afterwards, and compare."`
	Seed          uint64  `default:"1" help:"The same seed makes the same texts."`
	Dir           string  `placeholder:"DIR" help:"The hub's folder, to measure its disk there instead of asking the hub."`
	Progress      bool    `help:"Show progress even where this is no terminal."`
	JSON          bool    `name:"json" help:"Print the report as JSON."`
}

func (c *loadCmd) check() error {
	switch {
	case c.Count < 0 || c.Count > 50_000_000:
		return errors.New(tr("--count 应在 0 到 5000 万之间", "--count must be from 0 to 50,000,000"))
	case c.Count == 0 && c.HTTP == "":
		return errors.New(tr("--count 0 只做检索，要和 --http 一起用", "--count 0 only searches and needs --http"))
	case c.Count == 0 && c.Bare:
		return errors.New(tr("--count 0 没有文档可供 --bare 比较", "--count 0 leaves --bare no documents to compare"))
	case c.Window < 1 || c.Window > 4096:
		return errors.New(tr("--window 应在 1 到 4096 之间", "--window must be from 1 to 4096"))
	case c.Spaces < 1 || c.Spaces > maxFleet:
		return errors.New(tr("--spaces 应在 1 到 1000 之间", "--spaces must be from 1 to 1,000"))
	case c.Size < 1500 || c.Size > 100_000:
		return errors.New(tr("--size 应在 1500 到 100000 之间", "--size must be from 1500 to 100,000"))
	case c.Rate < 0 || c.SearchRate <= 0 || c.SearchClients < 0 || c.SearchClients > 256:
		return errors.New(tr("--rate 不能为负，--search-rate 必须大于 0，--search-clients 不超过 256", "--rate must not be negative, --search-rate must be more than 0, --search-clients at most 256"))
	case c.SearchClients > 0 && c.HTTP == "":
		return errors.New(tr("--search-clients 要和 --http 一起用", "--search-clients needs --http"))
	}
	if c.SampleEvery <= 0 {
		c.SampleEvery = max(1, c.Count/500)
		if c.Rate > 0 && c.Rate <= 500 {
			c.SampleEvery = 5
		}
	}
	return nil
}

// Run makes the load, measures and prints the report; exit code 1 if a
// document was refused or got no receipt.
func (c *loadCmd) Run(ctx context.Context, s *streams) error {
	if err := c.check(); err != nil {
		return err
	}
	var titles []string
	if c.Titles != "" {
		var err error
		if titles, err = readTitles(c.Titles); err != nil {
			return err
		}
	}
	f, err := newFleet(c.Spaces, s.Now)
	if err != nil {
		return err
	}
	defer f.close()
	if err := f.dial(ctx, c.Hub, caller{HubDID: c.HubDID, Now: s.Now, Notice: func(text string) { fmt.Fprintln(s.Err, text) }}); err != nil {
		return err
	}
	var hub *hubClient
	if c.HTTP != "" {
		if hub, err = newHubClient(c.HTTP, nil, s.Now); err != nil {
			return err
		}
		// On one machine packing and unpacking answers is load without use.
		hub.http.Transport.(*http.Transport).DisableCompression = true
	}
	run := strings.ToLower(rand.Text()[:6])
	g := newSynthesis(run, c.Seed, c.Size, titles, s.Now())
	bar := newProgress(s, c.Progress, int64(c.Count), tr("份已备好", "made"))
	docs, err := fillSpool(ctx, g, f, c.Count, runtime.GOMAXPROCS(0), c.Presign, func(n int) { bar.set(int64(n), uint64(n)) })
	bar.finish()
	if err != nil {
		return err
	}
	defer docs.remove()

	r := c.report(docs, len(titles))
	l := &loading{cmd: c, streams: s, hub: hub, fleet: f, docs: docs, synthesis: g, report: r}
	if err := l.run(ctx); err != nil {
		return err
	}
	if c.Bare {
		if r.Bare, err = bareIndex(ctx, docs, f, s.Now); err != nil {
			return err
		}
		if r.Searchable != nil {
			r.Bare.HubRatio = r.Searchable.PerSecond / r.Bare.PerSecond
		}
	}
	if c.JSON {
		err = json.NewEncoder(s.Out).Encode(r)
	} else {
		err = r.write(s.Out)
	}
	if err == nil && r.Publish.Failed+r.Publish.Refused > 0 {
		return exitCode(1)
	}
	return err
}

// loading is one run against a hub.
type loading struct {
	cmd       *loadCmd
	streams   *streams
	hub       *hubClient // nil: only publishing is measured
	fleet     *fleet
	docs      *spool
	synthesis *synthesis
	report    *loadReport

	receipts latencies
	mu       sync.Mutex // guards report.Publish while documents are under way
	why      vocab.Problems
}

// run loads the hub and fills the report: publishing, then the wait until
// everything can be searched, then searches at rest.
func (l *loading) run(ctx context.Context) error {
	// What watches ends with the load, not before: searchers and the poller
	// have a context of their own.
	watch, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	var watchers sync.WaitGroup
	var before hubFigures
	var meter *hubMeter
	var searching *searcher
	var seen *poller
	if l.hub != nil {
		meter = &hubMeter{hub: l.hub}
		var err error
		if before, err = meter.read(ctx); err != nil {
			return err
		}
		seen = newPoller(l.hub, l.cmd.Rate, l.cmd.Count/l.cmd.SampleEvery+1)
		searching = l.searcher()
		watchers.Go(func() { meter.watch(watch) })
		watchers.Go(func() { seen.run(watch) })
		for i := range l.cmd.SearchClients {
			watchers.Go(func() { searching.run(watch, l.synthesis, mathrand.New(mathrand.NewPCG(l.cmd.Seed, uint64(i)))) })
		}
	}
	own := ownCPU()
	start := l.streams.Now()
	if err := l.publish(ctx, seen); err != nil {
		return err
	}
	took := l.streams.Now().Sub(start)
	p := &l.report.Publish
	p.Seconds, p.PerSecond, p.Receipt = took.Seconds(), perSecond(p.Answered, took), l.receipts.quantiles()
	if len(l.why) > 0 {
		p.FirstRefusal = sayProblems(l.why)
	}
	l.report.Generator.CPUSeconds = (ownCPU() - own).Seconds()
	if l.hub == nil {
		return nil
	}
	if err := awaitIndexed(ctx, l.hub); err != nil {
		return err
	}
	took = l.streams.Now().Sub(start)
	after, err := meter.read(ctx)
	if err != nil {
		return err
	}
	l.report.Generator.CPUSecondsWhole = (ownCPU() - own).Seconds()
	seen.drain(10 * time.Second)
	stopWatching()
	watchers.Wait()
	l.report.Searchable = &searchableReport{
		Seconds: took.Seconds(), PerSecond: perSecond(p.Answered, took), Samples: seen.took.quantiles(), NotSeen: seen.missed(),
	}
	if l.cmd.SearchClients > 0 {
		l.report.SearchLoading = searching.report()
	}
	return l.atRest(ctx, meter, before, after)
}

func (l *loading) searcher() *searcher {
	return &searcher{
		hub: l.hub, words: wordChoice(l.cmd.SearchWords), facets: l.cmd.SearchFacets,
		limit: rate.NewLimiter(rate.Limit(l.cmd.SearchRate), 1),
	}
}

// publish sends every document, a window of requests at a time.
func (l *loading) publish(ctx context.Context, seen *poller) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	pace := rate.NewLimiter(rate.Inf, 1)
	if l.cmd.Rate > 0 {
		pace.SetLimit(rate.Limit(l.cmd.Rate))
	}
	bar := newProgress(l.streams, l.cmd.Progress, int64(l.cmd.Count), tr("份已发布", "published"))
	defer bar.finish()
	hub := &patience{giveUp: time.Minute, tell: bar.waiting}
	slots := make(chan struct{}, l.cmd.Window)
	var wg sync.WaitGroup
	defer wg.Wait()
	next := 0
	for raw, err := range l.docs.all() {
		i := next
		next++
		if err != nil {
			return err
		}
		if err := pace.Wait(ctx); err != nil {
			return context.Cause(ctx)
		}
		if !l.cmd.Presign {
			if raw, err = identity.Sign(raw, l.fleet.key(i), l.fleet.options(i)); err != nil {
				return err
			}
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		wg.Go(func() {
			defer func() { <-slots }()
			start := time.Now()
			receipt, err := deliver(ctx, l.fleet.sender(i), raw, hub)
			took := time.Since(start)
			if err != nil {
				stop(err)
			}
			bar.set(int64(i), uint64(l.count(receipt, err, took)))
			if err == nil && seen != nil && receipt.Status == vocab.Accepted && i%l.cmd.SampleEvery == 0 {
				seen.add(l.synthesis.mark(i), start)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// count adds one outcome and returns how many there are.
func (l *loading) count(r vocab.Receipt, err error, took time.Duration) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &l.report.Publish
	switch {
	case err != nil:
		p.Failed++
	case r.Status == vocab.Refused:
		p.Refused++
		if l.why == nil {
			l.why = r.Problems
		}
	}
	if err == nil {
		p.Answered++
		l.receipts.add(took)
	}
	return p.Answered
}

// atRest searches a hub that has nothing else to do, and reads its disk use.
func (l *loading) atRest(ctx context.Context, meter *hubMeter, before, after hubFigures) error {
	rest := l.searcher()
	// A hub measures its disk every ten seconds: searching a little longer
	// than that, the figure read afterwards is of the finished load.
	timed, cancel := context.WithTimeout(ctx, 11*time.Second)
	defer cancel()
	rest.run(timed, l.synthesis, mathrand.New(mathrand.NewPCG(l.cmd.Seed, 1<<32)))
	if err := ctx.Err(); err != nil {
		return err
	}
	l.report.SearchAtRest = rest.report()
	last, err := meter.read(ctx)
	if err != nil {
		return err
	}
	return l.report.measure(l.cmd, before, after, last, meter.peak)
}

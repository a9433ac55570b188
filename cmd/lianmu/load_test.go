package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/vocab/jsonld"
)

func TestSynthesis(t *testing.T) {
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	titles := []string{"港口吞吐量", "公交到站"}
	const n, size = 200, 3800
	a, b := newSynthesis("run", 7, size, titles, now), newSynthesis("run", 7, size, titles, now)
	seen := map[string]bool{}
	total := 0
	for i := range n {
		x, err := a.offering(i)
		if err != nil {
			t.Fatal(err)
		}
		y, err := b.offering(i)
		if err != nil || !bytes.Equal(x, y) {
			t.Fatalf("the same seed made another document: %v", err)
		}
		o, bad := outlineOf(x)
		if bad != nil || o.Signed || seen[o.ID] || !json.Valid(x) {
			t.Fatalf("document %d: %+v %v", i, o, bad)
		}
		if bytes.Count(x, []byte(a.mark(i))) < 2 {
			t.Fatalf("document %d lacks its mark", i)
		}
		seen[o.ID] = true
		total += len(x)
	}
	const proof = 450 // what signing adds, about
	if mean := total/n + proof; mean < size*9/10 || mean > size*11/10 {
		t.Errorf("mean size %d with a proof, wanted about %d", mean, size)
	}
	for _, choice := range []wordChoice{titleWords, commonWords} {
		if q := a.query(rand.New(rand.NewPCG(1, 1)), choice); strings.TrimSpace(q) == "" {
			t.Errorf("%s: an empty query", choice)
		}
	}
}

func TestCommonWordsAreCommoner(t *testing.T) {
	g := newSynthesis("run", 1, 2000, nil, time.Unix(0, 0))
	frequent := map[string]bool{}
	for i := range 100 {
		frequent[g.zh[i]], frequent[g.en[i]] = true, true
	}
	count := map[wordChoice]int{}
	for choice := range map[wordChoice]bool{titleWords: true, commonWords: true} {
		rnd := rand.New(rand.NewPCG(1, 1))
		for range 1000 {
			if frequent[g.query(rnd, choice)] {
				count[choice]++
			}
		}
	}
	if count[commonWords] < 3*count[titleWords] {
		t.Errorf("of 1,000 words, so many are among the 100 commonest: %v", count)
	}
}

func TestSearchOnlyReport(t *testing.T) {
	for _, c := range []loadCmd{{Count: 0}, {Count: 0, HTTP: "http://x", Bare: true}} {
		c.Window, c.Spaces, c.Size, c.SearchRate = 1, 1, 2000, 1
		if err := c.check(); err == nil || !strings.Contains(err.Error(), "--count 0") {
			t.Errorf("%+v: %v", c, err)
		}
	}
	c := loadCmd{SearchWords: "common", SearchFacets: true, SearchRate: 7}
	r := c.report(&spool{}, 0)
	if err := r.measure(&c, hubFigures{}, hubFigures{}, hubFigures{}, 0); err != nil {
		t.Fatal(err)
	}
	r.SearchAtRest = &searchReport{quantiles: quantiles{1, 2, 3, 4, 5}, MeanTotal: 6}
	if _, err := json.Marshal(r); err != nil { // a ratio of nothing would not be a number
		t.Error(err)
	}
	var table strings.Builder
	if err := r.write(&table); err != nil {
		t.Fatal(err)
	}
	if got := table.String(); strings.Contains(got, "publish") || !strings.Contains(got, "search at rest") || !strings.Contains(got, "all facets") {
		t.Errorf("got\n%s", got)
	}
}

func TestSpool(t *testing.T) {
	now := func() time.Time { return time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC) }
	f, err := newFleet(3, now)
	if err != nil {
		t.Fatal(err)
	}
	const n = 1100 // more than two chunks
	s, err := fillSpool(context.Background(), newSynthesis("run", 1, 2000, nil, now()), f, n, 2, true, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	defer s.remove()
	p := jsonld.New(jsonld.Limits{})
	i := 0
	for raw, err := range s.all() {
		if err != nil {
			t.Fatal(err)
		}
		if i%97 == 0 {
			d, err := p.Decode(raw)
			if err != nil {
				t.Fatal(err)
			}
			sec, err := identity.Verify(d, now().Add(time.Minute))
			if err != nil || sec.Space != f.key(i).DID() {
				t.Fatalf("document %d: %+v %v", i, sec, err)
			}
		}
		i++
	}
	if i != n || s.count != n {
		t.Errorf("%d documents, counted %d, wanted %d", i, s.count, n)
	}
}

func TestQuantiles(t *testing.T) {
	var l latencies
	if q := l.quantiles(); q != (quantiles{}) {
		t.Errorf("of nothing: %+v", q)
	}
	for _, i := range rand.New(rand.NewPCG(1, 1)).Perm(1000) {
		l.add(time.Duration(i+1) * time.Millisecond)
	}
	if q := l.quantiles(); q != (quantiles{1000, 500, 950, 990, 1000}) {
		t.Errorf("got %+v", q)
	}
}

func TestParseMetrics(t *testing.T) {
	got := parseMetrics([]byte("# HELP process_cpu_seconds_total x\nprocess_cpu_seconds_total 12.5\nhttp_requests{code=\"200\"} 7\nlianmu_log_bytes 1.5e+06\nodd\n"))
	if got["process_cpu_seconds_total"] != 12.5 || got["lianmu_log_bytes"] != 1.5e6 || len(got) != 2 {
		t.Errorf("got %v", got)
	}
}

func TestReadTitles(t *testing.T) {
	path := writeFile(t, "titles.txt.gz", gzipped(t, "港口\n\n 公交 \n"))
	got, err := readTitles(path)
	if err != nil || len(got) != 2 || got[1] != "公交" {
		t.Errorf("%q %v", got, err)
	}
	if _, err := readTitles(writeFile(t, "none.txt", "\n")); err == nil {
		t.Error("a file without titles was taken")
	}
}

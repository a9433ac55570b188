package index

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"
)

// BenchmarkCollapse measures what it costs to leave logs out and to make one hit
// of listings of a product: of LIANMU_BENCH_DOCS offerings in 25 logs every one
// lists a product, and one in a hundred lists one that another lists, too.
// Figures are ratios of medians to the same search that does neither.
func BenchmarkCollapse(b *testing.B) {
	docs := synthetic(b, benchCount())
	var logs []string
	for i := range 25 {
		logs = append(logs, fmt.Sprintf("lianmu/z6MkHubNumber%02d/1", i))
	}
	build := func(grouped bool) *Index {
		ix, err := Create(filepath.Join(b.TempDir(), "index"), runtime.GOMAXPROCS(0))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { ix.Close() })
		for i := range docs {
			docs[i].Hub, docs[i].Product = logs[i%len(logs)], fmt.Sprintf("691512081MA62K0260E310%010d", i)
			if grouped && i%200 == 101 {
				docs[i].Product = docs[i-101].Product
			}
		}
		for batch := range slices.Chunk(docs, 1000) {
			apply(b, ix, batch...)
		}
		return ix
	}
	single, grouped := build(false), build(true)
	variants := []struct {
		name string
		ix   *Index
		r    Request
	}{
		{"plain", single, Request{}}, {"plain-again", single, Request{}}, {"nothing-alike", single, Request{Collapse: true}},
		{"plain-grouped", grouped, Request{}}, {"1%-alike", grouped, Request{Collapse: true}},
		{"without-1", single, Request{Without: logs[:1]}}, {"without-20", single, Request{Without: logs[:20]}},
	}
	words := []string{"統計", "交通", "公車", "資料", "水質", "學校", "月報", "人口", "垃圾車", "統計年報", "交通 資料", "人口 OR 學校"}
	for _, c := range []struct {
		name string
		r    Request
	}{
		{"words", Request{}}, {"words and four facets", Request{Facets: []string{"theme", "region", "level", "publisher"}}},
		{"words by date", Request{Sort: "-modified"}}, {"everything from the second on", Request{Offset: 1}},
	} {
		b.Run(c.name, func(b *testing.B) {
			took := make([][]time.Duration, len(variants))
			for i := range b.N * len(words) {
				for n := range variants {
					n = (n + i) % len(variants) // none always comes first
					v := variants[n]
					r := c.r
					r.Reader, r.Collapse, r.Without, r.Highlight = public, v.r.Collapse, v.r.Without, true
					if c.r.Offset == 0 {
						r.Query = parse(b, words[i%len(words)])
					}
					began := time.Now()
					if _, err := v.ix.Search(context.Background(), r); err != nil {
						b.Fatal(err)
					}
					took[n] = append(took[n], time.Since(began))
				}
			}
			median := func(n int) float64 {
				slices.Sort(took[n])
				return float64(took[n][len(took[n])/2].Microseconds()) / 1000
			}
			for n, v := range variants[1:] {
				b.ReportMetric(median(n+1)/median(0), v.name+"-ratio")
			}
			b.ReportMetric(median(0), "plain-ms")
		})
	}
	// What the first search has to look for: of everything, and of a batch of ten.
	for _, c := range []struct {
		name string
		size int
	}{{"of everything", 0}, {"of a batch", 10}} {
		b.Run("what is alike "+c.name, func(b *testing.B) {
			for i := range b.N {
				b.StopTimer()
				if c.size == 0 {
					grouped.products = newProducts()
				} else {
					at := i * c.size % (len(docs) - c.size)
					apply(b, grouped, docs[at:at+c.size]...)
				}
				snap, err := grouped.snapshot()
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if _, err := grouped.products.alike(context.Background(), snap); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				snap.Close()
			}
		})
	}
	fmt.Fprintf(os.Stderr, "%d documents in 25 logs, one in a hundred with another's product, GOMAXPROCS %d, %s\n", len(docs), runtime.GOMAXPROCS(0), runtime.Version())
}

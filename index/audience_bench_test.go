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

	"lianmu/vocab"
)

// BenchmarkAudience measures what it costs that a reader may not see all:
// of LIANMU_BENCH_DOCS offerings of 20 spaces seven in ten are public. Each search
// is asked in turn by who sees everything, by the public, by a space and by a
// participant of all spaces; the figures are ratios of medians to the first.
func BenchmarkAudience(b *testing.B) {
	ix, err := Create(filepath.Join(b.TempDir(), "index"), runtime.GOMAXPROCS(0))
	if err != nil {
		b.Fatal(err)
	}
	defer ix.Close()
	docs := synthetic(b, benchCount())
	var spaces []string
	for i := range 20 {
		spaces = append(spaces, fmt.Sprintf("did:key:z6MkSpaceNumber%02d", i))
	}
	for i := range docs {
		docs[i].Space = spaces[i%len(spaces)]
		if i%10 >= 7 {
			docs[i].Audience = vocab.AudienceSpace
		}
	}
	for batch := range slices.Chunk(docs, 1000) {
		apply(b, ix, batch...)
	}
	readers := []struct {
		name string
		vocab.Reader
	}{{"all", everyone}, {"public", public}, {"space", vocab.Reader{Spaces: spaces[:1]}}, {"20-spaces", vocab.Reader{Spaces: spaces}}}
	words := []string{"統計", "交通", "公車", "資料", "水質", "學校", "月報", "人口", "垃圾車", "不動產", "圖書館", "統計年報", "交通 資料", "人口 OR 學校"}
	facets := []string{"theme", "region", "level", "publisher"}
	for _, c := range []struct {
		name string
		r    Request
	}{{"words", Request{Highlight: true}}, {"words and four facets", Request{Facets: facets, Highlight: true}}, {"words by date", Request{Sort: "-modified"}}} {
		b.Run(c.name, func(b *testing.B) {
			took := make([][]time.Duration, len(readers))
			for i := range b.N * len(words) {
				for n := range readers {
					n = (n + i) % len(readers) // nobody always comes first
					r := c.r
					r.Reader, r.Query = readers[n].Reader, parse(b, words[i%len(words)])
					began := time.Now()
					if _, err := ix.Search(context.Background(), r); err != nil {
						b.Fatal(err)
					}
					took[n] = append(took[n], time.Since(began))
				}
			}
			middle := func(n, percent int) float64 {
				slices.Sort(took[n])
				return float64(took[n][len(took[n])*percent/100].Microseconds()) / 1000
			}
			for n := range readers {
				b.ReportMetric(middle(n, 50)/middle(0, 50), readers[n].name+"-p50-ratio")
				b.ReportMetric(middle(n, 95)/middle(0, 95), readers[n].name+"-p95-ratio")
			}
			b.ReportMetric(middle(0, 50), "all-p50-ms")
		})
	}
	fmt.Fprintf(os.Stderr, "%d documents, 20 spaces, 7 in 10 public, GOMAXPROCS %d, %s\n", len(docs), runtime.GOMAXPROCS(0), runtime.Version())
}

package index

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/analysis/analyzer/keyword"
	"github.com/blevesearch/bleve/v2/analysis/lang/cjk"
	"github.com/blevesearch/bleve/v2/mapping"

	"lianmu/vocab"
)

// benchCount is the number of documents; LIANMU_BENCH_DOCS=100000 for a full run.
func benchCount() int {
	if n, err := strconv.Atoi(os.Getenv("LIANMU_BENCH_DOCS")); err == nil && n > 0 {
		return n
	}
	return 20_000
}

// synthetic makes n offerings of about 2 KB of JSON: real titles, descriptions
// put together from others of them, so that words and pairs are as common as
// in real text, a sentence in English, codes as registrations have them.
func synthetic(b testing.TB, n int) []Doc {
	var titles []string
	for s := shared(b, "corpus/titles-zh-hant.txt.gz"); s.Scan(); {
		titles = append(titles, s.Text())
	}
	r := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(r, 1.1, 4, 2_000)
	title := func() string { return titles[r.IntN(len(titles))] }
	pick := func(l *vocab.CodeList) vocab.Term { all := l.All(); return all[r.IntN(len(all))] }
	docs := make([]Doc, n)
	for i := range docs {
		text := ""
		for range 8 + r.IntN(16) {
			text += title() + "，"
		}
		docs[i] = doc(id(i), titles[i%len(titles)], described(text), func(d *Doc) {
			o := d.Offering
			o.Description["en"] = "Monthly statistics of stations and passengers, published by the operator as tables with one row a station and a day."
			o.Keywords = vocab.Texts{"zh": {cut(title(), 6), cut(title(), 4), cut(title(), 2)}, "en": {"statistics", "open data"}}
			o.Publisher.Name = vocab.Text{"zh": "第" + strconv.Itoa(int(zipf.Uint64())) + "数据集团有限公司"}
			o.Themes, o.Industry, o.Region = []vocab.Term{pick(vocab.Themes)}, []vocab.Term{pick(vocab.Industries)}, []vocab.Term{pick(vocab.Regions)}
			o.Form, o.Frequency, o.Level, o.Registration = pick(vocab.Forms), pick(vocab.Frequencies), pick(vocab.Levels), pick(vocab.Registrations)
			o.Distributions = []vocab.Distribution{{Format: []string{"CSV", "JSON", "XLSX", "GTFS"}[r.IntN(4)], AccessURL: "https://data.example.org/download/" + strconv.Itoa(i)}}
			o.Modified = time.Date(2020, 1, 1, 0, r.IntN(3_000_000), 0, 0, time.UTC)
			o.Completeness = r.IntN(101)
			o.LandingPage = "https://data.example.org/catalogue/" + strconv.Itoa(i)
		})
	}
	return docs
}

// size is the bytes of the files under dir.
func size(b testing.TB, dir string) (total int64) {
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		total += info.Size()
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return total
}

// cpuTime is what this process has used of the processors: on a shared machine
// it says more than the clock.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkIndex compares Apply with bleve as it comes (struct mapping, the cjk
// analyser without single characters), on the same documents in thousands.
func BenchmarkIndex(b *testing.B) {
	docs := synthetic(b, benchCount())
	raw := int64(0)
	for i := range docs {
		j, err := json.Marshal(docs[i].Offering)
		if err != nil {
			b.Fatal(err)
		}
		raw += int64(len(j))
	}
	report := func(b *testing.B, dir string, cpu time.Duration) {
		b.ReportMetric(float64(cpu.Microseconds())/float64(len(docs)), "cpu-µs/doc")
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(len(docs)), "µs/doc")
		b.ReportMetric(float64(size(b, dir))/float64(raw), "disk/raw")
		b.ReportMetric(float64(raw)/float64(len(docs)), "rawB/doc")
		b.Logf("%d documents, batches of 1000, GOMAXPROCS %d, %s", len(docs), runtime.GOMAXPROCS(0), runtime.Version())
	}
	b.Run("apply", func(b *testing.B) {
		for range b.N {
			began := cpuTime()
			dir := filepath.Join(b.TempDir(), "index")
			ix, err := Create(dir, runtime.GOMAXPROCS(0))
			if err != nil {
				b.Fatal(err)
			}
			for batch := range slices.Chunk(docs, 1000) {
				if err := ix.Apply(context.Background(), batch, nil, 1); err != nil {
					b.Fatal(err)
				}
			}
			if err := ix.Close(); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			report(b, dir, cpuTime()-began)
			b.StartTimer()
		}
	})
	b.Run("bleve", func(b *testing.B) {
		for range b.N {
			began := cpuTime()
			dir := filepath.Join(b.TempDir(), "index")
			ix, err := bleve.NewUsing(dir, stockMapping(), bleve.Config.DefaultIndexType, bleve.Config.DefaultKVStore, map[string]any{"unsafe_batch": true})
			if err != nil {
				b.Fatal(err)
			}
			for batch := range slices.Chunk(docs, 1000) {
				into := ix.NewBatch()
				for i := range batch {
					if err := into.Index(string(batch[i].Key[:]), stockDoc(&batch[i])); err != nil {
						b.Fatal(err)
					}
				}
				if err := ix.Batch(into); err != nil {
					b.Fatal(err)
				}
			}
			if err := ix.Close(); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			report(b, dir, cpuTime()-began)
			b.StartTimer()
		}
	})
}

func stockMapping() mapping.IndexMapping {
	text, code, blob := bleve.NewTextFieldMapping(), bleve.NewTextFieldMapping(), bleve.NewTextFieldMapping()
	text.Analyzer, text.Store, text.IncludeTermVectors, text.IncludeInAll, text.DocValues = cjk.AnalyzerName, true, false, false, false
	code.Analyzer, code.Store, code.IncludeTermVectors, code.IncludeInAll = keyword.Name, false, false, false
	blob.Index, blob.Store, blob.IncludeInAll = false, true, false
	m := bleve.NewIndexMapping()
	m.StoreDynamic, m.IndexDynamic, m.DocValuesDynamic = false, false, false
	m.DefaultMapping.Dynamic = false
	for _, f := range textFields {
		m.DefaultMapping.AddFieldMappingsAt(f.name, text)
	}
	for _, f := range slices.Concat(facetFields, exactFields, []string{fieldSuggest, fieldTitleKey, fieldModified, fieldCompleteness}) {
		m.DefaultMapping.AddFieldMappingsAt(f, code)
	}
	m.DefaultMapping.AddFieldMappingsAt(fieldHit, blob)
	return m
}

// stockDoc has the fields of Doc.document as a map.
func stockDoc(d *Doc) map[string]any {
	made, err := d.document()
	if err != nil {
		panic(err)
	}
	out := map[string]any{}
	for _, f := range fieldsOf(made) {
		if f[0] == fieldDigest {
			continue
		}
		if had, ok := out[f[0]].([]string); ok {
			out[f[0]] = append(had, f[1])
		} else {
			out[f[0]] = []string{f[1]}
		}
	}
	return out
}

var benchOnce = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "lianmu-bench") })

// BenchmarkSearch measures single searches on an index at rest.
func BenchmarkSearch(b *testing.B) {
	dir, err := benchOnce()
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ix, err := Create(filepath.Join(dir, "index"), runtime.GOMAXPROCS(0))
	if err != nil {
		b.Fatal(err)
	}
	defer ix.Close()
	docs := synthetic(b, benchCount())
	for batch := range slices.Chunk(docs, 1000) {
		apply(b, ix, batch...)
	}
	four := []string{"theme", "region", "level", "publisher"}
	words := []string{"統計", "交通", "公車", "資料", "水質", "學校", "月報", "人口"}
	longer := []string{"垃圾車", "不動產", "圖書館", "統計年報", "公共運輸", "季報表"}
	for _, c := range []struct {
		name string
		r    Request
	}{
		{"word", Request{}},
		{"longer word", Request{}},
		{"word and highlights", Request{Highlight: true}},
		{"word and three filters", Request{Filters: map[string][]string{"theme": {"B0300", "A0100"}, "level": {"001"}, "kind": {"dataset"}}}},
		{"word and four facets", Request{Facets: four}},
		{"word by date", Request{Sort: "-modified"}},
		{"everything from the second on", Request{Offset: 1}}, // the first page is remembered
		{"everything from the second on and four facets", Request{Offset: 1, Facets: four}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var took []time.Duration
			hits := uint64(0)
			for i := range b.N {
				r := c.r
				r.Reader = public
				if c.name[0] == 'l' {
					r.Query = parse(b, longer[i%len(longer)])
				}
				if c.name[0] == 'w' {
					r.Query = parse(b, words[i%len(words)])
				}
				began := time.Now()
				res, err := ix.Search(context.Background(), r)
				if err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
				hits += res.Total
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
			b.ReportMetric(float64(hits)/float64(b.N), "hits")
		})
	}
	fmt.Fprintf(os.Stderr, "%d documents, GOMAXPROCS %d, %s\n", len(docs), runtime.GOMAXPROCS(0), runtime.Version())
}

package main

import (
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"runtime"
)

// loadReport is what a load measured, and under which conditions.
type loadReport struct {
	Conditions    loadConditions    `json:"conditions"`
	Publish       publishReport     `json:"publish"`
	Searchable    *searchableReport `json:"searchable,omitempty"`
	SearchLoading *searchReport     `json:"search_while_loading,omitempty"`
	SearchAtRest  *searchReport     `json:"search_at_rest,omitempty"`
	Hub           *hubReport        `json:"hub,omitempty"`
	Generator     generatorReport   `json:"generator"`
	Bare          *bareReport       `json:"bare,omitempty"`
}

type loadConditions struct {
	Cores         int     `json:"cores"`
	Go            string  `json:"go"`
	Platform      string  `json:"platform"`
	Documents     int     `json:"documents"`
	Bytes         int64   `json:"bytes"`
	MeanBytes     float64 `json:"mean_bytes"`
	Titles        int     `json:"titles"` // real ones; 0: synthetic
	Spaces        int     `json:"spaces"`
	Window        int     `json:"window"`
	Rate          float64 `json:"rate,omitempty"`
	Presigned     bool    `json:"presigned"`
	SearchClients int     `json:"search_clients"`
	SearchRate    float64 `json:"search_rate"`
	SearchWords   string  `json:"search_words"`
	SearchFacets  bool    `json:"search_facets"`
	SampleEvery   int     `json:"sample_every"`
	Seed          uint64  `json:"seed"`
}

type publishReport struct {
	Answered     int       `json:"answered"`
	Refused      int       `json:"refused"`
	Failed       int       `json:"failed"`
	FirstRefusal string    `json:"first_refusal,omitempty"`
	Seconds      float64   `json:"seconds"` // first submission to last receipt
	PerSecond    float64   `json:"per_second"`
	Receipt      quantiles `json:"publish_to_receipt"`
}

type searchableReport struct {
	Seconds   float64   `json:"seconds"` // first submission until everything can be searched
	PerSecond float64   `json:"per_second"`
	Samples   quantiles `json:"publish_to_searchable"`
	NotSeen   int       `json:"not_seen"`
}

type searchReport struct {
	quantiles
	Errors    int     `json:"errors"`
	MeanTotal float64 `json:"mean_total"` // hits found by a search
}

// hubReport is the hub's process from the first submission until everything
// could be searched; the polling and the searches meanwhile are in it.
type hubReport struct {
	CPUSeconds       float64 `json:"cpu_seconds"`
	CPUMSPerDocument float64 `json:"cpu_ms_per_document"`
	PeakRSS          float64 `json:"peak_rss_bytes"`
	// Bytes on disk that the load added, log and index; the ratio is to the
	// bytes published.
	LogBytes   float64 `json:"log_bytes"`
	IndexBytes float64 `json:"index_bytes"`
	DiskRatio  float64 `json:"disk_ratio"`
	DiskOf     string  `json:"disk_of"` // "load" or, measured in --dir, "folder"
}

type generatorReport struct {
	CPUSeconds      float64 `json:"cpu_seconds"`       // until the last receipt
	CPUSecondsWhole float64 `json:"cpu_seconds_whole"` // until everything could be searched
}

func (c *loadCmd) report(docs *spool, titles int) *loadReport {
	return &loadReport{Conditions: loadConditions{
		Cores: runtime.NumCPU(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Documents: docs.count, Bytes: docs.bytes, MeanBytes: float64(docs.bytes) / float64(max(1, docs.count)), Titles: titles,
		Spaces: c.Spaces, Window: c.Window, Rate: c.Rate, Presigned: c.Presign,
		SearchClients: c.SearchClients, SearchRate: c.SearchRate, SearchWords: c.SearchWords, SearchFacets: c.SearchFacets, SampleEvery: c.SampleEvery, Seed: c.Seed,
	}}
}

// measure fills in what the hub used.
func (r *loadReport) measure(c *loadCmd, before, after, last hubFigures, peak float64) error {
	h := &hubReport{
		CPUSeconds: after.CPUSeconds - before.CPUSeconds, PeakRSS: max(peak, after.RSS),
		LogBytes: last.LogBytes - before.LogBytes, IndexBytes: last.IndexBytes - before.IndexBytes, DiskOf: "load",
	}
	h.CPUMSPerDocument = h.CPUSeconds * 1000 / float64(max(1, r.Publish.Answered))
	if c.Dir != "" {
		h.DiskOf = "folder"
		var err error
		if h.IndexBytes, err = folderSize(filepath.Join(c.Dir, "index")); err != nil {
			return err
		}
		whole, err := folderSize(c.Dir)
		if err != nil {
			return err
		}
		h.LogBytes = whole - h.IndexBytes
	}
	h.DiskRatio = (h.LogBytes + h.IndexBytes) / float64(max(1, r.Conditions.Bytes))
	r.Hub = h
	return nil
}

// folderSize adds up the regular files below dir.
func folderSize(dir string) (sum float64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if info, err := d.Info(); err == nil { // gone meanwhile: a merge
			sum += float64(info.Size())
		}
		return nil
	})
	return sum, err
}

// write prints the report for people.
func (r *loadReport) write(w io.Writer) error {
	c := r.Conditions
	t := table{}
	signed := tr("计时前已签名", "made and signed before the clock starts")
	if !c.Presigned {
		signed = tr("边发边签", "signed while publishing")
	}
	titles := tr("合成标题", "synthetic titles")
	if c.Titles > 0 {
		titles = fmt.Sprintf(tr("真实标题 %s 条", "%s real titles"), number(c.Titles))
	}
	pace := tr("不限速", "as fast as the hub takes them")
	if c.Rate > 0 {
		pace = fmt.Sprintf(tr("每秒 %g 份", "%g a second"), c.Rate)
	}
	t.add(tr("条件", "conditions"), fmt.Sprintf(tr("%d 核，%s %s", "%d cores, %s %s"), c.Cores, c.Go, c.Platform))
	words := tr("词取自标题和常用词", "words of titles and common words alike")
	if c.SearchWords == string(commonWords) {
		words = tr("词按词频取", "words by how common they are")
	}
	if c.SearchFacets {
		words += tr("，统计全部分面", ", all facets counted")
	}
	t.add("", fmt.Sprintf(tr("检索每秒 %g 次，%s", "%g searches a second, %s"), c.SearchRate, words))
	if c.Documents == 0 { // only searched
		r.writeSearches(&t)
		return t.write(w)
	}
	t.add("", fmt.Sprintf(tr("合成文档 %s 份，平均 %.0f 字节，%s，%s", "%s synthetic documents, mean %.0f bytes, %s, %s"), number(c.Documents), c.MeanBytes, titles, signed))
	t.add("", fmt.Sprintf(tr("%d 个空间，窗口 %d，%s，检索客户端 %d 个", "%d spaces, window %d, %s, %d search clients"), c.Spaces, c.Window, pace, c.SearchClients))
	p := r.Publish
	t.add(tr("发布", "publish"), fmt.Sprintf(tr("%.1f 秒，每秒 %.0f 份；退回 %d，失败 %d", "%.1f s, %.0f a second; %d refused, %d failed"), p.Seconds, p.PerSecond, p.Refused, p.Failed))
	if p.FirstRefusal != "" {
		t.add("", tr("首个退回原因：", "first refusal: ")+cut(p.FirstRefusal, 120))
	}
	t.add(tr("发布到回执", "publish to receipt"), p.Receipt.String())
	if s := r.Searchable; s != nil {
		t.add(tr("发布到可检索", "publish to searchable"), fmt.Sprintf(tr("%s（每 %d 份取一份，未见到 %d）", "%s (one in %d documents; %d not seen)"), s.Samples, c.SampleEvery, s.NotSeen))
		t.add(tr("全部可检索", "everything searchable"), fmt.Sprintf(tr("%.1f 秒，每秒 %.0f 份", "after %.1f s, %.0f a second"), s.Seconds, s.PerSecond))
	}
	r.writeSearches(&t)
	if h := r.Hub; h != nil {
		t.add(tr("节点", "hub"), fmt.Sprintf(tr("CPU %.1f 秒，每份 %.2f 毫秒（含其间的检索）；内存峰值 %.0f MB", "CPU %.1f s, %.2f ms a document, searches meanwhile included; peak memory %.0f MB"), h.CPUSeconds, h.CPUMSPerDocument, h.PeakRSS/1e6))
		t.add("", fmt.Sprintf(tr("磁盘：账本 %.1f MB，索引 %.1f MB，为原始字节的 %.2f 倍（%s）", "disk: log %.1f MB, index %.1f MB, %.2f times the bytes published (%s)"), h.LogBytes/1e6, h.IndexBytes/1e6, h.DiskRatio, h.DiskOf))
	}
	t.add(tr("发生器", "generator"), fmt.Sprintf(tr("CPU %.1f 秒，至全部可检索 %.1f 秒", "CPU %.1f s, %.1f s until everything was searchable"), r.Generator.CPUSeconds, r.Generator.CPUSecondsWhole))
	if b := r.Bare; b != nil {
		t.add(tr("裸索引", "bare indexing"), fmt.Sprintf(tr("%s 份 %.1f 秒，每秒 %.0f 份，CPU %.1f 秒；节点为其 %.2f 倍", "%s documents in %.1f s, %.0f a second, CPU %.1f s; the hub is at %.2f of it"), number(b.Documents), b.Seconds, b.PerSecond, b.CPUSeconds, b.HubRatio))
	}
	return t.write(w)
}

func (r *loadReport) writeSearches(t *table) {
	for _, line := range []struct {
		name string
		s    *searchReport
	}{{tr("加载时检索", "search while loading"), r.SearchLoading}, {tr("空闲时检索", "search at rest"), r.SearchAtRest}} {
		if line.s != nil {
			t.add(line.name, fmt.Sprintf(tr("%s，平均命中 %.0f，出错 %d", "%s, %.0f found on average, %d errors"), line.s.quantiles, line.s.MeanTotal, line.s.Errors))
		}
	}
}

// String shows the percentiles in milliseconds.
func (q quantiles) String() string {
	return fmt.Sprintf("p50 %.1f  p95 %.1f  p99 %.1f  max %.1f ms (n=%s)", q.P50, q.P95, q.P99, q.Max, number(q.Count))
}

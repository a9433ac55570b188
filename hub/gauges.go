package hub

import (
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// gauges tells Prometheus sizes and states, measured when it asks; disk use at
// most every ten seconds.
type gauges struct {
	h *Hub

	logSize, indexed, behind, logBytes, indexBytes, healthy *prometheus.Desc
	damaged                                                 *prometheus.Desc

	mu       sync.Mutex
	measured time.Time
	bytes    [2]float64 // log, index
}

func newGauges(h *Hub) *gauges {
	desc := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }
	return &gauges{
		h:          h,
		logSize:    desc("lianmu_log_entries", "Committed entries of the log."),
		indexed:    desc("lianmu_index_offerings", "Offerings in the index."),
		behind:     desc("lianmu_index_behind", "Entries that the index lacks."),
		logBytes:   desc("lianmu_log_bytes", "Disk used by the embedded JetStream and the log's caches."),
		indexBytes: desc("lianmu_index_bytes", "Disk used by the index."),
		healthy:    desc("lianmu_healthy", "1 when submissions and search work."),
		damaged:    desc("lianmu_log_damaged_total", "Entries of the log found missing or altered since the start."),
	}
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(g, ch) }

// Collect implements prometheus.Collector.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	set := func(d *prometheus.Desc, v float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	b := g.h.base
	ok := 0.0
	if len(g.h.faults()) == 0 {
		ok = 1
	}
	damaged, _ := b.damage.count()
	ch <- prometheus.MustNewConstMetric(g.damaged, prometheus.CounterValue, float64(damaged))
	set(g.healthy, ok)
	set(g.logSize, float64(b.log.Size()))
	set(g.behind, float64(b.catalog.Behind()))
	set(g.indexed, float64(b.catalog.Count()))
	logBytes, indexBytes := g.disk()
	set(g.logBytes, logBytes)
	set(g.indexBytes, indexBytes)
}

func (g *gauges) disk() (log, index float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := g.h.c.Now(); now.Sub(g.measured) > 10*time.Second {
		dir := g.h.c.Dir
		g.measured = now
		g.bytes = [2]float64{
			folderBytes(filepath.Join(dir, "jetstream")) + folderBytes(filepath.Join(dir, "log")),
			folderBytes(filepath.Join(dir, "index")),
		}
	}
	return g.bytes[0], g.bytes[1]
}

func folderBytes(dir string) (sum float64) {
	// Files come and go while we look: what cannot be read counts nothing.
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				sum += float64(info.Size())
			}
		}
		return nil
	})
	return sum
}

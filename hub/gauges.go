package hub

import (
	"context"
	"io/fs"
	"math"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lianmu/hub/peering"
	"lianmu/hub/view"
)

// gauges tells Prometheus sizes and states, measured when it asks; disk use at
// most every ten seconds, as is what the public sees: whoever may read figures may
// not learn from them how much is hidden.
type gauges struct {
	h *Hub

	logSize, indexed, behind, logBytes, indexBytes, healthy *prometheus.Desc
	damaged                                                 *prometheus.Desc
	peers, mirrors, mirrored, lag, age, exchanged           *prometheus.Desc

	mu       sync.Mutex
	measured time.Time
	bytes    [2]float64 // log, index

	counting sync.Mutex
	counted  time.Time
	public   float64 // offerings that everybody may see; NaN: unknown
}

func newGauges(h *Hub) *gauges {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &gauges{
		h:          h,
		logSize:    desc("lianmu_log_entries", "Committed entries of the log."),
		indexed:    desc("lianmu_index_offerings", "Offerings in the index that everybody may see, counted at most every ten seconds."),
		behind:     desc("lianmu_index_behind", "Entries that the index lacks."),
		logBytes:   desc("lianmu_log_bytes", "Disk used by the embedded JetStream, which holds all logs, and by their caches."),
		indexBytes: desc("lianmu_index_bytes", "Disk used by the index."),
		healthy:    desc("lianmu_healthy", "1 when submissions and search work."),
		damaged:    desc("lianmu_log_damaged_total", "Entries of the log found missing or altered since the start."),
		peers:      desc("lianmu_peers", "Other hubs, by how this one stands to them.", "state"),
		mirrors:    desc("lianmu_mirrors", "Mirrored logs, by state; stopped ones contradict themselves.", "state"),
		mirrored:   desc("lianmu_mirror_entries", "Entries held of a mirrored log.", "origin"),
		lag:        desc("lianmu_mirror_lag_entries", "Entries that somebody offers of a mirrored log and that are not here yet.", "origin"),
		age:        desc("lianmu_mirror_age_seconds", "Since the hub of a mirrored log was last known to be alive.", "origin"),
		exchanged:  desc("lianmu_peer_bytes", "Bytes exchanged over the connections to peers that are open.", "direction"),
	}
}

// Describe implements prometheus.Collector. It measures nothing: that would be
// kept before the hub has anything to measure.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.healthy, g.damaged, g.logSize, g.behind, g.indexed, g.logBytes, g.indexBytes,
		g.peers, g.mirrors, g.mirrored, g.lag, g.age, g.exchanged} {
		ch <- d
	}
}

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
	set(g.indexed, g.offerings())
	logBytes, indexBytes := g.disk()
	set(g.logBytes, logBytes)
	set(g.indexBytes, indexBytes)
	if g.h.peers != nil {
		g.exchange(ch)
	}
}

// exchange tells of peers and of the logs that are mirrored.
func (g *gauges) exchange(ch chan<- prometheus.Metric) {
	s := g.h.peers.Stats()
	set := func(d *prometheus.Desc, v float64, label string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, label)
	}
	for _, state := range []peering.State{peering.Waiting, peering.Approved, peering.Paused, peering.Blocked} {
		set(g.peers, float64(s.Peers[state]), string(state))
	}
	for _, state := range []peering.LogState{
		peering.Current, peering.Ageing, peering.Stale, peering.Stopped, peering.Full, peering.OnHold, peering.Offered, peering.Ended,
	} {
		set(g.mirrors, float64(s.Mirrors[state]), string(state))
	}
	for _, l := range s.Logs {
		set(g.mirrored, float64(l.Size), l.Origin)
		lag := math.NaN() // nobody offers it now
		if l.LagKnown {
			lag = float64(l.Lag)
		}
		set(g.lag, lag, l.Origin)
		set(g.age, float64(l.AgeS), l.Origin)
	}
	set(g.exchanged, float64(s.In), "in")
	set(g.exchanged, float64(s.Out), "out")
}

// offerings counts what the public sees; NaN where that cannot be told now.
func (g *gauges) offerings() float64 {
	g.counting.Lock()
	defer g.counting.Unlock()
	if now := g.h.c.Now(); g.counted.IsZero() || now.Sub(g.counted) > 10*time.Second {
		ctx, cancel := context.WithTimeout(g.h.run, searchTime)
		defer cancel()
		g.counted, g.public = now, math.NaN()
		if a, err := g.h.base.catalog.Find(ctx, view.Question{Limit: 1}); err == nil {
			g.public = float64(a.Total)
		}
	}
	return g.public
}

func (g *gauges) disk() (log, index float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := g.h.c.Now(); now.Sub(g.measured) > 10*time.Second {
		dir := g.h.c.Dir
		g.measured = now
		g.bytes = [2]float64{
			folderBytes(filepath.Join(dir, "jetstream")) + folderBytes(filepath.Join(dir, "log")) + folderBytes(filepath.Join(dir, "mirrors")),
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

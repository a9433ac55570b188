package intake

import (
	"github.com/prometheus/client_golang/prometheus"

	"lianmu/vocab"
)

type metrics struct {
	receipts *prometheus.CounterVec // by status
	busy     prometheus.Counter     // of them, of that status
	entries  prometheus.Counter
	batch    prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		receipts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lianmu_receipts_total", Help: "Receipts given, by status.",
		}, []string{"status"}),
		entries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lianmu_entries_total", Help: "Entries appended to the log by this process.",
		}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "lianmu_append_entries", Help: "Entries in one append.",
			Buckets: []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000},
		}),
	}
	m.busy = m.receipts.WithLabelValues(string(vocab.Busy))
	if reg != nil {
		reg.MustRegister(m.receipts, m.entries, m.batch)
	}
	return m
}

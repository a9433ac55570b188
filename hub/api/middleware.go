package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/client_golang/prometheus"
)

// Names of routes in metrics for what is not in the table of routes.
const (
	otherRoute = "other"
	pagesRoute = "pages"
)

// exchange is what is known of a request while it is answered. Only the
// goroutine that serves the request touches it.
type exchange struct {
	id       string // request id, safe to print
	route    string // template of the path; bounded, for metrics
	operator string // who used a right that not everybody has
	status   int
	wrote    bool
}

type exchangeKey struct{}

// exchangeOf returns the request's exchange; an empty one outside of handler.
func exchangeOf(r *http.Request) *exchange {
	if x, ok := r.Context().Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{route: otherRoute}
}

// handler wraps the router with, from the outside in: request id, metrics and
// log; compression; containment of panics; the rate limit.
func (a *api) handler(router http.Handler) http.Handler {
	limited := a.Guard.Limit(router)
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == "/healthz", path == "/readyz", path == "/metrics", // a probe must never be turned away
			strings.HasPrefix(path, questionPath): // bounded by itself
			router.ServeHTTP(w, r)
		default:
			limited.ServeHTTP(w, r)
		}
	})
	compress, err := gzhttp.NewWrapper(
		gzhttp.MinSize(1024),
		gzhttp.CompressionLevel(gzip.BestSpeed),
		gzhttp.EnableZstd(false),
		gzhttp.ContentTypes([]string{"application/json", "application/problem+json", "text/plain", "text/html", "text/css", "text/javascript", "application/javascript", "image/svg+xml"}),
	)
	if err != nil { // constant options: cannot be
		panic(fmt.Sprintf("api: %v", err))
	}
	return a.begin(compress(a.contain(inner)))
}

// begin opens the exchange, and counts and logs it at its end.
func (a *api) begin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := a.Now()
		x := &exchange{id: a.ids.of(r), route: otherRoute}
		head := w.Header()
		head.Set("X-Request-Id", x.id)
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "no-referrer")
		ctx := context.WithValue(r.Context(), exchangeKey{}, x)
		defer func() {
			took := a.Now().Sub(start)
			a.metrics.observe(x, r.Method, took)
			if a.Logger.Enabled(ctx, slogLevel(x)) {
				a.Logger.Log(ctx, slogLevel(x), "http", "request", x.id, "method", methodLabel(r.Method),
					"route", x.route, "status", x.status, "took", took, "operator", x.operator)
			}
		}()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// slogLevel keeps the log quiet while all is well.
func slogLevel(x *exchange) slog.Level {
	switch {
	case x.status >= 500 && x.status != http.StatusServiceUnavailable:
		return slog.LevelWarn
	case x.operator != "": // what an operator did is worth a line
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// contain records what is written and turns a panic into an answer 500.
func (a *api) contain(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchangeOf(r)
		rec := &recorder{ResponseWriter: w, x: x}
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler {
				panic(p)
			}
			a.Logger.ErrorContext(r.Context(), "panic", "request", x.id, "route", x.route, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			a.fail(rec, r, fmt.Errorf("panic: %v", p))
		}()
		next.ServeHTTP(rec, r)
		if !x.wrote { // as net/http will answer for it
			x.status = http.StatusOK
		}
	})
}

// recorder notes the status in the exchange.
type recorder struct {
	http.ResponseWriter
	x *exchange
}

func (w *recorder) WriteHeader(status int) {
	if !w.x.wrote && status >= 200 {
		w.x.wrote, w.x.status = true, status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if !w.x.wrote {
		w.x.wrote, w.x.status = true, http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach Flush and deadlines.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// requestIDs numbers requests. A number tells requests apart in the log and is
// no secret, so it needs no randomness: start time and a counter.
type requestIDs struct {
	prefix string
	next   *atomic.Uint64
}

func newRequestIDs(now time.Time) requestIDs {
	return requestIDs{prefix: strconv.FormatInt(now.UnixMilli(), 36) + "-", next: new(atomic.Uint64)}
}

// of takes the id that a proxy gave, if it is one that cannot harm a log or a
// header: 1 to 64 letters, digits, dots, dashes and underscores.
func (ids requestIDs) of(r *http.Request) string {
	if s := r.Header.Get("X-Request-Id"); s != "" && len(s) <= 64 && plainID(s) {
		return s
	}
	return ids.prefix + strconv.FormatUint(ids.next.Add(1), 36)
}

func plainID(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// metrics counts requests by the templates of routes, so its size is bounded.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(r prometheus.Registerer) metrics {
	m := metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lianmu_http_requests_total", Help: "HTTP requests answered, by route, method and status.",
		}, []string{"route", "method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lianmu_http_request_seconds", Help: "Time to answer an HTTP request, by route.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5},
		}, []string{"route"}),
	}
	r.MustRegister(m.requests, m.seconds)
	return m
}

func (m metrics) observe(x *exchange, method string, took time.Duration) {
	m.requests.WithLabelValues(x.route, methodLabel(method), strconv.Itoa(x.status)).Inc()
	m.seconds.WithLabelValues(x.route).Observe(took.Seconds())
}

// methodLabel bounds what a client can make of the method.
func methodLabel(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete:
		return m
	}
	return "other"
}

// answer writes v as JSON, encoded once.
func answer(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	write(w, status, append(b, '\n'))
	return nil
}

// write sends a whole answer. That the client has gone is nobody's error.
func write(w http.ResponseWriter, status int, b []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

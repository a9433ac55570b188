package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"lianmu/hub/access"
	"lianmu/hub/audit"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// views tells how far each view has come, for comparing them with the log.
func (a *api) views(w http.ResponseWriter, r *http.Request) error {
	if err := readParams(r).end(); err != nil {
		return err
	}
	states, err := a.Catalog.States(r.Context())
	if err != nil {
		return err
	}
	if states == nil {
		states = []view.State{}
	}
	return answer(w, http.StatusOK, states)
}

// rebuild is the state of a rebuild that was started over HTTP.
type rebuild struct {
	mu      sync.Mutex
	running bool
	failed  string // why the last one failed, as told to operators
}

// progress answers GET and POST /api/v1/index/rebuild.
type progress struct {
	Running bool   `json:"running"`
	Done    uint64 `json:"done"`  // entries folded
	Total   uint64 `json:"total"` // entries to fold
	Failed  string `json:"failed,omitempty"`
}

func (a *api) startRebuild(w http.ResponseWriter, r *http.Request) error {
	if err := readParams(r).end(); err != nil {
		return err
	}
	_, _, elsewhere := a.Catalog.RebuildProgress()
	a.rebuild.mu.Lock()
	busy := a.rebuild.running || elsewhere
	if !busy {
		a.rebuild.running, a.rebuild.failed = true, ""
	}
	a.rebuild.mu.Unlock()
	if busy {
		return vocab.Problems{vocab.NewProblem("", "index.rebuilding",
			"索引正在重建，请等它完成。", "The index is being rebuilt; wait until it is done.")}
	}
	who, err := a.Guard.Who(r)
	if err == nil {
		err = a.runRebuild(recordOf(who, string(access.IndexRebuild), ""))
	}
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/api/v1/index/rebuild")
	return answer(w, http.StatusAccepted, a.rebuildState())
}

// runRebuild returns when the rebuild has begun, and is in the audit trail, or
// why it has not. It goes on beside its request, and ends with the hub.
func (a *api) runRebuild(r audit.Record) error {
	begun, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		err := a.Trail.Do(a.Context, r, func(ctx context.Context) (detail string, err error) {
			close(begun)
			defer func() {
				if p := recover(); p != nil {
					err = fmt.Errorf("panic: %v", p)
				}
			}()
			return "", a.Catalog.Rebuild(ctx)
		})
		if err != nil && !errors.Is(err, context.Canceled) {
			a.Logger.Error("index rebuild failed", "error", err)
		}
		a.rebuild.mu.Lock()
		a.rebuild.running = false
		if err != nil {
			a.rebuild.failed = err.Error()
		}
		a.rebuild.mu.Unlock()
		ended <- err
	}()
	select {
	case <-begun:
		return nil
	case err := <-ended:
		select {
		case <-begun: // and ended as quickly
			return nil
		default:
			return err
		}
	}
}

func (a *api) rebuildState() progress {
	done, total, elsewhere := a.Catalog.RebuildProgress()
	a.rebuild.mu.Lock()
	defer a.rebuild.mu.Unlock()
	return progress{Running: a.rebuild.running || elsewhere, Done: done, Total: total, Failed: a.rebuild.failed}
}

func (a *api) rebuildProgress(w http.ResponseWriter, r *http.Request) error {
	if err := readParams(r).end(); err != nil {
		return err
	}
	return answer(w, http.StatusOK, a.rebuildState())
}

type status struct {
	Status string `json:"status"`
}

// healthz is for who restarts the program; readyz for who sends it requests.
func (a *api) healthz(w http.ResponseWriter, _ *http.Request) error {
	return probe(w, a.Healthy, "ok", "hub.unhealthy", "运行异常：%v", "Not well: %v")
}

func (a *api) readyz(w http.ResponseWriter, _ *http.Request) error {
	return probe(w, a.Ready, "ready", "hub.not_ready", "尚未就绪，正在等待：%v", "Not ready yet, waiting for: %v")
}

func probe(w http.ResponseWriter, check func() error, well, code, zh, en string) error {
	if check != nil {
		if err := check(); err != nil {
			var ps vocab.Problems
			if errors.As(err, &ps) {
				return ps
			}
			return vocab.Problems{vocab.NewProblem("", code, zh, en, err)}
		}
	}
	return answer(w, http.StatusOK, status{well})
}

func (a *api) metricsPage(w http.ResponseWriter, r *http.Request) error {
	a.Metrics.ServeHTTP(w, r)
	return nil
}

func (a *api) openapi(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	write(w, http.StatusOK, a.spec)
	return nil
}

package api

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"lianmu/hub/view"
)

func TestViews(t *testing.T) {
	s := newSite(t)
	got := read[[]view.State](t, s.send(t, s.as(operator(), request("GET", "/api/v1/views", ""))))
	if len(got) != 1 || got[0].View != "index" || got[0].Position != 3 {
		t.Errorf("got %+v", got)
	}
}

func TestRebuild(t *testing.T) {
	for _, c := range []struct {
		name   string
		end    func(s *site, stop context.CancelFunc)
		failed string
	}{
		{"to its end", func(s *site, _ context.CancelFunc) { s.catalog.rebuild <- nil }, ""},
		{"fails", func(s *site, _ context.CancelFunc) { s.catalog.rebuild <- errors.New("no room") }, "no room"},
		{"hub stops", func(_ *site, stop context.CancelFunc) { stop() }, "context canceled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(context.Background())
				defer stop()
				s := newSite(t, func(c *Config) { c.Context = ctx })
				state := func() progress {
					return read[progress](t, s.send(t, s.as(operator(), request("GET", "/api/v1/index/rebuild", ""))))
				}
				if p := state(); p.Running {
					t.Errorf("before: %+v", p)
				}
				got := s.send(t, s.as(operator(), request("POST", "/api/v1/index/rebuild", "")))
				if got.status != 202 || got.header.Get("Location") != "/api/v1/index/rebuild" || !read[progress](t, got).Running {
					t.Errorf("start: %d %s", got.status, got.body)
				}
				synctest.Wait()
				if p := state(); !p.Running || p.Done != 1 || p.Total != 3 {
					t.Errorf("under way: %+v", p)
				}
				if again := s.send(t, s.as(operator(), request("POST", "/api/v1/index/rebuild", ""))); again.status != 409 || again.code() != "index.rebuilding" {
					t.Errorf("again: %d %s", again.status, again.body)
				}
				c.end(s, stop)
				synctest.Wait()
				if p := state(); p.Running || p.Failed != c.failed {
					t.Errorf("after: %+v", p)
				}
				if !strings.Contains(s.logged.String(), operator().DID()) {
					t.Errorf("the log does not say who: %s", s.logged)
				}
			})
		})
	}
}

func TestProbes(t *testing.T) {
	waiting := func() error { return errors.New("the log at 5 of 9") }
	well := func() error { return nil }
	for _, c := range []struct {
		path   string
		check  func() error
		status int
		says   string
	}{
		{"/healthz", nil, 200, `"ok"`},
		{"/healthz", well, 200, `"ok"`},
		{"/healthz", waiting, 503, "5 of 9"},
		{"/readyz", nil, 200, `"ready"`},
		{"/readyz", well, 200, `"ready"`},
		{"/readyz", waiting, 503, "5 of 9"},
	} {
		s := newSite(t, func(k *Config) {
			if c.path == "/healthz" {
				k.Healthy = c.check
			} else {
				k.Ready = c.check
			}
		})
		if got := s.get(t, c.path); got.status != c.status || !strings.Contains(string(got.body), c.says) {
			t.Errorf("%s: %d %s", c.path, got.status, got.body)
		}
	}
}

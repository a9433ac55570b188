package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gorilla/mux"
)

func TestDescriptionIsValid(t *testing.T) {
	s := newSite(t)
	if err := s.spec.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := s.get(t, "/openapi.json")
	if got.status != http.StatusOK || !json.Valid(got.body) {
		t.Fatalf("%d %.80s", got.status, got.body)
	}
}

// Every route is described, and everything described has a route.
func TestDescriptionCoversTheRoutes(t *testing.T) {
	s := newSite(t)
	routed := map[string]bool{}
	err := s.router.Walk(func(r *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := r.GetPathTemplate()
		if err != nil {
			return err
		}
		methods, err := r.GetMethods()
		if err != nil {
			return nil // the 405 behind a path
		}
		for _, m := range methods {
			if m != http.MethodHead {
				routed[m+" "+label(path)] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for path, item := range s.spec.Paths.Map() {
		for method := range item.Operations() {
			described[method+" "+path] = true
		}
	}
	for op := range routed {
		if !described[op] {
			t.Errorf("%s is routed but not described", op)
		}
	}
	for op := range described {
		if !routed[op] {
			t.Errorf("%s is described but not routed", op)
		}
	}
	if len(routed) < 35 {
		t.Errorf("only %d operations were seen", len(routed))
	}
}

// What is described as needing a right is refused without a token and to who has
// none, and nothing else is; the right is that of the table of routes.
func TestDescriptionTellsWhoMay(t *testing.T) {
	s := newSite(t)
	rights := map[string]string{}
	for _, r := range s.routes() {
		rights[r.method+" "+label(r.path)] = string(r.right)
	}
	for path, item := range s.spec.Paths.Map() {
		for method, op := range item.Operations() {
			right, _ := op.Extensions["x-right"].(string)
			if right != rights[method+" "+path] {
				t.Errorf("%s %s needs %q, described is %q", method, path, rights[method+" "+path], right)
			}
			// Other hubs need a token, and no right.
			if needs := op.Security != nil; needs != (right != "" || strings.HasPrefix(path, questionPath)) {
				t.Errorf("%s %s: credential %v, right %q", method, path, needs, right)
			}
			if byGuard(path) {
				continue // these are where one gets a credential
			}
			if got := s.send(t, request(method, fill(path), "")); (got.status == http.StatusUnauthorized) != (right != "") {
				t.Errorf("%s %s without a token: %d, right %q", method, path, got.status, right)
			}
			if right == "" {
				continue
			}
			if got := s.send(t, s.as(stranger(), request(method, fill(path), ""))); got.status != http.StatusForbidden || got.code() != "access.forbidden" {
				t.Errorf("%s %s as a stranger: %d %s", method, path, got.status, got.body)
			}
		}
	}
	if len(s.desk.asked)+len(s.others.asked) > 0 {
		t.Errorf("the desk was asked: %v, %v", s.desk.asked, s.others.asked)
	}
}

// fill puts something into a path's parameters.
func fill(path string) string {
	if path == "/tile/{path}" {
		return "/tile/0/000"
	}
	return strings.NewReplacer("{space}", spaceA, "{did}", spaceA, "{digest}", "00", "{id}", "x").Replace(path)
}

// A parameter that is described can be given, and the described bounds hold.
func TestDescribedParametersAreTaken(t *testing.T) {
	s := newSite(t)
	for path, item := range s.spec.Paths.Map() {
		for method, op := range item.Operations() {
			for _, p := range op.Parameters {
				if p.Value.In != openapi3.ParameterInQuery || p.Value.Schema.Value.MaxLength == nil {
					continue
				}
				long := bytes.Repeat([]byte("x"), int(*p.Value.Schema.Value.MaxLength)+1)
				for _, c := range []struct {
					value string
					wrong bool
				}{{string(long[1:]), false}, {string(long), true}} {
					got := s.send(t, s.as(operator(), request(method, fill(path)+"?"+p.Value.Name+"="+c.value, "")))
					tooLong := got.status == http.StatusBadRequest && bytes.Contains(got.body, []byte("request.too_long"))
					if tooLong != c.wrong || bytes.Contains(got.body, []byte("unknown_parameter")) {
						t.Errorf("%s %s?%s of %d characters: %d %s", method, path, p.Value.Name, len(c.value), got.status, got.body)
					}
				}
			}
		}
	}
}

func gunzip(t *testing.T, b []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

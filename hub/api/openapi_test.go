package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"slices"
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
	if len(routed) < 20 {
		t.Errorf("only %d operations were seen", len(routed))
	}
}

// What is described as the operator's is refused without a token, and nothing
// else is.
func TestDescriptionTellsWhoMay(t *testing.T) {
	s := newSite(t)
	for path, item := range s.spec.Paths.Map() {
		for method, op := range item.Operations() {
			needs := op.Security != nil && len(*op.Security) > 0 && !slices.ContainsFunc(*op.Security, func(r openapi3.SecurityRequirement) bool { return len(r) == 0 })
			r := request(method, fill(path), "")
			if got := s.send(t, r); (got.status == http.StatusUnauthorized) != needs {
				t.Errorf("%s %s without a token: %d, described as operator's: %v", method, path, got.status, needs)
			}
			if !needs {
				continue
			}
			r = request(method, fill(path), "")
			r.Header.Set("Authorization", "Bearer stranger")
			if got := s.send(t, r); got.status != http.StatusForbidden || got.code() != "access.forbidden" {
				t.Errorf("%s %s as a stranger: %d %s", method, path, got.status, got.body)
			}
		}
	}
}

// fill puts something into a path's parameters.
func fill(path string) string {
	switch path {
	case "/api/v1/offerings/{space}/{id}":
		return "/api/v1/offerings/" + spaceA + "/x"
	case "/api/v1/spaces/{did}":
		return "/api/v1/spaces/" + spaceA
	case "/api/v1/submissions/{digest}":
		return "/api/v1/submissions/00"
	case "/tile/{path}":
		return "/tile/0/000"
	}
	return path
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
					got := s.send(t, asOperator(request(method, fill(path)+"?"+p.Value.Name+"="+c.value, "")))
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

package hub_test

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// may is the house: which packages of ours each package may import. Lower
// rooms never import higher ones; index and federation never import each other.
var may = map[string][]string{
	"vocab":                            {},
	"vocab/jsonld":                     {"vocab"},
	"vocab/vocabtest":                  {},
	"vocab/shape":                      {"vocab", "vocab/jsonld"},
	"federation/identity":              {"vocab", "vocab/jsonld"},
	"federation/identity/identitytest": {"federation/identity"},
	"federation/ledger":                {"vocab", "federation/identity"},
	"federation/registry":              {"vocab", "vocab/shape"},
	"federation/judge":                 {"vocab", "vocab/jsonld", "vocab/shape", "federation/identity", "federation/ledger", "federation/registry"},
	"federation/exchange":              {"vocab", "federation/identity", "federation/ledger"},
	"index/query":                      {"vocab"},
	"index":                            {"vocab", "index/query"},
	"hub/bus":                          {},
	"hub/tlsfiles":                     {"vocab"},
	"hub/bus/bustest":                  {"hub/bus", "federation/identity", "federation/identity/identitytest"},
	"hub/access":                       {"vocab", "vocab/jsonld", "federation/identity", "federation/registry"},
	"hub/access/accesstest":            {},
	"hub/web/webtest":                  {},
	"hub/audit":                        {"hub/bus", "federation/identity", "vocab", "vocab/jsonld"},
	"hub/admission":                    {"hub/access", "hub/audit", "hub/bus", "federation/identity", "federation/registry", "vocab", "vocab/jsonld", "vocab/shape"},
	"hub/intake":                       {"hub/bus", "hub/access", "vocab", "vocab/jsonld", "vocab/shape", "federation/identity", "federation/judge", "federation/ledger", "federation/registry"},
	"hub/view":                         {"index", "index/query", "federation/ledger", "federation/registry", "vocab", "vocab/jsonld", "vocab/shape"},
	"hub/peering":                      {"hub/access", "hub/audit", "hub/bus", "hub/view", "federation/exchange", "federation/identity", "federation/judge", "federation/ledger", "federation/registry", "vocab", "vocab/jsonld", "vocab/shape"},
	"hub/api":                          {"hub/access", "hub/admission", "hub/audit", "hub/intake", "hub/peering", "hub/view", "federation/ledger", "federation/registry", "index", "index/query", "vocab"},
	"hub/web":                          {"hub/access", "hub/admission", "hub/audit", "hub/intake", "hub/peering", "hub/view", "federation/registry", "index", "vocab", "vocab/shape"},
	"hub":                              {"*"},
	"hub/hubtest":                      {"hub"},
	"cmd/lianmu":                       {"*"},
	"cmd/lianmu/demo":                  {},
	"deploy":                           {},
}

// only names who alone may import a library.
var only = map[string]string{
	"github.com/piprate/json-gold":        "vocab/jsonld",
	"github.com/blevesearch/":             "index",
	"github.com/nats-io/nats-server/":     "hub/bus",
	"github.com/gorilla/mux":              "hub/api",
	"github.com/emmansun/gmsm":            "federation/ledger",
	"golang.org/x/mod/sumdb":              "federation/ledger federation/exchange",
	"github.com/prometheus/client_golang": "hub hub/api hub/intake",
	"github.com/coreos/go-oidc/":          "hub/access",
	"golang.org/x/oauth2":                 "hub/access",
	"github.com/ory/fosite":               "hub/access/accesstest",
	"github.com/chromedp/":                "hub/web/webtest",
}

func TestHouse(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Doc", "lianmu/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath, Doc string
			Imports         []string
		}
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, "lianmu/")
		allowed, known := may[name]
		if !known {
			t.Errorf("package %s has no place in the house: give it one in this table and in the design", name)
			continue
		}
		seen++
		if p.Doc == "" {
			t.Errorf("package %s has no package comment", name)
		}
		for _, imp := range p.Imports {
			if inner, ours := strings.CutPrefix(imp, "lianmu/"); ours && !slices.Contains(allowed, inner) && !slices.Contains(allowed, "*") {
				t.Errorf("%s imports %s, which it may not", name, inner)
			}
			for lib, owner := range only {
				if strings.HasPrefix(imp, lib) && !slices.Contains(strings.Fields(owner), name) {
					t.Errorf("%s imports %s; only %s may", name, imp, owner)
				}
			}
		}
	}
	if seen < 15 {
		t.Errorf("only %d packages seen: the test does not see the house", seen)
	}
}

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub"
	"lianmu/hub/access"
)

// Who holds which office is told to who holds one, and the table to everybody.
func TestAccessShowHolders(t *testing.T) {
	t.Setenv("LIANMU_HTTP_HUB", "")
	t.Setenv("LIANMU_OPERATOR_KEY", "")
	dir := t.TempDir()
	keys := map[string]*identity.Key{}
	for _, name := range []string{"review", "stranger"} {
		k := identitytest.Key(t)
		if err := k.Write(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		keys[name] = k
	}
	info := hubHere(t, hub.Config{
		Dir: filepath.Join(dir, "hub"), Operators: []access.Operator{{DID: keys["review"].DID(), Role: access.Review, Name: "duty desk"}},
	}).Info()
	for _, c := range []struct {
		key       string
		has, lack []string
		says      string
	}{
		{"review", []string{"business reviewer", "duty desk", keys["review"].DID(), "system administrator, security administrator", "(the hub's own key)", info.DID}, nil, ""},
		{"stranger", []string{"admit spaces"}, []string{info.DID, "duty desk"}, "officers only"},
		{"", []string{"admit spaces"}, []string{info.DID, "duty desk"}, ""},
	} {
		args := []string{"access", "show", "--hub", info.HTTP}
		if c.key != "" {
			args = append(args, "--key", filepath.Join(dir, c.key))
		}
		code, out, errs := runCLI(t, "", args...)
		if code != 0 || !strings.Contains(errs, c.says) {
			t.Errorf("%q: %d %s", c.key, code, errs)
		}
		for _, s := range c.has {
			if !strings.Contains(out, s) {
				t.Errorf("%q is not told %q:\n%s", c.key, s, out)
			}
		}
		for _, s := range c.lack {
			if strings.Contains(out, s) {
				t.Errorf("%q is told %q", c.key, s)
			}
		}
		code, out, _ = runCLI(t, "", append(args, "--json")...)
		if code != 0 || strings.Contains(out, `"name":"duty desk"`) != (c.key == "review") {
			t.Errorf("%q, as JSON: %d %s", c.key, code, out)
		}
	}
}

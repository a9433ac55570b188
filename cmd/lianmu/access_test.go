package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity"
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
		k, err := identity.NewKey("ed25519")
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Write(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		keys[name] = k
	}
	h, err := hub.Start(t.Context(), hub.Config{
		Dir: filepath.Join(dir, "hub"), HTTP: "127.0.0.1:0", NATS: "127.0.0.1:0",
		Operators: []access.Operator{{DID: keys["review"].DID(), Role: access.Review, Name: "duty desk"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = h.Close(ctx)
	})
	info := h.Info()
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

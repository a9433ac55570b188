package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/hub/access"
)

var identityNow = time.Date(2026, 11, 21, 8, 30, 0, 0, time.UTC)

const identitySeed = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// identityRun gives a command its input and returns what it wrote.
func identityRun(t *testing.T, stdin string, run func(*streams) error) (out, errs string, err error) {
	t.Helper()
	defer func(was bool) { chinese = was }(chinese)
	chinese = false
	var o, e bytes.Buffer
	err = run(&streams{In: strings.NewReader(stdin), Out: &o, Err: &e, Now: func() time.Time { return identityNow }})
	return o.String(), e.String(), err
}

func identityKeyFile(t *testing.T) (path, did string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "space.key")
	out, _, err := identityRun(t, "", (&keyImportCmd{Type: "ed25519", Hex: identitySeed, Out: path}).Run)
	if err != nil {
		t.Fatal(err)
	}
	return path, strings.TrimSpace(out)
}

func exitsWith(t *testing.T, err error, want int) {
	t.Helper()
	var code exitCode
	if !errors.As(err, &code) || int(code) != want {
		t.Errorf("%v, want exit code %d", err, want)
	}
}

func TestKeyCommands(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.key")
	made, errs, err := identityRun(t, "", (&keyNewCmd{Type: "ed25519", Out: path}).Run)
	if err != nil || errs != "" || !strings.HasPrefix(made, "did:key:z6Mk") {
		t.Fatalf("%q %q %v", made, errs, err)
	}
	shown, _, err := identityRun(t, "", (&keyShowCmd{File: path}).Run)
	if err != nil || shown != made {
		t.Errorf("shown %q, made %q, %v", shown, made, err)
	}
	asJSON, _, err := identityRun(t, "", (&keyShowCmd{File: path, JSON: true}).Run)
	var v struct{ DID, VerificationMethod, Type string }
	if err != nil || json.Unmarshal([]byte(asJSON), &v) != nil || v.DID+"\n" != made || v.Type != "ed25519" || !strings.HasPrefix(v.VerificationMethod, v.DID+"#z6Mk") {
		t.Errorf("%s, %v", asJSON, err)
	}
	if _, _, err := identityRun(t, "", (&keyNewCmd{Type: "ed25519", Out: path}).Run); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("an existing key: %v", err)
	}
	for _, typ := range []string{"p256", "sm2"} {
		_, _, err := identityRun(t, "", (&keyNewCmd{Type: typ, Out: path + typ}).Run)
		if err == nil || !strings.Contains(err.Error(), "only ed25519 so far") {
			t.Errorf("%s: %v", typ, err)
		}
		if _, err := os.Stat(path + typ); err == nil {
			t.Errorf("%s left a file", typ)
		}
	}
}

func TestKeyImportFromStandardInput(t *testing.T) {
	_, did := identityKeyFile(t)
	path := filepath.Join(t.TempDir(), "k")
	out, _, err := identityRun(t, identitySeed+"\n", (&keyImportCmd{Type: "ed25519", Hex: "-", Out: path}).Run)
	if err != nil || strings.TrimSpace(out) != did {
		t.Errorf("%q, %v", out, err)
	}
}

func TestSignThenVerifyCommands(t *testing.T) {
	path, did := identityKeyFile(t)
	for name, c := range map[string]struct {
		in    string
		count int
	}{
		"pretty":     {"{\n  \"@id\": \"urn:a\",\n  \"标题\": \"充电桩\"\n}\n", 1},
		"JSON lines": {"{\"@id\":\"urn:a\"}\n\n{\"@id\":\"urn:b\"}\n{\"@id\":\"urn:a\"}", 3},
		"a list":     {`[{"@id":"urn:a"},{"@id":"urn:b"}]`, 2},
	} {
		t.Run(name, func(t *testing.T) {
			signed, errs, err := identityRun(t, c.in, (&signCmd{Key: []string{path}, Suite: identity.Suite, Expires: time.Hour}).Run)
			if err != nil || errs != "" {
				t.Fatalf("%q %v", errs, err)
			}
			out, _, err := identityRun(t, signed, (&verifyCmd{}).Run)
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			lines := strings.Split(strings.TrimSpace(out), "\n")
			if len(lines) != c.count {
				t.Fatalf("%d lines: %s", len(lines), out)
			}
			for _, want := range []string{"ok", did, "2026-11-21T08:30:00Z", "until 2026-11-21T09:30:00Z", "urn:a", "stdin:1"} {
				if !strings.Contains(lines[0], want) {
					t.Errorf("%q does not say %s", lines[0], want)
				}
			}
			asJSON, _, err := identityRun(t, signed, (&verifyCmd{JSON: true}).Run)
			if err != nil {
				t.Fatal(err)
			}
			last := map[string]time.Time{}
			dec := json.NewDecoder(strings.NewReader(asJSON))
			for range c.count {
				var v verdict
				if err := dec.Decode(&v); err != nil || !v.OK || v.Space != did || v.Digest.IsZero() || v.Content.IsZero() {
					t.Errorf("%+v, %v", v, err)
				}
				if !v.Created.After(last[v.ID]) {
					t.Errorf("%s was created at %v, not after the version before", v.ID, v.Created)
				}
				last[v.ID] = v.Created
			}
		})
	}
}

func TestSignNamesWhatItCannot(t *testing.T) {
	path, _ := identityKeyFile(t)
	signed, _, err := identityRun(t, `{"@id":"urn:a"}`, (&signCmd{Key: []string{path}, Suite: identity.Suite}).Run)
	if err != nil {
		t.Fatal(err)
	}
	in := "{\"@id\":\"urn:a\"}\n" + strings.TrimSpace(signed) + "\n{\"a\":1,\"a\":2}\nnonsense\n{\"@id\":\"urn:b\"}\n" +
		`{"x":"` + strings.Repeat("x", 300<<10) + "\"}\n"
	out, errs, err := identityRun(t, in, (&signCmd{Key: []string{path}, Suite: identity.Suite}).Run)
	exitsWith(t, err, 1)
	if n := strings.Count(out, `"proofValue"`); n != 2 {
		t.Errorf("%d signed: %.500s", n, out)
	}
	lines := strings.Split(strings.TrimSpace(errs), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d complaints: %s", len(lines), errs)
	}
	for i, want := range []string{"stdin:2: /proof: the document is already signed", "stdin:3: ", "stdin:4: ", "stdin:6: "} {
		if !strings.HasPrefix(lines[i], want) {
			t.Errorf("%q, want %q", lines[i], want)
		}
	}
}

func TestSignRefusesItsFlags(t *testing.T) {
	path, _ := identityKeyFile(t)
	for name, c := range map[string]signCmd{
		"suite":    {Key: []string{path}, Suite: "sm2-jcs-2026"},
		"expires":  {Key: []string{path}, Suite: identity.Suite, Expires: -time.Hour},
		"no key":   {Key: []string{path + ".none"}, Suite: identity.Suite},
		"for ever": {Key: []string{path}, Suite: identity.Suite, Expires: 200 * 365 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			out, _, err := identityRun(t, `{"@id":"urn:a"}`, c.Run)
			if err == nil || out != "" {
				t.Errorf("%q %v", out, err)
			}
		})
	}
	out, errs, err := identityRun(t, "", (&signCmd{Key: []string{path}, Suite: identity.Suite}).Run)
	exitsWith(t, err, 1)
	if out != "" || errs == "" {
		t.Errorf("nothing to sign: %q %q", out, errs)
	}
}

func TestSignBeside(t *testing.T) {
	author, did := identityKeyFile(t)
	second, other := identityKeyFile(t)
	signed, _, err := identityRun(t, `{"@id":"urn:a"}`, (&signCmd{Key: []string{author}, Suite: identity.Suite}).Run)
	if err != nil {
		t.Fatal(err)
	}
	both, errs, err := identityRun(t, signed, (&signCmd{Key: []string{second}, Suite: identity.Suite, Beside: true}).Run)
	if err != nil || errs != "" {
		t.Fatalf("%q %v", errs, err)
	}
	if out, _, err := identityRun(t, both, (&verifyCmd{}).Run); err != nil || !strings.Contains(out, did) || strings.Count(both, other) != 2 {
		t.Errorf("%v: %s\n%s", err, out, both)
	}
	_, errs, err = identityRun(t, `{"@id":"urn:a"}`, (&signCmd{Key: []string{second}, Suite: identity.Suite, Beside: true}).Run)
	exitsWith(t, err, 1)
	if !strings.Contains(errs, "stdin:1") {
		t.Errorf("beside nobody: %q", errs)
	}
}

func TestVerifySaysWhyNot(t *testing.T) {
	path, _ := identityKeyFile(t)
	signed, _, err := identityRun(t, "{\"@id\":\"urn:a\",\"v\":1}\n", (&signCmd{Key: []string{path}, Suite: identity.Suite}).Run)
	if err != nil {
		t.Fatal(err)
	}
	signed = strings.TrimSpace(signed)
	file := filepath.Join(t.TempDir(), "docs.jsonl")
	content := fmt.Sprintf("%s\n%s\n{\"@id\":\"urn:c\"}\n{\n", signed, strings.Replace(signed, `"v":1`, `"v":2`, 1))
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _, err := identityRun(t, "", (&verifyCmd{Files: []string{file}}).Run)
	exitsWith(t, err, 1)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines: %s", len(lines), out)
	}
	for i, want := range []string{":1  ok  ", ":2  FAILED  /proof/proofValue", ":3  FAILED  the document is not signed", ":4  FAILED  "} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("%q, want %q", lines[i], want)
		}
	}
	asJSON, _, err := identityRun(t, "", (&verifyCmd{Files: []string{file}, JSON: true}).Run)
	exitsWith(t, err, 1)
	for i, line := range strings.Split(strings.TrimSpace(asJSON), "\n") {
		var v verdict
		if err := json.Unmarshal([]byte(line), &v); err != nil || v.OK != (i == 0) || v.Line != i+1 || (len(v.Problems) > 0) == v.OK {
			t.Errorf("%s, %v", line, err)
		}
	}
	_, _, err = identityRun(t, "", (&verifyCmd{}).Run)
	exitsWith(t, err, 1)
}

func TestVerifyDropsWhatSteersATerminal(t *testing.T) {
	path, _ := identityKeyFile(t)
	signed, _, err := identityRun(t, "{\"@id\":\"urn:\\u001b[2Ja\\u202e\"}", (&signCmd{Key: []string{path}, Suite: identity.Suite}).Run)
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := identityRun(t, signed, (&verifyCmd{}).Run)
	if err != nil || strings.ContainsAny(out, "\x1b\u202e") {
		t.Errorf("%q, %v", out, err)
	}
}

func TestTokenCommand(t *testing.T) {
	path, did := identityKeyFile(t)
	const org = "91512081MA62K0260E"
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/log" {
			fmt.Fprintf(w, `{"origin":"o","hub":%q}`, did)
		}
	}))
	defer hub.Close()
	run := func(c tokenCmd) (string, error) {
		out, _, err := identityRun(t, "", func(s *streams) error { return c.Run(t.Context(), s) })
		return strings.TrimSpace(out), err
	}
	for _, c := range []tokenCmd{
		{Key: path, Audience: did, TTL: 5 * time.Minute},
		{Key: path, Hub: hub.URL, TTL: 5 * time.Minute},
	} {
		token, err := run(c)
		if err != nil {
			t.Fatal(err)
		}
		who, _, expires, err := identity.VerifyToken(token, did, identityNow)
		if err != nil || who != did || !expires.Equal(identityNow.Add(5*time.Minute)) {
			t.Errorf("%s until %v, %v", who, expires, err)
		}
	}
	token, err := run(tokenCmd{Key: path, Hub: hub.URL, TTL: time.Minute, Session: true, Org: org, Name: "op-07", Role: "space"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := identity.VerifySessionToken(token, did, identityNow)
	if err != nil || got.DID != did || got.Person != (identity.Person{Org: org, Name: "op-07", Role: "space"}) {
		t.Errorf("%+v, %v", got, err)
	}
	session := tokenCmd{Key: path, Audience: did, TTL: time.Minute, Session: true, Org: org, Name: "op-07"}
	for name, edit := range map[string]func(*tokenCmd){
		"too long":           func(c *tokenCmd) { c.TTL = time.Hour },
		"audience no DID":    func(c *tokenCmd) { c.Audience = "hub" },
		"no audience":        func(c *tokenCmd) { c.Audience = "" },
		"no such hub":        func(c *tokenCmd) { c.Hub = "hub" },
		"org not --session":  func(c *tokenCmd) { c.Session = false },
		"no organisation":    func(c *tokenCmd) { c.Org = "" },
		"a mobile number":    func(c *tokenCmd) { c.Name = "13800138000" },
		"an office":          func(c *tokenCmd) { c.Role = "review" },
		"no pseudonym":       func(c *tokenCmd) { c.Name = "" },
		"organisation wrong": func(c *tokenCmd) { c.Org = "91512081MA62K0260F" },
	} {
		c := session
		edit(&c)
		if out, err := run(c); err == nil || out != "" {
			t.Errorf("%s: made %q", name, out)
		}
	}
}

func TestAccessShow(t *testing.T) {
	show := func(c accessShowCmd) func(*streams) error {
		return func(s *streams) error { return c.Run(t.Context(), s) }
	}
	out, _, err := identityRun(t, "", show(accessShowCmd{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range access.Table() {
		line := ""
		for _, l := range strings.Split(out, "\n") {
			if strings.HasPrefix(l, string(row.Role)+" ") {
				line = l
			}
		}
		for _, right := range access.Rights() {
			if strings.Contains(line, right.Name()["en"]) != row.Role.May(right) {
				t.Errorf("%s and %q: %s", row.Role, right, line)
			}
		}
	}
	if _, _, err := identityRun(t, "", show(accessShowCmd{Key: "k"})); err == nil || !strings.Contains(err.Error(), "--hub") {
		t.Errorf("a key without a hub: %v", err)
	}
	out, _, err = identityRun(t, "", show(accessShowCmd{JSON: true}))
	var rows []access.Row
	if err != nil || json.Unmarshal([]byte(out), &rows) != nil || !reflect.DeepEqual(rows, access.Table()) {
		t.Errorf("%s, %v", out, err)
	}
}

func TestLanguageOfTheTerminal(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want bool
	}{
		{nil, false},
		{map[string]string{"LANG": "zh_CN.UTF-8"}, true},
		{map[string]string{"LANG": "en_GB.UTF-8", "LC_ALL": "zh_TW"}, true},
		{map[string]string{"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, false},
		{map[string]string{"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US"}, false},
	} {
		if got := speaksChinese(func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("%v: %v", c.env, got)
		}
	}
}

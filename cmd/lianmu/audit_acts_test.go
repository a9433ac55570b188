package main

import (
	"fmt"
	"strings"
	"testing"

	"lianmu/hub/access"
	"lianmu/vocab"
)

func TestActNamed(t *testing.T) {
	for wanted, act := range map[string]string{
		"": "", "space": "space", "space.keys": "space.keys", "space.admit": "space.admit", "log.redact": "log.redact",
		"KeyReplacement": "space.keys.replace", "keycompromise": "space.keys.compromise", "Suspension": "space.suspend",
		"Admission": "space.admit", "更换密钥": "space.keys.replace", "audit": "audit", "session": "session",
	} {
		if got, err := actNamed(wanted); err != nil || got != act {
			t.Errorf("%q: %q, %v; want %q", wanted, got, err, act)
		}
	}
	for _, wanted := range []string{"suspend", "space.", "spac", "Foo", "."} {
		if got, err := actNamed(wanted); err == nil || !strings.Contains(err.Error(), "space.suspend") {
			t.Errorf("%q: %q, %v", wanted, got, err)
		}
	}
}

// Every act and right has a Chinese name.
func TestActsInChinese(t *testing.T) {
	before := chinese
	chinese = true
	t.Cleanup(func() { chinese = before })
	for _, n := range append(actNames(), string(access.SpaceKeys)) {
		if sayAct(n) == n {
			t.Errorf("%s has no Chinese name", n)
		}
	}
	if got := sayAct("POST /api/v1/x"); got != "POST /api/v1/x" {
		t.Errorf("a route is shown as %s", got)
	}
	_, err := actNamed("nothing")
	if err == nil || !strings.Contains(err.Error(), "没有") {
		t.Errorf("%v", err)
	}
}

// A fault that wraps problems is told in the reader's language.
func TestSayWrapped(t *testing.T) {
	before := chinese
	t.Cleanup(func() { chinese = before })
	err := fmt.Errorf("entry 7: %w", fmt.Errorf("it should not be in the log: %w", vocab.Problems{vocab.NewProblem("", "space.unadmitted", "空间 %s 尚未获准接入本目录节点", "space %s is not admitted to this hub", "A")}))
	for lang, want := range map[bool]string{
		false: "entry 7: it should not be in the log: space A is not admitted to this hub",
		true:  "第 7 条：签名者当时无权写入，不应在账本中：空间 A 尚未获准接入本目录节点",
	} {
		chinese = lang
		if got := translated(sayWrapped(err)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestMalformedCode(t *testing.T) {
	for _, code := range []string{"AB\nCD", "a\x00b", "码", strings.Repeat("A", 65)} {
		exit, _, errs := runCLI(t, "", "join", "http://127.0.0.1:1", "--key", t.TempDir()+"/k", "--invite", code, "--name", "a")
		if exit == 0 || !strings.Contains(errs, "20 letters and digits") {
			t.Errorf("%q: exit %d: %s", code, exit, errs)
		}
	}
}

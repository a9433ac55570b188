package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity/identitytest"
	"lianmu/hub/audit"
	"lianmu/hub/bus"
)

// exported is an export of a real trail, and who signed it.
func exported(t *testing.T) (file string, signer string) {
	t.Helper()
	b, err := bus.Start(t.Context(), bus.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Stop(context.Background()) }()
	key := identitytest.Key(t)
	trail, err := audit.Open(t.Context(), b.JetStream, audit.Config{Now: time.Now, Signer: key})
	if err != nil {
		t.Fatal(err)
	}
	for _, act := range []string{"space.admit", "space.suspend", "space.resume"} {
		if err := trail.Put(t.Context(), audit.Record{Who: "did:key:a", Act: act, Outcome: audit.Done}); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := trail.Export(t.Context(), &out, time.Time{}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := trail.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return writeFile(t, "audit.jsonl", out.String()), key.DID()
}

func TestAuditVerify(t *testing.T) {
	t.Setenv("LIANMU_HTTP_HUB", "")
	file, signer := exported(t)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	code, out, errs := runCLI(t, "", "audit", "verify", file)
	if code != 0 || !strings.Contains(out, "3 records") || !strings.Contains(out, signer) {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	code, out, errs = runCLI(t, string(text), "audit", "verify", "--json", "--by", signer)
	var report audit.Report
	if err := json.Unmarshal([]byte(out), &report); code != 0 || err != nil || report.Records != 3 || report.SignedBy != signer {
		t.Errorf("exit %d, %v\n%s%s", code, err, out, errs)
	}
	code, _, errs = runCLI(t, string(text), "audit", "verify", "--by", "did:key:another")
	if code != 1 || !strings.Contains(errs, "not signed by") {
		t.Errorf("exit %d\n%s", code, errs)
	}
	code, _, errs = runCLI(t, strings.Replace(string(text), "space.suspend", "space.resumed", 1), "audit", "verify", "-")
	if code != 1 || !strings.Contains(errs, "record 2") {
		t.Errorf("exit %d\n%s", code, errs)
	}
	lines := strings.SplitAfter(string(text), "\n")
	code, out, _ = runCLI(t, strings.Join(lines[:3], ""), "audit", "verify")
	if code != 0 || !strings.Contains(out, "no signed last line") {
		t.Errorf("exit %d\n%s", code, out)
	}
	code, _, errs = runCLI(t, "", "audit", "verify", filepath.Join(t.TempDir(), "none"))
	if code != 2 || errs == "" {
		t.Errorf("exit %d\n%s", code, errs)
	}
}

func TestMoment(t *testing.T) {
	now := time.Date(2026, 11, 21, 8, 30, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-11-20T00:00:00+08:00": time.Date(2026, 11, 19, 16, 0, 0, 0, time.UTC),
		"2026-11-20":                time.Date(2026, 11, 20, 0, 0, 0, 0, time.Local),
		"2026-11-20 07:15":          time.Date(2026, 11, 20, 7, 15, 0, 0, time.Local),
		"24h":                       now.Add(-24 * time.Hour),
	} {
		if got, err := moment(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"yesterday", "2026-13-01", "24"} {
		if _, err := moment(text, now); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/hub/admission"
	"lianmu/hub/audit"
	"lianmu/vocab/jsonld"
)

// TestSpaceLifeFromTheCommandLine: invited, looked at, admitted, suspended,
// robbed of its key and given another, and all of it in the audit trail.
func TestSpaceLifeFromTheCommandLine(t *testing.T) {
	dir, own := t.TempDir(), t.TempDir()
	info := startClosedHub(t, dir)
	t.Setenv("LIANMU_HTTP_HUB", info.HTTP)
	t.Setenv("LIANMU_OPERATOR_KEY", filepath.Join(dir, "hub.key"))
	key := filepath.Join(own, "space.key")
	do := func(wantCode int, want string, args ...string) string {
		t.Helper()
		code, out, errs := runCLI(t, "", args...)
		if code != wantCode || !strings.Contains(out+errs, want) || strings.Contains(out+errs, "%!") {
			t.Fatalf("%v: exit %d, want %d and %q\n%s%s", args, code, wantCode, want, out, errs)
		}
		return out
	}

	var invitation invited
	if err := json.Unmarshal([]byte(do(0, "", "space", "invite", "--note", "某港口公司", "--json")), &invitation); err != nil {
		t.Fatal(err)
	}
	do(0, "某港口公司", "space", "invitations")
	do(0, "shown this once", "space", "invite", "--days", "1")
	do(1, "365", "space", "invite", "--days", "900")
	do(0, "no space waits", "space", "waiting")
	do(1, "code", "join", info.HTTP, "--invite", "22222222222222222222", "--key", filepath.Join(own, "x.key"), "--yes", "--name", "冒名")
	do(0, "waits", "join", info.HTTP+"/join#"+invitation.Code, "--key", key, "--yes", "--descriptor", writeFile(t, "space.yaml", chineseSpace))
	k, err := identity.ReadKey(key)
	if err != nil {
		t.Fatal(err)
	}
	do(0, "某港口公司", "space", "waiting")
	var waits admission.Applicant
	if err := json.Unmarshal([]byte(do(0, "", "space", "waiting", "--json")), &waits); err != nil || waits.DID != k.DID() {
		t.Fatalf("%+v, %v", waits, err)
	}

	do(2, "nothing was done", "space", "admit", "港口数据空间")
	do(2, "there is no space", "space", "admit", "--yes", "工业空间")
	do(0, "admitted (entry 0", "space", "admit", "--yes", "--reason", "资料齐全", "港口数据空间")
	do(0, "nothing has changed", "space", "admit", "--yes", k.DID())
	do(0, "Admitted", "join", info.HTTP, "--key", key)
	do(0, "admitted", "space", "list")
	do(0, k.DID()+"  valid", "space", "show", "港口数据空间")

	docs := writeFile(t, "in.jsonl", titled("urn:s:1", "潮位")+"\n"+titled("urn:s:2", "风速"))
	do(0, "", "publish", "--hub", info.HTTP, "--key", key, docs)
	do(2, "nothing was done", "space", "suspend", "--reason", "整改", "港口数据空间")
	do(0, "suspended", "space", "suspend", "--yes", "--reason", "整改", "港口数据空间")
	do(0, "suspended, reason: 整改", "space", "show", k.DID())
	do(1, "整改", "join", info.HTTP, "--key", key, "--yes", "--name", "改名")
	do(2, "nothing was done", "space", "resume", k.DID())
	do(0, "resumed", "space", "resume", "-y", k.DID())

	do(0, "deregistered", "space", "remove", "--yes", "--reason", "主管部门要求", k.DID(), "urn:s:2")
	do(1, "urn:none", "space", "remove", "--yes", "--reason", "x", k.DID(), "urn:none")
	do(0, "", "space", "proposals")
	do(1, "proposal", "space", "approve", "none")

	do(0, "urn:s:1", "space", "compromised", "--from", "2", "--dry-run", k.DID())
	do(2, "nothing was done", "space", "compromised", "--from", "2", k.DID())
	do(0, "the key is void", "space", "compromised", "--from", "2", "--yes", k.DID())
	fresh := filepath.Join(own, "fresh.key")
	did := strings.TrimSpace(do(0, "did:key:", "key", "new", "--out", fresh))
	do(2, k.DID(), "space", "replace-keys", "--new", did, "--evidence", "2026-7", k.DID())
	do(1, "key prove", "space", "replace-keys", "-y", "--new", did, "--evidence", "2026-7", k.DID())
	proof := writeFile(t, "fresh.proof", do(0, `"KeyProof"`, "key", "prove", "--key", fresh, "--space", k.DID()))
	do(0, "replaced", "space", "replace-keys", "-y", "--new", did, "--proof", proof, "--evidence", "2026-7", k.DID())
	do(0, "", "publish", "--hub", info.HTTP, "--key", fresh, writeFile(t, "again.jsonl", titled("urn:s:1", "潮位")))
	do(1, "", "publish", "--hub", info.HTTP, "--key", key, writeFile(t, "more.jsonl", titled("urn:s:3", "水温")))
	do(0, "compromised", "space", "show", k.DID())

	// Who has no office does nothing of this.
	for _, args := range [][]string{
		{"space", "waiting"}, {"space", "suspend", "-y", "--reason", "x", k.DID()}, {"space", "invite"}, {"audit", "show"},
		{"audit", "export"}, {"space", "proposals"},
	} {
		do(1, did, append(args, "--key", fresh)...)
	}

	var acts []string
	for _, line := range strings.Split(strings.TrimSpace(do(0, "", "audit", "show", "--outcome", "done", "--act", "space", "--json")), "\n") {
		var r audit.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.Who != info.DID || r.Object != k.DID() {
			t.Errorf("%+v", r)
		}
		acts = append([]string{r.Act}, acts...)
	}
	if want := "[space.admit space.admit space.suspend space.resume space.keys.compromise space.keys.replace]"; fmt.Sprint(acts) != want {
		t.Errorf("the trail says %v, want %s", acts, want)
	}
	do(0, "整改", "audit", "show", "--since", "1h", "--limit", "500")
	file := filepath.Join(own, "audit.jsonl")
	do(0, "signed by "+info.DID, "audit", "export", "--out", file)
	do(2, "already", "audit", "export", "--out", file)
	do(0, "signed by "+info.DID, "audit", "verify", "--by", info.DID, file)
	do(0, "signed by "+info.DID, "audit", "verify")
	do(0, "", "log", "verify", "--hub", info.HTTP)
}

// What the new key's holder makes is one word, so that it can be pasted, and is
// signed by every key given.
func TestKeyProve(t *testing.T) {
	dir := t.TempDir()
	var keys []string
	for _, name := range []string{"a.key", "b.key"} {
		path := filepath.Join(dir, name)
		if code, _, errs := runCLI(t, "", "key", "new", "--out", path); code != 0 {
			t.Fatal(errs)
		}
		keys = append(keys, "--key", path)
	}
	code, out, errs := runCLI(t, "", append([]string{"key", "prove", "--space", "did:key:z6MkSpace"}, keys...)...)
	if code != 0 || len(strings.Fields(out)) != 1 {
		t.Fatalf("%d %q %s", code, out, errs)
	}
	sec, err := identity.Verify(&jsonld.Document{Raw: []byte(strings.TrimSpace(out))}, time.Now())
	if err != nil || len(sec.Also) != 1 || !strings.Contains(out, `"space":"did:key:z6MkSpace"`) {
		t.Errorf("%+v, %v", sec, err)
	}
	if code, _, _ := runCLI(t, "", append([]string{"key", "prove", "--space", "a space"}, keys...)...); code == 0 {
		t.Error("a name is taken for a DID")
	}
}

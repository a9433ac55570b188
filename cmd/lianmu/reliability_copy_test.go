package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/hub/bus"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
)

// publish sends so many submissions and waits for their answers.
func (tr *traffic) publish(n *node, count int) {
	tr.t.Helper()
	want := tr.answered.Load() + int64(count)
	tr.permit(count)
	f := tr.run(tr.dial(n.info.NATS), 16)
	n.within(time.Minute, "submissions are answered", func() bool { return tr.answered.Load() >= want })
	f.finish(tr.t, time.Minute)
}

func copyFolder(t *testing.T, to, from string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// storedCheckpoint reads the last signed checkpoint from a stopped hub's bucket.
func storedCheckpoint(t *testing.T, dir string) []byte {
	t.Helper()
	b, err := bus.Start(t.Context(), bus.Config{Dir: filepath.Join(dir, "jetstream")})
	if err != nil {
		t.Fatal(err)
	}
	e, err := b.State().Get(t.Context(), "checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	return e.Value()
}

// TestOlderCopy restores an older copy of the log's store. The hub must not
// take anything nor sign another history, and say why; it goes on only after
// its operator began a new epoch, which cites what was signed.
func TestOlderCopy(t *testing.T) {
	n := newNode(t, t.TempDir())
	tr := newTraffic(t, reliabilitySeed(t), 3)
	store, backup := filepath.Join(n.dir, "jetstream"), filepath.Join(t.TempDir(), "backup")
	n.start()
	tr.publish(n, 300)
	older := tr.check(n)
	n.stop()
	copyFolder(t, backup, store)
	receipts := map[*submission]int{}
	for _, s := range tr.all {
		receipts[s] = len(s.receipts)
	}

	n.start()
	tr.publish(n, 200)
	newer := tr.check(n)
	shown := n.level().Total
	n.stop()
	last, err := os.ReadFile(filepath.Join(n.dir, "log", "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	copyFolder(t, store, backup)
	olderNote := storedCheckpoint(t, n.dir)
	if bytes.Equal(olderNote, last) {
		t.Fatal("the copy is not older")
	}

	n.start()
	p := n.health()["hub.read_only"]
	if !strings.Contains(p.Message["zh"], "只读") || !strings.Contains(p.Message["en"], "read-only") || !strings.Contains(p.Message["en"], "lianmu log epoch") {
		t.Errorf("/healthz says %v", p)
	}
	if status := n.get("/readyz", nil); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz has status %d", status)
	}
	conn := tr.dial(n.info.NATS)
	for range 30 {
		s := tr.next()
		if s.bad() {
			continue
		}
		r, err := conn.submit(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		switch r.Status {
		case vocab.Busy:
			if len(r.Problems) != 1 || r.Problems[0].Code != "hub.read_only" || r.RetryAfterMS <= 0 {
				t.Errorf("a submission was answered %+v", r)
			}
		case vocab.Accepted, vocab.Renewed:
			t.Errorf("%s was taken: %+v", s.id, r)
		}
	}
	if total := n.level().Total; total != shown {
		t.Errorf("search shows %d offerings, %d before", total, shown)
	}
	var served []byte
	if n.get("/checkpoint", &served); !bytes.Equal(served, last) {
		t.Errorf("the checkpoint served is\n%s, the last one signed\n%s", served, last)
	}
	if code, _ := n.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	code, _, output := n.verifyFolder()
	if code != 1 || !strings.Contains(output, "read-only") {
		t.Errorf("log verify: exit code %d, %.2000s", code, output)
	}
	// Neither the hub nor the verifier has signed anything.
	if now, err := os.ReadFile(filepath.Join(n.dir, "log", "checkpoint")); err != nil || !bytes.Equal(now, last) {
		t.Errorf("the last checkpoint was replaced by\n%s (%v)", now, err)
	}
	if now := storedCheckpoint(t, n.dir); !bytes.Equal(now, olderNote) {
		t.Errorf("a checkpoint was signed over another history:\n%s", now)
	}

	beginEpoch(t, n.dir, last)
	n.start()
	var info logInfo
	if n.get("/api/v1/log", &info); info.Size != older.size+1 || !strings.HasSuffix(info.Origin, "/2") {
		t.Errorf("the new epoch is %+v, the copy had %d entries", info, older.size)
	}
	if h := n.health(); len(h) > 0 {
		t.Errorf("health: %v", h)
	}
	tr.keep(epochEntry(t, n, older.size, last))
	// What was acknowledged after the copy was made is sent again by whoever
	// has it; receipts from then are void.
	for s, count := range receipts {
		s.receipts = s.receipts[:count]
	}
	for _, s := range slices.Collect(maps.Values(tr.all)) {
		if _, had := receipts[s]; !had && s.kind != vocab.KindEpoch {
			s.receipts = nil
			if _, err := tr.deliver(t.Context(), conn, s); err != nil {
				t.Fatal(err)
			}
		}
	}
	tr.publish(n, 100)
	m := tr.check(n)
	if m.size < newer.size/2 {
		t.Errorf("only %d entries", m.size)
	}
	tr.repeatSome(n, conn, m, 50)
	n.verifyClean()
}

// beginEpoch runs lianmu log epoch and holds its answer against the checkpoint
// that it must cite.
func beginEpoch(t *testing.T, dir string, last []byte) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "log", "epoch", "--dir", dir, "--json")
	cmd.Env = cleanEnv()
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("log epoch: %v\n%s", err, out)
	}
	var answer struct {
		Origin string `json:"origin"`
		Former string `json:"former_checkpoint"`
	}
	if err := json.Unmarshal(out, &answer); err != nil || answer.Former != string(last) || !strings.HasSuffix(answer.Origin, "/2") {
		t.Errorf("log epoch: %v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "log.key.1")); err != nil {
		t.Errorf("the former log key is not kept: %v", err)
	}
}

// epochEntry reads the entry at which an epoch begins, as anybody can.
func epochEntry(t *testing.T, n *node, at uint64, cited []byte) *submission {
	t.Helper()
	leaves := n.leaves()
	leaf := leaves[at]
	client, err := newHubClient(n.info.HTTP, nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	docs, err := newSource(client).Documents(t.Context(), []vocab.Digest{leaf.SHA256})
	if err != nil || docs[0] == nil {
		t.Fatalf("the epoch's entry cannot be read: %v", err)
	}
	d, err := jsonld.New(jsonld.Limits{}).Decode(docs[0])
	if err != nil {
		t.Fatal(err)
	}
	sec, err := identity.Verify(d, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if leaf.Kind != vocab.KindEpoch || sec.Space != n.info.DID || d.Object["formerCheckpoint"] != string(cited) {
		t.Errorf("entry %d is %s by %s: %s", at, leaf.Kind, sec.Space, docs[0])
	}
	id, _ := d.Object["@id"].(string)
	return &submission{raw: docs[0], space: sec.Space, id: id, kind: vocab.KindEpoch, created: sec.Created}
}

package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/vocab"
)

// TestFederatedHistory publishes the real changes of a real catalogue through one
// hub while two others mirror it, all three under cuts and kills. At the end they
// show the same, entry by entry, which is what a plain replay of the file gives.
func TestFederatedHistory(t *testing.T) {
	path := corpus(t, "mobility-history.jsonl.gz")
	seed := reliabilitySeed(t)
	w := newTown(t, rand.New(rand.NewPCG(seed, 6)), 3)
	w.befriend(0, 1, false)
	w.befriend(0, 2, false)
	w.befriend(1, 2, false)

	key := testKey(t, 1)
	file := filepath.Join(t.TempDir(), "space.key")
	if err := key.Write(file); err != nil {
		t.Fatal(err)
	}
	binary, err := program()
	if err != nil {
		t.Fatal(err)
	}
	ctx, calm := context.WithCancel(t.Context())
	var cuts, kills int
	troubled := make(chan struct{})
	go func() {
		defer close(troubled)
		cuts, kills = w.trouble(ctx)
	}()
	// In parts, so that there is time for trouble.
	for _, part := range inParts(t, path, 300) {
		for end := time.Now().Add(2 * time.Minute); ; {
			publish := exec.CommandContext(t.Context(), binary, "publish", "--hub", w.hubs[0].info.NATS, "--key", file, "--json", part)
			publish.Env = cleanEnv()
			output, err := publish.CombinedOutput()
			if err == nil {
				break
			}
			// It gives up where no hub is there at its start, or none that is up yet;
			// repeating is harmless.
			if time.Now().After(end) {
				calm()
				<-troubled
				t.Fatalf("publishing: %v\n%.4000s", err, output)
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
	calm()
	<-troubled
	t.Logf("%d cuts, %d kills", cuts, kills)

	stands := replayFile(t, path)
	m := w.hubs[0].fold(key)
	want := map[[2]string]where{}
	for k, s := range m {
		want[[2]string{key.DID(), k}] = s
	}
	for id := range stands {
		if _, ok := m[id]; !ok {
			t.Errorf("%s stands in the file, and not at the first hub", id)
		}
	}
	if len(m) != len(stands) {
		t.Errorf("%d offerings stand at the first hub, %d in the file", len(m), len(stands))
	}
	w.agree(want, 2*time.Minute)
	for _, h := range w.hubs {
		h.verifyClean()
	}
}

// inParts writes a change feed into files of so many lines each.
func inParts(t *testing.T, path string, lines int) (parts []string) {
	t.Helper()
	dir := t.TempDir()
	var part bytes.Buffer
	write := func() {
		parts = append(parts, filepath.Join(dir, fmt.Sprintf("%03d.jsonl", len(parts))))
		if err := os.WriteFile(parts[len(parts)-1], part.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		part.Reset()
	}
	n := 0
	eachLine(t, path, func(line []byte) {
		part.Write(append(line, '\n'))
		if n++; n%lines == 0 {
			write()
		}
	})
	if part.Len() > 0 {
		write()
	}
	return parts
}

func eachLine(t *testing.T, path string, do func(line []byte)) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		do(lines.Bytes())
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// replayFile reads a change feed and returns the ids that stand at its end.
func replayFile(t *testing.T, path string) map[string]bool {
	t.Helper()
	stands := map[string]bool{}
	eachLine(t, path, func(line []byte) {
		var e struct{ Op, ID string }
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		if e.Op == "delete" {
			delete(stands, e.ID)
		} else {
			stands[e.ID] = true
		}
	})
	return stands
}

// fold reads a hub's own log, document by document, and says where what stands of
// a space does.
func (h *townHub) fold(key *identity.Key) map[string]where {
	h.t.Helper()
	client, err := newHubClient(h.info.HTTP, nil, time.Now)
	if err != nil {
		h.t.Fatal(err)
	}
	source := newSource(client)
	type version struct {
		created time.Time
		kind    string
		at      where
	}
	last := map[string]version{}
	leaves := h.leaves()
	digests := make([]vocab.Digest, len(leaves))
	for i, l := range leaves {
		digests[i] = l.SHA256
	}
	for i := 0; i < len(digests); {
		documents, err := source.Documents(h.t.Context(), digests[i:min(i+50, len(digests))])
		if err != nil {
			h.t.Fatal(err)
		}
		for _, raw := range documents {
			var d struct {
				ID    string `json:"@id"`
				Type  any    `json:"@type"`
				Proof struct {
					Created time.Time `json:"created"`
				} `json:"proof"`
			}
			if err := json.Unmarshal(raw, &d); err != nil {
				h.t.Fatalf("entry %d: %v", i, err)
			}
			kind := leaves[i].Kind.String()
			if old, ok := last[d.ID]; !ok || d.Proof.Created.After(old.created) {
				last[d.ID] = version{d.Proof.Created, kind, where{h.info.Origin, uint64(i)}}
			}
			i++
		}
	}
	out := map[string]where{}
	for id, v := range last {
		if v.kind == "offering" {
			out[id] = v.at
		}
	}
	return out
}

// TestFederationTopologies lets hubs in a ring, a mesh or a chain publish and copy
// from each other under cuts and kills: at the end every one of them shows what
// all have logged, by the test's own fold.
func TestFederationTopologies(t *testing.T) {
	seed := reliabilitySeed(t)
	rnd := rand.New(rand.NewPCG(seed, 7))
	size := 3 + rnd.IntN(3)
	shape := []string{"ring", "mesh", "chain"}[rnd.IntN(3)]
	t.Logf("%s of %d", shape, size)
	w := newTown(t, rnd, size)
	for i := range size {
		for j := range i {
			next := j == i-1 || shape == "ring" && i == size-1 && j == 0
			if next || shape == "mesh" {
				w.befriend(j, i, shape != "mesh")
			}
		}
	}
	feeds := make([]*traffic, size)
	flows := make([]*flow, size)
	for i, h := range w.hubs {
		feeds[i] = newTraffic(t, seed+uint64(i), 2)
		for k := range feeds[i].spaces {
			feeds[i].spaces[k] = testKey(t, 10*i+k+1)
		}
		flows[i] = feeds[i].run(feeds[i].dial(h.info.NATS), 16)
		feeds[i].permit(400)
	}
	ctx, calm := context.WithTimeout(t.Context(), 25*time.Second)
	defer calm()
	cuts, kills := w.trouble(ctx)
	t.Logf("%d cuts, %d kills", cuts, kills)
	want := map[[2]string]where{}
	for i, h := range w.hubs {
		flows[i].finish(t, time.Minute)
		m := feeds[i].check(h.node)
		for k, s := range m.stands {
			if s.shown() {
				want[k] = where{h.info.Origin, s.at}
			}
		}
	}
	w.agree(want, 2*time.Minute)
	for _, h := range w.hubs {
		h.verifyClean()
	}
}

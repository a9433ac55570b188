package intake

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"lianmu/hub/bus"
	"lianmu/vocab"
)

// inStore reports whether a file below dir holds text.
func inStore(t *testing.T, dir, text string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		found = found || bytes.Contains(raw, []byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestForgetInQuarantine(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	store, err := bus.Start(t.Context(), bus.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Stop(context.Background()) })
	q, err := OpenQuarantine(t.Context(), store.JetStream, b.c.Now, b.c.Logger, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	put := func(q *Quarantine, text string) vocab.Digest {
		t.Helper()
		raw := []byte(text)
		d := vocab.DigestOf(raw)
		q.Put(vocab.Receipt{Status: vocab.Refused, ID: "https://space.example/" + text, Digest: d}, raw, true, false)
		return d
	}
	gone, kept := put(q, "to-be-forgotten"), put(q, "to-be-kept")
	if err := q.Forget(t.Context(), gone); err != nil { // though it may not be written yet
		t.Fatal(err)
	}
	if _, ok := q.Receipt(t.Context(), gone); ok {
		t.Error("a forgotten refusal has a receipt")
	}
	for seq := uint64(0); seq == 0; seq, _ = q.seen.Get(kept) { // until it is written
		if t.Context().Err() != nil {
			t.Fatal("never written")
		}
	}
	if r, ok := q.Receipt(t.Context(), kept); !ok || r.ID != "https://space.example/to-be-kept" {
		t.Errorf("the other refusal: %+v", r)
	}
	items, err := q.List(t.Context(), 0, 10)
	if err != nil || len(items) != 1 || items[0].Digest != kept {
		t.Errorf("%+v, %v", items, err)
	}
	if inStore(t, dir, "https://space.example/to-be-forgotten") || !inStore(t, dir, "https://space.example/to-be-kept") {
		t.Error("the files do not hold what they should")
	}
	// The same twice, as after a lost confirmation; a fresh memory finds both.
	q.seen.Remove(kept)
	put(q, "to-be-kept")
	if err := q.Forget(t.Context(), kept, kept, vocab.DigestOf(nil)); err != nil {
		t.Fatal(err)
	}
	if items, err := q.List(t.Context(), 0, 10); err != nil || len(items) != 0 {
		t.Errorf("%+v, %v", items, err)
	}
	if inStore(t, dir, "https://space.example/to-be-kept") {
		t.Error("a refusal that was written twice is still there")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	q.seen.Add(gone, 0) // being written for ever
	if err := q.Forget(ended, gone); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

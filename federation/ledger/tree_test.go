package ledger_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"lianmu/federation/ledger"
	"lianmu/vocab"
)

func wantClean(t *testing.T, l *ledger.Log, n int) {
	t.Helper()
	for i := 0; !strings.Contains(string(l.Checkpoint()), fmt.Sprintf("\n%d\n", n)); i++ {
		if i > 1000 {
			t.Fatalf("never signed over %d entries: %q", n, l.Checkpoint())
		}
		time.Sleep(10 * time.Millisecond)
	}
	seen := 0
	r, err := ledger.Verify(t.Context(), l.Source(), l.VerifierKey(), func(r ledger.Record) error {
		seen++
		if r.Document == nil || r.Leaf.SHA256 != r.Fact.Digest {
			return errors.New("incomplete record")
		}
		return nil
	}, nil)
	if err != nil || r.Faults != 0 || r.Size != uint64(n) || r.Checked != uint64(n) || seen != n {
		t.Fatalf("%+v, %d seen, %v", r, seen, err)
	}
}

// tileReader reads tiles as an HTTP client would, and checks them with tlog.
type tileReader struct {
	l     *ledger.Log
	reads int
}

func (r *tileReader) Height() int { return 8 }
func (r *tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, t := range tiles {
		b, err := r.l.Tile(ledger.TilePath(t))
		if err != nil {
			return nil, err
		}
		r.reads++
		out = append(out, b)
	}
	return out, nil
}
func (r *tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

func TestCheckpointTilesAndProofs(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, entries(0, 700))
	wantClean(t, l, 700)
	earlier := l.Checkpoint()
	appendAll(t, l, entries(700, 1))
	wantClean(t, l, 701)

	v, err := note.NewVerifier(l.VerifierKey())
	if err != nil {
		t.Fatal(err)
	}
	parse := func(raw []byte) tlog.Tree {
		t.Helper()
		n, err := note.Open(raw, note.VerifierList(v))
		if err != nil {
			t.Fatal(err)
		}
		rest, ok := strings.CutPrefix(n.Text, w.name+"\n")
		if !ok {
			t.Fatalf("%q does not begin with the origin", n.Text)
		}
		tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + rest))
		if err != nil {
			t.Fatal(err)
		}
		return tree
	}
	old, now := parse(earlier), parse(l.Checkpoint())
	r := &tileReader{l: l}
	hr := tlog.TileHashReader(now, r)
	for _, i := range []int64{0, 255, 256, 511, 512, 699, 700} {
		rec, err := l.Get(t.Context(), uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		leafHash := tlog.RecordHash(rec.Leaf.Bytes())
		byTiles, err := tlog.ProveRecord(now.N, i, hr)
		if err != nil {
			t.Fatal(err)
		}
		own, err := l.Inclusion(uint64(i), uint64(now.N))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []tlog.RecordProof{byTiles, own} {
			if err := tlog.CheckRecord(p, now.N, now.Hash, i, leafHash); err != nil {
				t.Errorf("entry %d: %v", i, err)
			}
		}
	}
	p, err := l.Consistency(uint64(old.N), uint64(now.N))
	if err != nil {
		t.Fatal(err)
	}
	if err := tlog.CheckTree(p, now.N, now.Hash, old.N, old.Hash); err != nil {
		t.Error(err)
	}
	if r.reads == 0 {
		t.Error("no tile was read")
	}

	b, err := l.Tile("tile/entries/002.p/189")
	if err != nil {
		t.Fatal(err)
	}
	if n := int(binary.BigEndian.Uint16(b)); len(b) != 189*(n+2) {
		t.Errorf("an entries tile of %d bytes", len(b))
	} else if leaf, err := ledger.ParseLeaf(b[2 : 2+n]); err != nil || leaf.SHA256 != entry(512).Fact.Digest {
		t.Errorf("its first entry is %v, %v", leaf, err)
	}
	for _, path := range []string{"", "checkpoint", "tile/", "tile/0/003", "tile/0/002", "tile/0/002.p/190", "tile/0/000.p/256", "tile/0/000.p/0",
		"tile/8/0/000", "tile/-1/000", "tile/data/000", "tile/entries/003", "tile/2/000.p/1", "tile/7/000.p/1", "tile/63/000", "tile/0/0", "tile/0/x000/000",
		"tile/0/999", "tile/0/x999/x999/x999/x999/x999/x999/999", "/tile/0/000", "tile/0/000/", "tile/0/../0/000", "tile/00/000", strings.Repeat("tile/0/000", 99)} {
		if b, err := l.Tile(path); !errors.Is(err, fs.ErrNotExist) || b != nil {
			t.Errorf("%q: %d bytes, %v", path, len(b), err)
		}
	}
	for _, f := range []func() error{
		func() error { _, err := l.Inclusion(701, 701); return err },
		func() error { _, err := l.Inclusion(0, 702); return err },
		func() error { _, err := l.Consistency(0, 5); return err },
		func() error { _, err := l.Consistency(5, 4); return err },
		func() error { _, err := l.Consistency(5, 702); return err },
	} {
		if err := f(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	}
}

// Whatever the sizes of batches, restarts and lost caches: the signed root is
// what tlog makes of the documents.
func TestTreeEqualsRecomputation(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	n := 0
	var hashes []tlog.Hash
	reader := tlog.HashReaderFunc(func(ix []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(ix))
		for i, x := range ix {
			out[i] = hashes[x]
		}
		return out, nil
	})
	rapid.Check(t, func(rt *rapid.T) {
		if n > 3000 {
			return
		}
		w.clock.move(time.Duration(rapid.Int64Range(-5000, 5000).Draw(rt, "ms")) * time.Millisecond)
		es := entries(n, rapid.IntRange(1, 70).Draw(rt, "entries"))
		at, err := l.Append(context.Background(), uint64(n), es)
		if err != nil {
			rt.Fatal(err)
		}
		for i, e := range es {
			hs, err := tlog.StoredHashes(int64(n+i), ledger.NewLeaf(e.Fact.Kind, at, e.Document).Bytes(), reader)
			if err != nil {
				rt.Fatal(err)
			}
			hashes = append(hashes, hs...)
		}
		n += len(es)
		if rapid.IntRange(0, 5).Draw(rt, "reopen") == 0 {
			if err := l.Close(context.Background()); err != nil {
				rt.Fatal(err)
			}
			if l, err = ledger.Open(context.Background(), w.config("a")); err != nil {
				rt.Fatal(err)
			}
			want, err := tlog.TreeHash(int64(n), reader)
			if err != nil {
				rt.Fatal(err)
			}
			text := fmt.Sprintf("%s\n%d\n%s\ntime ", w.name, n, want)
			if !strings.HasPrefix(string(l.Checkpoint()), text) {
				rt.Fatalf("signed %q, want %q", l.Checkpoint(), text)
			}
		}
	})
	wantClean(t, l, n)
	w.close(l)
}

// liar is a source that alters what it passes on.
type liar struct {
	ledger.Source
	checkpoint func([]byte) []byte
	tile       func(path string, b []byte) []byte
	documents  func([][]byte) [][]byte
}

func (s liar) Checkpoint(ctx context.Context) ([]byte, error) {
	b, err := s.Source.Checkpoint(ctx)
	if s.checkpoint != nil {
		b = s.checkpoint(bytes.Clone(b))
	}
	return b, err
}
func (s liar) Tile(ctx context.Context, path string) ([]byte, error) {
	b, err := s.Source.Tile(ctx, path)
	if s.tile != nil {
		b = s.tile(path, bytes.Clone(b))
	}
	return b, err
}
func (s liar) Documents(ctx context.Context, ds []vocab.Digest) ([][]byte, error) {
	b, err := s.Source.Documents(ctx, ds)
	if s.documents != nil {
		b = s.documents(b)
	}
	return b, err
}

func TestVerifyFindsLies(t *testing.T) {
	w := newWorld(t)
	l := w.open("a")
	appendAll(t, l, entries(0, 300))
	wantClean(t, l, 300)
	on := func(prefix string, f func([]byte) []byte) func(string, []byte) []byte {
		return func(path string, b []byte) []byte {
			if strings.HasPrefix(path, prefix) {
				return f(b)
			}
			return b
		}
	}
	flipAt := func(i int) func([]byte) []byte { return func(b []byte) []byte { b[i] ^= 1; return b } }
	for name, tc := range map[string]struct {
		src  liar
		says string
	}{
		"another size":      {liar{checkpoint: func(b []byte) []byte { return bytes.Replace(b, []byte("\n300\n"), []byte("\n299\n"), 1) }}, "checkpoint"},
		"no signature":      {liar{checkpoint: func(b []byte) []byte { return b[:bytes.Index(b, []byte("\n\n"))+2] }}, "checkpoint"},
		"garbage":           {liar{checkpoint: func([]byte) []byte { return []byte("x") }}, "checkpoint"},
		"a leaf's hash":     {liar{tile: on("tile/entries/000", flipAt(40))}, "root"},
		"a leaf's version":  {liar{tile: on("tile/entries/000", flipAt(2))}, "entry 0"},
		"a leaf's length":   {liar{tile: on("tile/entries/000", flipAt(1))}, "entry 0"},
		"a tile cut":        {liar{tile: on("tile/entries/001", func(b []byte) []byte { return b[:len(b)-1] })}, "tile/entries/001.p/44"},
		"a tile longer":     {liar{tile: on("tile/entries/001", func(b []byte) []byte { return append(b, 0) })}, "too many"},
		"an empty tile":     {liar{tile: on("tile/entries/000", func([]byte) []byte { return nil })}, "entry 0"},
		"a hash tile":       {liar{tile: on("tile/0/001", flipAt(7))}, "tile/0/001"},
		"an upper tile":     {liar{tile: on("tile/1/000", flipAt(7))}, "tile/1/000"},
		"a document":        {liar{documents: func(d [][]byte) [][]byte { d[3] = append(bytes.Clone(d[3]), ' '); return d }}, "entry 3"},
		"documents swapped": {liar{documents: func(d [][]byte) [][]byte { d[3], d[4] = d[4], d[3]; return d }}, "entry 4"},
		"a document gone":   {liar{documents: func(d [][]byte) [][]byte { d[9] = nil; return d }}, "entry 9"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.src.Source = l.Source()
			r, err := ledger.Verify(t.Context(), tc.src, l.VerifierKey(), nil, nil)
			if err != nil || r.Faults == 0 || len(r.Problems) == 0 || !strings.Contains(strings.Join(r.Problems, "\n"), tc.says) {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	short := liar{Source: l.Source(), documents: func(d [][]byte) [][]byte { return d[1:] }}
	if _, err := ledger.Verify(t.Context(), short, l.VerifierKey(), nil, nil); err == nil {
		t.Error("a wrong number of documents passed")
	}
	r, err := ledger.Verify(t.Context(), l.Source(), l.VerifierKey(), func(r ledger.Record) error {
		if r.Index%2 == 0 {
			return errors.New("bad proof")
		}
		return nil
	}, func(done, total uint64) {
		if done > total || total != 300 {
			t.Errorf("progress %d of %d", done, total)
		}
	})
	if err != nil || r.Faults != 150 || len(r.Problems) != 100 || !strings.Contains(r.Problems[1], "entry 2: bad proof") {
		t.Errorf("%d faults, %d listed, %v", r.Faults, len(r.Problems), err)
	}
	if _, err := ledger.Verify(t.Context(), l.Source(), "nonsense", nil, nil); err == nil {
		t.Error("a bad verifier key passed")
	}
	empty := liar{Source: l.Source(), checkpoint: func([]byte) []byte { return nil }}
	if r, err := ledger.Verify(t.Context(), empty, l.VerifierKey(), nil, nil); err != nil || r.Size != 0 || r.Faults != 0 {
		t.Errorf("an empty log: %+v, %v", r, err)
	}
}

func FuzzLeaf(f *testing.F) {
	f.Add([]byte(nil))
	good := ledger.NewLeaf(vocab.KindOffering, time.UnixMilli(1_800_000_000_123), []byte("{}")).Bytes()
	f.Add(good)
	f.Add(append(good, 0))
	f.Add(good[:73])
	f.Add(append([]byte{2}, good[1:]...))
	f.Add(bytes.Repeat([]byte{0xff}, 74))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ledger.ParseLeaf(b)
		if err != nil {
			return
		}
		if !bytes.Equal(l.Bytes(), b) {
			t.Errorf("%x is not the one form of its leaf", b)
		}
	})
}

func TestLeafRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := rapid.SliceOf(rapid.Byte()).Draw(t, "document")
		at := time.Unix(0, rapid.Int64().Draw(t, "time"))
		l := ledger.NewLeaf(vocab.EntryKind(rapid.Uint8().Draw(t, "kind")), at, doc)
		got, err := ledger.ParseLeaf(l.Bytes())
		if err != nil || got != l {
			t.Fatalf("%+v came back as %+v, %v", l, got, err)
		}
		if !l.Matches(doc) || l.Matches(append(doc, 0)) {
			t.Fatal("matches wrongly")
		}
	})
}

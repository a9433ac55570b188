package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"

	"lianmu/vocab"
)

func FuzzTilePath(f *testing.F) {
	for _, p := range []string{"tile/0/000", "tile/1/x001/234.p/5", "tile/entries/000", "tile/-1/000", "tile/data/000", "tile/6/x999/x999/999", "tile/0/000.p/256"} {
		f.Add(p)
	}
	l := &Log{}
	for i := range 300 {
		l.tree.add(NewLeaf(1, time.UnixMilli(int64(i)), []byte{byte(i), byte(i >> 8)}).Bytes(), Held)
	}
	l.signed.Size = 280
	f.Fuzz(func(t *testing.T, path string) {
		tile, err := ParseTile(path)
		if err == nil && TilePath(tile) != path {
			t.Errorf("%q is read as %q", path, TilePath(tile))
		}
		b, err := l.Tile(path)
		if err == nil && (len(b) == 0 || len(b) > tileWidth*(LeafSize+2)) {
			t.Errorf("%q has %d bytes", path, len(b))
		}
	})
}

func FuzzRedaction(f *testing.F) {
	leaf := b64.EncodeToString(NewLeaf(vocab.KindOffering, time.UnixMilli(1), []byte("x")).Bytes())
	f.Add(uint64(4), []byte(`{"index":3,"leaf":"`+leaf+`"}`))
	f.Add(uint64(3), []byte(`{"index":3,"Leaf":"`+leaf+`"}`))
	f.Fuzz(func(t *testing.T, at uint64, document []byte) {
		index, record, err := ParseRedaction(at, document)
		if err == nil && (index >= at || len(record) != LeafSize || !Redactable(vocab.EntryKind(record[1]))) {
			t.Errorf("entry %d redacts %d, %x", at, index, record)
		}
	})
}

func FuzzCheckpoint(f *testing.F) {
	_, v, _, err := noteKeys("hub.example", bytes.Repeat([]byte{1}, 32))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("hub.example\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— hub.example AAAA\n"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := parseCheckpoint(raw, v); err == nil {
			t.Errorf("%q passed without the key", raw)
		}
	})
}

// What a log's key may have signed, right or wrong.
func FuzzCheckpointText(f *testing.F) {
	const root = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	for _, rest := range []string{"", "time 1764000000\n", "x\ntime 0\ny\n", "time -1\n", "time 1\ntime 1\n", "\n\n"} {
		f.Add("hub.example\n1\n" + root + "\n" + rest)
	}
	f.Add("hub.example\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := readCheckpoint(text, "hub.example", nil)
		if err != nil {
			return
		}
		head := fmt.Sprintf("hub.example\n%d\n", c.Size)
		if !strings.HasPrefix(text, head) || c.Time.Before(time.Unix(0, 0)) && !c.Time.IsZero() {
			t.Fatalf("%q is read as %+v", text, c)
		}
		if c.Time.IsZero() {
			return
		}
		again, err := readCheckpoint(c.text(), "hub.example", nil)
		if err != nil || !again.claims(c) || !again.Time.Equal(c.Time) {
			t.Fatalf("%q is written as %q", text, c.text())
		}
	})
}

// Headers as a store may hold them after all that can happen to it.
func FuzzHeaders(f *testing.F) {
	leaf := NewLeaf(vocab.KindOffering, time.UnixMilli(5), []byte("{}"))
	f.Add(b64.EncodeToString(leaf.Bytes()), "faulty", b64.EncodeToString([]byte("because")), "2026-01-01T00:00:00Z")
	f.Add("", "", "", "")
	f.Add("AAAA", "held", "%", "yesterday")
	f.Fuzz(func(t *testing.T, leaf, state, fault, created string) {
		h := nats.Header{hdrLeaf: {leaf}, hdrState: {state}, hdrFault: {fault}, hdrCreated: {created}, hdrID: {fault}}
		if record, l, err := leafOf(h); err == nil && !bytes.Equal(l.Bytes(), record) {
			t.Errorf("%q is read as %+v", leaf, l)
		}
		if s, why, err := stateOf(h); err == nil && state != "" && (s.String() != state || strings.TrimRight(fault, "\r\n") == "" && why != "") {
			t.Errorf("%q, %q are read as %s, %q", state, fault, s, why)
		}
		_, _ = factOf(h, Leaf{})
	})
}

// A leaf cache that somebody wrote: what is taken from it are leaf records.
func FuzzLeafCache(f *testing.F) {
	good := NewLeaf(vocab.KindOffering, time.UnixMilli(5), []byte("{}")).Bytes()
	path := filepath.Join(f.TempDir(), "leaves")
	c, err := openLeafCache(filepath.Dir(path))
	if err != nil {
		f.Fatal(err)
	}
	if err := c.append(append(good, good...), []EntryState{Held, Faulty}); err != nil {
		f.Fatal(err)
	}
	c.close()
	raw, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(raw[:len(raw)-3])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		c := &leafCache{loaded: parseLeafCache(raw)}
		if c.size() > uint64(len(raw)/cachedSize) {
			t.Errorf("%d records in %d bytes", c.size(), len(raw))
		}
		for i := range c.size() {
			record, state, ok := c.at(i)
			if _, err := ParseLeaf(record); err != nil || !ok || state > Faulty {
				t.Errorf("record %d: %v, %s", i, err, state)
			}
		}
		if _, _, ok := c.at(c.size()); ok {
			t.Error("a record beyond the last")
		}
	})
}

// The root over what might follow is the root once it has followed.
func TestRootWith(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		held, more := rapid.IntRange(0, 700).Draw(t, "held"), rapid.IntRange(0, 700).Draw(t, "more")
		l := &Log{}
		var leaves []byte
		for i := range held + more {
			record := NewLeaf(1, time.UnixMilli(int64(i)), []byte{byte(i), byte(i >> 8)}).Bytes()
			if i < held {
				l.tree.add(record, Held)
			} else {
				leaves = append(leaves, record...)
			}
		}
		before := l.tree.root(uint64(held))
		got, err := l.RootWith(leaves)
		if err != nil {
			t.Fatal(err)
		}
		if l.tree.size() != uint64(held) || l.tree.root(uint64(held)) != before {
			t.Fatal("something was stored")
		}
		for i := range more {
			l.tree.add(leaves[i*LeafSize:(i+1)*LeafSize], Held)
		}
		n := uint64(held + more)
		if want, err := l.Root(n); err != nil || got != want {
			t.Fatalf("%s, want %s, %v", got, want, err)
		}
		if _, err := l.Root(n + 1); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("beyond the end: %v", err)
		}
		l.signed.Size = uint64(held)
		raw, err := l.Leaves(0, n)
		if held == 0 {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("leaf records that nothing covers: %v", err)
			}
		} else if err != nil || !bytes.Equal(raw, l.tree.leaves[:held*LeafSize]) {
			t.Fatalf("%d bytes of leaf records, %v", len(raw), err)
		}
	})
	l := &Log{}
	for name, b := range map[string][]byte{"half a leaf": make([]byte, LeafSize/2), "no leaf": make([]byte, LeafSize)} {
		if _, err := l.RootWith(b); !errors.Is(err, ErrEntry) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever space and id are, they come back, and no header is added by them.
func TestHintsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		leaf := NewLeaf(vocab.KindOffering, time.UnixMilli(5), []byte("{}"))
		at := func(name string) time.Time {
			if rapid.Bool().Draw(t, name+" given") {
				return time.Unix(rapid.Int64Range(0, 4e9).Draw(t, name), rapid.Int64Range(0, 999_999_999).Draw(t, name+" ns")).UTC()
			}
			return time.Time{}
		}
		f := vocab.Fact{Kind: leaf.Kind, Digest: leaf.SHA256, Space: rapid.String().Draw(t, "space"), ID: rapid.String().Draw(t, "id"),
			Created: at("created"), Expires: at("expires")}
		copy(f.Content[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "content"))
		h := header(leaf.Bytes(), Mirrored{Leaf: leaf, Fact: f})
		for k, vs := range h {
			if len(vs) != 1 || strings.ContainsAny(vs[0], "\r\n") || strings.ContainsAny(k, "\r\n:") {
				t.Fatalf("header %q: %q", k, vs)
			}
		}
		record, got, err := leafOf(h)
		if err != nil || got != leaf || !bytes.Equal(record, leaf.Bytes()) {
			t.Fatalf("leaf %v, %v", got, err)
		}
		back, err := factOf(h, leaf)
		if err != nil || back != f {
			t.Fatalf("%+v came back as %+v, %v", f, back, err)
		}
	})
	for _, h := range []nats.Header{{hdrSpace: {"%"}}, {hdrID: {"é"}}, {hdrCreated: {"yesterday"}}, {hdrContent: {"*"}}} {
		if _, err := factOf(h, Leaf{}); err == nil {
			t.Errorf("%v passed", h)
		}
	}
}

package ledger

import (
	"bytes"
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
		tile, err := parseTile(path)
		if err == nil && TilePath(tile) != path {
			t.Errorf("%q is read as %q", path, TilePath(tile))
		}
		b, err := l.Tile(path)
		if err == nil && (len(b) == 0 || len(b) > tileWidth*(LeafSize+2)) {
			t.Errorf("%q has %d bytes", path, len(b))
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

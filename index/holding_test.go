package index

import (
	"context"
	"errors"
	"maps"
	"testing"

	"lianmu/vocab"
)

// What was overwritten or deleted is not held any more, and every field given
// must match.
func TestHolding(t *testing.T) {
	from := func(hub string) func(*Doc) { return func(d *Doc) { d.Hub = hub } }
	ix := newIndex(t, doc("a", "甲"), doc("b", "乙", from("other/log")), doc("c", "丙"))
	apply(t, ix, doc("a", "甲之二"), doc("d", "丁", from("other/log")))
	gone := doc("c", "丙")
	if err := ix.Apply(t.Context(), nil, []vocab.Key{gone.Key}, ix.Cursor()); err != nil {
		t.Fatal(err)
	}
	hold := func(docs ...Doc) map[vocab.Key]vocab.Digest {
		want := map[vocab.Key]vocab.Digest{}
		for _, d := range docs {
			want[d.Key] = d.Digest
		}
		return want
	}
	for name, test := range map[string]struct {
		values map[string]string
		want   map[vocab.Key]vocab.Digest
	}{
		"a space":           {map[string]string{"space": "did:key:zTest"}, hold(doc("a", "甲之二"), doc("b", "乙"), doc("d", "丁"))},
		"a space and a log": {map[string]string{"space": "did:key:zTest", "hub": "other/log"}, hold(doc("b", "乙"), doc("d", "丁"))},
		"a log":             {map[string]string{"hub": "hub.example/log"}, hold(doc("a", "甲之二"))},
		"nobody's":          {map[string]string{"hub": "third/log", "space": "did:key:zTest"}, hold()},
		"nothing asked":     {nil, hold()},
	} {
		got, err := ix.Holding(t.Context(), test.values)
		if err != nil || !maps.Equal(got, test.want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ix.Holding(ended, map[string]string{"space": "did:key:zTest"}); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

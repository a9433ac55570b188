package index

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	index "github.com/blevesearch/bleve_index_api"

	"lianmu/index/query"
	"lianmu/vocab"
	"lianmu/vocab/vocabtest"
)

const testNap = 10 // milliseconds; closing waits for it

// Readers. A request of a test that names none is everyone's.
var (
	everyone = vocab.Reader{All: true}
	public   = vocab.Reader{Spaces: []string{}}
	own      = vocab.Reader{Spaces: []string{"did:key:zTest"}}
	other    = vocab.Reader{Spaces: []string{"did:key:zOther"}}
)

// doc is a public dataset with a title in Chinese; further fields by change.
func doc(id, title string, change ...func(*Doc)) Doc {
	d := Doc{
		Key: vocab.KeyOf("did:key:zTest", id), Space: "did:key:zTest", Hub: "hub.example/log", Audience: vocab.AudiencePublic,
		Digest: vocab.DigestOf([]byte(id + title)), ReceivedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Offering: &vocab.Offering{ID: id, Kind: vocab.Dataset, Title: vocab.Text{"zh": title}},
	}
	for _, c := range change {
		c(&d)
	}
	return d
}

func described(text string) func(*Doc) {
	return func(d *Doc) { d.Offering.Description = vocab.Text{"zh": text} }
}

func keywords(words ...string) func(*Doc) {
	return func(d *Doc) { d.Offering.Keywords = vocab.Texts{"zh": words} }
}

func audience(a vocab.Audience) func(*Doc) { return func(d *Doc) { d.Audience = a } }

func newIndex(t testing.TB, docs ...Doc) *Index {
	t.Helper()
	ix, err := create(filepath.Join(t.TempDir(), "index"), 2, testNap)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ix.Close(); err != nil {
			t.Error(err)
		}
	})
	apply(t, ix, docs...)
	return ix
}

func apply(t testing.TB, ix *Index, docs ...Doc) {
	t.Helper()
	if err := ix.Apply(context.Background(), docs, nil, ix.Cursor()+uint64(len(docs))); err != nil {
		t.Fatal(err)
	}
}

func parse(t testing.TB, q string) query.Node {
	t.Helper()
	n, err := query.Parse(q)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func find(t testing.TB, ix *Index, r Request) *Result {
	t.Helper()
	if !r.Reader.All && r.Reader.Spaces == nil {
		r.Reader = everyone
	}
	res, err := ix.Search(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// ids are what a query finds, in order.
func ids(t testing.TB, ix *Index, q string) []string {
	t.Helper()
	res := find(t, ix, Request{Query: parse(t, q), Limit: 100})
	out := make([]string, len(res.Hits))
	for i, h := range res.Hits {
		out[i] = h.ID
	}
	if int(res.Total) != len(out) && len(out) < 100 {
		t.Errorf("%s: total %d, hits %d", q, res.Total, len(out))
	}
	return out
}

// shared is a file handed to all who work on the program; it is not part of it.
func shared(t testing.TB, name string) *bufio.Scanner {
	t.Helper()
	f, err := os.Open(vocabtest.Shared(t, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	s := bufio.NewScanner(z)
	s.Buffer(make([]byte, 1<<20), 1<<20)
	return s
}

func id(i int) string { return fmt.Sprintf("https://example.org/%d", i) }

// fieldsOf are the names and values of a bleve document.
func fieldsOf(d index.Document) [][2]string {
	var out [][2]string
	d.VisitFields(func(f index.Field) { out = append(out, [2]string{f.Name(), string(f.Value())}) })
	return out
}

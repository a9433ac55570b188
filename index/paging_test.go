package index

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"
	"time"

	"lianmu/vocab"
)

// Every document that was there from the first page to the last is seen once,
// in order, while others come and go.
func TestPagingWhileBatchesArrive(t *testing.T) {
	for _, c := range []struct{ sort, q string }{
		{"relevance", ""}, {"-modified", "公交"}, {"modified", ""}, {"title", "公交"}, {"completeness", ""},
	} {
		t.Run(c.sort+c.q, func(t *testing.T) {
			var docs []Doc
			for i := range 137 {
				docs = append(docs, doc(id(i), fmt.Sprintf("公交 %d", i%7), func(d *Doc) {
					d.Offering.Completeness = i % 5
					d.Offering.Modified = time.Date(2026, 1, 1+i%11, 0, 0, 0, 0, time.UTC)
				}))
			}
			ix := newIndex(t, docs...)
			seen := map[string]int{}
			r := Request{Query: parse(t, c.q), Sort: c.sort, Limit: 10}
			for page := 0; ; page++ {
				res := find(t, ix, r)
				for _, h := range res.Hits {
					seen[h.ID]++
				}
				if res.Next == "" {
					break
				}
				if len(res.Hits) != 10 || page > 40 {
					t.Fatalf("page %d: %d hits", page, len(res.Hits))
				}
				r.After = res.Next
				// One comes, one that was among them is put again unchanged, one that had come goes.
				if err := ix.Apply(context.Background(), []Doc{docs[page*3%len(docs)], doc(fmt.Sprintf("new%d", page), fmt.Sprintf("公交 %d", page%7))},
					[]vocab.Key{vocab.KeyOf("did:key:zTest", fmt.Sprintf("new%d", page-3))}, 1000+uint64(page)); err != nil {
					t.Fatal(err)
				}
			}
			for _, d := range docs {
				if seen[d.Offering.ID] != 1 {
					t.Errorf("%s seen %d times", d.Offering.ID, seen[d.Offering.ID])
				}
			}
		})
	}
}

// On an index at rest, paging by relevance gives what one long page gives, and
// offsets give the same.
func TestPagingByRelevance(t *testing.T) {
	var docs []Doc
	for i := range 95 {
		docs = append(docs, doc(id(i), fmt.Sprintf("公交 %s", "线路数据"[:3*(i%4)]), described("公交公交"[:3*(i%3)])))
	}
	ix := newIndex(t, docs...)
	want := ids(t, ix, "公交")
	if len(want) != len(docs) {
		t.Fatal(len(want))
	}
	r := Request{Query: parse(t, "公交"), Limit: 7}
	for at := 0; at < len(want); at += 7 {
		res := find(t, ix, r)
		byOffset := find(t, ix, Request{Query: r.Query, Limit: 7, Offset: at})
		for i, h := range res.Hits {
			if h.ID != want[at+i] || byOffset.Hits[i].ID != h.ID {
				t.Fatalf("hit %d: %s, offset %s, want %s", at+i, h.ID, byOffset.Hits[i].ID, want[at+i])
			}
		}
		if (res.Next == "") != (at+7 >= len(want)) {
			t.Fatalf("next %q at %d", res.Next, at)
		}
		r.After = res.Next
	}
}

func TestForeignCursor(t *testing.T) {
	ix := newIndex(t, doc("a", "公交甲"), doc("b", "公交乙"), doc("c", "公交丙"))
	base := Request{Query: parse(t, "公交"), Limit: 1, Reader: everyone}
	next := find(t, ix, base).Next
	if next == "" {
		t.Fatal("no cursor")
	}
	for name, change := range map[string]func(*Request){
		"another query":    func(r *Request) { r.Query = parse(t, "公交 OR 甲") },
		"another sort":     func(r *Request) { r.Sort = "title" },
		"another filter":   func(r *Request) { r.Filters = map[string][]string{"kind": {"dataset"}} },
		"another audience": func(r *Request) { r.Reader = public },
		"fewer logs":       func(r *Request) { r.Without = []string{"hub.example/log"} },
		"one hit of all":   func(r *Request) { r.Collapse = true },
		"garbage":          func(r *Request) { r.After = "%%%" },
		"not JSON":         func(r *Request) { r.After = base64.RawURLEncoding.EncodeToString([]byte("x")) },
		"empty object":     func(r *Request) { r.After = base64.RawURLEncoding.EncodeToString([]byte("{}")) },
		"too long":         func(r *Request) { r.After = string(make([]byte, maxCursor+1)) },
	} {
		r := base
		r.After = next
		change(&r)
		if _, err := ix.Search(context.Background(), r); !errors.Is(err, ErrCursor) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := base
	r.After, r.Limit = next, 50 // the length of a page may change
	if res := find(t, ix, r); len(res.Hits) != 2 || res.Total != 3 {
		t.Errorf("%d hits of %d", len(res.Hits), res.Total)
	}
}

func TestBounds(t *testing.T) {
	ix := newIndex(t, doc("a", "甲"))
	many := make([]string, maxFilterValues+1)
	logs := make([]string, maxWithout+1)
	for name, r := range map[string]Request{
		"/limit":      {Limit: maxLimit + 1},
		"/offset":     {Offset: maxOffset + 1},
		"/sort":       {Sort: "price"},
		"/facets":     {Facets: []string{"title"}},
		"/facet_size": {FacetSize: maxFacetSize + 1},
		"/filter":     {Filters: map[string][]string{"title": {"x"}}},
		"/filter ":    {Filters: map[string][]string{"kind": many}},
		"/limit ":     {Limit: -1},
		"/offset ":    {Offset: -1},
		"/without":    {Without: logs},
	} {
		r.Reader = everyone
		_, err := ix.Search(context.Background(), r)
		var ps vocab.Problems
		if !errors.As(err, &ps) || ps[0].Path != name[:len(ps[0].Path)] || ps[0].Message["zh"] == "" || ps[0].Message["en"] == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ix.Search(context.Background(), Request{Offset: maxOffset, Limit: maxLimit, Reader: everyone}); err != nil {
		t.Error(err)
	}
}

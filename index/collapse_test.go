package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"pgregory.net/rapid"

	"lianmu/index/query"
	"lianmu/vocab"
)

func listing(product, log string) func(*Doc) {
	return func(d *Doc) { d.Product, d.Hub = product, log }
}

func keysOf(listings []Listing) (keys []vocab.Key) {
	for _, l := range listings {
		keys = append(keys, l.Key)
	}
	return keys
}

// samePages asks for page after page and gets want, with everything in it.
func samePages(t fatal, ix *Index, r Request, want []Hit, size int) {
	r.Limit, r.Offset, r.After = size, 0, ""
	for at := 0; ; at += size {
		res, err := ix.Search(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		if int(res.Total) != len(want) || !reflect.DeepEqual(res.Hits, want[at:min(at+size, len(want))]) && len(want) > 0 {
			t.Fatalf("%v from %d: %d in all, %v, want %d, %v", r.Query, at, res.Total, res.Hits, len(want), want[at:min(at+size, len(want))])
		}
		if (res.Next == "") != (at+size >= len(want)) {
			t.Fatalf("%v from %d of %d: next %q", r.Query, at, len(want), res.Next)
		}
		if r.After = res.Next; res.Next == "" {
			return
		}
	}
}

// someHistory puts and deletes in a few batches and returns what then stands.
func someHistory(t *rapid.T, ix *Index) model {
	m := model{}
	for batch := range rapid.IntRange(1, 4).Draw(t, "batches") {
		var puts []Doc
		for range rapid.IntRange(0, 15).Draw(t, "puts") {
			d := someDoc(t)
			puts = append(puts, d)
			m[d.Key] = d
		}
		var deletes []vocab.Key
		for range rapid.IntRange(0, 3).Draw(t, "deletes") {
			key := vocab.KeyOf("did:key:zTest", fmt.Sprint("urn:", rapid.IntRange(0, 40).Draw(t, "gone")))
			deletes = append(deletes, key)
			delete(m, key)
		}
		if err := ix.Apply(context.Background(), puts, deletes, uint64(batch)); err != nil {
			t.Fatal(err)
		}
		// Searches in between fill what is remembered of segments.
		if _, err := ix.Search(context.Background(), Request{Query: query.Word{Text: "公"}, Reader: everyone, Collapse: true, Without: someLogs[:1]}); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// By relevance, too, the hits are those of a search that does not collapse,
// but for those whose product has come before; on whatever pages.
func TestCollapseByRelevance(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ix := newIndex(t)
		m := someHistory(rt, ix)
		for range 3 {
			r := Request{Query: someQuery(rt, 1), Reader: rapid.SampledFrom(readers).Draw(rt, "reader"), Without: someWithout(rt), Limit: 100, Facets: facetFields}
			whole, err := ix.Search(context.Background(), r)
			if err != nil {
				rt.Fatal(err)
			}
			var docs []Doc
			scores := map[vocab.Key]float64{}
			for _, h := range whole.Hits {
				docs = append(docs, m[h.Key])
				scores[h.Key] = h.Score
			}
			want, others := collapsed(docs)
			r.Collapse = true
			got, err := ix.Search(context.Background(), r)
			if err != nil {
				rt.Fatal(err)
			}
			if int(got.Total) != len(want) || len(got.Hits) != len(want) || !reflect.DeepEqual(got.Facets, whole.Facets) {
				rt.Fatalf("%v: %d hits of %d, facets %v; want %d, %v", r.Query, len(got.Hits), got.Total, got.Facets, len(want), whole.Facets)
			}
			for i, h := range got.Hits {
				if h.Key != want[i].Key || h.Score != scores[h.Key] || !slices.Equal(keysOf(h.Listings), others[h.Key]) {
					rt.Fatalf("%v: hit %d is %s with %v beside %v, want %s with %v beside %v", r.Query, i,
						h.ID, h.Score, h.Listings, want[i].Offering.ID, scores[want[i].Key], others[want[i].Key])
				}
			}
			samePages(rt, ix, r, got.Hits, rapid.IntRange(1, 7).Draw(rt, "page"))
		}
	})
}

// A log that is left out leaves no trace: hits, scores, their order, totals,
// facets and suggestions are those of an index in which it never was.
func TestWithoutLeavesNoTrace(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ix, clean := newIndex(t), newIndex(t)
		without := someWithout(rt)
		var rest []Doc
		for _, d := range someHistory(rt, ix) {
			if !slices.Contains(without, d.Hub) {
				rest = append(rest, d)
			}
		}
		apply(t, clean, rest...)
		for range 3 {
			r := Request{
				Query: someQuery(rt, 1), Reader: rapid.SampledFrom(readers).Draw(rt, "reader"), Collapse: rapid.Bool().Draw(rt, "collapse"),
				Sort: rapid.SampledFrom([]string{"relevance", "-modified"}).Draw(rt, "sort"), Limit: 100, Facets: facetFields, FacetSize: 100,
			}
			want, err := clean.Search(context.Background(), r)
			if err != nil {
				rt.Fatal(err)
			}
			r.Without = without
			got, err := ix.Search(context.Background(), r)
			if err != nil {
				rt.Fatal(err)
			}
			if got.Total != want.Total || len(got.Hits) != len(want.Hits) || !reflect.DeepEqual(got.Facets, want.Facets) {
				rt.Fatalf("%v: %d hits of %d, %v; want %d of %d, %v", r.Query, len(got.Hits), got.Total, got.Facets, len(want.Hits), want.Total, want.Facets)
			}
			for i, w := range want.Hits {
				g := got.Hits[i]
				// Several scores are added up in an order that depends on the segments: the last digits may differ.
				if math.Abs(g.Score-w.Score) > 1e-9*w.Score || g.Score == w.Score && g.Key != w.Key {
					rt.Fatalf("%v by %s: hit %d is %s with %v, want %s with %v", r.Query, r.Sort, i, g.ID, g.Score, w.ID, w.Score)
				}
			}
			prefix := rapid.StringMatching(`[公交通运]{1,2}|g|gt|b0`).Draw(rt, "prefix")
			suggested, err := clean.Suggest(context.Background(), prefix, r.Reader, 8)
			if err != nil {
				rt.Fatal(err)
			}
			got2, err := ix.Suggest(context.Background(), prefix, r.Reader, 8, without...)
			if err != nil {
				rt.Fatal(err)
			}
			same := func(a, b Suggestion) bool { // of several ways to write it, any
				return a.Kind == b.Kind && a.Count == b.Count && folded(a.Text, maxSuggest) == folded(b.Text, maxSuggest)
			}
			if !slices.EqualFunc(got2, suggested, same) {
				rt.Fatalf("%q suggests %v, want %v", prefix, got2, suggested)
			}
		}
	})
}

// A product whose listings stay is shown once, whatever comes and goes between
// the pages.
func TestCollapseWhileBatchesArrive(t *testing.T) {
	for _, c := range []struct{ sort, q string }{{"relevance", ""}, {"-modified", "公交"}, {"title", "公交"}} {
		t.Run(c.sort+c.q, func(t *testing.T) {
			var docs []Doc
			for i := range 120 {
				docs = append(docs, doc(id(i), fmt.Sprintf("公交 %d", i%7), listing(fmt.Sprint("p", i%50), "log"), func(d *Doc) {
					d.Offering.Modified = time.Date(2026, 1, 1+i%11, 0, 0, 0, 0, time.UTC)
				}))
			}
			ix := newIndex(t)
			for batch := range slices.Chunk(docs, 25) {
				apply(t, ix, batch...)
			}
			seen := map[string]int{}
			r := Request{Query: parse(t, c.q), Sort: c.sort, Limit: 10, Collapse: true}
			for page := 0; ; page++ {
				res := find(t, ix, r)
				for _, h := range res.Hits {
					seen[h.Product]++
					if h.Product != "" && h.Others != 1 && h.Others != 2 {
						t.Errorf("%s has %d others", h.Product, h.Others)
					}
				}
				if r.After = res.Next; res.Next == "" {
					break
				}
				if page > 40 {
					t.Fatal("no end")
				}
				if err := ix.Apply(context.Background(), []Doc{docs[page*3%len(docs)], doc(fmt.Sprint("new", page), fmt.Sprintf("公交 %d", page%7))},
					[]vocab.Key{vocab.KeyOf("did:key:zTest", fmt.Sprint("new", page-3))}, 1000+uint64(page)); err != nil {
					t.Fatal(err)
				}
			}
			for i := range 50 {
				if n := seen[fmt.Sprint("p", i)]; n != 1 {
					t.Errorf("p%d seen %d times", i, n)
				}
			}
		})
	}
}

// Of many listings the first fifty by key are told, and how many there are; of
// those that the reader may not see, nothing.
func TestListings(t *testing.T) {
	ix := newIndex(t)
	var keys []vocab.Key
	var docs []Doc
	for i := range 130 {
		d := doc(id(i), "航道水深", listing("p", "log"))
		if i >= 120 {
			d.Audience = vocab.AudienceSpace
		} else {
			keys = append(keys, d.Key)
		}
		docs = append(docs, d, doc(id(1000+i), "航道", listing("", "log")))
	}
	for batch := range slices.Chunk(docs, 50) {
		apply(t, ix, batch...)
	}
	slices.SortFunc(keys, func(a, b vocab.Key) int { return strings.Compare(string(a[:]), string(b[:])) })
	for _, q := range []string{"", "水深", "水深 -公路"} {
		res := find(t, ix, Request{Query: parse(t, q), Reader: public, Collapse: true, Filters: map[string][]string{"kind": {"dataset"}}, Limit: 100, Facets: []string{"hub"}})
		var of []Hit
		for _, h := range res.Hits {
			if h.Product == "p" {
				of = append(of, h)
			}
		}
		if q == "" && res.Total != 131 || q != "" && (res.Total != 1 || res.Facets["hub"][0].Count != 120) {
			t.Errorf("%q: total %d, facets %v", q, res.Total, res.Facets)
		}
		if len(of) == 0 && q == "" {
			continue // on a page behind
		}
		if len(of) != 1 || of[0].Others != 119 {
			t.Fatalf("%q: %d hits, %+v", q, len(of), of)
		}
		want := slices.DeleteFunc(slices.Clone(keys), func(k vocab.Key) bool { return k == of[0].Key })[:MaxListings]
		if !slices.Equal(keysOf(of[0].Listings), want) {
			t.Errorf("%q: listings are %v, want %v", q, keysOf(of[0].Listings), want)
		}
		if l := of[0].Listings[0]; l.Space != "did:key:zTest" || l.Hub != "log" || l.Product != "p" || l.Key != vocab.KeyOf(l.Space, l.ID) {
			t.Errorf("%+v", l)
		}
	}
}

// However often a product is listed, a bounded number of names is read for a hit.
func TestCollapseOfVeryMany(t *testing.T) {
	ix := newIndex(t)
	var docs []Doc
	for i := range maxBearers + 200 {
		docs = append(docs, doc(id(i), "航道水深", listing("p", "log")))
	}
	for batch := range slices.Chunk(docs, 500) {
		apply(t, ix, batch...)
	}
	res := find(t, ix, Request{Query: parse(t, "水深"), Reader: public, Collapse: true})
	if res.Total != 1 || res.Hits[0].Others != len(docs)-1 || len(res.Hits[0].Listings) != MaxListings {
		t.Errorf("%d hits, %d others, %d listings", res.Total, res.Hits[0].Others, len(res.Hits[0].Listings))
	}
	l := &lot{}
	for num := range uint64(5 * maxBearers) {
		l.docs = append(l.docs, num)
	}
	for but, last := range map[uint64]uint64{0: maxBearers, 7: maxBearers, maxBearers: maxBearers - 1, 9999: maxBearers - 1} {
		of := l.others(but)
		if len(of) != maxBearers || slices.Contains(of, but) || of[len(of)-1] != last {
			t.Errorf("but %d: %d, the last %d", but, len(of), of[len(of)-1])
		}
	}
}

// The remembered first pages know what they were asked.
func TestCollapseIsNotMixedUp(t *testing.T) {
	ix := newIndex(t, doc("a", "甲", listing("p", "log/1")), doc("b", "乙", listing("p", "log/2")), doc("c", "丙", listing("", "log/2")))
	for range 2 {
		for _, c := range []struct {
			r    Request
			want uint64
		}{
			{Request{}, 3}, {Request{Collapse: true}, 2},
			{Request{Without: []string{"log/1"}}, 2}, {Request{Without: []string{"log/2"}, Collapse: true}, 1},
			{Request{Without: []string{"log/2", "log/1"}}, 0},
		} {
			if got := find(t, ix, c.r).Total; got != c.want {
				t.Errorf("%+v: %d, want %d", c.r, got, c.want)
			}
		}
	}
}

// What is remembered of later deletions is not held against a search that
// began before them, and what is remembered at all goes with its segments.
func TestProductsOfAnOlderMoment(t *testing.T) {
	ix := newIndex(t, doc("a", "甲", listing("p", "log")), doc("e", "戊")) // the segment outlives a
	apply(t, ix, doc("b", "乙", listing("p", "log")), doc("c", "丙", listing("q", "log")))
	before, err := ix.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	if err := ix.Apply(context.Background(), nil, []vocab.Key{doc("a", "").Key}, 9); err != nil {
		t.Fatal(err)
	}
	after, err := ix.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer after.Close()
	if got, err := ix.products.alike(context.Background(), after); err != nil || got != nil {
		t.Fatalf("one listing of each product: %+v, %v", got, err)
	}
	got, err := ix.products.alike(context.Background(), before)
	if err != nil || got == nil {
		t.Fatal(got, err)
	}
	n := uint64(0)
	for _, docs := range got.docs {
		if docs != nil {
			n += docs.GetCardinality()
		}
	}
	if n != 2 {
		t.Errorf("%d documents list a product of others, want 2", n)
	}
	if res := find(t, ix, Request{Collapse: true}); res.Total != 3 || slices.ContainsFunc(res.Hits, func(h Hit) bool { return h.Others > 0 }) {
		t.Errorf("what is no more is still a listing: %+v", res)
	}
	for i := range 40 { // enough for segments to be merged
		apply(t, ix, doc(id(i), "丁", listing(fmt.Sprint(i%5), "log")))
		find(t, ix, Request{Collapse: true})
		if n, m := len(ix.products.segments), len(ix.products.common); n > 60 || m > n*(n+1)/2 {
			t.Fatalf("%d segments and %d pairs are remembered", n, m)
		}
	}
	if got := find(t, ix, Request{Collapse: true}).Total; got != 5+3 {
		t.Errorf("%d products", got)
	}
}

// What two segments, or one, list several times is what a look at every pair
// of documents finds.
func TestProductsInCommon(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		some := func(most int) (*listed, *roaring.Bitmap) {
			l := &listed{product: rapid.SliceOfN(rapid.Uint64Range(0, 40), 0, most).Draw(rt, "products")}
			gone := roaring.New()
			for d, p := range l.product {
				if p > 0 {
					l.order = append(l.order, uint32(d))
				}
				if rapid.IntRange(0, 3).Draw(rt, "gone") == 0 {
					gone.Add(uint32(d))
				}
			}
			slices.SortFunc(l.order, func(a, b uint32) int { return cmp.Compare(l.product[a], l.product[b]) })
			return l, gone
		}
		a, goneA := some(10)
		b, goneB := some(60)
		naive := func(x, y *listed, goneX, goneY *roaring.Bitmap) *roaring.Bitmap {
			out := roaring.New()
			for d, p := range x.product {
				for e, q := range y.product {
					if p > 0 && p == q && (x != y || d != e) && !goneX.Contains(uint32(d)) && !goneY.Contains(uint32(e)) {
						out.Add(uint32(d))
					}
				}
			}
			return out
		}
		same := func(what string, got, want *roaring.Bitmap) {
			if got == nil {
				got = roaring.New()
			}
			if !got.Equals(want) {
				rt.Fatalf("%s: %v, want %v", what, got, want)
			}
		}
		inA, inB := a.shares(b, goneA, goneB)
		same("in the one", inA, naive(a, b, goneA, goneB))
		same("in the other", inB, naive(b, a, goneB, goneA))
		inB, inA = b.shares(a, goneB, goneA)
		same("in the one, asked of the other", inA, naive(a, b, goneA, goneB))
		same("in the other, asked of it", inB, naive(b, a, goneB, goneA))
		same("in itself", b.repeated(goneB), naive(b, b, goneB, goneB))
	})
}

func TestWithCode(t *testing.T) {
	const code, second = "691512081MA62K0260E31000000000A*", "791512081MA62K0260E31000000000AE"
	bears := func(product, log string, codes ...string) func(*Doc) {
		return func(d *Doc) { d.Product, d.Hub, d.Offering.Identifiers = product, log, codes }
	}
	hidden := func(d *Doc) { d.Audience = vocab.AudienceSpace }
	docs := []Doc{
		doc("a", "甲", bears(code, "log/1", code)), doc("b", "乙", bears("", "log/2", "older name", code, second, code)),
		doc("c", "丙", bears(code, "log/2", code), hidden), doc("d", "丁", bears("", "log/1", "urn:x")),
	}
	ix := newIndex(t, docs[:2]...)
	apply(t, ix, docs[2:]...)
	var many []Doc
	for i := range 60 {
		many = append(many, doc(id(i), "戊", bears("", "log/1", "many")))
	}
	apply(t, ix, many...)
	for name, c := range map[string]struct {
		reader  vocab.Reader
		without []string
		want    map[string]string // code → ids
	}{
		"the public":           {public, nil, map[string]string{code: "a b", second: "b", "urn:x": "d"}},
		"the space":            {own, nil, map[string]string{code: "a b c", second: "b", "urn:x": "d"}},
		"another space":        {other, nil, map[string]string{code: "a b", second: "b", "urn:x": "d"}},
		"who sees everything":  {everyone, nil, map[string]string{code: "a b c", second: "b", "urn:x": "d"}},
		"without one log":      {everyone, []string{"log/2"}, map[string]string{code: "a", "urn:x": "d"}},
		"without one, hidden":  {public, []string{"log/1"}, map[string]string{code: "b", second: "b"}},
		"without all the logs": {everyone, []string{"log/1", "log/2"}, map[string]string{}},
	} {
		found, err := ix.WithCode(context.Background(), []string{code, second, "urn:x", "nobody's", code}, c.reader, c.without)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for code, listings := range found {
			var ids []string
			for i, l := range listings {
				ids = append(ids, l.ID)
				if i > 0 && strings.Compare(string(listings[i-1].Key[:]), string(l.Key[:])) >= 0 {
					t.Errorf("%s: not by key", name)
				}
				if l.Key != vocab.KeyOf(l.Space, l.ID) || (l.Product == "") != (l.ID == "b" || l.ID == "d") {
					t.Errorf("%s: %+v", name, l)
				}
			}
			slices.Sort(ids)
			got[code] = strings.Join(ids, " ")
		}
		if !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if found, err := ix.WithCode(context.Background(), []string{"many"}, public, nil); err != nil || len(found["many"]) != MaxListings {
		t.Errorf("%d of many: %v", len(found["many"]), err)
	}
	var ps vocab.Problems
	if _, err := ix.WithCode(context.Background(), make([]string, maxCodes+1), public, nil); !errors.As(err, &ps) {
		t.Error(err)
	}
	if _, err := ix.WithCode(context.Background(), nil, public, make([]string, maxWithout+1)); !errors.As(err, &ps) {
		t.Error(err)
	}
	if _, err := ix.Suggest(context.Background(), "甲", public, 5, make([]string, maxWithout+1)...); !errors.As(err, &ps) {
		t.Error(err)
	}
	// A hit tells by which codes to ask, and what it is held to list.
	for _, h := range find(t, ix, Request{Filters: map[string][]string{"code": {code}}}).Hits {
		want := map[string][]string{"a": {code}, "b": {code, second}, "c": {code}}[h.ID]
		if !slices.Equal(h.Codes, want) || (h.Product == code) != (h.ID != "b") {
			t.Errorf("%s: %v, %q", h.ID, h.Codes, h.Product)
		}
	}
}

// What is too long for a code is no product: it could pass for another.
func TestEndlessProduct(t *testing.T) {
	long := strings.Repeat("x", maxID)
	ix := newIndex(t, doc("a", "甲", listing(long+"1", "log")), doc("b", "乙", listing(long+"2", "log")), doc("c", "丙", listing(long, "log")))
	if got := find(t, ix, Request{Collapse: true}); got.Total != 3 {
		t.Errorf("%d", got.Total)
	}
}

package index

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	lru "github.com/hashicorp/golang-lru/v2"
	"pgregory.net/rapid"

	"lianmu/index/query"
	"lianmu/vocab"
)

// forgetful is a memory of readers with nothing in it.
func forgetful(t fatal) *seenCache {
	c, err := lru.New[seenIn, *roaring.Bitmap](1)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// thorough answers r document by document: searchers, every score, and facets
// from doc values.
func thorough(t fatal, snap *scorch.IndexSnapshot, r *Request, p page) (*collection, counts) {
	c, err := newCompiler(context.Background(), forgetful(t), snap, sightOf(r.Reader, r.Without))
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.search(r.Query, r.Filters)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p.found = true
	out, err := collect(context.Background(), snap, s, p)
	if err != nil {
		t.Fatal(err)
	}
	n := counts{}
	for _, f := range r.Facets {
		n[f] = map[string]int{}
	}
	base := uint64(0)
	for i, s := range snap.Segments() {
		if err := n.addValues(context.Background(), snap, base, out.found[i], r.Facets); err != nil {
			t.Fatal(err)
		}
		base += s.Segment().Count()
	}
	return out, n
}

type fatal interface {
	Fatal(...any)
	Fatalf(string, ...any)
}

// compare holds what the quick ways find against the thorough one, page after
// page, and returns how many pages there were.
func compare(t fatal, ix *Index, r Request, size int) (pages int) {
	snap, err := ix.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	p := page{size: size, found: len(r.Facets) > 0}
	if r.Collapse {
		if p.alike, err = ix.products.alike(context.Background(), snap); err != nil {
			t.Fatal(err)
		}
	}
	own := p // of the thorough way, with marks of its own scores
	for {
		want, wantCounts := thorough(t, snap, &r, own)
		got, err := ix.run(context.Background(), snap, &r, p)
		if err != nil {
			t.Fatal(err)
		}
		if got.total != want.total || got.left != want.left || len(got.rows) != len(want.rows) {
			t.Fatalf("%v %v %v: total %d, %d rows, more %v; want %d, %d, %v", r.Query, r.Filters, r.Reader,
				got.total, len(got.rows), got.left, want.total, len(want.rows), want.left)
		}
		if p.found {
			for i := range want.found {
				if !got.found[i].Equals(want.found[i]) {
					t.Fatalf("%v: found %v in segment %d, want %v", r.Query, got.found[i], i, want.found[i])
				}
			}
			gotCounts, err := ix.count(context.Background(), snap, got.found, r.Facets)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range r.Facets {
				if !maps.Equal(gotCounts[f], wantCounts[f]) {
					t.Fatalf("%v: facet %s is %v, want %v", r.Query, f, gotCounts[f], wantCounts[f])
				}
			}
		}
		for i := range want.rows {
			g, w := &got.rows[i], &want.rows[i]
			// Sums over several terms are made in another order: equal scores may
			// differ in their last digits, and such rows change places.
			if math.Abs(g.score-w.score) > 1e-9*w.score {
				t.Fatalf("%v: row %d is %d with %v, want %d with %v", r.Query, i, g.num, g.score, w.num, w.score)
			}
			if g.num != w.num && g.score == w.score {
				t.Fatalf("%v: row %d is %d, want %d, of one score %v", r.Query, i, g.num, w.num, w.score)
			}
		}
		pages++
		if !got.left {
			return pages
		}
		p.after, own.after = markOf(t, snap, got.rows), markOf(t, snap, want.rows)
	}
}

func markOf(t fatal, snap *scorch.IndexSnapshot, rows []row) *mark {
	last := rows[len(rows)-1]
	key, err := newReader(snap).key(last.num, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &mark{Score: math.Float64bits(last.score), Value: last.value, ID: []byte(key)}
}

// Single words and phrases find, count, rank and page as the thorough way does,
// whatever was put, put again and deleted, for whoever looks.
func TestRankedIsThorough(t *testing.T) {
	fields := []string{"theme", "region", "level", "kind"}
	rapid.Check(t, func(rt *rapid.T) {
		ix := newIndex(t)
		for batch := range rapid.IntRange(1, 5).Draw(rt, "batches") {
			var puts []Doc
			for range rapid.IntRange(0, 15).Draw(rt, "puts") {
				d := someDoc(rt)
				if rapid.Bool().Draw(rt, "elsewhere") {
					d.Space = "did:key:zOther"
				}
				puts = append(puts, d)
			}
			var deletes []vocab.Key
			for range rapid.IntRange(0, 4).Draw(rt, "deletes") {
				deletes = append(deletes, vocab.KeyOf("did:key:zTest", fmt.Sprint("urn:", rapid.IntRange(0, 40).Draw(rt, "gone"))))
			}
			if err := ix.Apply(context.Background(), puts, deletes, uint64(batch)); err != nil {
				rt.Fatal(err)
			}
			// Searches between the batches fill what is remembered of segments.
			compare(rt, ix, Request{Query: query.Word{Text: "公交通"}, Reader: everyone, Facets: fields}, 3)
		}
		for range 5 {
			text := someWord.Draw(rt, "text")
			r := Request{
				Query:   rapid.SampledFrom([]query.Node{query.Word{Text: text}, query.Phrase{Text: text}}).Draw(rt, "query"),
				Reader:  rapid.SampledFrom([]vocab.Reader{everyone, public, own, other}).Draw(rt, "reader"),
				Filters: map[string][]string{}, Facets: fields,
				Without: someWithout(rt), Collapse: rapid.Bool().Draw(rt, "collapse"),
			}
			if rapid.Bool().Draw(rt, "filtered") {
				r.Filters["level"] = rapid.SliceOfN(rapid.SampledFrom([]string{"001", "002", "无"}), 1, 2).Draw(rt, "levels")
			}
			compare(rt, ix, r, rapid.IntRange(1, 5).Draw(rt, "size"))
		}
	})
}

// The same where scores of thousands are passed over: common and rare words,
// in titles and only in descriptions.
func TestRankedAmongMany(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	zipf := rand.NewZipf(r, 1.2, 3, 59)
	words := make([]string, 60)
	for i := range words {
		words[i] = string([]rune{rune(0x5000 + i), rune(0x5200 + i%7)})
	}
	text := func(n int) (s string) {
		for range n {
			s += words[zipf.Uint64()]
			if r.IntN(3) == 0 {
				s += "，"
			}
		}
		return s
	}
	only := []string{"月度", "ferry"} // in descriptions alone
	var docs []Doc
	for i := range 3000 {
		more := only[i%2]
		for range r.IntN(4) {
			more += " " + only[i%2]
		}
		docs = append(docs, doc(id(i), text(1+r.IntN(5)), keywords(text(1)), described(text(r.IntN(30))+"。"+more), func(d *Doc) {
			if i%5 == 0 {
				d.Audience = vocab.AudienceSpace
			}
			if i%50 < 2 {
				d.Product = fmt.Sprint("p", i/50%9)
			}
			d.Offering.Publisher.Name = vocab.Text{"zh": words[zipf.Uint64()]}
		}))
	}
	docs = append(docs, doc("urn:exact:1", words[0]), doc("urn:exact:2", words[0], audience(vocab.AudienceSpace)))
	ix := newIndex(t)
	for batch := range slices.Chunk(docs, 700) {
		apply(t, ix, batch...)
	}
	apply(t, ix, docs[:40]...) // put again: the older ones are deleted where they stood
	if err := ix.Apply(context.Background(), nil, []vocab.Key{docs[50].Key, docs[2990].Key}, 1); err != nil {
		t.Fatal(err)
	}
	for _, w := range slices.Concat(words, only, []string{words[0] + words[1], words[2] + words[0], "不见于任何地方"}) {
		for _, reader := range []vocab.Reader{everyone, public} {
			req := Request{Query: query.Word{Text: w}, Reader: reader, Facets: []string{"publisher", "audience"}}
			total := find(t, ix, req).Total
			compare(t, ix, req, max(20, int(total)/4)) // a few pages
			compare(t, ix, req, 5000)
			if req.Collapse = !reader.All; req.Collapse {
				compare(t, ix, req, max(20, int(total)/4))
			}
		}
	}
}

// Columns beyond the bound are done without, and those of segments that are
// gone are given back.
func TestColumnsAreBounded(t *testing.T) {
	facets := []string{"theme", "kind", "publisher", "region"}
	for _, limit := range []int{0, 600, maxColumnBytes} {
		ix := newIndex(t)
		ix.columns = newColumns(limit)
		for i := range 12 {
			d := doc(id(i), "公交", func(d *Doc) {
				d.Offering.Publisher.Name = vocab.Text{"zh": fmt.Sprint("机构", i%3)}
				for j := range i % 6 { // more than have slots
					d.Offering.Themes = append(d.Offering.Themes, vocab.Term{Code: fmt.Sprintf("A0%d00", j+1)})
				}
			})
			apply(t, ix, d)
			compare(t, ix, Request{Query: query.Word{Text: "公交"}, Reader: everyone, Facets: facets}, 5)
			compare(t, ix, Request{Query: query.All{}, Reader: everyone, Facets: facets, Sort: "relevance"}, 5)
		}
		snap, err := ix.snapshot()
		if err != nil {
			t.Fatal(err)
		}
		ix.columns.retain(snap)
		bytes := 0
		for _, s := range ix.columns.segments {
			bytes += s.bytes
		}
		if ix.columns.bytes != bytes || bytes > limit || limit > 600 && bytes == 0 || len(ix.columns.segments) > len(snap.Segments()) {
			t.Errorf("limit %d: %d bytes counted, %d held, %d of %d segments", limit, ix.columns.bytes, bytes, len(ix.columns.segments), len(snap.Segments()))
		}
		snap.Close()
	}
}

func TestColumnCounts(t *testing.T) {
	for _, held := range [][]uint32{{1, 1, 0, 1, 1, 1}, {1, 2, 0, 2, 0, 0}, {5, 2, 0, 1, 0, 0}} {
		c := &column{}
		var docs []uint32
		for ord := range slices.Max(held) { // document d holds terms 0 to held[d]-1
			n := uint32(0)
			for d, k := range held {
				if ord < k {
					docs = append(docs, uint32(d))
					n++
				}
			}
			c.terms, c.totals = append(c.terms, fmt.Sprint(ord)), append(c.totals, n)
		}
		c.fill(docs, slices.Clone(held))
		for set := range 1 << len(held) {
			found := roaring.New()
			want := make([]uint32, len(c.terms))
			for d, k := range held {
				if set>>d&1 == 1 {
					found.Add(uint32(d))
					for ord := range k {
						want[ord]++
					}
				}
			}
			if got := countColumns([]*column{c}, found, uint64(len(held)))[0][1:]; !slices.Equal(got, want) {
				t.Fatalf("%v of %v: %v, want %v", found, held, got, want)
			}
		}
	}
}

package index

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/searcher"
	index "github.com/blevesearch/bleve_index_api"

	"lianmu/vocab"
)

// anyField finds and scores what bestOf over bleve's own term searchers does,
// document by document, over many segments with deletions, also when it is
// advanced in leaps.
func TestAnyFieldIsBestOf(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	words := []string{"港口", "水质", "交通", "人口", "port", "water"}
	ix := newIndex(t)
	for batch := range 6 {
		var docs []Doc
		for i := range 40 {
			pick := func() string { return words[rnd.IntN(len(words))] }
			docs = append(docs, doc(fmt.Sprintf("https://space.example/%d-%d", batch, i), pick()+" "+pick(),
				described(pick()+"。"+pick()+" "+pick()), keywords(pick())))
		}
		apply(t, ix, docs...)
	}
	var gone []vocab.Key
	for i := range 20 {
		gone = append(gone, vocab.KeyOf("did:key:zTest", fmt.Sprintf("https://space.example/%d-%d", i%6, i)))
	}
	if err := ix.Apply(context.Background(), nil, gone, ix.Cursor()); err != nil {
		t.Fatal(err)
	}
	snap, err := ix.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	c, err := newCompiler(context.Background(), ix.seen, snap, sightOf(everyone, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, term := range append(words, "nowhere") {
		slow := func() search.Searcher {
			parts := make([]func() (search.Searcher, error), len(textFields))
			for i, f := range textFields {
				parts[i] = func() (search.Searcher, error) {
					return searcher.NewTermSearcher(bm25(t, snap), snap, term, f.name, f.boost, scored)
				}
			}
			s, err := c.any(parts, otherFields)
			if err != nil {
				t.Fatal(err)
			}
			s.SetQueryNorm(1)
			return s
		}
		fast := func() search.Searcher {
			s, err := newAnyField(c, textFields, term, otherFields)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		for _, leap := range []uint64{0, 1, 7, 60} {
			a, b := walk(t, slow(), leap), walk(t, fast(), leap)
			if len(a) != len(b) || (leap == 0 && term != "nowhere" && len(a) == 0) {
				t.Fatalf("%s in leaps of %d: %d matches, bleve %d", term, leap, len(b), len(a))
			}
			for i := range a {
				if a[i].num != b[i].num || math.Abs(a[i].score-b[i].score) > 1e-9*a[i].score {
					t.Fatalf("%s in leaps of %d, match %d: %+v, bleve %+v", term, leap, i, b[i], a[i])
				}
			}
		}
	}
}

// bm25 is a context in which bleve's own searchers score as ours do.
func bm25(t *testing.T, snap index.IndexReader) context.Context {
	count, err := snap.DocCount()
	if err != nil {
		t.Fatal(err)
	}
	stats := &search.BM25Stats{DocCount: float64(count), FieldCardinality: map[string]int{}}
	for _, f := range textFields {
		stats.FieldCardinality[f.name] = f.length * int(count)
	}
	ctx := context.WithValue(context.Background(), search.BM25StatsKey, stats)
	return context.WithValue(ctx, search.GetScoringModelCallbackKey, search.GetScoringModelCallbackFn(func() string { return index.BM25Scoring }))
}

// walk visits every match, or with a leap advances by it each time.
func walk(t *testing.T, s search.Searcher, leap uint64) (rows []row) {
	t.Helper()
	defer s.Close()
	ctx := &search.SearchContext{DocumentMatchPool: search.NewDocumentMatchPool(s.DocumentMatchPoolSize()+1, 0)}
	m, err := s.Next(ctx)
	for err == nil && m != nil {
		num := m.IndexInternalID.Value()
		rows = append(rows, row{num: num, score: m.Score})
		if leap == 0 {
			m, err = s.Next(ctx)
		} else {
			m, err = s.Advance(ctx, index.NewIndexInternalID(nil, num+leap))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

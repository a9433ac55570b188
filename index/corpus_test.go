package index

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// Searches in thousands of real titles in Traditional Chinese find what a scan
// for the same characters finds, no more and no less.
func TestRealTitles(t *testing.T) {
	const count = 5000
	var titles []string
	for s := shared(t, "corpus/titles-zh-hant.txt.gz"); s.Scan() && len(titles) < count; {
		titles = append(titles, s.Text())
	}
	docs := make([]Doc, len(titles))
	for i, title := range titles {
		docs[i] = doc(id(i), title)
	}
	ix := newIndex(t)
	for batch := range slices.Chunk(docs, 1000) {
		apply(t, ix, batch...)
	}
	for _, q := range []string{
		"港", "水", "統計", "公車", "補助", "垃圾車", "不動產", "圖書館", "季報表", "意見調查", "統計年報", "公共運輸", `"垃圾車"`, `"統計年報"`, `"季報表"`,
	} {
		plain := strings.Trim(q, `"`)
		want := 0
		for _, title := range titles {
			if strings.Contains(title, plain) {
				want++
			}
		}
		res := find(t, ix, Request{Query: parse(t, q), Limit: 100})
		if int(res.Total) != want {
			t.Errorf("%s: %d, a scan finds %d", q, res.Total, want)
		}
		for _, h := range res.Hits {
			if !strings.Contains(h.Title["zh"], plain) {
				t.Errorf("%s: %s", q, h.Title["zh"])
			}
		}
	}
	// A whole title is found first by itself, and suggested by its beginning.
	for i := 0; i < len(titles); i += 997 {
		res := find(t, ix, Request{Query: parse(t, `"`+titles[i]+`"`)})
		if len(res.Hits) == 0 || folded(res.Hits[0].Title["zh"], maxTitle) != folded(titles[i], maxTitle) {
			t.Errorf("%s is not found first", titles[i])
		}
		got, err := ix.Suggest(context.Background(), cut(titles[i], 6), public, 20)
		if err != nil || len(got) == 0 {
			t.Errorf("%s: %v %v", titles[i], got, err)
		}
	}
}

package index

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"lianmu/vocab"
)

// What a reader may not see leaves no trace in any answer.
func TestAudienceLeaksNothing(t *testing.T) {
	const secret = "机密航道"
	hidden := func(id string, a vocab.Audience) Doc {
		return doc(id, secret+"水深", keywords("绝密词条"), described("暗码描述"), audience(a), func(d *Doc) {
			d.Offering.Publisher.Name = vocab.Text{"zh": "隐名单位"}
			d.Offering.Themes = []vocab.Term{{Label: vocab.Text{"zh": "隐秘主题"}}}
			d.Offering.Distributions = []vocab.Distribution{{Format: "S57"}}
		})
	}
	ix := newIndex(t,
		doc("open", "公开航道", keywords("航道"), described("公开的航道水深。")),
		hidden("recognised", vocab.AudienceRecognised), hidden("space", vocab.AudienceSpace), hidden("unknown", "anything"),
	)
	secrets := []string{secret, "绝密", "暗码", "隐名", "隐秘", "S57", `"recognised"`, `"space","`, "unknown"}
	check := func(what string, v any) {
		t.Helper()
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range secrets {
			if strings.Contains(string(b), s) {
				t.Errorf("%s shows %s: %s", what, s, b)
			}
		}
	}
	for _, q := range []string{"", "航道", "机密航道", "绝密词条", `"暗码描述"`, "隐名单位", "id:space", "publisher:隐名", "format:S57", "theme:隐秘主题", "-公开"} {
		for _, sort := range []string{"relevance", "-modified", "title"} {
			res := find(t, ix, Request{Query: parse(t, q), Reader: public, Facets: FacetFields(), Sort: sort, Highlight: true})
			check(q, res)
			if res.Total > 1 || int(res.Total) != len(res.Hits) {
				t.Errorf("%s: total %d", q, res.Total)
			}
			stranger := find(t, ix, Request{Query: parse(t, q), Reader: other, Facets: FacetFields(), Sort: sort, Highlight: true})
			check(q, stranger)
			if stranger.Total != res.Total {
				t.Errorf("%s: another space sees %d, the public %d", q, stranger.Total, res.Total)
			}
		}
	}
	for _, f := range []string{"audience", "publisher", "format", "id"} {
		res := find(t, ix, Request{Reader: public, Filters: map[string][]string{f: {"space", "recognised", "隐名单位", "S57"}}, Facets: FacetFields()})
		if res.Total != 0 {
			t.Errorf("filter %s: %d", f, res.Total)
		}
	}
	for _, prefix := range []string{"机", "机密", "绝", "绝密", "隐", "隐名", "隐秘", "航", "航道", "s57", "暗码"} {
		got, err := ix.Suggest(context.Background(), prefix, public, 20)
		if err != nil {
			t.Fatal(err)
		}
		check("suggest "+prefix, got)
		for _, s := range got {
			if s.Count > 1 {
				t.Errorf("suggest %s counts what is hidden: %+v", prefix, s)
			}
		}
	}
	if res := find(t, ix, Request{Query: parse(t, secret), Reader: own}); res.Total != 3 {
		t.Errorf("the space finds %d", res.Total)
	}
	if res := find(t, ix, Request{Query: parse(t, secret), Reader: everyone}); res.Total != 3 {
		t.Errorf("who sees all finds %d", res.Total)
	}
}

// An offering whose new version is for fewer readers is gone for the others,
// though the old version is still in a file. Then all that a reader may see
// could be taken for all that there is.
func TestAudienceNarrowed(t *testing.T) {
	ix := newIndex(t, doc("a", "航道"), doc("b", "航标"))
	apply(t, ix, doc("a", "航道", audience(vocab.AudienceSpace)))
	if err := ix.Apply(context.Background(), nil, []vocab.Key{doc("b", "").Key}, 9); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{"", "航道", "航标", "-航标"} {
		if res := find(t, ix, Request{Query: parse(t, q), Reader: public, Facets: []string{"kind"}}); res.Total != 0 || len(res.Facets["kind"]) != 0 {
			t.Errorf("%s: %+v", q, res)
		}
	}
}

// The cached answers of one audience are not those of another, nor of another moment.
func TestCache(t *testing.T) {
	ix := newIndex(t, doc("a", "甲"), doc("b", "乙", audience(vocab.AudienceSpace)))
	count := func(who vocab.Reader, filters map[string][]string) int {
		res := find(t, ix, Request{Reader: who, Facets: []string{"kind"}, Filters: filters})
		if len(res.Facets["kind"]) == 0 {
			return 0
		}
		return res.Facets["kind"][0].Count
	}
	for range 3 {
		if p, e := count(public, nil), count(everyone, nil); p != 1 || e != 2 {
			t.Fatal(p, e)
		}
	}
	if n := count(everyone, map[string][]string{"audience": {"space"}}); n != 1 {
		t.Fatal(n)
	}
	apply(t, ix, doc("c", "丙"))
	if p, e := count(public, nil), count(everyone, nil); p != 2 || e != 3 {
		t.Fatal(p, e)
	}
}

// What a reader may not see leaves no trace in scores, nor in the order that
// they give: words are as rare as what the reader may see makes them.
func TestScoresTellNothing(t *testing.T) {
	seen := []Doc{
		doc("a", "航道水深", described("船舶进出港")), doc("b", "港口吞吐量", keywords("航道")), doc("c", "气象预报", described("海区风力与航道能见度")),
		doc("d", "Berth occupancy", described("quay cranes")), doc("e", "Quay crane work", described("berth plan")),
	}
	var hidden []Doc
	for i := range 40 {
		hidden = append(hidden, doc(fmt.Sprint("h", i), "航道水深 berth", keywords("水深", "风力"), described("吞吐量"),
			audience(vocab.AudienceSpace), func(d *Doc) { d.Space = "did:key:zOther" }))
	}
	without, with := newIndex(t, seen...), newIndex(t, append(hidden, seen...)...)
	for _, reader := range []vocab.Reader{public, own} {
		for _, q := range []string{"航道", "航道水深", `"航道水深"`, "水深 OR 吞吐量 OR 风力", "港", "berth OR crane", "berth -plan", "航道 -气象"} {
			for _, sort := range []string{"relevance", "-modified"} {
				r := Request{Query: parse(t, q), Reader: reader, Sort: sort}
				a, b := find(t, without, r), find(t, with, r)
				if len(a.Hits) == 0 || len(a.Hits) != len(b.Hits) {
					t.Fatalf("%s: %d hits, with hidden offerings %d", q, len(a.Hits), len(b.Hits))
				}
				for i := range a.Hits {
					if a.Hits[i].ID != b.Hits[i].ID || a.Hits[i].Score != b.Hits[i].Score {
						t.Errorf("%s %s, hit %d: %s %v, with hidden offerings %s %v", q, sort, i, a.Hits[i].ID, a.Hits[i].Score, b.Hits[i].ID, b.Hits[i].Score)
					}
				}
			}
		}
	}
}

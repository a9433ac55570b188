package index

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lianmu/index/query"
	"lianmu/vocab"
)

// The model: documents in a slice, scanned. Its texts are Chinese characters
// and words in small letters that no stemmer touches, so that matching can be
// written down without the analysis of the index.

var (
	someText  = rapid.StringMatching(`([公交通运]{1,4}|gtfs|b0300| ){0,6}`)
	someWord  = rapid.StringMatching(`[公交通运]{1,3}|gtfs|b0300`)
	someTheme = rapid.SampledFrom([]string{"B0300", "A0100", "C0200", ""})
	someCity  = rapid.SampledFrom([]string{"3100", "3201", "3205", "3301", ""})
	someLevel = rapid.SampledFrom([]string{"001", "002", "003", ""})
)

func someDoc(t *rapid.T) Doc {
	d := doc(fmt.Sprint("urn:", rapid.IntRange(0, 40).Draw(t, "id")), someText.Draw(t, "title"))
	o := d.Offering
	o.Description = vocab.Text{"zh": someText.Draw(t, "description")}
	o.Keywords = vocab.Texts{"zh": rapid.SliceOfN(someWord, 0, 3).Draw(t, "keywords")}
	o.Kind = rapid.SampledFrom([]vocab.OfferingKind{vocab.Dataset, vocab.Service}).Draw(t, "kind")
	for _, code := range rapid.SliceOfNDistinct(someTheme, 0, 2, rapid.ID).Draw(t, "themes") {
		if code != "" {
			o.Themes = append(o.Themes, vocab.Term{Code: code, Label: vocab.Text{"en": "x"}})
		}
	}
	if code := someCity.Draw(t, "region"); code != "" {
		o.Region = []vocab.Term{{Code: code, Label: vocab.Text{"en": "x"}}}
	}
	if code := someLevel.Draw(t, "level"); code != "" {
		o.Level = vocab.Term{Code: code, Label: vocab.Text{"en": "x"}}
	}
	o.Completeness = rapid.IntRange(0, 3).Draw(t, "completeness")
	o.Modified = time.Date(2026, 1, rapid.IntRange(1, 4).Draw(t, "day"), 0, 0, 0, 0, time.UTC)
	d.Audience = rapid.SampledFrom([]vocab.Audience{vocab.AudiencePublic, vocab.AudienceRecognised, vocab.AudienceSpace}).Draw(t, "audience")
	d.Space = rapid.SampledFrom([]string{"did:key:zTest", "did:key:zOther"}).Draw(t, "space")
	d.Hub = rapid.SampledFrom(someLogs).Draw(t, "log")
	d.Product = rapid.SampledFrom([]string{"", "", "p1", "p2", "p3"}).Draw(t, "product")
	d.Rank = rapid.Uint8Range(0, 2).Draw(t, "rank")
	return d
}

var someLogs = []string{"lianmu/zA/1", "lianmu/zB/1", "lianmu/zB/2"}

// someWithout are logs to leave out, most often none.
func someWithout(t *rapid.T) []string {
	return rapid.SampledFrom([][]string{nil, nil, {someLogs[0]}, {someLogs[2], someLogs[1]}, {"nobody's"}, someLogs}).Draw(t, "without")
}

// readers see different things.
var readers = []vocab.Reader{everyone, public, own, other, {Spaces: []string{"did:key:zTest", "did:key:zOther"}}}

func someQuery(t *rapid.T, depth int) query.Node {
	kinds := 4
	if depth > 0 {
		kinds = 7
	}
	several := func() []query.Node {
		parts := make([]query.Node, rapid.IntRange(2, 3).Draw(t, "parts"))
		for i := range parts {
			parts[i] = someQuery(t, depth-1)
		}
		return parts
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "node") {
	case 0:
		return query.All{}
	case 1:
		return query.Word{Text: someWord.Draw(t, "word")}
	case 2:
		return query.Phrase{Text: someWord.Draw(t, "phrase")}
	case 3:
		return query.Field{Name: "theme", Value: rapid.SampledFrom([]string{"B0300", "b0300", "交通运输", "A0000", "无此主题"}).Draw(t, "field")}
	case 4:
		return query.Not{Part: someQuery(t, depth-1)}
	case 5:
		return query.And{Parts: several()}
	}
	return query.Or{Parts: several()}
}

// model scans.
type model map[vocab.Key]Doc

func (m model) find(r Request) []Doc {
	var out []Doc
	for _, d := range m {
		if r.Reader.MaySee(d.Audience, d.Space) && !slices.Contains(r.Without, d.Hub) && matches(d, r.Query) && passes(d, r.Filters) {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b Doc) int {
		n := 0
		switch r.Sort {
		case "modified":
			n = a.Offering.Modified.Compare(b.Offering.Modified)
		case "-modified":
			n = b.Offering.Modified.Compare(a.Offering.Modified)
		case "completeness":
			n = cmp.Compare(b.Offering.Completeness, a.Offering.Completeness)
		case "title":
			n = cmp.Compare(spaced(a.Offering.Title["zh"]), spaced(b.Offering.Title["zh"]))
		}
		return cmp.Or(n, strings.Compare(string(a.Key[:]), string(b.Key[:])))
	})
	return out
}

// collapsed are those that lead of each product, and the keys of the others.
func collapsed(docs []Doc) (leading []Doc, others map[vocab.Key][]vocab.Key) {
	others = map[vocab.Key][]vocab.Key{}
	of := map[string]Doc{}
	for _, d := range docs {
		if best, ok := of[d.Product]; !ok || d.Rank < best.Rank {
			of[d.Product] = d
		}
	}
	for _, d := range docs {
		if lead := of[d.Product]; d.Product != "" && lead.Key != d.Key {
			others[lead.Key] = append(others[lead.Key], d.Key)
			continue
		}
		leading = append(leading, d)
	}
	for _, keys := range others {
		slices.SortFunc(keys, func(a, b vocab.Key) int { return strings.Compare(string(a[:]), string(b[:])) })
	}
	return leading, others
}

func spaced(s string) string { return strings.Join(strings.Fields(s), " ") }

func matches(d Doc, n query.Node) bool {
	o := d.Offering
	fields := [][]string{{o.Title["zh"]}, o.Keywords["zh"], {o.Description["zh"], strings.Join(codesOf(d), " ")}}
	switch n := n.(type) {
	case query.Word:
		return slices.ContainsFunc(fields, func(values []string) bool { return anyHas(values, n.Text) })
	case query.Phrase:
		return slices.ContainsFunc(fields, func(values []string) bool { return anyHas(values, n.Text) })
	case query.Field:
		for _, t := range o.Themes {
			if t.Code == strings.ToUpper(n.Value) || n.Value == "交通运输" && t.Code == "B0300" || n.Value == "A0000" && t.Code[0] == 'A' {
				return true
			}
		}
		return false
	case query.Not:
		return !matches(d, n.Part)
	case query.And:
		return !slices.ContainsFunc(n.Parts, func(p query.Node) bool { return !matches(d, p) })
	case query.Or:
		return slices.ContainsFunc(n.Parts, func(p query.Node) bool { return matches(d, p) })
	}
	return true
}

// anyHas: Chinese anywhere in a value, a word only whole.
func anyHas(values []string, s string) bool {
	return slices.ContainsFunc(values, func(v string) bool {
		if s[0] >= 128 {
			return strings.Contains(v, s)
		}
		return slices.Contains(strings.FieldsFunc(v, func(r rune) bool { return r >= 128 || r == ' ' }), s)
	})
}

// codesOf are the codes that can be found as words, in small letters.
func codesOf(d Doc) []string {
	var out []string
	for _, f := range coded(d.Offering) {
		for _, t := range f.terms {
			out = append(out, strings.ToLower(t.Code))
		}
	}
	return out
}

func valuesOf(d Doc, field string) []string {
	o := d.Offering
	switch field {
	case "kind":
		return []string{string(o.Kind)}
	case "audience":
		return []string{string(d.Audience)}
	case "level":
		if o.Level.Code != "" {
			return []string{o.Level.Code}
		}
	case "theme":
		var out []string
		for _, t := range o.Themes {
			out = append(out, t.Code)
		}
		return out
	case "region":
		if len(o.Region) > 0 {
			code := o.Region[0].Code
			return slices.Compact([]string{code, code[:2] + "00"})
		}
	}
	return nil
}

func passes(d Doc, filters map[string][]string) bool {
	for f, wanted := range filters {
		if !slices.ContainsFunc(valuesOf(d, f), func(v string) bool { return slices.Contains(wanted, v) }) {
			return false
		}
	}
	return true
}

// Totals, facets and order are those of a scan, whatever was put, put again
// and deleted in whatever batches.
func TestSearchIsAScan(t *testing.T) {
	fields := []string{"theme", "region", "level", "kind", "audience"}
	rapid.Check(t, func(rt *rapid.T) {
		ix := newIndex(t)
		m := model{}
		for batch := range rapid.IntRange(1, 4).Draw(rt, "batches") {
			var puts []Doc
			for range rapid.IntRange(0, 12).Draw(rt, "puts") {
				d := someDoc(rt)
				puts = append(puts, d) // one batch may put a key twice: the last stands
				m[d.Key] = d
			}
			var deletes []vocab.Key
			for _, k := range slices.SortedFunc(maps.Keys(m), func(a, b vocab.Key) int { return strings.Compare(string(a[:]), string(b[:])) }) {
				if rapid.IntRange(0, 9).Draw(rt, "delete") == 0 {
					deletes = append(deletes, k)
					delete(m, k)
				}
			}
			if err := ix.Apply(context.Background(), puts, deletes, uint64(batch)); err != nil {
				rt.Fatal(err)
			}
		}
		if int(ix.Count()) != len(m) {
			rt.Fatalf("count %d, want %d", ix.Count(), len(m))
		}
		for range 5 {
			r := Request{
				Query:   someQuery(rt, 2),
				Reader:  rapid.SampledFrom(readers).Draw(rt, "reader"),
				Filters: map[string][]string{},
				Sort:    rapid.SampledFrom([]string{"modified", "-modified", "title", "completeness"}).Draw(rt, "sort"),
				Facets:  fields, FacetSize: 100, Limit: 100, Highlight: true,
				Without: someWithout(rt), Collapse: rapid.Bool().Draw(rt, "collapse"),
			}
			// Values that some document has: others are taken for what a person typed.
			for _, f := range rapid.SliceOfNDistinct(rapid.SampledFrom(fields), 0, 2, rapid.ID).Draw(rt, "filters") {
				var known []string
				for _, d := range m {
					known = append(known, valuesOf(d, f)...)
				}
				slices.Sort(known)
				if known = slices.Compact(known); len(known) > 0 {
					r.Filters[f] = rapid.SliceOfN(rapid.SampledFrom(known), 1, 2).Draw(rt, f)
				}
			}
			offerings := m.find(r)
			want, others := offerings, map[vocab.Key][]vocab.Key{}
			if r.Collapse {
				want, others = collapsed(offerings)
			}
			got, err := ix.Search(context.Background(), r)
			if err != nil {
				rt.Fatal(err)
			}
			if int(got.Total) != len(want) || len(got.Hits) != len(want) {
				rt.Fatalf("%v %v: total %d, hits %d, want %d", r.Query, r.Filters, got.Total, len(got.Hits), len(want))
			}
			for i := range want {
				if got.Hits[i].Key != want[i].Key {
					rt.Fatalf("%v by %s: hit %d is %s, want %s", r.Query, r.Sort, i, got.Hits[i].ID, want[i].Offering.ID)
				}
				if keys := keysOf(got.Hits[i].Listings); !slices.Equal(keys, others[want[i].Key]) || got.Hits[i].Others != len(keys) {
					rt.Fatalf("%v by %s: listings of hit %d are %v, want %v", r.Query, r.Sort, i, got.Hits[i].Listings, others[want[i].Key])
				}
			}
			samePages(rt, ix, r, got.Hits, rapid.IntRange(1, 7).Draw(rt, "page"))
			for _, f := range fields {
				count := map[string]int{}
				for _, d := range offerings {
					for _, v := range valuesOf(d, f) {
						count[v]++
					}
				}
				seen := map[string]int{}
				for _, v := range got.Facets[f] {
					seen[v.Value] = v.Count
				}
				if !maps.Equal(count, seen) {
					rt.Fatalf("%v: facet %s is %v, want %v", r.Query, f, seen, count)
				}
			}
		}
	})
}

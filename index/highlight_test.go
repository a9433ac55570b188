package index

import (
	"context"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"lianmu/vocab"
)

func TestHighlights(t *testing.T) {
	long := strings.Repeat("无关的句子。", 100) + "这里说到公共交通客流 <b>& 数据</b>。" + strings.Repeat("后面的句子。", 100)
	ix := newIndex(t,
		doc("a", "上海公共交通<img src=x onerror=alert(1)>", keywords("公共交通", `"><script>`, "地铁"), described(long), func(d *Doc) {
			d.Offering.Title["en"] = "Public transport <i>stations</i>"
		}),
	)
	for _, c := range []struct {
		q, field string
		want     []string
	}{
		{"公共交通", "title", []string{"上海<mark>公共交通</mark>&lt;img src=x onerror=alert(1)&gt;"}},
		{"公共交通", "keyword", []string{"<mark>公共交通</mark>"}},
		{"station", "title", []string{"Public transport &lt;i&gt;<mark>stations</mark>&lt;/i&gt;"}},
		{"script", "keyword", []string{"&#34;&gt;&lt;<mark>script</mark>&gt;"}},
		{"ｓｔａｔｉｏｎ", "title", []string{"Public transport &lt;i&gt;<mark>stations</mark>&lt;/i&gt;"}},
		{`"公共 交通"`, "keyword", []string{"<mark>公共交通</mark>"}},
		{"上海 -轮渡", "title", []string{"<mark>上海</mark>公共交通&lt;img src=x onerror=alert(1)&gt;"}},
		{"上海 OR 轮渡", "keyword", nil},
		{"id:a", "title", nil},
	} {
		res := find(t, ix, Request{Query: parse(t, c.q), Highlight: true})
		if len(res.Hits) != 1 {
			t.Fatalf("%s: %d hits", c.q, len(res.Hits))
		}
		if got := res.Hits[0].Highlights[c.field]; !slices.Equal(got, c.want) {
			t.Errorf("%s in %s: %q, want %q", c.q, c.field, got, c.want)
		}
	}
	res := find(t, ix, Request{Query: parse(t, "公共交通客流"), Highlight: true})
	got := res.Hits[0].Highlights["summary"]
	if len(got) != 1 || !strings.Contains(got[0], "<mark>公共交通客流</mark> &lt;b&gt;&amp; 数据&lt;/b&gt;") ||
		!strings.HasPrefix(got[0], "…") || !strings.HasSuffix(got[0], "…") || utf8.RuneCountInString(plainText(got[0])) > maxFragment+2 {
		t.Errorf("summary %q", got)
	}
	if h := find(t, ix, Request{Query: parse(t, "公共交通")}).Hits[0].Highlights; h != nil {
		t.Errorf("unasked: %v", h)
	}
}

func TestHitIsWhatWasIndexed(t *testing.T) {
	yes := true
	d := doc("a", "标题", described(strings.Repeat("描", 300)), func(d *Doc) {
		o := d.Offering
		o.Publisher = vocab.Agent{Name: vocab.Text{"zh": "某公司", "en": "Some Ltd"}}
		o.Level = vocab.Term{Code: "001", Label: vocab.Levels.Label("001")}
		o.Distributions = []vocab.Distribution{{Format: "CSV"}, {Format: "CSV"}, {Format: "JSON"}}
		o.PersonalData, o.Policy.Present, o.Completeness = &yes, true, 77
		d.Position = 42
	})
	ix := newIndex(t, d)
	h := find(t, ix, Request{}).Hits[0]
	if h.Key != d.Key || h.ID != "a" || h.Space != d.Space || h.Hub != d.Hub || h.Position != 42 || h.Completeness != 77 || !h.Policy ||
		h.Personal == nil || !*h.Personal || !slices.Equal(h.Formats, []string{"CSV", "JSON"}) || h.Publisher["en"] != "Some Ltd" ||
		h.Terms["level"][0].Label["zh"] != "公开" || utf8.RuneCountInString(h.Summary["zh"]) != 240 || !h.Modified.Equal(d.ReceivedAt) {
		t.Errorf("%+v", h)
	}
	res := find(t, ix, Request{Facets: FacetFields()})
	for field, want := range map[string]FacetValue{
		"level":    {Value: "001", Label: vocab.Levels.Label("001"), Count: 1},
		"kind":     {Value: "dataset", Label: vocab.KindLabel(vocab.Dataset), Count: 1},
		"personal": {Value: "yes", Label: vocab.Text{"zh": "涉及个人信息"}, Count: 1},
		"policy":   {Value: "unspecified", Label: vocab.Text{"zh": "有使用策略，未列动作"}, Count: 1},
	} {
		if got := res.Facets[field]; len(got) != 1 || got[0].Value != want.Value || got[0].Count != 1 || got[0].Label["zh"] != want.Label["zh"] {
			t.Errorf("%s: %+v", field, got)
		}
	}
	// Typed values mean what a person means by them.
	for _, q := range []string{"安全级别:公开", "level:001", "个人信息:是", "类型:数据集", "格式:csv", "提供方:某", `provider:"某公司"`, "可见范围:公开"} {
		if got := ids(t, ix, q); len(got) != 1 {
			t.Errorf("%s: %v", q, got)
		}
	}
	for f, v := range map[string]string{"level": "公开", "kind": "数据集", "format": "csv", "personal": "是"} {
		if res := find(t, ix, Request{Filters: map[string][]string{f: {v}}}); res.Total != 1 {
			t.Errorf("filter %s=%s: %d", f, v, res.Total)
		}
	}
}

func TestSuggest(t *testing.T) {
	theme := func(d *Doc) {
		d.Offering.Themes = []vocab.Term{{Code: "B0300", Label: vocab.Themes.Label("B0300")}}
	}
	ix := newIndex(t,
		doc("a", "交通流量", keywords("交通", "Traffic")), doc("b", "上海交通卡口", keywords("交通"), theme),
		doc("c", "GTFS feed", func(d *Doc) {
			d.Offering.Title["en"] = "Public Transportation of Málaga"
			d.Offering.Publisher.Name = vocab.Text{"zh": "交通集团"}
		}),
	)
	for _, c := range []struct {
		prefix string
		want   []Suggestion
	}{
		{"交通", []Suggestion{{"交通", "keyword", 2}, {"交通运输", "theme", 1}, {"交通集团", "publisher", 1}, {"交通流量", "title", 1}, {"上海交通卡口", "title", 0}}},
		{"TRAF", []Suggestion{{"Traffic", "keyword", 1}}},
		{"public tr", []Suggestion{{"Public Transportation of Málaga", "title", 1}}},
		{"transporta", []Suggestion{{"Public Transportation of Málaga", "title", 0}}},
		{"malag", []Suggestion{{"Public Transportation of Málaga", "title", 0}}},
		{"卡口", []Suggestion{{"上海交通卡口", "title", 0}}},
		{"没有", []Suggestion{}},
		{"", []Suggestion{}},
		{"*", []Suggestion{}},
	} {
		got, err := ix.Suggest(context.Background(), c.prefix, public, 10)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.prefix, got, c.want)
		}
	}
	if got, err := ix.Suggest(context.Background(), "交通", public, 2); err != nil || len(got) != 2 {
		t.Errorf("limit: %v %v", got, err)
	}
}

// Looking for ideographs as they are written finds what cutting into units does.
func TestSpansAsWritten(t *testing.T) {
	text := rapid.StringMatching(`([公交通运]{1,4}|ab|，|（| |\x1f|１|カ|é){0,12}`)
	term := rapid.StringMatching(`[公交通运]{1,2}`)
	rapid.Check(t, func(t *rapid.T) {
		s := text.Draw(t, "text")
		terms := map[string]bool{}
		for _, w := range rapid.SliceOfN(term, 1, 3).Draw(t, "terms") {
			terms[w] = true
		}
		if got, want := spans(s, terms), spansOfUnits(s, terms); !slices.Equal(got, want) {
			t.Fatalf("%v in %q: %v, want %v", terms, s, got, want)
		}
	})
}

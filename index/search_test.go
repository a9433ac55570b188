package index

import (
	"slices"
	"testing"

	"lianmu/vocab"
)

func TestRelevance(t *testing.T) {
	ix := newIndex(t,
		doc("bus", "上海公交实时到站", keywords("公交", "GTFS"), described("本市公共交通车辆的实时位置。")),
		doc("bus-text", "城市运行月报", described("含公交、地铁、轮渡客流。")),
		doc("bus-keyword", "城市客流", keywords("公交")),
		doc("port", "上海港集装箱吞吐量", described("港口生产统计。")),
		doc("sea", "上海海洋站与香港航线", described("海上观测。")),
		doc("traffic", "交通运输行业统计年鉴", described("公路、水路。")),
		doc("junk", "交易通报与运营输出", described("交 通 运 输 四字分开。")),
		doc("gtfs", "GTFS-RT feed of Málaga", func(d *Doc) { d.Offering.Title = vocab.Text{"en": "GTFS-RT feeds of Málaga"} }),
		doc("coded", "道路货运", func(d *Doc) {
			d.Offering.Themes = []vocab.Term{{Code: "B0300", Label: vocab.Themes.Label("B0300")}}
		}),
		doc("exact", "公交"),
		doc("wide", "ＧＴＦＳ　全角标题"),
	)
	for _, c := range []struct {
		q     string
		first []string // in this order
		also  []string // in any order after them
	}{
		{"公交", []string{"exact", "bus", "bus-keyword", "bus-text"}, nil},
		{"上海港", []string{"port"}, nil},
		{"交通运输", []string{"traffic"}, []string{"coded"}},
		{"交通", nil, []string{"traffic", "coded", "bus"}},
		{"港", []string{}, []string{"port", "sea"}},
		{"gtfs", nil, []string{"bus", "gtfs", "wide"}},
		{"GTFS 公交", []string{"bus"}, nil},
		{"ＧＴＦＳ公交", []string{"bus"}, nil},
		{"rt malaga", []string{"gtfs"}, nil},
		{"feed", []string{"gtfs"}, nil},
		{"B0300", []string{"coded"}, nil},
		{"b0300", []string{"coded"}, nil},
		{"Transport", []string{"coded"}, nil},
		{`"公共交通车辆"`, []string{"bus"}, nil},
		{`"交通公共"`, nil, nil},
		{`"到站 上海"`, nil, nil},
		{`"实时 到站"`, []string{"bus"}, nil},
		{"主题:交通运输", []string{"coded"}, nil},
		{"theme:B0000", []string{"coded"}, nil},
		{"theme:b0300 货运", []string{"coded"}, nil},
		{"港口 OR 轮渡", nil, []string{"port", "bus-text"}},
		{"公交 -轮渡", []string{"exact", "bus", "bus-keyword"}, nil},
		{"id:bus", []string{"bus"}, nil},
		{"类型:数据产品", nil, nil},
		{"&", nil, nil},
		{"不存在的词", nil, nil},
	} {
		got := ids(t, ix, c.q)
		if len(got) != len(c.first)+len(c.also) || !slices.Equal(got[:min(len(got), len(c.first))], c.first) {
			t.Errorf("%s: %v, want %v then %v", c.q, got, c.first, c.also)
			continue
		}
		for _, id := range c.also {
			if !slices.Contains(got, id) {
				t.Errorf("%s: %v lacks %s", c.q, got, id)
			}
		}
	}
}

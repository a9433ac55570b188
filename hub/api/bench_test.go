package api

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"lianmu/hub/view"
	"lianmu/index"
	"lianmu/vocab"
)

// BenchmarkSearch is what this package adds to a search: reading the question,
// routing, encoding twenty hits of usual length and two facets, metrics.
func BenchmarkSearch(b *testing.B) {
	page := &view.Answer{Total: 12345, Next: "cursor", Coverage: []view.Coverage{{Hub: "hub.example/log", LogSize: 100000, Indexed: 100000, State: "current"}}, Facets: map[string][]index.FacetValue{}}
	for i := range 20 {
		page.Hits = append(page.Hits, view.Hit{SpaceName: vocab.Text{"zh": "城市可信数据空间", "en": "City space"}, Hit: index.Hit{
			ID: fmt.Sprintf("https://data.example/products/%d", i), Space: spaceA, Hub: "hub.example/log", Kind: vocab.Product,
			Title:      vocab.Text{"zh": "公共交通客流量日统计", "en": "Daily passenger counts of public transport"},
			Summary:    vocab.Text{"zh": "按线路、站点和时段统计的公共交通客流量，每日更新，含历史数据，可用于线网优化、运力调度和商业选址等场景。"},
			Publisher:  vocab.Text{"zh": "演示数据公司"},
			Highlights: map[string][]string{"title": {"公共<mark>交通</mark>客流量日统计"}, "description": {"统计的公共<mark>交通</mark>客流量"}},
			Score:      1.5, Modified: noon, Formats: []string{"CSV", "JSON"}, Completeness: 80,
			Terms: map[string][]vocab.Term{"theme": {{Code: "B0300", Label: vocab.Text{"zh": "交通运输", "en": "Transport"}}}, "region": {{Code: "3100", Label: vocab.Text{"zh": "上海市", "en": "Shanghai"}}}},
		}})
	}
	for _, f := range []string{"theme", "region"} {
		for i := range 10 {
			page.Facets[f] = append(page.Facets[f], index.FacetValue{Value: fmt.Sprint(i), Label: vocab.Text{"zh": "交通运输", "en": "Transport"}, Count: i})
		}
	}
	h := newSite(b, func(c *Config) { c.Catalog = fixed{page: page} }).handler
	for _, accept := range []string{"identity", "gzip"} {
		b.Run(accept, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(http.MethodGet, "/api/v1/search?q=%E4%BA%A4%E9%80%9A&filter=kind:product&facets=theme,region", nil)
				r.Header.Set("Accept-Encoding", accept)
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
				b.SetBytes(int64(w.Body.Len()))
			}
		})
	}
}

// fixed answers every search alike.
type fixed struct {
	Catalog
	page *view.Answer
}

func (f fixed) Find(_ context.Context, _ view.Question) (*view.Answer, error) { return f.page, nil }

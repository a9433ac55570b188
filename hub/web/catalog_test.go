package web

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"lianmu/hub/view"
	"lianmu/index"
	"lianmu/vocab"
)

// shelf is a small Catalog in memory: it matches by substring, filters, counts
// and pages for real, so that the pages can be walked through.
type shelf struct {
	mu       sync.Mutex
	details  []*view.Detail
	spaces   []view.SpaceSummary
	coverage []view.Coverage
	fail     error // every call fails with it
	asked    view.Question
}

func termsOf(o *vocab.Offering) map[string][]vocab.Term {
	m := map[string][]vocab.Term{"theme": o.Themes, "scene": o.Scenes, "region": o.Region, "industry": o.Industry}
	for name, t := range map[string]vocab.Term{"form": o.Form, "frequency": o.Frequency, "level": o.Level, "registration": o.Registration} {
		if t.Code != "" || len(t.Label) > 0 {
			m[name] = []vocab.Term{t}
		}
	}
	return m
}

// valuesOf are the facet values of a detail in one field, with their labels.
func valuesOf(d *view.Detail, field string) map[string]vocab.Text {
	out := map[string]vocab.Text{}
	switch field {
	case "space":
		out[d.Space] = d.SpaceName
	case "kind":
		out[string(d.Offering.Kind)] = nil
	case "publisher":
		out[d.Offering.Publisher.Name.In("zh")] = d.Offering.Publisher.Name
	case "format":
		for _, x := range d.Offering.Distributions {
			out[x.Format] = nil
		}
	case "hub":
		out[d.Hub] = nil
	case "code":
		for _, c := range d.Offering.Identifiers {
			out[c] = nil
		}
	default:
		for _, t := range termsOf(d.Offering)[field] {
			out[either(t.Code, t.Label.In("zh"))] = t.Label
		}
	}
	delete(out, "")
	return out
}

func (s *shelf) Find(ctx context.Context, q view.Question) (*view.Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = q
	if s.fail != nil {
		return nil, s.fail
	}
	wanted := map[string][]string{}
	for _, f := range q.Filter {
		name, v, _ := strings.Cut(f, ":")
		wanted[name] = append(wanted[name], v)
	}
	a := &view.Answer{Facets: map[string][]index.FacetValue{}, Coverage: s.coverage, TookMS: 0.3}
	var found []*view.Detail
next:
	for _, d := range s.details {
		if !q.Stale && slices.ContainsFunc(s.coverage, func(c view.Coverage) bool { return c.LeftOut && c.Hub == d.Hub }) {
			continue
		}
		text := strings.ToLower(d.Offering.Title["zh"] + d.Offering.Title["en"] + d.Offering.Description["zh"])
		for _, w := range strings.Fields(strings.ToLower(q.Q)) {
			if !strings.Contains(text, w) {
				continue next
			}
		}
		for field, any := range wanted {
			has := valuesOf(d, field)
			ok := false
			for _, v := range any {
				_, hit := has[v]
				ok = ok || hit
			}
			if !ok {
				continue next
			}
		}
		found = append(found, d)
	}
	for _, field := range q.Facets {
		counts := map[string]*index.FacetValue{}
		for _, d := range found {
			for v, label := range valuesOf(d, field) {
				if counts[v] == nil {
					counts[v] = &index.FacetValue{Value: v, Label: label}
				}
				counts[v].Count++
			}
		}
		for _, v := range counts {
			a.Facets[field] = append(a.Facets[field], *v)
		}
		sort.Slice(a.Facets[field], func(i, j int) bool {
			x, y := a.Facets[field][i], a.Facets[field][j]
			return x.Count > y.Count || x.Count == y.Count && x.Value < y.Value
		})
	}
	a.Total = uint64(len(found))
	from := len(q.Cursor) // the cursor is as many letters as hits have been shown
	for i := from; i < len(found) && i < from+q.Limit; i++ {
		d, o := found[i], found[i].Offering
		h := view.Hit{SpaceName: d.SpaceName, State: d.State, Hit: index.Hit{ID: o.ID, Space: d.Space, Hub: d.Hub, Codes: o.Identifiers, Kind: o.Kind, Title: o.Title, Summary: o.Description,
			Publisher: o.Publisher.Name, Modified: o.Modified, Terms: termsOf(o), Personal: o.PersonalData, Policy: o.Policy.Present, Completeness: o.Completeness}}
		for _, x := range o.Distributions {
			h.Formats = append(h.Formats, x.Format)
		}
		if q.Q != "" {
			w := strings.Fields(q.Q)[0]
			h.Highlights = map[string][]string{"title": {strings.ReplaceAll(o.Title["zh"], w, "<mark>"+w+"</mark>")}}
		}
		a.Hits = append(a.Hits, h)
	}
	if from+q.Limit < len(found) {
		a.Next = strings.Repeat("c", from+q.Limit)
	}
	return a, nil
}

func (s *shelf) Suggest(ctx context.Context, prefix string, _ vocab.Reader, limit int) ([]index.Suggestion, error) {
	if s.fail != nil {
		return nil, s.fail
	}
	var out []index.Suggestion
	for _, d := range s.details {
		if t := d.Offering.Title["zh"]; strings.HasPrefix(t, prefix) && len(out) < limit {
			out = append(out, index.Suggestion{Text: t, Kind: "title", Count: 1})
		}
	}
	return out, nil
}

func (s *shelf) Offering(ctx context.Context, space, id string, reader vocab.Reader) (*view.Detail, error) {
	if s.fail != nil {
		return nil, s.fail
	}
	for _, d := range s.details {
		if d.Space == space && d.Offering.ID == id {
			return d, nil
		}
	}
	return nil, view.ErrNotFound
}

func (s *shelf) Coverage() []view.Coverage { return s.coverage }

func (s *shelf) Spaces(context.Context, vocab.Reader) ([]view.SpaceSummary, error) {
	return s.spaces, nil
}

func term(code, zh, en string) vocab.Term {
	return vocab.Term{Code: code, Label: vocab.Text{"zh": zh, "en": en}}
}

const (
	portSpace = "did:key:z6MkPortPortPortPortPortPortPortPortPortPortPort"
	citySpace = "did:key:z6MkCityCityCityCityCityCityCityCityCityCityCity"
	someID    = "https://port.example/data/container-track"
)

// someShelf holds two full offerings and 28 small ones.
func someShelf() *shelf {
	day := time.Date(2026, 11, 20, 2, 30, 0, 0, time.UTC)
	no, yes := false, true
	s := &shelf{coverage: []view.Coverage{{Hub: "hub.example/log1", LogSize: 31, Indexed: 31, State: "current"}}}
	port := vocab.Text{"zh": "浦江口岸航运可信数据空间(演示)", "en": "Pujiang Port Space (demo)"}
	city := vocab.Text{"zh": "沪上城市可信数据空间(演示)", "en": "Shanghai City Space (demo)"}
	s.spaces = []view.SpaceSummary{
		{Space: vocab.Space{DID: citySpace, Name: city, Type: term("03", "城市", "City"), Description: vocab.Text{"zh": "演示数据。汇集城市交通、住建和公共服务数据。"}, Homepage: "https://city.example/", Contact: "mailto:desk@city.example", Operator: vocab.Agent{Name: vocab.Text{"zh": "演示城市数据运营有限公司"}, Code: "91310000000000000X"}}, Offerings: 29, LastEntry: day},
		{Space: vocab.Space{DID: portSpace, Name: port, Type: term("01", "企业", "Enterprise")}, Offerings: 1, LastEntry: day},
	}
	add := func(space string, name vocab.Text, o *vocab.Offering) {
		raw, _ := json.Marshal(map[string]any{"@id": o.ID, "标题": o.Title["zh"], "proof": map[string]any{"type": "DataIntegrityProof"}})
		s.details = append(s.details, &view.Detail{Offering: o, Space: space, SpaceName: name, Hub: "hub.example/log1", Position: uint64(len(s.details) + 3),
			Digest: vocab.DigestOf(raw), Created: day, Expires: day.AddDate(60, 0, 0), ReceivedAt: day.Add(time.Second), Audience: vocab.AudiencePublic, Document: raw})
	}
	add(portSpace, port, &vocab.Offering{
		ID: someID, Kind: vocab.Product,
		Title:       vocab.Text{"zh": "洋山港区集装箱全程轨迹", "en": "Container tracks of Yangshan port area"},
		Description: vocab.Text{"zh": "演示数据。汇总集装箱从进港、堆存、装船到离港的时间节点与位置，按箱号脱敏后提供，可用于供应链可视化和在途融资核验。每小时汇总一次，含异常滞留标记。", "en": "Demonstration data. Time and place of every container move."},
		Keywords:    vocab.Texts{"zh": {"集装箱", "港口", "物流跟踪"}, "en": {"container", "port"}},
		Publisher:   vocab.Agent{Name: vocab.Text{"zh": "演示港航数据科技有限公司", "en": "Demo Port Data Co."}, Code: "91310000000000001X"},
		Themes:      []vocab.Term{term("B0300", "交通运输", "Transport")}, Scenes: []vocab.Term{term("U0300", "市场监测", "Market monitoring")},
		Industry: []vocab.Term{term("G", "交通运输、仓储和邮政业", "Transport, storage and post")}, Region: []vocab.Term{term("310000", "上海市", "Shanghai")},
		Form: term("002", "API产品", "API"), Frequency: term("001", "实时", "Real time"), Level: term("001", "公开", "Public"), Quality: term("001", "A级", "Grade A"),
		Importance: vocab.Term{Label: vocab.Text{"zh": "一般数据"}}, Source: term("001", "原始取得", "Original"), PersonalData: &no,
		Charge:  vocab.Charge{Model: vocab.Term{Label: vocab.Text{"zh": "按次数", "en": "Per call"}}, Price: "0.35", Currency: "CNY", Unit: "元/次"},
		License: "https://port.example/licence", Registration: term("", "已登记", "Registered"), RegistrationCode: "沪数登2026演示0001", Identifiers: []string{"6TEST"},
		Distributions: []vocab.Distribution{{Title: vocab.Text{"zh": "样例文件"}, Format: "CSV", MediaType: "text/csv", DownloadURL: "https://port.example/sample.csv", Bytes: 482133}},
		Services:      []vocab.ServiceEndpoint{{Title: vocab.Text{"zh": "轨迹查询接口"}, EndpointURL: "https://port.example/api", ConformsTo: "https://port.example/openapi.json"}},
		Policy:        vocab.Policy{Present: true, Actions: []string{"use", "read"}, Prohibited: []string{"sell"}, Purposes: []string{"供应链可视化"}},
		LandingPage:   "https://port.example/p/1", Issued: day.AddDate(-1, 0, 0), Modified: day, Contact: "mailto:desk@port.example",
		Spatial: &vocab.Box{West: 121.9, South: 30.5, East: 122.2, North: 30.75}, Temporal: &vocab.Period{Start: day.AddDate(-2, 0, 0)}, Completeness: 96,
	})
	add(citySpace, city, &vocab.Offering{ID: "urn:city:resident", Kind: vocab.Resource, Title: vocab.Text{"zh": "社区养老服务需求调查", "en": "Survey of elderly care needs"},
		Description: vocab.Text{"zh": "演示数据。分街镇汇总的养老服务需求抽样调查结果。"}, Publisher: vocab.Agent{Name: vocab.Text{"zh": "沪上演示民生研究中心"}},
		Themes: []vocab.Term{term("C0300", "社会保障", "Social security")}, Region: []vocab.Term{term("310000", "上海市", "Shanghai")}, Level: term("002", "内部", "Internal"),
		Form: term("001", "数据集", "Dataset"), Frequency: term("007", "每年", "Yearly"), PersonalData: &yes, Modified: day.AddDate(0, -3, 0), Completeness: 58})
	stops := []string{"公交站点客流", "地铁进出站量", "共享单车停放点", "停车泊位余量", "道路拥堵指数", "充电桩运行状态", "轮渡班次", "出租车上下客热区"}
	for i := range 28 {
		name := stops[i%len(stops)]
		add(citySpace, city, &vocab.Offering{ID: "https://city.example/d/" + string(rune('a'+i)), Kind: vocab.Dataset,
			Title: vocab.Text{"zh": name + "（" + []string{"日", "周", "月", "季"}[i/8%4] + "汇总）"}, Description: vocab.Text{"zh": "演示数据。按区汇总的" + name + "统计结果。"},
			Publisher: vocab.Agent{Name: vocab.Text{"zh": "沪上演示交通信息中心"}}, Themes: []vocab.Term{term("B0300", "交通运输", "Transport")},
			Region: []vocab.Term{term("310000", "上海市", "Shanghai")}, Form: term("001", "数据集", "Dataset"), Frequency: term("002", "每日", "Daily"), Level: term("001", "公开", "Public"),
			Distributions: []vocab.Distribution{{Format: "CSV"}, {Format: "JSON"}}, Modified: day.AddDate(0, 0, -i), Completeness: 70})
	}
	return s
}

func pages(t testing.TB, s *shelf) http.Handler {
	t.Helper()
	return newTown(t, s).handler
}

func get(t testing.TB, h http.Handler, url, lang string) (int, string, http.Header) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, url, nil)
	if lang != "" {
		r.Header.Set("Accept-Language", lang)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String(), w.Result().Header
}

// fixedAnswer gives one answer to every search, however odd.
type fixedAnswer struct {
	*shelf
	answer view.Answer
}

func (f *fixedAnswer) Find(context.Context, view.Question) (*view.Answer, error) {
	a := f.answer
	return &a, nil
}

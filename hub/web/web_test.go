package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lianmu/hub/view"
	"lianmu/index"
	"lianmu/vocab"
)

func TestPagesSayWhatTheyShould(t *testing.T) {
	h := pages(t, someShelf())
	detail := offeringURL(portSpace, someID)
	for _, c := range []struct {
		url, lang string
		status    int
		has       []string
		hasNot    []string
	}{
		{"/", "zh-CN", 200, []string{`<html lang="zh-CN">`, "演示环境", "按主题浏览", "交通运输", ">30</a>", "浦江口岸航运可信数据空间(演示)", "试试"}, nil},
		{"/", "en-GB", 200, []string{`<html lang="en">`, "Browse by theme", ">Transport<", "Shanghai City Space (demo)"}, []string{"按主题浏览"}},
		{"/", "", 200, []string{`<html lang="zh-CN">`}, nil},
		{"/?lang=en", "zh-CN", 200, []string{`<html lang="en">`}, nil},
		{"/search?q=" + url.QueryEscape("集装箱"), "zh", 200, []string{"洋山港区<mark>集装箱</mark>全程轨迹", "共 1 条结果", "2026-11-20", "演示数据", "96%", "本页覆盖 1 个账本", "共 31 条，已索引 31 条", "最新", `lang="en"`}, []string{"下一页"}},
		{"/search", "zh", 200, []string{"共 30 条结果", "下一页", "含个人信息", "轮渡班次", "数据集"}, nil},
		{"/search?filter=kind:product&filter=region:310000", "zh", 200, []string{"共 1 条结果", "清除全部筛选", `class="on"`, "<bdi>上海市</bdi>"}, nil},
		{"/search?q=nothingatall", "en", 200, []string{"Nothing matches", "fewer words"}, nil},
		{"/search?q=x&sort=evil", "en", 200, []string{"Relevance", "Completeness"}, []string{"sort.evil"}},
		{detail, "zh", 200, []string{"洋山港区集装箱全程轨迹", "Container tracks of Yangshan port area", "<code>B0300</code>", "0.35 元/次", "不涉及个人信息", "121.9°E ~ 122.2°E, 30.5°N ~ 30.75°N",
			"2024-11-20 起", "471 KB", "禁止的使用", "出售", "沪数登2026演示0001", "2026-11-20 10:30:00", "第 3 号记录", "lianmu verify", "&#34;proof&#34;", `href="https://port.example/api" rel="noopener nofollow"`, `href="mailto:desk@port.example"`}, nil},
		{detail, "en", 200, []string{"Forbidden", "sell", "Registered", "Demonstration data.", "entry 3"}, nil},
		{"/offering?space=x&id=y", "zh", 404, []string{"没有这个页面或条目"}, nil},
		{"/offering", "en", 404, []string{"There is no such page"}, nil},
		{"/spaces", "zh", 200, []string{"沪上城市可信数据空间(演示)", "城市", "企业", "29 项", "2026-11-20"}, nil},
		{"/space?did=" + url.QueryEscape(citySpace), "zh", 200, []string{"演示城市数据运营有限公司", "在架条目（29）", `href="https://city.example/"`, "查看本空间全部 29 条"}, nil},
		{"/space?did=did:key:nobody", "zh", 404, nil, nil},
		{"/about", "zh", 200, []string{"lianmu key new", "lianmu publish --hub", "did:key:z6Mk", "更新频率"}, nil},
		{"/about", "en", 200, []string{"lianmu withdraw", "Bus arrival times"}, nil},
		{"/nowhere", "zh", 404, []string{"没有这个页面或条目"}, nil},
		{"/search?q=" + strings.Repeat("a", maxURL), "en", 414, []string{"too long"}, nil},
	} {
		t.Run(c.lang+cut(c.url, 40), func(t *testing.T) {
			code, body, head := get(t, h, c.url, c.lang)
			if code != c.status {
				t.Fatalf("status %d, want %d", code, c.status)
			}
			for _, s := range c.has {
				if !strings.Contains(body, s) {
					t.Errorf("lacks %q in:\n%s", s, body)
				}
			}
			for _, s := range append(c.hasNot, "%!", "<no value>", "ZgotmplZ", "[field.", "[kind.", "style=") {
				if strings.Contains(body, s) {
					t.Errorf("holds %q", s)
				}
			}
			if got := head.Get("Content-Security-Policy"); got != contentPolicy {
				t.Errorf("policy %q", got)
			}
		})
	}
}

func TestPagingReachesEveryHitOnce(t *testing.T) {
	h := pages(t, someShelf())
	seen := map[string]int{}
	link := regexp.MustCompile(`<h3><a href="([^"]+)"`)
	next := regexp.MustCompile(`rel="next" href="([^"]+)"`)
	at := "/search?sort=title"
	for n := 0; at != "" && n < 5; n++ {
		_, body, _ := get(t, h, at, "zh")
		for _, m := range link.FindAllStringSubmatch(body, -1) {
			seen[m[1]]++
		}
		at = ""
		if m := next.FindStringSubmatch(body); m != nil {
			at = strings.ReplaceAll(m[1], "&amp;", "&")
		}
	}
	if len(seen) != 30 {
		t.Fatalf("%d hits, want 30", len(seen))
	}
	for u, n := range seen {
		if n != 1 {
			t.Errorf("%s shown %d times", u, n)
		}
	}
}

func TestLanguageIsRemembered(t *testing.T) {
	h := pages(t, someShelf())
	_, _, head := get(t, h, "/?lang=en", "zh")
	r := httptest.NewRequest("GET", "/about", nil)
	r.Header.Set("Cookie", strings.Split(head.Get("Set-Cookie"), ";")[0])
	r.Header.Set("Accept-Language", "zh")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), `<html lang="en">`) {
		t.Error("the cookie is not heeded")
	}
	if _, body, _ := get(t, h, "/?lang=xx", "en"); !strings.Contains(body, `<html lang="en">`) {
		t.Error("an unknown language should be passed over")
	}
}

func TestErrorsBecomePages(t *testing.T) {
	s := someShelf()
	h := pages(t, s)
	for _, c := range []struct {
		err    error
		status int
		has    string
	}{
		{vocab.Problems{vocab.NewProblem("q", "query.quote", "引号 %s 没有成对", "unbalanced quote %s", "<b>")}, 400, "unbalanced quote &lt;b&gt;"},
		{index.ErrCursor, 400, "start again from the first page"},
		{errors.New("secret path /var/x"), 503, "not available"},
		{fmt.Errorf("slow: %w", context.DeadlineExceeded), 503, "not available"},
	} {
		s.fail = c.err
		for _, u := range []string{"/search?q=a", "/"} {
			code, body, _ := get(t, h, u, "en")
			if code != c.status || !strings.Contains(body, c.has) || strings.Contains(body, "secret") {
				t.Errorf("%v at %s: status %d, body %s", c.err, u, code, body)
			}
		}
		if code, body, _ := get(t, h, "/suggest?q=a", "en"); code != 200 || strings.TrimSpace(body) != "[]" {
			t.Errorf("suggestions: %d %s", code, body)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/search", nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 405 || w.Header().Get("Allow") == "" {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestPanicCostsOneRequest(t *testing.T) {
	s := someShelf()
	h := pages(t, s)
	good := s.details[0].Offering
	s.details[0].Offering = nil // Find will trip over it
	if code, _, _ := get(t, h, "/search", "en"); code != 500 {
		t.Errorf("status %d, want 500", code)
	}
	s.details[0].Offering = good
	s.mu.TryLock() // the panic left it locked, as a panic in a library may
	s.mu.Unlock()
	if code, _, _ := get(t, h, "/about", "en"); code != 200 {
		t.Errorf("status %d after a panic", code)
	}
}

func TestBehindIsSaid(t *testing.T) {
	s := someShelf()
	s.coverage[0].Indexed, s.coverage[0].State, s.coverage[0].AgeS = 12, "behind", 300
	h := pages(t, s)
	_, body, _ := get(t, h, "/search", "zh")
	for _, want := range []string{"已索引 12 条", "索引落后", "稍后刷新", "5 分钟前"} {
		if !strings.Contains(body, want) {
			t.Errorf("lacks %q", want)
		}
	}
	s.coverage = nil
	if _, body, _ = get(t, h, "/search", "zh"); !strings.Contains(body, "还没有可用的账本") {
		t.Error("no log at all should be said")
	}
}

func TestRawIsByteForByte(t *testing.T) {
	s := someShelf()
	h := pages(t, s)
	code, body, head := get(t, h, offeringURL(portSpace, someID)+"&raw=1", "")
	if code != 200 || body != string(s.details[0].Document) {
		t.Errorf("%d %s", code, body)
	}
	if head.Get("Content-Type") != "application/ld+json" || !strings.HasPrefix(head.Get("Content-Disposition"), "attachment") {
		t.Errorf("headers %v", head)
	}
}

func TestStaticFiles(t *testing.T) {
	h := pages(t, someShelf())
	_, body, _ := get(t, h, "/", "")
	refs := regexp.MustCompile(`(?:href|src)="(/static/[^"]+)"`).FindAllStringSubmatch(body, -1)
	if len(refs) != 3 {
		t.Fatalf("refs %v", refs)
	}
	for _, m := range refs {
		code, _, head := get(t, h, m[1], "")
		if code != 200 || !strings.Contains(head.Get("Cache-Control"), "immutable") || head.Get("ETag") == "" {
			t.Errorf("%s: %d %v", m[1], code, head)
		}
	}
	if code, _, _ := get(t, h, "/static/../web.go", ""); code != 404 {
		t.Errorf("status %d", code)
	}
}

func TestNoInlineScriptOrStyle(t *testing.T) {
	err := fs.WalkDir(files, "templates", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := files.ReadFile(name)
		if bad := regexp.MustCompile(`(?i)<style|<script>|\sstyle=|\son[a-z]+=|https?://`).FindString(strings.ReplaceAll(string(raw), `https://example.org/data/1`, "")); bad != "" {
			t.Errorf("%s holds %q", name, bad)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Both languages have the same keys with the same placeholders, and the
// templates and the code ask for no others.
func TestStrings(t *testing.T) {
	table := map[string]map[string]string{}
	for _, l := range languages {
		raw, err := files.ReadFile("strings/" + l + ".json")
		if err == nil {
			m := map[string]string{}
			err = json.Unmarshal(raw, &m)
			table[l] = m
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	verb := regexp.MustCompile(`%[a-z%]`)
	for _, pair := range [][2]string{{"zh", "en"}, {"en", "zh"}} {
		for k, v := range table[pair[0]] {
			w, ok := table[pair[1]][k]
			if !ok || strings.TrimSpace(w) == "" && w != ", " {
				t.Errorf("%s has no %q", pair[1], k)
			}
			if fmt.Sprint(verb.FindAllString(v, -1)) != fmt.Sprint(verb.FindAllString(w, -1)) {
				t.Errorf("%q: placeholders differ: %q, %q", k, v, w)
			}
		}
	}
	used := regexp.MustCompile(`[{(]t "([^"]+)"`)
	_ = fs.WalkDir(files, "templates", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			raw, _ := files.ReadFile(name)
			for _, m := range used.FindAllStringSubmatch(string(raw), -1) {
				if _, ok := table["zh"][m[1]]; !ok {
					t.Errorf("%s asks for %q", name, m[1])
				}
			}
		}
		return nil
	})
	need := []string{"audience.public", "audience.recognised", "audience.space", "kind.dataset", "kind.product", "kind.resource", "kind.service"}
	for _, f := range facetOrder {
		need = append(need, "field."+f)
	}
	for _, s := range sorts {
		need = append(need, "sort."+s)
	}
	for _, s := range []string{"400", "401", "403", "404", "405", "410", "413", "414", "429", "500", "503", "act"} {
		need = append(need, "error."+s, "error."+s+".do")
	}
	for _, k := range need {
		if _, ok := table["zh"][k]; !ok {
			t.Errorf("no string %q", k)
		}
	}
}

func TestLinksAreOnlySafeOnes(t *testing.T) {
	for u, ok := range map[string]bool{
		"https://a.example/x?y=1": true, "http://a.example": true, "HTTPS://a.example": true, "mailto:desk@a.example": true,
		"javascript:alert(1)": false, "JaVaScRiPt:alert(1)": false, "data:text/html,x": false, "vbscript:x": false, "file:///etc/passwd": false,
		" https://a.example": false, "https://a.example/\n": false, "https:alert(1)": false, "//a.example": false, "mailto:": false, "": false, "nats://a.example": false,
	} {
		if got := link(u) != ""; got != ok {
			t.Errorf("link(%q) = %v", u, got)
		}
	}
}

// What is marked never holds a tag of the description's own.
func TestMarkedKeepsOnlyMarks(t *testing.T) {
	tag := regexp.MustCompile(`<[^>]*>?`)
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.SampledFrom([]string{"<mark>", "</mark>", "<script>", "&lt;b&gt;", "&", "中文", "\"", "<", ">", "<ma", "rk>", "&#60;i", "'"})).Draw(t, "parts")
		out := string(marked(strings.Join(parts, "")))
		depth := 0
		for _, m := range tag.FindAllString(out, -1) {
			switch m {
			case "<mark>":
				depth++
			case "</mark>":
				depth--
			default:
				t.Fatalf("%q in %q", m, out)
			}
			if depth < 0 || depth > 1 {
				t.Fatalf("unbalanced: %q", out)
			}
		}
		if depth != 0 {
			t.Fatalf("open mark: %q", out)
		}
	})
}

func TestHighlightNeverChangesTheText(t *testing.T) {
	tongue := &tongue{lang: "zh"}
	found := map[string][]string{"title": {"<mark>Port</mark>", "<mark>港</mark>口 &amp; 航道"}, "keyword": {"<mark>x</mark>"}}
	if got := tongue.highlight("title", "上海港口 & 航道", found); got != "上海<mark>港</mark>口 &amp; 航道" {
		t.Errorf("got %q", got)
	}
	if got := tongue.highlight("summary", "开头的一段", map[string][]string{"summary": {"…后面的<mark>港</mark>口…"}}); got != "… 后面的<mark>港</mark>口 …" {
		t.Errorf("got %q", got)
	}
	if got := tongue.highlight("title", "别的 <i>", found); got != "别的 &lt;i&gt;" {
		t.Errorf("got %q", got)
	}
}

func TestPretty(t *testing.T) {
	got := pretty([]byte("{\"a\":\"x\u202ey\",\"b\":1.50}"))
	if !strings.Contains(got, `x\u202ey`) || !strings.Contains(got, "1.50") || !strings.Contains(got, "\n  ") {
		t.Errorf("got %s", got)
	}
	if got := pretty([]byte("not json \xff")); got != "not json \uFFFD" {
		t.Errorf("got %q", got)
	}
}

func TestStateRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &searchState{Q: strings.TrimSpace(rapid.StringN(0, 20, 60).Draw(t, "q")), Sort: rapid.SampledFrom([]string{"", "title", "-modified"}).Draw(t, "sort")}
		for _, v := range rapid.SliceOfNDistinct(rapid.StringN(1, 10, 40), 0, 5, rapid.ID[string]).Draw(t, "values") {
			s.Filters = append(s.Filters, filter{"theme", v})
		}
		u, err := url.Parse(s.url())
		if err != nil {
			t.Fatal(err)
		}
		if back := readState(u.Query()); fmt.Sprint(back) != fmt.Sprint(s) {
			t.Fatalf("%v became %v", s, back)
		}
		f := filter{"form", "001"}
		on, _ := url.Parse(s.toggle(f))
		if off := readState(on.Query()).toggle(f); off != s.url() {
			t.Fatalf("twice toggled: %s, was %s", off, s.url())
		}
	})
}

func BenchmarkSearchPage(b *testing.B) {
	s := someShelf()
	answer, err := s.Find(b.Context(), view.Question{Facets: facetOrder, Limit: pageSize})
	if err != nil {
		b.Fatal(err)
	}
	h := newTown(b, &fixedAnswer{shelf: s, answer: *answer}).handler
	for b.Loop() {
		if code, _, _ := get(b, h, "/search?q=x&filter=region:3100", "zh"); code != 200 {
			b.Fatal(code)
		}
	}
}

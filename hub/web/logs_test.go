package web

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"lianmu/federation/registry"
	"lianmu/hub/access"
	"lianmu/hub/view"
	"lianmu/index"
	"lianmu/vocab"
)

const (
	ownLog  = "hub.example/log1"
	portLog = "lianmu/z6MkPortHubPortHubPortHubPortHubPortHubPortHub/1"
	oldLog  = "lianmu/z6MkOldHubOldHubOldHubOldHubOldHubOldHubOldHubO/1"
	someone = "691512081MA62K0260E31000000000A*" // a product code
)

// threeLogs is a shelf of what three hubs have: this one, one that has not been
// heard of lately, and one that is left out.
func threeLogs() *shelf {
	s := someShelf()
	s.coverage = []view.Coverage{
		{Hub: ownLog, Name: vocab.Text{"zh": "上海市目录节点", "en": "Shanghai hub"}, LogSize: 31, Indexed: 31, State: view.Current},
		{Hub: portLog, Name: vocab.Text{"zh": "航运行业节点", "en": "Shipping hub"}, LogSize: 1200, Indexed: 1200, AgeS: 2 * 24 * 3600, State: view.Ageing},
		{Hub: oldLog, LogSize: 77, Indexed: 77, AgeS: 6 * 24 * 3600, State: view.Stale, LeftOut: true},
	}
	s.details[0].Hub, s.details[0].State = portLog, view.Ageing
	s.details[1].Hub, s.details[1].State = oldLog, view.Stale
	s.spaces[1].Log, s.spaces[1].State = portLog, view.Ageing
	return s
}

// Of several logs it is said which one a hit is of, which are old, and which are
// left out, with a link that takes them in and stays on.
func TestSeveralLogs(t *testing.T) {
	h := pages(t, threeLogs())
	_, body, _ := get(t, h, "/search?q="+url.QueryEscape("集装箱"), "zh")
	holds(t, "search", body, []string{
		`来自 <a href="` + logURL(portLog) + `"><bdi>航运行业节点</bdi></a>`, "较久无消息", "2 天前",
		"本页覆盖 3 个账本", "<bdi>上海市目录节点</bdi>", "共 1,200 条", "<b>未列入</b>", "有 1 个账本的节点长期没有消息", "<bdi>" + short(oldLog) + "</bdi>",
		`href="/search?q=%E9%9B%86%E8%A3%85%E7%AE%B1&amp;stale=1"`, "一并列入",
	}, []string{"共 30 条结果"})
	if _, body, _ = get(t, h, "/search", "en"); !strings.Contains(body, "29 results") || strings.Contains(body, "Survey of elderly care") {
		t.Error("what is left out is shown")
	}
	_, body, _ = get(t, h, "/search?stale=1", "zh")
	holds(t, "with the old", body, []string{"共 30 条结果", "失联", "已列入 1 个长期没有消息的账本", `href="/search" rel="nofollow">不列入</a>`,
		"cursor=" + strings.Repeat("c", 20) + "&amp;stale=1", "filter=kind%3Aproduct&amp;stale=1", "sort=title&amp;stale=1"}, []string{"<b>未列入</b>"})
	_, body, _ = get(t, h, "/search?filter=hub:"+url.QueryEscape(portLog), "zh")
	holds(t, "one hub", body, []string{"目录节点", "<bdi>航运行业节点</bdi><i", "共 1 条结果"}, nil)
	// Space and offering of an old log say so; the space's page shows what is left
	// out elsewhere.
	_, body, _ = get(t, h, offeringURL(portSpace, someID), "zh")
	holds(t, "offering", body, []string{"较久无消息", "内容可能不是最新的", "最近一次消息：2 天前", "<bdi>航运行业节点</bdi>", portLog}, nil)
	_, body, _ = get(t, h, spaceURL(portSpace), "zh")
	holds(t, "space", body, []string{"内容可能不是最新的", `<dt>目录节点</dt><dd><a href="` + logURL(portLog) + `"`, "洋山港区"}, nil)
	for _, u := range []string{"/", "/spaces"} {
		_, body, _ = get(t, h, u, "zh")
		holds(t, u, body, []string{"来自 <bdi>航运行业节点</bdi>", `l-ageing`}, nil)
	}
	// With one log there is nothing to tell apart.
	for _, u := range []string{"/", "/search", "/spaces", spaceURL(portSpace), offeringURL(portSpace, someID)} {
		_, body, _ = get(t, pages(t, someShelf()), u, "zh")
		holds(t, u, body, nil, []string{"来自", "<dt>目录节点</dt>", "一并列入", "l-ageing"})
	}
}

// Of very many logs a page names the first, and where the others are.
func TestManyLogs(t *testing.T) {
	s := someShelf()
	for i := range 300 {
		s.coverage = append(s.coverage, view.Coverage{Hub: fmt.Sprintf("lianmu/z%d/1", i), LogSize: 1, Indexed: 1, State: view.Stale, LeftOut: true, AgeS: 1e6})
	}
	_, body, _ := get(t, pages(t, s), "/search", "zh")
	holds(t, "search", body, []string{"本页覆盖 301 个账本", `<a href="/peers">查看全部 301 个账本</a>`, "有 300 个账本", "等"}, []string{"lianmu/z40/1"})
	_, body, _ = get(t, pages(t, s), "/peers", "zh")
	holds(t, "peers", body, []string{"第 1–24 个，共 301 个", "lianmu/z22/1", `href="/peers?logs=24#logs"`}, []string{"lianmu/z23/1"})
	// The link to a log leads to the part that has it.
	_, body, _ = get(t, pages(t, s), strings.Split(logURL("lianmu/z250/1"), "#")[0], "zh")
	holds(t, "a log", body, []string{"lianmu/z250/1", `id="` + logID("lianmu/z250/1") + `"`, "第 241–264 个", `href="/peers#logs"`}, []string{"lianmu/z0/1"})
	_, body, _ = get(t, pages(t, s), "/peers?logs=288", "zh")
	holds(t, "the last", body, []string{"lianmu/z299/1", "第 289–301 个"}, []string{`rel="next"`})
}

// One product of several spaces is one hit with its listings; what only claims the
// same code is marked, with an explanation.
func TestListingsAndDisputes(t *testing.T) {
	s := threeLogs()
	hit := view.Hit{SpaceName: vocab.Text{"zh": "甲空间"}, Hit: index.Hit{ID: "urn:a", Space: citySpace, Hub: ownLog, Title: vocab.Text{"zh": "泊位"}, Product: someone, Codes: []string{someone}}}
	list := func(n int) (out []view.Listing) {
		for i := range n {
			l := view.Listing{SpaceName: vocab.Text{"zh": fmt.Sprintf("第%d空间", i+1)}, State: view.Ageing}
			l.ID, l.Space, l.Hub = fmt.Sprintf("urn:b:%d", i+1), portSpace, portLog
			out = append(out, l)
		}
		return out
	}
	few, many, claim := hit, hit, hit
	few.Listings, few.Others = list(2), 2
	few.Listings[1].Space = citySpace // each can be told by its space
	many.Listings, many.Others = list(50), 64
	claim.Conflict = true
	page := func(hits ...view.Hit) string {
		t.Helper()
		f := &fixedAnswer{shelf: s, answer: view.Answer{Total: uint64(len(hits)), Hits: hits, Coverage: s.coverage, Awaited: 2}}
		_, body, _ := get(t, newTown(t, f).handler, "/search?q=x", "zh")
		return body
	}
	holds(t, "few", page(few), []string{"另有 2 个账本刚开始镜像", "同一产品另有 2 处登记", "<bdi>第1空间</bdi></a>", "<bdi>第2空间</bdi></a>", strings.ReplaceAll(offeringURL(citySpace, "urn:b:2"), "&", "&amp;"), "来自 <a href=\"" + logURL(portLog)}, []string{"<summary>同一", "标识冲突"})
	holds(t, "many", page(many), []string{"<summary>同一产品另有 64 处登记<", `<bdi>第50空间</bdi> <bdi class="tail">urn:b:50</bdi></a>`, "<bdi>第50空间</bdi>", "只列出前 50 处"}, []string{"标识冲突"})
	holds(t, "claim", page(claim), []string{`href="` + strings.ReplaceAll(codeURL(someone), "&", "&amp;") + `"`, ">标识冲突</a>", "又不能确认都由标识码中的主体提供"}, []string{"同一产品"})
}

// The page of an offering names all that gives its code.
func TestProductOfAnOffering(t *testing.T) {
	const code = someone
	s := threeLogs()
	o := s.details[0].Offering
	o.Identifiers = []string{"not one", code}
	self := view.Hit{SpaceName: vocab.Text{"zh": "甲空间"}, Hit: index.Hit{ID: "urn:first", Space: citySpace, Hub: ownLog, Codes: []string{code}, Others: 3}}
	mine := view.Listing{SpaceName: vocab.Text{"zh": "本空间"}}
	mine.ID, mine.Space, mine.Hub = someID, portSpace, portLog
	self.Listings = []view.Listing{mine}
	claim := view.Hit{SpaceName: vocab.Text{"zh": "乙空间"}, State: view.Stale, Hit: index.Hit{ID: "urn:claim", Space: "did:key:z6MkOther", Hub: oldLog, Codes: []string{code}}}
	stranger := view.Hit{SpaceName: vocab.Text{"zh": "丙空间"}, Hit: index.Hit{ID: "urn:stranger", Space: "did:key:z6MkStranger", Hub: oldLog}}
	f := &fixedAnswer{shelf: s, answer: view.Answer{Total: 3, Hits: []view.Hit{self, claim, stranger}, Coverage: s.coverage}}
	_, body, _ := get(t, newTown(t, f).handler, offeringURL(portSpace, someID), "zh")
	holds(t, "offering", body, []string{code, "同一产品还登记在", "<bdi>甲空间</bdi>", "另有 2 处未列出", "<bdi>乙空间</bdi>", "l-stale", `href="#product">标识冲突`}, []string{"<bdi>本空间</bdi>", "丙空间"})

	// Alone, or where it cannot be found out, nothing is said.
	f.answer.Hits = []view.Hit{{Hit: index.Hit{ID: someID, Space: portSpace, Codes: []string{code}}}}
	_, body, _ = get(t, newTown(t, f).handler, offeringURL(portSpace, someID), "zh")
	holds(t, "alone", body, nil, []string{"相同的产品标识码"})
	status, body, _ := get(t, newTown(t, &speechless{s}).handler, offeringURL(portSpace, someID), "zh")
	if status != 200 || strings.Contains(body, "相同的产品标识码") {
		t.Errorf("a search that fails spoils the page: %d", status)
	}
}

// speechless knows offerings and finds nothing.
type speechless struct{ *shelf }

func (speechless) Find(context.Context, view.Question) (*view.Answer, error) {
	return nil, errors.New("the index has gone")
}

// A space that is at home elsewhere is not decided on here.
func TestSpaceElsewhere(t *testing.T) {
	s := someShelf()
	var strange strangeRegistry
	strange.state = registry.SpaceState{Space: s.spaces[0].Space, Standing: registry.Admitted, Log: portLog}
	w := newTown(t, s, func(c *Config) { c.Registry = strange })
	p := w.officer(access.Review)
	_, body, _ := p.get(spaceURL(citySpace))
	holds(t, "space", body, []string{"已准入"}, []string{"/space/act"})
	code, body, _ := p.get(actURL(citySpace, vocab.Suspension, nil))
	if code != 400 || !strings.Contains(body, "以另一个节点为主节点") {
		t.Errorf("%d: %s", code, body)
	}
}

func TestStartNamesOtherHubs(t *testing.T) {
	w := newTown(t, someShelf(), func(c *Config) {
		c.Hubs = []NamedURL{{vocab.Text{"zh": "行业节点", "en": "Industry hub"}, "http://127.0.0.1:41001"}, {vocab.Text{"zh": "坏的"}, "javascript:alert(1)"}}
	})
	_, body, _ := w.anybody().get("/")
	holds(t, "start", body, []string{"演示的其他节点", `<a href="http://127.0.0.1:41001"><bdi>行业节点</bdi></a>`}, []string{`href="javascript`})
	if _, body, _ := newTown(t, someShelf()).anybody().get("/"); strings.Contains(body, "演示的其他节点") {
		t.Error("hubs that there are not")
	}
}

func TestAgo(t *testing.T) {
	zh := &tongue{lang: "zh", words: map[string]string{"ago.seconds": "%d s", "ago.minutes": "%d m", "ago.hours": "%d h", "ago.days": "%d d"}}
	for s, want := range map[int64]string{-5: "0 s", 0: "0 s", 59: "59 s", 60: "1 m", 3599: "59 m", 3600: "1 h", 86399: "23 h", 86400: "1 d", 6 * 86400: "6 d"} {
		if got := zh.ago(s); got != want {
			t.Errorf("%d: %q, want %q", s, got, want)
		}
	}
}

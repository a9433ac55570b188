package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity/identitytest"
	"lianmu/hub/access"
	"lianmu/hub/admission"
	"lianmu/hub/audit"
	"lianmu/hub/intake"
	"lianmu/vocab"
)

var (
	regexpDescriptor = regexp.MustCompile(`name="descriptor" value="([0-9a-f]{64})"`)
	regexpRefusal    = regexp.MustCompile(`at=([0-9]+)"`)
	regexpNext       = regexp.MustCompile(`rel="next" href="([^"]+)"`)
)

// holds checks a page for what it must and must not say.
func holds(t *testing.T, what, body string, has, hasNot []string) {
	t.Helper()
	for _, s := range has {
		if !strings.Contains(body, s) {
			t.Errorf("%s lacks %q in:\n%s", what, s, body)
		}
	}
	for _, s := range append(hasNot, "%!", "<no value>", "ZgotmplZ", "style=", "[act.", "[done.", "[standing.", "[effect.", "[outcome.") {
		if strings.Contains(body, s) {
			t.Errorf("%s holds %q", what, s)
		}
	}
}

// Every page of an office, seen by everybody: who has the right sees it, nobody
// is asked to sign in, others are told whose office it is.
func TestOfficesAndTheirPages(t *testing.T) {
	w := peerTown(t)
	did := url.QueryEscape(citySpace)
	space := identitytest.Key(t)
	w.act(vocab.Act{Verb: vocab.Admission, Space: space.DID(), By: "officer"})
	for _, c := range []struct {
		page  string
		right access.Right
		says  string // whose office it is
	}{
		{"/admin", access.RolesRead, "系统管理员"},
		{"/admin/waiting", access.SpaceAdmit, "业务审核员"},
		{"/admin/invitations", access.SpaceAdmit, "业务审核员"},
		{"/admin/proposals", access.Approve, "安全管理员"},
		{"/admin/quarantine", access.QuarantineRead, "监管"},
		{"/admin/audit", access.AuditRead, "审计管理员"},
		{"/space/act?verb=Suspension&did=" + did, access.SpaceSuspend, "安全管理员"},
		{"/space/act?verb=KeyCompromise&did=" + did, access.SpaceKeys, "安全管理员"},
		{"/space/act?verb=Removal&did=" + did, access.OfferingRemove, "业务审核员"},
		{"/space/act?verb=Admission&did=" + did, access.SpaceAdmit, "业务审核员"},
		{peerURL(w.peers[0].DID), access.PeerRead, "监管"},
		{"/peers/add", access.PeerManage, "安全管理员"},
		{peerActURL("pause", w.peers[0].DID, ""), access.PeerManage, "安全管理员"},
		{peerActURL("approve", w.peers[0].DID, ""), access.PeerManage, "安全管理员"},
	} {
		for role, key := range w.keys {
			code, body, head := w.signedIn(key).get(c.page)
			if want := map[bool]int{true: 200, false: 403}[role.May(c.right)]; code != want {
				t.Errorf("%s for %s: %d, want %d", c.page, role, code, want)
			} else if want == 403 {
				holds(t, c.page, body, []string{"此事由以下职务办理", c.says, "换一个身份登录", c.right.Name()["zh"]}, nil)
			}
			if head.Get("Cache-Control") != "no-store" {
				t.Errorf("%s for %s may be kept: %q", c.page, role, head.Get("Cache-Control"))
			}
		}
		code, body, _ := w.anybody().get(c.page)
		if code != 401 {
			t.Errorf("%s for nobody: %d", c.page, code)
		}
		holds(t, c.page, body, []string{`action="/session"`, c.says, `name="next" value="` + strings.ReplaceAll(c.page, "&", "&amp;") + `"`}, nil)
		if code, _, _ := w.signedIn(space).get(c.page); code != 403 {
			t.Errorf("%s for a space: %d", c.page, code)
		}
	}
}

func TestSignIn(t *testing.T) {
	w := newTown(t, someShelf(), func(c *Config) { c.Provider = "id.example" })
	p := w.anybody()
	code, body, _ := p.get("/sign-in?next=" + url.QueryEscape("/admin/audit?act=x"))
	if code != 200 {
		t.Fatal(code)
	}
	holds(t, "sign-in", body, []string{"lianmu token --key FILE --audience " + w.hub.DID(), "lianmu token --session --key FILE --audience " + w.hub.DID(), "用 id.example 登录",
		`href="/oidc/start?next=%2Fadmin%2Faudit%3Fact%3Dx"`, `value="/admin/audit?act=x"`, "演示环境"}, []string{"退出登录"})
	if _, body, _ := newTown(t, someShelf()).anybody().get("/sign-in"); strings.Contains(body, "/oidc/start") {
		t.Error("a provider that there is not")
	}
	// A token that is no good: said on the page, not as JSON.
	for token, says := range map[string]string{"": "没有收到令牌", "<script>": "没有收到令牌", "a.b.c": "令牌"} {
		code, body, head := p.post("/session", url.Values{"token": {token}, "next": {`/"><script>`}})
		if code != 401 || !strings.HasPrefix(head.Get("Content-Type"), "text/html") || head.Get("Content-Security-Policy") != contentPolicy {
			t.Errorf("token %q: %d %s", token, code, head.Get("Content-Type"))
		}
		holds(t, "failed sign-in", body, []string{says, `role="alert"`}, nil)
		checkMarkup(t, "/session", body)
	}
	// Signed in: who one is, on every page; and out again.
	p = w.officer(access.Review)
	_, body, _ = p.get("/search")
	holds(t, "search", body, []string{"业务审核员", `href="/admin"`, `action="/session/end"`, short(w.keys[access.Review].DID())}, []string{`href="/sign-in?next`})
	_, body, _ = p.get("/sign-in")
	holds(t, "sign-in", body, []string{"当前身份", "准入", "查看全部可见范围"}, []string{"查看审计记录、"})
	if code, body, _ := p.post("/session/end", url.Values{"csrf": {"wrong"}}); code != 403 || !strings.Contains(body, "页面已过期") {
		t.Errorf("signed out by a forged form: %d", code)
	}
	if code, _, _ := p.submit("/", "/session/end", url.Values{}); code != 303 {
		t.Errorf("signing out: %d", code)
	}
	if _, body, _ := p.get("/"); strings.Contains(body, "退出登录") {
		t.Error("still signed in")
	}
}

// A session that has ended is said, once, with the way back in.
func TestSessionOver(t *testing.T) {
	w := newTown(t, someShelf())
	p := w.anybody()
	p.cookie = []*http.Cookie{{Name: "lianmu", Value: "gone"}}
	code, body, head := p.get("/spaces")
	if code != 401 || !strings.Contains(body, "登录已失效") || !strings.Contains(body, `value="/spaces"`) || !strings.Contains(head.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("%d, cookie %q: %s", code, head.Get("Set-Cookie"), body)
	}
}

func TestJoin(t *testing.T) {
	for open, says := range map[bool]string{true: "不需要准入", false: "运营方准入后"} {
		w := newTown(t, someShelf(), func(c *Config) { c.Open = open })
		_, body, _ := w.anybody().get("/join")
		holds(t, "join", body, []string{says, "lianmu join http://example.com --invite CODE", "data-invite", w.hub.DID(), "统一社会信用代码"}, nil)
		_, body, _ = w.anybody().get("/about")
		if strings.Contains(body, `href="/join"`) == open {
			t.Errorf("open %v: /about is wrong about joining", open)
		}
	}
}

// What a form without the session's token, or from elsewhere, would do is not done.
func TestFormsNeedTheirToken(t *testing.T) {
	w := newTown(t, someShelf())
	p := w.officer(access.Review)
	for path, form := range map[string]url.Values{
		"/space/act":                {"verb": {"Suspension"}, "did": {citySpace}, "reason": {"x"}, "confirm": {"yes"}},
		"/admin/invitations":        {"days": {"3"}},
		"/admin/invitations/revoke": {"id": {"a"}},
		"/admin/proposals":          {"id": {"a"}, "confirm": {"yes"}},
	} {
		for _, token := range []string{"", "wrong"} {
			form.Set("csrf", token)
			if code, body, _ := p.post(path, form); code != 403 || !strings.Contains(body, "操作没有执行") {
				t.Errorf("%s with token %q: %d", path, token, code)
			}
		}
		if code, _, _ := w.anybody().post(path, form); code != 401 {
			t.Errorf("%s by nobody: %d", path, code)
		}
		if code, _, _ := w.officer(access.Audit).submit("/", path, form); code != 403 {
			t.Errorf("%s by an auditor: %d", path, code)
		}
	}
	if len(w.ordered)+len(w.invited)+len(w.revoked)+len(w.approved) > 0 {
		t.Error("something was done")
	}
	if len(w.refusals) == 0 {
		t.Error("the trail heard of no refusal")
	}
	if code, _, _ := p.post("/space/act", url.Values{"reason": {strings.Repeat("x", maxForm)}}); code != 413 {
		t.Errorf("too large a form: %d", code)
	}
	if code, _, head := p.post("/admin/waiting", url.Values{}); code != 405 || head.Get("Allow") != "GET, HEAD" {
		t.Errorf("a form to a page that takes none: %d %q", code, head.Get("Allow"))
	}
	if code, _, head := p.do("DELETE", "/space/act", nil); code != 405 || head.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("DELETE: %d %q", code, head.Get("Allow"))
	}
}

func TestWaitingAndInvitations(t *testing.T) {
	w := newTown(t, someShelf())
	p := w.officer(access.Review)
	for i := range waitingShown + 1 {
		did := identitytest.Key(t).DID()
		a := admission.Applicant{DID: did, Digest: vocab.DigestOf([]byte{byte(i)}), Presented: today, Space: vocab.Space{DID: did, Name: vocab.Text{"zh": "申请的空间"}}}
		if i == 0 {
			a.Invitation, a.Note = "0123", "上海局推荐"
			a.Space.Operator = vocab.Agent{Name: vocab.Text{"zh": "某公司"}, Code: "91512081MA62K0260E"}
			a.Space.Endpoints = []vocab.Endpoint{{Type: "dsp", URL: "https://space.example/dsp"}, {Type: "x", URL: "javascript:alert(1)"}}
			a.Space.Keys, a.Space.Audience = []string{did}, vocab.AudiencePublic
			a.Odd = vocab.Problems{vocab.NewProblem("/name", "odd.name", "名称相同", "same name")}
		}
		w.waiting = append(w.waiting, a)
	}
	_, body, _ := p.get("/admin/waiting")
	holds(t, "waiting", body, []string{"共有 21 个空间等待准入", "上海局推荐", "名称相同", "91512081MA62K0260E", `href="https://space.example/dsp"`, "javascript:alert(1)", "受邀", "未受邀",
		"verb=Admission", "descriptor=" + w.waiting[0].Digest.String(), `href="/admin/waiting?from=20"`}, []string{`href="javascript`})
	if _, body, _ := p.get("/admin/waiting?from=20"); strings.Count(body, "applicant") != 1 {
		t.Error("the last page has not one applicant")
	}
	for _, from := range []string{"-1", "x", "9999999", "99999999999999999999999"} {
		if code, _, _ := p.get("/admin/waiting?from=" + from); code != 200 {
			t.Errorf("from %s: %d", from, code)
		}
	}
	if _, body, _ := p.get("/admin"); !strings.Contains(body, "21 件") {
		t.Error("the overview does not count who waits")
	}
	code, body, head := p.submit("/admin/invitations", "/admin/invitations", url.Values{"note": {"for <b>them</b>"}, "days": {"3"}})
	if code != 200 || head.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %q", code, head.Get("Cache-Control"))
	}
	holds(t, "made", body, []string{"ABCDEFGHJKLMNPQRSTUV", "https://hub.example/join#ABCDEFGHJKLMNPQRSTUV", "lianmu join &#39;https://hub.example/join#", "for &lt;b&gt;them", `href="/admin/invitations?lang=en"`}, nil)
	if got := w.invited[0].Expires.Sub(today); got != 72*time.Hour {
		t.Errorf("holds %v", got)
	}
	if _, body, _ := p.get("/admin/invitations"); strings.Contains(body, "ABCDEFGHJK") || !strings.Contains(body, "撤销</button>") {
		t.Error("the code is shown again, or cannot be revoked")
	}
	for _, days := range []string{"", "0", "366", "x"} {
		if code, body, _ := p.submit("/admin/invitations", "/admin/invitations", url.Values{"days": {days}, "note": {"keep me"}}); code != 400 || !strings.Contains(body, "1 到 365") || !strings.Contains(body, `value="keep me"`) {
			t.Errorf("days %q: %d", days, code)
		}
	}
	if _, _, head := p.submit("/admin/invitations", "/admin/invitations/revoke", url.Values{"id": {"0123456789ab"}}); head.Get("Location") != "/admin/invitations?done=revoked" || w.revoked[0] != "0123456789ab" {
		t.Errorf("revoked %v", w.revoked)
	}
}

// Paging through the quarantine shows each refusal that the filters take once.
func TestQuarantinePages(t *testing.T) {
	w := newTown(t, someShelf())
	for i := 250; i >= 1; i-- {
		item := intake.Quarantined{Sequence: uint64(i), ReceivedAt: today, Bytes: 1200, Problems: vocab.Problems{vocab.NewProblem("/a", "json.syntax", "第 %d 份写错了", "no. %d is wrong", i)}}
		if i%10 == 0 {
			item.Space, item.Problems[0].Code, item.Document = citySpace, "proof.expired", []byte(`{"x":"</pre><script>"}`)
		}
		w.refused = append(w.refused, item)
	}
	p := w.officer(access.Regulator)
	for filter, want := range map[string]int{"": 250, "code=proof": 25, "code=proof.expired&space=" + url.QueryEscape(citySpace): 25, "code=pro": 0, "space=did:key:nobody": 0} {
		seen := map[string]int{}
		at := "/admin/quarantine?" + filter
		for pages := 0; at != "" && pages < 20; pages++ {
			_, body, _ := p.get(at)
			for _, m := range regexpRefusal.FindAllStringSubmatch(body, -1) {
				seen[m[1]]++
			}
			at = ""
			if m := regexpNext.FindStringSubmatch(body); m != nil {
				at = strings.ReplaceAll(m[1], "&amp;", "&")
			}
		}
		if len(seen) != want {
			t.Errorf("%s: %d refusals, want %d", filter, len(seen), want)
		}
		for n, times := range seen {
			if times != 1 {
				t.Errorf("%s: no. %s was shown %d times", filter, n, times)
			}
		}
	}
	_, body, _ := p.get("/admin/quarantine?at=20")
	holds(t, "one", body, []string{"第 20 份写错了", "proof.expired", "&lt;/pre&gt;&lt;script&gt;", "1.2 KB", citySpace}, nil)
	checkMarkup(t, "one", body)
	if _, body, _ := p.get("/admin/quarantine?at=21"); !strings.Contains(body, "正文没有保留") {
		t.Error("that the document is not kept should be said")
	}
	_, body, _ = w.officer(access.Security).get("/admin/quarantine?at=20")
	holds(t, "one, to an office that may not see every audience", body, []string{"proof.expired", "您无权查看", "正文只对"}, []string{"第 20 份写错了", "&lt;/pre&gt;", "正文没有保留"})
	if code, _, _ := p.get("/admin/quarantine?at=999"); code != 404 {
		t.Errorf("no. 999: %d", code)
	}
}

// What the trail says of an export, of rights, of ways to come and of people is in
// words; what no words are known for is shown as it is.
func TestTrailInWords(t *testing.T) {
	w := newTown(t, someShelf())
	const whole = "91512081MA62K0260E/alice/abcdefghij"
	for i, r := range []audit.Record{
		{Act: "audit.export", Object: "../..", Via: "token"},
		{Act: "audit.export", Object: "", Via: "session"},
		{Act: "audit.export", Object: "2026-11-01T00:00:00Z/..", Via: "anonymous"},
		{Act: "audit.export", Object: "../2026-11-02T00:00:00Z", Via: "carrier pigeon"},
		{Act: "audit.export", Object: "2026-11-03T00:00:00Z/2026-11-04T00:00:00Z"},
		{Act: "audit.export", Object: "something else"},
		{Act: "peer.manage", Who: whole, Detail: "细节"},
		{Act: "space.decide", Who: "91512081MA62K0260E/op-07@" + w.hub.DID(), Object: "../.."},
	} {
		r.Sequence, r.Time, r.Outcome = uint64(i+1), today, audit.Refused
		w.records = append(w.records, r)
	}
	_, body, _ := w.officer(access.Audit).get("/admin/audit")
	holds(t, "trail", body, []string{
		">全部记录<", ">2026-11-01 08:00:00 起<", ">2026-11-02 08:00:00 之前<", "2026-11-03 08:00:00 – 2026-11-04 08:00:00", ">something else<", ">令牌<", ">网页登录<", ">未登录<",
		">carrier pigeon<", "导出审计记录", "管理对等节点", "就空间作出决定", ">" + whole + "<", ">91512081MA62K0260E/op-07@" + short(w.hub.DID()) + "<", `<tr class="rest"><td></td><td colspan="5"><bdi>细节</bdi>`,
	}, []string{"via."})
	if n := strings.Count(body, ">全部记录<"); n != 2 {
		t.Errorf("%d exports of everything, want 2", n)
	}
	_, body, _ = w.officer(access.Audit).get("/admin/audit?lang=en")
	holds(t, "trail", body, []string{">the whole trail<", ">from 2026-11-01 08:00:00<", ">before 2026-11-02 08:00:00<", ">by token<", ">signed in<", ">not signed in<", "Export the audit trail", "manage the peers"}, []string{"via."})
}

// Officers see who holds which office; nobody else gets to that page.
func TestHoldersOfOffices(t *testing.T) {
	w := newTown(t, someShelf())
	for role := range w.keys {
		_, body, _ := w.officer(role).get("/admin")
		for _, key := range w.keys {
			if !strings.Contains(body, `title="`+key.DID()+`"`) {
				t.Errorf("%s does not see %s", role, key.DID())
			}
		}
		holds(t, "overview", body, []string{"任职情况"}, nil)
	}
}

func TestTrailPages(t *testing.T) {
	w := newTown(t, someShelf())
	for i := 120; i >= 1; i-- {
		w.records = append(w.records, audit.Record{Sequence: uint64(i), Time: today, Who: "org/op-07", Role: "review", Via: "session", From: "192.0.2.1",
			Act: "space.admit", Object: citySpace, Outcome: audit.Done, Detail: "第几条", Hash: vocab.DigestOf([]byte{byte(i)})})
	}
	p := w.officer(access.Audit)
	n, at := 0, "/admin/audit?act=space.admit"
	for pages := 0; at != "" && pages < 10; pages++ {
		_, body, _ := p.get(at)
		n += strings.Count(body, `<tr id="r`)
		holds(t, "trail", body, []string{"准入空间", "org/op-07", "192.0.2.1", "第 120 号", w.records[0].Hash.String()}, nil)
		at = ""
		if m := regexpNext.FindStringSubmatch(body); m != nil {
			at = strings.ReplaceAll(m[1], "&amp;", "&")
		}
	}
	if n != 120 {
		t.Errorf("%d records, want 120", n)
	}
	_, body, _ := p.get("/admin/audit?who=a&act=space&outcome=refused&since=2026-11-20&until=2026-11-21")
	want := audit.Filter{Who: "a", Act: "space", Outcome: audit.Refused, Since: time.Date(2026, 11, 20, 0, 0, 0, 0, beijing), Until: time.Date(2026, 11, 22, 0, 0, 0, 0, beijing)}
	if w.filter.Who != want.Who || w.filter.Act != want.Act || w.filter.Outcome != want.Outcome || !w.filter.Since.Equal(want.Since) || !w.filter.Until.Equal(want.Until) {
		t.Errorf("asked for %+v", w.filter)
	}
	holds(t, "filtered", body, []string{`href="/api/v1/audit/export?since=2026-11-19T16%3A00%3A00Z&amp;until=2026-11-21T16%3A00%3A00Z"`, `value="refused" selected`, `value="2026-11-20"`}, []string{"校验通过"})
	if _, body, _ := p.get("/admin/audit?since=tomorrow"); !strings.Contains(body, "日期应写成") {
		t.Error("a day that is none should be said")
	}
	w.report = audit.Report{Records: 120, First: 1, Last: 120, To: today, Hash: vocab.DigestOf(nil), Unfinished: []uint64{7}}
	_, body, _ = p.get("/admin/audit?verify=1")
	holds(t, "verified", body, []string{"校验通过", "截至 2026-11-21 11:00:00", vocab.DigestOf(nil).String(), "有 1 项操作只见开始"}, []string{"校验没有通过"})
	w.broken = vocab.Problems{vocab.NewProblem("", "audit.broken", "第 9 条有问题", "record 9 is at fault")}
	_, body, _ = p.get("/admin/audit?verify=1")
	holds(t, "broken", body, []string{"校验没有通过", "第 9 条有问题"}, []string{"校验通过"})
}

package web

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"lianmu/federation/identity"
	"lianmu/federation/registry"
	"lianmu/hub/access"
	"lianmu/hub/admission"
	"lianmu/hub/audit"
	"lianmu/hub/intake"
	"lianmu/hub/view"
	"lianmu/hub/web/webtest"
	"lianmu/vocab"
)

// busyTown has something on each page of an office.
func busyTown(t *testing.T) *town {
	s := someShelf()
	space := newKey(t)
	full := vocab.Space{DID: space.DID(), Name: vocab.Text{"zh": "东海航运可信数据空间（演示）", "en": "East Sea Shipping Space (demo)"}, Type: term("industry", "行业", "Industry"),
		Description: vocab.Text{"zh": "演示数据。港口、船公司和货代共享在途数据。"}, Operator: vocab.Agent{Name: vocab.Text{"zh": "演示航运数据有限公司"}, Code: "91512081MA62K0260E"},
		Region: term("3100", "上海市", "Shanghai"), Industry: term("G", "交通运输、仓储和邮政业", "Transport"), Contact: "mailto:desk@space.example", Homepage: "https://space.example/",
		Roles:     []vocab.Term{term("operator", "运营方", "Operator"), term("service", "服务方", "Service")},
		Endpoints: []vocab.Endpoint{{Type: "dsp", URL: "https://space.example/dsp/2025-1"}, {Type: "ndi", URL: "https://space.example/ndi"}},
		Keys:      []string{space.DID(), newKey(t).DID()}, Audience: vocab.AudienceRecognised, Schemes: []string{"https://space.example/rules/identity-2026"}}
	w := newTown(t, s)
	w.act(vocab.Act{Verb: vocab.Admission, Space: space.DID(), By: "officer", Reason: "资料齐全"})
	w.log(registry.Entry{Fact: vocab.Fact{Kind: vocab.KindSpace, Space: space.DID(), ID: space.DID()}, Space: &full})
	for i := range 3 {
		id := fmt.Sprint("urn:p:", i)
		w.log(registry.Entry{Fact: vocab.Fact{Kind: vocab.KindParticipant, Space: space.DID(), ID: id}, Participant: &vocab.Participant{ID: id, Code: "12430000MB0L046927",
			Name: vocab.Text{"zh": "演示物流有限公司"}, Roles: []vocab.Term{term("provider", "提供方", "Provider")}, Level: term("2", "二级", "Level 2"), Audience: vocab.AudiencePublic, ValidUntil: today.AddDate(1, 0, 0)}})
	}
	w.act(vocab.Act{Verb: vocab.KeyCompromise, Space: space.DID(), Key: full.Keys[1], From: 99, By: "officer"})
	w.act(vocab.Act{Verb: vocab.Suspension, Space: portSpace, Reason: "正在核查运营资质，预计 3 个工作日", By: "officer"})
	s.spaces = append(s.spaces, view.SpaceSummary{Space: full, LastEntry: today})
	other := full
	other.DID, other.Name = newKey(t).DID(), vocab.Text{"zh": "浦江新区城市可信数据空间（演示）", "en": "Pujiang City Space (demo)"}
	w.waiting = []admission.Applicant{
		{DID: other.DID, Space: other, Digest: vocab.DigestOf([]byte("a")), Presented: today, Created: today, Expires: today.AddDate(1, 0, 0), Invitation: "3f2a9c01b7de", Note: "市数据局推荐，联系人：数据处值班室"},
		{DID: newKey(t).DID(), Space: vocab.Space{DID: newKey(t).DID(), Name: vocab.Text{"zh": "东海航运可信数据空间（演示）"}, Endpoints: []vocab.Endpoint{{URL: "http://10.0.0.8/dsp"}}}, Digest: vocab.DigestOf([]byte("b")), Presented: today, Created: today,
			Odd: vocab.Problems{vocab.NewProblem("/name", "odd.name", "名称与已准入的空间相同。", "The name is that of an admitted space."), vocab.NewProblem("/operator", "odd.operator", "没有写明运营方。", "It does not say who operates it.")}},
	}
	w.invited = []admission.Invitation{{ID: "3f2a9c01b7de", Note: "市数据局推荐", By: w.keys[access.Review].DID(), Created: today, Expires: today.AddDate(0, 0, 14)}, {ID: "99aa", By: "91512081MA62K0260E/op-07", UsedBy: space.DID(), Expires: today}}
	w.proposed = []admission.Proposal{{ID: "k3m5q7", Act: "offering.remove", Space: citySpace, Reason: "整批数据已停止更新", Offerings: []string{"https://city.example/d/a", "https://city.example/d/b"}, By: w.keys[access.Security].DID(), Created: today, Expires: today.AddDate(0, 0, 7)}}
	w.answer = admission.Result{Total: 2, Taken: []admission.Taken{{Index: 41, Kind: "offering", ID: "https://space.example/data/ships-in-port"}, {Index: 57, Kind: "space", ID: space.DID()}}}
	for i := 12; i >= 1; i-- {
		r := audit.Record{Sequence: uint64(i), Time: today.Add(-time.Duration(12-i) * time.Minute), Who: w.keys[access.Review].DID(), Role: "review", Via: "session", From: "192.0.2.17", Act: "space.admit", Object: space.DID(), Outcome: audit.Done, Of: uint64(i - 1), Detail: "descriptor " + vocab.DigestOf(nil).String(), Hash: vocab.DigestOf([]byte{byte(i)})}
		switch i % 4 {
		case 1:
			r.Outcome, r.Of, r.Detail = audit.Begun, 0, ""
		case 2:
			r = audit.Record{Sequence: r.Sequence, Time: r.Time, Who: "anonymous", From: "203.0.113.9", Act: "token", Outcome: audit.Refused, Code: "access.unauthenticated", Count: 128, Since: r.Time.Add(-time.Minute)}
		}
		w.records = append(w.records, r)
	}
	w.report = audit.Report{Records: 12, First: 1, Last: 12, To: today, Hash: vocab.DigestOf([]byte{12})}
	w.refused = []intake.Quarantined{
		{Sequence: 2, ReceivedAt: today, Space: citySpace, ID: "https://city.example/d/x", Bytes: 2048, Digest: vocab.DigestOf([]byte("x")), Document: []byte(`{"@id":"https://city.example/d/x","标题":""}`), Problems: vocab.Problems{vocab.NewProblem("/标题", "missing.title", "缺少标题，请填写。", "There is no title: give one.")}},
		{Sequence: 1, ReceivedAt: today, Bytes: 99, Problems: vocab.Problems{vocab.NewProblem("", "json.syntax", "不是合法的 JSON，第 3 行第 9 列附近有误。", "Not valid JSON near line 3, column 9.")}},
	}
	return w
}

// The pages of offices, each as its officer sees it, are as wide as the screen
// and no wider; signing in goes by the page itself.
func TestBrowserOffices(t *testing.T) {
	ctx := webtest.Browser(t)
	w := busyTown(t)
	server := httptest.NewServer(w.handler)
	defer server.Close()
	space := spaceURL(w.waiting[0].Space.Keys[0])
	name := func(r access.Role) string {
		token, err := identity.NewToken(w.keys[r], w.hub.DID(), time.Now(), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	do := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatal(err)
		}
	}
	look := looking(t, ctx, server.URL)
	look("sign-in", "/sign-in")
	look("join", "/join")
	do(chromedp.Navigate("about:blank"), chromedp.Navigate(server.URL+"/join#abcd-efgh-jkmn-pqrs-tuvw"))
	filled, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.querySelector("[data-invite] code").textContent.includes("--invite ABCD-EFGH-JKMN-PQRS-TUVW ") && document.querySelector("[data-invite-hint]").hidden`))
	if err != nil || !filled {
		t.Errorf("the invitation's code was not filled in (%v)", err)
	}
	do(chromedp.Navigate("about:blank"), chromedp.Navigate(server.URL+"/join#<img src=x>"))
	if clean, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.querySelector("[data-invite] code").textContent.includes("--invite CODE ") && !document.querySelector("[data-invite] img")`)); err != nil || !clean {
		t.Errorf("what is no code was filled in (%v)", err)
	}
	for _, visit := range []struct {
		role  access.Role
		pages [][2]string
	}{
		{access.Review, [][2]string{{"admin", "/admin"}, {"waiting", "/admin/waiting"}, {"invitations", "/admin/invitations"}, {"proposals", "/admin/proposals"}, {"space", space}, {"spaces", "/spaces"},
			{"suspended", spaceURL(portSpace)}, {"quarantine", "/admin/quarantine"}, {"refused", "/admin/quarantine?at=2"}, {"suspend", actURL(citySpace, vocab.Suspension, nil)},
			{"admit", actURL(w.waiting[0].DID, vocab.Admission, url.Values{"descriptor": {w.waiting[0].Digest.String()}})}, {"remove", actURL(citySpace, vocab.Removal, nil)}, {"myself", "/sign-in"}}},
		{access.Security, [][2]string{{"compromise", actURL(w.waiting[0].Space.Keys[0], vocab.KeyCompromise, nil)}, {"replace", actURL(citySpace, vocab.KeyReplacement, nil)}}},
		{access.Audit, [][2]string{{"audit", "/admin/audit?verify=1"}}},
	} {
		do(chromedp.Navigate(server.URL+"/sign-in?next=/admin"), chromedp.SendKeys(chromedp.CSS("#token"), name(visit.role)), chromedp.Click(chromedp.CSS(".form .button")), chromedp.WaitVisible(chromedp.CSS(`nav a[aria-current][href="/admin"]`)))
		for _, p := range visit.pages {
			look(p[0], p[1])
		}
	}
	do(chromedp.Navigate(server.URL+"/about"), chromedp.Click(chromedp.CSS(".me button")), chromedp.WaitVisible(chromedp.CSS(`a[href^="/sign-in"]`)))
}

// looking returns what shows a page in both languages on a wide and a narrow screen,
// and fails where it is wider than that. With PICTURES=DIR the pages are also kept
// as pictures to look at, in light and dark.
func looking(t *testing.T, ctx context.Context, site string) func(what, path string) {
	dir := os.Getenv("PICTURES")
	// English is the wider language, so it is looked at on the narrow screen.
	views := []struct {
		lang   string
		width  int64
		scheme string
	}{{"zh", 1280, "light"}, {"en", 360, "light"}}
	if dir != "" {
		views = append(views, views[0], views[1])
		views[2].scheme, views[3].scheme = "dark", "dark"
	}
	return func(what, path string) {
		t.Helper()
		for _, v := range views {
			dark := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: v.scheme}}}
			if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, dark); err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(site + path)
			if err != nil {
				t.Fatal(err)
			}
			args := u.Query()
			args.Set("lang", v.lang)
			u.RawQuery = args.Encode()
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(v.width, 900), chromedp.Navigate(u.String())); err != nil {
				t.Fatal(err)
			}
			wide, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > document.documentElement.clientWidth`))
			if err != nil {
				t.Fatal(err)
			}
			if wide {
				t.Errorf("%s (%s) is wider than a screen of %d", what, v.lang, v.width)
			}
			if dir == "" {
				continue
			}
			picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", what, v.width, v.scheme)), picture, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

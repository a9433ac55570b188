package web

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"lianmu/federation/identity/identitytest"
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
	space := identitytest.Key(t)
	full := vocab.Space{DID: space.DID(), Name: vocab.Text{"zh": "东海航运可信数据空间（演示）", "en": "East Sea Shipping Space (demo)"}, Type: term("industry", "行业", "Industry"),
		Description: vocab.Text{"zh": "演示数据。港口、船公司和货代共享在途数据。"}, Operator: vocab.Agent{Name: vocab.Text{"zh": "演示航运数据有限公司"}, Code: "91512081MA62K0260E"},
		Region: term("3100", "上海市", "Shanghai"), Industry: term("G", "交通运输、仓储和邮政业", "Transport"), Contact: "mailto:desk@space.example", Homepage: "https://space.example/",
		Roles:     []vocab.Term{term("operator", "运营方", "Operator"), term("service", "服务方", "Service")},
		Endpoints: []vocab.Endpoint{{Type: "dsp", URL: "https://space.example/dsp/2025-1"}, {Type: "ndi", URL: "https://space.example/ndi"}},
		Keys:      []string{space.DID(), identitytest.Key(t).DID()}, Audience: vocab.AudienceRecognised, Schemes: []string{"https://space.example/rules/identity-2026"}}
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
	other.DID, other.Name = identitytest.Key(t).DID(), vocab.Text{"zh": "浦江新区城市可信数据空间（演示）", "en": "Pujiang City Space (demo)"}
	w.waiting = []admission.Applicant{
		{DID: other.DID, Space: other, Digest: vocab.DigestOf([]byte("a")), Presented: today, Created: today, Expires: today.AddDate(1, 0, 0), Invitation: "3f2a9c01b7de", Note: "市数据局推荐，联系人：数据处值班室"},
		{DID: identitytest.Key(t).DID(), Space: vocab.Space{DID: identitytest.Key(t).DID(), Name: vocab.Text{"zh": "东海航运可信数据空间（演示）"}, Endpoints: []vocab.Endpoint{{URL: "http://10.0.0.8/dsp"}}}, Digest: vocab.DigestOf([]byte("b")), Presented: today, Created: today,
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
	b := webtest.Start(t)
	w := busyTown(t)
	server := httptest.NewServer(w.handler)
	defer server.Close()
	space := spaceURL(w.waiting[0].Space.Keys[0])
	b.Look("sign-in", server.URL+"/sign-in")
	b.Look("join", server.URL+"/join")
	b.Open("about:blank")
	b.Open(server.URL + "/join#abcd-efgh-jkmn-pqrs-tuvw")
	if !b.Holds(`document.querySelector("[data-invite] code").textContent.includes("--invite ABCD-EFGH-JKMN-PQRS-TUVW ") && document.querySelector("[data-invite-hint]").hidden`) {
		t.Error("the invitation's code was not filled in")
	}
	b.Open("about:blank")
	b.Open(server.URL + "/join#<img src=x>")
	if !b.Holds(`document.querySelector("[data-invite] code").textContent.includes("--invite CODE ") && !document.querySelector("[data-invite] img")`) {
		t.Error("what is no code was filled in")
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
		w.signIn(b, server.URL, visit.role, "/admin")
		for _, p := range visit.pages {
			b.Look(p[0], server.URL+p[1])
		}
	}
	b.Open(server.URL + "/about")
	b.Click(".me button")
	b.See(`a[href^="/sign-in"]`)
}

// signIn has an officer sign in on the page of this site, and go on to a page that
// the navigation has.
func (w *town) signIn(b *webtest.Browser, site string, role access.Role, next string) {
	w.t.Helper()
	b.Open(site + "/sign-in?lang=zh&next=" + next)
	b.Type("#token", w.token(w.keys[role]))
	b.Click(".form .button")
	b.See(`nav a[aria-current][href="` + next + `"]`)
}

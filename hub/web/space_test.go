package web

import (
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/federation/registry"
	"lianmu/hub/access"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// A space says all about itself; what is inside it only its own see.
func TestSpaceInFull(t *testing.T) {
	s := someShelf()
	w := newTown(t, s)
	space, second := identitytest.Key(t), identitytest.Key(t)
	full := vocab.Space{DID: space.DID(), Name: vocab.Text{"zh": "全的空间"}, Type: term("city", "城市", "City"), Operator: vocab.Agent{Name: vocab.Text{"zh": "运营公司"}, Code: "91512081MA62K0260E"},
		Region: term("3100", "上海市", "Shanghai"), Industry: term("G", "交通运输", "Transport"), Contact: "mailto:desk@space.example", Homepage: "https://space.example/",
		Roles: []vocab.Term{term("operator", "运营方", "Operator")}, Endpoints: []vocab.Endpoint{{Type: "dsp", URL: "https://space.example/dsp"}, {Type: "nats", URL: "nats://space.example"}},
		Keys: []string{space.DID(), second.DID()}, Audience: vocab.AudienceRecognised, Schemes: []string{"https://space.example/rules"}}
	w.act(vocab.Act{Verb: vocab.Admission, Space: space.DID(), By: "officer", Reason: "齐全"})
	w.log(registry.Entry{Fact: vocab.Fact{Kind: vocab.KindSpace, Space: space.DID(), ID: space.DID()}, Space: &full})
	for i, a := range []vocab.Audience{vocab.AudiencePublic, "", vocab.AudienceSpace} {
		id := "urn:p:" + string(rune('a'+i))
		w.log(registry.Entry{Fact: vocab.Fact{Kind: vocab.KindParticipant, Space: space.DID(), ID: id},
			Participant: &vocab.Participant{ID: id, Code: "9143000066397111" + string(rune('0'+i)) + "0", Name: vocab.Text{"zh": "主体" + string(rune('甲'+rune(i)))}, Audience: a, ValidUntil: today.AddDate(0, 0, -1)}})
	}
	w.act(vocab.Act{Verb: vocab.KeyCompromise, Space: space.DID(), Key: second.DID(), From: 99, By: "officer"})
	s.spaces = append(s.spaces, view.SpaceSummary{Space: full})
	page := spaceURL(space.DID())
	_, body, _ := w.anybody().get(page)
	holds(t, "space", body, []string{"已准入", "齐全", "运营公司", "91512081MA62K0260E", "desk@space.example", `href="https://space.example/dsp"`, "<bdi>nats://space.example</bdi>", "获得互认的空间可见",
		`href="https://space.example/rules"`, second.DID(), "已失窃", "第 99 号记录起的签名作废", "接入主体（1）", "已过有效期"}, []string{`href="nats:`, "/space/act", "主体甲乙"})
	_, body, _ = w.signedIn(space).get(page)
	holds(t, "to itself", body, []string{"接入主体（3）"}, []string{"/space/act"})
	_, body, _ = w.officer(access.Review).get(page)
	holds(t, "to a reviewer", body, []string{"接入主体（3）", "verb=Suspension", "verb=Removal"}, []string{"verb=KeyCompromise", "verb=Resumption"})
	_, body, _ = w.officer(access.Security).get(page + "&done=Suspension")
	holds(t, "to security", body, []string{"接入主体（1）", "verb=KeyCompromise", "verb=KeyReplacement", "已暂停。"}, []string{"verb=Removal"})
	if _, body, _ := w.anybody().get(page + "&done=Suspension"); strings.Contains(body, "已暂停。") {
		t.Error("a link makes the page say what nobody did")
	}
	if code, _, head := w.anybody().get(spaceURL(second.DID())); code != 303 || head.Get("Location") != page {
		t.Errorf("a key leads to its space: %d %q", code, head.Get("Location"))
	}

	w.act(vocab.Act{Verb: vocab.Suspension, Space: space.DID(), Reason: "正在<b>核查", By: "officer"})
	_, body, _ = w.anybody().get(page)
	holds(t, "suspended", body, []string{"已暂停", "正在&lt;b&gt;核查", "条目暂不展示"}, nil)
	if _, body, _ := w.anybody().get("/spaces"); !strings.Contains(body, "s-suspended") {
		t.Error("the list does not say that it is suspended")
	}
	_, body, _ = w.officer(access.Security).get(page)
	holds(t, "suspended, to security", body, []string{"verb=Resumption"}, []string{"verb=Suspension"})
}

// Spaces that were never admitted are on the officers' list alone.
func TestRejectedAreNotListed(t *testing.T) {
	s := someShelf()
	w := newTown(t, s)
	did := identitytest.Key(t).DID()
	w.act(vocab.Act{Verb: vocab.Rejection, Space: did, Reason: "资料不全", By: "officer"})
	s.spaces = append(s.spaces, view.SpaceSummary{Space: vocab.Space{DID: did}})
	for _, u := range []string{"/", "/spaces"} {
		if _, body, _ := w.anybody().get(u); strings.Contains(body, short(did)) {
			t.Errorf("%s lists a rejected space", u)
		}
	}
	if _, body, _ := w.officer(access.Regulator).get("/spaces"); !strings.Contains(body, short(did)) || !strings.Contains(body, "不予准入") {
		t.Error("officers do not see it")
	}
	if _, body, _ := w.anybody().get(spaceURL(did)); !strings.Contains(body, "资料不全") {
		t.Error("the space itself cannot read why")
	}
}

// What is hidden answers as what is not there; what is suspended says so.
func TestHiddenAndSuspendedOfferings(t *testing.T) {
	s := someShelf()
	w := newTown(t, s)
	s.fail = view.ErrNotFound
	_, hidden, _ := w.anybody().get("/offering?space=did:key:a&id=urn:1")
	s.fail = nil
	code, absent, _ := w.anybody().get("/offering?space=did:key:a&id=urn:1")
	if code != 404 || hidden != absent {
		t.Errorf("a hidden offering's page (%d) is not that of an absent one", code)
	}
	s.fail = vocab.Problems{vocab.NewProblem("", "space.suspended", "空间已被暂停，理由：%[1]s", "suspended, reason: %[1]s", "<核查>")}
	code, body, _ := w.anybody().get(offeringURL(portSpace, someID))
	if code != 410 || !strings.Contains(body, "理由：&lt;核查&gt;") {
		t.Errorf("suspended: %d %s", code, body)
	}
}

// A person for whom a space vouches is shown as the space calls them.
func TestPeopleAreNamed(t *testing.T) {
	s := someShelf()
	w := newTown(t, s)
	space := identitytest.Key(t)
	w.act(vocab.Act{Verb: vocab.Admission, Space: space.DID(), By: "officer"})
	w.log(registry.Entry{Fact: vocab.Fact{Kind: vocab.KindSpace, Space: space.DID(), ID: space.DID()},
		Space: &vocab.Space{DID: space.DID(), Name: vocab.Text{"zh": "海港空间"}, Operator: vocab.Agent{Code: "91512081MA62K0260E"}}})
	token, err := identity.NewSessionToken(space, w.hub.DID(), identity.Person{Org: "91512081MA62K0260E", Name: "op-07"}, time.Now(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	p := w.anybody()
	if code, body, _ := p.post("/session", url.Values{"token": {token}}); code != 303 {
		t.Fatalf("%d %s", code, body)
	}
	_, body, _ := p.get("/sign-in")
	holds(t, "sign-in", body, []string{"海港空间 · 91512081MA62K0260E op-07", "接入主体", "可见其内部条目的空间"}, []string{`href="/admin"`})
	_, _, _ = p.get("/search")
	if got := s.asked.Reader; got.All || !reflect.DeepEqual(got.Spaces, []string{space.DID()}) {
		t.Errorf("the catalogue was asked for %+v", got)
	}
}

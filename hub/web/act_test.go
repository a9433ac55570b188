package web

import (
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity/identitytest"
	"lianmu/hub/access"
	"lianmu/hub/admission"
	"lianmu/vocab"
)

// Each act: what is given comes to the desk as it is meant, once the box is
// ticked, and the page that follows says what was done.
func TestActs(t *testing.T) {
	applicant := identitytest.Key(t).DID()
	seen := vocab.DigestOf([]byte("descriptor"))
	some := identitytest.Key(t).DID()
	for _, c := range []struct {
		role  access.Role
		did   string
		form  url.Values
		order admission.Order
		then  string
	}{
		{access.Review, applicant, url.Values{"verb": {"Admission"}, "reason": {"complete"}},
			admission.Order{Verb: vocab.Admission, Reason: "complete", Descriptor: seen}, "/space?did=" + url.QueryEscape(applicant) + "&done=Admission"},
		{access.Review, applicant, url.Values{"verb": {"Rejection"}, "reason": {"why"}},
			admission.Order{Verb: vocab.Rejection, Reason: "why", Descriptor: seen}, "/admin/waiting?done=Rejection"},
		{access.Review, citySpace, url.Values{"verb": {"Suspension"}, "reason": {"an inspection"}},
			admission.Order{Verb: vocab.Suspension, Reason: "an inspection"}, "/space?did=" + url.QueryEscape(citySpace) + "&done=Suspension"},
		{access.Security, citySpace, url.Values{"verb": {"KeyReplacement"}, "keys": {" a\r\nb\n"}, "proofs": {"{\"a\":1}\r\n{}"}, "evidence": {"file 7"}},
			admission.Order{Verb: vocab.KeyReplacement, Keys: []string{"a", "b"}, Proofs: []string{`{"a":1}`, "{}"}, Evidence: "file 7"}, "/space?did=" + url.QueryEscape(citySpace) + "&done=KeyReplacement"},
		{access.Security, citySpace, url.Values{"verb": {"KeyCompromise"}, "key": {some}, "from": {"12"}, "tried": {some + " 12"}},
			admission.Order{Verb: vocab.KeyCompromise, Key: some, From: 12}, "/space?did=" + url.QueryEscape(citySpace) + "&done=KeyCompromise"},
		{access.Review, citySpace, url.Values{"verb": {"Removal"}, "offerings": {"https://a.example/1\r\nurn:b"}, "reason": {"x"}},
			admission.Order{Verb: vocab.Removal, Reason: "x", Offerings: []string{"https://a.example/1", "urn:b"}}, "/space?did=" + url.QueryEscape(citySpace) + "&done=Removal"},
	} {
		t.Run(c.form.Get("verb"), func(t *testing.T) {
			w := newTown(t, someShelf())
			w.waiting = []admission.Applicant{{DID: applicant, Space: vocab.Space{DID: applicant, Name: vocab.Text{"zh": "申请的空间"}}, Digest: seen}}
			p := w.officer(c.role)
			page := actURL(c.did, vocab.Verb(c.form.Get("verb")), nil)
			code, body, _ := p.get(page)
			if code != 200 {
				t.Fatalf("%d: %s", code, body)
			}
			holds(t, page, body, []string{`name="csrf"`, c.did}, nil)
			if d := regexpDescriptor.FindStringSubmatch(body); d != nil {
				c.form.Set("descriptor", d[1])
			}
			c.form.Set("did", c.did)
			if c.order.Verb != vocab.KeyCompromise {
				if code, body, _ := p.submit(page, "/space/act", c.form); code != 400 || !strings.Contains(body, "我已核对") || len(w.ordered) > 0 {
					t.Fatalf("without the box ticked: %d, %v", code, w.ordered)
				}
			}
			c.form.Set("confirm", "yes")
			w.answer = admission.Result{Receipt: &vocab.Receipt{Status: vocab.Accepted}}
			code, _, head := p.submit(page, "/space/act", c.form)
			if code != 303 || head.Get("Location") != c.then {
				t.Errorf("%d, on to %q", code, head.Get("Location"))
			}
			if w.did != c.did || !reflect.DeepEqual(w.last(), c.order) {
				t.Errorf("ordered about %s: %+v", w.did, w.last())
			}
			// Not done: all that was given stays in the form, with the reason why.
			w.fail = vocab.Problems{vocab.NewProblem("", "space.unknown", "<b>不行</b>", "<b>no</b>")}
			_, body, _ = p.submit("/", "/space/act", c.form)
			if c.order.Verb == vocab.Admission || c.order.Verb == vocab.Rejection {
				return // the waiting list fails first
			}
			holds(t, "refused", body, []string{"&lt;b&gt;不行", c.form.Get("reason"), c.form.Get("evidence")}, nil)
			w.fail = errors.New("secret /var/x")
			if code, body, _ := p.submit("/", "/space/act", c.form); code != 503 || strings.Contains(body, "secret") {
				t.Errorf("a fault: %d", code)
			}
		})
	}
}

// A compromise is always tried first, with the key and position that are then
// confirmed.
func TestCompromiseIsTriedFirst(t *testing.T) {
	w := newTown(t, someShelf())
	p := w.officer(access.Security)
	w.answer = admission.Result{Total: 3, Taken: []admission.Taken{{Index: 41, Kind: "offering", ID: "https://a.example/<i>"}, {Index: 42, Kind: "space"}}}
	form := url.Values{"verb": {"KeyCompromise"}, "did": {citySpace}, "key": {citySpace}, "from": {"41"}, "confirm": {"yes"}}
	page := actURL(citySpace, vocab.KeyCompromise, nil)
	for tried, dry := range map[string]bool{"": true, citySpace + " 40": true, citySpace + " 41": false} {
		form.Set("tried", tried)
		_, body, _ := p.submit(page, "/space/act", form)
		if w.last().DryRun != dry {
			t.Errorf("tried %q: %+v", tried, w.last())
		}
		if dry {
			holds(t, "tried", body, []string{"将作废 3 条", "https://a.example/&lt;i&gt;", "空间描述", "只列出前 2 条", "确认密钥失窃", `value="` + citySpace + ` 41"`}, nil)
		}
	}
	for _, from := range []string{"", "-1", "x", "99999999999999999999999"} {
		n := len(w.ordered)
		form.Set("from", from)
		if _, body, _ := p.submit(page, "/space/act", form); len(w.ordered) != n || !strings.Contains(body, "不小于 0 的整数") {
			t.Errorf("from %q was taken", from)
		}
	}
}

// Of many removals a proposal becomes; it waits for somebody else.
func TestProposals(t *testing.T) {
	w := newTown(t, someShelf())
	p := w.officer(access.Review)
	w.answer = admission.Result{Proposal: &admission.Proposal{ID: "p1"}}
	form := url.Values{"verb": {"Removal"}, "did": {citySpace}, "offerings": {"urn:a"}, "reason": {"x"}, "confirm": {"yes"}}
	if _, _, head := p.submit(actURL(citySpace, vocab.Removal, nil), "/space/act", form); head.Get("Location") != "/admin/proposals?done=proposed" {
		t.Errorf("on to %q", head.Get("Location"))
	}
	w.proposed = []admission.Proposal{
		{ID: "p1", Act: "offering.remove", Space: citySpace, Reason: "too old", Offerings: []string{"urn:a", "urn:b"}, By: w.keys[access.Review].DID(), Created: today, Expires: today.Add(time.Hour)},
		{ID: "p2", Act: "log.redact", Entries: []admission.Redacted{{Index: 9, Ground: "personal", Reason: "a name"}}, By: "did:key:somebody", Created: today, Expires: today.Add(time.Hour)},
	}
	_, body, _ := p.get("/admin/proposals?done=proposed")
	holds(t, "proposals", body, []string{"已提交复核", "沪上城市可信数据空间", "too old", "urn:b", "自己提出的事项", "涉及个人信息", "批准并执行"}, nil)
	if strings.Count(body, "批准并执行</button>") != 1 {
		t.Error("one's own can be approved")
	}
	_, body, _ = w.officer(access.Security).get("/admin/proposals")
	if strings.Count(body, "批准并执行</button>") != 1 || !strings.Contains(body, "没有复核这类事项的权限") {
		t.Error("security approves redactions, and nothing else")
	}
	if code, _, _ := p.submit("/admin/proposals", "/admin/proposals", url.Values{"id": {"p2"}}); code != 400 || len(w.approved) > 0 {
		t.Error("approved without the box ticked")
	}
	if code, _, head := p.submit("/admin/proposals", "/admin/proposals", url.Values{"id": {"p2"}, "confirm": {"yes"}}); code != 303 || head.Get("Location") != "/admin/proposals?done=approved" || w.approved[0] != "p2" {
		t.Errorf("%d, %v", code, w.approved)
	}
}

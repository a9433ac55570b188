package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub"
	"lianmu/hub/access"
	"lianmu/hub/admission"
	"lianmu/hub/audit"
	"lianmu/vocab"
)

// present signs a document and submits it.
func (l *live) present(doc string, headers ...string) (int, vocab.Receipt) {
	l.t.Helper()
	raw := identitytest.Sign(l.t, doc, l.space, identity.SignOptions{Created: l.at.Next(time.Now()), Expires: time.Now().Add(time.Hour)})
	status, _, got := l.ask(nil, "POST", "/api/v1/submissions", "/api/v1/submissions", string(raw), headers...)
	return status, parse[vocab.Receipt](l.t, got)
}

func parse[T any](t *testing.T, b []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return v
}

const ours = `{"@context":"https://w3id.org/lianmu/v1",`

// TestASpaceOnAHostileNetwork takes a space through its life on a hub that is
// not open, by HTTP alone: invited, waiting, admitted, looked at by those whom
// its offerings are not for, suspended, resumed, robbed of offerings by two
// officers and of a body by one; and the audit trail tells all of it.
func TestASpaceOnAHostileNetwork(t *testing.T) {
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", openapi3filter.FileBodyDecoder)
	review, second, security, auditor, regulator := identitytest.Key(t), identitytest.Key(t), identitytest.Key(t), identitytest.Key(t), identitytest.Key(t)
	l := startHub(t, func(c *hub.Config) {
		c.Open = false
		for k, role := range map[*identity.Key]access.Role{
			review: access.Review, second: access.Review, security: access.Security, auditor: access.Audit, regulator: access.Regulator,
		} {
			c.Operators = append(c.Operators, access.Operator{DID: k.DID(), Role: role})
		}
	})
	did := l.space.DID()
	at := "/api/v1/spaces/" + url.PathEscape(did)
	want := func(what string, status int, got []byte, wanted int, says string) {
		t.Helper()
		if status != wanted || !bytes.Contains(got, []byte(says)) {
			t.Fatalf("%s: %d, want %d and %q: %s", what, status, wanted, says, got)
		}
	}
	act := func(by *identity.Key, order string, wanted int, says string) []byte {
		t.Helper()
		status, _, got := l.ask(by, "POST", "/api/v1/spaces/{did}/acts", at+"/acts", order)
		want(order, status, got, wanted, says)
		return got
	}

	// Invited.
	status, r := l.present(ours + `"@id":"urn:early","@type":"DataProduct","标题":"过早的产品"}`)
	if status != 422 || r.Problems[0].Code != "space.unadmitted" {
		t.Fatalf("before it is admitted: %d %+v", status, r)
	}
	status, _, got := l.ask(regulator, "POST", "/api/v1/invitations", "/api/v1/invitations", `{"note":"某港口"}`)
	want("the regulator invites", status, got, 403, "access.forbidden")
	status, _, got = l.ask(review, "POST", "/api/v1/invitations", "/api/v1/invitations", `{"note":"某港口","days":1}`)
	want("invite", status, got, 201, "code")
	invitation := parse[struct{ ID, Code, Link string }](t, got)

	// Waiting.
	descriptor := ours + `"@id":"` + did + `","@type":"Space","name":"港口空间","key":["` + did + `"]}`
	if status, r = l.present(descriptor, "Lianmu-Invite: WRONGWRONGWRONGWRONG"); status != 422 {
		t.Fatalf("with a wrong code: %d %+v", status, r)
	}
	if status, r = l.present(descriptor, "Lianmu-Invite: "+invitation.Code); status != 202 || r.Status != vocab.Waiting {
		t.Fatalf("presented: %d %+v", status, r)
	}
	status, _, got = l.ask(review, "GET", "/api/v1/applicants", "/api/v1/applicants", "")
	want("applicants", status, got, 200, invitation.ID)
	for name, c := range map[string]struct {
		by     *identity.Key
		status int
	}{"nobody": {nil, 404}, "the space": {l.space, 200}, "who admits": {review, 200}, "the auditor": {auditor, 404}} {
		status, _, got = l.ask(c.by, "GET", "/api/v1/spaces/{did}", at, "")
		want(name+" looks", status, got, c.status, "")
	}
	status, _, got = l.ask(l.space, "GET", "/api/v1/submissions/{digest}", "/api/v1/submissions/"+r.Digest.String(), "")
	want("its receipt", status, got, 200, `"waiting"`)

	// Admitted.
	act(regulator, `{"verb":"Admission"}`, 403, "access.forbidden")
	act(review, `{"verb":"Admission","descriptor":"`+strings.Repeat("f", 64)+`"}`, 409, "space.descriptor")
	act(review, `{"verb":"Admission","reason":"资料齐全","descriptor":"`+r.Digest.String()+`"}`, 200, `"accepted"`)
	status, _, got = l.ask(nil, "GET", "/api/v1/spaces/{did}", at, "")
	want("admitted", status, got, 200, `"standing":"admitted","reason":"资料齐全"`)

	public, _ := l.submit("urn:s:public", `,"标题":"港口吞吐量","可见范围":"公开"`)
	inner, _ := l.submit("urn:s:inner", `,"标题":"港口内部计划"`)
	if public.Status != vocab.Accepted || inner.Status != vocab.Accepted {
		t.Fatalf("%+v %+v", public, inner)
	}
	if status, r = l.present(ours + `"@id":"urn:s:member","@type":"Participant","subjectCode":"91512081MA62K0260E","name":"某公司"}`); status != 201 {
		t.Fatalf("a participant: %d %+v", status, r)
	}
	for by, n := range map[*identity.Key]int{nil: 0, l.space: 1, regulator: 1, security: 0} {
		status, _, got = l.ask(by, "GET", "/api/v1/spaces/{did}/participants", at+"/participants", "")
		want("participants", status, got, 200, `"items"`)
		if list := parse[struct{ Items []vocab.Participant }](t, got); len(list.Items) != n {
			t.Errorf("%v sees %d participants, not %d", by, len(list.Items), n)
		}
	}

	// What is not yours answers as what is not there.
	l.hiddenIsAbsent(identitytest.Key(t), "urn:s:inner", "urn:s:none")
	l.offering(nil, "urn:s:public", 200, "港口吞吐量")
	l.offering(l.space, "urn:s:inner", 200, "港口内部计划")
	l.offering(regulator, "urn:s:inner", 200, "港口内部计划")
	l.offering(security, "urn:s:inner", 404, "catalog.not_found")

	// Suspended: who could see it is told why, others that there is nothing.
	act(review, `{"verb":"Suspension","reason":"等待整改"}`, 200, "")
	l.offering(nil, "urn:s:public", 410, "等待整改")
	l.offering(regulator, "urn:s:inner", 410, "space.suspended")
	l.hiddenIsAbsent(l.space, "urn:s:inner", "urn:s:none")
	status, _, got = l.ask(regulator, "GET", "/api/v1/spaces/{did}/participants", at+"/participants", "")
	want("participants meanwhile", status, got, 200, "urn:s:member")
	act(security, `{"verb":"Resumption"}`, 200, "")
	l.offering(nil, "urn:s:public", 200, "")

	// Many removed: by two.
	ids := make([]string, admission.MaxAlone+1)
	for i := range ids {
		ids[i] = fmt.Sprint("urn:s:many:", i)
		if r, _ := l.submit(ids[i], `,"标题":"批量产品","可见范围":"公开"`); r.Status != vocab.Accepted {
			t.Fatalf("%+v", r)
		}
	}
	order, err := json.Marshal(admission.Order{Verb: vocab.Removal, Reason: "主管部门要求", Offerings: ids})
	if err != nil {
		t.Fatal(err)
	}
	proposal := parse[admission.Result](t, act(review, string(order), 202, "proposal")).Proposal
	l.offering(nil, ids[0], 200, "")
	approve := func(by *identity.Key, wanted int, says string) {
		t.Helper()
		status, _, got := l.ask(by, "POST", "/api/v1/proposals/{id}/approve", "/api/v1/proposals/"+proposal.ID+"/approve", "")
		want("approve", status, got, wanted, says)
	}
	approve(review, 403, "proposal.own")
	approve(security, 403, "access.forbidden")
	approve(regulator, 403, "access.forbidden")
	approve(second, 200, "accepted")
	approve(second, 404, "proposal.unknown")
	l.offering(nil, ids[0], 404, "catalog.not_found")

	// A body deleted: by one.
	redact := fmt.Sprintf(`{"entries":[%d],"ground":"authority","reason":"依规"}`, public.Log.Index)
	status, _, got = l.ask(auditor, "POST", "/api/v1/redactions", "/api/v1/redactions", redact)
	want("the auditor redacts", status, got, 403, "access.forbidden")
	status, _, got = l.ask(security, "POST", "/api/v1/redactions", "/api/v1/redactions", redact)
	want("redact", status, got, 200, `"accepted"`)
	status, _, got = l.ask(regulator, "POST", "/api/v1/documents", "/api/v1/documents", `{"digests":["`+public.Digest.String()+`"]}`)
	want("its body", status, got, 200, `{"documents":[null],"left":0}`)
	status, _, got = l.ask(security, "POST", "/api/v1/redactions", "/api/v1/redactions", `{"entries":[99999],"ground":"authority"}`)
	want("redact nothing", status, got, 400, `"path":"/entries/0"`)

	// All of it is in the trail.
	status, _, got = l.ask(review, "GET", "/api/v1/audit", "/api/v1/audit", "")
	want("a reviewer reads the trail", status, got, 403, "access.forbidden")
	acts := ""
	for cursor := ""; ; {
		status, _, got = l.ask(auditor, "GET", "/api/v1/audit", "/api/v1/audit?limit=20"+cursor, "")
		want("the trail", status, got, 200, "head")
		page := parse[struct {
			Items []audit.Record
			Next  string
		}](t, got)
		for _, r := range page.Items {
			acts += fmt.Sprintf("%s %s %s %s\n", r.Act, r.Outcome, r.Who, r.From)
		}
		if page.Next == "" {
			break
		}
		cursor = "&cursor=" + page.Next
	}
	for _, line := range []string{
		"invitation.create done " + review.DID(), "space.admit done " + review.DID(), "space.admit refused " + review.DID(),
		"space.suspend done " + review.DID(), "space.resume done " + security.DID(), "offering.remove done " + review.DID(),
		"proposal.approve refused " + review.DID(), "proposal.approve done " + second.DID(), "log.redact done " + security.DID(),
	} {
		if !strings.Contains(acts, line+" 127.0.0.1\n") {
			t.Errorf("the trail has no %q:\n%s", line, acts)
		}
	}
	status, header, got := l.ask(auditor, "GET", "/api/v1/audit/export", "/api/v1/audit/export", "")
	want("export", status, got, 200, "AuditExport")
	if report, err := audit.Verify(bytes.NewReader(got), time.Now()); err != nil || report.SignedBy != l.info.DID || header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("the export: %+v, %v", report, err)
	}
}

// offering asks for one by its space and by its @id alone, until the index has
// come along; the test's own time limit ends it.
func (l *live) offering(by *identity.Key, id string, wanted int, says string) {
	l.t.Helper()
	for _, c := range [][2]string{
		{"/api/v1/offerings/{space}/{id}", "/api/v1/offerings/" + url.PathEscape(l.space.DID()) + "/" + url.PathEscape(id)},
		{"/api/v1/offerings", "/api/v1/offerings?id=" + url.QueryEscape(id)},
	} {
		for tries := 0; ; tries++ {
			status, _, got := l.ask(by, "GET", c[0], c[1], "")
			if status == wanted && bytes.Contains(got, []byte(says)) {
				break
			}
			if tries > 200 {
				l.t.Fatalf("%s: %d, want %d and %q: %s", c[1], status, wanted, says, got)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// hiddenIsAbsent asks for what is hidden and for what is not there, as nobody
// and with a key, in every way there is, and compares bodies and headers.
func (l *live) hiddenIsAbsent(by *identity.Key, hidden, absent string) {
	l.t.Helper()
	for _, by := range []*identity.Key{nil, by} {
		for _, c := range []struct{ method, route, target, body string }{
			{"GET", "/api/v1/offerings/{space}/{id}", "/api/v1/offerings/" + url.PathEscape(l.space.DID()) + "/ID", ""},
			{"GET", "/api/v1/offerings", "/api/v1/offerings?id=ID", ""},
			{"GET", "/api/v1/offerings", "/api/v1/offerings?id=ID&space=" + url.QueryEscape(l.space.DID()), ""},
			{"POST", "/ndi/v1/catalog/detail", "/ndi/v1/catalog/detail", `{"productId":"ID"}`},
			{"GET", "/api/v1/search", "/api/v1/search?filter=id:ID", ""},
		} {
			var answers [2]string
			for i, id := range []string{hidden, absent} {
				status, header, got := l.ask(by, c.method, c.route, strings.ReplaceAll(c.target, "ID", id), strings.ReplaceAll(c.body, "ID", id), "X-Request-Id: same")
				header.Del("Date")
				body := string(got)
				if _, after, ok := strings.Cut(body, `"coverage"`); ok { // took_ms and how far the index is
					body = strings.TrimSuffix(body, after)
					header.Del("Content-Length")
				}
				answers[i] = fmt.Sprint(status, " ", header, " ", body)
			}
			if answers[0] != answers[1] {
				l.t.Errorf("%s %s:\nhidden %s\nabsent %s", c.method, c.target, answers[0], answers[1])
			}
			if c.route != "/api/v1/search" && !strings.HasPrefix(answers[0], fmt.Sprint(http.StatusNotFound)) && !strings.Contains(answers[0], "13001") {
				l.t.Errorf("%s %s: %s", c.method, c.target, answers[0])
			}
		}
	}
}

package hub_test

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub"
	"lianmu/hub/access"
	"lianmu/hub/access/accesstest"
	"lianmu/hub/admission"
	"lianmu/hub/audit"
	"lianmu/hub/bus"
	"lianmu/hub/bus/bustest"
	"lianmu/hub/hubtest"
	"lianmu/hub/view"
)

const peopleOrg = "91512081MA62K0260E"

// atProvider has people sign in at a provider, which the test tells who they are;
// whoever is a "checker" there is a reviewer here.
func atProvider(t *testing.T, c *hub.Config) *accesstest.Provider {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0") // the provider must know where to send browsers before the hub is there
	if err != nil {
		t.Fatal(err)
	}
	c.HTTP = free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	back := "http://" + c.HTTP + "/oidc/callback"
	provider := accesstest.New(t, back, "0017", map[string]any{"org": peopleOrg, "alias": "op-03"})
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(accesstest.ClientSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.OIDC = &access.OIDC{
		Issuer: provider.URL, ClientID: accesstest.ClientID, ClientSecretFile: secret, RedirectURL: back, NameClaim: "alias",
		RoleClaim: "role", Roles: map[string]access.Role{"checker": access.Review, "user": access.Participant},
	}
	return provider
}

// comes signs somebody in at the provider, in a browser of their own.
func (r *running) comes(p *accesstest.Provider, subject, alias, role string) *tab {
	r.t.Helper()
	p.Set(subject, map[string]any{"org": peopleOrg, "alias": alias, "role": role}, nil)
	b := r.tab()
	if code, body := b.open("/oidc/start?next=/sign-in", nil); code != http.StatusOK || !strings.Contains(body, alias) {
		r.t.Fatalf("%s: %d %s", alias, code, body)
	}
	return b
}

// One person at the provider is one person here, under whatever name, also after
// a restart; two are two, though they have one name.
func TestStandTwoNamesOfOnePerson(t *testing.T) {
	t.Parallel()
	c := hubtest.Config(t, t.TempDir())
	p := atProvider(t, &c)
	r := start(t, c)
	var ids []string
	for i := range admission.MaxAlone + 10 {
		r.must(offering(fmt.Sprint("m", i), fmt.Sprint("船期", i)))
		ids = append(ids, "https://space.example/"+fmt.Sprint("m", i))
	}
	r.level()
	order := fmt.Sprintf("/space/act?verb=Removal&did=%s", r.key.DID())
	code, body := r.comes(p, "0017", "alice", "checker").fill(order, "/space/act", map[string][]string{
		"offerings": {strings.Join(ids, "\n")}, "reason": {"主管部门要求"}, "confirm": {"yes"},
	})
	if code != http.StatusOK || !strings.Contains(body, "待复核") {
		t.Fatalf("%d %s", code, body)
	}
	approve := func(b *tab) (int, string) {
		_, page := b.open("/admin/proposals", nil)
		form := map[string][]string{"confirm": {"yes"}}
		for _, m := range hiddenField.FindAllStringSubmatch(page, -1) {
			form[m[1]] = []string{m[2]}
		}
		if form["id"] == nil { // the page offers nothing to approve: by hand, then
			var list struct{ Items []admission.Proposal }
			if code := r.getAs(r.officer(c.Dir), "/api/v1/proposals", &list); code != 200 || len(list.Items) != 1 {
				t.Fatalf("%d %+v", code, list)
			}
			form["id"] = []string{list.Items[0].ID}
		}
		return b.open("/admin/proposals", form)
	}
	if code, body := approve(r.comes(p, "0017", "alice2", "checker")); code != http.StatusForbidden || !strings.Contains(body, "另一人") {
		t.Errorf("approved by the same person: %d %s", code, body)
	}
	r.stop()
	r = start(t, c)
	if code, body := approve(r.comes(p, "0017", "alice3", "checker")); code != http.StatusForbidden || !strings.Contains(body, "另一人") {
		t.Errorf("approved by the same person after a restart: %d %s", code, body)
	}
	if code, body := approve(r.comes(p, "0018", "alice", "checker")); code != http.StatusOK || !strings.Contains(body, "已批准并执行") {
		t.Errorf("not approved by another: %d %s", code, body)
	}
}

// Who alone holds the rights is told at once that nobody can agree.
func TestNobodyElseToAgree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := start(t, hubtest.Config(t, dir))
	entries := "0"
	for i := range admission.MaxAlone {
		entries += fmt.Sprint(",", i+1)
	}
	code, body := r.post(r.officer(dir), "/api/v1/redactions", `{"entries":[`+entries+`],"ground":"personal"}`)
	if code != http.StatusAccepted || !strings.Contains(body, `"proposal.nobody"`) || !strings.Contains(body, `"nobody":true`) {
		t.Errorf("%d %s", code, body)
	}
	b := r.tab()
	if code, _ := b.open("/session", map[string][]string{"token": {r.token(r.officer(dir))}}); code != http.StatusOK {
		t.Fatal(code)
	}
	_, page := b.open("/admin/proposals", nil)
	says(t, "the page", page, "没有人有权复核此事")
}

// What officers have no right to is recorded as what they tried, about what, and
// by whom, though all of them come from one address; and they are told which right
// they lack.
func TestStandRefusalsSayWhoTriedWhat(t *testing.T) {
	t.Parallel()
	c := hubtest.Config(t, t.TempDir())
	keys := map[access.Role]*identity.Key{}
	for _, role := range []access.Role{access.System, access.Security, access.Audit, access.Review} {
		k := identitytest.Key(t)
		keys[role] = k
		c.Operators = append(c.Operators, access.Operator{DID: k.DID(), Role: role})
	}
	r := start(t, c)
	acts := "/api/v1/spaces/" + r.key.DID() + "/acts"
	want := map[string]bool{}
	for _, try := range []struct {
		role             access.Role
		path, body       string
		act, object, may string
	}{
		{access.System, acts, `{"verb":"Suspension","reason":"x"}`, "space.suspend", r.key.DID(), "暂停与恢复"},
		{access.System, acts, `{"verb":"Removal","offerings":["urn:a"],"reason":"x"}`, "offering.remove", r.key.DID(), "强制注销"},
		{access.Audit, acts, `{"verb":"Resumption"}`, "space.resume", r.key.DID(), "暂停与恢复"},
		{access.Security, acts, `{"verb":"Rejection","reason":"x"}`, "space.reject", r.key.DID(), "准入"},
		{access.Review, acts, `{"verb":"KeyCompromise","key":"x"}`, "space.keys.compromise", r.key.DID(), "处置密钥"},
		{access.Audit, "/api/v1/proposals/abc/approve", `{}`, "proposal.approve", "abc", "复核"},
		{access.Security, "/api/v1/invitations", `{"note":"x"}`, "invitation.create", "", "准入"},
	} {
		code, body := r.post(keys[try.role], try.path, try.body)
		if code != http.StatusForbidden || !strings.Contains(body, "“"+try.may+"”") {
			t.Errorf("%s, %s: %d %s", try.role, try.body, code, body)
		}
		want[fmt.Sprintf("%s %s %s %s", keys[try.role].DID(), try.role, try.act, try.object)] = true
	}
	if code, body := r.post(nil, acts, `{"verb":"Suspension","reason":"x"}`); code != http.StatusUnauthorized {
		t.Errorf("nobody: %d %s", code, body)
	}
	want["anonymous anonymous space.decide "+r.key.DID()] = true
	r.stop() // writes what is still being added up
	r = start(t, c)
	var page struct{ Items []audit.Record }
	if code := r.getAs(keys[access.Audit], "/api/v1/audit?outcome=refused&limit=100", &page); code != http.StatusOK {
		t.Fatal(code)
	}
	for _, rec := range page.Items {
		key := fmt.Sprintf("%s %s %s %s", rec.Who, rec.Role, rec.Act, rec.Object)
		if !want[key] {
			t.Errorf("recorded as %s", key)
		}
		delete(want, key)
	}
	for key := range want {
		t.Errorf("not recorded: %s", key)
	}
	// An export of all that is sound, and tells of no act without an end but others'.
	q, err := http.NewRequest(http.MethodGet, r.info.HTTP+"/api/v1/audit/export", nil)
	if err != nil {
		t.Fatal(err)
	}
	code, export := r.send(q, r.bearer(keys[access.Audit]))
	report, err := audit.Verify(strings.NewReader(export), time.Now())
	if code != http.StatusOK || err != nil || report.Records < len(page.Items) || report.SignedBy != r.info.DID || len(report.Unfinished) != 0 {
		t.Errorf("%d %+v, %v", code, report, err)
	}
	if !strings.Contains(export, `"act":"audit.export"`) || strings.Contains(export, "../..") {
		t.Errorf("the export says %s", export)
	}
}

// The table of roles holds over NATS as over HTTP: who sees every audience there
// sees it here, and nobody else.
func TestStandOfficesSeeTheSameOverNATS(t *testing.T) {
	t.Parallel()
	c := hubtest.Config(t, t.TempDir())
	keys := map[access.Role]*identity.Key{}
	for _, row := range access.Table() {
		k := identitytest.Key(t)
		keys[row.Role] = k
		if row.Role.Office() {
			c.Operators = append(c.Operators, access.Operator{DID: k.DID(), Role: row.Role})
		}
	}
	r := start(t, c)
	r.must(offering("inner", "内部船期", `"audience":"space"`))
	r.level()
	for role, key := range keys {
		want := 0
		if role.May(access.ReadAll) {
			want = 1
		}
		over := &running{t: t, hub: r.hub, info: r.info}
		over.conn = bustest.Connect(t, r.info.NATS, r.info.DID, key)
		var nats, http view.Answer
		over.ask(bus.Search, []byte(`{"q":"船期"}`), &nats)
		if code := r.getAs(key, "/api/v1/search?q="+url.QueryEscape("船期"), &http); code != 200 || int(http.Total) != want || int(nats.Total) != want {
			t.Errorf("%s: %d, over HTTP %d, over NATS %d, want %d", role, code, http.Total, nats.Total, want)
		}
	}
}

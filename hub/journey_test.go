package hub_test

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub/access"
	"lianmu/hub/hubtest"
	"lianmu/hub/web/webtest"
	"lianmu/vocab"
)

// journey is a hub that admits nobody by itself, with officers.
func journey(t *testing.T) (r *running, officers map[access.Role]*identity.Key) {
	officers = map[access.Role]*identity.Key{}
	c := hubtest.Config(t, t.TempDir())
	c.Open = false
	for _, role := range []access.Role{access.Review, access.Audit} {
		k := identitytest.Key(t)
		officers[role] = k
		c.Operators = append(c.Operators, access.Operator{DID: k.DID(), Role: role, Name: "值班" + string(role)})
	}
	return start(t, c), officers
}

func (r *running) describes(name string) string {
	return fmt.Sprintf(`{"@context":"https://w3id.org/lianmu/v1","@type":"Space","@id":%q,"name":{"zh":%q},"spaceType":"industry","operator":{"name":{"zh":"演示航运公司"},"uscc":"91512081MA62K0260E"},"contact":"https://space.example/desk"}`, r.key.DID(), name)
}

func (r *running) token(key *identity.Key) string {
	r.t.Helper()
	token, err := identity.NewToken(key, r.info.DID, time.Now(), time.Minute)
	if err != nil {
		r.t.Fatal(err)
	}
	return token
}

// tab is a browser without scripts.
type tab struct {
	r      *running
	client *http.Client
}

func (r *running) tab() *tab {
	jar, err := cookiejar.New(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return &tab{r, &http.Client{Jar: jar}}
}

// open loads a page, or sends a form, and follows where it leads.
func (b *tab) open(path string, form url.Values) (int, string) {
	b.r.t.Helper()
	q, err := http.NewRequest(http.MethodGet, b.r.info.HTTP+path, nil)
	if form != nil {
		q, err = http.NewRequest(http.MethodPost, b.r.info.HTTP+path, strings.NewReader(form.Encode()))
	}
	if err != nil {
		b.r.t.Fatal(err)
	}
	if form != nil {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	q.Header.Set("Accept", "text/html")
	q.Header.Set("Accept-Language", "zh")
	resp, err := b.client.Do(q)
	if err != nil {
		b.r.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.r.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// fill sends a form with what its page hides in it.
func (b *tab) fill(page, action string, form url.Values) (int, string) {
	b.r.t.Helper()
	_, body := b.open(page, nil)
	for _, m := range hiddenField.FindAllStringSubmatch(body, -1) {
		if !form.Has(m[1]) {
			form.Set(m[1], html.UnescapeString(m[2]))
		}
	}
	return b.open(action, form)
}

var hiddenField = regexp.MustCompile(`type="hidden" name="([a-z]+)" value="([^"]*)"`)

func says(t *testing.T, what, body string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(body, want) {
			t.Errorf("%s does not say %q:\n%s", what, want, body)
		}
	}
}

// The pages of officers on a real hub: what they decide stands in the log, and
// in the trail.
func TestOfficersWorkOnPages(t *testing.T) {
	r, officers := journey(t)
	reviewer := r.tab()
	if code, body := reviewer.open("/admin/waiting", nil); code != 401 || !strings.Contains(body, "业务审核员") {
		t.Fatalf("nobody sees who waits: %d", code)
	}
	if code, body := reviewer.open("/session", url.Values{"token": {"a.b.c"}}); code != 401 || !strings.Contains(body, `role="alert"`) {
		t.Errorf("a token that is none: %d %s", code, body)
	}
	code, body := reviewer.open("/session", url.Values{"token": {r.token(officers[access.Review])}, "next": {"/admin/invitations"}})
	if code != 200 {
		t.Fatalf("signing in: %d %s", code, body)
	}
	says(t, "invitations", body, "值班review", "业务审核员")
	_, body = reviewer.fill("/admin/invitations", "/admin/invitations", url.Values{"note": {"给航运空间"}, "days": {"3"}})
	invitation := regexp.MustCompile(`/join#([0-9A-Z]{20})`).FindStringSubmatch(body)
	if invitation == nil {
		t.Fatalf("no invitation: %s", body)
	}
	q, _ := http.NewRequest(http.MethodPost, r.info.HTTP+"/api/v1/submissions", strings.NewReader(string(r.sign(r.describes("航运空间")))))
	q.Header.Set("Lianmu-Invite", invitation[1])
	q.Header.Set("Content-Type", "application/ld+json")
	resp, err := http.DefaultClient.Do(q)
	if err != nil || resp.StatusCode != http.StatusAccepted {
		t.Fatalf("presenting: %v %v", resp, err)
	}
	resp.Body.Close()
	_, body = reviewer.open("/admin/waiting", nil)
	says(t, "waiting", body, "航运空间", "给航运空间", "受邀", "演示航运公司", "共有 1 个空间")
	did := url.QueryEscape(r.key.DID())
	act := "/space/act?did=" + did + "&verb="
	code, body = reviewer.fill(act+"Admission", "/space/act", url.Values{"confirm": {"yes"}, "reason": {"资料齐全"}})
	if code != 200 {
		t.Fatalf("admitting: %d %s", code, body)
	}
	says(t, "the space", body, "已准入。空间现在可以发布目录", "资料齐全", "91512081MA62K0260E")
	ids := make([]string, 51)
	for i := range ids {
		id := fmt.Sprint("o", i)
		ids[i] = "https://space.example/" + id
		r.must(offering(id, "船舶到港计划", `"audience":"public"`))
	}
	r.level()
	// What is inside the space is to others as what is not there, byte for byte.
	r.must(offering("xqx7", "内部船期", `"audience":"space"`))
	r.level()
	address := func(id string) string {
		return "/offering?id=" + url.QueryEscape("https://space.example/"+id) + "&space=" + did
	}
	hiddenCode, hidden := r.tab().open(address("xqx7"), nil)
	absentCode, absent := r.tab().open(address("xqx8"), nil)
	if hiddenCode != 404 || absentCode != 404 || strings.ReplaceAll(hidden, "xqx7", "xqx8") != absent {
		t.Errorf("a hidden offering (%d) is told from an absent one (%d)", hiddenCode, absentCode)
	}
	if code, body := reviewer.open(address("xqx7"), nil); code != 200 || !strings.Contains(body, "内部船期") {
		t.Errorf("the reviewer sees all: %d", code)
	}
	// Of many removals one officer makes a proposal; nobody else is there to agree.
	code, body = reviewer.fill(act+"Removal", "/space/act", url.Values{"confirm": {"yes"}, "reason": {"停止更新"}, "offerings": {strings.Join(ids, "\r\n")}})
	if code != 200 {
		t.Fatalf("removing: %d %s", code, body)
	}
	says(t, "proposals", body, "已提交复核", "注销 51 项条目", "自己提出的事项")
	code, body = reviewer.fill(act+"Removal", "/space/act", url.Values{"confirm": {"yes"}, "reason": {"停止更新"}, "offerings": {ids[50]}})
	if code != 200 {
		t.Fatalf("removing one: %d %s", code, body)
	}
	says(t, "the space", body, "已注销")
	// The auditor reads what was done, and by whom; the chain holds.
	auditor := r.tab()
	_, body = auditor.open("/session", url.Values{"token": {r.token(officers[access.Audit])}, "next": {"/admin/audit?verify=1"}})
	says(t, "the trail", body, "准入空间", "space.admit", "生成邀请", "校验通过", officers[access.Review].DID())
	if code, _ := auditor.open("/admin/waiting", nil); code != 403 {
		t.Errorf("the auditor sees who waits: %d", code)
	}
	if code, body := auditor.open("/api/v1/audit/export", nil); code != 200 || !strings.Contains(body, `"act":"space.admit"`) {
		t.Errorf("the link to the export: %d", code)
	}
	r.submit(r.sign(`{"@context":"https://w3id.org/lianmu/v1","@id":"https://space.example/bad","@type":"DataProduct"}`))
	for range 100 { // a refusal is filed a moment later
		if _, body = reviewer.open("/admin/quarantine?space="+did, nil); strings.Contains(body, "https://space.example/bad") {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	says(t, "the quarantine", body, "https://space.example/bad", "航运空间")
	number := regexp.MustCompile(`/admin/quarantine\?at=[0-9]+`).FindString(body)
	_, body = reviewer.open(number, nil)
	says(t, "the refusal", body, "&#34;DataProduct&#34;")
	if code, body := reviewer.fill("/", "/session/end", url.Values{}); code != 200 || strings.Contains(body, "值班review") {
		t.Errorf("signing out: %d", code)
	}
}

// The whole journey in a browser: sign in, admit who waits, see the space and
// what it offers; suspend it, and see that gone with the reason.
func TestBrowserAdmitsAndSuspends(t *testing.T) {
	b := webtest.Start(t)
	r, officers := journey(t)
	if receipt := r.submit(r.sign(r.describes("航运空间"))); receipt.Status != vocab.Waiting {
		t.Fatalf("presented: %+v", receipt)
	}
	b.Open(r.info.HTTP + "/?lang=zh")
	b.Click(`nav a[href^="/sign-in"]`)
	b.Type("#token", r.token(officers[access.Review]))
	b.Click(".form .button")
	b.See(".me button")
	b.Click(`nav a[href="/admin"]`, `a[href="/admin/waiting"]`)
	if got := b.Text(".applicant h2"); got != "航运空间" {
		t.Errorf("%q waits", got)
	}
	b.Click(`.applicant a[href*="Admission"]`, `[name="confirm"]`, ".form button")
	if got := b.Text(".notice"); !strings.HasPrefix(got, "已准入") {
		t.Errorf("the page says %q", got)
	}
	b.Open(r.info.HTTP + "/spaces")
	if got := b.Text(`a.card[href*="did"] b`); got != "航运空间" {
		t.Errorf("%q is listed", got)
	}
	r.must(offering("ships", "船舶到港计划", `"audience":"public"`))
	r.level()
	ships := r.info.HTTP + "/search?q=" + url.QueryEscape("船舶")
	b.Open(ships)
	b.Click(".hit h3 a")
	b.See(".proof")
	detail := b.Path()

	b.Click(`.proof a[href^="/space"]`, `.acts a[href*="Suspension"]`)
	b.Type("#reason", "核查运营资质")
	b.Click(`[name="confirm"]`, ".form button")
	b.See(".notice")
	if got := b.Text(".alert"); !strings.Contains(got, "核查运营资质") {
		t.Errorf("the space says %q", got)
	}
	r.level()
	b.Open(ships)
	b.See(".empty")
	if code, body := r.tab().open(detail, nil); code != http.StatusGone || !strings.Contains(body, "核查运营资质") {
		t.Errorf("the offering's page: %d %s", code, body)
	}
	b.Open(r.info.HTTP + "/space?did=" + url.QueryEscape(r.key.DID()))
	b.Click(`.acts a[href*="Resumption"]`, `[name="confirm"]`, ".form button")
	b.See(".notice")
	r.level()
	if code, _ := r.tab().open(detail, nil); code != 200 {
		t.Errorf("resumed, the offering's page: %d", code)
	}
}

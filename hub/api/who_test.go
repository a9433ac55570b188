package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/registry"
	"lianmu/hub/access"
	"lianmu/vocab"
)

// Each office gets through where the table of roles says so, and nowhere else.
func TestOfficesAndRoutes(t *testing.T) {
	offices := map[access.Role]*identity.Key{access.System: key(), access.Security: key(), access.Audit: key(), access.Review: key(), access.Regulator: key()}
	s := newSite(t, guarded(func(c *access.Config) {
		for role, k := range offices {
			c.Operators = append(c.Operators, access.Operator{DID: k.DID(), Role: role})
		}
	}))
	s.catalog.refuse = true // a rebuild ends at once
	for role, k := range offices {
		for _, r := range s.routes() {
			if r.right == "" || r.right == byVerb {
				continue
			}
			got := s.send(t, s.as(k, request(r.method, fill(label(r.path)), "")))
			if (got.status == http.StatusForbidden) == role.May(r.right) {
				t.Errorf("%s: %s %s: %d", role, r.method, r.path, got.status)
			}
		}
		for verb, right := range rightOf {
			got := s.send(t, s.as(k, jsonRequest("/api/v1/spaces/"+spaceA+"/acts", fmt.Sprintf(`{"verb":%q}`, verb))))
			if (got.status == http.StatusOK) != role.May(right) || (got.status == http.StatusForbidden) == role.May(right) {
				t.Errorf("%s: %s: %d %s", role, verb, got.status, got.body)
			}
		}
	}
}

func jsonRequest(target, body string) *http.Request {
	r := request(http.MethodPost, target, body)
	r.Header.Set("Content-Type", "application/json")
	return r
}

// signIn opens a session as a browser that takes JSON does.
func (s *site) signIn(t *testing.T, k *identity.Key) (cookie *http.Cookie, csrf string) {
	t.Helper()
	r := s.as(k, request(http.MethodPost, "/session", ""))
	r.Header.Set("Accept", "application/json")
	got := s.send(t, r)
	cookies := (&http.Response{Header: got.header}).Cookies()
	if got.status != http.StatusOK || len(cookies) != 1 {
		t.Fatalf("sign in: %d %s", got.status, got.body)
	}
	return cookies[0], read[struct{ CSRF string }](t, got).CSRF
}

// With a session nothing is changed without its token, on any route, nor from a
// page elsewhere; and the trail hears of it.
func TestForgedRequests(t *testing.T) {
	s := newSite(t)
	cookie, csrf := s.signIn(t, operator())
	for _, route := range s.routes() {
		if route.method == http.MethodGet {
			continue
		}
		for name, edit := range map[string]func(*http.Request){
			"without its token": func(*http.Request) {},
			"another's token":   func(r *http.Request) { r.Header.Set("X-CSRF-Token", "x"+csrf[1:]) },
			"in the address":    func(r *http.Request) { r.URL.RawQuery = "csrf=" + csrf },
			"from elsewhere": func(r *http.Request) {
				r.Header.Set("X-CSRF-Token", csrf)
				r.Header.Set("Sec-Fetch-Site", "cross-site")
			},
		} {
			r := request(route.method, fill(label(route.path)), `{}`)
			r.Header.Set("Content-Type", "application/json")
			r.AddCookie(cookie)
			edit(r)
			got := s.send(t, r)
			want := "access.csrf"
			if name == "from elsewhere" {
				want = "access.origin"
			}
			if got.status != http.StatusForbidden || got.code() != want {
				t.Errorf("%s %s, %s: %d %s", route.method, route.path, name, got.status, got.body)
			}
		}
	}
	if len(s.desk.asked) > 0 || s.intake.seen != nil {
		t.Errorf("something was done: %v", s.desk.asked)
	}
	told := 0
	for _, act := range s.noted.acts() {
		if act == "operator csrf refused" {
			told++
		}
	}
	if told == 0 || told != len(s.noted.records) {
		t.Errorf("the trail has %v", s.noted.acts())
	}
	r := jsonRequest("/api/v1/invitations", `{"note":"port"}`)
	r.AddCookie(cookie)
	r.Header.Set("X-CSRF-Token", csrf)
	if got := s.send(t, r); got.status != http.StatusCreated {
		t.Errorf("with its token: %d %s", got.status, got.body)
	}
}

func TestSessionFromBeginToEnd(t *testing.T) {
	s := newSite(t)
	cookie, csrf := s.signIn(t, operator())
	with := func(r *http.Request) *http.Request {
		r.AddCookie(cookie)
		return r
	}
	me := read[myself](t, s.send(t, with(request(http.MethodGet, "/api/v1/me", ""))))
	if me.Via != "session" || me.Label != operator().DID() || me.CSRF != csrf || !me.Until.Equal(noon.Add(access.SessionLife)) {
		t.Errorf("me %+v", me)
	}
	if got := s.send(t, with(request(http.MethodDelete, "/session", ""))); got.status != http.StatusForbidden {
		t.Errorf("signed out without the token: %d", got.status)
	}
	r := with(request(http.MethodDelete, "/session", ""))
	r.Header.Set("X-CSRF-Token", csrf)
	if got := s.send(t, r); got.status != http.StatusNoContent || len(got.body) != 0 {
		t.Errorf("sign out: %d %s", got.status, got.body)
	}
	if got := s.send(t, with(request(http.MethodGet, "/api/v1/me", ""))); got.status != http.StatusUnauthorized {
		t.Errorf("afterwards: %d %s", got.status, got.body)
	}
	if got := s.get(t, "/oidc/start"); got.status != http.StatusBadGateway || got.code() != "access.oidc" {
		t.Errorf("a provider that is away: %d %s", got.status, got.body)
	}
}

func TestMe(t *testing.T) {
	s := newSite(t)
	for _, c := range []struct {
		name   string
		by     *identity.Key
		via    string
		space  string
		spaces int
		roles  string
		may    string // one of the rights
		mayNot string
	}{
		{"nobody", nil, "anonymous", "", 0, "[anonymous]", "search", "read.all"},
		{"a key of a space", ofB(), "token", spaceB, 1, "[space]", "submit", "quarantine.read"},
		{"the hub's key, which is no space's", operator(), "token", "", 0, "[system security review audit]", "audit.read", "nothing"},
	} {
		r := request(http.MethodGet, "/api/v1/me", "")
		if c.by != nil {
			s.as(c.by, r)
		}
		got := s.send(t, r)
		me := read[myself](t, got)
		if me.Via != c.via || me.Space != c.space || len(me.Spaces) != c.spaces || fmt.Sprint(me.Roles) != c.roles ||
			!strings.Contains(fmt.Sprint(me.Rights), c.may) || strings.Contains(fmt.Sprint(me.Rights), c.mayNot) || me.CSRF != "" || !me.Until.IsZero() {
			t.Errorf("%s: %s", c.name, got.body)
		}
		if got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: kept by %q", c.name, got.header.Get("Cache-Control"))
		}
	}
	if got := s.get(t, "/api/v1/me?x=1"); got.status != http.StatusBadRequest {
		t.Errorf("a parameter: %d", got.status)
	}
}

// The table is everybody's; who holds an office is for officers.
func TestAccessTable(t *testing.T) {
	watcher := key()
	s := newSite(t, guarded(func(c *access.Config) {
		c.Operators = []access.Operator{{DID: watcher.DID(), Role: access.Regulator, Name: "监管处"}}
		c.OIDC.RoleClaim, c.OIDC.Roles = "role", map[string]access.Role{"checker": access.Review, "user": access.Participant}
	}))
	for name, c := range map[string]struct {
		by   *identity.Key
		told bool
	}{"nobody": {nil, false}, "a space": {ofB(), false}, "a stranger": {stranger(), false}, "the regulator": {watcher, true}, "the hub's key": {operator(), true}} {
		r := request(http.MethodGet, "/api/v1/access", "")
		if c.by != nil {
			s.as(c.by, r)
		}
		got := s.send(t, r)
		answer := read[table](t, got)
		if len(answer.Roles) != len(access.Table()) || len(answer.Rights) != len(access.Rights()) || answer.Rights[0].Name["zh"] == "" {
			t.Errorf("%s: %s", name, got.body)
		}
		want := "[] []"
		if c.told {
			want = fmt.Sprint([]access.Holder{
				{DID: operator().DID(), Roles: []access.Role{access.System, access.Security, access.Review}, Hub: true},
				{DID: watcher.DID(), Name: "监管处", Roles: []access.Role{access.Regulator}},
			}, " ", []access.Role{access.Review})
		}
		if fmt.Sprint(answer.Holders, " ", answer.Provided) != want {
			t.Errorf("%s is told %v %v, want %s", name, answer.Holders, answer.Provided, want)
		}
		if strings.Contains(string(got.body), watcher.DID()) != c.told || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s", name, got.body)
		}
	}
	if got := s.send(t, func() *http.Request {
		r := request(http.MethodGet, "/api/v1/access", "")
		r.Header.Set("Authorization", "Bearer x.y.z")
		return r
	}()); got.status != http.StatusUnauthorized {
		t.Errorf("a bad token: %d", got.status)
	}
}

// The reader of every reading route is who the guard says.
func TestReadersAreKnown(t *testing.T) {
	s := newSite(t)
	s.send(t, s.as(ofB(), request(http.MethodGet, "/api/v1/search", "")))
	if r := s.catalog.asked.Reader; r.All || len(r.Spaces) != 1 || r.Spaces[0] != spaceB {
		t.Errorf("reader %+v", r)
	}
	for name, ask := range map[string]func() *http.Request{
		"by path":  func() *http.Request { return request(http.MethodGet, "/api/v1/offerings/"+spaceB+"/urn:hidden", "") },
		"by query": func() *http.Request { return request(http.MethodGet, "/api/v1/offerings?id=urn:hidden", "") },
	} {
		for who, c := range map[string]struct {
			by     *identity.Key
			status int
		}{"its space": {ofB(), 200}, "an officer": {operator(), 200}, "a stranger": {stranger(), 404}} {
			if got := s.send(t, s.as(c.by, ask())); got.status != c.status {
				t.Errorf("%s, %s: %d", name, who, got.status)
			}
		}
	}
}

func TestSpaceTellsItsStandingAndKeys(t *testing.T) {
	spaces := newSpaces()
	s := newSite(t, func(c *Config) { c.Spaces = spaces })
	info := read[spaceInfo](t, s.get(t, "/api/v1/spaces/"+spaceB))
	if info.Standing != registry.Admitted || len(info.Keys) != 2 || !info.Keys[0].Valid || info.Participants != 1 || info.Offerings != 2 {
		t.Errorf("got %+v", info)
	}
	own := read[spaceInfo](t, s.send(t, s.as(ofB(), request(http.MethodGet, "/api/v1/spaces/"+spaceB, ""))))
	if own.Participants != 3 {
		t.Errorf("the space itself sees %d participants", own.Participants)
	}
	act := func(a vocab.Act) {
		a.Space = spaceB
		spaces.Apply(registry.Entry{Index: spaces.Position(), ReceivedAt: noon, Fact: vocab.Fact{Kind: vocab.KindAct, Space: operator().DID(), Created: noon, Digest: vocab.DigestOf([]byte(a.Verb))}, Act: &a})
	}
	act(vocab.Act{Verb: vocab.KeyCompromise, Key: ofB().DID(), From: 0})
	act(vocab.Act{Verb: vocab.Suspension, Reason: "核查中"})
	info = read[spaceInfo](t, s.get(t, "/api/v1/spaces/"+spaceB))
	stolen := info.Keys[1]
	if stolen.DID != ofB().DID() {
		stolen = info.Keys[0]
	}
	if info.Standing != registry.Suspended || info.Reason != "核查中" || info.Participants != 0 || !stolen.Compromised || stolen.Valid || stolen.Since == nil || *stolen.Since != 0 {
		t.Errorf("got %+v", info)
	}
	row := read[list[struct {
		DID      string
		Standing registry.Standing
	}]](t, s.get(t, "/api/v1/spaces")).Items[1]
	if row.DID != spaceB || row.Standing != registry.Suspended {
		t.Errorf("in the list: %+v", row)
	}
}

// A space that only waits is told to itself and to who admits; to others it is
// not there.
func TestSpaceThatWaits(t *testing.T) {
	s := newSite(t)
	did := stranger().DID()
	s.desk.waiting = map[string]vocab.Receipt{did: {Status: vocab.Waiting, ReceivedAt: noon}}
	for _, c := range []struct {
		name   string
		by     *identity.Key
		status int
	}{{"nobody", nil, 404}, {"another space", ofB(), 404}, {"itself", stranger(), 200}, {"who admits", operator(), 200}} {
		r := request(http.MethodGet, "/api/v1/spaces/"+did, "")
		if c.by != nil {
			s.as(c.by, r)
		}
		got := s.send(t, r)
		if got.status != c.status {
			t.Errorf("%s: %d %s", c.name, got.status, got.body)
		}
		if c.status == 200 {
			if info := read[spaceInfo](t, got); info.Waiting == nil || info.Standing != registry.Unadmitted || info.DID != did {
				t.Errorf("%s: %s", c.name, got.body)
			}
		}
	}
}

func TestParticipants(t *testing.T) {
	s := newSite(t)
	codes := func(by *identity.Key, limit int) (out []string) {
		cursor := ""
		for range 10 {
			r := request(http.MethodGet, fmt.Sprintf("/api/v1/spaces/%s/participants?limit=%d%s", spaceB, limit, cursor), "")
			if by != nil {
				s.as(by, r)
			}
			got := s.send(t, r)
			l := read[list[vocab.Participant]](t, got)
			for _, p := range l.Items {
				out = append(out, p.Code)
			}
			if l.Next == "" {
				return out
			}
			cursor = "&cursor=" + strings.ReplaceAll(l.Next, " ", "%20")
		}
		t.Error("no end of pages")
		return out
	}
	for _, limit := range []int{1, 2, 50} {
		for name, c := range map[string]struct {
			by   *identity.Key
			want string
		}{
			"nobody": {nil, "[CODE1]"}, "a stranger": {stranger(), "[CODE1]"},
			"the space": {ofB(), "[CODE0 CODE1 CODE2]"}, "who sees everything": {operator(), "[CODE0 CODE1 CODE2]"},
		} {
			if got := fmt.Sprint(codes(c.by, limit)); got != c.want {
				t.Errorf("%s by %d: %s", name, limit, got)
			}
		}
	}
	if got := s.get(t, "/api/v1/spaces/did:key:none/participants"); got.status != 404 || got.code() != "space.not_found" {
		t.Errorf("no such space: %d %s", got.status, got.body)
	}
}

// The guard's clock is the site's: what this test file says of times holds.
func TestTokenIsGoodOnce(t *testing.T) {
	s := newSite(t)
	r := s.as(operator(), request(http.MethodGet, "/api/v1/views", ""))
	again := request(http.MethodGet, "/api/v1/views", "")
	again.Header = r.Header.Clone()
	late, err := identity.NewToken(operator(), s.HubDID, noon.Add(-time.Hour), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	expired := request(http.MethodGet, "/api/v1/views", "")
	expired.Header.Set("Authorization", "Bearer "+late)
	for _, c := range []struct {
		name   string
		r      *http.Request
		status int
	}{{"fresh", r, 200}, {"again", again, 401}, {"expired", expired, 401}} {
		if got := s.send(t, c.r); got.status != c.status {
			t.Errorf("%s: %d %s", c.name, got.status, got.body)
		}
	}
}

package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"lianmu/hub/access"
	"lianmu/vocab"
)

// visitor is who looks at a page, as its header says.
type visitor struct {
	Known   bool   // signed in, or with a token
	Name    phrase // organisation, space or key
	Offices string // what they are here
	Officer bool   // and so has pages under /admin
	CSRF    string // what every form that changes something carries
	SignIn  string // where to sign in and come back
}

func (s *Site) visitor(q *request) visitor {
	v := visitor{SignIn: "/sign-in"}
	if q.Method == http.MethodGet && q.URL.Path != "/sign-in" {
		v.SignIn += "?" + url.Values{"next": {q.URL.RequestURI()}}.Encode()
	}
	if !q.who.Known() {
		return v
	}
	v.Known, v.Officer, v.CSRF = true, q.who.Officer(), s.config.Guard.CSRF(q.Request)
	v.Name, v.Offices = s.named(q), q.t.roles(q.who.Roles)
	return v
}

// named is what the reader is called: as the operator or their space calls
// them, by their space's name, or by their key.
func (s *Site) named(q *request) phrase {
	w := q.who
	space := phrase{}
	for _, did := range append([]string{w.Space}, w.Spaces...) {
		if state, ok := s.config.Registry.Space(did); ok && did != "" {
			space = q.t.named(did, state.Space.Name)
			break
		}
	}
	switch {
	case w.Name != "" && w.Officer():
		return phrase{Text: w.Name}
	case w.Org != "" || w.Name != "":
		name := strings.Trim(w.Org+" "+w.Name, " ")
		if space.Text != "" {
			name = space.Text + " · " + name
		}
		return phrase{Text: name}
	case space.Text != "" && !w.Officer():
		return space
	}
	return phrase{Text: short(w.Label())}
}

// roles are the names of roles, in the order of the table.
func (t *tongue) roles(roles []access.Role) string {
	var names []string
	for _, r := range roles {
		names = append(names, r.Name()[t.lang])
	}
	return strings.Join(names, t.say("list.comma"))
}

// recorded are the names of roles as the audit trail has them.
func (t *tongue) recorded(roles string) string {
	var list []access.Role
	for _, r := range strings.Fields(roles) {
		list = append(list, access.Role(r))
	}
	return t.roles(list)
}

// rights are the names of rights.
func (t *tongue) rights(rights []access.Right) string {
	var names []string
	for _, r := range rights {
		names = append(names, r.Name()[t.lang])
	}
	return strings.Join(names, t.say("list.comma"))
}

// offices are the names of those that have every one of these rights; nil where
// none is asked for.
func (t *tongue) offices(rights []access.Right) (out []string) {
	if len(rights) == 0 {
		return nil
	}
	for _, row := range access.Table() {
		if row.Role.Office() && !slices.ContainsFunc(rights, func(r access.Right) bool { return !row.Role.May(r) }) {
			out = append(out, row.Name[t.lang])
		}
	}
	return out
}

// signInBody is the page where people sign in, and see as whom they have.
type signInBody struct {
	Next      string   // where to go on then
	Lines     []string // why the last attempt failed, or why this page comes
	Offices   []string // whose page was asked for
	Provider  string
	Elsewhere string // link to the provider; "" without one
	Token     string // commands to copy
	Session   string
	Rights    []access.Right // of whoever is signed in
	Spaces    []spaceTitle   // whose inner offerings they see
}

// spaceTitle is a space with its name.
type spaceTitle struct {
	DID  string
	Name phrase
}

// askToSignIn answers instead of a page that is not for anybody.
func (s *Site) askToSignIn(q *request, status int, err error, rights []access.Right) {
	b := s.signInBody(q, q.URL.RequestURI())
	if q.Method != http.MethodGet {
		b = s.signInBody(q, q.home)
	}
	if b.Offices = q.t.offices(rights); len(b.Offices) == 0 {
		b.Lines = q.t.lines(err)
	}
	s.render(q, status, "signin", page{Title: q.t.say("signin.title"), Body: b})
}

func (s *Site) signIn(q *request) {
	next := q.args.Get("next") // judged where it is used: by the guard
	if next == "" || len(next) > 2048 {
		next = "/"
	}
	s.render(q, http.StatusOK, "signin", page{Title: q.t.say("signin.title"), Body: s.signInBody(q, next)})
}

// SignInFailed shows why a sign-in, or signing out, failed: access.Config.Fail.
func (s *Site) SignInFailed(w http.ResponseWriter, r *http.Request, err error) {
	q := s.begin(w, r)
	status := statusOf(err)
	if status == http.StatusServiceUnavailable && code(err) == "" {
		s.config.Logger.Error("a sign-in failed", "error", err)
	}
	next := "/"
	if r.PostForm != nil && len(r.PostForm.Get("next")) <= 2048 {
		next = r.PostForm.Get("next")
	}
	b := s.signInBody(q, next)
	if b.Lines = q.t.lines(err); len(b.Lines) == 0 {
		b.Lines = []string{q.t.say("error.503.do")}
	}
	s.render(q, status, "signin", page{Title: q.t.say("signin.title"), Body: b})
}

func (s *Site) signInBody(q *request, next string) signInBody {
	b := signInBody{
		Next: next, Provider: s.config.Provider,
		Token:   "lianmu token --key FILE --audience " + s.config.HubDID,
		Session: "lianmu token --session --key FILE --audience " + s.config.HubDID + " --org " + q.t.say("signin.org") + " --name " + q.t.say("signin.name"),
	}
	if b.Provider != "" {
		b.Elsewhere = "/oidc/start?" + url.Values{"next": {next}}.Encode()
	}
	if !q.who.Known() {
		return b
	}
	for _, r := range access.Rights() {
		if q.who.May(r) {
			b.Rights = append(b.Rights, r)
		}
	}
	for _, did := range q.who.Spaces {
		b.Spaces = append(b.Spaces, s.titled(q.t, did))
	}
	return b
}

// titled is a space by name.
func (s *Site) titled(t *tongue, did string) spaceTitle {
	var name vocab.Text
	if state, ok := s.config.Registry.Space(did); ok {
		name = state.Space.Name
	}
	return spaceTitle{did, t.named(did, name)}
}

// join says what a space does to be admitted. The code of an invitation is in
// the fragment of the link, which comes no further than the browser: a script
// fills it in, and without one the page says where it belongs.
func (s *Site) join(q *request) {
	at := origin(q.Request)
	body := struct{ Command, Again, Publish string }{
		"lianmu join " + at + " --invite CODE --key space.key --descriptor space.yaml",
		"lianmu join " + at + " --key space.key",
		"lianmu publish --hub " + at + " --key space.key offering.jsonld",
	}
	s.render(q, http.StatusOK, "join", page{Title: q.t.say("join.title"), Body: body})
}

func (s *Site) about(q *request) {
	s.render(q, http.StatusOK, "about", page{Title: q.t.say("about.title")})
}

package access

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"lianmu/federation/identity"
	"lianmu/vocab"
)

// maxSignIn bounds the form of a sign-in, in bytes.
const maxSignIn = identity.MaxTokenBytes + 4<<10

// SignIn answers POST /session: a token in the form field token, or as Bearer,
// opens a session and sets its cookie. A plain token (lianmu token) signs in who
// holds its key; a session token (lianmu token --session) the person for whom a
// space vouches. A form is answered with 303 to the local path in the field
// next, or /; a request that accepts JSON with
// {"label","name","org","space","roles","csrf","until"}.
//
// It always opens a new session, under an id of its own choosing, and ends the
// one that the browser came with: no session can be planted.
func (g *Guard) SignIn(w http.ResponseWriter, r *http.Request) {
	token, next, err := g.signInForm(w, r)
	var s *session
	var who Who
	if err == nil {
		s, who, err = g.proven(token, host(r.RemoteAddr))
	}
	if err != nil {
		g.tell("session.open", "", Who{Via: ViaSession, Client: host(r.RemoteAddr)}, err)
		g.fail(w, r, err)
		return
	}
	g.begin(w, r, s, who)
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		g.answerSignIn(w, s, who)
		return
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// begin opens a session in place of the one that the browser came with.
func (g *Guard) begin(w http.ResponseWriter, r *http.Request, s *session, who Who) {
	if id, err := g.cookies.session(r); err == nil && id != "" {
		g.closeSession(sessionIDOf(id))
	}
	store := g.sessions
	if who.Officer() {
		store = g.sessionsOfOfficers
	}
	s.by, s.whose, s.share = who.By, who.Identity(), who.share()
	cookie := store.open(s, g.now())
	w.Header().Set("Cache-Control", "no-store")
	g.cookies.set(w, r, g.cookies.name(r), cookie, int(SessionLife/time.Second))
	g.tell("session.open", "", who, nil)
}

func (g *Guard) answerSignIn(w http.ResponseWriter, s *session, who Who) {
	body, err := json.Marshal(map[string]any{
		"label": who.Label(), "name": who.Name, "org": who.Org, "space": who.Space, "roles": who.Roles,
		"csrf": s.csrf, "until": s.made.Add(SessionLife).UTC().Format(time.RFC3339),
	})
	if err != nil { // strings always marshal
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // a client that hung up needs no answer
}

// signInForm reads the token, and where to go then.
func (g *Guard) signInForm(w http.ResponseWriter, r *http.Request) (token, next string, err error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return "", "", vocab.Problems{vocab.NewProblem("", "access.method", "登录请用 POST。", "sign in by POST")}
	}
	// A foreign page could otherwise sign people in as somebody else.
	if err := g.checkOrigin(r); err != nil {
		return "", "", err
	}
	if len(r.Header.Values("Authorization")) > 0 {
		token, err = bearer(r)
		return token, "/", err
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxSignIn)
	if r.ParseForm() != nil || len(r.PostForm["token"]) != 1 || !tokenText(strings.TrimSpace(r.PostForm.Get("token"))) {
		return "", "", unauthenticated("没有收到令牌。请把 lianmu token 生成的令牌整段粘贴进来，不超过 8 KB。",
			"there is no token: paste the whole of what lianmu token printed, at most 8 KB")
	}
	return strings.TrimSpace(r.PostForm.Get("token")), localPath(r.PostForm.Get("next")), nil
}

// localPath is a path on this hub to go on to; / for anything else.
func localPath(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || len(s) > 2048 ||
		!strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c == '\\' || c == 0x7f }) {
		return "/"
	}
	return s
}

// proven checks a token of either kind, uses it up, and tells who signs in.
func (g *Guard) proven(token, client string) (*session, Who, error) {
	if !identity.IsSessionToken(token) {
		who, err := g.token(token, client)
		if err == nil && !who.Known() {
			err = vocab.Problems{vocab.NewProblem("", "access.forbidden",
				"%[1]s 在本节点没有任何身份，无需登录。请换用运维密钥、已准入空间的密钥，或由空间出具的会话令牌。",
				"%[1]s is nothing on this hub, so there is nothing to sign in for: use an operator's key, an admitted space's, or a session token that a space made", who.Label())}
		}
		return &session{did: who.DID}, who, err
	}
	now := g.now()
	t, err := identity.VerifySessionToken(token, g.hub, now)
	if err != nil {
		return nil, Who{}, as401(err)
	}
	s := &session{did: t.DID, person: t.Person}
	who, err := g.whoOf(s, client, now)
	if err != nil {
		return nil, Who{}, err
	}
	if g.identities.wait(who.Identity(), now) > 0 {
		return nil, Who{}, tooOften()
	}
	return s, who, g.use(who, vocab.KeyOf(t.DID, t.ID), t.Expires, now)
}

// SignOut answers POST /session/end: it ends the session, takes its cookie and
// goes on to /. Programs use DELETE, and get 204.
func (g *Guard) SignOut(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost && r.Method != http.MethodDelete {
		w.Header().Set("Allow", "DELETE, POST")
		g.fail(w, r, vocab.Problems{vocab.NewProblem("", "access.method", "退出登录请用 POST。", "sign out by POST")})
		return
	}
	if err := g.CheckCSRF(r); err != nil {
		g.tell("csrf", r.URL.Path, Who{Via: ViaSession, Client: host(r.RemoteAddr)}, err)
		g.fail(w, r, err)
		return
	}
	if id, err := g.cookies.session(r); err == nil && id != "" {
		if s := g.findSession(sessionIDOf(id)); s != nil {
			who, _ := g.whoOf(s, host(r.RemoteAddr), g.now()) // who may do nothing any more can still leave
			g.tell("session.close", "", who, nil)
		}
		g.closeSession(sessionIDOf(id))
	}
	g.cookies.set(w, r, g.cookies.name(r), "", 0)
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodDelete {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (g *Guard) findSession(id sessionID) *session {
	now := g.now()
	if s := g.sessions.find(id, now); s != nil {
		return s
	}
	return g.sessionsOfOfficers.find(id, now)
}

func (g *Guard) closeSession(id sessionID) {
	g.sessions.close(id)
	g.sessionsOfOfficers.close(id)
}

// sessionOf returns the session of a request; nil without one that lasts.
func (g *Guard) sessionOf(r *http.Request) *session {
	id, err := g.cookies.session(r)
	if err != nil || id == "" {
		return nil
	}
	return g.findSession(sessionIDOf(id))
}

// Until returns when the session of a request is over however much it is used;
// zero without one.
func (g *Guard) Until(r *http.Request) time.Time {
	if s := g.sessionOf(r); s != nil {
		return s.made.Add(SessionLife)
	}
	return time.Time{}
}

// bySession tells who comes with a session cookie.
func (g *Guard) bySession(cookie, client string) (Who, error) {
	id := sessionIDOf(cookie)
	s := g.findSession(id)
	if s == nil {
		return Who{}, sessionOver()
	}
	now := g.now()
	who, err := g.whoOf(s, client, now)
	if err != nil {
		g.closeSession(id)
		g.tell("session.close", "", s.claimed(client), err)
		return Who{}, err
	}
	if g.identities.wait(who.Identity(), now) > 0 {
		return Who{}, tooOften()
	}
	return who, nil
}

// whoOf tells what the one who signed in is now. A person for whom a space
// vouched is of that space alone: what the organisation is elsewhere, another
// space's word does not open. It is an error where nothing is left of it.
func (g *Guard) whoOf(s *session, client string, now time.Time) (Who, error) {
	if s.person == (identity.Person{}) {
		who, err := g.byDID(s.did, client, now)
		if err == nil && !who.Known() {
			err = sessionOver()
		}
		who.Via = ViaSession
		return who, err
	}
	who := s.claimed(client)
	if s.did == "" {
		return g.whoOfOIDC(s, who, now)
	}
	if g.registry == nil {
		return Who{}, notVouched()
	}
	space, err := g.registry.MaySign(s.did)
	if err != nil {
		return Who{}, as401(err)
	}
	if space == "" || !g.belongs(s.person.Org, space, now) {
		return Who{}, notVouched()
	}
	who.By, who.Spaces = space, []string{space}
	switch Role(s.person.Role) {
	case Participant, "":
		who.Roles = []Role{Participant}
	case Space:
		who.Roles, who.Space = []Role{Space}, space
	default:
		return Who{}, unauthenticated("会话令牌中的角色只能是 participant 或 space；节点的职务由节点运营方授予。",
			"the role in a session token can only be participant or space: offices of this hub are given by its operator")
	}
	return who, nil
}

// belongs reports whether an organisation operates a space or is a valid
// participant of it.
func (g *Guard) belongs(org, space string, now time.Time) bool {
	if slices.Contains(g.registry.SpacesOfOrganisation(org, now), space) {
		return true
	}
	state, ok := g.registry.Space(space)
	return ok && state.Space.Operator.Code == org
}

func notVouched() error {
	return unauthenticated("出具令牌的空间没有这个单位：它应是该空间的运营方，或有效的接入主体。请联系该空间。",
		"the space that made the token does not have this organisation: it must operate the space or be a valid participant of it; ask the space")
}

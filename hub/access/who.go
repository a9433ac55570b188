package access

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"lianmu/federation/identity"
	"lianmu/vocab"
)

// Ways of coming, as Who.Via has them.
const (
	ViaNobody  = "anonymous"
	ViaToken   = "token"
	ViaSession = "session"
)

// Who is somebody who asks for something, as far as this hub knows. It holds
// for the moment at which it was worked out: rights are looked up at every
// request, never kept.
type Who struct {
	Via    string   // anonymous, token or session
	DID    string   // of the key that speaks; "" for people of a company
	Space  string   // the space that the key, or the person's role, speaks for; else ""
	Org    string   // 主体标识码 of the person's organisation; else ""
	Name   string   // pseudonym of the person, or the operator's configured name
	By     string   // the space that vouched for the person; else ""
	At     string   // keyed digest of whom the identity provider knows; else ""
	Roles  []Role   // never empty
	Spaces []string // whose inner offerings are theirs to see, by DID
	Client string   // address they come from, for the audit trail
}

// May reports whether any of the roles has the right.
func (w Who) May(right Right) bool {
	return slices.ContainsFunc(w.Roles, func(r Role) bool { return r.May(right) })
}

// Officer reports whether it is somebody to whom the operator gave an office.
func (w Who) Officer() bool { return slices.ContainsFunc(w.Roles, Role.Office) }

// Known reports whether the hub knows more of them than that they ask.
func (w Who) Known() bool {
	return slices.ContainsFunc(w.Roles, func(r Role) bool { return r != Anonymous })
}

// Reader is what they may see.
func (w Who) Reader() vocab.Reader {
	return vocab.Reader{All: w.May(ReadAll), Spaces: w.Spaces}
}

// Identity is one for one person or key, and another's never, whatever they are
// called: the DID; at the identity provider issuer and sub, of which a keyed
// digest is kept; where a space vouched, that space with organisation and
// pseudonym. "" is nobody. What is counted for each, and the rule of two persons,
// go by it.
func (w Who) Identity() string {
	switch {
	case w.DID != "":
		return w.DID
	case w.At != "":
		return "oidc:" + w.At
	case w.By != "":
		return w.Org + "/" + w.Name + "@" + w.By
	}
	return ""
}

// tagLength is how much of the digest a label shows: 50 bits.
const tagLength = 10

// Label names them for people, in acts and in the audit trail: the DID, or
// ORG/PSEUDONYM@SPACE for whom that space vouched, or ORG/PSEUDONYM/TAG for whom
// the identity provider knows, with a tag that stays when the pseudonym changes,
// or "anonymous". Pseudonyms hold neither / nor @, so nobody can pretend.
func (w Who) Label() string {
	switch {
	case w.DID != "":
		return w.DID
	case w.At != "" && w.Name != providerName(w.At):
		return w.Org + "/" + w.Name + "/" + w.At[:tagLength]
	case w.By != "":
		return w.Identity()
	case w.Org != "" || w.Name != "":
		return w.Org + "/" + w.Name
	}
	return ViaNobody
}

// Need refuses whoever does not have every one of the rights; the error is
// vocab.Problems with code access.forbidden.
func (w Who) Need(rights ...Right) error {
	for _, right := range rights {
		if !w.May(right) {
			return w.forbidden(right.Name())
		}
	}
	return nil
}

func (w Who) forbidden(name vocab.Text) error {
	return vocab.Problems{vocab.NewProblem("", "access.forbidden",
		"%[1]s 没有“%[2]s”的权限。请换用有此权限的密钥或账号，或请节点运营方授予相应角色（见 lianmu access show）。",
		"%[1]s may not %[3]s: use a key or an account that may, or ask the operator of the hub for the role (see lianmu access show)",
		w.Label(), name["zh"], name["en"])}
}

// RoleNames are the roles as the audit trail has them, with spaces between.
func (w Who) RoleNames() string {
	names := make([]string, len(w.Roles))
	for i, r := range w.Roles {
		names[i] = string(r)
	}
	return strings.Join(names, " ")
}

// Event is something that the audit trail should hear of.
type Event struct {
	Time     time.Time
	Act      string         // "token", "session.open", "session.close", "csrf", or what one had no right to
	Object   string         // what that was about, where it is known
	Who      Who            // as far as it was found out
	Problems vocab.Problems // why it was refused; nil: it was done
}

// tell lets the audit trail hear. Without one nothing is kept.
func (g *Guard) tell(act, object string, who Who, err error) {
	if g.audit == nil {
		return
	}
	var ps vocab.Problems
	if err != nil {
		ps = vocab.ProblemsOf(err, "internal")
	}
	g.audit(Event{Time: g.now(), Act: act, Object: object, Who: who, Problems: ps})
}

// slot keeps what was found out about a request: a token works once, so it is
// looked at once, whoever asks.
type slot struct {
	once sync.Once
	who  Who
	err  error
}

type slotKey struct{}

func withSlot(ctx context.Context) context.Context {
	return context.WithValue(ctx, slotKey{}, &slot{})
}

// Who tells who sends a request: by its Bearer token, else by its session
// cookie, else nobody. A credential that is no good is an error and never taken
// for none. Under Limit it is worked out once a request.
//
// Errors are vocab.Problems with one code: access.unauthenticated (401) or
// access.rate (429).
func (g *Guard) Who(r *http.Request) (Who, error) {
	s, ok := r.Context().Value(slotKey{}).(*slot)
	if !ok {
		return g.who(r)
	}
	s.once.Do(func() { s.who, s.err = g.who(r) })
	return s.who, s.err
}

func (g *Guard) who(r *http.Request) (Who, error) {
	client := host(r.RemoteAddr)
	if len(r.Header.Values("Authorization")) > 0 {
		token, err := bearer(r)
		if err != nil {
			g.tell("token", "", Who{Via: ViaToken, Client: client}, err)
			return Who{}, err
		}
		return g.token(token, client)
	}
	id, err := g.cookies.session(r)
	if err != nil {
		return Who{}, err
	}
	if id != "" {
		return g.bySession(id, client)
	}
	return Who{Via: ViaNobody, Roles: []Role{Anonymous}, Client: client}, nil
}

// Need is Who, and refuses whoever does not have the right; nothing more has to
// be asked before doing it. A request that changes something and rests on a
// session must also pass CheckCSRF. Refusals go to the audit trail.
//
// Errors are those of Who, of CheckCSRF, and access.unauthenticated for nobody,
// access.forbidden (403) for somebody without the right.
func (g *Guard) Need(r *http.Request, right Right) (Who, error) {
	return g.NeedFor(r, right, string(right), "")
}

// NeedFor is Need for something that the trail knows by a name of its own, such
// as space.resume, and about an object, such as a space.
func (g *Guard) NeedFor(r *http.Request, right Right, act, object string) (Who, error) {
	return g.allowed(r, act, object, func(w Who) bool { return w.May(right) }, right.Name())
}

func (g *Guard) allowed(r *http.Request, act, object string, may func(Who) bool, name vocab.Text) (Who, error) {
	who, err := g.Who(r)
	if err != nil {
		return Who{}, err
	}
	switch {
	case may(who):
		err = g.CheckCSRF(r)
	case !who.Known() && who.DID == "":
		err = unauthenticated("此操作需要身份：请登录，或用 lianmu token 生成令牌，并放在请求头 Authorization: Bearer 之后。",
			"this needs to know who you are: sign in, or make a token with lianmu token and send it as Authorization: Bearer TOKEN")
	default:
		err = who.forbidden(name)
	}
	if err != nil {
		g.tell(act, object, who, err)
		return Who{}, err
	}
	return who, nil
}

// Operator returns the label of whoever holds any office; errors as Need's.
func (g *Guard) Operator(r *http.Request) (string, error) {
	who, err := g.allowed(r, "operate", "", Who.Officer, vocab.Text{"zh": "运维", "en": "operate this hub"})
	return who.Label(), err
}

// Reader returns what the sender of a request may see; errors as Who's.
func (g *Guard) Reader(r *http.Request) (vocab.Reader, error) {
	who, err := g.Who(r)
	return who.Reader(), err
}

// Token is Who for a token that comes another way than HTTP, from an address
// with or without a port; it is charged to the address like a request.
func (g *Guard) Token(token, client string) (Who, error) {
	if g.addresses.wait(networkOf(client), g.now()) > 0 {
		return Who{}, tooOften()
	}
	if !tokenText(token) {
		err := unauthenticated("这不是令牌。请用 lianmu token 生成。", "this is no token: make one with lianmu token")
		g.tell("token", "", Who{Via: ViaToken, Client: host(client)}, err)
		return Who{}, err
	}
	return g.token(token, host(client))
}

// token checks a token and uses it up. The address has been charged before, so
// a flood of wrong signatures is bounded; the identity is charged after, so
// that nobody can spend what is another's.
func (g *Guard) token(token, client string) (who Who, err error) {
	who = Who{Via: ViaToken, Client: client}
	defer func() {
		if err != nil {
			g.tell("token", "", who, err)
			who = Who{}
		}
	}()
	now := g.now()
	did, jti, expires, err := identity.VerifyToken(token, g.hub, now)
	if err != nil {
		return who, as401(err)
	}
	if who, err = g.byDID(did, client, now); err != nil {
		return who, err
	}
	if g.identities.wait(did, now) > 0 {
		return who, tooOften()
	}
	return who, g.use(who, vocab.KeyOf(did, jti), expires, now)
}

// use spends a token. What officers spend is kept apart, so that nobody else's
// flood can lock them out.
func (g *Guard) use(who Who, token vocab.Key, expires, now time.Time) error {
	set := g.used
	if who.Officer() {
		set = g.usedByOfficers
	}
	switch set.add(token, who.share(), who.Client, expires, now) {
	case onceUsed:
		return unauthenticated("这个令牌已经用过，每个令牌只能用一次。请用 lianmu token 重新生成。",
			"this token has been used, and each works once: make another with lianmu token")
	case onceFull:
		return vocab.Problems{vocab.NewProblem("", "access.rate",
			"近十分钟内使用的令牌太多，暂不接受新令牌。请过几分钟再试。",
			"too many tokens were used in the last ten minutes, so no new one is accepted: try again in a few minutes")}
	}
	return nil
}

// share is on whose account memory is used: a space's participants and people
// count as the space.
func (w Who) share() string {
	if len(w.Spaces) > 0 {
		return w.Spaces[0]
	}
	return w.Identity()
}

// byDID tells what the holder of a key is here, now. One that is nothing yet,
// such as a space that is still to be admitted, has its DID and anybody's
// rights. A key that was retired or stolen is refused.
func (g *Guard) byDID(did, client string, now time.Time) (Who, error) {
	w := Who{DID: did, Via: ViaToken, Client: client}
	if o := g.officers[did]; o != nil {
		// An officer is nothing else: what spaces list, and what becomes of their
		// keys, takes no office from anybody.
		w.Roles, w.Name = slices.Clone(o.roles), o.name
		return w, nil
	}
	if g.registry != nil {
		space, err := g.registry.MaySign(did)
		switch {
		case err == nil && space != "":
			w.Space = space
			w.Roles = append(w.Roles, Space)
			w.Spaces = append(w.Spaces, space)
		case badKey(err):
			return w, as401(err)
		}
		of := g.registry.SpacesOfDID(did, now)
		if len(of) > 0 {
			w.Roles = append(w.Roles, Participant)
			w.Spaces = union(w.Spaces, of)
		}
	}
	if len(w.Roles) == 0 {
		w.Roles = []Role{Anonymous}
	}
	return w, nil
}

// SeesAll reports whether the holder of this DID has an office that sees every
// audience, whatever way they come.
func (g *Guard) SeesAll(did string) bool {
	o := g.officers[did]
	return o != nil && Who{Roles: o.roles}.May(ReadAll)
}

// Office reports whether somebody with this DID holds an office, or the DID is
// the hub's own.
func (g *Guard) Office(did string) bool { return did == g.hub || g.officers[did] != nil }

// badKey reports whether a key is no longer its space's.
func badKey(err error) bool {
	return err != nil && strings.HasPrefix(vocab.ProblemsOf(err, "internal")[0].Code, "key.")
}

func union(a, b []string) []string {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(a, s)
		}
	}
	return a
}

// host is an address without its port.
func host(addr string) string {
	if h, _, err := net.SplitHostPort(addr); err == nil {
		return h
	}
	return addr
}

package api

import (
	"cmp"
	"net/http"
	"time"

	"lianmu/federation/ledger"
	"lianmu/hub/access"
	"lianmu/hub/audit"
	"lianmu/vocab"
)

// reader tells who reads. A credential that is no good is an error, never taken
// for none.
func (a *api) reader(r *http.Request) (vocab.Reader, error) {
	who, err := a.Guard.Who(r)
	return who.Reader(), err
}

// mayRead tells which records the reader of a request may have whole.
func (a *api) mayRead(r *http.Request) (func(ledger.Record) bool, error) {
	reader, err := a.reader(r)
	return func(rec ledger.Record) bool { return a.MayRead(reader, rec) }, err
}

// byVerb stands in the table of routes for a right that hangs on the body.
const byVerb access.Right = "by the verb"

// allowed lets only those through who have the right.
func (a *api) allowed(right access.Right, h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if right == byVerb {
			if err := a.decides(r); err != nil {
				return err
			}
			return h(w, r)
		}
		if _, err := a.need(r, right); err != nil {
			return err
		}
		return h(w, r)
	}
}

// actOf is what the trail calls what a route does, where that is not its right.
var actOf = map[string]string{
	"POST /api/v1/proposals/{id}/approve": "proposal.approve",
	"POST /api/v1/invitations":            "invitation.create",
	"DELETE /api/v1/invitations/{id}":     "invitation.revoke",
	"GET /api/v1/audit/export":            "audit.export",
	"POST /api/v1/peers":                  "peer.add",
	"POST /api/v1/peers/{did}/approve":    "peer.approve",
	"POST /api/v1/peers/{did}/pause":      "peer.pause",
	"POST /api/v1/peers/{did}/resume":     "peer.resume",
	"POST /api/v1/peers/{did}/block":      "peer.block",
	"POST /api/v1/peers/{did}/remove":     "peer.remove",
	"POST /api/v1/peers/{did}/accept":     "peer.accept",
	"GET /api/v1/logs/{id}/export":        "log.export",
	"POST /api/v1/logs/import":            "log.import",
}

// need refuses whoever does not have the right to what the route does.
func (a *api) need(r *http.Request, right access.Right) (access.Who, error) {
	act := actOf[r.Method+" "+exchangeOf(r).route]
	return a.needFor(r, right, cmp.Or(act, string(right)))
}

// needFor is Guard.NeedFor about what the path names, noted for the log.
func (a *api) needFor(r *http.Request, right access.Right, act string) (access.Who, error) {
	who, err := a.Guard.NeedFor(r, right, act, objectOf(r))
	if err == nil {
		exchangeOf(r).operator = who.Label()
	}
	return who, err
}

// objectOf is what the path of a request names: a space, a proposal, an
// invitation; "" where it names nothing.
func objectOf(r *http.Request) string {
	for _, name := range []string{"did", "id"} {
		if s, err := pathValue(r, name, maxID); err == nil && s != "" {
			return s
		}
	}
	return ""
}

// decides refuses whoever holds no office before a body is read of them. What
// officers want, and whether they may, the body says.
func (a *api) decides(r *http.Request) error {
	who, err := a.Guard.Who(r)
	if err != nil || who.Officer() {
		return err
	}
	_, err = a.needFor(r, access.SpaceAdmit, "space.decide")
	return err
}

// ownDoing refuses what another site may have made a signed-in browser send.
func (a *api) ownDoing(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := a.Guard.CheckCSRF(r); err != nil {
			who, whoErr := a.Guard.Who(r)
			if whoErr == nil { // else the guard has told of it
				rec := recordOf(who, "csrf", exchangeOf(r).route)
				rec.Code = vocab.ProblemsOf(err, "access.csrf")[0].Code
				a.Trail.Refused(rec)
			}
			return err
		}
		return h(w, r)
	}
}

// recordOf begins a record of the trail.
func recordOf(who access.Who, act, object string) audit.Record {
	return audit.Record{Who: who.Label(), Role: who.RoleNames(), Via: who.Via, From: who.Client, Act: act, Object: object}
}

// myself answers GET /api/v1/me.
type myself struct {
	Via    string         `json:"via"`
	Label  string         `json:"label"` // as acts and the audit trail name them
	DID    string         `json:"did,omitempty"`
	Org    string         `json:"org,omitempty"`
	Name   string         `json:"name,omitempty"`
	Space  string         `json:"space,omitempty"` // that they speak for
	Spaces []string       `json:"spaces"`          // whose inner offerings they see
	Roles  []access.Role  `json:"roles"`
	Rights []access.Right `json:"rights"`
	CSRF   string         `json:"csrf,omitempty"`
	Until  time.Time      `json:"until,omitzero"` // end of the session
}

func (a *api) me(w http.ResponseWriter, r *http.Request) error {
	if err := readParams(r).end(); err != nil {
		return err
	}
	who, err := a.Guard.Who(r)
	if err != nil {
		return err
	}
	m := myself{
		Via: who.Via, Label: who.Label(), DID: who.DID, Org: who.Org, Name: who.Name, Space: who.Space,
		Spaces: append([]string{}, who.Spaces...), Roles: who.Roles, Rights: []access.Right{},
	}
	for _, right := range access.Rights() {
		if who.May(right) {
			m.Rights = append(m.Rights, right)
		}
	}
	if who.Via == access.ViaSession {
		m.CSRF, m.Until = a.Guard.CSRF(r), a.Guard.Until(r).UTC()
	}
	return answer(w, http.StatusOK, m)
}

// namedRight is a right for people.
type namedRight struct {
	Right access.Right `json:"right"`
	Name  vocab.Text   `json:"name"`
}

// table is which role may do what: the same on every hub, and no secret. Who holds
// which office is for officers.
type table struct {
	Roles    []access.Row    `json:"roles"`
	Rights   []namedRight    `json:"rights"`
	Holders  []access.Holder `json:"holders,omitempty"`  // by a key
	Provided []access.Role   `json:"provided,omitempty"` // offices that the identity provider gives, to whom the hub cannot know
}

func (a *api) access(w http.ResponseWriter, r *http.Request) error {
	if err := readParams(r).end(); err != nil {
		return err
	}
	who, err := a.Guard.Who(r)
	if err != nil {
		return err
	}
	t := table{Roles: access.Table(), Rights: make([]namedRight, 0, len(access.Rights()))}
	for _, right := range access.Rights() {
		t.Rights = append(t.Rights, namedRight{right, right.Name()})
	}
	if who.May(access.RolesRead) {
		t.Holders, t.Provided = a.Guard.Holders()
	}
	return answer(w, http.StatusOK, t)
}

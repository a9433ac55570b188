package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"lianmu/hub/access"
	"lianmu/hub/admission"
	"lianmu/vocab"
)

// need lets through whoever has the right, of which the audit trail hears where
// they do not; to others the page says whose office it is.
func (s *Site) need(q *request, right access.Right) bool {
	return s.needFor(q, right, string(right), "")
}

// needFor is need for an act that the trail knows by a name of its own, and about
// an object.
func (s *Site) needFor(q *request, right access.Right, act, object string) bool {
	who, err := s.config.Guard.NeedFor(q.Request, right, act, object)
	if err != nil {
		s.refuse(q, err, right)
		return false
	}
	q.who, q.reader = who, who.Reader()
	return true
}

// desk is a page of /admin, as the overview lists it.
type desk struct {
	Key   string // of its strings
	URL   string
	Count int // of what waits there; -1 where that says nothing
}

func (s *Site) overview(q *request) {
	if !s.need(q, access.RolesRead) { // a right of every office
		return
	}
	body := struct {
		Desks    []desk
		Table    []access.Row
		Holders  []access.Holder
		Provided []access.Role // by the identity provider
	}{Table: access.Table()}
	body.Holders, body.Provided = s.config.Guard.Holders()
	if q.who.May(access.SpaceAdmit) {
		body.Desks = append(body.Desks, desk{"waiting", "/admin/waiting", s.config.Desk.Count()}, desk{"invitations", "/admin/invitations", -1})
	}
	if mayPropose(q.who) {
		list, err := s.config.Desk.Proposals(q.Context(), q.who)
		if err != nil {
			s.refuse(q, err, access.Approve)
			return
		}
		body.Desks = append(body.Desks, desk{"proposals", "/admin/proposals", len(list)})
	}
	if q.who.May(access.QuarantineRead) {
		body.Desks = append(body.Desks, desk{"quarantine", "/admin/quarantine", -1})
	}
	if q.who.May(access.AuditRead) {
		body.Desks = append(body.Desks, desk{"audit", "/admin/audit", -1})
	}
	body.Desks = append(body.Desks, desk{"spaces", "/spaces", -1}, desk{"peers", "/peers", -1})
	s.render(q, http.StatusOK, "admin", page{Title: q.t.say("admin.title"), Body: body})
}

func mayPropose(who access.Who) bool {
	return who.May(access.Approve) || who.May(access.OfferingRemove) || who.May(access.LogRedact)
}

// waitingShown is how many applicants are shown at once.
const waitingShown = 20

// waitingRow is an applicant with where to decide on them.
type waitingRow struct {
	admission.Applicant
	Admit, Reject string
}

func (s *Site) waiting(q *request) {
	if !s.need(q, access.SpaceAdmit) {
		return
	}
	list, err := s.config.Desk.Waiting(q.Context(), q.who)
	if err != nil {
		s.refuse(q, err, access.SpaceAdmit)
		return
	}
	body := struct {
		Rows     []waitingRow
		Total    int
		Next     string
		Rejected bool
	}{Total: len(list), Rejected: q.args.Get("done") == string(vocab.Rejection)}
	from, next := window(q.args.Get("from"), len(list), waitingShown)
	for _, a := range list[from:next] {
		seen := url.Values{"descriptor": {a.Digest.String()}}
		body.Rows = append(body.Rows, waitingRow{a, actURL(a.DID, vocab.Admission, seen), actURL(a.DID, vocab.Rejection, seen)})
	}
	if next < len(list) {
		body.Next = "/admin/waiting?from=" + strconv.Itoa(next)
	}
	s.render(q, http.StatusOK, "waiting", page{Title: q.t.say("waiting.title"), Body: body})
}

// window is the part of a list of n that begins at from, at most size long.
func window(from string, n, size int) (start, end int) {
	start, err := strconv.Atoi(from)
	if err != nil || start < 0 || start > n {
		start = 0
	}
	return start, min(start+size, n)
}

// invitationsShown is how many are listed; the newest come first.
const invitationsShown = 100

// invitationsBody is the page of invitations.
type invitationsBody struct {
	Code, Link, Command string // of the one just made, shown this once
	Note                string
	Lines               []string
	List                []admission.Invitation
	Total               int
	Revoked             bool
	Now                 time.Time
}

func (s *Site) invitations(q *request) {
	if s.need(q, access.SpaceAdmit) {
		s.showInvitations(q, http.StatusOK, &invitationsBody{Revoked: q.args.Get("done") == "revoked"})
	}
}

func (s *Site) showInvitations(q *request, status int, b *invitationsBody) {
	list, err := s.config.Desk.Invitations(q.Context(), q.who)
	if err != nil {
		s.refuse(q, err, access.SpaceAdmit)
		return
	}
	b.Total, b.Now = len(list), s.config.Now()
	b.List = list[:min(len(list), invitationsShown)]
	s.render(q, status, "invitations", page{Title: q.t.say("invitations.title"), Body: b})
}

// invite makes an invitation and shows its code: the one answer to a form that
// cannot be loaded again, because the code is kept nowhere.
func (s *Site) invite(q *request) {
	q.home = "/admin/invitations"
	if !s.needFor(q, access.SpaceAdmit, "invitation.create", "") {
		return
	}
	b := &invitationsBody{Note: q.form.Get("note")}
	days, err := strconv.Atoi(q.form.Get("days"))
	if err != nil || days < 1 || days > int(admission.MaxInvitation.Hours()/24) {
		err = vocab.Problems{vocab.NewProblem("/days", "request.range", "有效天数应为 1 到 %d。", "It holds for 1 to %d days.", int(admission.MaxInvitation.Hours()/24))}
	}
	if err == nil {
		b.Code, _, err = s.config.Desk.Invite(q.Context(), q.who, b.Note, time.Duration(days)*24*time.Hour)
	}
	if err != nil {
		if b.Lines = q.t.lines(err); len(b.Lines) == 0 || statusOf(err) == http.StatusForbidden {
			s.refuse(q, err, access.SpaceAdmit)
			return
		}
		s.showInvitations(q, statusOf(err), b)
		return
	}
	b.Note, b.Link = "", s.config.Desk.Link(b.Code)
	b.Command = "lianmu join '" + b.Link + "' --key space.key --descriptor space.yaml"
	s.showInvitations(q, http.StatusOK, b)
}

func (s *Site) revoke(q *request) {
	q.home = "/admin/invitations"
	if !s.needFor(q, access.SpaceAdmit, "invitation.revoke", cut(q.form.Get("id"), 64)) {
		return
	}
	if err := s.config.Desk.Revoke(q.Context(), q.who, cut(q.form.Get("id"), 64)); err != nil {
		s.refuse(q, err, access.SpaceAdmit)
		return
	}
	s.goOn(q, "/admin/invitations?done=revoked")
}

// proposalRow is a proposal with what the reader may do about it.
type proposalRow struct {
	admission.Proposal
	Right vocab.Text
	Of    spaceTitle // the space that it is about
	Mine  bool       // proposed by the reader
	May   bool       // approve it
}

func (s *Site) proposals(q *request) {
	if !mayPropose(q.who) && !s.need(q, access.Approve) {
		return
	}
	list, err := s.config.Desk.Proposals(q.Context(), q.who)
	if err != nil {
		s.refuse(q, err, access.Approve)
		return
	}
	body := struct {
		Rows []proposalRow
		Done string
	}{}
	if done := q.args.Get("done"); slices.Contains([]string{"proposed", "approved"}, done) {
		body.Done = done
	}
	for _, p := range list {
		right := access.Right(p.Act)
		row := proposalRow{Proposal: p, Right: right.Name(), Mine: p.MadeBy(q.who)}
		row.May = !row.Mine && q.who.May(access.Approve) && q.who.May(right)
		if p.Space != "" {
			row.Of = s.titled(q.t, p.Space)
		}
		body.Rows = append(body.Rows, row)
	}
	s.render(q, http.StatusOK, "proposals", page{Title: q.t.say("proposals.title"), Body: body})
}

// approve does what another officer proposed, once the box is ticked.
func (s *Site) approve(q *request) {
	q.home = "/admin/proposals"
	if !s.needFor(q, access.Approve, "proposal.approve", cut(q.form.Get("id"), 64)) {
		return
	}
	if q.form.Get("confirm") != "yes" {
		s.problem(q, http.StatusBadRequest, notTicked())
		return
	}
	if _, err := s.config.Desk.Approve(q.Context(), q.who, cut(q.form.Get("id"), 64)); err != nil {
		s.refuse(q, err, access.Approve)
		return
	}
	s.goOn(q, "/admin/proposals?done=approved")
}

package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"lianmu/federation/registry"
	"lianmu/hub/admission"
	"lianmu/vocab"
)

// orderBody is the page on which an officer decides about a space: what the act
// does, what it needs, and a box to tick. Nothing is done before that.
type orderBody struct {
	Verb      vocab.Verb
	Space     spaceTitle
	State     registry.SpaceState
	Applicant *admission.Applicant // of an admission or rejection
	Lines     []string             // why it was not done
	Warnings  []string             // done, but
	Reasoned  bool                 // it needs a reason

	// As given, to be given again.
	Reason, Descriptor, Keys, Proofs, Evidence, Key, From, Offerings string

	Tried bool // a compromise was tried: Taken is what it would take down
	Taken []admission.Taken
	Total int
}

// needsReason are the acts that hurt, so that everybody is told why.
var needsReason = map[vocab.Verb]bool{vocab.Rejection: true, vocab.Suspension: true, vocab.Removal: true, vocab.Release: true}

// notTicked asks for what every act needs.
func notTicked() error {
	return vocab.Problems{vocab.NewProblem("/confirm", "request.missing",
		"请核对后勾选“我已核对”。", "Check it, then tick that you have.")}
}

// order shows what an act would do, before anything is given.
func (s *Site) order(q *request) {
	b, ok := s.orderBody(q, q.args)
	if ok {
		s.showOrder(q, http.StatusOK, b)
	}
}

// orderBody reads what is wanted, and asks for the right to it. It answers
// itself where it returns false.
func (s *Site) orderBody(q *request, given url.Values) (*orderBody, bool) {
	did, verb := given.Get("did"), vocab.Verb(given.Get("verb"))
	right, known := rightOf[verb]
	if !known || did == "" || len(did) > maxQuery {
		s.problem(q, http.StatusNotFound, nil)
		return nil, false
	}
	q.home = spaceURL(did)
	if verb == vocab.Admission || verb == vocab.Rejection {
		q.home = "/admin/waiting"
	}
	if !s.needFor(q, right, admission.ActName(verb), did) {
		return nil, false
	}
	b := &orderBody{
		Verb: verb, Space: s.titled(q.t, did), Reasoned: needsReason[verb],
		Reason: given.Get("reason"), Descriptor: given.Get("descriptor"), Keys: given.Get("keys"), Proofs: given.Get("proofs"), Evidence: given.Get("evidence"),
		Key: given.Get("key"), From: given.Get("from"), Offerings: given.Get("offerings"),
	}
	b.State, known = s.config.Registry.Space(did)
	if verb != vocab.Admission && verb != vocab.Rejection {
		if known && b.State.Log != s.config.Origin {
			s.refuse(q, vocab.Problems{vocab.NewProblem("/did", "space.elsewhere",
				"这个空间以另一个节点为主节点，请由那个节点办理。", "This space is at home at another hub: that hub decides about it.")})
			return nil, false
		}
		if !known {
			s.problem(q, http.StatusNotFound, nil)
		}
		return b, known
	}
	list, err := s.config.Desk.Waiting(q.Context(), q.who)
	if err != nil {
		s.refuse(q, err, right)
		return nil, false
	}
	for i := range list {
		if list[i].DID == did {
			b.Applicant, b.Space.Name = &list[i], q.t.named(did, list[i].Space.Name)
		}
	}
	if b.Applicant != nil && b.Descriptor == "" {
		b.Descriptor = b.Applicant.Digest.String()
	}
	return b, true
}

func (s *Site) showOrder(q *request, status int, b *orderBody) {
	s.render(q, status, "order", page{Title: q.t.say("act." + string(b.Verb)), Body: b})
}

// act does what was decided, or says why not on the same page with all that
// was given. A compromised key is tried first, so that the officer sees what
// goes with it.
func (s *Site) act(q *request) {
	b, ok := s.orderBody(q, q.form)
	if !ok {
		return
	}
	o, err := b.order()
	confirmed := q.form.Get("confirm") == "yes"
	if err == nil && b.Verb == vocab.KeyCompromise && (!confirmed || q.form.Get("tried") != b.Key+" "+b.From) {
		// Not tried yet, or with another key or position.
		o.DryRun = true
	} else if err == nil && !confirmed {
		err = notTicked()
	}
	var result admission.Result
	if err == nil {
		result, err = s.config.Desk.Act(q.Context(), q.who, b.Space.DID, o)
	}
	switch {
	case err != nil && (statusOf(err) == http.StatusForbidden || code(err) == ""):
		s.refuse(q, err, rightOf[b.Verb])
	case err != nil:
		b.Lines = q.t.lines(err)
		s.showOrder(q, statusOf(err), b)
	case o.DryRun:
		b.Tried, b.Taken, b.Total = true, result.Taken, result.Total
		s.showOrder(q, http.StatusOK, b)
	case result.Proposal != nil:
		s.goOn(q, "/admin/proposals?done=proposed")
	case result.Receipt != nil && len(result.Receipt.Warnings) > 0:
		b.Warnings = q.t.lines(result.Receipt.Warnings)
		s.showOrder(q, http.StatusOK, b)
	case b.Verb == vocab.Rejection:
		s.goOn(q, "/admin/waiting?done=Rejection")
	default:
		s.goOn(q, spaceURL(b.Space.DID)+"&done="+string(b.Verb))
	}
}

// goOn leads from a form to a page that can be loaded again.
func (s *Site) goOn(q *request, to string) {
	q.w.Header().Set("Cache-Control", "no-store")
	http.Redirect(q.w, q.Request, to, http.StatusSeeOther)
}

// order is what the desk is asked to do. Errors are vocab.Problems.
func (b *orderBody) order() (o admission.Order, err error) {
	o = admission.Order{Verb: b.Verb, Reason: b.Reason}
	switch b.Verb {
	case vocab.Admission, vocab.Rejection:
		// What the officer has not looked at is not decided on.
		if o.Descriptor, err = vocab.ParseDigest(b.Descriptor); err != nil {
			return o, vocab.Problems{vocab.NewProblem("/descriptor", "request.descriptor",
				"缺少所审阅描述的摘要，请从等待准入的名单进入。", "It does not say which descriptor you looked at: come here from the waiting list.")}
		}
	case vocab.KeyReplacement:
		o.Keys, o.Proofs, o.Evidence = strings.Fields(b.Keys), strings.Fields(b.Proofs), b.Evidence
	case vocab.KeyCompromise, vocab.Release:
		o.Key = strings.TrimSpace(b.Key)
		if o.From, err = strconv.ParseUint(strings.TrimSpace(b.From), 10, 64); err != nil {
			return o, vocab.Problems{vocab.NewProblem("/from", "request.number",
				"起始记录号应为不小于 0 的整数。", "The position is a whole number from 0 on.")}
		}
	case vocab.Removal:
		o.Offerings = strings.Fields(b.Offerings)
	}
	return o, nil
}

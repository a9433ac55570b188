package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"lianmu/hub/access"
	"lianmu/hub/admission"
	"lianmu/vocab"
)

// maxToken is the most bytes of an invitation's or a proposal's id.
const maxToken = 64

// rightOf is the right that each act needs.
var rightOf = map[vocab.Verb]access.Right{
	vocab.Admission:      access.SpaceAdmit,
	vocab.Rejection:      access.SpaceAdmit,
	vocab.Suspension:     access.SpaceSuspend,
	vocab.Resumption:     access.SpaceSuspend,
	vocab.KeyReplacement: access.SpaceKeys,
	vocab.KeyCompromise:  access.SpaceKeys,
	vocab.Removal:        access.OfferingRemove,
	vocab.Release:        access.LogRedact,
}

// act does what an order says about a space: 200 with what came of it, 202 where
// a second officer has to approve.
func (a *api) act(w http.ResponseWriter, r *http.Request) error {
	if err := readParams(r).end(); err != nil {
		return err
	}
	did, err := pathValue(r, "did", maxID)
	if err != nil {
		return err
	}
	var order admission.Order
	if err := readJSON(w, r, maxOrderBody, &order, `{"verb":"Suspension","reason":"…"}`); err != nil {
		return err
	}
	right := rightOf[order.Verb]
	if right == "" {
		return vocab.Problems{vocab.NewProblem("/verb", "request.verb",
			"verb 应为 Admission、Rejection、Suspension、Resumption、KeyReplacement、KeyCompromise、Removal 或 Release。",
			"verb is one of Admission, Rejection, Suspension, Resumption, KeyReplacement, KeyCompromise, Removal and Release.")}
	}
	who, err := a.needFor(r, right, admission.ActName(order.Verb))
	if err != nil {
		return err
	}
	result, err := a.Admission.Act(r.Context(), who, did, order)
	if err != nil {
		return err
	}
	return decided(w, result)
}

func decided(w http.ResponseWriter, result admission.Result) error {
	if result.Proposal != nil {
		return answer(w, http.StatusAccepted, result)
	}
	return answer(w, http.StatusOK, result)
}

// redact deletes the bodies of entries, all on the same ground.
func (a *api) redact(w http.ResponseWriter, r *http.Request) error {
	if err := readParams(r).end(); err != nil {
		return err
	}
	who, err := a.Guard.Who(r)
	if err != nil {
		return err
	}
	var ask struct {
		Entries []uint64 `json:"entries"`
		Ground  string   `json:"ground"`
		Reason  string   `json:"reason"`
	}
	if err := readJSON(w, r, maxOrderBody, &ask, `{"entries":[7],"ground":"personal","reason":"…"}`); err != nil {
		return err
	}
	if n := len(ask.Entries); n == 0 || n > admission.MaxRedacted {
		return vocab.Problems{vocab.NewProblem("/entries", "request.count",
			"entries 应有 1 到 %d 个，收到 %d 个。", "entries must hold 1 to %d of them; there are %d.", admission.MaxRedacted, n)}
	}
	var entries []admission.Redacted
	var places []int // of each in the body, where one may be named twice
	seen := map[uint64]bool{}
	for i, index := range ask.Entries {
		if !seen[index] {
			seen[index] = true
			entries = append(entries, admission.Redacted{Index: index, Ground: ask.Ground, Reason: ask.Reason})
			places = append(places, i)
		}
	}
	result, err := a.Admission.Redact(r.Context(), who, entries)
	if err != nil {
		return inBody(err, places)
	}
	return decided(w, result)
}

// inBody turns places among the entries redacted into places of the body, and
// says once what is wrong with what they share.
func inBody(err error, places []int) error {
	var ps vocab.Problems
	if !errors.As(err, &ps) {
		return err
	}
	var out vocab.Problems
	seen := map[string]bool{}
	for _, p := range ps {
		var i int
		var member string
		if n, _ := fmt.Sscanf(strings.ReplaceAll(p.Path, "/", " "), "%d %s", &i, &member); n == 2 && i >= 0 && i < len(places) {
			if p.Path = "/" + member; member == "index" {
				p.Path = fmt.Sprintf("/entries/%d", places[i])
			}
		}
		if key := p.Path + " " + p.Code; !seen[key] {
			seen[key] = true
			out = append(out, p)
		}
	}
	return out
}

// invited is a new invitation: its code is told this once.
type invited struct {
	admission.Invitation
	Code string `json:"code"`
	Link string `json:"link"`
}

func (a *api) invite(w http.ResponseWriter, r *http.Request) error {
	if err := readParams(r).end(); err != nil {
		return err
	}
	who, err := a.Guard.Who(r)
	if err != nil {
		return err
	}
	var ask struct {
		Note string `json:"note"`
		Days int    `json:"days"` // 0: as long as is usual
	}
	if err := readJSON(w, r, maxSmallBody, &ask, `{"note":"…","days":14}`); err != nil {
		return err
	}
	if most := int(admission.MaxInvitation / (24 * time.Hour)); ask.Days < 0 || ask.Days > most {
		return vocab.Problems{vocab.NewProblem("/days", "request.number",
			"days 应是 0 到 %d 的整数；0 为默认期限。", "days must be a whole number from 0 to %d; 0 is the usual time.", most)}
	}
	code, inv, err := a.Admission.Invite(r.Context(), who, ask.Note, time.Duration(ask.Days)*24*time.Hour)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/api/v1/invitations/"+inv.ID)
	return answer(w, http.StatusCreated, invited{inv, code, a.Admission.Link(code)})
}

func (a *api) invitations(w http.ResponseWriter, r *http.Request) error {
	return page(a, w, r, a.Admission.Invitations, func(i admission.Invitation) string { return i.ID })
}

func (a *api) revoke(w http.ResponseWriter, r *http.Request) error {
	who, id, err := a.named(r)
	if err != nil {
		return err
	}
	if err := a.Admission.Revoke(r.Context(), who, id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *api) applicants(w http.ResponseWriter, r *http.Request) error {
	return page(a, w, r, a.Admission.Waiting, func(p admission.Applicant) string { return p.DID })
}

func (a *api) proposals(w http.ResponseWriter, r *http.Request) error {
	return page(a, w, r, a.Admission.Proposals, func(p admission.Proposal) string { return p.ID })
}

func (a *api) approve(w http.ResponseWriter, r *http.Request) error {
	who, id, err := a.named(r)
	if err != nil {
		return err
	}
	result, err := a.Admission.Approve(r.Context(), who, id)
	if err != nil {
		places := make([]int, admission.MaxRedacted) // of a proposal's entries: as they are
		for i := range places {
			places[i] = i
		}
		return inBody(err, places)
	}
	return answer(w, http.StatusOK, result)
}

// named reads who asks, and the id in the path.
func (a *api) named(r *http.Request) (access.Who, string, error) {
	if err := readParams(r).end(); err != nil {
		return access.Who{}, "", err
	}
	id, err := pathValue(r, "id", maxToken)
	if err != nil {
		return access.Who{}, "", err
	}
	who, err := a.Guard.Who(r)
	return who, id, err
}

// readJSON reads a body of at most max bytes into v; shape shows what one looks
// like.
func readJSON(w http.ResponseWriter, r *http.Request, max int64, v any, shape string) error {
	raw, err := readBody(w, r, max, "application/json")
	if err != nil {
		return err
	}
	if err := decode(raw, v); err != nil {
		path := ""
		var at *jsonv2.SemanticError
		if errors.As(err, &at) {
			path = string(at.JSONPointer)
		}
		return vocab.Problems{vocab.NewProblem(cut(path, 100), "request.json",
			"请求内容应为 JSON：%s。", "The body must be JSON: %s.", shape)}
	}
	return nil
}

package web

import (
	"context"
	"net/http"
	"time"

	"lianmu/federation/registry"
	"lianmu/hub/access"
	"lianmu/hub/admission"
	"lianmu/hub/audit"
	"lianmu/hub/intake"
	"lianmu/hub/view"
	"lianmu/index"
	"lianmu/vocab"
)

// Catalog is what the pages show.
type Catalog interface {
	Find(ctx context.Context, q view.Question) (*view.Answer, error)
	Suggest(ctx context.Context, prefix string, reader vocab.Reader, limit int) ([]index.Suggestion, error)
	Offering(ctx context.Context, space, id string, reader vocab.Reader) (*view.Detail, error)
	Spaces(ctx context.Context, reader vocab.Reader) ([]view.SpaceSummary, error)
	Coverage() []view.Coverage // of every log held, the own one first
}

// Guard knows who sends a request; *access.Guard is one.
type Guard interface {
	Who(r *http.Request) (access.Who, error)
	NeedFor(r *http.Request, right access.Right, act, object string) (access.Who, error)
	CSRF(r *http.Request) string
	Holders() (keys []access.Holder, provided []access.Role)
}

// Registry knows how spaces stand, by all logs held; *registry.Union is one.
type Registry interface {
	Space(did string) (registry.SpaceState, bool)
	SpaceOf(signer string) string
	ParticipantsOf(space string) []vocab.Participant
	Conflicts() []registry.HomeConflict
}

// Desk is where officers decide; *admission.Desk is one. It asks for rights
// itself and records what is done.
type Desk interface {
	Act(ctx context.Context, who access.Who, did string, o admission.Order) (admission.Result, error)
	Waiting(ctx context.Context, who access.Who) ([]admission.Applicant, error)
	Count() int // of those waiting
	Invite(ctx context.Context, who access.Who, note string, ttl time.Duration) (code string, inv admission.Invitation, err error)
	Link(code string) string
	Invitations(ctx context.Context, who access.Who) ([]admission.Invitation, error)
	Revoke(ctx context.Context, who access.Who, id string) error
	Proposals(ctx context.Context, who access.Who) ([]admission.Proposal, error)
	Approve(ctx context.Context, who access.Who, id string) (admission.Result, error)
}

// Trail is the audit trail; *audit.Trail is one.
type Trail interface {
	List(ctx context.Context, before uint64, limit int, f audit.Filter) (items []audit.Record, next uint64, err error)
	Head() audit.Head
	Verify(ctx context.Context) (audit.Report, error)
}

// Quarantine holds what was refused; *intake.Quarantine is one.
type Quarantine interface {
	List(ctx context.Context, before uint64, limit int) ([]intake.Quarantined, error)
}

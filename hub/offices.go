package hub

import (
	"cmp"
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/registry"
	"lianmu/hub/access"
	"lianmu/hub/admission"
	"lianmu/hub/audit"
	"lianmu/hub/bus"
	"lianmu/hub/intake"
	"lianmu/vocab"
)

// openOffices opens the audit trail, the guard, and the desk where spaces are
// admitted. Intake comes later: until it runs nothing is decided.
func (h *Hub) openOffices(ctx context.Context) (err error) {
	b := h.base
	h.trail, err = audit.Open(ctx, b.bus.JetStream, audit.Config{
		Now: h.c.Now, Logger: h.c.Logger, Failed: b.bus.Report, Signer: b.hubKey,
	})
	if err != nil {
		return err
	}
	people, err := hkdf.Key(sha256.New, b.hubKey.Seed(), nil, "lianmu people", sha256.Size)
	if err != nil {
		return err
	}
	h.guard, err = access.New(access.Config{
		HubDID: b.did, Operators: h.c.Operators, Registry: b.registry,
		PerSecond: float64(h.c.RequestsPerSecond), Burst: 2 * h.c.RequestsPerSecond,
		Sessions: h.c.Sessions, OIDC: h.c.OIDC, PeopleKey: people, Now: h.c.Now, Logger: h.c.Logger, Audit: h.hear,
		Fail: func(w http.ResponseWriter, r *http.Request, err error) { h.pages.SignInFailed(w, r, err) },
	})
	if err != nil {
		return err
	}
	if h.outcasts, err = newOutcasts(h.c.Now); err != nil {
		return err
	}
	b.bus.SetAuthenticate(func(token, client string) (string, error) {
		who, err := h.guard.Token(token, client)
		if err != nil {
			return "", err
		}
		did := who.DID
		if who.Space != "" {
			did = who.Space
		}
		name := bus.SpaceToken(did)
		if h.outcasts.has(name) || !who.Known() && h.outcasts.has(access.ClientOf(client)) {
			return "", access.Busy()
		}
		return name, nil
	})
	h.desk, err = admission.Open(ctx, admission.Config{
		Registry: b.registry, KV: b.bus.Admission(), Signer: b.hubKey,
		Office:   h.guard.Office,
		Another:  h.guard.Another,
		Submit:   func(ctx context.Context, raw []byte) vocab.Receipt { return h.intake.SubmitOwn(ctx, raw) },
		Describe: h.describe,
		Redact:   h.redactProposed,
		Audit:    h.trail, URL: cmp.Or(h.c.URL, h.address), Now: h.c.Now, Logger: h.c.Logger,
	})
	if err != nil {
		return fmt.Errorf("admissions: %w", err)
	}
	return nil
}

// hear takes to the trail what the guard tells: whoever came in or went out,
// and whom it refused.
func (h *Hub) hear(e access.Event) {
	r := audit.Record{
		Time: e.Time, Who: e.Who.Label(), Role: e.Who.RoleNames(), Via: e.Who.Via, From: e.Who.Client, Act: e.Act, Object: e.Object,
	}
	if len(e.Problems) > 0 {
		r.Outcome, r.Code = audit.Refused, e.Problems[0].Code
		h.trail.Refused(r)
		return
	}
	r.Outcome = audit.Done
	// Beside the request: a sign-in that cannot be recorded is told in the log,
	// and what is done with it needs a record of its own.
	h.tasks.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(h.run), 10*time.Second)
		defer cancel()
		if err := h.trail.Put(ctx, r); err != nil {
			h.c.Logger.Error("a sign-in could not be recorded", "act", r.Act, "who", r.Who, "err", err)
		}
	})
}

// present puts a descriptor on the waiting list.
func (h *Hub) present(ctx context.Context, a intake.Applicant) vocab.Receipt {
	ctx = access.WithClaim(ctx, access.Claim{Client: a.Client})
	r := h.desk.Present(ctx, a.Raw, a.Space, identity.Secured{
		Space: a.Fact.Space, VerificationMethod: a.Fact.Key(), Created: a.Fact.Created, Expires: a.Fact.Expires,
		Digest: a.Fact.Digest, Content: a.Fact.Content,
	}, a.Invite)
	r.Warnings = a.Receipt.Warnings
	return r
}

// describe tells what an entry of the log is.
func (h *Hub) describe(ctx context.Context, index uint64) (vocab.EntryKind, string, error) {
	rec, err := h.base.log.Get(ctx, index)
	return rec.Leaf.Kind, rec.Fact.ID, err
}

// redactProposed redacts what officers agreed on.
func (h *Hub) redactProposed(ctx context.Context, entries []admission.Redacted, by, second string) ([]vocab.Receipt, error) {
	requests := make([]RedactRequest, len(entries))
	for i, e := range entries {
		requests[i] = RedactRequest(e)
	}
	return h.Redact(ctx, requests, by, second)
}

// severance is how often connections are held against the rights of spaces where
// nothing says that those have changed: another process may have changed them.
const severance = 30 * time.Second

// farewell is how long a connection outlives the rights of its key, so that
// whoever retired it hears that over the same connection. Nothing that the key
// signs meanwhile is taken.
const farewell = time.Second

// rightsChanged has connections held against the rights of spaces.
func (h *Hub) rightsChanged(k vocab.EntryKind) {
	if k != vocab.KindAct && k != vocab.KindSpace {
		return
	}
	select {
	case h.severing <- struct{}{}:
	default:
	}
}

// sever ends the NATS connections of spaces that may not speak any more, or of
// which a key may not: whoever has another key comes again with that.
func (h *Hub) sever() {
	tick := time.NewTicker(severance)
	defer tick.Stop()
	barred := map[string][]string{} // space → keys that may not sign for it
	for first := true; ; first = false {
		for _, s := range h.base.registry.Spaces() {
			keys := []string{}
			for _, k := range s.Keys {
				if !k.Valid() || s.Standing != registry.Admitted {
					keys = append(keys, k.DID)
				}
			}
			// What was barred when the hub began was never let in.
			if known := barred[s.Space.DID]; !first && slices.ContainsFunc(keys, func(k string) bool { return !slices.Contains(known, k) }) {
				h.base.bus.Disconnect(bus.SpaceToken(s.Space.DID))
			}
			barred[s.Space.DID] = keys
		}
		select {
		case <-h.run.Done():
			return
		case <-tick.C:
		case <-h.severing:
			select {
			case <-h.run.Done():
				return
			case <-time.After(farewell):
			}
		}
	}
}

// readerOf is what a NATS connection may see that stands for this name: everything
// where it is an officer's whose office that is, by the one table of roles; else
// that of the space, or of the spaces that have a participant with that DID. Rights
// are looked up at every question.
func (h *Hub) readerOf(name string) vocab.Reader {
	if name == "" {
		return vocab.Reader{}
	}
	did := bus.TokenDID(name)
	if h.guard.SeesAll(did) {
		return vocab.Reader{All: true}
	}
	spaces := h.base.registry.SpacesOfDID(did, h.c.Now())
	if space, err := h.base.registry.MaySign(did); err == nil {
		spaces = append(spaces, space)
	} else if s, ok := h.base.registry.Space(did); ok && s.Standing == registry.Admitted {
		spaces = append(spaces, did) // the key it was named after has been retired; another let the connection in
	}
	return vocab.Reader{Spaces: spaces}
}

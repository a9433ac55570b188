package admission

import (
	"context"
	"fmt"
	"strings"

	"lianmu/federation/identity"
	"lianmu/federation/registry"
	"lianmu/hub/access"
	"lianmu/vocab"
)

// Order is what an officer wants done about a space.
type Order struct {
	Verb       vocab.Verb   `json:"verb"`
	Reason     string       `json:"reason,omitempty"`
	Descriptor vocab.Digest `json:"descriptor,omitzero"` // Admission, Rejection: of the one that the officer saw
	Keys       []string     `json:"keys,omitempty"`      // KeyReplacement
	Proofs     []string     `json:"proofs,omitempty"`    // KeyReplacement: see ProveKeys
	Evidence   string       `json:"evidence,omitempty"`  // KeyReplacement
	Key        string       `json:"key,omitempty"`       // KeyCompromise
	From       uint64       `json:"from,omitempty"`      // KeyCompromise; Release: of the entry that was redacted
	Offerings  []string     `json:"offerings,omitempty"` // Removal
	DryRun     bool         `json:"dry_run,omitempty"`   // KeyCompromise: only tell what it would take down
}

// Result is what came of an order.
type Result struct {
	Receipt  *vocab.Receipt  `json:"receipt,omitempty"`  // of the act, where it was done
	Receipts []vocab.Receipt `json:"receipts,omitempty"` // of redactions, one a request; of a removal, where it took two acts
	Taken    []Taken         `json:"taken,omitempty"`    // by a compromise: at most maxTaken
	Total    int             `json:"taken_total,omitempty"`
	Proposal *Proposal       `json:"proposal,omitempty"` // where a second officer must agree first
	Warnings vocab.Problems  `json:"warnings,omitempty"` // of the proposal: that nobody could approve it
}

// Taken is an entry that a compromised key signed and that becomes void.
type Taken struct {
	Index uint64 `json:"index"`
	Kind  string `json:"kind,omitempty"`
	ID    string `json:"id,omitempty"`
}

const maxTaken = 1000

// Act does what an order says; see the method of each verb for its errors.
func (d *Desk) Act(ctx context.Context, who access.Who, did string, o Order) (Result, error) {
	done := func(r vocab.Receipt, err error) (Result, error) {
		if err != nil {
			return Result{}, err
		}
		return Result{Receipt: &r}, nil
	}
	if o.DryRun && o.Verb != vocab.KeyCompromise {
		return Result{}, vocab.Problems{vocab.NewProblem("/dry_run", "request.dry_run",
			"只有密钥失窃可以试算。", "Only a compromised key can be tried first.")}
	}
	switch o.Verb {
	case vocab.Admission:
		return done(d.Admit(ctx, who, did, o.Reason, o.Descriptor))
	case vocab.Rejection:
		return done(d.Reject(ctx, who, did, o.Reason, o.Descriptor))
	case vocab.Suspension:
		return done(d.Suspend(ctx, who, did, o.Reason))
	case vocab.Resumption:
		return done(d.Resume(ctx, who, did, o.Reason))
	case vocab.KeyReplacement:
		return done(d.ReplaceKeys(ctx, who, did, o.Keys, o.Proofs, o.Evidence, o.Reason))
	case vocab.KeyCompromise:
		return d.Compromise(ctx, who, did, o.Key, o.From, o.Reason, o.DryRun)
	case vocab.Removal:
		return d.Remove(ctx, who, did, o.Offerings, o.Reason)
	case vocab.Release:
		return done(d.Release(ctx, who, did, o.From, o.Reason))
	}
	return Result{}, vocab.Problems{vocab.NewProblem("/verb", "request.verb",
		"verb 应为 Admission、Rejection、Suspension、Resumption、KeyReplacement、KeyCompromise、Removal 或 Release。",
		"verb is one of Admission, Rejection, Suspension, Resumption, KeyReplacement, KeyCompromise, Removal and Release.")}
}

// ActName is what the audit trail calls an act; "" for a verb that is none of an
// officer's.
func ActName(v vocab.Verb) string { return actNames[v] }

var actNames = map[vocab.Verb]string{
	vocab.Admission:      "space.admit",
	vocab.Rejection:      "space.reject",
	vocab.Suspension:     "space.suspend",
	vocab.Resumption:     "space.resume",
	vocab.KeyReplacement: "space.keys.replace",
	vocab.KeyCompromise:  "space.keys.compromise",
	vocab.Removal:        string(access.OfferingRemove),
	vocab.Release:        "log.release",
}

// about checks who an act is about, and its reason.
func about(did, reason string, required bool) (string, error) {
	if !strings.HasPrefix(did, "did:") || len(did) > maxDID || vocab.Printable(did) != did || strings.ContainsAny(did, " \n") {
		return "", vocab.Problems{vocab.NewProblem("/did", "request.did",
			"请写空间的 DID，例如 did:key:z6Mk…。", "Give the DID of a space, such as did:key:z6Mk….")}
	}
	return line("/reason", reason, maxReason, required)
}

// Admit admits a space that waits: the act goes into the log, then the
// descriptor that waited, and the space is off the list. seen is the digest of
// the descriptor that the officer looked at, zero for whichever waits: it may
// have been replaced meanwhile. Repeating it, also after a crash, is harmless.
//
// Errors are vocab.Problems: access.forbidden, space.not_waiting,
// space.descriptor (another one waits now), space.suspended, what the log says
// of act or descriptor, audit.unavailable, hub.unavailable.
func (d *Desk) Admit(ctx context.Context, who access.Who, did, reason string, seen vocab.Digest) (r vocab.Receipt, err error) {
	if reason, err = about(did, reason, false); err != nil {
		return r, err
	}
	err = d.record(ctx, who, ActName(vocab.Admission), did, []access.Right{access.SpaceAdmit}, func(ctx context.Context) (string, error) {
		d.acting.Lock()
		defer d.acting.Unlock()
		st, _ := d.c.Registry.Space(did)
		a, key, err := d.applicant(ctx, did, seen)
		switch {
		case err == nil:
		case st.Standing == registry.Admitted && vocab.ProblemsOf(err, "")[0].Code == "space.not_waiting":
			r = unchanged(did)
			return "was admitted before", nil
		default:
			return "", err
		}
		for _, k := range append([]string{did}, a.Space.Keys...) {
			if d.c.Office != nil && d.c.Office(k) {
				return "", officeKey("/key", k)
			}
		}
		switch st.Standing {
		case registry.Suspended:
			return "", vocab.Problems{vocab.NewProblem("", "space.suspended",
				"空间 %s 已被暂停；请用“恢复”。", "Space %s is suspended; resume it instead.", did)}
		case registry.Admitted: // by a run that did not get to the end
			r = unchanged(did)
		default:
			if r, err = d.enact(ctx, vocab.Act{Verb: vocab.Admission, Space: did, Reason: reason, By: who.Label(), Descriptor: a.Digest}); err != nil {
				return "", err
			}
		}
		// Admitted, it can present another itself: one that is not taken any more
		// need not wait.
		refused, err := d.submit(ctx, a.Document)
		if err != nil && refused.Status != vocab.Refused {
			return "admitted; the descriptor is not in the log yet: " + a.Digest.String(), err
		}
		if derr := d.drop(ctx, key); derr != nil {
			d.c.Logger.Warn("an admitted space is still on the waiting list", "space", did, "err", derr)
		}
		if err != nil {
			r.Warnings = append(vocab.Problems{vocab.NewProblem("", "space.descriptor_refused",
				"已准入，但等待中的描述未被接受，请对方重新提交。", "It is admitted, but the descriptor that waited was refused: have it present another.")}, refused.Problems...)
		}
		return "descriptor " + a.Digest.String(), nil
	})
	return r, err
}

// applicant finds who waits, with the descriptor that the officer has seen.
func (d *Desk) applicant(ctx context.Context, did string, seen vocab.Digest) (Applicant, string, error) {
	a, key, ok, err := d.waiting(ctx, did)
	switch {
	case err != nil:
		return a, "", err
	case !ok:
		return a, "", vocab.Problems{vocab.NewProblem("", "space.not_waiting",
			"空间 %s 不在等待准入的名单上；请用 lianmu space waiting 查看名单。", "Space %s does not wait for admission; lianmu space waiting lists who does.", did)}
	case !seen.IsZero() && seen != a.Digest:
		return a, "", vocab.Problems{vocab.NewProblem("/descriptor", "space.descriptor",
			"空间 %s 已换了一份描述（%s），请重新查看后再决定。", "Space %s has presented another descriptor (%s) since you looked; look at it and decide again.", did, a.Digest)}
	}
	return a, key, nil
}

// Reject rejects the descriptor that waits; the space may present another.
// Errors are Admit's, and request.missing without a reason.
func (d *Desk) Reject(ctx context.Context, who access.Who, did, reason string, seen vocab.Digest) (r vocab.Receipt, err error) {
	if reason, err = about(did, reason, true); err != nil {
		return r, err
	}
	err = d.record(ctx, who, ActName(vocab.Rejection), did, []access.Right{access.SpaceAdmit}, func(ctx context.Context) (string, error) {
		d.acting.Lock()
		defer d.acting.Unlock()
		a, key, err := d.applicant(ctx, did, seen)
		if err != nil {
			return "", err
		}
		if st, ok := d.c.Registry.Space(did); ok && (st.Standing == registry.Admitted || st.Standing == registry.Suspended) {
			return "", vocab.Problems{vocab.NewProblem("", "space.admitted",
				"空间 %s 已经准入；要停止它请用“暂停”。", "Space %s is admitted; suspend it to stop it.", did)}
		}
		if r, err = d.enact(ctx, vocab.Act{Verb: vocab.Rejection, Space: did, Reason: reason, By: who.Label(), Descriptor: a.Digest}); err != nil {
			return "", err
		}
		return "descriptor " + a.Digest.String(), d.drop(ctx, key)
	})
	return r, err
}

// Suspend stops taking anything from a space and showing anything of it, until
// it is resumed. The reason is for everybody. Where it is suspended already the
// receipt says unchanged. Errors are vocab.Problems: access.forbidden,
// request.…, space.unknown, space.not_admitted.
func (d *Desk) Suspend(ctx context.Context, who access.Who, did, reason string) (vocab.Receipt, error) {
	reason, err := about(did, reason, true)
	if err != nil {
		return vocab.Receipt{}, err
	}
	return d.turn(ctx, who, did, reason, turn{vocab.Suspension, registry.Admitted, registry.Suspended, "was suspended before"})
}

// Resume takes a suspension back; errors are Suspend's.
func (d *Desk) Resume(ctx context.Context, who access.Who, did, reason string) (vocab.Receipt, error) {
	reason, err := about(did, reason, false)
	if err != nil {
		return vocab.Receipt{}, err
	}
	return d.turn(ctx, who, did, reason, turn{vocab.Resumption, registry.Suspended, registry.Admitted, "was not suspended"})
}

// turn is an act that takes a space from one standing to another.
type turn struct {
	verb     vocab.Verb
	from, to registry.Standing
	already  string // detail where the space stands so already
}

func (d *Desk) turn(ctx context.Context, who access.Who, did, reason string, t turn) (r vocab.Receipt, err error) {
	err = d.record(ctx, who, ActName(t.verb), did, []access.Right{access.SpaceSuspend}, func(ctx context.Context) (string, error) {
		d.acting.Lock()
		defer d.acting.Unlock()
		st, err := d.known(did)
		switch {
		case err != nil:
			return "", err
		case st.Standing == t.to:
			r = unchanged(did)
			return t.already, nil
		case st.Standing != t.from:
			return "", notAdmitted(did)
		}
		r, err = d.enact(ctx, vocab.Act{Verb: t.verb, Space: did, Reason: reason, By: who.Label()})
		return reason, err
	})
	return r, err
}

// ReplaceKeys makes exactly these keys (1 to 16 did:keys) those of a space that
// has lost all its own; evidence is the number under which the proof of it is
// filed. Of each key that was not the space's before, one of proofs shows that
// whoever holds it wants it to be (ProveKeys): a key is one space's for ever.
// Errors are vocab.Problems: access.forbidden, request.…, key.form, key.taken,
// key.waits, key.unproven, key.proof, proof.…, space.unknown, space.not_admitted.
func (d *Desk) ReplaceKeys(ctx context.Context, who access.Who, did string, keys, proofs []string, evidence, reason string) (r vocab.Receipt, err error) {
	if reason, err = about(did, reason, false); err != nil {
		return r, err
	}
	if evidence, err = line("/evidence", evidence, maxShort, true); err != nil {
		return r, err
	}
	if err := checkKeys(keys); err != nil {
		return r, err
	}
	err = d.record(ctx, who, ActName(vocab.KeyReplacement), did, []access.Right{access.SpaceKeys}, func(ctx context.Context) (string, error) {
		d.acting.Lock()
		defer d.acting.Unlock()
		st, err := d.known(did)
		switch {
		case err != nil:
			return "", err
		case !replaceable(st.Standing):
			return "", notAdmitted(did)
		}
		d.presenting.Lock() // nobody begins to wait under one of the keys meanwhile
		defer d.presenting.Unlock()
		if err := d.free(did, keys, proofs); err != nil {
			return "", err
		}
		r, err = d.enact(ctx, vocab.Act{Verb: vocab.KeyReplacement, Space: did, Reason: reason, By: who.Label(), Keys: keys, Evidence: evidence})
		return fmt.Sprintf("evidence %s, keys %s", evidence, strings.Join(keys, " ")), err
	})
	return r, err
}

func officeKey(path, key string) error {
	return vocab.Problems{vocab.NewProblem(path, "key.office",
		"密钥 %s 属于本节点的管理人员或节点自己，不能用作空间的密钥；请另外生成一把。",
		"Key %s is an officer's of this hub, or the hub's own, and cannot be a space's: have another made.", key)}
}

const maxKeys = 16 // as many as package shape reads

func checkKeys(keys []string) error {
	if len(keys) == 0 || len(keys) > maxKeys {
		return vocab.Problems{vocab.NewProblem("/keys", "request.range", "请列出 1 到 %d 把密钥。", "List 1 to %d keys.", maxKeys)}
	}
	seen := map[string]bool{}
	for i, k := range keys {
		path := fmt.Sprintf("/keys/%d", i)
		if _, err := identity.PublicKey(k); err != nil {
			return keyForm(path)
		}
		if seen[k] {
			return vocab.Problems{vocab.NewProblem(path, "key.twice", "密钥 %s 列了两次。", "Key %s is listed twice.", k)}
		}
		seen[k] = true
	}
	return nil
}

func keyForm(path string) error {
	return vocab.Problems{vocab.NewProblem(path, "key.form",
		"密钥应写成 did:key:z6Mk…，可用 lianmu key show 查看。", "A key is written as did:key:z6Mk…; lianmu key show prints it.")}
}

// Compromise declares that what a key of a space signed from a position of the
// log on is void, and that it signs nothing more. Taken lists what that takes
// down; with dry nothing is done but that. Errors are vocab.Problems:
// access.forbidden, request.…, key.form, key.unknown, space.unknown.
func (d *Desk) Compromise(ctx context.Context, who access.Who, did, key string, from uint64, reason string, dry bool) (out Result, err error) {
	if reason, err = about(did, reason, false); err != nil {
		return out, err
	}
	if _, err := identity.PublicKey(key); err != nil {
		return out, keyForm("/key")
	}
	if dry {
		if err := who.Need(access.SpaceKeys); err != nil {
			return out, err
		}
		err := d.taken(ctx, did, key, from, &out)
		return out, err
	}
	err = d.record(ctx, who, ActName(vocab.KeyCompromise), did, []access.Right{access.SpaceKeys}, func(ctx context.Context) (string, error) {
		d.acting.Lock()
		defer d.acting.Unlock()
		if err := d.taken(ctx, did, key, from, &out); err != nil {
			return "", err
		}
		r, err := d.enact(ctx, vocab.Act{Verb: vocab.KeyCompromise, Space: did, Reason: reason, By: who.Label(), Key: key, From: from})
		out.Receipt = &r
		return fmt.Sprintf("%s from %d, %d entries void", key, from, out.Total), err
	})
	if err != nil {
		return Result{}, err
	}
	return out, nil
}

// taken fills in what a key signed since a position and still counts.
func (d *Desk) taken(ctx context.Context, did, key string, from uint64, out *Result) error {
	if _, err := d.known(did); err != nil {
		return err
	}
	if d.c.Registry.SpaceOf(key) != did {
		return vocab.Problems{vocab.NewProblem("/key", "key.unknown",
			"密钥 %s 不是空间 %s 的；请用 lianmu space show 查看它的密钥。", "Key %s is not one of space %s; lianmu space show lists its keys.", key, did)}
	}
	positions := d.c.Registry.SignedSince(key, from)
	out.Total = len(positions)
	for _, at := range positions[:min(len(positions), maxTaken)] {
		t := Taken{Index: at}
		if d.c.Describe != nil {
			if kind, id, err := d.c.Describe(ctx, at); err == nil { // else its position must do
				t.Kind, t.ID = kind.String(), id
			}
		}
		out.Taken = append(out.Taken, t)
	}
	return nil
}

// Release lifts that nothing may be published under the name of an entry of a
// space that was redacted; the very same content stays barred. The entry is named
// by its position alone: its @id may be what was redacted. Errors are
// vocab.Problems: access.forbidden, request.…, space.unknown, release.none,
// release.done.
func (d *Desk) Release(ctx context.Context, who access.Who, did string, entry uint64, reason string) (r vocab.Receipt, err error) {
	if reason, err = about(did, reason, true); err != nil {
		return r, err
	}
	err = d.record(ctx, who, ActName(vocab.Release), did, []access.Right{access.LogRedact}, func(ctx context.Context) (string, error) {
		d.acting.Lock()
		defer d.acting.Unlock()
		if _, err := d.known(did); err != nil {
			return "", err
		}
		r, err = d.enact(ctx, vocab.Act{Verb: vocab.Release, Space: did, Reason: reason, By: who.Label(), From: entry})
		return fmt.Sprintf("entry %d", entry), err
	})
	return r, err
}

// known finds a space that the log knows under this name.
func (d *Desk) known(did string) (registry.SpaceState, error) {
	st, ok := d.c.Registry.Space(did)
	if ok {
		return st, nil
	}
	if of := d.c.Registry.SpaceOf(did); of != did {
		return st, vocab.Problems{vocab.NewProblem("/did", "space.unknown",
			"%s 是空间 %s 的一把密钥；请用空间的名称。", "%s is a key of space %s; use the name of the space.", did, of)}
	}
	return st, vocab.Problems{vocab.NewProblem("/did", "space.unknown",
		"没有空间 %s；请用 lianmu space list 查看。", "There is no space %s; lianmu space list shows what there is.", did)}
}

func notAdmitted(did string) error {
	return vocab.Problems{vocab.NewProblem("", "space.not_admitted",
		"空间 %s 尚未准入。", "Space %s is not admitted.", did)}
}

package admission

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"lianmu/hub/access"
	"lianmu/hub/bus"
	"lianmu/vocab"
)

// Bounds of what one officer does, and of proposals.
const (
	// MaxAlone is how many entries an officer deregisters or redacts, at once or
	// within an hour, without a second one.
	MaxAlone = 50
	// MaxRedacted is how many entries are redacted at once.
	MaxRedacted = 1000

	proposalAge    = 7 * 24 * time.Hour
	maxProposals   = 100
	proposalPrefix = "proposal."
	spentFor       = time.Hour
	spentPrefix    = "alone."
	maxProposal    = 256 << 10 // bytes, so that the document made of it is one that the hub reads
)

// Proposal is what two officers must want. It is done when a second one
// approves it.
type Proposal struct {
	ID        string     `json:"id"`
	Act       string     `json:"act"` // the right that both need: offering.remove or log.redact
	Space     string     `json:"space,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	Offerings []string   `json:"offerings,omitempty"`
	Entries   []Redacted `json:"entries,omitempty"`
	By        string     `json:"by"`
	Proposer  string     `json:"proposer,omitempty"` // access.Who.Identity of By
	Second    string     `json:"second,omitempty"`   // who approved, where it is being done
	Created   time.Time  `json:"created"`
	Expires   time.Time  `json:"expires"`
	Nobody    bool       `json:"nobody,omitempty"` // but who proposed could approve it now; not kept
}

// MadeBy reports whether it was who that proposed it, by whatever name. Label is
// looked at too: by it acts tell the two apart.
func (p Proposal) MadeBy(who access.Who) bool {
	return p.Proposer == who.Identity() || p.By == who.Label()
}

// nobody reports whether nobody but who proposed could approve p now, as far as
// the hub can tell.
func (d *Desk) nobody(p Proposal) bool {
	return d.c.Another != nil && !d.c.Another(p.Proposer, access.Approve, access.Right(p.Act))
}

// nobodyElse tells who proposed what to do where nobody could approve it.
func nobodyElse(p Proposal) vocab.Problems {
	name := access.Right(p.Act).Name()
	return vocab.Problems{vocab.NewProblem("", "proposal.nobody",
		"目前除您之外，没有人既能“复核”又能“%[1]s”，这件事没有人能批准。请在节点配置的 operators 中再任命一人并重启节点，或由身份提供方授予相应角色；该事项保留 7 天。也可以分几次办理，每小时不超过 %[2]d 项。",
		"Nobody but you may now both approve and %[3]s, so this cannot be approved: name another officer under operators in the hub's configuration and restart it, or have the identity provider give the role; the proposal waits for 7 days. Or do it in parts, at most %[2]d an hour.",
		name["zh"], MaxAlone, name["en"])}
}

// Redacted is an entry whose body is to be deleted, and why.
type Redacted struct {
	Index  uint64 `json:"index"`
	Ground string `json:"ground"` // authority, personal, classified or retention
	Reason string `json:"reason,omitempty"`
}

// Remove deregisters offerings of a space for good (1 to vocab.MaxRemoved @ids,
// each of one that it has); the reason is for everybody. More than MaxAlone
// become a proposal. Errors are vocab.Problems: access.forbidden, request.…,
// offering.unknown, space.unknown, admission.full.
func (d *Desk) Remove(ctx context.Context, who access.Who, did string, ids []string, reason string) (out Result, err error) {
	if reason, err = about(did, reason, true); err != nil {
		return out, err
	}
	ids = distinct(ids, func(id string) string { return id })
	if len(ids) == 0 || len(ids) > vocab.MaxRemoved {
		return out, vocab.Problems{vocab.NewProblem("/offerings", "request.range",
			"一次可注销 1 到 %d 项，请分几次。", "1 to %d offerings can be removed at once: do it in parts.", vocab.MaxRemoved)}
	}
	p := Proposal{Act: string(access.OfferingRemove), Space: did, Reason: reason, Offerings: ids, By: who.Label(), Proposer: who.Identity()}
	return d.alone(ctx, who, p, len(ids), did)
}

// Redact deletes the bodies of entries of the log (1 to MaxRedacted). One named
// twice counts once, as it is named first; the receipts are in that order. More
// than MaxAlone become a proposal. Errors are vocab.Problems: access.forbidden,
// request.…, redact.…, admission.full.
func (d *Desk) Redact(ctx context.Context, who access.Who, entries []Redacted) (out Result, err error) {
	if d.c.Redact == nil {
		return out, vocab.Problems{vocab.NewProblem("", "redact.unavailable", "本节点不支持删除正文。", "This hub redacts nothing.")}
	}
	if len(entries) == 0 || len(entries) > MaxRedacted {
		return out, vocab.Problems{vocab.NewProblem("/entries", "request.range",
			"一次可删除 1 到 %d 条的正文，请分几次。", "1 to %d entries can be redacted at once: do it in parts.", MaxRedacted)}
	}
	entries = distinct(entries, func(e Redacted) uint64 { return e.Index })
	p := Proposal{Act: string(access.LogRedact), Entries: entries, By: who.Label(), Proposer: who.Identity()}
	return d.alone(ctx, who, p, len(entries), fmt.Sprintf("entry %d", entries[0].Index))
}

// distinct leaves the first of what has the same key.
func distinct[T any, K comparable](list []T, key func(T) K) []T {
	seen := make(map[K]bool, len(list))
	return slices.DeleteFunc(slices.Clone(list), func(v T) bool {
		k := key(v)
		twice := seen[k]
		seen[k] = true
		return twice
	})
}

// alone does what one officer may do alone, or keeps it as a proposal.
func (d *Desk) alone(ctx context.Context, who access.Who, p Proposal, n int, object string) (out Result, err error) {
	err = d.record(ctx, who, p.Act, object, []access.Right{access.Right(p.Act)}, func(ctx context.Context) (string, error) {
		if err := d.check(p); err != nil {
			return "", err
		}
		may, err := d.spend(ctx, p.Proposer, n)
		if err != nil {
			return "", err
		}
		if may {
			out, err = d.do(ctx, p)
			return fmt.Sprintf("%d alone", n), err
		}
		if p, err = d.propose(ctx, p); err != nil {
			return "", err
		}
		if p.Nobody = d.nobody(p); p.Nobody {
			out.Warnings = nobodyElse(p)
		}
		out.Proposal = &p
		return fmt.Sprintf("proposal %s of %d", p.ID, n), nil
	})
	return out, err
}

// spent is what an officer deregistered or redacted alone: how many entries, when.
type spent []struct {
	At    time.Time `json:"at"`
	Count int       `json:"count"`
}

// spend reports whether an officer may do n more alone, and counts them: no
// more than MaxAlone within any spentFor, so that an order for many cannot be cut
// into pieces, before and after the hour. What then fails is counted all the same.
func (d *Desk) spend(ctx context.Context, officer string, n int) (bool, error) {
	if n > MaxAlone {
		return false, nil
	}
	key := place(spentPrefix, officer)
	for range 3 {
		s, rev, _, err := get[spent](ctx, d.c.KV, key)
		if err != nil {
			return false, err
		}
		now, sum := d.c.Now(), n
		var left spent // at most MaxAlone of them, as each counts one at least
		for _, e := range s {
			if now.Sub(e.At) < spentFor { // one of the future, by a clock that went back, counts
				left = append(left, e)
				sum += e.Count
			}
		}
		if sum > MaxAlone {
			return false, nil
		}
		left = append(left, spent{{now, n}}...)
		if _, err = put(ctx, d.c.KV, key, left, rev); !bus.Conflict(err) {
			return err == nil, err
		}
	}
	return false, access.Busy()
}

// check finds what is wrong with a proposal before two people look at it.
func (d *Desk) check(p Proposal) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if len(b) > maxProposal-(16<<10) {
		return vocab.Problems{vocab.NewProblem("", "request.too_large",
			"一次列出的内容太多（最多约 %d KB），请分几次。", "Too much is listed at once (about %d KB at most): do it in parts.", (maxProposal>>10)-16)}
	}
	if p.Space == "" {
		return nil // redactions are checked by who does them
	}
	if _, err := d.known(p.Space); err != nil {
		return err
	}
	var unknown []string
	for _, id := range p.Offerings {
		v, ok := d.c.Registry.Version(vocab.KeyOf(p.Space, id))
		if !ok || v.Kind == vocab.KindParticipant {
			unknown = append(unknown, id)
		}
	}
	if len(unknown) > 0 {
		return vocab.Problems{vocab.NewProblem("/offerings", "offering.unknown",
			"空间 %s 没有以下 %d 项：%s。请核对 @id。", "Space %s has none of these %d: %s. Check the @ids.",
			p.Space, len(unknown), strings.Join(unknown[:min(len(unknown), 5)], " "))}
	}
	return nil
}

// do carries out what was proposed, by p.By and, if there is one, p.Second.
func (d *Desk) do(ctx context.Context, p Proposal) (out Result, err error) {
	if p.Act == string(access.LogRedact) {
		out.Receipts, err = d.c.Redact(ctx, p.Entries, p.By, p.Second)
		return out, err
	}
	d.acting.Lock()
	defer d.acting.Unlock()
	// Apart, for an act is public only if all that it names was: other hubs must
	// learn what to stop showing, and nobody the name of what was hidden.
	var public, hidden []string
	for _, id := range p.Offerings {
		if d.c.Registry.PublicBefore(vocab.KeyOf(p.Space, id), math.MaxUint64) {
			public = append(public, id)
		} else {
			hidden = append(hidden, id)
		}
	}
	for _, ids := range [][]string{public, hidden} {
		if !slices.ContainsFunc(ids, func(id string) bool { return d.stands(p.Space, id) }) {
			continue
		}
		r, err := d.enact(ctx, vocab.Act{Verb: vocab.Removal, Space: p.Space, Reason: p.Reason, By: p.By, Second: p.Second, Offerings: ids})
		if err != nil {
			return Result{}, err // what is done already is unchanged when it is done again
		}
		out.Receipts = append(out.Receipts, r)
	}
	if len(out.Receipts) == 0 {
		out.Receipts = []vocab.Receipt{unchanged(p.Space)}
	}
	out.Receipt = &out.Receipts[0]
	if len(out.Receipts) == 1 {
		out.Receipts = nil
	}
	return out, nil
}

// stands reports whether an offering has not been deregistered.
func (d *Desk) stands(space, id string) bool {
	v, ok := d.c.Registry.Version(vocab.KeyOf(space, id))
	return ok && !v.Final
}

// propose keeps a proposal for a second officer.
func (d *Desk) propose(ctx context.Context, p Proposal) (Proposal, error) {
	list, err := d.tidyProposals(ctx)
	if err != nil {
		return p, err
	}
	if len(list) >= maxProposals {
		return p, vocab.Problems{vocab.NewProblem("", "admission.full",
			"等待复核的事项已有 %d 件，请先复核。", "%d proposals wait for approval: decide on them first.", len(list))}
	}
	now := d.c.Now().UTC().Truncate(time.Second)
	p.ID, p.Created, p.Expires = strings.ToLower(rand.Text()[:16]), now, now.Add(proposalAge)
	_, err = put(ctx, d.c.KV, proposalPrefix+p.ID, p, 0)
	return p, err
}

// tidyProposals forgets what nobody approved in time.
func (d *Desk) tidyProposals(ctx context.Context) ([]Proposal, error) {
	list, err := all[Proposal](ctx, d.c.KV, proposalPrefix)
	if err != nil {
		return nil, err
	}
	now := d.c.Now()
	return slices.DeleteFunc(list, func(p Proposal) bool {
		old := !now.Before(p.Expires)
		if old {
			// One that cannot be deleted now is expired all the same.
			_ = d.c.KV.Purge(ctx, proposalPrefix+p.ID)
		}
		return old
	}), nil
}

// Proposals lists what waits for a second officer, oldest first.
func (d *Desk) Proposals(ctx context.Context, who access.Who) ([]Proposal, error) {
	if !who.May(access.Approve) && !who.May(access.OfferingRemove) && !who.May(access.LogRedact) {
		return nil, who.Need(access.Approve)
	}
	list, err := all[Proposal](ctx, d.c.KV, proposalPrefix)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(p Proposal) bool { return !d.c.Now().Before(p.Expires) })
	for i := range list {
		list[i].Nobody = d.nobody(list[i])
	}
	slices.SortFunc(list, func(a, b Proposal) int { return a.Created.Compare(b.Created) })
	return list, nil
}

// Approve does what another officer proposed. Whoever approves needs the right
// to approve and the right that the proposal is about, and is not who proposed.
// Where doing it fails it can be approved again. Errors are vocab.Problems:
// access.forbidden, proposal.unknown (expired ones too), proposal.own,
// proposal.taken (another approves it just now), and those of doing it.
func (d *Desk) Approve(ctx context.Context, who access.Who, id string) (out Result, err error) {
	err = d.record(ctx, who, "proposal.approve", id, []access.Right{access.Approve}, func(ctx context.Context) (string, error) {
		p, err := d.take(ctx, who, id)
		if err != nil {
			return "", err
		}
		detail := fmt.Sprintf("%s of %d by %s", p.Act, len(p.Offerings)+len(p.Entries), p.By)
		if out, err = d.do(ctx, p); err != nil {
			d.giveBack(ctx, p)
			return detail, err
		}
		if err := d.c.KV.Purge(ctx, proposalPrefix+p.ID); err != nil {
			d.c.Logger.Warn("a proposal that was done is still listed", "proposal", p.ID, "err", err)
		}
		return detail, nil
	})
	return out, err
}

// take marks a proposal as approved by who, so that it is done once. One that
// they took before and that was not done to the end is theirs to take again.
func (d *Desk) take(ctx context.Context, who access.Who, id string) (Proposal, error) {
	unknown := vocab.Problems{vocab.NewProblem("", "proposal.unknown",
		"没有编号为 %s 的待复核事项，或已超过 7 天。", "There is no proposal %s, or it is older than 7 days.", id)}
	if id == "" || len(id) > 64 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return Proposal{}, unknown
	}
	p, rev, ok, err := get[Proposal](ctx, d.c.KV, proposalPrefix+id)
	switch {
	case err != nil:
		return p, err
	case !ok || !d.c.Now().Before(p.Expires):
		return p, unknown
	case p.MadeBy(who):
		return p, vocab.Problems{vocab.NewProblem("", "proposal.own",
			"自己提出的事项须由另一人复核。", "What you proposed must be approved by somebody else.")}
	case p.Second != "" && p.Second != who.Label():
		return p, taken(p.Second)
	}
	if err := who.Need(access.Right(p.Act)); err != nil {
		return p, err
	}
	p.Second = who.Label()
	if _, err = put(ctx, d.c.KV, proposalPrefix+id, p, rev); bus.Conflict(err) {
		return p, taken("another officer")
	}
	return p, err
}

func taken(by string) error {
	return vocab.Problems{vocab.NewProblem("", "proposal.taken",
		"该事项正由 %s 复核执行。", "%s is approving this just now.", by)}
}

// giveBack lets somebody approve again what could not be done.
func (d *Desk) giveBack(ctx context.Context, p Proposal) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), kvTimeout)
	defer cancel()
	now, rev, ok, err := get[Proposal](ctx, d.c.KV, proposalPrefix+p.ID)
	if err == nil && ok && now.Second == p.Second {
		now.Second = ""
		_, err = put(ctx, d.c.KV, proposalPrefix+p.ID, now, rev)
	}
	if err != nil {
		d.c.Logger.Warn("a proposal that failed stays with who approved it", "proposal", p.ID, "err", err)
	}
}

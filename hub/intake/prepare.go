package intake

import (
	"context"
	"fmt"
	"slices"

	"lianmu/federation/identity"
	"lianmu/federation/judge"
	"lianmu/federation/registry"
	"lianmu/vocab"
	"lianmu/vocab/shape"
)

// Bounds of a receipt, so that a reply stays under 512 KB.
const maxProblems = 100

// prepare decodes, verifies and reads a submission; false if it is refused.
func (in *Intake) prepare(j *job) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			in.c.Logger.Error("a document made the hub panic", "digest", j.receipt.Digest, "panic", fmt.Sprint(p))
			ok = in.refuse(j, vocab.Problems{vocab.NewProblem("", "internal",
				"处理该文件时发生内部错误，请把摘要告诉运营方", "an internal fault while reading this document; tell the operator its digest")})
		}
	}()
	now := in.c.Now()
	doc, err := in.c.Processor.Decode(j.raw)
	if err != nil {
		in.c.Excess.Wrong(j.claim)
		return in.refuse(j, vocab.ProblemsOf(err, "json"))
	}
	if id, ok := doc.Object["@id"].(string); ok && len(id) <= 2048 && !shape.Personal(id) {
		j.receipt.ID = id // as claimed, so that a refusal can be found by it
	}
	sec, err := identity.Verify(doc, now)
	if err != nil {
		ps := vocab.ProblemsOf(err, "proof")
		if !late(ps) {
			in.c.Excess.Wrong(j.claim)
		}
		return in.refuse(j, ps)
	}
	signer := sec.Space
	space := in.c.Registry.SpaceOf(signer)
	j.receipt.Space, j.receipt.Content = space, sec.Content
	if !j.mayBring(space) {
		return in.refuse(j, vocab.Problems{vocab.NewProblem("/proof", "subject.space",
			"提交主题属于 %s，文件却由 %s 签名；请用自己空间的主题提交",
			"the subject belongs to %s but the document is signed by %s; submit on your own space's subject", j.subject, space)})
	}
	if ps := in.stranger(signer); len(ps) > 0 && !j.own {
		return in.refuse(j, ps)
	}
	graph, err := in.c.Processor.Expand(context.Background(), doc)
	if err != nil {
		return in.refuse(j, vocab.ProblemsOf(err, "jsonld"))
	}
	r, err := in.c.Reader.Read(graph, now)
	j.read = true
	if err != nil {
		return in.refuse(j, vocab.ProblemsOf(err, "shape"))
	}
	read := &judge.Read{Reading: r, Secured: sec}
	if ps := in.unfit(read, space, j.own && signer == in.c.HubDID); len(ps) > 0 {
		return in.refuse(j, ps)
	}
	j.reading, j.also, j.fact = r, sec.Also, judge.FactOf(read)
	if j.fact.Space = space; signer != space {
		j.fact.Signer = signer
	}
	j.receipt.Kind, j.receipt.ID = r.Kind.String(), r.ID
	j.receipt.Warnings = bound(append(in.unseen(r, space), r.Warnings...))
	if r.Offering != nil {
		j.receipt.Completeness = r.Offering.Completeness
	}
	in.advice.Add(j.receipt.Digest, advice{j.receipt.Warnings, j.receipt.Completeness})
	return true
}

// late reports whether a signature is good and only its time is wrong.
func late(ps vocab.Problems) bool {
	return !slices.ContainsFunc(ps, func(p vocab.Problem) bool { return p.Code != "proof.expired" && p.Code != "proof.future" })
}

// unfit says why what was read is not taken from a space, whatever the log says;
// hubs tells that the hub itself says it.
func (in *Intake) unfit(read *judge.Read, space string, hubs bool) vocab.Problems {
	r := read.Reading
	switch {
	case r.Kind >= vocab.KindLog || judge.HubsOwn(r.Kind) && !hubs:
		return vocab.Problems{vocab.NewProblem("/@type", "kind.reserved", "该类型只由目录节点自己写入", "only the hub itself writes this type")}
	case r.Space != nil:
		return in.unfitDescriptor(read, space)
	case r.Consent != nil:
		err := judge.Cosigned(read)
		if err == nil {
			err = in.c.Registry.MayConsent(space, r.ID, r.Consent, in.c.Now())
		}
		if err != nil {
			return vocab.ProblemsOf(err, "consent")
		}
	}
	return nil
}

// unfitDescriptor is unfit of a descriptor, which is warned where the space moves
// to another hub, or retires keys.
func (in *Intake) unfitDescriptor(read *judge.Read, space string) vocab.Problems {
	r := read.Reading
	if r.ID != space {
		return vocab.Problems{vocab.NewProblem("/@id", "space.other",
			"数据空间的描述只能由它自己签名：@id 是 %s，签名者是 %s", "a space's descriptor is signed by the space itself: @id is %s, signed by %s", r.ID, space)}
	}
	for _, key := range append([]string{read.Secured.Space}, r.Space.Keys...) {
		if in.c.Office != nil && in.c.Office(key) {
			return vocab.Problems{vocab.NewProblem("/key", "key.office",
				"密钥 %s 属于本节点的管理人员或节点自己，不能用作空间的密钥；请另外生成一把（lianmu key new）",
				"key %s is an officer's of this hub, or the hub's own, and cannot be a space's; make another (lianmu key new)", key)}
		}
	}
	home := r.Space.Hub
	switch {
	case home == "", in.c.HubDID == "":
		return nil
	case home == in.c.HubDID:
		r.Warnings = append(r.Warnings, in.retires(read, space)...)
		return nil
	}
	if st, ok := in.c.Registry.Space(space); ok && (st.Standing == registry.Admitted || st.Standing == registry.Suspended) {
		r.Warnings = append(r.Warnings, vocab.NewProblem("/hub", "space.moves",
			"描述写明归属节点是 %[1]s：接受后，本节点（%[2]s）不再是该空间的归属节点，其他节点只以 %[1]s 的目录账本为准；如非本意，请改回后重新提交",
			"it names %[1]s as the space's home hub: from here on this hub (%[2]s) is not its home, and others go by the log of %[1]s alone; if that is not meant, change it back and submit it again", home, in.c.HubDID))
		return nil
	}
	return vocab.Problems{vocab.NewProblem("/hub", "space.home",
		"描述写明归属节点是 %[1]s，不是本节点（%[2]s）；请提交到那个节点，或把归属节点（hub）改为本节点后重新签名",
		"it names %[1]s as the space's home hub, not this one (%[2]s): present it there, or name this hub (hub) and sign it again", home, in.c.HubDID)}
}

// retires warns of the keys of a space that are valid and that a descriptor which
// names this hub as its home does not list: what they took down in other logs
// does not count any more.
func (in *Intake) retires(read *judge.Read, space string) (ps vocab.Problems) {
	listed := read.Reading.Space.Keys
	if len(listed) == 0 {
		listed = []string{read.Secured.Space}
	}
	st, _ := in.c.Registry.Space(space)
	for _, k := range st.Keys {
		if k.Valid() && !slices.Contains(listed, k.DID) {
			ps = append(ps, vocab.NewProblem("/key", "key.retires",
				"此描述停用密钥 %s：它在其他节点账本里签的下架、注销不再算数。只在别处下架过、不应重新出现的产品，请用继续有效的密钥在本节点再下架一次",
				"it retires key %s: what that withdrew or deregistered in other hubs' logs counts no more. Withdraw here, with a key that stays, what you took down elsewhere alone and is to stay down", k.DID))
		}
	}
	return ps
}

// stranger says, before the document is read, why nothing of this key will be
// taken; nothing where it may sign, or may at least present its descriptor.
func (in *Intake) stranger(signer string) vocab.Problems {
	_, err := in.c.Registry.MaySign(signer)
	if err == nil {
		return nil
	}
	ps := vocab.ProblemsOf(err, "space")
	for _, p := range ps {
		if p.Code == "space.unadmitted" || p.Code == "space.rejected" {
			return nil
		}
	}
	return ps
}

func (in *Intake) refuse(j *job, ps vocab.Problems) bool {
	_, secret := shape.Unkeepable(ps) // before the list is cut
	j.secret = j.secret || secret
	j.receipt.Status, j.receipt.Problems = vocab.Refused, bound(ps)
	return false
}

func bound(ps vocab.Problems) vocab.Problems {
	if len(ps) <= maxProblems {
		return ps
	}
	more := len(ps) - maxProblems
	return append(ps[:maxProblems:maxProblems], vocab.NewProblem("", "more", "另有 %d 处未列出", "and %d more", more))
}

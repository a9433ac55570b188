package intake

import (
	"context"
	"fmt"

	"lianmu/federation/identity"
	"lianmu/vocab"
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
		return in.refuse(j, vocab.ProblemsOf(err, "json"))
	}
	if id, ok := doc.Object["@id"].(string); ok && len(id) <= 2048 {
		j.receipt.ID = id // as claimed, so that a refusal can be found by it
	}
	sec, err := identity.Verify(doc, now)
	if err != nil {
		return in.refuse(j, vocab.ProblemsOf(err, "proof"))
	}
	j.receipt.Space, j.receipt.Content = sec.Space, sec.Content
	if !j.mayBring(sec.Space) {
		return in.refuse(j, vocab.Problems{vocab.NewProblem("/proof", "subject.space",
			"提交主题属于 %s，文件却由 %s 签名；请用自己空间的主题提交",
			"the subject belongs to %s but the document is signed by %s; submit on your own space's subject", j.subject, sec.Space)})
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
	if r.Kind == vocab.KindSpace && r.ID != sec.Space {
		return in.refuse(j, vocab.Problems{vocab.NewProblem("/@id", "space.other",
			"数据空间的描述只能由它自己签名：@id 是 %s，签名者是 %s", "a space's descriptor is signed by the space itself: @id is %s, signed by %s", r.ID, sec.Space)})
	}
	if r.Kind == vocab.KindEpoch {
		return in.refuse(j, vocab.Problems{vocab.NewProblem("/@type", "kind.reserved", "该类型只由目录节点自己写入", "only the hub itself writes this type")})
	}
	j.reading = r
	j.fact = vocab.Fact{
		Kind: r.Kind, Space: sec.Space, ID: r.ID, Digest: sec.Digest, Content: sec.Content,
		Created: sec.Created, Expires: sec.Expires,
	}
	j.receipt.Kind, j.receipt.ID = r.Kind.String(), r.ID
	j.receipt.Warnings = bound(r.Warnings)
	if r.Offering != nil {
		j.receipt.Completeness = r.Offering.Completeness
	}
	in.advice.Add(j.receipt.Digest, advice{j.receipt.Warnings, j.receipt.Completeness})
	return true
}

func (in *Intake) refuse(j *job, ps vocab.Problems) bool {
	j.secret = j.secret || secret(ps) // before the list is cut
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

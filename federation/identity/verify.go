package identity

import (
	"fmt"
	"time"

	"lianmu/vocab"
	"lianmu/vocab/jsonld"
)

// Verify checks the Data Integrity proofs on d at time now: W3C Verifiable
// Credential Data Integrity 1.0 with eddsa-jcs-2022 (EdDSA Cryptosuites v1.0,
// section 3.3.2).
//
// A proof may be one object or a list (a proof set, at most MaxProofs). Every
// proof of a supported suite must verify and at least one must be there; the
// first of them is the author. Proofs of other suites are passed over. A
// verification method is a did:key, so nothing is looked up anywhere.
//
// Errors are vocab.Problems: limit.bytes, json.…, proof.missing,
// proof.limit, proof.suite, proof.invalid, proof.key, proof.purpose,
// proof.context, proof.chain, proof.future, proof.expired. Where the signature
// is good and only the time is wrong, all Problems are proof.expired or
// proof.future.
func Verify(d *jsonld.Document, now time.Time) (_ *Secured, err error) {
	defer contain(&err)
	doc, err := canonicalObject(d)
	if err != nil {
		return nil, err
	}
	m, err := members(doc, "@context", "proof")
	if err != nil {
		return nil, err
	}
	if m[1].value == nil {
		return nil, vocab.Problems{vocab.NewProblem("", "proof.missing",
			"文档没有签名。请先用 lianmu sign --key 密钥文件 签名再提交。",
			"the document is not signed: sign it with lianmu sign --key FILE before submitting it")}
	}
	proofs, ps := readProofs(m[1].value)
	if len(ps) > 0 {
		return nil, ps
	}
	head, tail := m[1].in(doc)
	content := hashOf(head, tail)
	for _, p := range proofs {
		ps = append(ps, p.verify(content, m[0].value)...)
		ps = append(ps, p.checkTime(now)...)
	}
	if len(ps) > 0 {
		return nil, ps
	}
	author := proofs[0]
	var also []string
	var ends time.Time
	for _, p := range proofs[1:] {
		also = append(also, p.did)
		if !p.expires.IsZero() && (ends.IsZero() || p.expires.Before(ends)) {
			ends = p.expires
		}
	}
	return &Secured{
		Also:               also,
		Space:              author.did,
		VerificationMethod: author.method,
		Created:            author.created,
		Expires:            author.expires,
		AlsoExpires:        ends,
		Digest:             vocab.DigestOf(d.Raw),
		Content:            content,
	}, nil
}

// readProofs reads the proofs of supported suites out of the canonical value
// of "proof"; without problems there is at least one.
func readProofs(raw []byte) ([]*proof, vocab.Problems) {
	if raw[0] != '[' {
		return readList([][]byte{raw}, func(int) string { return "/proof" })
	}
	list, more := elements(raw, MaxProofs)
	if more {
		return nil, vocab.Problems{tooManyProofs()}
	}
	return readList(list, func(i int) string { return fmt.Sprintf("/proof/%d", i) })
}

func tooManyProofs() vocab.Problem {
	return vocab.NewProblem("/proof", "proof.limit",
		"一份文档最多带 %d 个签名。请去掉多余的签名。",
		"a document may carry %d proofs at most: remove some", MaxProofs)
}

func readList(list [][]byte, path func(int) string) (proofs []*proof, ps vocab.Problems) {
	for i, raw := range list {
		typ, suite, err := suiteOf(raw)
		switch {
		case err != nil:
			ps = append(ps, notAProof(path(i)))
		case typ == proofType && suite == Suite:
			p, problems := readProof(path(i), raw)
			proofs, ps = append(proofs, p), append(ps, problems...)
		}
	}
	if len(proofs) == 0 && len(ps) == 0 {
		ps = append(ps, vocab.NewProblem("/proof", "proof.suite",
			"文档上的签名都不是本目录认可的算法。目前认可 type 为 %[1]s、cryptosuite 为 %[2]s 的签名，请改用它重新签名。",
			"no proof on the document is of a suite accepted here: sign it with type %[1]s, cryptosuite %[2]s", proofType, Suite))
	}
	return proofs, ps
}

// contain turns a panic out of a library into an error: a hostile document
// must not stop the process.
func contain(err *error) {
	if r := recover(); r != nil {
		*err = vocab.Problems{vocab.NewProblem("", "proof.invalid",
			"无法检查这份内容的签名。请用 lianmu sign 重新签名；仍不行请把文件交给目录的运维人员。",
			"the signature could not be checked: sign again with lianmu sign, and if that does not help show the file to the hub's operator")}
	}
}

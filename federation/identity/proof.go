package identity

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"time"

	"lianmu/vocab"
)

const (
	proofType    = "DataIntegrityProof"
	proofPurpose = "assertionMethod"
	// maxProofValue bounds base58, whose decoding takes quadratic time: 'z' and
	// 64 bytes are at most 89 characters.
	maxProofValue = 100
	maxTime       = 40
	maxMethod     = len(didKey) + 2*multibaseKeyLen + 1
)

// proof is one proof of a supported suite, checked in form but not yet in
// signature. raw is canonical.
type proof struct {
	path      string
	raw       []byte
	value     span // proofValue
	context   []byte
	method    string
	did       string
	key       ed25519.PublicKey
	signature []byte
	created   time.Time
	expires   time.Time
}

// suiteOf returns the type and cryptosuite that a canonical value claims.
func suiteOf(raw []byte) (typ, suite string, err error) {
	m, err := members(raw, "type", "cryptosuite")
	if err != nil {
		return "", "", err
	}
	typ, _ = text(m[0].value, 64)
	suite, _ = text(m[1].value, 64)
	return typ, suite, nil
}

// readProof reads a proof whose suite is supported. It reports all that is
// wrong with its form.
func readProof(path string, raw []byte) (*proof, vocab.Problems) {
	m, err := members(raw, "@context", "created", "expires", "previousProof",
		"proofPurpose", "proofValue", "verificationMethod")
	if err != nil {
		return nil, vocab.Problems{notAProof(path)}
	}
	p := &proof{path: path, raw: raw, context: m[0].value, value: m[5]}
	var ps vocab.Problems
	ps = append(ps, p.readTimes(m[1].value, m[2].value)...)
	if m[3].value != nil {
		ps = append(ps, vocab.NewProblem(path+"/previousProof", "proof.chain",
			"不支持首尾相连的签名链（previousProof）。请去掉这一项，各自独立签名。",
			"proof chains (previousProof) are not supported: leave it out and sign independently"))
	}
	if purpose, _ := text(m[4].value, 64); purpose != proofPurpose {
		ps = append(ps, vocab.NewProblem(path+"/proofPurpose", "proof.purpose",
			"签名用途是 %q，应为 assertionMethod（声明内容属实）。请用正确的用途重新签名。",
			"the proof's purpose is %q and must be assertionMethod: sign again for that purpose", clip(m[4].value)))
	}
	if problem := p.readMethod(m[6].value); problem != nil {
		ps = append(ps, *problem)
	}
	value, ok := text(m[5].value, maxProofValue)
	if ok {
		p.signature, err = decodeBase58(value)
	}
	if !ok || err != nil || len(p.signature) != ed25519.SignatureSize {
		ps = append(ps, vocab.NewProblem(path+"/proofValue", "proof.invalid",
			"签名值应是 z 开头的 base58btc 文本，解开后恰好 64 字节。请重新签名。",
			"proofValue must be base58btc text that begins with z and holds exactly 64 bytes: sign again"))
	}
	return p, ps
}

func (p *proof) readMethod(raw []byte) *vocab.Problem {
	method, ok := text(raw, maxMethod)
	err := errDID
	if ok {
		p.method = method
		if p.did, err = methodDID(method); err == nil {
			p.key, err = PublicKey(p.did)
		}
	}
	if err == nil {
		return nil
	}
	problem := vocab.NewProblem(p.path+"/verificationMethod", "proof.key",
		"签名所用的密钥 %q 无法采用：应写成 did:key:z6Mk…#z6Mk…（Ed25519 公钥，# 前后是同一把密钥，且不是弱密钥）。可用 lianmu key show 查看自己的密钥。",
		"the signing key %q cannot be used: it must read did:key:z6Mk…#z6Mk…, an Ed25519 key, no weak one, the same before and after the #; lianmu key show prints yours",
		clip(raw))
	return &problem
}

// readTimes reads created, which is required here because it orders versions,
// and expires. Data Integrity 1.0, section 2.1: both are XML Schema
// dateTimeStamps, which RFC 3339 with an upper-case T and Z covers.
func (p *proof) readTimes(created, expires []byte) (ps vocab.Problems) {
	var ok bool
	if p.created, ok = timestamp(created); !ok {
		ps = append(ps, vocab.NewProblem(p.path+"/created", "proof.invalid",
			"签名时间 created 必填，写法如 2026-11-21T08:30:00.123Z，年份在 %d 到 %d 之间。",
			"created, the time of signing, is required and reads like 2026-11-21T08:30:00.123Z, between the years %d and %d",
			firstYear, lastYear))
	}
	if expires == nil {
		return ps
	}
	if p.expires, ok = timestamp(expires); !ok {
		return append(ps, vocab.NewProblem(p.path+"/expires", "proof.invalid",
			"有效期 expires 的写法如 2027-11-21T08:30:00Z，年份在 %d 到 %d 之间；长期有效就不写这一项。",
			"expires reads like 2027-11-21T08:30:00Z, between the years %d and %d; leave it out for no end",
			firstYear, lastYear))
	}
	if !p.created.IsZero() && !p.expires.After(p.created) {
		ps = append(ps, vocab.NewProblem(p.path+"/expires", "proof.invalid",
			"有效期 %s 不晚于签名时间 %s。请检查日期后重新签名。",
			"it expires (%s) no later than it was created (%s): check the dates and sign again",
			p.expires.Format(time.RFC3339), p.created.Format(time.RFC3339)))
	}
	return ps
}

// checkTime holds the proof's times against the verifier's clock.
func (p *proof) checkTime(now time.Time) (ps vocab.Problems) {
	if p.created.After(now.Add(FutureSkew)) {
		ps = append(ps, vocab.NewProblem(p.path+"/created", "proof.future",
			"密钥 %[1]s 的签名时间是 %[2]s，比本机时间 %[3]s 晚了 5 分钟以上。请校准签名那台机器的时钟，再重新签名。",
			"key %[1]s signed at %[2]s, more than 5 minutes ahead of this clock (%[3]s): set the signing machine's clock and sign again",
			p.did, p.created.Format(time.RFC3339), now.UTC().Format(time.RFC3339)))
	}
	if !p.expires.IsZero() && !now.Before(p.expires) {
		ps = append(ps, vocab.NewProblem(p.path+"/expires", "proof.expired",
			"密钥 %[1]s 的签名已于 %[2]s 到期。内容若仍然有效，请由签名方续期（重新签名后再发布）。",
			"the signature by key %[1]s expired at %[2]s: if the content still holds, its signer should renew it (sign and publish it again)",
			p.did, p.expires.Format(time.RFC3339)))
	}
	return ps
}

// verify checks the signature over H(proof config) ‖ H(document).
func (p *proof) verify(document vocab.Digest, docContext []byte) vocab.Problems {
	// The standard lets a proof name only the first part of the document's
	// contexts (section 3.3.2, step 4). Here it must name all of them: whoever
	// could append a context unsigned could change what every term means.
	if p.context != nil && !bytes.Equal(p.context, docContext) {
		return vocab.Problems{vocab.NewProblem(p.path+"/@context", "proof.context",
			"签名里的 @context 与文档的 @context 不一致，签名后可能有人改过。请由签名方对现在的文档重新签名。",
			"the proof's @context is not the document's, which may have been changed after signing: its signer should sign the document as it is now")}
	}
	head, tail := p.value.in(p.raw)
	config := hashOf(head, tail)
	if ed25519.Verify(p.key, append(config[:], document[:]...), p.signature) {
		return nil
	}
	if p.context == nil && docContext != nil {
		// Before step 2 of section 3.3.1 was written down, signers hashed the
		// document's @context with the proof but left it out of what they wrote.
		config := hashOf([]byte(`{"@context":`), docContext, []byte(","), head[1:], tail)
		if ed25519.Verify(p.key, append(config[:], document[:]...), p.signature) {
			return nil
		}
	}
	return vocab.Problems{vocab.NewProblem(p.path+"/proofValue", "proof.invalid",
		"签名与内容不符：内容在签名后被改动过，或者不是密钥 %[1]s 所签。请取回原文，或由签名方重新签名。",
		"the signature does not fit the content: it was altered after signing, or key %[1]s did not sign it; get the original, or have it signed again",
		p.did)}
}

func notAProof(path string) vocab.Problem {
	return vocab.NewProblem(path, "proof.invalid",
		"proof 应是一个签名对象，或由签名对象组成的列表。请用 lianmu sign 签名。",
		"proof must be a proof object or a list of them: sign with lianmu sign")
}

// text decodes a canonical JSON string of at most limit bytes.
func text(raw []byte, limit int) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' || len(raw) > limit+2 {
		return "", false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), true
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// timestamp reads RFC 3339 strictly, within the years that make sense.
func timestamp(raw []byte) (time.Time, bool) {
	s, ok := text(raw, maxTime)
	if !ok {
		return time.Time{}, false
	}
	var t time.Time
	if t.UnmarshalText([]byte(s)) != nil {
		return time.Time{}, false
	}
	t = t.UTC()
	if t.Year() < firstYear || t.Year() > lastYear {
		return time.Time{}, false
	}
	return t, true
}

// clip shortens what a stranger wrote, for a message.
func clip(raw []byte) string {
	const most = 120
	s, ok := text(raw, most)
	if !ok {
		s = string(bytes.ToValidUTF8(raw[:min(len(raw), most)], nil))
	}
	return s
}

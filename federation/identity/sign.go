package identity

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"lianmu/vocab"
	"lianmu/vocab/jsonld"
)

// SignOptions say when and until when.
type SignOptions struct {
	Created time.Time // required; written in UTC with milliseconds
	Expires time.Time // zero: none; written in UTC, with milliseconds if it has any
}

// timeLayout writes created: always three decimals, so that it sorts as text.
const timeLayout = "2006-01-02T15:04:05.000Z"

// Sign adds an eddsa-jcs-2022 proof to the JSON object raw (W3C EdDSA
// Cryptosuites v1.0, section 3.3.1) and returns the document's bytes with the
// members of raw unchanged and in their order, "proof" last. White space
// around the object goes.
//
// With further signers the proofs are a set (Data Integrity 1.0, section 2.1.1),
// each over the same document; the author's is the first.
//
// An existing proof is an error, as are times that Verify would refuse. Errors
// are vocab.Problems: limit.bytes, json.…, proof.present, proof.limit,
// proof.invalid; what a signer returns is passed on.
func Sign(raw []byte, author Signer, o SignOptions, also ...Signer) ([]byte, error) {
	doc, err := canonicalObject(&jsonld.Document{Raw: raw})
	if err != nil {
		return nil, err
	}
	m, err := members(doc, "@context", "proof")
	if err != nil {
		return nil, err
	}
	if m[1].value != nil {
		return nil, vocab.Problems{vocab.NewProblem("/proof", "proof.present",
			"文档已经有签名。要重新签名，请先去掉 proof 这一项；要在原有签名之外加签，请用 lianmu sign --beside。",
			"the document is already signed: to sign it anew, remove its proof first; to sign it beside its author, use lianmu sign --beside")}
	}
	if err := checkOptions(o); err != nil {
		return nil, err
	}
	if len(also) >= MaxProofs {
		return nil, vocab.Problems{tooManyProofs()}
	}
	document := vocab.DigestOf(doc)
	proof, err := prove(document, author, o, m[0].value)
	if err != nil {
		return nil, err
	}
	if len(also) > 0 {
		proof = append([]byte{'['}, proof...)
		for _, s := range also {
			p, err := prove(document, s, o, m[0].value)
			if err != nil {
				return nil, err
			}
			proof = append(append(proof, ','), p...)
		}
		proof = append(proof, ']')
	}
	return insertLast(bytes.TrimSpace(raw), `"proof":`, proof)
}

// Cosign adds proofs to a signed document, whose author stays the first: for
// several who must sign and do not hold each other's keys. What it has must hold
// when the new ones are created. The bytes returned are in JCS form but for the
// proofs, which come last, the new ones behind the others.
//
// Errors are vocab.Problems: those of Verify, proof.limit, proof.invalid; what a
// signer returns is passed on.
func Cosign(raw []byte, o SignOptions, signers ...Signer) ([]byte, error) {
	if err := checkOptions(o); err != nil {
		return nil, err
	}
	d := &jsonld.Document{Raw: raw}
	if _, err := Verify(d, o.Created); err != nil {
		return nil, err
	}
	doc, err := canonicalObject(d)
	if err != nil {
		return nil, err
	}
	m, err := members(doc, "@context", "proof")
	if err != nil {
		return nil, err
	}
	proofs := [][]byte{m[1].value}
	if m[1].value[0] == '[' {
		proofs, _ = elements(m[1].value, MaxProofs)
	}
	if len(proofs)+len(signers) > MaxProofs {
		return nil, vocab.Problems{tooManyProofs()}
	}
	content := slices.Concat(m[1].in(doc))
	for _, s := range signers {
		p, err := prove(vocab.DigestOf(content), s, o, m[0].value)
		if err != nil {
			return nil, err
		}
		proofs = append(proofs, p)
	}
	return insertLast(content, `"proof":`, slices.Concat([]byte{'['}, bytes.Join(proofs, []byte{','}), []byte{']'}))
}

// prove returns one signer's proof over a document of this hash; context is
// canonical or nil.
func prove(document vocab.Digest, s Signer, o SignOptions, context []byte) ([]byte, error) {
	proof := unsignedProof(s, o, context)
	config, err := jsonld.Canonical(append(bytes.Clone(proof), '}'))
	if err != nil {
		return nil, err
	}
	configHash := vocab.DigestOf(config)
	sig, err := s.Sign(append(configHash[:], document[:]...))
	if err != nil {
		return nil, err
	}
	if len(sig) != ed25519.SignatureSize {
		return nil, errNoKey
	}
	proof = append(proof, `,"proofValue":"`...)
	proof = append(proof, encodeBase58(sig)...)
	return append(proof, `"}`...), nil
}

func checkOptions(o SignOptions) error {
	in := func(t time.Time) bool { y := t.UTC().Year(); return y >= firstYear && y <= lastYear }
	created := o.Created.Truncate(time.Millisecond)
	if !in(created) || !o.Expires.IsZero() && (!in(o.Expires) || !o.Expires.Truncate(time.Millisecond).After(created)) {
		return vocab.Problems{vocab.NewProblem("", "proof.invalid",
			"签名时间和有效期的年份须在 %d 到 %d 之间，有效期须晚于签名时间；长期有效就不写有效期。",
			"signing and expiry lie between the years %d and %d, and expiry is the later; leave expiry out for no end",
			firstYear, lastYear)}
	}
	return nil
}

// unsignedProof returns the proof object up to its last member but
// proofValue, without the closing brace. context is canonical or nil.
func unsignedProof(s Signer, o SignOptions, context []byte) []byte {
	b := []byte(`{"type":"` + proofType + `","cryptosuite":"` + Suite + `","created":"`)
	b = o.Created.UTC().AppendFormat(b, timeLayout)
	if !o.Expires.IsZero() {
		b = append(b, `","expires":"`...)
		e := o.Expires.UTC().Truncate(time.Millisecond)
		b = e.AppendFormat(b, time.RFC3339Nano)
	}
	b = append(b, `","verificationMethod":`...)
	method, err := json.Marshal(s.VerificationMethod())
	if err != nil { // strings always marshal
		panic(err)
	}
	b = append(b, method...)
	b = append(b, `,"proofPurpose":"`+proofPurpose+`"`...)
	if context != nil {
		b = append(b, `,"@context":`...)
		b = append(b, context...)
	}
	return b
}

// insertLast adds a member to a valid JSON object, set off like the last
// member before it.
func insertLast(obj []byte, name string, value []byte) ([]byte, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(obj))
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	at, gap := d.InputOffset(), []byte(nil)
	for d.PeekKind() == '"' {
		v, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		nameAt := d.InputOffset() - int64(len(v))
		gap = obj[at:nameAt]
		if _, err := d.ReadValue(); err != nil {
			return nil, err
		}
		at = d.InputOffset()
	}
	out := make([]byte, 0, len(obj)+len(gap)+len(name)+len(value)+2)
	out = append(out, obj[:at]...)
	if gap != nil {
		out = append(out, ',')
		out = append(out, gap[bytes.IndexByte(gap, ',')+1:]...)
	}
	out = append(out, name...)
	out = append(out, value...)
	return append(out, obj[at:]...), nil
}

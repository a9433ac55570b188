// Package judge reads the records of a log in order and says which may stand:
// whose signature is on them, and that whoever signed had the right to at that
// place in the log. It is deterministic: who holds the same log comes to the
// same verdicts, whatever the time is and in whatever parts the log came.
//
// It folds what stands into a registry of that log alone. It never writes to a
// log, fetches nothing, and does not check the tree: that the records are the
// log's is for its caller to know.
package judge

import (
	"context"
	"errors"
	"slices"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/ledger"
	"lianmu/federation/registry"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

// Judge judges one log. Read may be called by many at once; Stand, Apply,
// Restore and Late by one goroutine, in the order of the log.
type Judge struct {
	processor *jsonld.Processor
	reader    *shape.Reader
	registry  *registry.Registry
	hub       string // DID of the log's hub
	openUntil uint64
}

// New returns a Judge that has read nothing of the log of the hub with this DID;
// before the entry openUntil that log took whoever signed
// (vocab.LogCard.AdmittedUntil).
func New(p *jsonld.Processor, r *shape.Reader, hub string, openUntil uint64) *Judge {
	j := &Judge{processor: p, reader: r, hub: hub, openUntil: openUntil}
	j.registry = j.empty()
	return j
}

func (j *Judge) empty() *registry.Registry {
	r := registry.New()
	r.Hub(j.hub)
	r.OpenUntil(j.openUntil)
	return r
}

// Registry is what the judge has folded; it stays the same one for ever.
func (j *Judge) Registry() *registry.Registry { return j.registry }

// Read is what one document says, and who signed it.
type Read struct {
	Reading *shape.Reading
	Secured *identity.Secured
}

// Read reads a document whose leaf record is leaf: its form, its proof at the
// time it was received, and what it says. Errors say why it cannot stand:
// vocab.Problems, or that it is not what the leaf record says. It depends on
// nothing that was read before.
//
// With an error r is not nil where the document may be kept as evidence: it was read
// whole, and is none whose content must be nowhere (shape.Unkeepable). Of one that
// is, the error is that problem alone, as others may quote it. Such an r says nothing.
func (j *Judge) Read(ctx context.Context, leaf ledger.Leaf, document []byte) (r *Read, err error) {
	defer func() {
		if p := recover(); p != nil {
			r, err = nil, vocab.Problems{vocab.NewProblem("", "internal",
				"读取该文档时发生内部错误：%v", "an internal fault while reading this document: %v", p)}
		}
	}()
	d, err := j.processor.Decode(document)
	if err != nil {
		return nil, err
	}
	sec, unsigned := identity.Verify(d, leaf.ReceivedAt)
	g, err := j.processor.Expand(ctx, d)
	if err != nil {
		if unsigned != nil {
			err = unsigned
		}
		return nil, err
	}
	reading, err := j.reader.Read(g, leaf.ReceivedAt)
	if err != nil {
		if p, ok := shape.Unkeepable(vocab.ProblemsOf(err, "shape")); ok {
			return nil, vocab.Problems{p}
		}
	}
	evidence := &Read{}
	switch {
	case unsigned != nil:
		return evidence, unsigned
	case sec.Digest != leaf.SHA256:
		return evidence, vocab.Problems{vocab.NewProblem("", "entry.digest",
			"文档与叶记录中的摘要不符", "the document is not the one whose digest the leaf record has")}
	case err != nil:
		return evidence, err
	case reading.Kind != leaf.Kind:
		return evidence, vocab.Problems{vocab.NewProblem("/@type", "entry.kind",
			"叶记录说是 %[1]s，文档却是 %[2]s", "the leaf record says %[1]s, the document is of kind %[2]s", leaf.Kind, reading.Kind)}
	}
	r = &Read{Reading: reading, Secured: sec}
	if err := Cosigned(r); err != nil {
		return evidence, err
	}
	return r, nil
}

// Cosigned says what a consent lacks of the signature of the holder whose key it
// names, as vocab.Problems; nil for all else. That the key is the holder's is for
// the hub to check which takes the consent into its log.
func Cosigned(r *Read) error {
	c, sec := r.Reading.Consent, r.Secured
	switch {
	case c == nil || c.DID == "":
		return nil
	case !slices.Contains(sec.Also, c.DID):
		return vocab.Problems{vocab.NewProblem("/proof", "consent.unsigned",
			"没有持有方密钥 %[1]s 的签名：请先由本空间签名，再由持有方加签（lianmu sign --beside --key 持有方密钥）",
			"the holder's key %[1]s has not signed it: the space signs it first, then the holder beside it (lianmu sign --beside --key HOLDER)", c.DID)}
	case !sec.AlsoExpires.IsZero() && (sec.Expires.IsZero() || sec.AlsoExpires.Before(sec.Expires)):
		return vocab.Problems{vocab.NewProblem("/proof", "consent.expires",
			"持有方的签名比本空间的先到期（%[1]s）：请让两个签名同时到期；只授权到某日的，请写明有效期至（validUntil）",
			"the holder's signature ends (%[1]s) before the space's: let both end together, and where the consent is for some time only, say until when (validUntil)", sec.AlsoExpires.Format(time.RFC3339))}
	}
	return nil
}

// ReadRedaction reads the document of a redaction for Apply to fold what is left
// of the entry that it names, without its proof: that is looked at where the
// redaction has its turn. receivedAt bounds dates.
func (j *Judge) ReadRedaction(ctx context.Context, receivedAt time.Time, document []byte) (*Read, error) {
	r, err := j.reader.ReadDocument(ctx, j.processor, document, receivedAt)
	switch {
	case err != nil:
		return nil, err
	case r.Redaction == nil:
		return nil, errors.New("what names it is no redaction")
	}
	return &Read{Reading: r}, nil
}

// Stand says whether entry index may stand: what the hub itself says is signed
// with the hub's key, all else with a key that its space then had, of a space
// that was admitted. It returns the fact recomputed from the document, and from
// what the log said before of the signer. Errors are vocab.Problems. Nothing is
// folded. All entries before index must have been applied, but for those of which
// nothing is known.
func (j *Judge) Stand(index uint64, leaf ledger.Leaf, r *Read) (vocab.Fact, error) {
	return stand(j.registry, j.hub, index, leaf, r)
}

func stand(reg *registry.Registry, hub string, index uint64, leaf ledger.Leaf, r *Read) (vocab.Fact, error) {
	f := FactOf(r)
	own := HubsOwn(f.Kind)
	if !own {
		if f.Space = reg.SpaceOf(r.Secured.Space); f.Space != r.Secured.Space {
			f.Signer = r.Secured.Space
		}
	}
	switch {
	case f.Kind >= vocab.KindLog:
		return f, vocab.Problems{vocab.NewProblem("/@type", "kind.reserved",
			"该类型不能成为账本记录", "what is of this type is never an entry of a log")}
	case own && f.Space != hub:
		return f, vocab.Problems{vocab.NewProblem("/proof", "kind.reserved",
			"该类型（%[2]s）只能由目录节点 %[1]s 自己写入，签名者却是 %[3]s",
			"only the hub %[1]s may write what is of kind %[2]s; it is signed by %[3]s", hub, f.Kind, f.Space)}
	case own:
		return f, nil
	}
	reg.Skip(index)
	d := reg.Begin().Decide(entry(index, leaf, f, r))
	switch {
	case len(d.Denied) > 0:
		return f, d.Denied
	case d.Waits:
		return f, vocab.Problems{vocab.NewProblem("", "space.unadmitted",
			"空间 %s 当时尚未准入", "the space %s was not admitted", f.Space)}
	}
	return f, nil
}

// Apply folds entry index, which Stand let pass: fact is Stand's. Where nothing
// of an entry stands (its body is withheld, missing or faulty), r is nil and
// fact holds kind and digest alone. Where it was redacted, r is best the reading
// of its redaction, wherever in the log that is: of a descriptor the keys that
// it listed are needed before the redaction has its turn.
func (j *Judge) Apply(index uint64, leaf ledger.Leaf, fact vocab.Fact, r *Read) {
	j.registry.Apply(j.applied(index, leaf, fact, r))
}

func (j *Judge) applied(index uint64, leaf ledger.Leaf, fact vocab.Fact, r *Read) registry.Entry {
	if r == nil {
		return blank(index, leaf)
	}
	if r.Reading.Redaction != nil && leaf.Kind != vocab.KindRedaction {
		if r.Secured != nil && r.Secured.Space != j.hub || r.Reading.Redaction.Index != index {
			return blank(index, leaf)
		}
		return remains(index, leaf, r.Reading.Redaction)
	}
	return entry(index, leaf, fact, r)
}

// FactOf is the fact of a document as it says itself: its space is the key that
// signed it.
func FactOf(r *Read) vocab.Fact {
	f := vocab.Fact{
		Kind: r.Reading.Kind, Space: r.Secured.Space, ID: r.Reading.ID, Digest: r.Secured.Digest, Content: r.Secured.Content,
		Created: r.Secured.Created, Expires: r.Secured.Expires, Audience: saidAudience(r.Reading),
	}
	return f
}

// saidAudience is vocab.Fact's Audience, of what was read.
func saidAudience(r *shape.Reading) vocab.Audience {
	switch {
	case r.Offering != nil:
		return vocab.SaidAudience(r.Offering)
	case r.Participant != nil:
		return r.Participant.Audience
	}
	return ""
}

// HubsOwn reports whether only the hub itself writes entries of a kind.
func HubsOwn(k vocab.EntryKind) bool {
	return k == vocab.KindEpoch || k == vocab.KindAct || k == vocab.KindRedaction
}

func entry(index uint64, leaf ledger.Leaf, f vocab.Fact, r *Read) registry.Entry {
	return registry.Entry{
		Index: index, ReceivedAt: leaf.ReceivedAt, Fact: f, Also: r.Secured.Also,
		Space: r.Reading.Space, Participant: r.Reading.Participant, Consent: r.Reading.Consent, Act: r.Reading.Act, Redaction: r.Reading.Redaction,
	}
}

// blank is an entry of which the leaf record is known alone.
func blank(index uint64, leaf ledger.Leaf) registry.Entry {
	return registry.Entry{Index: index, ReceivedAt: leaf.ReceivedAt, Fact: vocab.Fact{Kind: leaf.Kind, Digest: leaf.SHA256}}
}

// remains is what is left of a redacted entry: of a descriptor who could sign
// from it on, and for whom offerings were by default. All else waits for the
// redaction's own turn.
func remains(index uint64, leaf ledger.Leaf, d *vocab.Redaction) registry.Entry {
	e := blank(index, leaf)
	if leaf.Kind == vocab.KindSpace && d.Space != "" {
		e.Fact.Space, e.Fact.Signer, e.Fact.Created, e.Fact.ID = d.Space, d.Signer, d.Created, d.Space
		e.Space = &vocab.Space{DID: d.Space, Keys: d.Keys, Audience: d.Audience, Hub: d.Hub}
	}
	return e
}

package vocab

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// EntryKind is what a log entry's document is. The numbers are part of the
// leaf record and never change.
type EntryKind uint8

// Kinds of log entry.
const (
	KindOffering       EntryKind = 1
	KindWithdrawal     EntryKind = 2 // 下架: reversible by a newer version
	KindDeregistration EntryKind = 3 // 注销: final
	KindSpace          EntryKind = 4 // a space's descriptor
	KindEpoch          EntryKind = 5 // the hub starts a new log epoch, citing the old
	KindParticipant    EntryKind = 6 // 接入主体: an organisation that a space has admitted
	KindAct            EntryKind = 7 // what the hub decided about a space (see Act)
	KindRedaction      EntryKind = 8 // the hub deletes an entry's body (see Redaction)
	KindConsent        EntryKind = 9 // 上架授权: the holder of a product lets spaces list it (see Consent)

	// From 200 on are documents that are signed and read like entries and are
	// never in a log.
	KindLog EntryKind = 200 // a log card (see LogCard)
)

// String returns the kind's name as used in subjects and receipts.
func (k EntryKind) String() string {
	switch k {
	case KindOffering:
		return "offering"
	case KindWithdrawal:
		return "withdrawal"
	case KindDeregistration:
		return "deregistration"
	case KindSpace:
		return "space"
	case KindEpoch:
		return "epoch"
	case KindParticipant:
		return "participant"
	case KindAct:
		return "act"
	case KindRedaction:
		return "redaction"
	case KindConsent:
		return "consent"
	case KindLog:
		return "log"
	}
	return "unknown"
}

// Digest is a SHA-256 digest; in text it is lower-case hex.
type Digest [32]byte

// DigestOf hashes b.
func DigestOf(b []byte) Digest { return sha256.Sum256(b) }

// String returns 64 hex digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// IsZero reports whether d is all zero.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText writes hex.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads 64 hex digits.
func (d *Digest) UnmarshalText(b []byte) error {
	p, err := ParseDigest(string(b))
	if err == nil {
		*d = p
	}
	return err
}

// ParseDigest reads 64 hex digits.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	if len(s) != 64 {
		return d, ErrDigest
	}
	_, err := hex.Decode(d[:], []byte(s))
	if err != nil {
		return Digest{}, ErrDigest
	}
	return d, nil
}

// Key names an offering by (space, @id): SHA-256 of space, a zero byte, id.
type Key [32]byte

// KeyOf returns the key of an offering.
func KeyOf(space, id string) Key {
	h := sha256.New()
	h.Write([]byte(space))
	h.Write([]byte{0})
	h.Write([]byte(id))
	return Key(h.Sum(nil))
}

// String returns 64 hex digits.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// MarshalText writes hex.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads 64 hex digits.
func (k *Key) UnmarshalText(b []byte) error { return (*Digest)(k).UnmarshalText(b) }

// Fact is what the fold of the log needs to know of an entry, without its
// body. It is recomputed by whoever verifies it: from the document, and for
// Space from what the log said before of the signer's key.
type Fact struct {
	Kind    EntryKind
	Space   string    // DID under which the space was admitted that speaks here; the hub's for its own acts
	Signer  string    // DID of the key that signed, where that is not Space itself; else ""
	ID      string    // @id of the offering, participant or consent; for a space descriptor the space's DID
	Digest  Digest    // of the secured document's bytes
	Content Digest    // of the JCS form without its proof
	Created time.Time // the proof's, with fractions of a second
	Expires time.Time // zero: never
	// Audience is what an offering or participant itself says of who may see it;
	// "" where it says nothing, and for other kinds.
	Audience Audience
}

// Key returns the DID of the key that signed.
func (f Fact) Key() string {
	if f.Signer != "" {
		return f.Signer
	}
	return f.Space
}

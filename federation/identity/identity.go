// Package identity knows who said what: DIDs, keys, signers, secured documents
// (W3C Data Integrity) and short-lived tokens.
//
// It never decides what somebody may do, and it never resolves anything over
// a network.
package identity

import (
	"time"

	"lianmu/vocab"
)

// Signer signs with one key. The file-backed Key is the only one today.
type Signer interface {
	DID() string                // did:key:z6Mk…
	VerificationMethod() string // did:key:z6Mk…#z6Mk…
	Sign(message []byte) ([]byte, error)
}

// Secured is what a verified proof says.
type Secured struct {
	Space              string // DID that signed
	VerificationMethod string
	Also               []string     // DIDs that signed it too, in the order of a proof set
	Created            time.Time    // UTC, with its fraction of a second
	Expires            time.Time    // zero: never
	AlsoExpires        time.Time    // when the first of Also's proofs ends; zero: none does
	Digest             vocab.Digest // of the bytes as received
	Content            vocab.Digest // of the JCS form without proof
}

// Suite is the cryptosuite that Sign writes and Verify accepts: W3C Data
// Integrity EdDSA Cryptosuites v1.0, section 3.3.
const Suite = "eddsa-jcs-2022"

// FutureSkew is how far ahead of the verifier's clock a proof may be created.
const FutureSkew = 5 * time.Minute

// MaxDocument bounds what Sign, Verify and Content work on, in bytes. A hub's
// own limit (jsonld.Limits) is lower; this one only keeps memory bounded.
const MaxDocument = 4 << 20

// MaxProofs is how many proofs a document may carry (a proof set).
const MaxProofs = 8

// Years between which proofs may be created and expire: outside them a date is
// a slip, and nanoseconds since 1970 would soon overflow.
const (
	firstYear = 2000
	lastYear  = 2199
)

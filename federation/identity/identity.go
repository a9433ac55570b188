// Package identity knows who said what: DIDs, keys, signers, secured documents
// (W3C Data Integrity) and short-lived tokens.
//
// It never decides what somebody may do, and it never resolves anything over
// a network.
package identity

import (
	"time"

	"lianmu/vocab"
	"lianmu/vocab/jsonld"
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
	Created            time.Time
	Expires            time.Time    // zero: never
	Digest             vocab.Digest // of the bytes as received
	Content            vocab.Digest // of the JCS form without proof
}

// FutureSkew is how far ahead of the verifier's clock a proof may be created.
const FutureSkew = 5 * time.Minute

// Verify checks the Data Integrity proof on d at time now. Errors are
// vocab.Problems with codes proof.missing, proof.invalid, proof.expired,
// proof.future, proof.key, proof.suite …
func Verify(d *jsonld.Document, now time.Time) (*Secured, error) { panic("pending") }

// SignOptions say when and until when.
type SignOptions struct {
	Created time.Time // written in UTC with milliseconds
	Expires time.Time // zero: none
}

// Sign adds an eddsa-jcs-2022 proof to the JSON object raw (replacing none:
// an existing proof is an error) and returns the document's bytes with the
// members of raw unchanged and in their order, "proof" last.
func Sign(raw []byte, s Signer, o SignOptions) ([]byte, error) { panic("pending") }

// Content returns the digest of the JCS form of a JSON object without its
// "proof": what Secured.Content will be.
func Content(raw []byte) (vocab.Digest, error) { panic("pending") }

// Key is a private key in memory or from a file. It is a Signer.
type Key struct{}

// NewKey makes a key of type "ed25519" (others come with later suites).
func NewKey(typ string) (*Key, error) { panic("pending") }

// ImportKey makes a key from a hex seed.
func ImportKey(typ, seedHex string) (*Key, error) { panic("pending") }

// ReadKey reads a key file written by Write; a file that others may read is refused.
func ReadKey(path string) (*Key, error) { panic("pending") }

// Write stores the key at path, mode 0600, never over an existing file.
func (k *Key) Write(path string) error { panic("pending") }

// Seed returns the 32-byte Ed25519 seed (for the log's note signer only).
func (k *Key) Seed() []byte { panic("pending") }

// DID implements Signer.
func (k *Key) DID() string { panic("pending") }

// VerificationMethod implements Signer.
func (k *Key) VerificationMethod() string { panic("pending") }

// Sign implements Signer.
func (k *Key) Sign(message []byte) ([]byte, error) { panic("pending") }

// NewToken returns a compact JWS (EdDSA) with iss = sub = s.DID(), the given
// audience, iat, exp = now+ttl (ttl at most 10 minutes) and a random jti.
func NewToken(s Signer, audience string, now time.Time, ttl time.Duration) (string, error) {
	panic("pending")
}

// VerifyToken checks a token made by NewToken for this audience and returns
// the DID that made it and the token's jti and expiry.
func VerifyToken(token, audience string, now time.Time) (did, jti string, expires time.Time, err error) {
	panic("pending")
}

// Package identitytest makes keys, and documents signed with them, for tests.
//
// It is for tests only.
package identitytest

import (
	"testing"

	"lianmu/federation/identity"
)

// Key makes a key.
func Key(t testing.TB) *identity.Key {
	t.Helper()
	k, err := identity.NewKey("ed25519")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Sign is identity.Sign, which must not fail.
func Sign[T ~string | ~[]byte](t testing.TB, document T, key identity.Signer, o identity.SignOptions, also ...identity.Signer) []byte {
	t.Helper()
	signed, err := identity.Sign([]byte(document), key, o, also...)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

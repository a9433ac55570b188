package bus

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// SpaceToken is the subject token of a space: the multibase part of a did:key,
// or the first 40 hex digits of the SHA-256 of any other DID.
func SpaceToken(did string) string {
	if mb, ok := strings.CutPrefix(did, "did:key:"); ok && mb != "" && !strings.ContainsAny(mb, ".*> \t\r\n") {
		return mb
	}
	sum := sha256.Sum256([]byte(did))
	return hex.EncodeToString(sum[:20])
}

// TokenDID is the did:key that a subject token stands for; other DIDs cannot be
// told from their tokens.
func TokenDID(token string) string { return "did:key:" + token }

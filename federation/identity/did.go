package identity

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/multiformats/go-multibase"
)

const (
	didKey = "did:key:"
	// multibaseKeyLen is the length of 'z' and 34 bytes in base58btc. The two
	// bytes of the multicodec are never zero, so it does not vary.
	multibaseKeyLen = 48
	maxDID          = 2048
)

// ed25519Codec is multicodec 0xed as a varint.
const ed25519Codec = "\xed\x01"

// errDID tells a DID that is not a did:key with an Ed25519 key.
var errDID = errors.New("not a did:key with an Ed25519 key (did:key:z6Mk…)")

// didOf returns the did:key of an Ed25519 public key.
func didOf(pub ed25519.PublicKey) string {
	return didKey + encodeBase58(append([]byte(ed25519Codec), pub...))
}

// methodOf returns the only verification method that a did:key has.
func methodOf(did string) string {
	return did + "#" + strings.TrimPrefix(did, didKey)
}

// PublicKey returns the Ed25519 key that a did:key names. A key of small order
// is refused: signatures "by" it can be made without any secret.
func PublicKey(did string) (ed25519.PublicKey, error) {
	mb, ok := strings.CutPrefix(did, didKey)
	if !ok || len(mb) != multibaseKeyLen {
		return nil, errDID
	}
	b, err := decodeBase58(mb)
	if err != nil || len(b) != 2+ed25519.PublicKeySize || string(b[:2]) != ed25519Codec {
		return nil, errDID
	}
	pub := ed25519.PublicKey(b[2:])
	if smallOrder(pub) {
		return nil, errors.New("this Ed25519 key has small order, so anyone could sign with it")
	}
	return pub, nil
}

// methodDID returns the DID of a did:key verification method, whose fragment
// must repeat the key.
func methodDID(method string) (string, error) {
	did, fragment, ok := strings.Cut(method, "#")
	if !ok || !strings.HasPrefix(did, didKey) || didKey+fragment != did {
		return "", errDID
	}
	return did, nil
}

func encodeBase58(b []byte) string {
	s, err := multibase.Encode(multibase.Base58BTC, b)
	if err != nil { // the encoding is a constant that the library knows
		panic(err)
	}
	return s
}

// decodeBase58 decodes multibase 'z' only; callers bound the length first,
// because base58 takes quadratic time.
func decodeBase58(s string) ([]byte, error) {
	if len(s) < 2 || s[0] != multibase.Base58BTC {
		return nil, errors.New("not multibase base58btc (it begins with z)")
	}
	_, b, err := multibase.Decode(s)
	return b, err
}

// smallOrderKeys are the encodings, sign bit aside, of the points whose order
// divides 8, with the two that are not reduced modulo p.
var smallOrderKeys = func() map[[32]byte]bool {
	keys := map[[32]byte]bool{}
	for _, h := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		b, err := hex.DecodeString(h)
		if err != nil {
			panic(err)
		}
		keys[[32]byte(b)] = true
	}
	return keys
}()

func smallOrder(pub ed25519.PublicKey) bool {
	k := [32]byte(pub)
	k[31] &= 0x7f
	return smallOrderKeys[k]
}

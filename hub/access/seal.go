package access

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
)

// sealer hides what a browser carries for the hub, and finds out if it was
// changed: AES-256-GCM under a key of this process.
type sealer struct{ cipher.AEAD }

func newSealer() sealer {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	block, err := aes.NewCipher(key)
	if err != nil { // the length is right
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return sealer{aead}
}

func (s sealer) close(l login) string {
	b, err := json.Marshal(l)
	if err != nil { // strings and a number always marshal
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(s.Seal(nil, nil, b, nil))
}

func (s sealer) open(text string) (login, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) > 8<<10 {
		return login{}, errors.New("not sealed here")
	}
	b, err = s.Open(nil, nil, b, nil)
	if err != nil {
		return login{}, err
	}
	var l login
	return l, json.Unmarshal(b, &l)
}

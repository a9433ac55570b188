package admission

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"lianmu/federation/identity"
	"lianmu/federation/registry"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
)

// Bounds of a key's proof.
const (
	maxProof    = 16 << 10 // bytes
	proofHolds  = 30 * 24 * time.Hour
	keyProof    = "KeyProof"
	maxProofAge = 90 * 24 * time.Hour // of one that says of itself that it holds longer
)

// keyStatement is what a key signs to show that whoever holds it wants it to be
// a space's: a key belongs to one space for ever, so nobody may give away
// another's. It is never an entry of a log: intake knows no such type.
type keyStatement struct {
	Context string `json:"@context"`
	Type    string `json:"@type"`
	ID      string `json:"@id"`
	Space   string `json:"space"` // DID of the space that the key is for
}

// ProveKeys makes the statement that ReplaceKeys wants of new keys: that they are
// for the space of that DID. It is one line of JSON without spaces, signed by all
// of the keys, and holds for 30 days from now.
func ProveKeys(space string, now time.Time, keys ...identity.Signer) (string, error) {
	if _, err := about(space, "", false); err != nil {
		return "", err
	}
	if len(keys) == 0 {
		return "", checkKeys(nil)
	}
	raw, err := json.Marshal(keyStatement{ownContext, keyProof, uuid.New().URN(), space})
	if err != nil {
		return "", err
	}
	signed, err := identity.Sign(raw, keys[0], identity.SignOptions{Created: now, Expires: now.Add(proofHolds)}, keys[1:]...)
	return string(signed), err
}

// provenBy returns the keys that a statement proves to be for a space.
func provenBy(path, space, statement string, now time.Time) ([]string, error) {
	statement = strings.TrimSpace(statement)
	if len(statement) > maxProof {
		return nil, badProof(path)
	}
	sec, err := identity.Verify(&jsonld.Document{Raw: []byte(statement)}, now)
	if err != nil {
		ps := vocab.ProblemsOf(err, "proof")
		for i := range ps {
			ps[i].Path = path + ps[i].Path
		}
		return nil, ps
	}
	var said keyStatement
	switch err := json.Unmarshal([]byte(statement), &said); {
	case err != nil, said.Type != keyProof, said.Context != ownContext:
		return nil, badProof(path)
	case said.Space != space:
		return nil, vocab.Problems{vocab.NewProblem(path, "key.proof",
			"这份证明是给空间 %s 的，不是给 %s 的。请持钥人用 lianmu key prove 重做一份。",
			"This proof is for space %s, not for %s: have the key's holder make another with lianmu key prove.", said.Space, space)}
	case now.Sub(sec.Created) > maxProofAge:
		return nil, vocab.Problems{vocab.NewProblem(path, "key.proof",
			"这份证明签于 %s，太旧了。请持钥人用 lianmu key prove 重做一份。",
			"This proof was signed on %s, which is too long ago: have the key's holder make another with lianmu key prove.", sec.Created.Format(time.DateOnly))}
	}
	return append([]string{sec.Space}, sec.Also...), nil
}

func badProof(path string) error {
	return vocab.Problems{vocab.NewProblem(path, "key.proof",
		"这不是 lianmu key prove 做出的证明。请持钥人重做一份，原样粘贴。", "This is no proof that lianmu key prove has made: have the key's holder make one, and paste it as it is.")}
}

// free refuses keys that a space may not be given: another space's, whether or
// not it is admitted, one whose own application waits, an officer's, and any that
// nobody proved to hold.
func (d *Desk) free(did string, keys, proofs []string) error {
	if len(proofs) > maxKeys {
		return vocab.Problems{vocab.NewProblem("/proofs", "request.range", "证明最多 %d 份。", "At most %d proofs are taken.", maxKeys)}
	}
	var proven []string
	for i, p := range proofs {
		by, err := provenBy(fmt.Sprintf("/proofs/%d", i), did, p, d.c.Now())
		if err != nil {
			return err
		}
		proven = append(proven, by...)
	}
	for i, k := range keys {
		path := fmt.Sprintf("/keys/%d", i)
		of := d.c.Registry.SpaceOf(k)
		_, known := d.c.Registry.Space(k)
		switch {
		case d.c.Office != nil && d.c.Office(k):
			return officeKey(path, k)
		case of == did: // it was the space's before
		case of != k || known:
			return vocab.Problems{vocab.NewProblem(path, "key.taken",
				"密钥 %s 属于或曾属于空间 %s，不能再给别的空间用；请对方生成新密钥。", "Key %s is or was space %s's and can be nobody else's: have a new one made.", k, of)}
		case d.list.has(place(invitedPrefix, k)), d.list.has(place(openPrefix, k)):
			return vocab.Problems{vocab.NewProblem(path, "key.waits",
				"%s 是一个正在等待准入的空间，不能用作别的空间的密钥；请对方另外生成一把。", "%s is a space that waits for admission and cannot become another's key: have a new one made.", k)}
		case !slices.Contains(proven, k):
			return vocab.Problems{vocab.NewProblem(path, "key.unproven",
				"没有证据表明密钥 %[1]s 的持有人同意把它给这个空间。请持钥人运行 lianmu key prove --key 密钥文件 --space %[2]s，把所得的一行证明一并提交。",
				"Nothing shows that whoever holds key %[1]s wants it to be this space's. Have them run lianmu key prove --key FILE --space %[2]s, and hand in the line that it prints.", k, did)}
		}
	}
	return nil
}

// replaceable reports whether keys of a space in this standing may be replaced.
func replaceable(st registry.Standing) bool {
	return st == registry.Admitted || st == registry.Suspended
}

package peering

import (
	"crypto/sha256"
	_ "embed"
	"strings"
)

// Words are a fingerprint that two people read to each other over the telephone,
// each in the language they speak: the same bytes in Chinese and in English.
type Words struct {
	ZH string `json:"zh"` // 8 words of two characters
	EN string `json:"en"` // 8 words
}

// fingerprintWords is how many words a fingerprint has, one a byte: 64 bits, so
// that nobody makes a key whose fingerprint is another's.
const fingerprintWords = 8

//go:embed words.txt
var wordList string

// words are 256 pairs of a Chinese and an English word for the same thing.
var words = func() (pairs [256][2]string) {
	for i, line := range strings.Split(strings.TrimSpace(wordList), "\n") {
		zh, en, ok := strings.Cut(line, " ")
		if !ok || i >= len(pairs) {
			panic("hub/peering/words.txt: " + line)
		}
		pairs[i] = [2]string{zh, en}
	}
	return pairs
}()

// Fingerprint is that of a hub's DID: a word for each of the first eight bytes of
// its SHA-256.
func Fingerprint(did string) Words {
	sum := sha256.Sum256([]byte(did))
	var zh, en [fingerprintWords]string
	for i := range fingerprintWords {
		zh[i], en[i] = words[sum[i]][0], words[sum[i]][1]
	}
	return Words{ZH: strings.Join(zh[:], " "), EN: strings.Join(en[:], " ")}
}

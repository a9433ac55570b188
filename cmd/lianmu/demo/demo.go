// Package demo holds the demonstration catalogue: six invented data spaces and
// what they offer, as the unsigned JSON-LD files that a space would write.
// Organisations, codes, addresses and data are fictional; the keys are public.
//
// It never signs, publishes or reads anything outside its embedded files.
package demo

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"strings"
)

//go:embed spaces
var files embed.FS

// Space is one demonstration space.
type Space struct {
	Slug       string   // name of its folder
	SeedHex    string   // Ed25519 seed, 64 hex digits: public, anyone can sign with it
	Descriptor []byte   // the space's description of itself; its @id is the did:key of the seed
	Offerings  [][]byte // JSON-LD, unsigned, in the order of their file names
}

// order in which the spaces publish.
var order = []string{"sh-city", "yrd-auto", "port", "bio", "zj-city", "lingang"}

// seedPhrase makes the demonstration keys: everyone who reads this has them,
// so they prove nothing. The descriptors name the DIDs that follow from them.
const seedPhrase = "lianmu public demo key, protects nothing: "

// Spaces returns the demonstration spaces. Some of their offerings are faulty
// on purpose, so that receipts show how a refusal and a warning look. The
// error names an embedded file that cannot be read.
func Spaces() ([]Space, error) {
	var all []Space
	for _, slug := range order {
		seed := sha256.Sum256([]byte(seedPhrase + slug))
		s := Space{Slug: slug, SeedHex: hex.EncodeToString(seed[:])}
		entries, err := files.ReadDir("spaces/" + slug)
		if err != nil {
			return nil, fmt.Errorf("demonstration data: %w", err)
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".jsonld") {
				continue
			}
			doc, err := files.ReadFile("spaces/" + slug + "/" + e.Name())
			if err != nil {
				return nil, fmt.Errorf("demonstration data: %w", err)
			}
			if e.Name() == "space.jsonld" {
				s.Descriptor = doc
			} else {
				s.Offerings = append(s.Offerings, doc)
			}
		}
		if s.Descriptor == nil || len(s.Offerings) == 0 {
			return nil, fmt.Errorf("demonstration data: folder %s has no space.jsonld or no offerings", slug)
		}
		all = append(all, s)
	}
	return all, nil
}

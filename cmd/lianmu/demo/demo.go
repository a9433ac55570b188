// Package demo holds the demonstration catalogue: three invented hubs, six data
// spaces and what they offer, as the unsigned JSON-LD files that a space would
// write. Organisations, codes, addresses and data are fictional; the keys are
// public.
//
// It never signs, publishes or reads anything outside its embedded files.
package demo

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"strings"
)

//go:embed spaces
var files embed.FS

// Hub is one demonstration hub.
type Hub struct {
	Slug   string // name of its folder
	NameZH string
	NameEN string
	Spaces []string // slugs of those that publish there
}

// Hubs are the demonstration hubs; the first is the one to look at.
var Hubs = []Hub{
	{"city", "上海市跨空间目录节点（演示）", "Shanghai cross-space hub (demo)", []string{"sh-city", "bio"}},
	{"shipping", "航运物流行业目录节点（演示）", "Shipping and logistics hub (demo)", []string{"port", "lingang"}},
	{"delta", "长三角邻域目录节点·苏州（演示）", "Yangtze delta hub, Suzhou (demo)", []string{"yrd-auto", "zj-city"}},
}

// Space is one demonstration space.
type Space struct {
	Slug       string   // name of its folder
	Hub        string   // slug of its home hub
	SeedHex    string   // Ed25519 seed, 64 hex digits: public, anyone can sign with it
	Descriptor []byte   // the space's description of itself; its @id is the did:key of the seed
	Offerings  [][]byte // JSON-LD, unsigned, in the order of their file names
}

// At is the space's descriptor with the DID of its home hub, which nobody knows
// before that hub is there.
func (s Space) At(hub string) []byte {
	open := bytes.TrimSuffix(bytes.TrimSpace(s.Descriptor), []byte("}"))
	return fmt.Appendf(nil, "%s,\n  \"归属节点\": %q\n}\n", bytes.TrimSpace(open), hub)
}

// seedPhrase makes the demonstration keys: everyone who reads this has them,
// so they prove nothing. The descriptors name the DIDs that follow from them.
const seedPhrase = "lianmu public demo key, protects nothing: "

// Spaces returns the demonstration spaces, by their hubs. Some of their offerings are faulty
// on purpose, so that receipts show how a refusal and a warning look. The
// error names an embedded file that cannot be read.
func Spaces() ([]Space, error) {
	var all []Space
	for _, h := range Hubs {
		for _, slug := range h.Spaces {
			s, err := space(slug)
			if err != nil {
				return nil, fmt.Errorf("demonstration data: %w", err)
			}
			s.Hub = h.Slug
			all = append(all, s)
		}
	}
	return all, nil
}

// space reads the files of one.
func space(slug string) (Space, error) {
	seed := sha256.Sum256([]byte(seedPhrase + slug))
	s := Space{Slug: slug, SeedHex: hex.EncodeToString(seed[:])}
	entries, err := files.ReadDir("spaces/" + slug)
	if err != nil {
		return s, err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".jsonld") {
			continue
		}
		doc, err := files.ReadFile("spaces/" + slug + "/" + e.Name())
		if err != nil {
			return s, err
		}
		if e.Name() == "space.jsonld" {
			s.Descriptor = doc
		} else {
			s.Offerings = append(s.Offerings, doc)
		}
	}
	if s.Descriptor == nil || len(s.Offerings) == 0 {
		return s, fmt.Errorf("folder %s has no space.jsonld or no offerings", slug)
	}
	return s, nil
}

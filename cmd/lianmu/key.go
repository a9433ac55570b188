package main

import (
	"encoding/json"
	"fmt"
	"io"

	"lianmu/federation/identity"
)

// keyCmd makes and shows keys.
type keyCmd struct {
	New    keyNewCmd    `cmd:"" help:"Make a key; prints its DID."`
	Import keyImportCmd `cmd:"" help:"Make a key file from a hexadecimal seed; prints its DID."`
	Show   keyShowCmd   `cmd:"" help:"Print the DID of a key file."`
}

type keyNewCmd struct {
	Type string `default:"ed25519" help:"Kind of key; only ed25519 so far."`
	Out  string `required:"" placeholder:"FILE" help:"File to write; never overwritten."`
}

// Run makes a key, writes it and prints its DID.
func (c *keyNewCmd) Run(s *streams) error {
	key, err := identity.NewKey(c.Type)
	if err != nil {
		return err
	}
	return writeKey(s, key, c.Out)
}

type keyImportCmd struct {
	Type string `default:"ed25519" help:"Kind of key; only ed25519 so far."`
	Hex  string `required:"" placeholder:"SEED" help:"The 32-byte seed, 64 hexadecimal digits; - reads it from standard input, out of sight of other users."`
	Out  string `required:"" placeholder:"FILE" help:"File to write; never overwritten."`
}

// Run writes the key of a seed and prints its DID.
func (c *keyImportCmd) Run(s *streams) error {
	seed := c.Hex
	if seed == "-" {
		b, err := io.ReadAll(io.LimitReader(s.In, 1<<10))
		if err != nil {
			return err
		}
		seed = string(b)
	}
	key, err := identity.ImportKey(c.Type, seed)
	if err != nil {
		return err
	}
	return writeKey(s, key, c.Out)
}

func writeKey(s *streams, key *identity.Key, path string) error {
	if err := key.Write(path); err != nil {
		return err
	}
	_, err := fmt.Fprintln(s.Out, key.DID())
	return err
}

type keyShowCmd struct {
	File string `arg:"" help:"Key file."`
	JSON bool   `name:"json" help:"Print JSON: did, verificationMethod and type."`
}

// Run prints a key's public side.
func (c *keyShowCmd) Run(s *streams) error {
	key, err := identity.ReadKey(c.File)
	if err != nil {
		return err
	}
	if !c.JSON {
		_, err = fmt.Fprintln(s.Out, key.DID())
		return err
	}
	return json.NewEncoder(s.Out).Encode(struct {
		DID    string `json:"did"`
		Method string `json:"verificationMethod"`
		Type   string `json:"type"`
	}{key.DID(), key.VerificationMethod(), "ed25519"})
}

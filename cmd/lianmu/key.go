package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"lianmu/federation/identity"
	"lianmu/hub"
	"lianmu/hub/admission"
)

// keyCmd makes and shows keys.
type keyCmd struct {
	New    keyNewCmd    `cmd:"" help:"Make a key; prints its DID."`
	Import keyImportCmd `cmd:"" help:"Make a key file from a hexadecimal seed; prints its DID."`
	Show   keyShowCmd   `cmd:"" help:"Print the DID of a key file."`
	Prove  keyProveCmd  `cmd:"" help:"Sign that keys are for a space whose own were lost; prints one line for the hub's operator."`
	NATS   keyNATSCmd   `cmd:"" name:"nats" help:"Print what an external NATS server must know of a hub, as environment variables."`
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

type keyNATSCmd struct {
	Dir string `required:"" placeholder:"DIR" env:"LIANMU_DIR" help:"Folder for keys, log and index."`
}

// Run prints the variables that deploy/nats/lianmu.conf names, and makes the
// keys where there are none yet.
func (c *keyNATSCmd) Run(s *streams) error {
	env, err := hub.NATSEnv(c.Dir)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.Out, strings.Join(env, "\n"))
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

type keyProveCmd struct {
	Key   []string `required:"" placeholder:"FILE" help:"File of the new key; repeat it where there are several."`
	Space string   `required:"" placeholder:"DID" help:"DID of the space that the keys are for."`
}

// Run prints the proof that replacing a space's keys needs.
func (c *keyProveCmd) Run(s *streams) error {
	keys, err := readKeys(c.Key)
	if err != nil {
		return err
	}
	proof, err := admission.ProveKeys(c.Space, s.Now(), keys...)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.Out, proof)
	return err
}

// readKeys reads several key files.
func readKeys(paths []string) ([]identity.Signer, error) {
	keys := make([]identity.Signer, len(paths))
	for i, path := range paths {
		key, err := identity.ReadKey(path)
		if err != nil {
			return nil, err
		}
		keys[i] = key
	}
	return keys, nil
}

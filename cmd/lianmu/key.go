package main

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

// Run makes a key.
func (c *keyNewCmd) Run(s *streams) error { panic("pending") }

type keyImportCmd struct {
	Type string `default:"ed25519" help:"Kind of key; only ed25519 so far."`
	Hex  string `required:"" placeholder:"SEED" help:"The 32-byte seed, 64 hexadecimal digits."`
	Out  string `required:"" placeholder:"FILE" help:"File to write; never overwritten."`
}

// Run imports a seed.
func (c *keyImportCmd) Run(s *streams) error { panic("pending") }

type keyShowCmd struct {
	File string `arg:"" help:"Key file."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Run shows a key's public side.
func (c *keyShowCmd) Run(s *streams) error { panic("pending") }

package main

import "time"

// signCmd signs documents from standard input to standard output.
type signCmd struct {
	Key     string        `required:"" placeholder:"FILE" help:"Key file to sign with."`
	Suite   string        `default:"eddsa-jcs-2022" help:"Cryptosuite; only eddsa-jcs-2022 so far."`
	Expires time.Duration `placeholder:"8760h" help:"How long the signature holds; without it, for ever."`
}

// Run signs.
func (c *signCmd) Run(s *streams) error { panic("pending") }

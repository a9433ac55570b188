package main

import (
	"fmt"
	"time"

	"lianmu/federation/identity"
)

// tokenCmd makes a short-lived token for a hub's operator commands.
type tokenCmd struct {
	Key      string        `required:"" placeholder:"FILE" help:"Key file of an operator."`
	Audience string        `required:"" placeholder:"DID" help:"DID of the hub that is to accept the token."`
	TTL      time.Duration `name:"ttl" default:"5m" help:"How long it is valid, at most 10m."`
}

// Run prints a token, which works once.
func (c *tokenCmd) Run(s *streams) error {
	key, err := identity.ReadKey(c.Key)
	if err != nil {
		return err
	}
	token, err := identity.NewToken(key, c.Audience, s.Now(), c.TTL)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.Out, token)
	return err
}

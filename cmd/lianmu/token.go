package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lianmu/federation/identity"
)

// tokenCmd makes a short-lived token: one that speaks for the holder of a key,
// or one with which a space vouches for a person.
type tokenCmd struct {
	Key      string        `required:"" placeholder:"FILE" env:"LIANMU_KEY" help:"Key file of a space, a participant or an operator."`
	Audience string        `placeholder:"DID" xor:"hub" help:"DID of the hub that is to accept the token."`
	Hub      string        `placeholder:"URL" xor:"hub" help:"http://HOST:PORT of that hub, to ask it for its DID."`
	TTL      time.Duration `name:"ttl" default:"5m" help:"How long it is valid, at most 10m."`
	Session  bool          `help:"Make a session token: the space vouches for a person, who signs in to the pages with it."`
	Org      string        `placeholder:"CODE" help:"With --session: 主体标识码 of the person's organisation."`
	Name     string        `placeholder:"PSEUDONYM" help:"With --session: what the space calls the person, such as op-07; never a name or number of theirs."`
	Role     string        `placeholder:"ROLE" help:"With --session: participant (the default), or space for the space's own people."`
}

// Run prints a token, which works once.
func (c *tokenCmd) Run(ctx context.Context, s *streams) error {
	if !c.Session && (c.Org != "" || c.Name != "" || c.Role != "") {
		return errors.New(tr("--org、--name 和 --role 须与 --session 一起用", "--org, --name and --role go with --session"))
	}
	if c.Session && (c.Role != "" && c.Role != "participant" && c.Role != "space") {
		return fmt.Errorf(tr("--role 只能是 participant 或 space，而不是 %q", "--role is participant or space, not %q"), c.Role)
	}
	key, err := identity.ReadKey(c.Key)
	if err != nil {
		return err
	}
	audience, err := c.audience(ctx, s)
	if err != nil {
		return err
	}
	var token string
	if c.Session {
		token, err = identity.NewSessionToken(key, audience, identity.Person{Org: c.Org, Name: c.Name, Role: c.Role}, s.Now(), c.TTL)
	} else {
		token, err = identity.NewToken(key, audience, s.Now(), c.TTL)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.Out, token)
	return err
}

// audience is the hub's DID, as given or as the hub itself says.
func (c *tokenCmd) audience(ctx context.Context, s *streams) (string, error) {
	if c.Hub == "" {
		if c.Audience == "" {
			return "", errors.New(tr("需要 --audience（节点的 DID）或 --hub（节点的地址）", "needs --audience (the hub's DID) or --hub (its address)"))
		}
		return c.Audience, nil
	}
	hub, err := newHubClient(c.Hub, nil, s.Now)
	if err != nil {
		return "", err
	}
	info, err := hub.info(ctx)
	return info.Hub, err
}

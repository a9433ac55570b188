package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"lianmu/hub/access"
)

type accessCmd struct {
	Show accessShowCmd `cmd:"" help:"Print which role may do what and, to an officer, who holds which office."`
}

type accessShowCmd struct {
	Hub  string `placeholder:"URL" env:"LIANMU_HTTP_HUB" help:"Print who holds which office on this hub, too (needs --key)."`
	Key  string `placeholder:"FILE" env:"LIANMU_OPERATOR_KEY" help:"An operator's key; the hub's own is DIR/hub.key."`
	JSON bool   `name:"json" help:"Print JSON: for each role its name and its rights; with --key what the hub answers."`
}

// Run prints the one table of roles and rights. With the key of an officer it asks
// a hub who holds the offices.
func (c *accessShowCmd) Run(ctx context.Context, s *streams) error {
	var answer struct {
		Holders  []access.Holder
		Provided []access.Role
	}
	if c.Key != "" {
		if c.Hub == "" {
			return errors.New(tr("请用 --hub 写明向哪个节点查询任职情况", "say with --hub which hub to ask who holds the offices"))
		}
		hub, err := enterHub(c.Hub, c.Key, s.Now)
		if err != nil {
			return err
		}
		var raw json.RawMessage
		if err := hub.operate(ctx, http.MethodGet, "/api/v1/access", &raw); err != nil {
			return refusedBy(s, err)
		}
		if c.JSON {
			_, err := fmt.Fprintln(s.Out, strings.TrimSpace(string(raw)))
			return err
		}
		if err := receive(raw, &answer); err != nil {
			return err
		}
	}
	rows := access.Table()
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(rows)
	}
	t := table{Head: []string{tr("角色", "role"), "", tr("权限", "rights")}}
	for _, row := range rows {
		names := make([]string, len(row.Rights))
		for i, right := range row.Rights {
			names[i] = say(right.Name())
		}
		t.add(string(row.Role), say(row.Name), strings.Join(names, tr("、", ", ")))
	}
	if err := t.write(s.Out); err != nil || c.Key == "" {
		return err
	}
	return c.holders(s, answer.Holders, answer.Provided)
}

// holders prints who holds which office.
func (c *accessShowCmd) holders(s *streams, holders []access.Holder, provided []access.Role) error {
	if len(holders) == 0 && len(provided) == 0 {
		_, err := fmt.Fprintln(s.Err, tr("任职情况只告诉担任职务的人；这把密钥没有职务", "who holds which office is told to officers only, and this key holds none"))
		return err
	}
	names := func(roles []access.Role) string {
		out := make([]string, len(roles))
		for i, r := range roles {
			out[i] = say(r.Name())
		}
		return strings.Join(out, tr("、", ", "))
	}
	t := table{Head: []string{tr("职务", "offices"), tr("名称", "name"), tr("密钥", "key")}}
	for _, h := range holders {
		name := h.Name
		if h.Hub {
			name = strings.TrimSpace(name + " " + tr("（节点自己的密钥）", "(the hub's own key)"))
		}
		t.add(names(h.Roles), name, h.DID)
	}
	if len(provided) > 0 {
		t.add(names(provided), tr("（由身份提供方授予）", "(given by the identity provider)"), "")
	}
	if _, err := fmt.Fprintln(s.Out); err != nil {
		return err
	}
	return t.write(s.Out)
}

package main

import (
	"encoding/json"
	"strings"

	"lianmu/hub/access"
)

type accessCmd struct {
	Show accessShowCmd `cmd:"" help:"Print which role may do what."`
}

type accessShowCmd struct {
	JSON bool `name:"json" help:"Print JSON: for each role its name and its rights."`
}

// Run prints the one table of roles and rights.
func (c *accessShowCmd) Run(s *streams) error {
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
	return t.write(s.Out)
}

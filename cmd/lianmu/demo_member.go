package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"lianmu/cmd/lianmu/demo"
	"lianmu/federation/identity"
	"lianmu/hub"
)

// demoMember is the demonstration space as one of whose people one can sign in at
// the first hub. Some of its offerings are for its own alone.
const demoMember = "sh-city"

// showMember tells how to see what the demonstration hides from the public. It
// keeps the space's key, which is no secret, in dir.
func showMember(s *streams, dir string, info hub.Info) error {
	spaces, err := demo.Spaces()
	if err != nil {
		return err
	}
	for _, space := range spaces {
		if space.Slug != demoMember {
			continue
		}
		var says struct {
			Operator struct {
				Code string `json:"统一社会信用代码"`
			} `json:"运营方"`
		}
		if err := json.Unmarshal(space.Descriptor, &says); err != nil {
			return fmt.Errorf("demo space %s: %w", space.Slug, err)
		}
		path := filepath.Join(dir, space.Slug+".key")
		if _, err := identity.ReadKey(path); errors.Is(err, fs.ErrNotExist) {
			key, err := identity.ImportKey("ed25519", space.SeedHex)
			if err == nil {
				err = key.Write(path)
			}
			if err != nil {
				return err
			}
		}
		_, err := fmt.Fprintf(s.Out, tr("有些条目不公开。要以演示空间成员的身份查看，先生成令牌，再粘贴到 %[1]s/sign-in：\n  lianmu token --session --key %[2]s --audience %[3]s --org %[4]s --name guest\n",
			"some offerings are not public; to see them as a member of a demonstration space, make a token and paste it into %[1]s/sign-in:\n  lianmu token --session --key %[2]s --audience %[3]s --org %[4]s --name guest\n"),
			info.HTTP, path, info.DID, says.Operator.Code)
		return err
	}
	return fmt.Errorf("there is no demo space %s", demoMember)
}

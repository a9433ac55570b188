package main

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"sigs.k8s.io/yaml"

	"lianmu/hub"
)

// parseConfig reads a hub's YAML file, strictly: an unknown or repeated name is
// an error. Durations are written as in Go: 100ms, 8760h.
func parseConfig(raw []byte) (hub.Config, error) {
	var c hub.Config
	data, err := yaml.YAMLToJSONStrict(raw)
	if err != nil {
		return c, err
	}
	if string(data) == "null" { // an empty file, or comments only
		return c, nil
	}
	err = json.Unmarshal(data, &c,
		json.RejectUnknownMembers(true),
		json.MatchCaseInsensitiveNames(true),
		json.WithUnmarshalers(json.UnmarshalFromFunc(unmarshalDuration)))
	return c, err
}

func unmarshalDuration(dec *jsontext.Decoder, d *time.Duration) error {
	token, err := dec.ReadToken()
	if err != nil {
		return err
	}
	if token.Kind() == '"' {
		*d, err = time.ParseDuration(token.String())
		return err
	}
	return fmt.Errorf("a duration with its unit, such as 100ms, not %s", token)
}

package api

import (
	"embed"
	"encoding/json"
	"fmt"

	"sigs.k8s.io/yaml"
)

// The description is written by hand: info and routes, schemas. Tests hold it
// to the routes and to real answers.
//
//go:embed openapi/*.yaml
var openapiFiles embed.FS

// Description returns the OpenAPI 3.0 document that /openapi.json serves.
func Description() ([]byte, error) {
	doc := map[string]json.RawMessage{}
	for _, name := range []string{"info", "catalog", "log", "ndi", "schemas", "access", "admission", "peers"} {
		raw, err := openapiFiles.ReadFile("openapi/" + name + ".yaml")
		if err != nil {
			return nil, err
		}
		raw, err = yaml.YAMLToJSONStrict(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		var part map[string]json.RawMessage
		if err := json.Unmarshal(raw, &part); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for member, value := range part {
			if doc[member] == nil {
				doc[member] = value
				continue
			}
			if doc[member], err = join(doc[member], value); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", name, member, err)
			}
		}
	}
	return json.MarshalIndent(doc, "", " ")
}

// join unites the members of two objects, and so on within those that are in both;
// what is no object may not be.
func join(a, b json.RawMessage) (json.RawMessage, error) {
	both := map[string]json.RawMessage{}
	if err := json.Unmarshal(a, &both); err != nil {
		return nil, err
	}
	var more map[string]json.RawMessage
	if err := json.Unmarshal(b, &more); err != nil {
		return nil, err
	}
	for member, value := range more {
		if both[member] != nil {
			joined, err := join(both[member], value)
			if err != nil {
				return nil, fmt.Errorf("%s is there twice: %w", member, err)
			}
			value = joined
		}
		both[member] = value
	}
	return json.Marshal(both)
}

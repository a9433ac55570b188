package shape

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"lianmu/vocab/jsonld"
)

func TestProfileOverlay(t *testing.T) {
	r, err := NewReader(strings.NewReader(`
prefixes: {ex: "https://e.example/ns#"}
types: {dataset: [ex:Table]}
fields: {title: [ex:heading]}
words: {personalData: {"yes": [ja], "no": [nein]}}
weights: {title: 60, description: 40}
`))
	if err != nil {
		t.Fatal(err)
	}
	g := expand(t, `{"@context":{"@vocab":"https://e.example/ns#","lm":"https://w3id.org/lianmu/ns#"},"@id":"urn:x:1","@type":"Table","heading":"t","http://purl.org/dc/terms/title":"other","lm:personalData":"nein"}`)
	rd, err := r.Read(g, testNow)
	if err != nil {
		t.Fatal(err)
	}
	o := rd.Offering
	if o.Title["und"] != "t" || o.PersonalData == nil || *o.PersonalData || o.Completeness != 60 || len(rd.Warnings) != 1 {
		t.Errorf("%+v %v", o, rd.Warnings)
	}
}

func TestProfileFaults(t *testing.T) {
	for name, file := range map[string]string{
		"unknown member":   `{"colour": 1}`,
		"unknown field":    `{"fields": {"tittle": ["dct:title"]}}`,
		"unknown prefix":   `{"fields": {"title": ["zz:title"]}}`,
		"unknown class":    `{"types": {"table": ["dct:title"]}}`,
		"weights":          `{"weights": {"title": 99}}`,
		"unknown weight":   `{"weights": {"title": 90, "colour": 10}}`,
		"negative weight":  `{"weights": {"title": 110, "contact": -10}}`,
		"unknown list":     `{"codes": {"theme": {"list": "colours", "unknown": "keep"}}}`,
		"unknown rule":     `{"codes": {"theme": {"list": "themes", "unknown": "guess"}}}`,
		"alias to no code": `{"aliases": {"theme": {"x": "Z9999"}}}`,
		"alias of no code": `{"aliases": {"title": {"x": "y"}}}`,
		"guarded":          `{"guarded": {"colour": ["x"]}}`,
		"not YAML":         "\t{",
		"too large":        "#" + strings.Repeat("x", maxProfileBytes),
	} {
		if _, err := NewReader(strings.NewReader(file)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Every property of our own namespace that the context can give is one that
// the profile knows; no plain key leads nowhere.
func TestContextAndProfileAgree(t *testing.T) {
	b, err := os.ReadFile("../jsonld/contexts/lianmu-v1.jsonld")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Context map[string]any `json:"@context"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	p := newReader(t).p
	for term, def := range file.Context {
		iri, _ := def.(string)
		if m, ok := def.(map[string]any); ok {
			iri, _ = m["@id"].(string)
		}
		if !strings.HasPrefix(iri, ownNamespace) || iri == ownNamespace {
			continue
		}
		_, prop := p.props[iri]
		fixed := slices.Contains(fixedMembers(), strings.TrimPrefix(iri, ownNamespace))
		if _, isType := p.types[iri]; !prop && !isType && !fixed {
			t.Errorf("%s → %s: the profile knows no such property or type", term, iri)
		}
	}
	for _, field := range codedFields {
		for _, iri := range p.fields[field] {
			if !strings.HasPrefix(iri, ownNamespace) {
				continue
			}
			found := false
			for _, def := range file.Context {
				found = found || def == iri
			}
			if !found && iri != ownNamespace+"theme" && iri != ownNamespace+"updateFrequency" {
				t.Errorf("%s: no plain key for %s", field, iri)
			}
		}
	}
}

// A large description in plain keys stays within the limits of expansion.
func TestPlainKeysLeaveRoom(t *testing.T) {
	var parts []string
	for range mostAccess {
		parts = append(parts, `{"标题":"t","下载地址":"https://d.example/1.csv","格式":"CSV","媒体类型":"text/csv"}`)
	}
	p := jsonld.New(jsonld.Limits{})
	d, err := p.Decode([]byte(doc(`"分发":[` + strings.Join(parts, ",") + `]`)))
	if err != nil {
		t.Fatal(err)
	}
	g, err := p.Expand(context.Background(), d)
	if err != nil {
		t.Fatal(err)
	}
	rd, err := newReader(t).Read(g, testNow)
	if err != nil || len(rd.Offering.Distributions) != mostAccess {
		t.Errorf("%+v %v", rd, err)
	}
}

// fixedMembers are those of our namespace that no profile can name.
func fixedMembers() []string {
	all := slices.Concat(decisionMembers, redactionMembers, logMembers)
	for _, names := range actMembers {
		all = append(all, names...)
	}
	return all
}

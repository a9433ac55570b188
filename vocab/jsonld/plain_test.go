package jsonld

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// agreesWithGold checks that what Expand made of d is what json-gold alone makes.
func agreesWithGold(t interface {
	Helper()
	Fatalf(string, ...any)
}, p *Processor, d *Document, g *Graph) {
	t.Helper()
	if g.costly {
		return // is json-gold's already
	}
	c, err := p.parsedContext(d.Object)
	if err != nil {
		t.Fatalf("%s: %v", d.Raw, err)
	}
	alone := *c
	alone.plain = false
	expanded, err := p.run(context.Background(), &alone, withoutProof(d.Object), false)
	if err != nil {
		t.Fatalf("%s: json-gold says %v", d.Raw, err)
	}
	want := topNodes(expanded)
	for _, n := range want {
		delete(n, proofIRI)
	}
	if !reflect.DeepEqual(g.Nodes, want) {
		t.Fatalf("%s:\n got %v\nwant %v", d.Raw, g.Nodes, want)
	}
}

// What a quicker way could easily get wrong.
func TestPlainCases(t *testing.T) {
	p := New(Limits{})
	for _, in := range []string{
		`{"@value":"x","@language":"en"}`, `{"@id":"x:1","x:p":null}`, `{"x:p":[null,[[],[1,[true]]]],"x:q":[],"x:r":[null]}`,
		`{"@context":{"a":{"@id":"x:a","@container":"@language","@direction":"rtl"}},"a":{"ZH":"值"},"x:b":1}`,
		`{"@context":{"@direction":"ltr","a":{"@id":"x:a","@container":"@language"}},"a":{"ZH":"值"},"x:b":1}`,
		`{"@context":{"n":"@none","a":{"@id":"x:a","@container":["@language","@set"]}},"a":{"n":"值","@none":["x",null],"EN":null},"x:b":1}`,
		`{"@context":{"a":{"@id":"x:a","@container":"@language"}},"a":[{"zh":"值"},"x"],"x:b":1}`,
		`{"@context":{"j":{"@id":"x:j","@type":"@json"}},"j":[{"x:p":"值"}],"x:b":{"j":null}}`,
		`{"":"@json","x:p":{"@value":1}}`, `{"@context":{"@vocab":"v:"},"":"b","a":{"":"b","x:p":1}}`,
		`{"@context":{"a":"x:p","b":"x:p"},"b":1,"a":2,"x:p":{"b":[3],"a":4}}`,
		`{"@context":{"t":"@type","i":"@id"},"@type":"x:T","t":["x:U"],"x:p":{"i":"x:1"}}`,
		`{"x:p":{"@value":"x","@language":"EN"},"x:q":{"@value":"x","@type":"x:T"},"x:r":{"@value":null},"x:s":{"@language":"en"}}`,
		`{"x:p":{"@set":[]},"x:q":{"@list":[]},"x:r":{"@set":[1,{"@set":[2]}]},"x:s":[{"@set":[3]},{"@list":[4]}]}`,
		`{"@context":{"r":{"@reverse":"x:r"}},"r":{"@id":"x:2"},"x:p":{"r":{"@id":"x:3"},"@reverse":{"x:q":{"@id":"x:4"}}}}`,
		`{"@context":{"@propagate":false,"@vocab":"v:"},"a":{"b":1},"c":2}`, `{"@odd":1,"@odd:x":2,"odd":3,"x:p":{"odd":4}}`,
		`{"@context":{"g":{"@id":"x:g","@container":"@graph"},"l":{"@id":"x:l","@container":"@list"}},"g":{"x:p":1},"l":[[1],2]}`,
	} {
		d, err := p.Decode([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		g, err := p.Expand(t.Context(), d)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		agreesWithGold(t, p, d, g)
	}
	for in, path := range map[string]string{ // what json-gold refuses
		`{"x:p":{"@value":"x","@language":1}}`:                   "/x:p/@language",
		`{"x:p":{"@id":1}}`:                                      "/x:p/@id",
		`{"@type":[1],"x:p":2}`:                                  "/@type/0",
		`{"@type":null,"x:p":1}`:                                 "/@type",
		`{"":{},"x:p":1}`:                                        "/",
		`{"x:p":{"@value":{}}}`:                                  "/x:p/@value",
		`{"x:p":{"@value":"x","x:q":1}}`:                         "/x:p",
		`{"@context":{"p":null},"p:x":1}`:                        "/p:x",
		`{"@context":{"i":"@id"},"@id":"x:1","i":"x:1","x:p":1}`: "",
		`{"@context":{"a":{"@id":"x:a","@container":"@language"}},"a":{"zh":1},"x:p":2}`: "/a/zh",
	} {
		_, err := expand(t, p, in)
		refused(t, err, "jsonld.invalid", path)
	}
}

// contexts of every kind of term there is, for documents made of their names.
var termContexts = []string{
	`null`,
	`"https://w3id.org/lianmu/v1"`,
	`{"@vocab":"v:/","@language":"EN","@direction":"rtl","a":"v:/b","b":{"@id":"v:/b","@type":"@id"},"c":{"@id":"v:/c","@type":"x:date"},"d":{"@id":"v:/d","@language":null,"@direction":null},"e":null,"p":{"@id":"x:p","@container":"@language"}}`,
	`{"p":{"@id":"x:y/","@prefix":true},"a":{"@id":"x:a","@container":"@list"},"b":{"@id":"x:b","@container":"@language"},"c":{"@id":"x:c","@container":["@set"]},"d":{"@id":"x:d","@container":["@language","@set"]},"e":{"@reverse":"x:e"}}`,
	`{"@base":"https://b.example/","a":"@id","b":"@type","c":"@value","d":{"@id":"x:d","@type":"@json"},"e":"@nest","p":{"@id":"x:p","@type":"@vocab"}}`,
	`{"@propagate":false,"@vocab":"v:/","a":{"@id":"v:/a","@container":"@graph"},"b":"@set","c":"@graph","d":"@included","e":{"@id":"v:/e","@container":"@id"}}`,
	`{"@vocab":"v:/","n":"@none","a":{"@id":"x:a","@container":"@language","@direction":"rtl"},"b":{"@id":"x:b","@container":"@index"},"e":"@none"}`,
}

var termNames = []string{"@id", "@type", "@value", "@language", "@set", "@list", "@graph", "@index", "@odd", "@odd:x",
	"a", "b", "c", "d", "e", "p", "p:q", "x:r", "title", "标题", "keyword", "id", "type", ""}

// someValue draws a value of names that the contexts above know, sound or not.
func someValue(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		kind := rapid.IntRange(0, 8).Draw(t, "kind")
		switch {
		case kind == 0:
			return rapid.SampledFrom([]any{nil, true, 1.0}).Draw(t, "scalar")
		case kind < 4 || depth == 0:
			return rapid.SampledFrom([]string{"a", "x:r", "p:s", "zh", "值", "@id", "_:b", "../c", ""}).Draw(t, "text")
		case kind == 4:
			return map[string]any{"@value": someValue(0).Draw(t, "value"), "@language": someValue(0).Draw(t, "tag")}
		case kind == 6:
			return rapid.MapOfN(rapid.SampledFrom([]string{"zh", "EN", "@none", "e", "@value"}),
				rapid.SampledFrom([]any{"值", nil, "x", []any{"y", nil}, 1.0}), 0, 3).Draw(t, "texts")
		case kind == 5:
			return rapid.SliceOfN(someValue(depth-1), 0, 3).Draw(t, "list")
		}
		return rapid.MapOfN(rapid.SampledFrom(termNames), someValue(depth-1), 0, 4).Draw(t, "object")
	})
}

// Whatever is expanded is expanded as json-gold alone would, and refused where
// it would refuse.
func TestPlainAgreesWithGold(t *testing.T) {
	p := New(Limits{})
	read := 0
	rapid.Check(t, func(t *rapid.T) {
		doc := rapid.MapOfN(rapid.SampledFrom(termNames), someValue(3), 0, 6).Draw(t, "document")
		raw := fmt.Appendf(nil, `{"@context":%s`, rapid.SampledFrom(termContexts).Draw(t, "context"))
		if members := must(json.Marshal(doc)); len(members) > 2 {
			raw = append(append(raw, ','), members[1:]...)
		} else {
			raw = append(raw, '}')
		}
		d, err := p.Decode(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if g, err := p.Expand(context.Background(), d); err == nil {
			read++
			agreesWithGold(t, p, d, g)
		}
	})
	if read == 0 {
		t.Error("none of the documents could be expanded")
	}
}

package jsonld

import (
	"embed"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/piprate/json-gold/ld"
)

//go:embed contexts/*.jsonld
var contextFiles embed.FS

// contextAddresses lists what documents may refer to; contexts/README.md says
// where each text is from.
var contextAddresses = map[string]string{
	"https://w3id.org/lianmu/v1":                         "lianmu-v1.jsonld",
	"https://w3id.org/security/data-integrity/v1":        "data-integrity-v1.jsonld",
	"https://w3id.org/security/data-integrity/v2":        "data-integrity-v2.jsonld",
	"https://www.w3.org/ns/credentials/v2":               "credentials-v2.jsonld",
	"https://w3id.org/dspace/2025/1/context.jsonld":      "dspace-2025-1.jsonld",
	"https://w3id.org/dspace/2025/1/odrl-profile.jsonld": "dspace-2025-1-odrl-profile.jsonld",
	"https://www.w3.org/ns/odrl.jsonld":                  "odrl.jsonld",
	"http://www.w3.org/ns/odrl.jsonld":                   "odrl.jsonld",
}

// builtin is a context that ships with the program.
type builtin struct {
	document map[string]any
	values   int // JSON values in it, what a copy costs
	bill     bill
	price    price
	measured bool
}

// builtins reads and measures the embedded contexts once. They are part of the
// program: one that does not parse, or that includes itself, is a fault of the
// build, which the tests of this package find.
var builtins = sync.OnceValue(func() map[string]*builtin {
	all := make(map[string]*builtin, len(contextAddresses))
	for address, file := range contextAddresses {
		raw, err := contextFiles.ReadFile("contexts/" + file)
		if err != nil {
			panic(err)
		}
		b := &builtin{values: scan(raw).values}
		if err := json.Unmarshal(raw, &b.document); err != nil {
			panic(fmt.Sprintf("contexts/%s: %v", file, err))
		}
		all[address] = b
	}
	for address, b := range all {
		b.measure(all, address, 0)
	}
	return all
})

func (b *builtin) measure(all map[string]*builtin, address string, depth int) {
	if b.measured {
		return
	}
	if depth > len(all) {
		panic("the built-in context " + address + " includes itself")
	}
	m := meter{known: func(a string) *builtin {
		inner := all[a]
		if inner != nil {
			inner.measure(all, a, depth+1)
		}
		return inner
	}}
	p, err := m.context(b.document["@context"], "", false)
	if err != nil {
		panic(fmt.Sprintf("built-in context %s: %v", address, err))
	}
	b.bill, b.price, b.measured = m.bill, p, true
}

// loader is json-gold's way to a context. It knows the built-in ones and
// nothing else. Each call hands out a copy, because json-gold merges an
// importing context into the imported document in place.
type loader struct{}

// LoadDocument implements ld.DocumentLoader.
func (loader) LoadDocument(address string) (*ld.RemoteDocument, error) {
	b := builtins()[address]
	if b == nil {
		return nil, ld.NewJsonLdError(ld.LoadingRemoteContextFailed, "not a built-in context: "+shorten(address, 200))
	}
	return &ld.RemoteDocument{DocumentURL: address, Document: ld.CloneDocument(b.document)}, nil
}

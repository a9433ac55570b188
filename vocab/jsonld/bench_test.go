package jsonld

import (
	"context"
	"encoding/json"
	"os"
	"testing"

	"github.com/piprate/json-gold/ld"
)

// BenchmarkExpand compares a document with a repeated context: decode and
// expand here, against decode and json-gold's own Expand with a caching loader.
//
//	go test -bench Expand -benchmem ./vocab/jsonld
func BenchmarkExpand(b *testing.B) {
	raw, err := os.ReadFile("testdata/dcat.jsonld")
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("document: testdata/dcat.jsonld, %d bytes, %d JSON values", len(raw), scan(raw).values)
	b.Run("lianmu", func(b *testing.B) {
		p := New(Limits{})
		b.SetBytes(int64(len(raw)))
		b.ReportAllocs()
		for b.Loop() {
			d, err := p.Decode(raw)
			if err != nil {
				b.Fatal(err)
			}
			g, err := p.Expand(context.Background(), d)
			if err != nil || len(g.Nodes) != 1 {
				b.Fatal(g, err)
			}
		}
	})
	b.Run("decode only", func(b *testing.B) {
		p := New(Limits{})
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.Decode(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("json-gold", func(b *testing.B) {
		cache := ld.NewCachingDocumentLoader(loader{})
		opts := ld.NewJsonLdOptions("")
		opts.DocumentLoader = cache
		proc := ld.NewJsonLdProcessor()
		b.SetBytes(int64(len(raw)))
		b.ReportAllocs()
		for b.Loop() {
			var v any
			if err := json.Unmarshal(raw, &v); err != nil {
				b.Fatal(err)
			}
			if nodes, err := proc.Expand(v, opts); err != nil || len(nodes) != 1 {
				b.Fatal(nodes, err)
			}
		}
	})
}

func BenchmarkCanonical(b *testing.B) {
	raw, err := os.ReadFile("testdata/dcat.jsonld")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Canonical(raw); err != nil {
			b.Fatal(err)
		}
	}
}

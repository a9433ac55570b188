package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/piprate/json-gold/ld"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/federation/registry"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

// prefixed and plain are one description of 3.8 KB written in two ways: with
// an inline context of prefixes, and with the plain keys of our own context.
const prefixes = `{"dcat":"http://www.w3.org/ns/dcat#","dct":"http://purl.org/dc/terms/","foaf":"http://xmlns.com/foaf/0.1/","odrl":"http://www.w3.org/ns/odrl/2/","lm":"https://w3id.org/lianmu/ns#"}`

func sample(context string, plain bool) string {
	zh := strings.Repeat("按码头逐小时统计外港泊位占用与岸桥作业情况，供调度与研究使用。", 9)
	en := strings.Repeat("Hourly berth occupancy and quay crane work at the outer port, by terminal. ", 8)
	var dist []string
	for i := range 4 {
		dist = append(dist, fmt.Sprintf(`{"@type":"dcat:Distribution","dct:title":{"@value":"第 %d 部分","@language":"zh"},"dcat:downloadURL":{"@id":"https://space.example/data/port/%d.csv"},"dct:format":"CSV","dcat:mediaType":"text/csv"}`, i, i))
	}
	doc := `{"@context":` + context + `,"@id":"https://space.example/products/port-1","@type":"dcat:Dataset",
"dct:title":[{"@value":"外港泊位作业","@language":"zh"},{"@value":"Berth work at the outer port","@language":"en"}],
"dct:description":[{"@value":"` + zh + `","@language":"zh"},{"@value":"` + en + `","@language":"en"}],
"dcat:keyword":["港口","泊位","岸桥","调度","集装箱","port","berth","crane","container","logistics"],
"dct:publisher":{"@id":"did:web:space.example","foaf:name":"示例港务集团（演示数据）"},
"dcat:theme":["B0300","B0400"],"lm:industry":"G","lm:region":["3100","3300"],"lm:deliveryForm":"001","dct:accrualPeriodicity":"001",
"lm:securityLevel":"公开","lm:personalData":false,"lm:quality":"A级","dct:license":{"@id":"https://license.example/1"},
"dct:issued":"2026-01-05","dct:modified":"2026-11-20T08:00:00+08:00",
"dcat:distribution":[` + strings.Join(dist, ",") + `],
"odrl:hasPolicy":{"@type":"odrl:Offer","odrl:permission":[{"odrl:action":{"@id":"odrl:use"}}]}}`
	if plain {
		for _, p := range []string{"dcat:", "dct:", "lm:", "foaf:"} {
			doc = strings.ReplaceAll(doc, `"`+p, `"`)
		}
	}
	return doc
}

// BenchmarkPrepare is what one submission costs before the log: decode, verify
// the proof over its JCS form, expand, read. "stock" does the same with
// encoding/json and json-gold's own Expand and caching loader.
//
//	go test -bench Prepare -run xxx ./hub/intake
func BenchmarkPrepare(b *testing.B) {
	key := identitytest.Key(b)
	reader, err := shape.NewReader()
	if err != nil {
		b.Fatal(err)
	}
	for _, style := range []struct{ name, doc string }{
		{"prefixes", sample(prefixes, false)},
		{"plain", sample(`"https://w3id.org/lianmu/v1"`, true)},
		{"plain+integrity", sample(`["https://w3id.org/lianmu/v1","https://w3id.org/security/data-integrity/v2"]`, true)},
	} {
		now := time.Now()
		raw := identitytest.Sign(b, style.doc, key, identity.SignOptions{Created: now, Expires: now.Add(time.Hour)})
		b.Logf("%s: %d bytes signed, %s, GOMAXPROCS %d", style.name, len(raw), runtime.Version(), runtime.GOMAXPROCS(0))
		processor := jsonld.New(jsonld.Limits{})
		cache, err := lru.New[vocab.Digest, advice](adviceKept)
		if err != nil {
			b.Fatal(err)
		}
		in := &Intake{advice: cache, c: Config{Registry: registry.New(), Processor: processor, Reader: reader, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}}
		b.Run(style.name+"/lianmu", func(b *testing.B) {
			for b.Loop() {
				if j := (&job{raw: raw}); !in.prepare(j) {
					b.Fatal(j.receipt.Problems)
				}
			}
		})
		b.Run(style.name+"/stock", func(b *testing.B) {
			opts := ld.NewJsonLdOptions("")
			opts.DocumentLoader = ld.NewCachingDocumentLoader(builtIn{b})
			for b.Loop() {
				doc := &jsonld.Document{Raw: raw}
				if err := json.Unmarshal(raw, &doc.Object); err != nil {
					b.Fatal(err)
				}
				if _, err := identity.Verify(doc, time.Now()); err != nil {
					b.Fatal(err)
				}
				delete(doc.Object, "proof")
				nodes, err := ld.NewJsonLdProcessor().Expand(doc.Object, opts)
				if err != nil {
					b.Fatal(err)
				}
				g := &jsonld.Graph{}
				for _, n := range nodes {
					g.Nodes = append(g.Nodes, n.(map[string]any))
				}
				if _, err := reader.Read(g, time.Now()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// builtIn loads the built-in contexts from their files, for json-gold's own
// caching loader.
type builtIn struct{ b *testing.B }

func (l builtIn) LoadDocument(u string) (*ld.RemoteDocument, error) {
	name := "lianmu-v1.jsonld"
	if strings.Contains(u, "data-integrity") {
		name = "data-integrity-v2.jsonld"
	}
	raw, err := os.ReadFile(filepath.Join("..", "..", "vocab", "jsonld", "contexts", name))
	if err != nil {
		return nil, err
	}
	var v any
	err = json.Unmarshal(raw, &v)
	return &ld.RemoteDocument{DocumentURL: u, Document: v}, err
}

// The benchmark's documents must be what it says they are.
func TestSamplesAreRead(t *testing.T) {
	reader, err := shape.NewReader()
	if err != nil {
		t.Fatal(err)
	}
	for name, doc := range map[string]string{"prefixes": sample(prefixes, false), "plain": sample(`"https://w3id.org/lianmu/v1"`, true)} {
		r, err := reader.ReadDocument(context.Background(), jsonld.New(jsonld.Limits{}), []byte(doc), time.Now())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if o := r.Offering; len(o.Distributions) != 4 || len(o.Themes) != 2 || o.Level.Code != "001" || !o.Policy.Present || o.Publisher.Name["zh"] == "" {
			t.Errorf("%s is read as %+v", name, o)
		}
	}
}

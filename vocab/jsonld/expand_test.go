package jsonld

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/piprate/json-gold/ld"

	"lianmu/vocab"
)

const dct = "http://purl.org/dc/terms/"

func expand(t testing.TB, p *Processor, in string) (*Graph, error) {
	t.Helper()
	d, err := p.Decode([]byte(in))
	if err != nil {
		t.Fatalf("%.200s: %v", in, err)
	}
	kept := ld.CloneDocument(d.Object)
	g, err := p.Expand(context.Background(), d)
	if !reflect.DeepEqual(kept, any(d.Object)) || string(d.Raw) != in {
		t.Errorf("%.200s: the document was changed", in)
	}
	return g, err
}

// Every way to write one title in Chinese and English comes to the same.
func TestStyles(t *testing.T) {
	tests := []struct{ name, in, member string }{
		{"prefixes", `{"@context":{"dct":"http://purl.org/dc/terms/"},"@id":"x:1","dct:title":[{"@value":"标题","@language":"zh"},{"@value":"Title","@language":"en"}]}`, "dct:title"},
		{"vocab", `{"@context":{"@vocab":"http://purl.org/dc/terms/"},"@id":"x:1","title":[{"@value":"标题","@language":"zh"},{"@value":"Title","@language":"en"}]}`, "title"},
		{"full IRI", `{"@id":"x:1","http://purl.org/dc/terms/title":[{"@value":"标题","@language":"zh"},{"@value":"Title","@language":"en"}]}`, dct + "title"},
		{"Chinese key", `{"@context":{"标题":"http://purl.org/dc/terms/title"},"@id":"x:1","标题":[{"@value":"标题","@language":"zh"},{"@value":"Title","@language":"en"}]}`, "标题"},
		{"language map", `{"@context":{"name":{"@id":"http://purl.org/dc/terms/title","@container":"@language"}},"@id":"x:1","name":{"zh":"标题","en":"Title"}}`, "name"},
		{"default language", `{"@context":{"@language":"zh","t":"http://purl.org/dc/terms/title"},"@id":"x:1","t":["标题",{"@value":"Title","@language":"en"}]}`, "t"},
		{"aliases", `{"@context":{"id":"@id","lang":"@language","val":"@value","t":"http://purl.org/dc/terms/title"},"id":"x:1","t":[{"val":"标题","lang":"zh"},{"val":"Title","lang":"en"}]}`, "t"},
		{"type-scoped", `{"@context":{"D":{"@id":"x:D","@context":{"n":{"@id":"http://purl.org/dc/terms/title","@container":"@language"}}}},"@id":"x:1","@type":"D","n":{"zh":"标题","en":"Title"}}`, "n"},
		{"property-scoped", `{"@context":{"t":{"@id":"http://purl.org/dc/terms/title","@context":{"v":"@value","l":"@language"}}},"@id":"x:1","t":[{"v":"标题","l":"zh"},{"v":"Title","l":"en"}]}`, "t"},
		{"nested context", `{"@id":"x:1","http://purl.org/dc/terms/title":[{"@context":{"v":"@value","l":"@language"},"v":"标题","l":"zh"},{"@value":"Title","@language":"en"}]}`, dct + "title"},
		{"graph", `{"@context":{"dct":"http://purl.org/dc/terms/"},"@graph":[{"@id":"x:1","dct:title":[{"@value":"标题","@language":"zh"},{"@value":"Title","@language":"en"}]}]}`, "dct:title"},
		{"graph with a context of its own", `{"@graph":{"@context":{"t":"http://purl.org/dc/terms/title"},"@id":"x:1","t":[{"@value":"标题","@language":"zh"},{"@value":"Title","@language":"en"}]}}`, "t"},
		{"nest", `{"@context":{"box":"@nest","t":"http://purl.org/dc/terms/title"},"@id":"x:1","box":{"t":[{"@value":"标题","@language":"zh"},{"@value":"Title","@language":"en"}]}}`, "t"},
		{"set", `{"@context":{"t":{"@id":"http://purl.org/dc/terms/title","@container":"@set"}},"@id":"x:1","t":{"@set":[{"@value":"标题","@language":"zh"},{"@value":"Title","@language":"en"}]}}`, "t"},
		{"built-in and own", `{"@context":["https://w3id.org/security/data-integrity/v2",{"t":"http://purl.org/dc/terms/title"}],"id":"x:1","t":[{"@value":"标题","@language":"zh"},{"@value":"Title","@language":"en"}],"proof":{"type":"DataIntegrityProof","proofValue":"z"}}`, "t"},
		{"import", `{"@context":{"@import":"https://w3id.org/security/data-integrity/v2","t":"http://purl.org/dc/terms/title"},"id":"x:1","t":[{"@value":"标题","@language":"zh"},{"@value":"Title","@language":"en"}]}`, "t"},
		{"context list in a list", `{"@context":[{"a":"http://purl.org/dc/terms/"},{"t":"a:title"},null,{"t":"http://purl.org/dc/terms/title"}],"@id":"x:1","t":[{"@value":"标题","@language":"zh"},{"@value":"Title","@language":"en"}]}`, "t"},
	}
	p := New(Limits{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 { // parsed, and from the cache
				g, err := expand(t, p, tt.in)
				if err != nil {
					t.Fatal(err)
				}
				if len(g.Nodes) != 1 || g.Nodes[0]["@id"] != "x:1" {
					t.Fatalf("nodes: %v", g.Nodes)
				}
				byLang := map[any]any{}
				for _, v := range g.Nodes[0][dct+"title"].([]any) {
					byLang[v.(map[string]any)["@language"]] = v.(map[string]any)["@value"]
				}
				if byLang["zh"] != "标题" || byLang["en"] != "Title" || len(byLang) != 2 {
					t.Errorf("titles: %v", byLang)
				}
				if g.Name(dct+"title") != tt.member {
					t.Errorf("the title is called %q, want %q", g.Name(dct+"title"), tt.member)
				}
				if g.Nodes[0][proofIRI] != nil {
					t.Error("the proof is still there")
				}
			}
		})
	}
}

// Members below the top go by their own names; the nearest to the top decides.
func TestNames(t *testing.T) {
	const own = `{"@context":["https://w3id.org/lianmu/v1"],"@id":"x:1",`
	for _, tt := range []struct{ name, in, iri, want string }{
		{"nested", own + `"提供方":{"统一社会信用代码":"1"}}`, "https://w3id.org/lianmu/ns#uscc", "统一社会信用代码"},
		{"signed", own + `"提供方":{"统一社会信用代码":"1"},"proof":{"@context":["https://w3id.org/lianmu/v1","https://w3id.org/security/data-integrity/v2"],"type":"DataIntegrityProof"}}`, "https://w3id.org/lianmu/ns#uscc", "统一社会信用代码"},
		{"in a list", own + `"distribution":[{"格式":"CSV"}]}`, dct + "format", "格式"},
		{"top before below", own + `"distribution":{"标题":"a"},"title":"b"}`, dct + "title", "title"},
		{"near before far", own + `"a":{"b":{"标题":"a"}},"c":{"title":"b"}}`, dct + "title", "title"},
		{"of two at one level", own + `"a":{"标题":"a"},"b":{"title":"b"}}`, dct + "title", "title"},
		{"prefix", `{"@context":{"dct":"` + dct + `"},"@id":"x:1","x:a":{"dct:title":"a"}}`, dct + "title", "dct:title"},
		{"in the second of a graph", own + `"@graph":[{"@id":"x:2","description":"d"},{"@id":"x:3","标题":"a"}]}`, dct + "title", "标题"},
		{"not there", own + `"title":"b"}`, dct + "format", ""},
		{"below a scoped context", `{"@context":{"@vocab":"v:/","T":{"@id":"v:/T","@context":{"n":"v:/m"}}},"@id":"x:1","p":{"@type":"T","n":1}}`, "v:/n", ""},
	} {
		g, err := expand(t, New(Limits{}), tt.in)
		if err != nil {
			t.Fatal(err)
		}
		if got := g.Name(tt.iri); got != tt.want {
			t.Errorf("%s: called %q, want %q", tt.name, got, tt.want)
		}
	}
	if (&Graph{}).Name("x:1") != "" {
		t.Error("an empty graph has names")
	}
}

func TestNoContext(t *testing.T) {
	for in, want := range map[string]bool{
		`{"标题":"a"}`:                                            true,
		`{"@id":"x:1","title":"a","x:y":1}`:                     true,
		`{"@graph":[{"@id":"x:1"},{"title":"a"}]}`:              true,
		`{"@graph":{"title":"a"}}`:                              true,
		`{"@id":"x:1","x:title":"a","proof":{}}`:                false,
		`{"@context":{},"title":"a"}`:                           false,
		`{"@graph":[{"@context":{"title":"x:t"},"title":"a"}]}`: false,
		`{"@id":"x:1","@type":"Withdrawal"}`:                    false,
		`{}`:                                                    false,
	} {
		g, err := expand(t, New(Limits{}), in)
		if err != nil {
			t.Fatal(err)
		}
		if g.NoContext != want {
			t.Errorf("%s: %v", in, g.NoContext)
		}
	}
}

// Whatever can be written, the outcome is that of json-gold's own Expand.
func TestAgreesWithJSONGold(t *testing.T) {
	for _, in := range []string{
		`{"@context":{"@vocab":"v:/"},"@id":"x:1","a":{"@reverse":{"b":{"@id":"x:2"}}}}`,
		`{"@context":{"back":{"@reverse":"v:/isPartOf"}},"@id":"x:1","back":[{"@id":"x:2","v:/n":1},{"v:/n":2}]}`,
		`{"@context":{"@vocab":"v:/","@version":1.1},"@id":"x:1","@included":[{"@id":"x:2","n":1}],"m":{"@list":[1,[2,3]]}}`,
		`{"@context":{"@vocab":"v:/","m":{"@container":"@index"},"j":{"@type":"@json"}},"@id":"x:1","m":{"k":{"n":1},"l":2},"j":{"@context":"https://not.read/","z":[1]}}`,
		`{"@context":{"@vocab":"v:/","g":{"@container":["@graph","@id"]}},"@id":"x:1","g":{"x:3":{"n":true}}}`,
		`{"@context":{"@base":"https://b.example/a/"},"@id":"c","@type":"D","v:/p":{"@id":"../d"}}`,
		`{"@id":"x:1","@graph":[{"@id":"x:2","v:/n":1}],"v:/m":2}`,
		`{"@graph":[{"@id":"x:1","v:/n":1},{"@id":"x:2","v:/n":2}]}`,
		`{"@context":{"T":{"@id":"v:/T","@context":{"p":{"@id":"v:/p","@type":"@id"}}},"@vocab":"w:/"},"@type":"T","p":"x:1","q":{"@type":"T","p":{"p":"x:9"}}}`,
		`{"v:/j":{"@type":"@json","@value":{"@context":"https://not.read/"}}}`,
		`{"@context":["https://www.w3.org/ns/credentials/v2",{"@vocab":"v:/"}],"type":["VerifiableCredential","Odd"],"issuer":"did:x:1","credentialSubject":{"id":"did:x:2","名称":"值"}}`,
		`{"@context":["https://w3id.org/dspace/2025/1/context.jsonld"],"@id":"urn:1","@type":"Catalog","dataset":[{"@id":"urn:2","@type":"Dataset","hasPolicy":[{"@id":"urn:3","@type":"Offer","permission":[{"action":"use"}]}]}]}`,
		`{}`, `{"@context":{}}`, `{"a":1}`, `{"@id":"x:1"}`,
	} {
		t.Run("", func(t *testing.T) {
			var v any
			if err := json.Unmarshal([]byte(in), &v); err != nil {
				t.Fatal(err)
			}
			opts := ld.NewJsonLdOptions("")
			opts.DocumentLoader = loader{}
			want, err := ld.NewJsonLdProcessor().Expand(v, opts)
			if strings.Contains(in, `"j":{"@context"`) {
				// A JSON literal by its term's type is searched for contexts all the same.
				_, err := expand(t, New(Limits{}), in)
				refused(t, err, "context.unknown", "/j/@context")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			g, err := expand(t, New(Limits{}), in)
			if err != nil {
				t.Fatal(err)
			}
			got := []any{}
			for _, n := range g.Nodes {
				got = append(got, n)
			}
			if a, b := must(json.Marshal(got)), must(json.Marshal(want)); string(a) != string(b) {
				t.Errorf("%s\n got %s\nwant %s", in, a, b)
			}
		})
	}
}

func TestBuiltInContexts(t *testing.T) {
	for address := range contextAddresses {
		if _, err := expand(t, New(Limits{}), fmt.Sprintf(`{"@context":[%q,{"x":"v:/x"}],"@id":"x:1","x":1}`, address)); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{"/etc/passwd", "file:///etc/passwd", "lianmu-v1.jsonld", "https://w3id.org/lianmu/v1/", "https://w3id.org/lianmu/../lianmu/v1"} {
		if _, err := (loader{}).LoadDocument(address); err == nil {
			t.Errorf("%s was loaded", address)
		}
	}
}

func TestExpandRefuses(t *testing.T) {
	tests := []struct{ name, in, code, path, says string }{
		{"remote context", `{"@context":"https://schema.org/","name":"x"}`, "context.unknown", "/@context", "https://schema.org/"},
		{"second is remote", `{"@context":["https://w3id.org/lianmu/v1","https://evil.example/c"],"name":"x"}`, "context.unknown", "/@context/1", "https://evil.example/c"},
		{"file", `{"@context":"/etc/passwd"}`, "context.unknown", "/@context", "/etc/passwd"},
		{"in an invisible name", "{\"a\\u202eb/\":{\"@context\":\"https://evil.example/c\"}}", "context.unknown", `/a\u202eb~1/@context`, "https://evil.example/c"},
		{"relative to a base", `{"@context":[{"@base":"https://w3id.org/"},"lianmu/v1"]}`, "context.unknown", "/@context/1", ""},
		{"remote, nested", `{"a:b":[{"c:d":{"@context":"http://127.0.0.1/"}}]}`, "context.unknown", "/a:b/0/c:d/@context", "127.0.0.1"},
		{"remote, scoped", `{"@context":{"p":{"@id":"x:p","@context":["https://evil.example/s"]}}}`, "context.unknown", "/@context/p/@context/0", "evil.example"},
		{"remote, imported", `{"@context":{"@import":"https://evil.example/i"}}`, "context.unknown", "/@context/@import", "evil.example"},
		{"refers to itself", `{"@context":"https://me.example/doc","@id":"https://me.example/doc"}`, "context.unknown", "/@context", "me.example"},
		{"term refers to itself", `{"@context":{"a":"a:x"},"a":1}`, "context.invalid", "/@context", ""},
		{"terms in a circle", `{"@context":[{"z":"x:z"},{"a":"b:x","b":"c:x","c":"a:x"}],"a":1}`, "context.invalid", "/@context/1", "circle"},
		{"import of an import", `{"@context":[{"@import":"https://w3id.org/lianmu/v1"},{"@import":7}]}`, "context.invalid", "/@context/1/@import", ""},
		{"context a number", `{"@context":7}`, "context.invalid", "/@context", ""},
		{"context true in a list", `{"@context":[{"a":"x:a"},true]}`, "context.invalid", "/@context/1", ""},
		{"protected term", `{"@context":["https://w3id.org/security/data-integrity/v2",{"proof":"x:p"}]}`, "context.invalid", "/@context/1", "protected"},
		{"version", `{"@context":{"@version":2}}`, "context.invalid", "/@context", "1.1"},
		{"long list", `{"@context":[` + strings.Repeat("{},", 16) + `{}]}`, "limit.context", "/@context", "17"},
		{"long IRI", `{"@context":{"@vocab":"x:` + strings.Repeat("v", 3000) + `"}}`, "limit.context", "/@context/@vocab", ""},
		{"@id a number", `{"@id":7,"x:a":1}`, "jsonld.invalid", "/@id", "@id must be a string"},
		{"@id a number, deep", `{"@context":{"d":"x:d"},"@id":"x:1","d":[{"@id":"x:2"},{"x:e":{"@id":[]}}]}`, "jsonld.invalid", "/d/1/x:e/@id", ""},
		{"@type a number", `{"@id":"x:1","@type":[7]}`, "jsonld.invalid", "/@type/0", "@type must be"},
		{"language of a number", `{"x:t":[{"@value":"a"},{"@value":7,"@language":"zh"}]}`, "jsonld.invalid", "/x:t/1", "language"},
		{"language and type", `{"x:t":{"@value":"a","@type":"x:T","@language":"zh"}}`, "jsonld.invalid", "/x:t", "do not go together"},
		{"colliding", `{"@context":{"id":"@id"},"id":"x:1","@id":"x:2","x:a":1}`, "jsonld.invalid", "", "twice"},
		{"panic in the library", `{"@context":{"p":null},"p:x":1}`, "jsonld.invalid", "/p:x", "cannot read"},
		{"panic in a context", `{"@context":{"p":{"@id":"x:p","@container":7}}}`, "context.invalid", "/@context", "cannot read"},
	}
	p := New(Limits{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, err := expand(t, p, tt.in)
			if err == nil {
				t.Fatalf("accepted: %v", g.Nodes)
			}
			if problem := refused(t, err, tt.code, tt.path); !strings.Contains(problem.Message["en"], tt.says) {
				t.Errorf("%q does not say %q", problem.Message["en"], tt.says)
			}
		})
	}
	if got := p.cache.lru.Len(); got > 40 {
		t.Errorf("%d contexts are cached", got)
	}
}

func TestManyTermsRefused(t *testing.T) {
	var b strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&b, `"term%d":"https://example.org/%d",`, i, i)
	}
	_, err := expand(t, New(Limits{}), `{"@context":{`+b.String()+`"z":"x:z"},"z":1}`)
	refused(t, err, "limit.context", "/@context")
}

// Small documents that would make json-gold parse contexts for seconds are
// refused by counting; so is one that would expand to gigabytes.
func TestWorkIsBounded(t *testing.T) {
	big := "https://www.w3.org/ns/credentials/v2"
	list := func(n int, e string) string { return strings.Repeat(e+",", n-1) + e }
	tests := map[string]string{
		"property-scoped": fmt.Sprintf(`{"@context":{"p":{"@id":"x:p","@context":%q}},"p":[%s]}`, big, list(5000, `{"x:a":1}`)),
		"on value objects, which json-gold does not report": fmt.Sprintf(`{"@context":{"p":{"@id":"x:p","@context":%q}},"p":[%s]}`, big, list(5000, `{"@value":1}`)),
		"behind a @set": fmt.Sprintf(`{"@context":{"p":{"@id":"x:p","@context":%q},"s":"@set"},"p":{"s":[%s]}}`, big, list(5000, `{"@value":1}`)),
		"type-scoped":   fmt.Sprintf(`{"@context":{"T":{"@id":"x:T","@context":%q},"is":"@type"},"x:p":[%s]}`, big, list(5000, `{"is":"T","x:a":1}`)),
		"nested":        fmt.Sprintf(`{"x:p":[%s]}`, list(4000, fmt.Sprintf(`{"@context":%q,"x:a":1}`, big))),
		"growing nulls": fmt.Sprintf(`{"@context":{"T":{"@id":"x:T","@context":[null,null,null,null,%q]}},"x:p":[%s]}`, big, list(500, `{"@type":"T","x:a":1}`)),
		"long vocab":    fmt.Sprintf(`{"@context":{"@vocab":"http://x/%s"},"@graph":[%s]}`, strings.Repeat("v", 2000), list(6000, `{"@id":"x:1","a":1}`)),
		"vocab that grows": fmt.Sprintf(`{"@context":{"@vocab":"x:","p":{"@id":"x:p","@context":{"@vocab":"%s"}}},"p":[%s]}`, strings.Repeat("v", 2000),
			list(2000, `{"p":{"p":{"a":1}}}`)),
	}
	p := New(Limits{})
	for name, in := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := expand(t, p, in)
			refused(t, err, "limit.work", "/@context")
		})
	}
	// The same with a handful of nodes is fine.
	for _, in := range []string{
		fmt.Sprintf(`{"@context":{"p":{"@id":"x:p","@context":%q}},"p":[%s]}`, big, list(10, `{"x:a":1}`)),
		fmt.Sprintf(`{"x:p":[%s]}`, list(10, fmt.Sprintf(`{"@context":%q,"x:a":1}`, big))),
	} {
		if _, err := expand(t, p, in); err != nil {
			t.Error(err)
		}
	}
}

// Writers who send a different context each time do not fill the memory.
func TestCacheIsBounded(t *testing.T) {
	p := New(Limits{})
	p.cache = newContextCache(8, 100_000)
	for i := range 200 {
		if _, err := expand(t, p, fmt.Sprintf(`{"@context":["https://w3id.org/security/data-integrity/v2",{"t%d":"x:t"}],"t%d":1}`, i, i)); err != nil {
			t.Fatal(err)
		}
		if p.cache.lru.Len() > 8 || p.cache.memory > p.cache.limit {
			t.Fatalf("%d contexts, %d bytes", p.cache.lru.Len(), p.cache.memory)
		}
	}
	sum := 0
	for _, c := range p.cache.lru.Values() {
		sum += c.memory
	}
	if sum != p.cache.memory {
		t.Errorf("the cache holds %d bytes and counts %d", sum, p.cache.memory)
	}
}

// The order of a context's members does not matter; anything else does.
func TestContextKey(t *testing.T) {
	parse := func(s string) (v any) {
		if err := json.Unmarshal([]byte(s), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	if contextKey(parse(`{"a":"x","b":{"c":1,"d":null}}`)) != contextKey(parse(`{"b":{"d":null,"c":1},"a":"x"}`)) {
		t.Error("the order of members matters")
	}
	seen := map[[32]byte]string{}
	for _, s := range []string{`null`, `{}`, `[]`, `""`, `{"a":"b"}`, `{"ab":""}`, `["a","b"]`, `["ab"]`, `[["a"],"b"]`, `[["a","b"]]`, `{"a":{"b":"c"}}`,
		`{"a":true}`, `{"a":false}`, `{"a":null}`, `{"a":1}`, `{"a":1.1}`, `{"a":"1"}`, `[{"a":"x"},{"b":"y"}]`, `[{"a":"x","b":"y"}]`} {
		k := contextKey(parse(s))
		if other, has := seen[k]; has {
			t.Errorf("%s and %s have one key", s, other)
		}
		seen[k] = s
	}
}

// A context in the cache is not the writer's any more.
func TestCacheKeepsItsOwnCopy(t *testing.T) {
	p := New(Limits{})
	const in = `{"@context":{"T":{"@id":"x:T","@context":{"p":"x:p"}}},"@type":"T","p":1}`
	d, err := p.Decode([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Expand(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	scoped := d.Object["@context"].(map[string]any)["T"].(map[string]any)["@context"].(map[string]any)
	scoped["p"] = "evil:p"
	g, err := expand(t, p, in)
	if err != nil || g.Nodes[0]["x:p"] == nil {
		t.Errorf("got %v, %v", g, err)
	}
}

func TestExpandHeedsContext(t *testing.T) {
	p := New(Limits{})
	d, err := p.Decode([]byte(`{"@id":"x:1","x:a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Expand(ctx, d); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	// And in the midst of an expansion.
	_, err = contained(func() (any, error) {
		return ld.NewJsonLdApi().Expand(ld.NewContext(nil, options), "", map[string]any{"x:a": 1.0}, interruptible(ctx), false, nil)
	})
	if !errors.Is(err, errInterrupted) {
		t.Errorf("got %v", err)
	}
	refused(t, p.explain(nil, nil, &work{}, err), "limit.time", "")
}

// Many goroutines, few processors, the same and different contexts: for the
// race detector.
func TestConcurrent(t *testing.T) {
	p := New(Limits{})
	p.cache = newContextCache(4, 1<<20)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				in := fmt.Sprintf(`{"@context":["https://www.w3.org/ns/credentials/v2",{"t":"x:t%d"}],"id":"x:1","type":"VerifiableCredential","t":"v"}`, (i+j)%6)
				d, err := p.Decode([]byte(in))
				if err != nil {
					t.Error(err)
					return
				}
				g, err := p.Expand(context.Background(), d)
				if err != nil || g.Nodes[0][fmt.Sprintf("x:t%d", (i+j)%6)] == nil {
					t.Errorf("%s: %v, %v", in, g, err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzExpand(f *testing.F) {
	for _, s := range []string{
		`{"@context":{"@vocab":"v:","T":{"@id":"v:T","@context":{"p":null}}},"@type":"T","p":[{"@reverse":{"q":{}}}]}`,
		`{"@context":["https://w3id.org/lianmu/v1",{"n":"@nest","m":{"@id":"v:m","@container":"@language"}}],"n":{"m":{"zh":"值"}}}`,
		`{"@context":{"@import":"https://w3id.org/security/data-integrity/v1"},"@graph":[{"@included":{"v:a":1}}]}`,
		`{"@context":{"p":null},"p:x":1}`, `{"@context":[null,{"@base":"x:/"}],"@id":"../a","v:l":{"@list":[[1],{"@set":[2]}]}}`,
		`{"@context":{"i":{"@id":"v:i","@container":"@index","@index":"v:k"}},"i":{"a":{"v:b":1}}}`,
		`{"@context":{"@propagate":false,"@protected":true,"a":{"@id":"v:a","@type":"@json"}},"a":{"@value":1,"@direction":"rtl"}}`,
	} {
		f.Add([]byte(s))
	}
	for _, c := range termContexts {
		f.Add([]byte(`{"@context":` + c + `,"@id":"x:1","a":["值",{"@value":"x","@language":"ZH"}],"b":{"zh":["名"]},"c":{"a":1},"p:q":[[null]],"e":{"x:f":{"@id":"p:g"}}}`))
	}
	p := New(Limits{Bytes: 16 << 10, Nodes: 500, Depth: 12})
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := p.Decode(raw)
		if err != nil {
			return
		}
		kept := ld.CloneDocument(d.Object)
		g, err := p.Expand(context.Background(), d)
		if !reflect.DeepEqual(kept, any(d.Object)) {
			t.Fatalf("%s: the document was changed", raw)
		}
		if err != nil {
			var ps vocab.Problems
			if !errors.As(err, &ps) || len(ps) != 1 || ps[0].Code == "limit.time" || len(ps.Error()) > 2000 {
				t.Fatalf("%s: %v", raw, err)
			}
			return
		}
		agreesWithGold(t, p, d, g)
		for _, n := range g.Nodes {
			if n == nil || n[proofIRI] != nil {
				t.Fatalf("%s: node %v", raw, n)
			}
		}
		for iri, name := range g.collectAll() {
			if name == "" || g.Name(iri) != name {
				t.Fatalf("%s: %s is called %q and %q", raw, iri, name, g.Name(iri))
			}
		}
	})
}

package shape

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"lianmu/vocab"
	"lianmu/vocab/jsonld"
)

// check holds what is true of every reading, whatever the graph.
func check(t interface {
	Helper()
	Errorf(string, ...any)
}, rd *Reading, err error) {
	t.Helper()
	if rd == nil {
		t.Errorf("no reading")
		return
	}
	if err != nil {
		ps, ok := err.(vocab.Problems)
		if !ok || len(ps) == 0 || len(ps) > maxProblems+1 {
			t.Errorf("error %T with %d problems", err, len(ps))
		}
		if typed(rd) > 0 {
			t.Errorf("a refused document was typed")
		}
		checkProblems(t, ps)
		return
	}
	checkProblems(t, rd.Warnings)
	if checkIRI(rd.ID) != nil {
		t.Errorf("id %q", rd.ID)
	}
	switch rd.Kind {
	case vocab.KindOffering:
		o := rd.Offering
		if o == nil || o.ID != rd.ID || o.Kind == "" || len(o.Title) == 0 {
			t.Errorf("offering without what it must have: %+v", o)
			return
		}
		if o.Completeness < 0 || o.Completeness > 100 {
			t.Errorf("completeness %d", o.Completeness)
		}
		if len(o.Distributions) > mostAccess+1 || len(o.Services) > mostAccess+1 || len(o.Themes) > mostTerms || len(o.Identifiers) > mostIdentifiers {
			t.Errorf("beyond the bounds")
		}
		eachString(reflect.ValueOf(o), func(s string) {
			if strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && r != '\t' && isControl(r) || isBidi(r) }) {
				t.Errorf("control or direction character in %q", s)
			}
			if utf8.RuneCountInString(s) > mostDescription {
				t.Errorf("a text of %d characters", utf8.RuneCountInString(s))
			}
		})
		if l := o.Level.Code; l == "004" || l == "005" || o.Importance.Code == "core" {
			t.Errorf("a forbidden level was accepted")
		}
	case vocab.KindSpace:
		s := rd.Space
		if s == nil || typed(rd) > 1 || s.DID != rd.ID || !isDID(s.DID) || len(s.Name) == 0 {
			t.Errorf("space without what it must have: %+v", s)
			return
		}
		if len(s.Keys) > mostKeys || len(s.Endpoints) > mostEndpoints || len(s.Roles) > mostRoles || len(s.Schemes) > mostSchemes {
			t.Errorf("beyond the bounds: %+v", s)
		}
		noPerson(t, s)
	case vocab.KindParticipant:
		p := rd.Participant
		if p == nil || typed(rd) > 1 || p.ID != rd.ID || len(p.Name) == 0 || p.Audience == "" || vocab.CheckSubject(p.Code) != nil || p.ValidUntil.Year() > 9999 {
			t.Errorf("participant without what it must have: %+v", p)
			return
		}
		noPerson(t, p)
	case vocab.KindConsent:
		c := rd.Consent
		if c == nil || typed(rd) > 1 || c.ID != rd.ID || vocab.CheckSubject(c.Holder) != nil || len(c.Products) == 0 || len(c.Products) > vocab.MaxConsented ||
			len(c.Spaces) == 0 || len(c.Spaces) > vocab.MaxConsented || c.ValidUntil.Year() > 9999 {
			t.Errorf("consent without what it must have: %+v", c)
			return
		}
		for _, p := range c.Products {
			if vocab.CheckProduct(p) != nil || p[1:19] != c.Holder {
				t.Errorf("%s consents for %s", c.Holder, p)
			}
		}
		noPerson(t, c)
	case vocab.KindAct:
		a := rd.Act
		if a == nil || typed(rd) > 1 || a.ID != rd.ID || !isDID(a.Space) || a.By == "" || len(a.Keys) > mostKeys || len(a.Offerings) > vocab.MaxRemoved {
			t.Errorf("act without what it must have: %+v", a)
			return
		}
		if _, known := actMembers[a.Verb]; !known {
			t.Errorf("verb %q", a.Verb)
		}
	case vocab.KindRedaction:
		if r := rd.Redaction; r == nil || typed(rd) > 1 || r.ID != rd.ID || len(r.Leaf) == 0 || r.Ground == "" || r.By == "" {
			t.Errorf("redaction without what it must have: %+v", r)
		}
	case vocab.KindWithdrawal, vocab.KindDeregistration, vocab.KindEpoch:
		if typed(rd) > 0 {
			t.Errorf("a withdrawal holds nothing else")
		}
	default:
		t.Errorf("kind %v", rd.Kind)
	}
}

// noPerson looks for what must not have got in.
func noPerson(t interface {
	Helper()
	Errorf(string, ...any)
}, v any) {
	t.Helper()
	eachString(reflect.ValueOf(v), func(s string) {
		if f := personIn(s); f != nil {
			t.Errorf("%s: %q", f.en, s)
		}
	})
}

func checkProblems(t interface {
	Helper()
	Errorf(string, ...any)
}, ps vocab.Problems) {
	t.Helper()
	for _, p := range ps {
		if p.Code == "" || p.Message["zh"] == "" || p.Message["en"] == "" || p.Path != "" && p.Path[0] != '/' {
			t.Errorf("incomplete problem %+v", p)
		}
		if strings.Contains(p.Message["zh"]+p.Message["en"], "%!") {
			t.Errorf("badly formatted: %+v", p)
		}
	}
}

func eachString(v reflect.Value, f func(string)) {
	switch v.Kind() {
	case reflect.String:
		f(v.String())
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			eachString(v.Elem(), f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			eachString(v.Index(i), f)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			eachString(v.MapIndex(k), f)
		}
	case reflect.Struct:
		if v.Type().PkgPath() == "time" {
			return
		}
		for i := range v.NumField() {
			eachString(v.Field(i), f)
		}
	}
}

// FuzzRead reads any JSON as if it were an expanded graph.
func FuzzRead(f *testing.F) {
	for _, doc := range []string{
		allFields, typical(), doc(`"安全级别":"机密"`), doc(`"temporal":"2020/P1Y"`),
		aSpace(`"key":["` + spaceKey + `","` + otherKey + `"],"operator":{"name":"a","uscc":"91512081MA62K0260E"},"endpoint":[{"endpointType":"dsp","endpointURL":"https://s.example"}],"role":["运营方"],"defaultAudience":"互认","ruleScheme":"urn:x:1"`),
		aParticipant(`,"did":"did:web:p.example","role":"provider","level":2,"validUntil":"2027-12-31"`), aParticipant(`,"x":["13800001234"]`),
		aConsent(`,"did":"` + otherKey + `","validUntil":"2027-12-31"`), aConsent(`,"audience":"space"`),
		anAct("KeyCompromise", `,"key":"`+spaceKey+`","from":12,"reason":"r"`), anAct("Removal", `,"offerings":["urn:x:1"]`),
		anAct("KeyReplacement", `,"keys":["`+otherKey+`"],"evidence":"1"`), anAct("Admission", `,"descriptor":"`+digest+`","second":"b"`),
		`{` + lianmu + `,"@type":"Redaction","@id":"` + anID + `","index":12,"leaf":"AQ","ground":"personal","by":"a","created":"2026-11-21T08:00:00Z"}`,
	} {
		b, err := json.Marshal(expand(f, doc).Nodes)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`[{"@id":"urn:x:1","@type":["http://www.w3.org/ns/dcat#Dataset"],"http://purl.org/dc/terms/title":"t","@reverse":{"http://www.w3.org/ns/dcat#dataset":[{"@id":"urn:x:1"}]}}]`))
	f.Add([]byte(`[{"@list":[{"@set":[{"@value":{}}]}],"@type":7,"@id":[],"@graph":{"@graph":[[]]}}]`))
	r, err := NewReader()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var nodes []map[string]any
		if len(b) > 64<<10 || json.Unmarshal(b, &nodes) != nil {
			t.Skip()
		}
		rd, err := r.Read(&jsonld.Graph{Nodes: nodes}, testNow)
		check(t, rd, err)
	})
}

// TestReadAnything builds graphs out of the profile's own properties with
// values of every kind, which random bytes would seldom find.
func TestReadAnything(t *testing.T) {
	r := newReader(t)
	var iris []string
	for _, list := range r.p.fields {
		iris = append(iris, list...)
	}
	iris = append(iris, "https://e.example/ns#安全级别", "https://e.example/ns#idNumber", "@reverse", "@graph", "@included", "https://w3id.org/lianmu/ns#odd")
	for _, name := range fixedMembers() {
		iris = append(iris, ownNamespace+name)
	}
	slices.Sort(iris)
	types := slices.Sorted(maps.Keys(r.p.types))
	text := rapid.SampledFrom([]string{"", " ", "a", "港口", "机密", "敏感", "公开", "是", "001", "B0300", "2020-01-01/..", "9999-12-31T23:59:59-14:00", "0000-00-00", "13800001234", personal,
		"91512081MA62K0260F", "javascript:x", "urn:x:1", "_:b", "https://a.example/?q=%25s%d", "POLYGON((", "ENVELOPE(1,2,3,4)", "{\"coordinates\":[[[]]]}", "a\u202eb", "\x00", "\u0080", "\xff", "1,2;3、4", "1e999", "-",
		spaceKey, anID, digest, "138-0000-1234", "91512081MA62K0260E", "个人信息", "AQ"})
	var value func(depth int) *rapid.Generator[any]
	node := func(depth int) *rapid.Generator[any] {
		return rapid.Custom(func(t *rapid.T) any {
			n := map[string]any{}
			if rapid.Bool().Draw(t, "id?") {
				n["@id"] = rapid.OneOf(text.AsAny(), rapid.Just[any]("urn:x:1"), rapid.Just[any](7.0)).Draw(t, "id")
			}
			if rapid.Bool().Draw(t, "type?") {
				n["@type"] = []any{rapid.SampledFrom(types).Draw(t, "type")}
			}
			for range rapid.IntRange(0, 6).Draw(t, "members") {
				n[rapid.SampledFrom(iris).Draw(t, "iri")] = value(depth-1).Draw(t, "value")
			}
			return n
		})
	}
	value = func(depth int) *rapid.Generator[any] {
		scalar := rapid.OneOf(text.AsAny(), rapid.Float64().AsAny(), rapid.Bool().AsAny(), rapid.Just[any](nil))
		object := rapid.Custom(func(t *rapid.T) any {
			return map[string]any{"@value": scalar.Draw(t, "scalar"), "@language": rapid.SampledFrom([]string{"", "zh-TW", "en", "native", "@value", "@language", "zh_CN"}).Draw(t, "lang")}
		})
		if depth <= 0 {
			return rapid.OneOf(scalar, object)
		}
		return rapid.OneOf(scalar, object, node(depth),
			rapid.SliceOfN(node(depth), 0, 3).AsAny(), rapid.SliceOfN(object, 0, 3).AsAny(),
			rapid.Custom(func(t *rapid.T) any { return map[string]any{"@list": value(depth-1).Draw(t, "list")} }),
			rapid.Custom(func(t *rapid.T) any {
				return []any{map[string]any{rapid.SampledFrom(iris).Draw(t, "p"): value(depth-1).Draw(t, "v")}}
			}))
	}
	rapid.Check(t, func(t *rapid.T) {
		var g jsonld.Graph
		for range rapid.IntRange(1, 3).Draw(t, "nodes") {
			g.Nodes = append(g.Nodes, normal(node(3).Draw(t, "node")).(map[string]any))
		}
		if rapid.Bool().Draw(t, "sound") { // often enough, one that gets past the first checks
			g.Nodes[0]["@id"] = "urn:x:1"
			g.Nodes[0]["@type"] = []any{"http://www.w3.org/ns/dcat#Dataset"}
			g.Nodes[0]["http://purl.org/dc/terms/title"] = []any{map[string]any{"@value": "t"}}
			if other := rapid.SampledFrom([]string{"", "Space", "Participant", "Suspension", "KeyCompromise", "Redaction"}).Draw(t, "other"); other != "" {
				g.Nodes[0]["@id"] = map[string]string{"Space": spaceKey, "Participant": "urn:x:1"}[other]
				if g.Nodes[0]["@id"] == "" {
					g.Nodes[0]["@id"] = anID
				}
				g.Nodes[0]["@type"] = []any{ownNamespace + other}
				g.Nodes[0][ownNamespace+"by"] = []any{map[string]any{"@value": "a"}}
			}
		}
		before := fmt.Sprint(g.Nodes)
		rd, err := r.Read(&g, testNow)
		check(t, rd, err)
		if fmt.Sprint(g.Nodes) != before {
			t.Errorf("the graph was changed")
		}
		again, err2 := r.Read(&g, testNow)
		if (err == nil) != (err2 == nil) || err == nil && !reflect.DeepEqual(rd, again) {
			t.Errorf("two readings of one graph differ: %v, %v\n%+v\n%+v", err, err2, rd, again)
		}
	})
}

// normal turns typed slices into []any, as JSON has them.
func normal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			v[k] = normal(x)
		}
		return v
	case []any:
		for i, x := range v {
			v[i] = normal(x)
		}
		return v
	}
	if rv := reflect.ValueOf(v); rv.IsValid() && rv.Kind() == reflect.Slice {
		out := make([]any, rv.Len())
		for i := range out {
			out[i] = normal(rv.Index(i).Interface())
		}
		return out
	}
	return v
}

// A document of many nodes with one name costs linear time.
func TestManyNodesOfOneName(t *testing.T) {
	var nodes []map[string]any
	for i := range 20000 {
		nodes = append(nodes, map[string]any{"@id": "urn:x:1", "http://www.w3.org/ns/dcat#theme": []any{map[string]any{"@value": fmt.Sprint(i)}}})
	}
	rd, err := newReader(t).Read(&jsonld.Graph{Nodes: nodes}, testNow)
	check(t, rd, err)
	r := newReader(t)
	allocs := testing.AllocsPerRun(1, func() { _, _ = r.Read(&jsonld.Graph{Nodes: nodes}, testNow) })
	if allocs > 200_000 {
		t.Errorf("%v allocations for 20,000 nodes", allocs)
	}
}

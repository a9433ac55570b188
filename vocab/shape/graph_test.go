package shape

import (
	"slices"
	"strings"
	"testing"

	"lianmu/vocab"
	"lianmu/vocab/jsonld"
)

const dcat = `"@context":{"dcat":"http://www.w3.org/ns/dcat#","dct":"http://purl.org/dc/terms/","schema":"https://schema.org/","odrl":"http://www.w3.org/ns/odrl/2/","foaf":"http://xmlns.com/foaf/0.1/"}`

// Which node of several is the offering.
func TestSubject(t *testing.T) {
	for name, tc := range map[string]struct {
		doc      string
		id       string
		kind     vocab.OfferingKind
		services int
	}{
		"service of a dataset beside it": {`{` + dcat + `,"@graph":[{"@id":"urn:x:s","@type":"dcat:DataService","dcat:endpointURL":"https://s.example/api"},{"@id":"urn:x:1","@type":"dcat:Dataset","dct:title":"t","dcat:distribution":{"dcat:accessService":{"@id":"urn:x:s"}}}]}`, "urn:x:1", vocab.Dataset, 1},
		"service nested":                 {`{` + dcat + `,"@id":"urn:x:1","@type":"dcat:Dataset","dct:title":"t","dcat:distribution":{"dcat:accessService":{"@id":"urn:x:s","@type":"dcat:DataService","dcat:endpointURL":"https://s.example/api"}}}`, "urn:x:1", vocab.Dataset, 1},
		"service and dataset, catalogue": {`{` + dcat + `,"@id":"urn:x:c","@type":"dcat:Catalog","dcat:service":{"@id":"urn:x:s","@type":"dcat:DataService","dcat:endpointURL":"https://s.example/api"},"dcat:dataset":{"@id":"urn:x:1","@type":"dcat:Dataset","dct:title":"t","dcat:distribution":{"dcat:accessService":{"@id":"urn:x:s"}}}}`, "urn:x:1", vocab.Dataset, 1},
		"service that serves it":         {`{` + dcat + `,"@id":"urn:x:1","@type":"dcat:Dataset","dct:title":"t","@reverse":{"dcat:servesDataset":{"@type":"dcat:DataService","dcat:endpointURL":"https://s.example/api"}}}`, "urn:x:1", vocab.Dataset, 1},
		"a service on offer":             {`{` + dcat + `,"@id":"urn:x:s","@type":"dcat:DataService","dct:title":"t","dcat:endpointURL":{"@id":"https://s.example/api"},"dcat:servesDataset":{"@id":"urn:x:1","@type":"dcat:Dataset","dct:title":"other"}}`, "urn:x:s", vocab.Service, 1},
		"a source nested in it":          {`{` + dcat + `,"@id":"urn:x:1","@type":"dcat:Dataset","dct:title":"t","dct:source":{"@id":"urn:x:2","@type":"dcat:Dataset","dct:title":"other"}}`, "urn:x:1", vocab.Dataset, 0},
		"most specific type":             {`{` + dcat + `,"@id":"urn:x:1","@type":["dcat:Dataset","https://w3id.org/lianmu/ns#DataProduct"],"dct:title":"t"}`, "urn:x:1", vocab.Product, 0},
		"included service":               {`{` + dcat + `,"@id":"urn:x:1","@type":"dcat:Dataset","dct:title":"t","dcat:accessService":{"@id":"urn:x:s"},"@included":[{"@id":"urn:x:s","@type":"dcat:DataService","dcat:endpointURL":"https://s.example/api"}]}`, "urn:x:1", vocab.Dataset, 1},
		"topic of a record":              {`{` + dcat + `,"@id":"urn:x:r","@type":"dcat:CatalogRecord","foaf:primaryTopic":{"@id":"urn:x:1","@type":"dcat:Dataset","dct:title":"t"}}`, "urn:x:1", vocab.Dataset, 0},
	} {
		t.Run(name, func(t *testing.T) {
			rd := accept(t, tc.doc)
			if rd.ID != tc.id || rd.Offering.Kind != tc.kind || rd.Offering.Title["und"] != "t" || len(rd.Offering.Services) != tc.services {
				t.Errorf("%s %+v", rd.ID, rd.Offering)
			}
			if tc.services == 1 && rd.Offering.Services[0].EndpointURL != "https://s.example/api" {
				t.Errorf("services %+v", rd.Offering.Services)
			}
		})
	}
}

func TestWithdrawalsAndSpaces(t *testing.T) {
	for doc, want := range map[string]vocab.EntryKind{
		`{"@type":"Withdrawal","@id":"urn:x:1"}`:                                                                     vocab.KindWithdrawal,
		`{"@context":"https://w3id.org/lianmu/v1","@type":"下架","@id":"urn:x:1"}`:                                     vocab.KindWithdrawal,
		`{"@context":"https://w3id.org/lianmu/v1","类型":"Withdrawal","标识":"urn:x:1","description":"季度维护"}`:            vocab.KindWithdrawal,
		`{"@type":"Deregistration","@id":"urn:x:1"}`:                                                                 vocab.KindDeregistration,
		`{"@context":"https://w3id.org/lianmu/v1","type":"注销","id":"urn:x:1"}`:                                       vocab.KindDeregistration,
		`{"@context":{"lm":"https://w3id.org/lianmu/ns#"},"@type":"lm:Deregistration","@id":"urn:x:1","lm:why":"…"}`: vocab.KindDeregistration,
	} {
		rd := accept(t, doc)
		if rd.Kind != want || rd.ID != "urn:x:1" || rd.Offering != nil || rd.Space != nil || len(rd.Warnings) > 0 {
			t.Errorf("%s: %+v", doc, rd)
		}
	}
	rd := accept(t, `{"@context":"https://w3id.org/lianmu/v1","@id":"did:key:z6MkExample","@type":"可信数据空间",
		"名称":{"zh":"临港城市可信数据空间（演示数据）","en":"Lingang city data space (demo)"},"空间类型":"城市","描述":"城市治理。",
		"运营方":{"名称":"示例运营公司","统一社会信用代码":"91512081MA62K0260E"},"地域分类":"上海市","行业分类":"I","主页":"https://space.example/","联系方式":"data@space.example"}`)
	s := rd.Space
	if rd.Kind != vocab.KindSpace || s == nil || s.DID != "did:key:z6MkExample" || s.Name["en"] != "Lingang city data space (demo)" || s.Type.Code != "city" ||
		s.Operator.Code != "91512081MA62K0260E" || s.Operator.Name["zh"] != "示例运营公司" || s.Region.Code != "3100" || s.Industry.Code != "I" ||
		s.Homepage != "https://space.example/" || s.Contact != "data@space.example" || len(rd.Warnings) > 0 {
		t.Errorf("%+v %v", s, rd.Warnings)
	}
	rd = accept(t, `{"@context":"https://w3id.org/lianmu/v1","@id":"did:key:z6MkExample","@type":"Space","name":"Bare"}`)
	if got := codes(rd.Warnings); !slices.Equal(got, []string{"missing.contact", "missing.description", "missing.industry", "missing.operator", "missing.region", "missing.spaceType"}) {
		t.Errorf("warnings %v", got)
	}
}

// A refusal carries the kind and id, as far as they are known, for filing.
func TestRefusalIsNamed(t *testing.T) {
	rd, err := newReader(t).Read(expand(t, doc(`"安全级别":"机密"`)), testNow)
	if err == nil || rd.Kind != vocab.KindOffering || rd.ID != "urn:x:1" {
		t.Errorf("%+v %v", rd, err)
	}
	rd, err = newReader(t).Read(nil, testNow)
	if err == nil || rd.ID != "" {
		t.Errorf("%+v %v", rd, err)
	}
}

func TestSeveralAreNamed(t *testing.T) {
	ps := refuse(t, `{`+dcat+`,"@graph":[{"@id":"urn:x:b","@type":"dcat:Dataset","dct:title":"b"},{"@id":"urn:x:a","@type":"dcat:DataService","dct:title":"a"}]}`)
	if m := ps[0].Message["en"]; !strings.Contains(m, "urn:x:a") || !strings.Contains(m, "urn:x:b") {
		t.Errorf("%v", ps)
	}
}

// A walk deeper than any decoder lets pass ends.
func TestDeepGraph(t *testing.T) {
	n := map[string]any{"@id": "urn:x:0"}
	for range 100_000 {
		n = map[string]any{"https://e.example/p": []any{n}}
	}
	n["@id"], n["@type"] = "urn:x:1", []any{"http://www.w3.org/ns/dcat#Dataset"}
	n["http://purl.org/dc/terms/title"] = []any{map[string]any{"@value": "t"}}
	rd, err := newReader(t).Read(&jsonld.Graph{Nodes: []map[string]any{n}}, testNow)
	check(t, rd, err)
	if err != nil {
		t.Error(err)
	}
}

// References make a graph out of a tree; following them all is refused.
func TestReferencesAreBounded(t *testing.T) {
	refs := func(id string, n int) []any {
		out := make([]any, n)
		for i := range out {
			out[i] = map[string]any{"@id": id}
		}
		return out
	}
	const odrl = "http://www.w3.org/ns/odrl/2/"
	dataset := func(members map[string]any) map[string]any {
		n := map[string]any{"@id": "urn:x:1", "@type": []any{"http://www.w3.org/ns/dcat#Dataset"}, "http://purl.org/dc/terms/title": []any{map[string]any{"@value": "t"}}}
		for k, v := range members {
			n[k] = v
		}
		return n
	}
	long := []any{map[string]any{"@value": strings.Repeat("长", 30000)}}
	for name, nodes := range map[string][]map[string]any{
		"constraints of constraints": {
			dataset(map[string]any{odrl + "hasPolicy": []any{map[string]any{odrl + "permission": refs("_:r", 1)}}}),
			{"@id": "_:r", odrl + "constraint": refs("_:a", 200)},
			{"@id": "_:a", odrl + "and": refs("_:b", 200)},
			{"@id": "_:b", odrl + "or": refs("_:a", 200)},
		},
		"services of distributions": {
			dataset(map[string]any{"http://www.w3.org/ns/dcat#distribution": refs("_:d", 500)}),
			{"@id": "_:d", "http://www.w3.org/ns/dcat#accessService": refs("urn:x:s", 5000)},
			{"@id": "urn:x:s", "http://www.w3.org/ns/dcat#endpointURL": refs("https://s.example/", 1)},
		},
		"geometries of places": {
			dataset(map[string]any{"http://purl.org/dc/terms/spatial": refs("_:p", 5000)}),
			{"@id": "_:p", "http://www.opengis.net/ont/geosparql#hasGeometry": refs("_:g", 5000)},
			{"@id": "_:g", "http://www.opengis.net/ont/geosparql#hasGeometry": refs("_:p", 5000)},
		},
		"one long label": {
			dataset(map[string]any{"http://www.w3.org/ns/dcat#theme": refs("_:c", 15000)}),
			{"@id": "_:c", "http://www.w3.org/2004/02/skos/core#prefLabel": long},
		},
	} {
		t.Run(name, func(t *testing.T) {
			rd, err := newReader(t).Read(&jsonld.Graph{Nodes: nodes}, testNow)
			check(t, rd, err)
			if err == nil || find(vocab.ProblemsOf(err, ""), "shape.work") == nil {
				t.Errorf("%v", err)
			}
		})
	}
}

package shape

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"lianmu/vocab/jsonld"
)

// typical is a description of 3.8 KB with prefixes, as performance figures
// take it: two languages, ten keywords, three distributions, a policy.
func typical() string {
	en := strings.Repeat("Hourly berth occupancy and quay crane work at the outer port, by terminal. ", 8)
	zh := strings.Repeat("按码头逐小时统计外港泊位占用与岸桥作业情况，供调度与研究使用。", 9)
	dist := ""
	for i := range 3 {
		dist += fmt.Sprintf(`{"@type":"dcat:Distribution","dct:title":{"@value":"第 %d 部分","@language":"zh"},"dcat:downloadURL":{"@id":"https://space.example/data/port/%d.csv"},"dct:format":"CSV","dcat:mediaType":"text/csv","dcat:byteSize":10485760},`, i, i)
	}
	return `{"@context":{"dcat":"http://www.w3.org/ns/dcat#","dct":"http://purl.org/dc/terms/","foaf":"http://xmlns.com/foaf/0.1/","odrl":"http://www.w3.org/ns/odrl/2/","lm":"https://w3id.org/lianmu/ns#","vcard":"http://www.w3.org/2006/vcard/ns#"},
"@id":"https://space.example/products/port-1","@type":"dcat:Dataset",
"dct:title":[{"@value":"外港泊位作业","@language":"zh"},{"@value":"Berth work at the outer port","@language":"en"}],
"dct:description":[{"@value":"` + zh + `","@language":"zh"},{"@value":"` + en + `","@language":"en"}],
"dcat:keyword":["港口","泊位","岸桥","调度","集装箱","port","berth","crane","container","logistics"],
"dct:publisher":{"@id":"did:web:space.example","foaf:name":"示例港务集团（演示数据）","lm:uscc":"91512081MA62K0260E"},
"dcat:contactPoint":{"vcard:fn":"数据服务台","vcard:hasEmail":"data@space.example"},
"dcat:theme":["B0300","B0400"],"lm:industry":"G","lm:region":["3100","3300"],"lm:deliveryForm":"001","dct:accrualPeriodicity":"001",
"lm:securityLevel":"公开","lm:personalData":false,"lm:quality":"A级","dct:license":{"@id":"https://license.example/1"},
"dct:issued":"2026-01-05","dct:modified":"2026-11-20T08:00:00+08:00","dct:temporal":{"dcat:startDate":"2020-01-01","dcat:endDate":"2026-10-31"},
"dct:spatial":{"dcat:bbox":"POLYGON((120.8 30.7,122.2 30.7,122.2 31.9,120.8 31.9,120.8 30.7))"},
"dcat:distribution":[` + strings.TrimSuffix(dist, ",") + `],
"odrl:hasPolicy":{"@type":"odrl:Offer","odrl:permission":[{"odrl:action":{"@id":"odrl:use"},"odrl:constraint":{"odrl:leftOperand":{"@id":"odrl:purpose"},"odrl:operator":{"@id":"odrl:eq"},"odrl:rightOperand":"科研"}}]}}`
}

// BenchmarkRead measures typing alone, the expanded graph being given.
func BenchmarkRead(b *testing.B) {
	doc := typical()
	r, g := newReader(b), expand(b, doc)
	rd, err := r.Read(g, testNow)
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%s, GOMAXPROCS %d, document of %d bytes, completeness %d", runtime.Version(), runtime.GOMAXPROCS(0), len(doc), rd.Offering.Completeness)
	b.ReportAllocs()
	before := cpu()
	for b.Loop() {
		if _, err := r.Read(g, testNow); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
}

// cpu is the processor time of this process so far: on a machine that others
// use too it tells more than the clock. It includes the garbage collector.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkExpandAndRead is the whole way from a decoded document.
func BenchmarkExpandAndRead(b *testing.B) {
	r, p := newReader(b), jsonld.New(jsonld.Limits{})
	d, err := p.Decode([]byte(typical()))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	before := cpu()
	for b.Loop() {
		g, err := p.Expand(context.Background(), d)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Read(g, testNow); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
}

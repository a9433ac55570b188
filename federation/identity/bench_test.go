package identity

import (
	"fmt"
	"strings"
	"testing"

	"lianmu/vocab/jsonld"
)

// benchDoc is a description of about 3.8 KB, Chinese and English mixed.
func benchDoc() string {
	var b strings.Builder
	b.WriteString(`{"@context":{"dcat":"http://www.w3.org/ns/dcat#","dct":"http://purl.org/dc/terms/"},"@id":"https://space.example/offerings/1","@type":"dcat:Dataset"`)
	for i := 0; b.Len() < 3300; i++ {
		fmt.Fprintf(&b, `,"dct:field%d":{"@value":"浦东新区公共充电桩实时状态与历史利用率","@language":"zh","rank":%d.5,"list":["a","b","c"]}`, i, i)
	}
	b.WriteString("}")
	return b.String()
}

func BenchmarkVerify(b *testing.B) {
	signed := mustSign(b, benchDoc(), testSeed, SignOptions{})
	d, err := jsonld.New(jsonld.Limits{}).Decode(signed)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(signed)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Verify(d, testNow); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCanonical is the part of BenchmarkVerify that is jsonld's.
func BenchmarkCanonical(b *testing.B) {
	signed := mustSign(b, benchDoc(), testSeed, SignOptions{})
	b.SetBytes(int64(len(signed)))
	for b.Loop() {
		if _, err := jsonld.Canonical(signed); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	doc, key := []byte(benchDoc()), testKey(b, testSeed)
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		if _, err := Sign(doc, key, SignOptions{Created: testNow}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyToken(b *testing.B) {
	token, err := NewToken(testKey(b, testSeed), hubDID, testNow, MaxTokenLife)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, _, err := VerifyToken(token, hubDID, testNow); err != nil {
			b.Fatal(err)
		}
	}
}

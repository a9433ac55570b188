package shape

import "testing"

// Frequencies of the EU vocabulary and of DCMI's collection terms are the
// national ones.
func TestForeignFrequencies(t *testing.T) {
	for iri, want := range map[string]string{
		"http://publications.europa.eu/resource/authority/frequency/DAILY": "002",
		"http://purl.org/cld/freq/monthly":                                 "004",
	} {
		r, err := newReader(t).Read(expand(t, `{"@context":"https://w3id.org/lianmu/v1","@id":"https://space.example/f","@type":"Dataset","title":"t","dct:accrualPeriodicity":{"@id":"`+iri+`"}}`), testNow)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Offering.Frequency.Code; got != want {
			t.Errorf("%s is %q, want %s", iri, got, want)
		}
	}
}
